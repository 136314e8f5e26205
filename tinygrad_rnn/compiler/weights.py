r"""What stays the same over time: made ready before a loop, and its cotangents carried on after it.

A loop multiplies by matrices that are made of a cell's weights: transposed, put side by side, and a
bias below them. All that is said by lines of the program. Those that compute run here on arrays,
outside of any graph, and their rules carry the loop's cotangents back to the weights.

Those that only put matrices together, turn or cut them, or make a row of a bias, never run. A
matrix that they make is a `Patchwork`, which says once what of which value lies where. Only its
panels are ever written, and its gradient is handed back patch by patch.

    >>> import numpy as np
    >>> from tinygrad_rnn.compiler.tracing import trace
    >>> from tinygrad_rnn.ops import concatenate
    >>> W, U = np.ones((2, 3)), np.zeros((2, 1))
    >>> program = trace(lambda w, u: concatenate(w, u, axis=1)[:, 2:].T, W, U)
    >>> both = patchworks(program.lines)[program.outputs]
    >>> [(patch.row, patch.column, patch.turned) for patch in both.patches]
    [(0, 0, True), (1, 0, True)]
    >>> values = dict(zip(program.inputs, (W, U), strict=True))
    >>> [part.tolist() for _, _, part in both.parts(values)]
    [[[1.0, 1.0]], [[0.0, 0.0]]]
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.compiler.tracing import Line, Sym, lines_to
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.grams import multiply
from tinygrad_rnn.ops import concatenate, getitem, matmul, permute, reshape

Array = NDArray[Any]
Values = dict[Sym, Any]
Cut = tuple[slice, slice]


class Patch(NamedTuple):
    """A rectangle of a matrix.

    Attributes:
        row: its first row there,
        column: and its first column.
        of: the value that it shows; one with a single axis is a row,
        cut: which rows and columns of it,
        turned: and whether transposed.
    """

    row: int
    column: int
    of: Sym
    cut: Cut
    turned: bool

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns it has."""
        height, width = (i.stop - i.start for i in self.cut)
        return (width, height) if self.turned else (height, width)

    @property
    def place(self) -> Cut:
        """Its rows and columns."""
        height, width = self.shape
        return slice(self.row, self.row + height), slice(self.column, self.column + width)

    @property
    def whole(self) -> bool:
        """Whether it shows all of the value."""
        return tuple(i.stop - i.start for i in self.cut) == as_matrix(self.of.shape)

    def within(self, top: int, bottom: int, left: int, right: int) -> "Patch":
        """What of it lies in some rows and columns of the matrix, placed as these are."""
        rows = slice(max(top - self.row, 0), min(bottom - self.row, self.shape[0]))
        columns = slice(max(left - self.column, 0), min(right - self.column, self.shape[1]))
        asked = (columns, rows) if self.turned else (rows, columns)
        cut = [
            slice(mine.start + i.start, mine.start + max(i.start, i.stop))
            for mine, i in zip(self.cut, asked, strict=True)
        ]
        place = max(self.row - top, 0), max(self.column - left, 0)
        return Patch(*place, self.of, (cut[0], cut[1]), self.turned)


class Patchwork:
    """A matrix as patches.

    Attributes:
        shape: of the whole.
        patches: cover it.
        asked: of what each call makes panels, with no cut where there is nothing to cut,
        given: and where it finds the gradients of which values.
    """

    def __init__(self, shape: tuple[int, int], patches: Sequence[Patch]) -> None:
        self.shape = shape
        self.patches = [patch for patch in patches if 0 not in patch.shape]
        self.asked = [
            (p.row, p.column, p.of, None if p.whole else p.cut, p.turned) for p in self.patches
        ]
        self.given = [(p.of, p.place, p.turned, None if p.whole else p.cut) for p in self.patches]

    @classmethod
    def of(cls, x: Sym) -> "Patchwork":
        """A matrix that is one patch: a value, or a row of one."""
        rows, columns = as_matrix(x.shape)
        cut = slice(0, rows), slice(0, columns)
        return cls((rows, columns), [Patch(0, 0, x, cut, turned=False)])

    @classmethod
    def along(cls, axis: int, matrices: Sequence["Patchwork"]) -> "Patchwork":
        """Matrices below each other, along axis 0, or side by side."""
        patches, start = [], 0
        for matrix in matrices:
            down, right = (start, 0) if axis == 0 else (0, start)
            for patch in matrix.patches:
                patches.append(patch._replace(row=patch.row + down, column=patch.column + right))
            start += matrix.shape[axis]
        across = matrices[0].shape[1 - axis]
        return cls((start, across) if axis == 0 else (across, start), patches)

    @functools.cached_property
    def T(self) -> "Patchwork":  # noqa: N802 - as of arrays
        """The transpose."""
        turned = [Patch(p.column, p.row, p.of, p.cut, not p.turned) for p in self.patches]
        return Patchwork(self.shape[::-1], turned)

    def __getitem__(self, index: Sequence[slice]) -> "Patchwork":
        """Some neighbouring rows and columns."""
        (top, bottom, _), (left, right, _) = (
            i.indices(n) for i, n in zip(index, self.shape, strict=True)
        )
        patches = [patch.within(top, bottom, left, right) for patch in self.patches]
        return Patchwork((max(bottom - top, 0), max(right - left, 0)), patches)

    def parts(self, values: Mapping[Sym, Any]) -> list[tuple[int, int, Array]]:
        """The patches as arrays, each with its first row and column."""
        return [
            (row, column, shown(values[of], cut, turned))
            for row, column, of, cut, turned in self.asked
        ]

    def hand_back(self, g: Array, found: Values, wanted: Collection[Sym]) -> None:
        """Add its cotangent to what there is for the values that its patches show.

        Args:
            g: its cotangent.
            found: cotangents of values, added to.
            wanted: the values that want one.
        """
        for of, place, turned, cut in self.given:
            if of in wanted:
                part = g[place].T if turned else g[place]
                if cut is not None:
                    part, small = np.zeros(as_matrix(of.shape), g.dtype), part
                    part[cut] = small
                add(found, of, part if part.shape == of.shape else part.reshape(of.shape))


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """The rows and columns of a matrix, or of a vector as a row."""
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def shown(value: Any, cut: Cut | None, turned: bool) -> Array:
    """What a patch shows of a value.

    Raises:
        GraphError: if that was overwritten since.
    """
    x = np.asarray(value)
    x = x[None] if x.ndim == 1 else x
    x = x if cut is None else x[cut]
    return x.T if turned else x


def patchworks(lines: Sequence[Line]) -> dict[Sym, Patchwork]:
    """What lines make that only put matrices of one dtype together, turn or cut them."""
    known: dict[Sym, Patchwork] = {}

    def patchwork(x: Sym) -> Patchwork:
        return known.get(x) or Patchwork.of(x)

    for line in lines:
        operands, params = line.operands, line.params
        if line.op is reshape and is_row(line):
            known[line.targets[0]] = Patchwork.of(operands[0])
        values = *operands, *line.targets
        matrices = all(isinstance(x, Sym) and x.ndim == 2 for x in values)
        if not matrices or len({x.dtype for x in values}) > 1:
            continue
        if line.op is concatenate:
            axis = params["axis"] % 2
            known[line.targets[0]] = Patchwork.along(axis, [patchwork(x) for x in operands])
        elif line.op is permute and tuple(a % 2 for a in params["axes"]) == (1, 0):
            known[line.targets[0]] = patchwork(operands[0]).T
        elif line.op is getitem:
            index = params["index"]
            index = index if isinstance(index, tuple) else (index,)
            if all(isinstance(i, slice) and i.step in (None, 1) for i in index):
                index += (slice(None),) * (2 - len(index))
                known[line.targets[0]] = patchwork(operands[0])[index]
    return known


def is_row(line: Line) -> bool:
    """Whether a line makes a matrix of one row of a vector."""
    (x,), (y,) = line.operands, line.targets
    return isinstance(x, Sym) and x.ndim == 1 and y.shape == (1, *x.shape)


class Ready:
    """What loops are given that is made of what stays the same.

    Args:
        lines: that make it.
        matrices: values that loops multiply by,
        others: and values that they read as they are.

    Attributes:
        lines: as given.
        computed: those of them that run.
        matrices: as patches.
    """

    def __init__(
        self, lines: Sequence[Line], matrices: Collection[Sym], others: Collection[Sym]
    ) -> None:
        self.lines, known = lines, patchworks(lines)
        self.matrices = {x: known.get(x) or Patchwork.of(x) for x in matrices}
        shown = (patch.of for x in self.matrices.values() for patch in x.patches)
        self.computed = lines_to([*others, *shown], lines)

    def compute(self, values: Values) -> None:
        """Run lines on arrays, and add what they give to the values."""
        for line in self.computed:
            forward = partial(line.op.forward, **line.params)
            line.run(values, multiplied if is_product(line) else forward)

    def pull_back(self, values: Mapping[Sym, Any], found: Values, wanted: Collection[Sym]) -> None:
        """Carry cotangents back through the lines.

        Args:
            values: that there were when the lines had run.
            found: cotangents of values; gets those of what the lines were made of.
            wanted: the values that want one.
        """
        for x in [x for x in found if x in self.matrices]:
            self.matrices[x].hand_back(found.pop(x), found, wanted)
        for line in reversed(self.computed):
            gs = [found.pop(y, None) for y in line.targets]
            if any(g is not None for g in gs):
                operands = [values[x] if isinstance(x, Sym) else x for x in line.operands]
                ys = [values[y] for y in line.targets]
                for i, x in enumerate(line.operands):
                    asked = isinstance(x, Sym) and x in wanted
                    g = cotangent(line, i, gs, ys, operands) if asked else None
                    if g is not None:
                        add(found, x, g)


def cotangent(
    line: Line, i: int, gs: Sequence[Any], ys: Sequence[Any], operands: Sequence[Any]
) -> Any:
    """The cotangent of a line's i-th operand from those of its targets; None if it has none."""
    g, y, x = gs[0], ys[0], line.operands[i]
    if is_product(line):
        a, b = map(np.asarray, operands)
        # A weight is most often used transposed: so is its gradient, which then need not be copied.
        return multiplied(g, b.T) if i == 0 else multiplied(g.T, a).T
    if line.op.bundles:
        y = tuple(ys)
        g = tuple(np.zeros_like(y) if g is None else g for g, y in zip(gs, ys, strict=True))
    rule = line.op.rule(i)
    gx = rule(g, y, *operands, **line.params) if rule else None
    return gx if gx is None else settled(gx, x.shape, x.dtype, line.op, i)


def is_product(line: Line) -> bool:
    """Whether a line is a product of two matrices of floats that `kernels.grams` has code for."""
    if line.op is not matmul:
        return False
    values = *line.operands, *line.targets
    fits = all(isinstance(x, Sym) and x.ndim == 2 and x.size for x in values)
    return fits and len({x.dtype for x in values}) == 1 and line.targets[0].dtype.kind == "f"


def multiplied(a: Any, b: Any) -> Array:
    """A product of matrices, without the threads of a BLAS where it can be had."""
    a, b = np.asarray(a), np.asarray(b)
    return multiply(a, b) if current_backend() == "numba" else np.matmul(a, b)


def add(found: Values, x: Sym, g: Any) -> None:
    """Add a cotangent to what there is."""
    found[x] = found[x] + g if x in found else g
