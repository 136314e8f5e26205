"""The speed-ups as a picture for a page: a bar for each comparison, a line where the peer is.

It is drawn from the data of `--json` alone, in the book's style, and follows the page's colours.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.book.figures import drawn, frozen
from tinygrad_rnn.plot.palette import LIGHT, SERIES
from tinygrad_rnn.plot.style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HATCHES = ("", "////", "....", "xxxx", "----")  # so that peers differ by more than colour
ROW, GAP = 0.24, 0.95  # inches: a bar's room, and a group's title and axis


def svg(groups: Mapping[str, Any]) -> str:
    """The picture as an SVG element.

    Raises:
        ValueError: if no group holds a speed-up.
    """
    data = frozen(speed_ups(groups), digits=4)
    if not data:
        raise ValueError(
            "none of these groups measures a speed-up, and only those are drawn; add lstm, say"
        )
    return drawn(draw, data, prefix="benchmarks", alt=in_words(groups))


def speed_ups(groups: Mapping[str, Any]) -> dict[str, Any]:
    """Of each group that has them: title, and for each bar name, peer, ratio, quartiles, asked."""
    found: dict[str, Any] = {}
    for key, group in groups.items():
        rows = [m for m in group["measured"] if m["at_least"] is not None]
        if rows:
            columns = ("name", "peer", "ratio", "quartiles", "at_least")
            found[key] = {column: [m[column] for m in rows] for column in columns}
            found[key]["title"] = group["title"]
    return found


def in_words(groups: Mapping[str, Any]) -> str:
    """What the picture shows."""
    spans = (
        f"{key}: {min(group['ratio']):.2f} to {max(group['ratio']):.2f} times"
        for key, group in speed_ups(groups).items()
    )
    return f"Bars of speed-ups over the peers. {'; '.join(spans)}."


def draw(data: Any) -> "Figure":
    """Draw thawed `speed_ups`."""
    rows = [len(group["name"]) for group in data.values()]
    figure = new_figure(7.2, sum(rows) * ROW + len(rows) * GAP)
    panels = figure.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": rows})
    for axes, group in zip(panels[:, 0], data.values(), strict=True):
        panel(axes, group)
    return figure


def panel(axes: "Axes", group: Mapping[str, Any]) -> None:
    """One group's bars, the first on top."""
    peers = list(dict.fromkeys(group["peer"]))
    places = np.arange(len(group["peer"]))
    for n, peer in enumerate(peers):
        mine = np.array([other == peer for other in group["peer"]])
        bars(axes, places[mine], group["ratio"][mine], n, peer)
    low, high = group["quartiles"].T
    axes.hlines(places, low, high, color=LIGHT.ink, linewidth=1.2)
    asked = np.where(group["at_least"] > 0, group["at_least"], np.nan)
    axes.plot(asked, places, "|", color=LIGHT.ink, markersize=11, label="asked")
    axes.axvline(1, color=LIGHT.muted, linewidth=1.0)
    for y, (ratio, end) in enumerate(zip(group["ratio"], high, strict=True)):
        number(axes, max(ratio, end), y, f"{ratio:.2f}")
    longest = max(1, high.max(), group["ratio"].max(), group["at_least"].max())
    axes.set(xlim=(0, 1.1 * longest), ylim=(len(places) - 0.4, -0.6))
    axes.set_title(group["title"].partition(":")[0], pad=22.0)  # the legend stands below
    axes.set_yticks(places, once(group["name"]), fontsize=8.0)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8.0, markerscale=0.6)


def bars(axes: "Axes", places: Any, ratios: Any, n: int, peer: str) -> None:
    """The bars of the n-th peer."""
    colour, hatch = getattr(LIGHT, SERIES[n % len(SERIES)]), HATCHES[n % len(HATCHES)]
    axes.barh(places, ratios, 0.7, color=colour, hatch=hatch, edgecolor=LIGHT.paper, label=peer)


def number(axes: "Axes", x: float, y: float, text: str) -> None:
    """A number behind a bar's end, readable where it meets a line."""
    paper = {"facecolor": LIGHT.paper, "pad": 0.5}
    style: dict[str, Any] = {"va": "center", "fontsize": 8.0, "bbox": paper}
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", **style)


def once(names: Sequence[str]) -> list[str]:
    """Names on one line each, and nothing where one repeats that above it."""
    above = [None, *names]
    return ["" if a == b else " ".join(b.split("\n")) for a, b in zip(above, names, strict=False)]
