r"""Computation graphs as pictures: every tensor a box, with its value and its cotangent.

Values flow to the right, in blue. Below them, on the tinted half of the box and marked with ∂, is
what flows back: the derivative of the output with respect to that box. Rounded ends mark what was
given, square ones what was computed, and arrows arrive in the order of the op's inputs.

Example:
    >>> import tinygrad_rnn as tg
    >>> from tinygrad_rnn import plot
    >>> x = tg.tensor(3.0, requires_grad=True, name="x")
    >>> drawing = plot.graph(x * x + x)
    >>> drawing
    <drawing of 3 nodes, 318 × 108>
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.backward import PART
from tinygrad_rnn.plot.layout import Layout, Point, layered
from tinygrad_rnn.plot.notation import (
    applied,
    brief,
    brief_cotangent,
    number,
    split_name,
    width_of,
)
from tinygrad_rnn.plot.palette import DARK, Palette, variable
from tinygrad_rnn.plot.replay import LIMIT, Node, backward_visits, nodes_of

MARGIN = 14.0
TITLE, LINE, BAND = 20.0, 17.0, 22.0  # heights of a box's three rows
ARROW, LOWERED = 6.0, 3.5
SIZE = {"title": 15.5, "value": 12.5, "cotangent": 12.5, "share": 11.5}

Runs = list[tuple[str, str]]  # of (class, text): a line of text in several styles


@dataclass(frozen=True)
class Drawing:
    """An SVG picture. Notebooks show it, `save` writes it, and `svg` is its text."""

    svg: str
    nodes: int
    width: int
    height: int

    def save(self, path: str | Path) -> None:
        """Write the picture to a file, which follows the reader's light or dark scheme."""
        Path(path).write_text(self.svg + "\n", encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<drawing of {self.nodes} nodes, {self.width} × {self.height}>"


def graph(
    output: Tensor,
    *,
    gradient: Any = None,
    shares: bool = False,
    down: bool = False,
    limit: int = LIMIT,
) -> Drawing:
    """Draw the graph that computed a tensor, with every value and cotangent.

    The cotangents are worked out for the picture; no `grad` changes, and nothing is freed. So draw
    before `backward`, which frees the graph, or after `backward(retain_graph=True)`.

    Args:
        output: the tensor, usually a scalar.
        gradient: its cotangent; 1 for a scalar. An array without one is drawn without cotangents.
        shares: write on each arrow what it carries back, so that one sees the sums.
        down: let values flow downwards, which suits deep graphs on narrow pages.
        limit: the greatest number of nodes to draw.

    Raises:
        GraphError: if a backward pass freed the graph.
        ValueError: if there are more than `limit` nodes.
        ShapeError: if the gradient's shape is not the output's.

    Example:
        >>> import tinygrad_rnn as tg
        >>> w = tg.tensor(2.0, requires_grad=True, name="w")
        >>> print(graph(tg.tanh(w * 0.5)).svg[:45])
        <svg xmlns="http://www.w3.org/2000/svg" class
    """
    nodes = nodes_of(output, limit)
    visits = backward_visits(nodes, gradient)
    carried = {
        (visit.node, i): brief_cotangent(share, sign="▴ " if down else "◂ ")
        for visit in visits
        for i, share in enumerate(visit.shares)
        if shares and share is not None
    }
    return Picture(nodes, carried, down).drawing()


@dataclass(frozen=True)
class Picture:
    """A graph on its way to being drawn.

    Attributes:
        nodes: inputs before what uses them.
        carried: what is written on the i-th arrow into a node.
        down: whether values flow down the page.
    """

    nodes: list[Node]
    carried: dict[tuple[Node, int], str]
    down: bool

    def drawing(self) -> Drawing:
        """Lay the graph out and draw it."""
        at = {node: i for i, node in enumerate(self.nodes)}
        arrows = [(node, i) for node in self.nodes for i in range(len(node.parents))]
        room = max((width_of(text, SIZE["share"]) for text in self.carried.values()), default=0.0)
        sizes = [self.box_size(node, room) for node in self.nodes]
        layout = layered(
            [self.turned(size) for size in sizes],
            [(at[node.parents[i]], at[node]) for node, i in arrows],
            gap=(32.0 + 14.0 * bool(room), 22.0) if self.down else (34.0 + room, 18.0),
            port=max(room + 12, 16.0) if self.down else 20.0 if room else 14.0,
        )
        width, height = (side + 2 * MARGIN for side in self.turned(layout.extent))
        root = sheet(width, height, len(self.nodes))
        self.draw_arrows(root, arrows, layout)
        for node, size, centre in zip(self.nodes, sizes, layout.centres, strict=True):
            draw_box(root, node, size, self.placed(centre), last=node is self.nodes[-1])
        for element in [root, *root, *(inner for outer in root for inner in outer)]:
            element.tail = "\n"
        svg = ET.tostring(root, encoding="unicode").strip()
        return Drawing(svg, len(self.nodes), round(width), round(height))

    def box_size(self, node: Node, room: float) -> Point:
        """The width and height of a node's box, with room for what is written on its arrows."""
        width, height = box_size(node)
        return max(width, (room + 12) * len(node.parents) * (self.down and room > 0)), height

    def turned(self, point: Point) -> Point:
        """Along and across the arrows, as x and y or back."""
        return (point[1], point[0]) if self.down else point

    def placed(self, point: Point) -> Point:
        """A point of the layout on the page."""
        x, y = self.turned(point)
        return x + MARGIN, y + MARGIN

    def draw_arrows(
        self, root: ET.Element, arrows: list[tuple[Node, int]], layout: Layout
    ) -> None:
        """All arrows, then what is written on them, so that no line crosses a text."""
        lines = ET.SubElement(root, "g", {"class": "edges"})
        texts = ET.SubElement(root, "g", {"class": "shares"})
        for arrow, route in zip(arrows, layout.routes, strict=True):
            points = [self.placed(point) for point in route]
            ET.SubElement(lines, "path", {"class": "edge", "d": curve(points, self.down)})
            ET.SubElement(lines, "path", {"class": "tip", "d": tip(points[-1], self.down)})
            if arrow in self.carried:
                where = along(points[-3], points[-2], 0.68, self.down)
                draw_share(texts, where, self.carried[arrow])


def draw_share(texts: ET.Element, where: Point, text: str) -> None:
    """What an arrow carries back, in a gap of the line."""
    (x, y), half = where, width_of(text, SIZE["share"]) / 2 + 1
    gap = {"x": fixed(x - half), "y": fixed(y - 7), "width": fixed(2 * half), "height": "14"}
    ET.SubElement(texts, "rect", {"class": "page", **gap})
    write(texts, "share", x, y + 4, [("", text)])


def box_size(node: Node) -> Point:
    """The width and height of a node's box."""
    title = title_row(node)
    rows = [length(title, SIZE["title"]), length(value_row(node), SIZE["value"])]
    height = LINE + 9 + (TITLE if title else 0)
    if node.cotangent is not None:
        rows.append(width_of(brief_cotangent(node.cotangent), SIZE["cotangent"]))
        height += BAND
    return max(46.0, round(max(rows)) + 16.0), height


def title_row(node: Node) -> Runs:
    """What a box is: a leaf's name, or an op with those of its operands that are numbers."""
    if node.op is None:
        return name_runs(node.name)
    if node.op is PART:
        return [("symbol", f"[{node.source.params['i']}]")]
    operands = [None if isinstance(x, Node) else constant(x) for x in node.operands]
    return [("symbol", applied(node.op, operands))]


def value_row(node: Node) -> Runs:
    """A node's value; with its name where the title is the op's."""
    value = brief(node.value)
    if not (node.op and node.name):
        return [("", value)]
    return [*name_runs(node.name), ("", f" {value}" if value.startswith("(") else f" = {value}")]


def name_runs(name: str) -> Runs:
    """A name, its subscript lowered."""
    stem, subscript = split_name(name)
    return [run for run in (("name", stem), ("subscript", subscript)) if run[1]]


def constant(x: Any) -> str | None:
    """A plain operand as it is written beside the op."""
    return None if x is None else number(np.asarray(x)[()])


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


def draw_box(root: ET.Element, node: Node, size: Point, centre: Point, *, last: bool) -> None:
    """A node's box: what it is, its value, and below that its cotangent."""
    (width, height), (x, y) = size, centre
    left, top = x - width / 2, y - height / 2
    kind = "op" if node.op else "leaf" if node.differentiable else "constant"
    group = ET.SubElement(root, "g", {"class": f"node {kind}" + " output" * last})
    ET.SubElement(group, "title").text = described(node)
    radius = 7.0 if node.op else 15.0
    frame = dict(zip(("x", "y", "width", "height"), map(fixed, (left, top, width, height)), strict=True))
    ET.SubElement(group, "rect", {"class": "box", **frame, "rx": fixed(radius)})
    if node.cotangent is not None:
        band = lower_band(left, top + height - BAND, width, radius)
        ET.SubElement(group, "path", {"class": "band", "d": band})
        ET.SubElement(group, "rect", {"class": "outline", **frame, "rx": fixed(radius)})
        text = brief_cotangent(node.cotangent)
        write(group, "cotangent", x, top + height - BAND / 2 + 4.5, [("", text)])
    line = top + 18
    if title := title_row(node):
        write(group, "title", x, line, title)
        line += TITLE
    write(group, "value", x, line - 1, value_row(node))


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
    return sum(width_of(words, size * (0.7 if style == "subscript" else 1)) for style, words in runs)


def described(node: Node) -> str:
    """What a pointer that rests on a box is told."""
    name = f"{node.name}: " if node.name else ""
    made = f"{node.op.name} → " if node.op else ""
    if isinstance(node.value, tuple):
        return f"{name}{made}{len(node.value)} arrays"
    return f"{name}{made}{node.value.dtype} {node.value.shape}"


def curve(points: list[Point], down: bool) -> str:
    """A smooth path: straight through layers, bent between them."""
    path = f"M{pair(points[0])}"
    for k in range(1, len(points)):
        (x0, y0), (x1, y1) = points[k - 1], points[k]
        bent = (x0 if down else y0) != (x1 if down else y1)
        if bent:
            mx, my = midpoint(points[k - 1], points[k])
            turns = ((x0, my), (x1, my)) if down else ((mx, y0), (mx, y1))
            path += f"C{pair(turns[0])} {pair(turns[1])} {pair(points[k])}"
        elif points[k] != points[k - 1]:
            path += f"L{pair(points[k])}"
    return path


def tip(point: Point, down: bool) -> str:
    """An arrow's head."""
    x, y = point
    along, across = ARROW, 0.55 * ARROW
    corners = [(x - across, y - along), (x + across, y - along)] if down else [
        (x - along, y - across), (x - along, y + across)]
    return f"M{pair(point)}L{pair(corners[0])}L{pair(corners[1])}Z"


def lower_band(left: float, top: float, width: float, radius: float) -> str:
    """The lower part of a rounded box."""
    side = BAND - radius
    return (
        f"M{pair((left, top))}h{fixed(width)}v{fixed(side)}"
        f"a{radius:g} {radius:g} 0 0 1 {-radius:g} {radius:g}h{fixed(2 * radius - width)}"
        f"a{radius:g} {radius:g} 0 0 1 {-radius:g} {-radius:g}Z"
    )


def midpoint(a: Point, b: Point) -> Point:
    """The point halfway between two."""
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def along(a: Point, b: Point, t: float, down: bool) -> Point:
    """The point at `t` of the bend from `a` to `b`, a cubic Bézier curve."""
    level = t * t * (3 - 2 * t)  # across the arrow, where the control points are at the ends
    ahead = 1.5 * t * (1 - t) + t**3  # along it, where both are in the middle
    tx, ty = (level, ahead) if down else (ahead, level)
    return a[0] + tx * (b[0] - a[0]), a[1] + ty * (b[1] - a[1])


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
.tg-graph {{ font-family: var(--tg-sans, Inter, Helvetica, Arial, "Noto Sans CJK KR", sans-serif); }}
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
.tg-graph .value, .tg-graph .cotangent {{ font-size: {SIZE["value"]}px; font-variant-numeric: tabular-nums; }}
.tg-graph .value {{ fill: {variable("value")}; }}
.tg-graph .cotangent {{ fill: {variable("cotangent")}; }}
.tg-graph .share {{ font-size: {SIZE["share"]}px; fill: {variable("cotangent")}; }}
@media (prefers-color-scheme: dark) {{ .tg-graph:root {{ {variables(DARK)} }} }}
"""
