r"""What stays the same over time: made ready before a loop, and its cotangents carried on after it.

A loop multiplies by matrices that are made of a cell's weights: transposed, put side by side, and a
bias below them. All that is said by lines of the program. Here they run on arrays, outside of any
graph, and their rules carry the loop's cotangents back to the weights.

A matrix that is put together from others is a `Joined`: a list of parts. Only its panels are ever
written.

    >>> import numpy as np
    >>> W, U = np.ones((2, 3)), np.zeros((2, 1))
    >>> both = Joined.along(1, [W, U])
    >>> both.shape, both.T.shape, both[:, 2:4].shape
    ((2, 4), (4, 2), (2, 2))
    >>> np.asarray(both[:, 2:4])
    array([[1., 0.],
           [1., 0.]])
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.compiler.tracing import Line, Sym
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.ops import concatenate, getitem, permute

Array = NDArray[Any]
Values = dict[Sym, Any]


class Joined:
    """A matrix as parts, each with its first row and column.

    Attributes:
        shape: of the whole.
        parts: cover it.
    """

    def __init__(self, shape: tuple[int, int], parts: Sequence[tuple[int, int, Array]]) -> None:
        self.shape, self.ndim, self.parts = shape, 2, parts
        self.dtype = parts[0][2].dtype

    @classmethod
    def along(cls, axis: int, matrices: Sequence[Any]) -> "Joined":
        """Matrices below each other, along axis 0, or side by side."""
        parts, start = [], 0
        for matrix in matrices:
            for row, column, part in parts_of(matrix):
                place = (row + start, column) if axis == 0 else (row, column + start)
                parts.append((*place, part))
            start += matrix.shape[axis]
        across = matrices[0].shape[1 - axis]
        return cls((start, across) if axis == 0 else (across, start), parts)

    @property
    def T(self) -> "Joined":  # noqa: N802 - as of arrays
        """The transpose."""
        return Joined(self.shape[::-1], [(c, r, part.T) for r, c, part in self.parts])

    def __getitem__(self, index: tuple[slice, slice]) -> "Joined":
        """Some neighbouring rows and columns."""
        (top, bottom, _), (left, right, _) = (
            i.indices(n) for i, n in zip(index, self.shape, strict=True)
        )
        parts = []
        for r, c, part in self.parts:
            rows = slice(max(top - r, 0), max(bottom - r, 0))
            columns = slice(max(left - c, 0), max(right - c, 0))
            if part[rows, columns].size:
                parts.append((max(r - top, 0), max(c - left, 0), part[rows, columns]))
        return Joined((bottom - top, right - left), parts)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The whole."""
        whole = np.empty(self.shape, self.dtype)
        for r, c, part in self.parts:
            whole[r : r + part.shape[0], c : c + part.shape[1]] = part
        return whole if dtype is None else whole.astype(dtype)


def parts_of(matrix: Any) -> Sequence[tuple[int, int, Array]]:
    """The parts of a matrix; one that is not joined is its only part."""
    return matrix.parts if isinstance(matrix, Joined) else [(0, 0, np.asarray(matrix))]


class Ready:
    """A line that reads nothing but what stays the same.

    Attributes:
        line: the line.
        joins: whether it puts matrices side by side or below each other,
        axis: and along which axis.
        turns: whether it transposes a matrix.
    """

    __slots__ = ("axis", "joins", "line", "turns")

    def __init__(self, line: Line) -> None:
        self.line, params = line, line.params
        matrices = all(isinstance(x, Sym) and x.ndim == 2 for x in line.operands)
        self.joins = line.op is concatenate and matrices
        self.turns = line.op is permute and tuple(a % 2 for a in params["axes"]) == (1, 0)
        self.axis = params["axis"] % 2 if self.joins else 0

    def made(self, operands: Sequence[Any]) -> Any:
        """What it makes of operands, among which matrices may be joined."""
        if self.turns:
            return operands[0].T
        if self.joins:
            return Joined.along(self.axis, operands)
        line, first = self.line, operands[0]
        if line.op is getitem and isinstance(first, Joined):
            index = line.params["index"]
            index = index if isinstance(index, tuple) else (index,)
            index += (slice(None),) * (2 - len(index))
            if all(isinstance(i, slice) and i.step in (None, 1) for i in index):
                return first[index]
        return line.op.forward(*map(whole, operands), **line.params)

    def taken_apart(self, gs: Sequence[Any], values: Mapping[Sym, Any]) -> Iterator[Any]:
        """The cotangents of its operands from those of its targets; None for zeros."""
        line = self.line
        if self.turns:
            yield gs[0].T
        elif self.joins:
            start = 0
            for x in line.operands:
                stop = start + x.shape[self.axis]
                yield gs[0][start:stop] if self.axis == 0 else gs[0][:, start:stop]
                start = stop
        else:
            operands = [whole(values[x]) if isinstance(x, Sym) else x for x in line.operands]
            ys = [whole(values[y]) for y in line.targets]
            g, y = gs[0], ys[0]
            if line.op.bundles:
                y = tuple(ys)
                g = tuple(np.zeros_like(y) if g is None else g for g, y in zip(gs, ys, strict=True))
            for i, x in enumerate(line.operands):
                rule = line.op.rule(i) if isinstance(x, Sym) else None
                gx = rule(g, y, *operands, **line.params) if rule else None
                yield gx if gx is None else settled(gx, x.shape, x.dtype, line.op, i)


def make_ready(lines: Sequence[Ready], values: Values) -> None:
    """Run lines on arrays, and add what they give to the values.

    Matrices are joined lazily, and stay so when they are transposed or cut.
    """
    for ready in lines:
        line = ready.line
        y = ready.made([values[x] if type(x) is Sym else x for x in line.operands])
        if line.op.bundles:
            values.update(zip(line.targets, y, strict=True))
        else:
            values[line.targets[0]] = y


def whole(x: Any) -> Any:
    """An operand as ops take it."""
    return np.asarray(x) if isinstance(x, Joined) else x


def pull_back(
    lines: Sequence[Ready], values: Mapping[Sym, Any], found: Values, wanted: set[Sym]
) -> None:
    """Carry cotangents back through the lines.

    Args:
        lines: that `make_ready` has run.
        values: that it had then.
        found: cotangents of values; gets those of what the lines were made of.
        wanted: the values that want one.
    """
    for ready in reversed(lines):
        gs = [found.pop(y, None) for y in ready.line.targets]
        if all(g is None for g in gs):
            continue
        parts = ready.taken_apart(gs, values)
        for x, g in zip(ready.line.operands, parts, strict=True):
            if g is not None and isinstance(x, Sym) and x in wanted:
                add(found, x, g)


def add(found: Values, x: Sym, g: Any) -> None:
    """Add a cotangent to what there is."""
    found[x] = found[x] + g if x in found else g
