"""Attention maps: which words of a sentence a decoder looked at when it wrote each of its own.

Example:
    >>> weights = [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]]
    >>> figure = attention_map(weights, ["나는", "학교에", "간다"], ["I", "go"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['나는', '학교에', '간다']
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.heatmaps import (
    PALE,
    TILES,
    VISIBLE,
    draw_cells,
    draw_key,
    key_beside,
    outline,
    without_frame,
)
from tinygrad_rnn.plot.notation import width_of
from tinygrad_rnn.plot.style import figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

CELL, HEIGHT, WIDTH = 0.44, 0.36, 5.4  # inches: the least width of a cell, its height, a figure's
NUMBERED = 100  # weights, up to which they are written out


def attention_map(
    weights: ArrayLike,
    source: Sequence[str],
    target: Sequence[str],
    *,
    numbers: bool | None = None,
    title: str = "attention, in % of each row",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw attention weights as ink; the heaviest of each row is framed.

    Args:
        weights: (T, S), from 0 to 1: how much of source token s went into target token t.
        source: S tokens, written along the top,
        target: and T tokens, written down the side, in any script.
        numbers: whether to write the weights, in hundredths; by default if there are at most 100.
        title: what is shown.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if the weights do not fit the tokens, or are not between 0 and 1.
    """
    w = np.asarray(weights, float)
    check_weights(w, source, target)
    written = w.size <= NUMBERED if numbers is None else numbers
    names = [[VISIBLE.get(token, token) for token in tokens] for tokens in (source, target)]
    broad, deep = (max(width_of(name, 10.0) for name in tokens) / 72 for tokens in names)
    width = max(CELL * len(source) + deep + 0.6, WIDTH)
    steep = broad > 0.95 * (width - deep - 0.6) / len(source)
    with styled():
        size = (width, HEIGHT * len(target) + (0.8 * broad if steep else 0.2) + 0.5)
        axes = titled(new_figure(*size) if axes is None else axes, title)
        draw_cells(axes, w, 1.0, PALE if written else 1.0, gaps=TILES)
        for t, s in enumerate(w.argmax(axis=1)):
            if w[t, s] > 0:
                outline(axes, t, s)
        if written:
            write_hundredths(axes, w)
        else:
            draw_key(key_beside(axes), 1.0, least=0.0, gaps=TILES, ends=("100 %", "50 %", "0 %"))
        axes.set_xticks(np.arange(len(source)), names[0])
        axes.set_yticks(np.arange(len(target)), names[1])
        axes.xaxis.tick_top()
        if steep:
            axes.tick_params(axis="x", rotation=45)
            for label in axes.get_xticklabels():
                label.set(ha="left", va="baseline", rotation_mode="anchor")
        without_frame(axes)
    return figure_of(axes)


def check_weights(w: Floats, source: Sequence[str], target: Sequence[str]) -> None:
    """Refuse what are not weights of these tokens."""
    if w.shape != (len(target), len(source)) or not w.size:
        raise ValueError(
            f"attention_map: got weights {w.shape} for {len(target)} target and {len(source)} "
            f"source tokens; expected ({len(target)}, {len(source)}), and at least one of each"
        )
    if not (np.isfinite(w).all() and w.min() >= 0 and w.max() <= 1 + 1e-4):
        raise ValueError(
            f"attention_map: got weights from {w.min():.3g} to {w.max():.3g}; expected 0 to 1: "
            "take the softmax of scores first"
        )


def write_hundredths(axes: "Axes", w: Floats) -> None:
    """Each weight in its cell, as a percentage; those below half a percent are left out."""
    for (t, s), weight in np.ndenumerate(w):
        if weight >= 0.005:
            axes.text(s, t, f"{100 * weight:.0f}", size=8.5, ha="center", va="center")
