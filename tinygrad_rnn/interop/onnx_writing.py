r"""Modules as ONNX graphs: a function for each kind of module, which adds its nodes.

States of recurrent layers go by their names in the graph, where all have the axes (1, B, H).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.nesting import leaves, rebuilt
from tinygrad_rnn.interop.onnx_building import Graph, Value
from tinygrad_rnn.interop.sequences import LastOutput, Outputs, ends
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.nn.recurrent import RNNBase
from tinygrad_rnn.ops import relu, sigmoid, softmax, tanh
from tinygrad_rnn.train import LanguageModel

Array = NDArray[Any]
States = list[str]

FUNCTIONS = MappingProxyType({tanh: "Tanh", sigmoid: "Sigmoid", relu: "Relu", softmax: "Softmax"})

ORDERS = MappingProxyType({nn.RNNCell: (0,), nn.GRUCell: (1, 0, 2), nn.LSTMCell: (0, 3, 1, 2)})
"""For each block in ONNX, which of ours it is."""


def written(onnx: Any, module: Any, states: bool, lengths: bool, axes: Sequence[str] | None) -> Any:
    """A module as an ONNX model; see `to_onnx`."""
    parameters = list(module.parameters())
    if not parameters:
        raise InteropError(f"to_onnx: {type(module).__name__} has no parameters to write")
    graph = Graph(onnx, parameters[0].dtype, lengths)
    layers = list(in_order(module))
    layer = next((x for x in layers if isinstance(x, RNNBase | nn.Recurrent)), None)
    stateful = module is layer or isinstance(module, LanguageModel)
    check_asked(module, states and not stateful, lengths and module is not layer)
    batch_first = layer is not None and layer.batch_first
    x = entrance(graph, layers[0], tuple(axes or ("BT" if batch_first else "TB")))
    if lengths:
        graph.input(Value("lengths", ("B",)), np.int32)
    if stateful:
        starts = given_states(graph, layer) if states else None
        y, final = with_states(graph, module, x, starts)
        graph.output("output", y)
        put_out(graph, layer, final)
    else:
        graph.output("output", forward(graph, module, x, ""))
    return graph.model()


def check_asked(module: Any, states: bool, lengths: bool) -> None:
    """Refuse inputs that a module's own `forward` does not have.

    Args:
        module: the module.
        states: whether initial states are asked for in vain,
        lengths: and lengths.
    """
    if states or lengths:
        raise InteropError(
            f"to_onnx: got {'states' if states else 'lengths'}=True for {type(module).__name__}, "
            "which does not take them; a recurrent layer by itself takes both, and a LanguageModel "
            "states"
        )


def in_order(module: Any) -> Iterator[Any]:
    """The layers of a module in the order in which its input meets them."""
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from in_order(part)
    elif isinstance(module, LanguageModel):
        yield from (module.embedding, module.recurrent, module.output)
    elif isinstance(module, Outputs):
        yield module.layer
    elif isinstance(module, nn.Module) and not isinstance(module, nn.Dropout):
        yield module


def entrance(graph: Graph, layer: Any, leading: tuple[str, ...]) -> Value:
    """The input that a first layer reads.

    Raises:
        InteropError: if the layer does not say how many features that has.
    """
    if isinstance(layer, nn.Embedding):
        return graph.input(Value("ids", leading), np.int64)
    if isinstance(layer, nn.LayerNorm):
        return graph.input(Value("input", (*leading, *layer.normalized_shape)))
    weights = (x for path, x in layer.named_parameters() if "weight" in path)
    first = next(weights, None)
    if first is None:
        raise unsupported("", layer)
    return graph.input(Value("input", (*leading, first.shape[-1])))


def given_states(graph: Graph, layer: Any) -> States:
    """Initial states that are inputs of the graph."""
    if isinstance(layer, RNNBase):
        places = layer.num_layers * len(layer.directions)
        names = []
        for name, size in zip(("h_0", "c_0"), sizes(layer.cell()), strict=False):
            graph.input(Value(name, (places, "B", size)))
            names.append(name)
        return [
            graph.put("Gather", name, graph.integers(k)) for k in range(places) for name in names
        ]
    parts = [
        graph.input(Value(f"initial_{k}", ("B", size))) for k, size in enumerate(sizes(layer.cell))
    ]
    return [graph.put("Unsqueeze", part.name, graph.integers(0)) for part in parts]


def put_out(graph: Graph, layer: Any, final: States) -> None:
    """Make final states outputs of the graph."""
    if not isinstance(layer, RNNBase):
        for k, (state, size) in enumerate(zip(final, sizes(layer.cell), strict=True)):
            part = graph.put("Squeeze", state, graph.integers(0))
            graph.output(f"final_{k}", Value(part, ("B", size)))
        return
    each = sizes(layer.cell())
    for k, (name, size) in enumerate(zip(("h_n", "c_n"), each, strict=False)):
        places = final[k :: len(each)]
        whole = graph.put("Concat", *places, axis=0)
        graph.output(name, Value(whole, (len(places), "B", size)))


def sizes(cell: Any) -> list[int]:
    """How long each part of a cell's carry is."""
    return [part.shape[-1] for part in leaves(cell.initial(1))]


def with_states(graph: Graph, module: Any, x: Value, starts: States | None) -> tuple[Value, States]:
    """Add a recurrent layer or a language model; returns the output and the final states."""
    if not isinstance(module, LanguageModel):
        return recurrent(graph, module, x, starts, "")
    x = embedding(graph, module.embedding, x, "embedding.")
    y, final = recurrent(graph, module.recurrent, x, starts, "recurrent.")
    return linear(graph, module.output, y, "output."), final


def forward(graph: Graph, module: Any, x: Value, path: str) -> Value:
    """Add the nodes of a module or function of one value.

    Raises:
        InteropError: if there is no counterpart.
    """
    if module in FUNCTIONS:
        return Value(graph.put(FUNCTIONS[module], x.name), x.axes)
    if type(module) not in WRITERS:
        raise unsupported(path, module)
    return WRITERS[type(module)](graph, module, x, path)


def row(graph: Graph, module: Any, x: Value, path: str) -> Value:
    """Add layers one after the other."""
    for k, part in enumerate(module):
        x = forward(graph, part, x, f"{path}{k}.")
    return x


def linear(graph: Graph, layer: Any, x: Value, path: str) -> Value:
    """Add an affine map."""
    W = graph.put("Transpose", graph.parameter(f"{path}weight", layer.weight), perm=(1, 0))
    y = graph.put("MatMul", x.name, W)
    if layer.bias is not None:
        y = graph.put("Add", y, graph.parameter(f"{path}bias", layer.bias))
    return Value(y, (*x.axes[:-1], len(layer.weight)))


def embedding(graph: Graph, layer: Any, x: Value, path: str) -> Value:
    """Add a look-up."""
    y = graph.put("Gather", graph.parameter(f"{path}weight", layer.weight), x.name)
    return Value(y, (*x.axes, layer.weight.shape[1]))


def layer_norm(graph: Graph, layer: Any, x: Value, path: str) -> Value:
    """Add a layer normalisation."""
    ones = Tensor(np.ones(layer.normalized_shape, graph.dtype))
    inputs = [graph.parameter(f"{path}weight", ones if layer.weight is None else layer.weight)]
    if layer.bias is not None:
        inputs.append(graph.parameter(f"{path}bias", layer.bias))
    options = {"axis": -len(layer.normalized_shape), "epsilon": layer.eps}
    return Value(graph.put("LayerNormalization", x.name, *inputs, **options), x.axes)


def outputs(graph: Graph, module: Any, x: Value, path: str) -> Value:
    """Add a recurrent layer of which only the outputs are handed on."""
    return recurrent(graph, module.layer, x, None, f"{path}layer.")[0]


def last_output(graph: Graph, module: Any, x: Value, path: str) -> Value:
    """Add a recurrent layer of which only the end is handed on."""
    layer = module.layer
    y, final = recurrent(graph, layer, x, None, f"{path}layer.")
    if isinstance(layer, RNNBase):
        h = final[:: len(sizes(layer.cell()))][-len(layer.directions) :]
    else:
        h = ends(layer.cell, rebuilt(layer.cell.initial(1), final))
    both = graph.put("Concat", *h, axis=-1)
    last = graph.put("Squeeze", both, graph.integers(0))
    return Value(last, ("B", y.axes[-1]))


WRITERS: Mapping[Any, Callable[[Graph, Any, Value, str], Value]] = MappingProxyType(
    {
        nn.Sequential: row,
        nn.Linear: linear,
        nn.Embedding: embedding,
        nn.LayerNorm: layer_norm,
        nn.Dropout: lambda graph, module, x, path: x,
        Outputs: outputs,
        LastOutput: last_output,
    }
)


def recurrent(
    graph: Graph, layer: Any, x: Value, starts: States | None, path: str
) -> tuple[Value, States]:
    """Add a recurrent layer; returns its outputs, and the final states of all cells."""
    if len(x.axes) != 3:
        raise InteropError(
            f"to_onnx: {path}{type(layer).__name__} reads {x.axes}; expected three axes: two for "
            "time and batch, and the features"
        )
    x = swapped(graph, x) if layer.batch_first else x
    supply = iter(starts or ())
    if isinstance(layer, nn.Recurrent):
        y, final = run(graph, layer.cell, x, supply, layer.reverse, f"{path}cell.")
    elif isinstance(layer, RNNBase):
        y, final = layered(graph, layer, x, supply, path)
    else:
        raise unsupported(path, layer)
    return (swapped(graph, y) if layer.batch_first else y), final


def swapped(graph: Graph, x: Value) -> Value:
    """Time and batch in the other order."""
    a, b, c = x.axes
    return Value(graph.put("Transpose", x.name, perm=(1, 0, 2)), (b, a, c))


def layered(
    graph: Graph, layer: RNNBase, x: Value, starts: Iterator[str], path: str
) -> tuple[Value, States]:
    """Add the layers of an `RNN`, `LSTM` or `GRU`."""
    final: States = []
    for k in range(layer.num_layers):
        sides = []
        for reverse in layer.directions:
            name = f"{path}l{k}{'_reverse' * reverse}."
            y, end = one(graph, layer.cell(k, reverse), x, starts, reverse, name)
            sides.append(y)
            final += end
        x = side_by_side(graph, sides)
    return x, final


def side_by_side(graph: Graph, sides: Sequence[Value]) -> Value:
    """Outputs of several directions as one."""
    if len(sides) == 1:
        return sides[0]
    features = sum(int(y.axes[-1]) for y in sides)
    y = graph.put("Concat", *(y.name for y in sides), axis=-1)
    return Value(y, (*sides[0].axes[:-1], features))


def run(
    graph: Graph, cell: Any, x: Value, starts: Iterator[str], reverse: bool, path: str
) -> tuple[Value, States]:
    """Add any cell, run over a sequence.

    Raises:
        InteropError: if the cell has no counterpart.
    """
    if type(cell) in ORDERS:
        return one(graph, cell, x, starts, reverse, path)
    if type(cell) is nn.Bidirectional:
        a, first = run(graph, cell.ahead, x, starts, reverse, f"{path}ahead.")
        b, second = run(graph, cell.back, x, starts, not reverse, f"{path}back.")
        return side_by_side(graph, (a, b)), [*first, *second]
    if type(cell) is nn.Stacked:
        final: States = []
        for k, each in enumerate(cell.cells):
            x, end = run(graph, each, x, starts, reverse, f"{path}cells.{k}.")
            final += end
        return x, final
    if type(cell) is nn.VariationalDropout:
        return run(graph, cell.cell, x, starts, reverse, f"{path}cell.")
    if type(cell) not in (nn.Residual, nn.Projection) or graph.lengths:
        raise unsupported(path, cell, " with lengths" if graph.lengths else "")
    y, final = run(graph, cell.cell, x, starts, reverse, f"{path}cell.")
    if type(cell) is nn.Projection:
        return forward(graph, cell.projection, y, f"{path}projection."), final
    return Value(graph.put("Add", x.name, y.name), y.axes), final


def one(
    graph: Graph, cell: Any, x: Value, starts: Iterator[str], reverse: bool, path: str
) -> tuple[Value, States]:
    """Add one operator: a bare cell, run over a sequence in one direction."""
    operator = type(cell).__name__.removesuffix("Cell")
    if cell.weight_hr is not None:
        raise unsupported(path, cell, " with proj_size")
    arrays = {"W": blocks(cell, cell.weight_ih), "R": blocks(cell, cell.weight_hh)}
    if cell.bias_ih is not None:
        biases = blocks(cell, cell.bias_ih), blocks(cell, cell.bias_hh)
        arrays["B"] = np.concatenate(biases)
    if getattr(cell, "weight_cf", None) is not None:
        arrays["P"] = peepholes(cell)
    names = {key: graph.constant(path + key, array[None]) for key, array in arrays.items()}
    count = len(sizes(cell))
    states = [next(starts, "") for _ in range(count)]
    inputs = [x.name, names["W"], names["R"], names.get("B", ""), graph.lengths, *states]
    inputs += [names["P"]] if "P" in names else []
    while not inputs[-1]:
        inputs.pop()
    y, *final = graph.add(operator, *inputs, count=1 + count, **attributes(cell, reverse))
    y = graph.put("Squeeze", y, graph.integers(1))
    return Value(y, (*x.axes[:-1], cell.hidden_size)), final


def attributes(cell: Any, reverse: bool) -> dict[str, Any]:
    """The attributes of a cell's operator."""
    shared = {"hidden_size": cell.hidden_size, "direction": "reverse" if reverse else "forward"}
    if isinstance(cell, nn.GRUCell):
        return {**shared, "linear_before_reset": int(cell.reset_after)}
    if isinstance(cell, nn.LSTMCell):
        return {**shared, "input_forget": int(cell.coupled)}
    return {**shared, "activations": [cell.nonlinearity.capitalize()]}


def blocks(cell: Any, x: Tensor) -> Array:
    r"""The rows of a parameter in ONNX's order.

    Where gates are coupled, ours keep $f$, and ONNX's $i = 1 - f$: from $1 - \sigma(a) =
    \sigma(-a)$, the rows of $i$ are those of $f$ with the other sign.
    """
    parts = x.data.reshape(cell.blocks, -1, *x.shape[1:])
    if getattr(cell, "coupled", False):
        f, g, o = parts
        return np.concatenate([-f, o, np.zeros_like(f), g])
    ordered: Array = parts[list(ORDERS[type(cell)])].reshape(x.shape)
    return ordered


def peepholes(cell: Any) -> Array:
    """The weights with which gates see the memory, in the order i, o, f."""
    f, o = cell.weight_cf.data, cell.weight_co.data
    if cell.coupled:
        return np.concatenate([-f, o, np.zeros_like(f)])
    return np.concatenate([cell.weight_ci.data, o, f])


def unsupported(path: str, module: Any, option: str = "") -> InteropError:
    """The error for a module without counterpart."""
    where = f"{path.removesuffix('.')}: " if path else ""
    name = getattr(module, "name", None) if callable(module) else None
    return InteropError(
        f"to_onnx: {where}{name or type(module).__name__}{option} has no counterpart in ONNX here"
    )
