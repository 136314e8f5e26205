r"""An ONNX graph that grows: what functions in `onnx_writing` add their nodes to."""

from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine import Tensor

OPSET, IR_VERSION = 17, 8  # the oldest with LayerNormalization, so that many can read it


class Value(NamedTuple):
    """What a name in the graph stands for."""

    name: str
    axes: tuple[str | int, ...]


class Graph:
    """An ONNX graph that grows.

    Args:
        onnx: the library.
        dtype: of its floats.
        lengths: whether sequences have lengths, which are then an input.
    """

    def __init__(self, onnx: Any, dtype: Any, lengths: bool) -> None:
        self.onnx, self.dtype, self.lengths = onnx, np.dtype(dtype), "lengths" * lengths
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.shared: dict[int, str] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def add(self, operator: str, *inputs: str, count: int = 1, **attributes: Any) -> list[str]:
        """Add a node, and name its outputs."""
        outputs = [f"{operator}_{len(self.nodes)}_{k}" for k in range(count)]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def put(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and name that."""
        return self.add(operator, *inputs, **attributes)[0]

    def constant(self, name: str, array: Any) -> str:
        """Add an array."""
        self.constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def parameter(self, name: str, x: Tensor) -> str:
        """Add a parameter; one that is shared only once."""
        if id(x) not in self.shared:
            self.shared[id(x)] = self.constant(name, x.data)
        return self.shared[id(x)]

    def integers(self, *numbers: int) -> str:
        """Add indices or lengths."""
        return self.constant("_".join(map(str, ("int", *numbers))), np.array(numbers, np.int64))

    def described(self, value: Value, dtype: Any) -> Any:
        """What the graph says of an input or output."""
        code = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(value.name, code, value.axes)

    def input(self, value: Value, dtype: Any = None) -> Value:
        """Add an input."""
        self.inputs.append(self.described(value, dtype or self.dtype))
        return value

    def output(self, name: str, value: Value) -> None:
        """Add an output under a name of its own."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value.name], [name]))
        self.outputs.append(self.described(Value(name, value.axes), self.dtype))

    def model(self) -> Any:
        """The finished model, checked."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, "tinygrad_rnn", self.inputs, self.outputs, [*self.constants.values()]
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="tinygrad_rnn"
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model
