r"""One look for every figure: calm axes, the book's colours, and bytes that never change by chance.

Text is measured with DejaVu Sans, which comes with matplotlib, so a figure is laid out alike on
every machine; what that font lacks, such as Hangul, falls back to the first font of `FALLBACKS`
that is installed. In an SVG text stays text, and a page shows it in its own font.

Example:
    >>> def squares():
    ...     with styled():
    ...         figure = new_figure(4.0, 2.5)
    ...         figure.add_subplot().plot([0, 1, 4, 9])
    ...     return as_svg(figure)
    >>> squares() == squares()
    True
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import StringIO
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.plot.palette import LIGHT, SERIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FALLBACKS = (
    "Pretendard",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    "DejaVu Sans",
)

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
    "font.family": ["DejaVu Sans", "sans-serif"],
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


def as_svg(figure: "Figure") -> str:
    """A figure as SVG text, the same bytes for one drawn from the same data."""
    page = StringIO()
    with styled():
        figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None})
    return page.getvalue()
