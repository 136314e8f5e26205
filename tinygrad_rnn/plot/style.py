r"""One look for every figure: calm axes, the book's colours, and bytes that never change by chance.

An SVG's text is measured with the fonts that come with matplotlib, so a figure is laid out alike
on every machine, also where its labels are Korean. It stays text, and a page shows it in its own
font. A PNG is drawn with DejaVu Sans and, for what that lacks, such as Hangul, with the first font
of `FALLBACKS` that is installed.

A figure is drawn in `LIGHT`, from the palette's colours alone. On a page of the book they are
variables, which follow the reader's scheme; elsewhere `as_svg(figure, DARK)` is its night side.

Example:
    >>> def squares():
    ...     with styled():
    ...         figure = new_figure(4.0, 2.5)
    ...         figure.add_subplot().plot([0, 1, 4, 9])
    ...     return as_svg(figure)
    >>> squares() == squares()
    True
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from io import StringIO
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from tinygrad_rnn.plot.palette import LIGHT, SERIES, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1.5)))
MARKERS = ("o", "s", "^", "D", "v")
"""What tells lines and points apart with `SERIES`, one by one: never colour alone."""

OWN = "DejaVu Sans"  # comes with matplotlib
FALLBACKS = (
    "Pretendard",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    OWN,
)
FAMILY = [repr(name) for name in dict.fromkeys([OWN, *FALLBACKS])]  # as an SVG names them

SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LIGHT.muted,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": LIGHT.muted,
    "axes.labelpad": 6.0,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": f"cycler('color', {[getattr(LIGHT, role) for role in SERIES]})",
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.titlecolor": LIGHT.ink,
    "axes.titlelocation": "left",
    "axes.titlepad": 12.0,
    "axes.titlesize": 10.0,
    "figure.constrained_layout.use": True,
    "figure.facecolor": LIGHT.paper,
    "figure.figsize": (6.4, 3.4),
    "font.family": [OWN, "sans-serif"],
    "font.sans-serif": list(FALLBACKS),
    "font.size": 10.0,
    "grid.color": LIGHT.rule,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.0,
    "savefig.facecolor": LIGHT.paper,
    "svg.fonttype": "none",
    "svg.hashsalt": "tinygrad_rnn",
    "text.color": LIGHT.ink,
    "xtick.color": LIGHT.muted,
    "xtick.major.size": 3.0,
    "xtick.major.width": 0.8,
    "ytick.color": LIGHT.muted,
    "ytick.major.size": 0.0,
}
"""What matplotlib is told; everything else is at its default, whatever the user's own settings."""


def matplotlib() -> ModuleType:
    """The matplotlib package, imported when it is first needed.

    Raises:
        ImportError: if it is not installed, with the command that installs it.
    """
    try:
        import matplotlib
    except ImportError:
        raise ImportError(
            "plot: figures are drawn with matplotlib, which is not installed; run "
            'pip install "tinygrad-rnn[book]"'
        ) from None
    return matplotlib


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the book's style inside a `with` block."""
    mpl = matplotlib()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches. It belongs to no window, and notebooks show it as SVG."""
    figure: Figure = figure_class()(figsize=(width, height))
    return figure


@cache
def figure_class() -> Any:
    """The figures' class; made late, because its base is matplotlib's."""
    matplotlib()
    from matplotlib.figure import Figure

    class BookFigure(Figure):
        """A figure that shows itself as deterministic SVG."""

        def _repr_svg_(self) -> str:
            return as_svg(self)

    return BookFigure


def titled(place: "Figure | Axes", title: str, x_label: str = "") -> "Axes":
    """Axes whose title says what is measured, so that nobody needs to turn their head.

    Args:
        place: a new figure, or axes of one that were made inside of `styled`.
        title: what is measured.
        x_label: what runs to the right.

    Raises:
        TypeError: if `place` is something else.
    """
    if not hasattr(place, "add_subplot") and not hasattr(place, "transData"):
        raise TypeError(
            f"plot: got axes of type {type(place).__name__}; expected matplotlib axes, as in "
            "`with styled(): figure = new_figure(8, 3); left, right = figure.subplots(1, 2)`"
        )
    axes: Any = place.add_subplot() if hasattr(place, "add_subplot") else place
    axes.set_title(title)
    axes.set_xlabel(x_label)
    return cast("Axes", axes)


def figure_of(axes: "Axes") -> "Figure":
    """The whole figure that axes are in."""
    return cast("Figure", axes.get_figure(root=True))


def as_svg(figure: "Figure", palette: Palette = LIGHT) -> str:
    """A figure as SVG text, the same bytes for one drawn from the same data.

    Args:
        figure: drawn in the book's style.
        palette: the colours that it gets in the place of those of `LIGHT`.

    Example:
        >>> from tinygrad_rnn.plot import DARK, loss_curves
        >>> svg = as_svg(loss_curves({"lstm": [3.0, 2.0, 1.5]}), DARK)
        >>> DARK.value in svg, LIGHT.value in svg
        (True, False)
    """
    page = StringIO()
    with styled(), measured_alike():
        figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None})
    svg = page.getvalue().replace(f"{OWN!r}, sans-serif", ", ".join([*FAMILY, "sans-serif"]))
    others = {getattr(LIGHT, role): colour for role, colour in asdict(palette).items()}
    return re.sub("#[0-9a-f]{6}\\b", lambda found: others.get(found[0], found[0]), svg)


@contextmanager
def measured_alike() -> Iterator[None]:
    """Inside a `with` block text is as wide as in the fonts that come with matplotlib.

    A character that none of them has takes the room of the box that stands for it, which is more
    than any font gives it.
    """
    with matplotlib().rc_context({"font.sans-serif": [OWN]}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
