r"""What a line does to each sequence of a batch: one of six things.

A loop keeps every value as a *block*: one row of numbers, a number for each sequence, for each of
its features. A line of a program becomes one of

============  =================================================================================
`Map`         each number from the numbers at its place: $\tanh$, $+$, `where`
`Move`        rows from rows: a slice, a concatenation, a transpose
`Fold`        one row from several: a sum, a maximum
`Product`     a fixed matrix times the rows
`Pairwise`    a product of two values of the same sequence, as in attention
`Lookup`      rows of a fixed table, by number: an embedding
============  =================================================================================

A line that mixes the sequences of a batch is none of these, and is refused. Where values have no
batch (a step on plain vectors), all their axes are features and there is one sequence.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import ops
from tinygrad_rnn.compiler.simplifying import Kind, Kinds
from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.engine import modes

Rows = NDArray[np.intp]
NOTHING = -1  # the source of a row of zeros
DTYPES = ("float32", "float64", "int64", "bool")

MOVES = frozenset(
    [
        "reshape",
        "permute",
        "broadcast_to",
        "flip",
        "concatenate",
        "stack",
        "split",
        "unbind",
        "getitem",
        "getitem_adjoint",
        "take",
        "pad",
        "tril",
        "triu",
        "set_at",
    ]
)


class UnsupportedError(Exception):
    """A step, or a line of it, for which there is no loop; the text says why.

    Attributes:
        matters: whether the user would want to know.
    """

    def __init__(self, reason: str, matters: bool = True) -> None:
        super().__init__(reason)
        self.matters = matters


@dataclass(frozen=True, eq=False)
class Map:
    """Each number from the numbers at its place."""

    line: Line

    @property
    def operands(self) -> tuple[Any, ...]:
        """What it reads, constants included."""
        return self.line.operands


@dataclass(frozen=True, eq=False)
class Move:
    """Row `r` is row `row[r]` of `sources[source[r]]`, or zeros where that is `NOTHING`."""

    sources: tuple[Sym, ...]
    source: Rows
    row: Rows

    def start_of(self, k: int, rows: int) -> int | None:
        """Where the k-th source begins, if all of its rows stand side by side, in order."""
        (found,) = np.nonzero(self.source == k)
        if len(found) != rows or not rows or (np.diff(found) != 1).any():
            return None
        return int(found[0]) if (self.row[found] == np.arange(rows)).all() else None

    @property
    def operands(self) -> tuple[Any, ...]:
        """What it reads."""
        return self.sources


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows (outer, n, inner) folded along n; `how` is sum, max, or cumsum, which keeps them."""

    how: str
    x: Sym
    outer: int
    n: int
    inner: int

    @property
    def operands(self) -> tuple[Any, ...]:
        """What it reads."""
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Product:
    r"""Each of `outer` groups of rows times a matrix: $x W$, or $W x$ if that is `left`.

    `inner` rows stand side by side for each row of the matrix.
    """

    x: Sym
    matrix: Sym
    left: bool
    outer: int
    inner: int

    @property
    def operands(self) -> tuple[Any, ...]:
        """What it reads at every step."""
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Pairwise:
    """Rows (outer, M, K) times rows (outer, K, N), for each sequence."""

    a: Sym
    b: Sym
    outer: int
    M: int
    K: int
    N: int

    @property
    def operands(self) -> tuple[Any, ...]:
        """What it reads."""
        return self.a, self.b


@dataclass(frozen=True, eq=False)
class Lookup:
    """Rows of a fixed table, (V, E), by the numbers in a block."""

    table: Sym
    ids: Sym

    @property
    def operands(self) -> tuple[Any, ...]:
        """What it reads at every step."""
        return (self.ids,)


Node = Map | Move | Fold | Product | Pairwise | Lookup


class Lowering:
    """The nodes of a program's lines, made as they are asked for.

    Attributes:
        program: with the lines.
        kinds: of its values; those of lines that lowering adds are STATE.
        batch: how many sequences; None where values have no batch.
    """

    def __init__(self, program: Program, kinds: Kinds, batch: int | None) -> None:
        self.program, self.kinds, self.batch = program, kinds, batch
        self.nodes: dict[Sym, Node] = {}
        self.simpler: dict[Sym, Sym] = {}

    def fixed(self, x: Any) -> bool:
        """Whether a value is the same at every step."""
        return self.kinds.get(x) is Kind.FIXED

    def features(self, x: Sym) -> tuple[int, ...]:
        """The shape of what a value has for each sequence."""
        if self.batch is None:
            return x.shape
        if x.shape[:1] != (self.batch,):
            raise UnsupportedError(
                f"a value of shape {x.shape} does not have the batch, {self.batch}, first"
            )
        return x.shape[1:]

    def rows(self, x: Sym) -> int:
        """How many rows the block of a value has."""
        return math.prod(self.features(x))

    def real(self, x: Sym) -> Sym:
        """The value itself, or the one that simpler ops compute for it."""
        if x in self.simpler:
            return self.real(self.simpler[x])
        line = self.program.made.get(x)
        in_loop = line is not None and self.kinds.get(x, Kind.STATE) is Kind.STATE
        if line is None or not in_loop or line.op.name not in COMPOSED:
            return x
        start = len(self.program.lines)
        self.simpler[x] = COMPOSED[line.op.name](*line.operands, **line.params)
        for captured in self.program.captured:
            self.kinds.setdefault(captured, Kind.FIXED)
        for added in self.program.lines[start:]:
            known = [self.kinds.get(o, Kind.STATE) for o in added.operands if isinstance(o, Sym)]
            self.kinds.update(dict.fromkeys(added.targets, max(known)))
        return self.real(self.simpler[x])

    def node(self, x: Sym) -> Node:
        """What makes a value."""
        if x not in self.nodes:
            self.nodes[x] = self.made(self.program.made[x], x)
        return self.nodes[x]

    def made(self, line: Line, x: Sym) -> Node:
        """The node of a line, which makes `x`."""
        if x.dtype.name not in DTYPES:
            raise UnsupportedError(f"{line.op.name} gives {x.dtype}; loops have {DTYPES}")
        if line.op.kernel is not None or line.op.name == "astype":
            return self.map(line, x)
        if line.op.name in MOVES:
            return self.move(line, x)
        if line.op.name in ("sum", "max", "cumsum"):
            return self.fold(line)
        if line.op.name == "embedding" and self.fixed(line.operands[0]):
            return Lookup(line.operands[0], self.real(line.operands[1]))
        if line.op.name == "matmul":
            return self.matmul(line)
        name = "einsum" if line.op.name == "contract" else line.op.name  # as its user called it
        raise UnsupportedError(f"loops do not have the op {name}")

    def map(self, line: Line, y: Sym) -> Map:
        """An elementwise line whose operands have the batch where the result has it."""
        for x in line.operands:
            if isinstance(x, Sym) and not self.fixed(x):
                self.features(x)
                if self.batch is not None and x.ndim != y.ndim:
                    raise UnsupportedError(f"{line.op.name} broadcasts {x.shape} to {y.shape}")
        self.features(y)
        return Map(line)

    def move(self, line: Line, y: Sym) -> Move:
        """Found out by running the op on the rows' numbers instead of their contents."""
        if line.op.name == "getitem_adjoint" and not basic(line.params["index"]):
            raise UnsupportedError("getitem_adjoint by integer arrays may add rows up")
        if line.op.name == "take" and isinstance(line.operands[1], Sym):
            raise UnsupportedError("take by an array of indices may pick others at the next call")
        if line.op.name == "pad" and line.params["value"]:
            raise UnsupportedError("pad by other numbers than zero")
        if line.op.name == "set_at":
            check_written(line, y)
        operands = [self.real(x) for x in line.operands if isinstance(x, Sym)]
        starts = np.cumsum([1, *(self.rows(x) for x in operands)])
        total = int(starts[-1])
        numbers = iter(
            self.numbered(x, int(start), total) for x, start in zip(operands, starts, strict=False)
        )
        arguments = tuple(next(numbers) if isinstance(x, Sym) else x for x in line.operands)
        result = line.op.compute(arguments, line.params)
        result = result[line.place(y)] if line.op.bundles else result
        picked = self.of_one_sequence(np.asarray(result, np.intp), total, line)
        source = np.searchsorted(starts, picked, side="right") - 1
        row = picked - starts[np.maximum(source, 0)]
        return Move(tuple(operands), np.where(picked == 0, NOTHING, source), row)

    def numbered(self, x: Sym, start: int, total: int) -> NDArray[Any]:
        """An array of a value's shape with the number of each row, sequence after sequence."""
        own = np.arange(start, start + self.rows(x)).reshape(self.features(x))
        if self.batch is None:
            return own
        return own + (np.arange(self.batch) * total).reshape((-1,) + (1,) * own.ndim)

    def of_one_sequence(self, numbers: NDArray[Any], total: int, line: Line) -> Rows:
        """The rows that a result picks, if it picks the same ones for each sequence."""
        if self.batch is None:
            return numbers.ravel()
        flat = numbers.reshape(self.batch, -1) if numbers.shape[:1] == (self.batch,) else None
        if flat is not None:
            back = np.where(flat == 0, 0, flat - np.arange(self.batch)[:, None] * total)
            if (back == back[0]).all():
                return np.asarray(back[0], np.intp)
        raise UnsupportedError(f"{line.op.name} mixes the sequences of a batch")

    def fold(self, line: Line) -> Fold:
        """A sum or maximum along neighbouring axes of features."""
        (x,) = line.operands
        x = self.real(x)
        lead = 0 if self.batch is None else 1
        axis = line.params["axis"]
        axes = range(x.ndim) if axis is None else np.atleast_1d(axis).tolist()
        along = sorted(a % x.ndim - lead for a in axes)
        features = self.features(x)
        if along and along[0] < 0:
            raise UnsupportedError(f"{line.op.name} goes over the sequences of a batch")
        if along != list(range(along[0], along[0] + len(along))) if along else False:
            raise UnsupportedError(f"{line.op.name} goes along axes that are not neighbours")
        first, last = (along[0], along[-1] + 1) if along else (0, 0)
        return Fold(
            line.op.name,
            x,
            math.prod(features[:first]),
            math.prod(features[first:last]),
            math.prod(features[last:]),
        )

    def matmul(self, line: Line) -> Node:
        """A product with a fixed matrix, or one for each sequence."""
        a, b = (self.real(x) if isinstance(x, Sym) else x for x in line.operands)
        lead = 0 if self.batch is None else 1
        if self.fixed(b) and b.ndim == 2 and a.ndim > lead:
            return Product(a, b, False, math.prod(self.features(a)[:-1]), 1)
        if self.fixed(a) and a.ndim == 2 and (b.ndim > 1 + lead or (lead == 0 and b.ndim == 1)):
            *outer, _, inner = self.features(b) if b.ndim > 1 else (*b.shape, 1)
            return Product(b, a, True, math.prod(outer), inner)
        return self.pairwise(a, b)

    def pairwise(self, a: Sym, b: Sym) -> Pairwise:
        """A product of matrices or vectors that both belong to one sequence."""
        left, right = self.features(a), self.features(b)
        if self.batch is None:
            left = (1, *left) if a.ndim == 1 else left
            right = (*right, 1) if b.ndim == 1 else right
        if len(left) != len(right) or len(left) < 2 or left[:-2] != right[:-2]:
            raise UnsupportedError(
                f"matmul of {a.shape} and {b.shape} is not one for each sequence"
            )
        return Pairwise(a, b, math.prod(left[:-2]), left[-2], left[-1], right[-1])


def basic(index: Any) -> bool:
    """Whether an index has no integer arrays, so that it names no element twice."""
    index = index if isinstance(index, tuple) else (index,)
    return all(isinstance(i, int | slice | None) or i is Ellipsis for i in index)


def check_written(line: Line, y: Sym) -> None:
    """Refuse what is written to a place, unless it is rows of the same dtype, or zeros."""
    for v in line.operands:
        if isinstance(v, Sym) and v.dtype != y.dtype:
            raise UnsupportedError(f"set_at writes {v.dtype} among {y.dtype}")
        if not isinstance(v, Sym) and np.any(v):
            raise UnsupportedError("set_at writes a constant other than zero")


def mean(x: Any, axis: Any, keepdims: bool) -> Any:
    """As a sum."""
    y = ops.sum(x, axis=axis, keepdims=keepdims)
    return y / (x.size // max(y.size, 1))


def least(x: Any, axis: Any, keepdims: bool) -> Any:
    """As a maximum."""
    return -ops.max(-x, axis=axis, keepdims=keepdims)


def var(x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    """As the mean of squares."""
    d = x - mean(x, axis, True)
    squares = ops.sum(d * d, axis=axis, keepdims=keepdims)
    return squares / (x.size // max(squares.size, 1) - correction)


def std(x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    """As the root of the variance."""
    return ops.sqrt(var(x, axis, correction, keepdims))


def standardize(x: Any, axis: Any, eps: float) -> Any:
    """As deviations times a scale."""
    d = x - mean(x, axis, True)
    return d * ops.rsqrt(mean(d * d, axis, True) + eps)


def exponentials(x: Any, axis: Any) -> tuple[Any, Any, Any]:
    """Exponentials that do not overflow, their sum, and what was taken off."""
    top = ops.max(x, axis=axis, keepdims=True)
    top = ops.where(abs(top) < np.inf, top, 0.0)
    e = ops.exp(x - top)
    return e, ops.sum(e, axis=axis, keepdims=True), top


def softmax(x: Any, axis: int) -> Any:
    """As a quotient of exponentials."""
    e, total, _ = exponentials(x, axis)
    return e / total


def log_softmax(x: Any, axis: int) -> Any:
    """As a difference of logarithms."""
    _, total, top = exponentials(x, axis)
    return x - top - ops.log(total)


def logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    """As the logarithm of a sum of exponentials."""
    _, total, top = exponentials(x, axis)
    y = ops.log(total) + top
    return y if keepdims else ops.squeeze(y, axis)


def norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """As the root of a sum of squares, a sum, or a maximum."""
    if ord == 2:
        return ops.sqrt(ops.sum(x * x, axis=axis, keepdims=keepdims))
    return (ops.sum if ord == 1 else ops.max)(abs(x), axis=axis, keepdims=keepdims)


def prod(x: Any, axis: Any, keepdims: bool) -> Any:
    """As products of halves."""
    if axis is None:
        raise UnsupportedError("prod over the sequences of a batch")
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    for a in axes:
        if not x.shape[a]:
            raise UnsupportedError("prod of nothing")
        while x.shape[a] > 1:
            half = x.shape[a] // 2
            first, second, *odd = (
                x[(*(slice(None),) * a, slice(start, start + half))]
                for start in range(0, x.shape[a], half)
            )
            x = ops.concatenate(first * second, *odd, axis=a) if odd else first * second
    return x if keepdims else ops.squeeze(x, tuple(axes))


def prod_of_others(x: Any) -> Any:
    """As the products of all before times those of all after, in so many passes as n has bits."""

    def before(x: Any) -> Any:
        one = np.ones((*x.shape[:-1], 1), x.dtype)
        y, step = ops.concatenate(one, x[..., :-1], axis=-1), 1
        while step < x.shape[-1]:
            ones = np.broadcast_to(one, (*x.shape[:-1], step)).copy()
            y, step = y * ops.concatenate(ones, y[..., :-step], axis=-1), 2 * step
        return y

    return before(x) * ops.flip(before(ops.flip(x, axis=-1)), axis=-1)


def argmax(x: Any, axis: int | None, keepdims: bool) -> Any:
    """As how many stand before the first that is the greatest, or no number."""
    if axis is None:
        raise UnsupportedError("argmax over the sequences of a batch")
    hit = ops.where(x != x, True, x == ops.max(x, axis=axis, keepdims=True))
    return ops.sum(ops.cumsum(hit, axis=axis) == 0, axis=axis, keepdims=keepdims)


def argmin(x: Any, axis: int | None, keepdims: bool) -> Any:
    """As the place of the greatest of what is turned round."""
    return argmax(-x, axis, keepdims)


def one_hot(ids: Any, classes: int, dtype: Any) -> Any:
    """As rows of a unit matrix."""
    return ops.embedding(np.eye(classes, dtype=dtype or modes.float_dtype.get()), ids)


def clip(x: Any, low: float | None, high: float | None) -> Any:
    """As one or two choices."""
    x = x if low is None else ops.maximum(x, low)
    return x if high is None else ops.minimum(x, high)


COMPOSED: Mapping[str, Callable[..., Any]] = {
    "mean": mean,
    "min": least,
    "var": var,
    "std": std,
    "standardize": standardize,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "clip": clip,
    "norm": norm,
    "prod": prod,
    "prod_of_others": prod_of_others,
    "argmax": argmax,
    "argmin": argmin,
    "one_hot": one_hot,
}
