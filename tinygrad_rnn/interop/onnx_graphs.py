r"""ONNX graphs as modules: nodes computed one after the other with our ops."""

import inspect
from typing import Any

import numpy as np

from tinygrad_rnn.engine import DtypeError, Tensor, tensor
from tinygrad_rnn.interop.onnx_operators import OPERATORS
from tinygrad_rnn.interop.onnx_recurrence import CELLS, check_attributes
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.nn import Module, Parameter

__all__ = ["OnnxModel"]

OPSETS = (7, 13)  # the first that is read, and the first whose Softmax acts along one axis


class OnnxModel(Module):
    """A graph from ONNX: `from_onnx` makes it.

    Attributes:
        input_names: what it is called with, in order.
        output_names: what it returns, in order.

    Raises:
        InteropError: if an operator, one of its attributes or the opset is not supported.
    """

    def __init__(self, onnx: Any, model: Any) -> None:
        opset = next((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), 1)
        if opset < OPSETS[0]:
            raise InteropError(f"from_onnx: got opset {opset}; expected {OPSETS[0]} or later")
        graph = model.graph
        if graph.sparse_initializer:
            raise InteropError("from_onnx: got sparse weights, which are not supported")
        constants = {x.name: array(onnx, x) for x in graph.initializer}
        self.weights = Weights(constants)
        self.constants = {k: v for k, v in constants.items() if k not in self.weights.places}
        self.nodes = tuple(Node(onnx, node, opset) for node in graph.node)
        self.input_names = [x.name for x in graph.input if x.name not in constants]
        self.output_names = [x.name for x in graph.output]
        self.dtypes = {
            x.name: onnx.helper.tensor_dtype_to_np_dtype(x.type.tensor_type.elem_type)
            for x in graph.input
        }

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the graph.

        Args:
            *inputs: arrays or tensors, in the graph's order,
            **named: or by name.

        Returns:
            The output; a tuple if there are several.

        Raises:
            InteropError: if an input is missing or unexpected.
            DtypeError: if one has another dtype than the graph says.
        """
        given = {**dict(zip(self.input_names, inputs, strict=False)), **named}
        if given.keys() != set(self.input_names) or len(inputs) > len(self.input_names):
            raise InteropError(
                f"OnnxModel: got the inputs {[*given]}; expected {self.input_names}, in this order "
                "or by name"
            )
        values = {**self.constants, **self.weights.values(), "": None}
        values.update((name, self.read(name, x)) for name, x in given.items())
        for node in self.nodes:
            values.update(zip(node.outputs, node.compute(values), strict=False))
        outputs = tuple(values[name] for name in self.output_names)
        return outputs[0] if len(outputs) == 1 else outputs

    def read(self, name: str, x: Any) -> Any:
        """An input: floats as a tensor, others as an array."""
        if not isinstance(x, Tensor):
            x = tensor(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x)
        if x.dtype != self.dtypes[name] and not x.dtype.kind == self.dtypes[name].kind == "i":
            raise DtypeError(
                f"OnnxModel: got {name} of dtype {x.dtype}; expected {self.dtypes[name]}"
            )
        return x.data if isinstance(x, Tensor) and x.dtype.kind != "f" else x

    def extra_repr(self) -> str:
        """Inputs and outputs."""
        return f"{', '.join(self.input_names)} → {', '.join(self.output_names)}"


class Weights(Module):
    """The float arrays of a graph, as parameters under their names.

    Attributes:
        places: for each name, its attribute: the same, unless a module has one called so.
    """

    def __init__(self, constants: dict[str, Any]) -> None:
        floats = {k: v for k, v in constants.items() if v.dtype.kind == "f" and v.ndim}
        self.places = {name: name + "_" * hasattr(Module, name) for name in floats}
        for name, place in self.places.items():
            setattr(self, place, Parameter(floats[name]))

    def values(self) -> dict[str, Parameter]:
        """The parameters by the graph's names."""
        return {name: getattr(self, place) for name, place in self.places.items()}


class Node:
    """One operator of a graph, with its attributes.

    Raises:
        InteropError: if the operator or an attribute is not supported.
    """

    def __init__(self, onnx: Any, node: Any, opset: int) -> None:
        self.operator, self.inputs, self.outputs = node.op_type, list(node.input), list(node.output)
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise InteropError(
                f"from_onnx: the operator {node.domain or 'ai.onnx'}.{node.op_type} is not "
                f"supported; expected some of {', '.join(OPERATORS)}"
            )
        if node.op_type in ("Softmax", "LogSoftmax") and opset < OPSETS[1]:
            raise InteropError(
                f"from_onnx: {node.op_type} of opset {opset} acts on several axes at once, which "
                f"is not supported; convert the model to opset {OPSETS[1]} or later"
            )
        self.attributes = {x.name: plain(onnx, x) for x in node.attribute}
        if node.op_type in CELLS:
            check_attributes(node.op_type, self.attributes)
        else:
            self.check_attributes()

    def check_attributes(self) -> None:
        """Refuse attributes that the operator's function does not take."""
        known = inspect.signature(OPERATORS[self.operator]).parameters
        for name in self.attributes:
            if name not in known:
                raise InteropError(
                    f"{self.operator}: got the attribute {name}, which is not supported"
                )

    def compute(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """The outputs, from all values so far."""
        function = OPERATORS[self.operator]
        y = function(*(values[name] for name in self.inputs), **self.attributes)
        return y if isinstance(y, tuple) else (y,)


def array(onnx: Any, stored: Any) -> Any:
    """The values of a stored array.

    Raises:
        InteropError: if they are in another file, which could be any.
    """
    if stored.data_location == onnx.TensorProto.EXTERNAL:
        raise InteropError(
            f"from_onnx: {stored.name} is in another file, which is not read; save the model with "
            "its weights in it"
        )
    return onnx.numpy_helper.to_array(stored)


def plain(onnx: Any, attribute: Any) -> Any:
    """The value of an attribute, as a number, a string, a list, an array or a dtype."""
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name == "to":
        return onnx.helper.tensor_dtype_to_np_dtype(value)
    if isinstance(value, onnx.TensorProto):
        return array(onnx, value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int | float | str):
        return value
    return [x.decode() if isinstance(x, bytes) else x for x in value]
