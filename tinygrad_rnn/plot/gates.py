r"""Gates over text: what each unit of a cell lets through, at each character.

`step_values` runs a cell and keeps what stands in the variables of its equations when a step ends:
for an LSTM the gates `i`, `f` and `o`, the memory `c` and the state `h`; for a GRU `r`, `z`, `n`
and `h`; for a cell of your own whatever you called it. The cell needs no hooks for this, because
Python tells when a function returns and what it then holds. `gate_heatmap` draws them.

Example:
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> cell = nn.LSTMCell(4, 3, seed=0)
    >>> values = step_values(cell, np.eye(4)[[0, 1, 2, 2, 3]])
    >>> values["f"].shape
    (5, 3)
    >>> figure = gate_heatmap({"forget gate f": values["f"], "memory c": values["c"]}, "hello")
    >>> [axes.get_title("left") for axes in figure.axes]
    ['forget gate f', 'memory c']
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.engine import Tensor, no_grad, tensor
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.plot.heatmaps import (
    TILES,
    VISIBLE,
    draw_cells,
    draw_key,
    full_ink,
    key_beside,
    without_frame,
)
from tinygrad_rnn.plot.notation import width_of
from tinygrad_rnn.plot.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Variables = dict[str, Any]

LONGEST = 120  # characters that can be read in one line
CELL = (0.17, 0.13)  # inches
NUMBERED = 8  # units of a panel that are told by their numbers


def step_values(cell: Cell, xs: ArrayLike, hx: Any = None) -> dict[str, Floats]:
    """Run a cell over a sequence, step by step, and keep its variables.

    Args:
        cell: any cell; that of a layer is `layer.cell(0)`. One that draws noise should be in
            `eval` mode.
        xs: (T, I), one sequence of inputs: one-hot rows or embeddings, say.
        hx: the carry before it; the initial one unless told.

    Returns:
        For each tensor that a variable of the cell's `recur` holds when a step ends, by the
        variable's name, its values (T, …). For cells within a cell names are `0.f`, `1.f`, ….
        Note that `g` of an LSTM is the sum that its tanh is taken of, as the code has it.

    Raises:
        TypeError: if it is no cell.
        ValueError: if `xs` has not two axes, or no step.
    """
    steps = sequence_of("step_values", cell, xs)
    rows: list[Variables] = []
    with no_grad():
        carry = cell.carry_from(hx, ())
        for x in steps:
            found: list[Variables] = []
            with watched(found.append):
                carry, _ = cell.step(carry, tensor(x))
            rows.append(tensors_of(found))
    return {name: np.array([row[name] for row in rows], float) for name in rows[0]}


@contextmanager
def watched(record: Callable[[Variables], None]) -> Iterator[None]:
    """Inside a `with` block, tell which variables each innermost `recur` has when it returns."""
    before = sys.getprofile()
    innermost: list[bool] = []  # of each step that has begun and not ended

    def look(frame: FrameType, event: str, _: Any) -> None:
        if frame.f_code.co_name != "recur":
            return
        if event == "call":
            innermost[:] = [False] * len(innermost) + [True]
        elif event == "return" and innermost.pop():
            record(dict(frame.f_locals))

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)


def tensors_of(found: Sequence[Variables]) -> dict[str, NDArray[Any]]:
    """The values of all variables that hold a tensor, with the cell's number if there are more."""
    return {
        name if len(found) == 1 else f"{k}.{name}": value.numpy()
        for k, variables in enumerate(found)
        for name, value in variables.items()
        if isinstance(value, Tensor) and value.ndim
    }


def sequence_of(caller: str, cell: Any, xs: ArrayLike) -> NDArray[Any]:
    """One sequence of inputs, in the dtype of a cell."""
    if not isinstance(cell, Cell):
        raise TypeError(
            f"{caller}: got {type(cell).__name__}; expected a cell, such as nn.LSTMCell(…); that "
            "of a layer is layer.cell(0)"
        )
    like = next(iter(cell.parameters()), None)
    steps = np.asarray(xs, None if like is None else like.dtype)
    if steps.ndim != 2 or not len(steps):
        raise ValueError(f"{caller}: got xs {steps.shape}; expected (T, I), one sequence")
    return steps


def gate_heatmap(
    values: Mapping[str, ArrayLike],
    text: Sequence[str],
    *,
    limit: float | None = None,
) -> "Figure":
    """Draw gates and states over the text that was read, a row for each unit.

    Blue is positive, ochre negative and smaller; beside each panel stands what its ink means.

    Args:
        values: for each title (T, H), such as some of `step_values` gives; choose units by
            slicing.
        text: T characters or tokens, at most 120; spaces and line ends are made visible.
        limit: the value of full ink; unless told 1, and for a panel with greater values the
            greatest.

    Raises:
        ValueError: if there is nothing to draw, values do not fit the text, or the text is too
            long for one line.
    """
    panels = {title: np.asarray(v, float) for title, v in values.items()}
    check_panels(panels, text)
    heights = [v.shape[1] for v in panels.values()]
    names = [VISIBLE.get(token, token) for token in text]
    broad = max(width_of(name, 8.0) for name in names) / 72
    width = min(max(CELL[0], min(1.1 * broad, 0.8)) * len(text), 11.0)
    width = max(width, 5.0)
    size = min(8.0, 0.62 * 72 * width / len(text))
    upright = broad > width / len(text) and broad > CELL[0]
    with styled():
        height = CELL[1] * sum(heights) + 0.32 * len(panels) + (broad if upright else 0.0) + 0.3
        figure = new_figure(width + 0.9, height)
        grid = figure.subplots(len(panels), 1, height_ratios=heights, sharex=True, squeeze=False)
        for axes, (title, v) in zip(grid[:, 0], panels.items(), strict=True):
            full = limit or max(1.0, full_ink(v, None))
            draw_cells(axes, v.T, full, gaps=TILES)
            least = 0.0 if v.min() >= 0 else None
            draw_key(key_beside(axes), full, least=least, gaps=TILES)
            axes.set_title(title, size=9.0, pad=4.0)
            shown = np.arange(0, v.shape[1], -(-v.shape[1] // NUMBERED))
            axes.set_yticks(shown, shown.astype(str))
            without_frame(axes)
            axes.tick_params(labelsize=size)
        axes.set_xticks(np.arange(len(text)), names, rotation=90 if upright else 0)
    return figure


def check_panels(panels: Mapping[str, Floats], text: Sequence[str]) -> None:
    """Refuse what cannot stand over a text."""
    if not panels or not 1 <= len(text) <= LONGEST:
        raise ValueError(
            f"gate_heatmap: got {len(panels)} arrays over a text of {len(text)}; expected at least "
            f"one, over 1 to {LONGEST} characters: slice values and text alike"
        )
    for title, v in panels.items():
        if v.ndim != 2 or len(v) != len(text) or not v.size:
            raise ValueError(
                f"gate_heatmap: got {title!r} {v.shape} over a text of {len(text)}; expected "
                f"({len(text)}, H), time first"
            )
