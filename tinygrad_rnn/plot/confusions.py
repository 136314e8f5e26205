"""Confusion matrices: what a classifier takes for what, in counts and in shares of each class.

Example:
    >>> figure = confusion_heatmap([[8, 2], [1, 9]], ["noun", "verb"])
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['8', '80 %']
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.curves import Look
from tinygrad_rnn.plot.heatmaps import (
    PALE,
    TILES,
    draw_cells,
    draw_key,
    key_beside,
    outline,
    without_frame,
)
from tinygrad_rnn.plot.notation import width_of
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.style import figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

WIDTH = 5.4  # inches, at least
CELL = 0.56  # inches, for a number over another
SMALL = 0.2  # inches, for ink alone
LEAST = 0.02  # errors below this share never get full ink
NUMBERED = 12  # classes, up to which cells show numbers
SHOWN = ("both", "counts", "shares")


def confusion_heatmap(
    counts: ArrayLike,
    names: Sequence[str],
    *,
    show: str = "both",
    title: str = "true class down, predicted class across",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw a confusion matrix: right answers in blue and framed, wrong ones in ochre.

    Ink is the share of the true class, so that a rare class is read as well as a frequent one: full
    blue is all of it, full ochre the greatest share that is taken for another class. From 13
    classes on cells hold ink alone, with a key.

    Args:
        counts: (K, K), how many examples of class k (down) were taken for class l (across).
        names: the K classes.
        show: what is written into cells: `both`, `counts` or `shares`.
        title: what is shown.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if the counts are no square of whole numbers, the names not as many, or
            `show` is another word.
    """
    n = np.asarray(counts, float)
    check_counts(n, names, show)
    totals = n.sum(axis=1)
    shares = n / np.maximum(totals, 1.0)[:, None]
    written = len(n) <= NUMBERED
    broad = max(width_of(name, 10.0) for name in names) / 72
    height = CELL if written else SMALL
    width = max((height + 0.1) * len(n) + broad + 1.1, WIDTH)
    upright = broad > 0.95 * (width - broad - 1.1) / len(n)
    with styled():
        size = (width, height * len(n) + (broad if upright else 0.2) + 0.5)
        axes = titled(new_figure(*size) if axes is None else axes, title)
        right = np.eye(len(n))
        worst = max(LEAST, float((shares * (1 - right)).max()))
        draw_cells(
            axes,
            right * shares - (1 - right) * shares / worst,
            1.0,
            PALE if written else 1.0,
            gaps=TILES,
        )
        for k in range(len(n)):
            outline(axes, k, k)
        if written:
            write_cells(axes, n, shares, show)
            write_totals(axes, totals)
        else:
            ends = ("100 %, right", "0 %", f"{percentage(worst)}, wrong")
            draw_key(key_beside(axes), 1.0, gaps=TILES, ends=ends)
        name_classes(axes, names, upright=upright)
    return figure_of(axes)


def check_counts(n: Floats, names: Sequence[str], show: str) -> None:
    """Refuse what is no confusion matrix of these classes."""
    if n.ndim != 2 or n.shape != (len(names), len(names)) or not n.size:
        raise ValueError(
            f"confusion_heatmap: got counts {n.shape} and {len(names)} names; expected "
            f"({len(names)}, {len(names)}), a row and a column for each class"
        )
    if not np.array_equal(n, np.abs(np.rint(n))):
        raise ValueError(
            "confusion_heatmap: got counts that are not all whole and non-negative; expected how "
            "many examples there are, not shares: these it works out by itself"
        )
    if show not in SHOWN:
        raise ValueError(f"confusion_heatmap: got show={show!r}; expected {' or '.join(SHOWN)}")


def write_cells(axes: "Axes", n: Floats, shares: Floats, show: str) -> None:
    """Counts, shares or one over the other; right answers are bold, and zeros step back."""
    for (k, j), count in np.ndenumerate(n):
        lines = {"counts": [f"{count:.0f}"], "shares": [percentage(float(shares[k, j]))]}
        lines["both"] = lines["counts"] + lines["shares"]
        look: Look = {"ha": "center", "va": "center", "weight": "bold" if k == j else "normal"}
        if not count:
            axes.text(j, k, "0", size=8.5, color=LIGHT.muted, ha="center", va="center")
            continue
        for place, line in enumerate(lines[show]):
            second = place == 1
            up = 0.0 if len(lines[show]) == 1 else 0.2 if second else -0.12
            axes.text(j, k + up, line, size=7.5 if second else 9.5, **look)


def percentage(share: float) -> str:
    """A share that is not nothing, as text.

    Example:
        >>> percentage(0.002), percentage(0.25)
        ('< 1 %', '25 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.005 else "< 1 %"


def write_totals(axes: "Axes", totals: Floats) -> None:
    """How many examples of each class there are, to the right of its row."""
    for k, total in enumerate(totals):
        axes.annotate(
            f"of {total:.0f}",
            xy=(1.0, k),
            xycoords=("axes fraction", "data"),
            xytext=(6.0, 0.0),
            textcoords="offset points",
            size=8.5,
            color=LIGHT.muted,
            va="center",
            annotation_clip=False,
        )


def name_classes(axes: "Axes", names: Sequence[str], *, upright: bool) -> None:
    """Names beside rows and above columns, on end where they are broader than a column."""
    axes.set_xticks(np.arange(len(names)), names)
    axes.set_yticks(np.arange(len(names)), names)
    axes.xaxis.tick_top()
    if upright:
        axes.tick_params(axis="x", rotation=90)
    without_frame(axes)
