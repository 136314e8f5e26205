"""The pieces of SVG that a computation graph is drawn with: a sheet, lines of text, arrows.

Colours are the site's CSS variables with the light palette behind them, so an inlined picture
follows its page; one that is a document of its own follows its reader's scheme.
"""

import xml.etree.ElementTree as ET
from dataclasses import fields
from itertools import pairwise

from tinygrad_rnn.plot.layout import Point
from tinygrad_rnn.plot.notation import width_of
from tinygrad_rnn.plot.palette import DARK, Palette, variable

ARROW = 6.0
LOWERED = 3.5  # how far a subscript is
SIZE = {"title": 15.5, "value": 12.5, "cotangent": 12.5, "share": 11.5}

Runs = list[tuple[str, str]]  # of (class, text): a line of text in several styles


def sheet(width: float, height: float, count: int) -> ET.Element:
    """An empty page of paper, in the colours of the site or of the reader's scheme."""
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "tg-graph",
            "viewBox": f"0 0 {fixed(width)} {fixed(height)}",
            "width": fixed(width),
            "height": fixed(height),
            "style": f"max-width: {fixed(width)}px; min-width: {fixed(0.72 * width)}px",
            "role": "img",
        },
    )
    ET.SubElement(root, "title").text = f"Computation graph of {count} nodes"
    ET.SubElement(root, "style").text = STYLE
    page = {"class": "page", "width": fixed(width), "height": fixed(height), "rx": "8"}
    ET.SubElement(root, "rect", page)
    return root


def write(parent: ET.Element, kind: str, x: float, y: float, runs: Runs) -> None:
    """A line of text, centred."""
    text = ET.SubElement(parent, "text", {"class": kind, "x": fixed(x), "y": fixed(y)})
    lowered = 0.0
    for style, words in runs:
        drop = LOWERED if style == "subscript" else 0.0
        run = ET.SubElement(text, "tspan", {"class": style} if style else {})
        if drop != lowered:
            run.set("dy", fixed(drop - lowered))
        run.text, lowered = words, drop


def length(runs: Runs, size: float) -> float:
    """About how wide a line of text is."""
    return sum(
        width_of(words, size * (0.7 if style == "subscript" else 1)) for style, words in runs
    )


def curve(points: list[Point], down: bool) -> str:
    """A smooth path: straight through layers, bent between them."""
    path = f"M{pair(points[0])}"
    for a, b in pairwise(points):
        if a[not down] != b[not down]:
            x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
            turns = ((a[0], y), (b[0], y)) if down else ((x, a[1]), (x, b[1]))
            path += f"C{pair(turns[0])} {pair(turns[1])} {pair(b)}"
        elif a != b:
            path += f"L{pair(b)}"
    return path


def along(a: Point, b: Point, t: float, down: bool) -> Point:
    """The point at `t` of the bend from `a` to `b`, a cubic Bézier curve."""
    level = t * t * (3 - 2 * t)  # across the arrow, where the control points are at the ends
    ahead = 1.5 * t * (1 - t) + t**3  # along it, where both are in the middle
    tx, ty = (level, ahead) if down else (ahead, level)
    return a[0] + tx * (b[0] - a[0]), a[1] + ty * (b[1] - a[1])


def tip(point: Point, down: bool) -> str:
    """An arrow's head."""
    x, y = point
    back, aside = ARROW, 0.55 * ARROW
    left = (x - aside, y - back) if down else (x - back, y - aside)
    right = (x + aside, y - back) if down else (x - back, y + aside)
    return f"M{pair(point)}L{pair(left)}L{pair(right)}Z"


def lower_band(left: float, top: float, width: float, height: float, radius: float) -> str:
    """The lower part of a box with round corners."""
    side = height - radius
    return (
        f"M{pair((left, top))}h{fixed(width)}v{fixed(side)}"
        f"a{radius:g} {radius:g} 0 0 1 {-radius:g} {radius:g}h{fixed(2 * radius - width)}"
        f"a{radius:g} {radius:g} 0 0 1 {-radius:g} {-radius:g}Z"
    )


def pair(point: Point) -> str:
    """A point in a path."""
    return f"{fixed(point[0])} {fixed(point[1])}"


def fixed(x: float) -> str:
    """A coordinate, in tenths of a pixel."""
    return f"{round(x, 1) + 0.0:g}" if abs(x) < 1e5 else f"{x:.0f}"


def variables(palette: Palette) -> str:
    """A palette as CSS variables."""
    names = (role.name for role in fields(palette))
    return " ".join(f"--tg-{name.replace('_', '-')}: {getattr(palette, name)};" for name in names)


# `:root` matches only where the picture is a document of its own, so it never restyles a page.
STYLE = f"""
.tg-graph {{ font-family: var(--tg-sans, Inter, Helvetica, Arial, sans-serif); }}
.tg-graph text {{ text-anchor: middle; fill: {variable("ink")}; }}
.tg-graph .page {{ fill: {variable("paper")}; }}
.tg-graph .edge {{ fill: none; stroke: {variable("value")}; stroke-width: 1.3; }}
.tg-graph .tip {{ fill: {variable("value")}; }}
.tg-graph .box {{ fill: {variable("paper")}; stroke: {variable("muted")}; stroke-width: 1.2; }}
.tg-graph .outline {{ fill: none; stroke: {variable("muted")}; stroke-width: 1.2; }}
.tg-graph .leaf .box {{ fill: {variable("value_tint")}; }}
.tg-graph .constant .box {{ fill: none; stroke-dasharray: 3 3; }}
.tg-graph .output .box, .tg-graph .output .outline {{ stroke: {variable("ink")}; stroke-width: 2; }}
.tg-graph .band {{ fill: {variable("cotangent_tint")}; }}
.tg-graph .title {{ font-size: {SIZE["title"]}px; }}
.tg-graph .symbol {{ font-weight: 600; }}
.tg-graph .name, .tg-graph .subscript {{ fill: {variable("ink")}; font-style: italic; }}
.tg-graph .subscript {{ font-size: 70%; }}
.tg-graph .value, .tg-graph .cotangent, .tg-graph .share {{ font-variant-numeric: tabular-nums; }}
.tg-graph .value {{ font-size: {SIZE["value"]}px; fill: {variable("value")}; }}
.tg-graph .cotangent {{ font-size: {SIZE["cotangent"]}px; fill: {variable("cotangent")}; }}
.tg-graph .share {{ font-size: {SIZE["share"]}px; fill: {variable("cotangent")}; }}
@media (prefers-color-scheme: dark) {{ .tg-graph:root {{ {variables(DARK)} }} }}
"""
