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
    <drawing of 3 nodes, 234 × 113>
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.backward import PART
from tinygrad_rnn.plot.layout import Layout, Point, layered
from tinygrad_rnn.plot.notation import (
    applied,
    brief,
    brief_cotangent,
    constant,
    split_name,
    width_of,
)
from tinygrad_rnn.plot.replay import LIMIT, Node, backward_visits, nodes_of
from tinygrad_rnn.plot.svg import (
    SIZE,
    Runs,
    along,
    curve,
    fixed,
    length,
    lower_band,
    sheet,
    tip,
    write,
)

MARGIN = 14.0
TITLE, LINE, BAND = 20.0, 17.0, 22.0  # heights of a box's three rows


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
    back = "▴ " if down else "◂ "
    carried = {
        (visit.node, i): brief_cotangent(share, sign=back, norm=f"{back}|∂| ")
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

    def draw_arrows(self, root: ET.Element, arrows: list[tuple[Node, int]], layout: Layout) -> None:
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


def draw_box(root: ET.Element, node: Node, size: Point, centre: Point, *, last: bool) -> None:
    """A node's box: what it is, its value, and below that its cotangent."""
    (width, height), (x, y) = size, centre
    left, top = x - width / 2, y - height / 2
    kind = "op" if node.op else "leaf" if node.differentiable else "constant"
    group = ET.SubElement(root, "g", {"class": f"node {kind}" + " output" * last})
    ET.SubElement(group, "title").text = described(node)
    radius = 7.0 if node.op else 15.0
    sides = {"x": left, "y": top, "width": width, "height": height, "rx": radius}
    frame = {side: fixed(number) for side, number in sides.items()}
    ET.SubElement(group, "rect", {"class": "box", **frame})
    if node.cotangent is not None:
        band = lower_band(left, top + height - BAND, width, BAND, radius)
        ET.SubElement(group, "path", {"class": "band", "d": band})
        ET.SubElement(group, "rect", {"class": "outline", **frame})
        text = brief_cotangent(node.cotangent)
        write(group, "cotangent", x, top + height - BAND / 2 + 4.5, [("", text)])
    line = top + 18
    if title := title_row(node):
        write(group, "title", x, line, title)
        line += TITLE
    write(group, "value", x, line - 1, value_row(node))


def described(node: Node) -> str:
    """What a pointer that rests on a box is told."""
    name = f"{node.name}: " if node.name else ""
    made = f"{node.op.name} → " if node.op else ""
    if isinstance(node.value, tuple):
        return f"{name}{made}{len(node.value)} arrays"
    return f"{name}{made}{node.value.dtype} {node.value.shape}"
