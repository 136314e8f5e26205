r"""Heat maps: what hidden units do along a text, and matrices with their numbers in them.

A cell is ink on paper: blue for what is positive, ochre for what is negative, and as strong as its
value, so that zero is the paper itself and a page in the dark needs no second figure.

Example:
    >>> import numpy as np
    >>> figure = state_heatmap(np.tanh(np.ones((5, 3))), "hello")
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['h', 'e', 'l', 'l', 'o']
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.notation import number
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SHADES = 32  # strengths of ink; finer ones cannot be seen
NUMBERED = 150  # cells, up to which a matrix shows its numbers
PALE = 0.4  # full ink under numbers: any more, and they lose their contrast in the dark
SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}


def state_heatmap(
    states: ArrayLike,
    text: Sequence[str],
    *,
    limit: float | None = None,
    by_peak: bool = False,
    title: str = "hidden units, one a row",
) -> "Figure":
    """Draw the hidden states of a recurrent network under the text that it read.

    Args:
        states: (T, H), the state after each character.
        text: T characters (or tokens); spaces and line ends are made visible.
        limit: the value of full ink; the greatest in `states` unless told.
        by_peak: order the units by when they are strongest, instead of as they are numbered.
        title: what is shown.

    Raises:
        ValueError: if the states have not two axes, or another length than the text.
    """
    h = np.asarray(states, float)
    if h.ndim != 2 or h.shape[0] != len(text):
        raise ValueError(
            f"state_heatmap: got states {h.shape} for a text of {len(text)} characters; expected "
            f"({len(text)}, H), time first"
        )
    units = np.arange(h.shape[1])
    if by_peak and h.size:
        units = np.argsort(np.abs(h).argmax(axis=0), kind="stable")
    with styled():
        figure = new_figure(*size_of(h.T.shape, 0.17, 0.15, (4.0, 9.0)))
        axes, key = cell_axes(figure, title, with_key=True)
        top = full_ink(h, limit)
        draw_cells(axes, h.T[units], top)
        axes.set_xticks(np.arange(len(text)), [VISIBLE.get(c, c) for c in text])
        shown = slice(None, None, max(1, -(-len(units) // 16)))
        axes.set_yticks(np.arange(len(units))[shown], [str(u) for u in units[shown]])
        axes.tick_params(axis="both", length=0, labelsize=8)
        draw_key(key, top)
    return figure


def matrix_heatmap(
    matrix: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    limit: float | None = None,
    numbers: bool | None = None,
    title: str = "",
) -> "Figure":
    """Draw a matrix, with its numbers if there are few.

    Args:
        matrix: (M, N), or a vector, which is drawn as one row.
        rows: M names.
        columns: N names.
        limit: the value of full ink; the greatest in `matrix` unless told.
        numbers: whether to write each value into its cell; by default if there are at most 150.
        title: what is shown.

    Raises:
        ValueError: if there are more than two axes, or names of the wrong number.

    Example:
        >>> figure = matrix_heatmap([[1.0, -0.5]], columns=["h", "e"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1', '−0.5']
    """
    m = np.atleast_2d(np.asarray(matrix, float))
    if m.ndim != 2:
        raise ValueError(f"matrix_heatmap: got an array {m.shape}; expected one or two axes")
    for axis, names in ((0, rows), (1, columns)):
        if names is not None and len(names) != m.shape[axis]:
            raise ValueError(
                f"matrix_heatmap: got {len(names)} names for axis {axis} of a matrix {m.shape}; "
                f"expected {m.shape[axis]}"
            )
    written = m.size <= NUMBERED if numbers is None else numbers
    with styled():
        cell = (0.52, 0.34) if written else (0.18, 0.18)
        figure = new_figure(*size_of(m.shape, *cell, (1.6, 9.0)))
        axes, key = cell_axes(figure, title, with_key=not written)
        top = full_ink(m, limit)
        draw_cells(axes, m, top, PALE if written else 1.0)
        name_ticks(axes, rows, columns)
        if written:
            write_numbers(axes, m)
        else:
            draw_key(key, top)
    return figure


def size_of(
    shape: tuple[int, ...], width: float, height: float, widths: tuple[float, float]
) -> tuple[float, float]:
    """The size of a figure for so many rows and columns of cells, in inches."""
    least, most = widths
    across = min(max(shape[1] * width + 0.8, least), most)
    return across, min(max(shape[0] * height, 0.5) + 0.9, 9.0)


def cell_axes(figure: "Figure", title: str, *, with_key: bool) -> list[Any]:
    """Axes for cells, and narrow ones for a key: no grid, no frame."""
    ratios = [figure.get_figwidth() / 0.13, 1] if with_key else [1, 0.001]
    both = list(figure.subplots(1, 2, width_ratios=ratios))
    for axes in both:
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
    both[0].set_title(title)
    if not with_key:
        both[1].remove()
    return both


def full_ink(m: Floats, limit: float | None) -> float:
    """The value that is drawn at full strength."""
    if limit is not None:
        return limit
    finite = np.abs(m[np.isfinite(m)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def draw_cells(axes: "Axes", m: Floats, limit: float, full: float = 1.0) -> None:
    """A matrix as squares of ink; all of one strength are one path, which keeps files small."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    shades = np.rint(SHADES * np.clip(np.nan_to_num(m) / limit, -1, 1)).astype(int)
    for shade in np.unique(shades[shades != 0]):
        where = np.argwhere(shades == shade)
        corners = where[:, None, ::-1] + SQUARE
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        path = Path(corners.reshape(-1, 2), codes * len(where))
        colour = LIGHT.value if shade > 0 else LIGHT.ochre
        ink = full * abs(shade) / SHADES
        axes.add_patch(PathPatch(path, facecolor=colour, alpha=ink, linewidth=0))
    axes.set_xlim(-0.5, max(m.shape[1], 1) - 0.5)
    axes.set_ylim(max(m.shape[0], 1) - 0.5, -0.5)


def draw_key(key: "Axes", limit: float) -> None:
    """What full ink stands for, on either side of zero, from top to bottom."""
    levels = np.linspace(1, -1, 33)[:, None]
    draw_cells(key, limit * levels, limit)
    key.set_xticks([])
    key.set_yticks([0, 16, 32], [number(limit), "0", number(-limit)])
    key.yaxis.tick_right()
    key.tick_params(axis="y", length=0, labelsize=8)


def name_ticks(axes: "Axes", rows: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    """Names beside rows and above columns; nothing where there are none."""
    axes.set_xticks(np.arange(len(columns or ())), columns or ())
    axes.set_yticks(np.arange(len(rows or ())), rows or ())
    axes.tick_params(axis="both", length=0)
    axes.xaxis.tick_top()


def write_numbers(axes: "Axes", m: Floats) -> None:
    """Each value in its cell."""
    for (i, j), x in np.ndenumerate(m):
        axes.text(j, i, number(x), size=9, ha="center", va="center")
