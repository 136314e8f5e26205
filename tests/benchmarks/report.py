"""Results as tables in the terminal and as data in a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.benchmarks.pairs import Measured, Skipped, geometric_mean

PREFIXES = {1e9: "G", 1e6: "M", 1e3: "k", 1.0: "", 1e-3: "m", 1e-6: "µ", 1e-9: "n", 1e-12: "p"}


@dataclass(frozen=True)
class Results:
    """What came of a group.

    Attributes:
        title: what it was about.
        rows: each comparison's outcome.
        mean_at_least: for each peer the geometric mean of the speed-ups to reach.
    """

    title: str
    rows: Sequence[Measured | Skipped]
    mean_at_least: Mapping[str, float]

    @property
    def measured(self) -> list[Measured]:
        """Those rows that could be measured."""
        return [row for row in self.rows if isinstance(row, Measured)]

    def means(self) -> Iterator[tuple[str, float, float, bool]]:
        """For each peer: its name, the geometric mean, what was asked, and whether it is met."""
        for peer, least in self.mean_at_least.items():
            ratios = [m.ratio for m in self.measured if m.peer == peer]
            if ratios:
                mean = geometric_mean(ratios)
                yield peer, mean, least, mean >= least

    def as_data(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        means = [
            dict(zip(("peer", "mean", "at_least", "met"), mean, strict=True))
            for mean in self.means()
        ]
        skipped = [asdict(row) for row in self.rows if isinstance(row, Skipped)]
        measured = [asdict(m) for m in self.measured]
        return {"title": self.title, "measured": measured, "means": means, "skipped": skipped}


def show(results: Results, console: Console) -> None:
    """Print one group's table, and why some of its comparisons are missing."""
    console.print(f"\n[bold]{results.title}[/]", highlight=False)
    console.print(table(results))
    for row in results.rows:
        if isinstance(row, Skipped):
            where = " ".join(row.name.split("\n"))
            console.print(f"skipped: {where} · {row.peer}: {row.reason}", highlight=False)


def table(results: Results) -> Table:
    """One group's table; it fits into 80 columns."""
    fast = any(m.at_least is not None for m in results.measured)
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("measured", "peer"):
        shown.add_column(column)
    for column in ("ours", "theirs", f"{'speed' if fast else 'cost'} × peer", "asked"):
        shown.add_column(column, justify="right", no_wrap=True)
    for m in results.measured:
        shown.add_row(*cells(m))
    shown.add_section()
    for peer, mean, least, met in results.means():
        shown.add_row("geometric mean", peer, "", "", judged(mean, met), f"≥ {least:g}")
    return shown


def cells(m: Measured) -> Iterator[str]:
    """A row of the table, of two lines."""
    low, high = m.quartiles
    yield m.name
    yield f"{m.peer}\n[dim]{m.note}[/]"
    yield quantity(m.ours, m.unit)
    yield quantity(m.theirs, m.unit)
    yield f"{judged(m.ratio, m.met)}\n[dim]{low:.2f} – {high:.2f}[/]"
    yield bound(m)


def bound(m: Measured) -> str:
    """What was asked of a comparison by itself."""
    if m.at_most is not None:
        return f"≤ {m.at_most:g}"
    return f"≥ {m.at_least:g}" if m.at_least else ""


def judged(ratio: float, met: bool) -> str:
    """A ratio, with a mark as well as a colour for whether it is what was asked."""
    colour, mark = ("green", "✓") if met else ("red", "✗")
    return f"[{colour}]{ratio:.2f} {mark}[/]"


def quantity(cost: float, unit: str) -> str:
    """A cost in three digits, with its unit; what is per second is shown as a rate."""
    value = 1 / cost if unit.endswith("/s") else cost
    scale = next((s for s in PREFIXES if abs(value) >= s * 0.9995), 1e-12)
    return f"{three_digits(value / scale)} {PREFIXES[scale]}{unit}"


def three_digits(value: float) -> str:
    """A number from 1 to 1000 in three digits."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
