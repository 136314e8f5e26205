r"""What a model is made of, what each part gives, and what it costs: `summary`.

    >>> from tinygrad_rnn import nn
    >>> model = nn.Sequential(nn.Embedding(9, 4), nn.TimeDistributed(nn.Linear(4, 3)))
    >>> nn.summary(model, (5, 2), dtype="int64")
    layer                                               output     parameters  FLOPs
    Sequential                                          (5, 2, 3)          51    270
    ├─ 0: Embedding(9, 4)                               (5, 2, 4)          36      0
    └─ 1: TimeDistributed                               (5, 2, 3)          15    270
       └─ layer: Linear(in_features=4, out_features=3)  (10, 3)            15    270
    51 parameters and 270 floating point operations for an input of (5, 2)

The model runs once, on zeros that report to a meter every op that is applied to them. What runs is
a twin: it shares the model's numbers and is in use, not in training, so nothing of the model is
touched and nothing is drawn.

**What counts.** A product of matrices, and a convolution, count two operations for each number that
is multiplied and added. Any other op that computes counts one for each number of its result, or of
its largest input if that has more: $\tanh$ of ten numbers is ten, and so is their sum. What only
moves numbers, such as a reshape or an embedding, counts nothing.
"""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from tinygrad_rnn.compiler import eager
from tinygrad_rnn.compiler.lowering import MOVES
from tinygrad_rnn.engine import Carrier, DtypeError, Operation, ShapeError, Tensor, modes, no_grad
from tinygrad_rnn.engine.nesting import leaves
from tinygrad_rnn.engine.operation import Inputs, Params
from tinygrad_rnn.nn.module import Buffer, Module, Parameter, tree

MOVING = MOVES | {"astype", "embedding", "one_hot", "pick_winners", "set_at", "take_along_axis"}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerSummary:
    """One layer.

    Attributes:
        path: its name in the model; empty for the model itself.
        type: the name of its class.
        output_shape: of its output when it was last called, the first if it gives several; None if
            it was not called by itself, as a cell that a wrapper takes the steps of is not.
        parameters: how many numbers it learns, with what is below it.
        flops: how many floating point operations it took, with what is below it; None if it was
            not called by itself: what calls it has them.
    """

    path: str
    type: str
    output_shape: Shape | None
    parameters: int
    flops: int | None


@dataclass(frozen=True, repr=False)
class Summary:
    """A model, layer by layer; prints as a table.

    Attributes:
        rows: the model itself, then what is in it, each layer before what is below it.
        labels: what the table calls them.
        input_shapes: what it was called with.
        frozen: how many of its parameters are not learned.
    """

    rows: list[LayerSummary]
    labels: list[str]
    input_shapes: list[Shape]
    frozen: int

    @property
    def parameters(self) -> int:
        """How many numbers the model has, each once."""
        return self.rows[0].parameters

    @property
    def flops(self) -> int:
        """How many floating point operations one call takes."""
        return self.rows[0].flops or 0

    def __str__(self) -> str:
        lines = [("layer", "output", "parameters", "FLOPs")]
        for label, row in zip(self.labels, self.rows, strict=True):
            shape = "–" if row.output_shape is None else str(row.output_shape)
            flops = "–" if row.flops is None else f"{row.flops:,}"
            lines.append((label, shape, f"{row.parameters:,}", flops))
        a, b, c, d = (max(map(len, column)) for column in zip(*lines, strict=True))
        table = [f"{w:<{a}}  {x:<{b}}  {y:>{c}}  {z:>{d}}" for w, x, y, z in lines]
        frozen = f" ({self.frozen:,} of them frozen)" if self.frozen else ""
        shapes = " and ".join(map(str, self.input_shapes))
        total = (
            f"{self.parameters:,} parameters{frozen} and {self.flops:,} floating point operations "
            f"for an input of {shapes}"
        )
        return "\n".join([*table, total])

    __repr__ = __str__


def summary(model: Module, input_shape: Shape | Sequence[Shape], dtype: Any = None) -> Summary:
    """Run a model once on zeros, and tell what each of its layers gives and costs.

    Args:
        model: any module.
        input_shape: the shape of its input, batch and all; a list of shapes if it takes several.
        dtype: of the input, or a list for several: "int64" for ids. That of the model's first
            parameter of floats, unless told.

    Returns:
        A table when printed; `rows` has the same as data.

    Raises:
        ShapeError: naming the layer that an input does not fit.
        DtypeError: naming the layer whose input is of another dtype.
        ValueError: if there are more or fewer dtypes than inputs.

    Example:
        >>> from tinygrad_rnn import nn
        >>> table = nn.summary(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)), (2, 3))
        >>> [(row.path, row.output_shape, row.parameters) for row in table.rows]
        [('', (2, 4), 24), ('0', (2, 4), 16), ('1', (2, 4), 8)]
        >>> nn.summary(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)), (2, 3))
        Traceback (most recent call last):
            ...
        tinygrad_rnn.engine.errors.ShapeError: summary: layer 1 (Linear), called with (2, 4): ...
    """
    shapes = shapes_of(input_shape)
    dtypes = list(dtype) if isinstance(dtype, list | tuple) else [dtype] * len(shapes)
    if len(dtypes) != len(shapes):
        raise ValueError(
            f"summary: got {len(dtypes)} dtypes for {len(shapes)} inputs; give one for each, or "
            "one for all"
        )
    meter = Meter()
    kinds = [first_dtype(model) if d is None else np.dtype(d) for d in dtypes]
    zeros = [Metered(np.zeros(s, d), meter) for s, d in zip(shapes, kinds, strict=True)]
    with no_grad(), eager():
        try:
            twin(model, "", meter, {})(*zeros)
        except (ShapeError, DtypeError) as error:
            raise type(error)(meter.blame(error)) from error
    rows = [meter.row(path, module) for path, module in places(model)]
    frozen = sum(x.size for x in model.parameters() if not x.requires_grad)
    return Summary(rows, [label for label, _ in tree(model)], shapes, frozen)


def shapes_of(given: Any) -> list[Shape]:
    """One shape, or several, as a list.

    Raises:
        ShapeError: if there is a number in it that is no length.
    """
    several = [tuple(s) for s in ([given] if all(map(np.isscalar, given)) else given)]
    if not all(isinstance(n, int | np.integer) and n >= 0 for shape in several for n in shape):
        raise ShapeError(
            f"summary: got input_shape={given!r}; expected the lengths of all axes, with the batch "
            "among them, such as (20, 32), or a list of such shapes"
        )
    return several


def first_dtype(model: Module) -> "np.dtype[Any]":
    """The dtype of a model's first parameter of floats."""
    floats = (x.dtype for x in model.parameters() if x.dtype.kind == "f")
    return next(floats, np.dtype(modes.float_dtype.get()))


def places(module: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    """All modules with their paths, in the order of `tree`."""
    yield path, module
    for name, child in module.named_children():
        yield from places(child, f"{path}.{name}" if path else name)


@dataclass
class Call:
    """A call of a layer: of what, with what, and what it cost so far."""

    path: str
    module: Module
    arguments: Sequence[Any]
    flops: int = 0


@dataclass
class Meter:
    """Hears of every op and every call.

    Attributes:
        open: the calls that have not returned, the innermost last.
        flops: of the calls of each module that have returned, by its identity,
        shapes: and the shape of what the last one gave.
    """

    open: list[Call] = field(default_factory=list)
    flops: dict[int, int] = field(default_factory=dict)
    shapes: dict[int, Shape] = field(default_factory=dict)

    def heard(self, method: Callable[..., Any], path: str, module: Module) -> Callable[..., Any]:
        """A method that tells of its calls."""

        @functools.wraps(method)
        def call(self_: Any, *args: Any, **kwargs: Any) -> Any:
            self.open.append(Call(path, module, args))
            result = method(self_, *args, **kwargs)
            self.close(result[1] if method.__name__ == "run" else result)
            return result

        return call

    def close(self, result: Any) -> None:
        """The innermost call has returned."""
        done = self.open.pop()
        key = id(done.module)
        self.shapes[key] = np.shape(leaves(result)[0])
        if not any(done.module is other.module for other in self.open):
            self.flops[key] = self.flops.get(key, 0) + done.flops
        if self.open:
            self.open[-1].flops += done.flops

    def row(self, path: str, module: Module) -> LayerSummary:
        """What was heard of a layer."""
        key, name = id(module), type(module).__name__
        shape, flops = self.shapes.get(key), self.flops.get(key)
        return LayerSummary(path, name, shape, module.num_parameters(), flops)

    def blame(self, error: Exception) -> str:
        """An error, and which layer raised it."""
        call = self.open[-1]
        layer = f"layer {call.path} ({type(call.module).__name__})" if call.path else "the model"
        got = ", ".join(str(x.shape) for x in leaves(call.arguments) if hasattr(x, "shape"))
        advice = "; for ids, give dtype='int64'" * isinstance(error, DtypeError)
        return f"summary: {layer}, called with {got}: {error}{advice}"


class Metered(Carrier):
    """An array whose ops a meter hears of, and which makes more such arrays."""

    def __init__(self, data: Any, meter: Meter) -> None:
        self.data, self.meter = np.asarray(data), meter
        self.shape, self.ndim = self.data.shape, self.data.ndim
        self.dtype, self.size = self.data.dtype, self.data.size

    @staticmethod
    def apply(op: Operation, inputs: Inputs, params: Params) -> Any:
        """Compute, and count."""
        meter = next(x.meter for x in inputs if isinstance(x, Metered))
        arrays = [x.data if isinstance(x, Metered | Tensor) else x for x in inputs]
        result = op.compute(arrays, params)
        parts = result if op.bundles else (result,)
        meter.open[-1].flops += cost(op.name, arrays, parts, params)
        made = tuple(Metered(y, meter) for y in parts)
        return made if op.bundles else made[0]

    def __len__(self) -> int:
        return len(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.data, dtype, copy=copy)


def cost(name: str, inputs: Sequence[Any], outputs: Sequence[Any], params: Params) -> int:
    """Floating point operations of an op; see the top of this module."""
    if name in MOVING:
        return 0
    given = sum(map(size, outputs))
    shapes: list[Shape] = [np.shape(x) for x in inputs]
    if name == "matmul":
        return 2 * given * shapes[0][-1]
    if name == "convolve":
        return 2 * given * math.prod(shapes[1][1:])
    if name == "contract":
        return 2 * contracted(params["subscripts"], shapes)
    return max([given, *map(size, inputs)])


def size(x: Any) -> int:
    """How many numbers there are."""
    return math.prod(np.shape(x))


def contracted(subscripts: str, shapes: Sequence[Shape]) -> int:
    """How many products of numbers an Einstein sum adds up: one for each value of its letters."""
    terms = subscripts.split("->")[0].split(",")
    pairs = (zip(term, shape, strict=True) for term, shape in zip(terms, shapes, strict=True))
    lengths: dict[str, int] = dict(chain.from_iterable(pairs))
    return math.prod(lengths.values())


def twin(module: Module, path: str, meter: Meter, known: dict[int, Any]) -> Any:
    """A module in use that shares another's numbers, and tells a meter of its calls and ops.

    Its class is a subclass under the same name, so copies that a wrapper makes of it tell too.
    """
    if id(module) not in known:
        cls, other = type(module), copy.copy(module)
        known[id(module)] = other
        methods = {
            name: meter.heard(getattr(cls, name), path, module)
            for name in ("__call__", "run")
            if hasattr(cls, name)
        }
        other.__class__ = type(cls.__name__, (cls,), methods)
        other.training = False
        for name, x in vars(module).items():
            if isinstance(x, Parameter | Buffer):  # metered, since a first state is a plain tensor
                vars(other)[name] = Metered(x.data, meter)
        for name, child in module.named_children():
            below = f"{path}.{name}" if path else name
            vars(other)[name] = twin(child, below, meter, known)
    return known[id(module)]
