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

from tinygrad_rnn.plot.notation import advance, number
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.style import figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

SHADES = 32  # strengths of ink; finer ones cannot be seen
NUMBERED = 150  # cells, up to which a matrix shows its numbers
TILES = (0.06, 0.24)  # gaps: negative tiles are smaller, so that not their hue alone tells them
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


def text_heatmap(
    values: ArrayLike,
    text: Sequence[str],
    *,
    limit: float | None = None,
    width: int = 64,
    title: str = "one unit",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw a longer text on the ink of one unit: what it does, in the place where it does it.

    Args:
        values: (T,), such as the states of a unit, or a gate.
        text: T characters; Hangul takes two columns, as in a terminal.
        limit: the value of full ink; the greatest in `values` unless told.
        width: columns of a line.
        title: what is shown.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if the values are not as many as the characters, or there are none.

    Example:
        >>> figure = text_heatmap([0.1, 0.9, -0.5], "abc")
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['a', 'b', 'c']
    """
    v = np.asarray(values, float)
    if v.shape != (len(text),) or not v.size:
        raise ValueError(
            f"text_heatmap: got values {v.shape} for a text of {len(text)} characters; expected "
            f"({len(text)},), and at least one"
        )
    places, lines = typeset(text, width)
    ink = np.zeros((lines, width))
    for x, (line, column, columns) in zip(v, places, strict=True):
        ink[line, column : column + columns] = x
    top = full_ink(v, limit)
    with styled():
        axes = titled(
            new_figure(0.09 * width + 0.6, 0.2 * lines + 0.5) if axes is None else axes, title
        )
        draw_cells(axes, ink, top, PALE, gaps=TILES)
        for character, (line, column, columns) in zip(text, places, strict=True):
            seen = " " if character == " " else VISIBLE.get(character, character)
            ink_of_it = LIGHT.muted if character in VISIBLE else LIGHT.ink
            where = (column + (columns - 1) / 2, line + 0.2)
            axes.text(*where, seen, size=8.5, color=ink_of_it, ha="center", va="baseline")
        axes.set_xticks([])
        axes.set_yticks([])
        without_frame(axes)
        draw_key(key_beside(axes, min(1.0, 7 / lines)), top, full=PALE, gaps=TILES)
    return figure_of(axes)


def typeset(text: Sequence[str], width: int) -> tuple[list[tuple[int, int, int]], int]:
    """For each character its line, its first column and how many it takes; and the lines' number.

    Example:
        >>> typeset("a한b", 3)
        ([(0, 0, 1), (0, 1, 2), (1, 0, 1)], 2)
    """
    places, line, column = [], 0, 0
    for character in text:
        columns = 2 if advance(character[:1]) == 1.0 else 1
        if column + columns > width:
            line, column = line + 1, 0
        places.append((line, column, columns))
        column = width if character == "\n" else column + columns
    return places, line + 1


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


def draw_cells(
    axes: "Axes", m: Floats, limit: float, full: float = 1.0, *, gaps: tuple[float, float] = (0, 0)
) -> None:
    """A matrix as squares of ink; all of one strength are one path, which keeps files small.

    Args:
        axes: where to draw, a unit for a cell.
        m: (M, N).
        limit: the value of full ink,
        full: and how strong that is.
        gaps: how much narrower than a unit positive cells are, and negative ones.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    shades = np.rint(SHADES * np.clip(np.nan_to_num(m) / limit, -1, 1)).astype(int)
    for shade in np.unique(shades[shades != 0]):
        where = np.argwhere(shades == shade)
        corners = where[:, None, ::-1] + (1 - gaps[int(shade < 0)]) * SQUARE
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        path = Path(corners.reshape(-1, 2), codes * len(where))
        colour = LIGHT.value if shade > 0 else LIGHT.ochre
        ink = full * abs(shade) / SHADES
        axes.add_patch(PathPatch(path, facecolor=colour, alpha=ink, linewidth=0))
    axes.set_xlim(-0.5, max(m.shape[1], 1) - 0.5)
    axes.set_ylim(max(m.shape[0], 1) - 0.5, -0.5)


def draw_key(
    key: "Axes",
    limit: float,
    *,
    least: float | None = None,
    full: float = 1.0,
    gaps: tuple[float, float] = (0, 0),
    ends: Sequence[str] | None = None,
) -> None:
    """What full ink stands for, on either side of zero, from top to bottom.

    Args:
        key: narrow axes.
        limit: the value of full ink.
        least: what stands at the bottom: 0, if nothing is negative; −`limit` unless told.
        full: the strength of full ink.
        gaps: as `draw_cells` takes them; with gaps there are fewer steps, which can be told apart.
        ends: what to write at the top, in the middle and at the bottom, if not their values.
    """
    low = -limit if least is None else least
    levels = 9 if any(gaps) else SHADES + 1
    draw_cells(key, np.linspace(limit, low, levels)[:, None], limit, full, gaps=gaps)
    key.set_xticks([])
    key.set_yticks(
        [0, levels // 2, levels - 1], ends or [number(x) for x in (limit, (limit + low) / 2, low)]
    )
    key.yaxis.tick_right()
    key.tick_params(axis="y", length=0, labelsize=8)


def key_beside(axes: "Axes", share: float = 1.0) -> "Axes":
    """Narrow axes for a key, to the right of others, along a share of their height."""
    key: Axes = axes.inset_axes((1.03, 1.0 - share, 0.025, share))
    key.grid(False)
    without_frame(key)
    return key


def without_frame(axes: "Axes") -> None:
    """Axes without lines around them, between them and at their ticks."""
    axes.grid(False)
    axes.tick_params(axis="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def outline(axes: "Axes", i: int, j: int) -> None:
    """A frame around a cell, so that ink alone need not tell it from others."""
    axes.plot(*(0.94 * SQUARE + (j, i)).T, color=LIGHT.ink, linewidth=1.1, solid_joinstyle="miter")


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
