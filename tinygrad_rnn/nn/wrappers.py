r"""Wrappers: each takes cells and gives a cell, so they nest, and `Recurrent` drives the result.

===================  =======================================================================
wrapper              what it adds
===================  =======================================================================
`LearnedInitial`     a first carry that is learned
`Residual`           the input to the output
`Projection`         a map of the output
`Stacked`            depth: each cell reads what the one below shows
`Bidirectional`      a second cell that reads from the end
`VariationalDropout` one dropout mask a sequence, on what the cell reads
`Zoneout`            units that sometimes keep their old value
`LayerNormalized`    layer normalisation inside the cell
===================  =======================================================================

The last three are in `dropout` and `normalization`. `VariationalDropout` and `LayerNormalized`
act inside a cell's equations, so they go next to it, in any order; then `Zoneout`, which acts on
the carry; then those that act on the output.

    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> cell = nn.LayerNormalized(nn.LSTMCell(4, 4, seed=0))
    >>> cell = nn.Residual(nn.Zoneout(nn.VariationalDropout(cell, seed=1), seed=2))
    >>> output, (h, c) = nn.Recurrent(cell)(np.ones((5, 2, 4), "float32"), lengths=[5, 3])
    >>> output.shape
    (5, 2, 4)
"""

import copy
from typing import Any

import numpy as np

from tinygrad_rnn.compiler import scans
from tinygrad_rnn.engine import ShapeError
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt
from tinygrad_rnn.nn.cells import AffineCell, Carry, Cell
from tinygrad_rnn.nn.module import ModuleList, Parameter
from tinygrad_rnn.ops import broadcast_to, concatenate, where


class Wrapper(Cell):
    """A cell made from another. As it stands, it changes nothing: subclasses say what they do.

    Attributes:
        cell: the cell inside.

    Raises:
        TypeError: if it is no `Cell`.
    """

    def __init__(self, cell: Any) -> None:
        check_cell(type(self).__name__, cell)
        self.cell = cell

    def initial(self, *batch: int) -> Carry:
        """The carry of the cell inside."""
        return self.cell.initial(*batch)

    def noise(self, T: int, *batch: int) -> tuple[Any, ...]:
        """What the cell inside draws."""
        drawn: tuple[Any, ...] = self.cell.noise(T, *batch)
        return drawn

    def project(self, x: Any, *noise: Any) -> Any:
        """The projection of the cell inside."""
        return self.cell.project(x, *noise)

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """The step of the cell inside."""
        carry, y = self.cell.recur(carry, x)
        return carry, y


class LearnedInitial(Wrapper):
    """A cell that learns the carry it starts from.

    There is one parameter for each part of the carry, `initial_0`, `initial_1` and so on, which
    starts as what the cell inside starts from, and which all sequences of a batch share. A reset
    goes back to it too.

    Args:
        cell: any cell.

    Example:
        >>> from tinygrad_rnn import nn
        >>> nn.LearnedInitial(nn.LSTMCell(3, 4))
        LearnedInitial            152 parameters
        └─ cell: LSTMCell(3, 4)   144
    """

    def __init__(self, cell: Any) -> None:
        super().__init__(cell)
        for k, part in enumerate(leaves(cell.initial())):
            setattr(self, f"initial_{k}", Parameter(part))

    def initial(self, *batch: int) -> Carry:
        """The parameters, one copy for each sequence."""
        start = self.cell.initial()
        learned = (getattr(self, f"initial_{k}") for k in range(len(leaves(start))))
        return rebuilt(start, (broadcast_to(part, (*batch, *part.shape)) for part in learned))

    def run(self, carry: Carry, x: Any, **options: Any) -> tuple[Carry, Any]:
        """All steps of the cell inside."""
        carry, y = self.cell.run(carry, x, **options)
        return carry, y


class OutputWrapper(Wrapper):
    """A wrapper that changes what a cell shows, and nothing of what it remembers."""

    def output(self, x: Any, y: Any) -> Any:
        """The new output, from input and output of the cell inside, of one step or of all."""
        raise NotImplementedError(f"{type(self).__name__} has no output: define output(self, x, y)")

    def project(self, x: Any, *noise: Any) -> Any:
        """The projection of the cell inside, and the input."""
        return self.cell.project(x, *noise), x

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step; `x` is the projected input and the input."""
        a, x = x
        carry, y = self.cell.recur(carry, a)
        return carry, self.output(x, y)

    def run(
        self, carry: Carry, x: Any, *, lengths: Any = None, embedding: Any = None, **options: Any
    ) -> tuple[Carry, Any]:
        """All steps of the cell inside, then the output of all at once, which sees what it read."""
        x = x if embedding is None else embedding(x)
        carry, y = self.cell.run(carry, x, lengths=lengths, **options)
        return carry, within(lengths, self.output(x, y))


def within(lengths: Any, y: Any) -> Any:
    """Outputs (T, B, …), or a nest of such, with zeros after the end of each sequence."""
    if lengths is None:
        return y

    def cut(y: Any) -> Any:
        alive = np.arange(y.shape[0])[:, None] < np.asarray(lengths)
        return where(alive.reshape(alive.shape + (1,) * (y.ndim - 2)), y, 0.0)

    return mapped(cut, y)


class Residual(OutputWrapper):
    r"""A cell whose input is added to its output, $y_t = x_t + \operatorname{cell}(x_t)$.

    The gradient reaches the layer below also past the cell, $\bar x_t = \bar y_t + \dots$, which
    lets deeper stacks learn (He et al., arXiv:1512.03385; Wu et al., arXiv:1609.08144).

    Args:
        cell: any cell whose output is as long as its input.

    Raises:
        ShapeError: at a call, if input and output differ in shape.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> layer = nn.Recurrent(nn.Residual(nn.GRUCell(4, 4, seed=0)))
        >>> layer(np.ones((5, 2, 4), "float32"))[0].shape
        (5, 2, 4)
    """

    def output(self, x: Any, y: Any) -> Any:
        """The sum of input and output."""
        if x.shape[-1] != y.shape[-1]:
            raise ShapeError(
                f"Residual: got an input with {x.shape[-1]} features and an output with "
                f"{y.shape[-1]}, which cannot be added; map the output with "
                f"nn.Residual(nn.Projection(cell, nn.Linear({y.shape[-1]}, {x.shape[-1]})))"
            )
        return x + y


class Projection(OutputWrapper):
    r"""A cell with a map of its output, $y_t = V h_t$ for a matrix.

    The recurrence stays as it is. To make the recurrent state itself smaller, use
    `LSTMCell(proj_size=…)`.

    Args:
        cell: any cell.
        projection: the map: `Linear`, say, or any module or function of the last axis.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.Projection(nn.GRUCell(3, 4, seed=0), nn.Linear(4, 2, seed=1))
        >>> output, h = nn.Recurrent(cell)(np.ones((5, 2, 3), "float32"))
        >>> output.shape, h.shape
        ((5, 2, 2), (2, 4))
    """

    def __init__(self, cell: Any, projection: Any) -> None:
        super().__init__(cell)
        self.projection = projection

    def output(self, x: Any, y: Any) -> Any:
        """The map of the output."""
        return self.projection(y)


class Stacked(Cell):
    """Cells one above the other: each reads what the one below it shows.

    The carry is a tuple with the carry of each cell. `Recurrent` runs a whole sequence through
    one cell after the other, which gives the same numbers as step by step, and larger products.

    Args:
        *cells: the cells, the lowest first.

    Raises:
        ValueError: if there is none.
        TypeError: if one is no `Cell`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> deep = nn.Stacked(nn.GRUCell(3, 4, seed=0), nn.LSTMCell(4, 2, seed=1))
        >>> output, (low, (h, c)) = nn.Recurrent(deep)(np.ones((5, 1, 3), "float32"))
        >>> output.shape, low.shape, c.shape
        ((5, 1, 2), (1, 4), (1, 2))
    """

    def __init__(self, *cells: Any) -> None:
        if not cells:
            raise ValueError("Stacked: got no cells; expected one or more, the lowest first")
        for cell in cells:
            check_cell("Stacked", cell)
        self.cells = ModuleList(cells)

    def initial(self, *batch: int) -> Carry:
        """The carry of each cell."""
        return tuple(cell.initial(*batch) for cell in self.cells)

    def noise(self, T: int, *batch: int) -> tuple[Any, ...]:
        """What each cell draws."""
        return tuple(cell.noise(T, *batch) for cell in self.cells)

    def project(self, x: Any, *noise: Any) -> Any:
        """The projection of the lowest cell, and the noise of the others."""
        lowest, *others = noise
        return self.cells[0].project(x, *lowest), tuple(others)

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step of each cell."""
        a, noise = x
        lowest, *others = self.cells
        end, y = lowest.recur(carry[0], a)
        ends = [end]
        for cell, start, drawn in zip(others, carry[1:], noise, strict=True):
            end, y = cell.recur(start, cell.project(y, *drawn))
            ends.append(end)
        return tuple(ends), y

    def run(
        self, carry: Carry, x: Any, *, embedding: Any = None, **options: Any
    ) -> tuple[Carry, Any]:
        """All steps of one cell after the other."""
        ends = []
        for cell, start in zip(self.cells, carry, strict=True):
            end, x = cell.run(start, x, embedding=embedding, **options)
            ends.append(end)
            embedding = None  # only the lowest cell reads ids
        return tuple(ends), x


class Bidirectional(Cell):
    """Two cells that read from both ends; their outputs stand side by side at each step.

    The carry is the pair of the cells' carries. A sequence with a length is entered by the second
    cell at its own end, and a document that ends at a reset at its own last step. Since the second
    cell begins with the future, there is no single step: give it to `Recurrent`, alone, in
    `Stacked`, or in a wrapper that acts on outputs or on the first carry. Wrappers that act inside
    or on each step's carry go around the two cells.

    Args:
        ahead: the cell that reads from the first step to the last,
        back: and the one that reads from the last to the first.

    Raises:
        TypeError: if one is no `Cell`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> both = nn.Bidirectional(nn.GRUCell(3, 4, seed=0), nn.GRUCell(3, 4, seed=1))
        >>> output, (h, g) = nn.Recurrent(both)(np.ones((5, 2, 3), "float32"), lengths=[5, 2])
        >>> output.shape, h.shape, g.shape
        ((5, 2, 8), (2, 4), (2, 4))
    """

    def __init__(self, ahead: Any, back: Any) -> None:
        for cell in (ahead, back):
            check_cell("Bidirectional", cell)
        self.ahead, self.back = ahead, back

    def initial(self, *batch: int) -> Carry:
        """The carries of both cells."""
        return self.ahead.initial(*batch), self.back.initial(*batch)

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """There is no single step.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "Bidirectional has no single step, since its second cell begins at the end. Give a "
            "whole sequence to nn.Recurrent(cell); wrappers that act on each step, such as "
            "Zoneout, go around each of the two cells"
        )

    def run(
        self, carry: Carry, x: Any, *, reverse: bool = False, **options: Any
    ) -> tuple[Carry, Any]:
        """All steps of both cells, the second in the other direction, side by side if they can."""
        cells = list(zip((self.ahead, self.back), carry, (reverse, not reverse), strict=True))
        if all(type(cell).run is Cell.run for cell, _, _ in cells):
            both = scans([cell.scan(c, x, reverse=way, **options) for cell, c, way in cells])
        else:
            both = [cell.run(c, x, reverse=way, **options) for cell, c, way in cells]
        (ahead, y), (back, z) = both
        return (ahead, back), mapped(lambda *sides: concatenate(sides, axis=-1), y, z)


class InnerWrapper(Wrapper):
    """A wrapper that acts inside the equations of an affine cell.

    It offers the same products as the cell, changed or not, and has the cell take its step with
    these in the place of its own.

    Raises:
        TypeError: if the cell is neither an `AffineCell` nor an inner wrapper around one.
    """

    def __init__(self, cell: Any) -> None:
        if not isinstance(cell, AffineCell | InnerWrapper):
            raise TypeError(
                f"{type(self).__name__}: got {type(cell).__name__}; expected a cell with products "
                "to act on, such as nn.LSTMCell or another subclass of nn.AffineCell. Other "
                f"wrappers go around it: nn.Residual(nn.{type(self).__name__}(cell))"
            )
        super().__init__(cell)

    @property
    def core(self) -> AffineCell:
        """The affine cell inside of all wrappers."""
        cell: Any = self.cell
        while isinstance(cell, InnerWrapper):
            cell = cell.cell
        core: AffineCell = cell
        return core

    def inner(self, **methods: Any) -> Any:
        """A twin of the cell inside, with the methods of this wrapper, or given ones, for its own.

        A method that is set on an instance comes before that of its class; nothing else changes
        hands, so the twin is good for one step.
        """
        own = {name: getattr(self, name) for name in ("from_input", "from_state", "shown")}
        twin = copy.copy(self.cell)
        vars(twin).update({**own, **methods})
        return twin

    def project(self, x: Any, *noise: Any) -> Any:
        """The projection of the cell inside, by this wrapper's product."""
        return self.inner().project(x, *noise)

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """The step of the cell inside, by this wrapper's product."""
        carry, y = self.inner().recur(carry, x)
        return carry, y

    def from_input(self, x: Any) -> Any:
        """The input's product."""
        return self.cell.from_input(x)

    def from_state(self, h: Any, group: int | None = None) -> Any:
        """The state's product, or one group of its rows."""
        return self.cell.from_state(h, group)

    def shown(self, c: Any) -> Any:
        """What of a memory is shown."""
        return self.cell.shown(c)


def check_cell(owner: str, cell: Any) -> None:
    """Refuse what is no cell.

    Raises:
        TypeError: saying what to do with a layer or a plain step function.
    """
    if isinstance(cell, type) and issubclass(cell, Cell):
        name = cell.__name__
        raise TypeError(
            f"{owner}: got the class {name}; expected a cell: make one, as in {name}(…)"
        )
    if not isinstance(cell, Cell):
        raise TypeError(
            f"{owner}: got {type(cell).__name__}; expected a cell: subclass nn.Cell, or use "
            "tg.scan for a plain step function"
        )
