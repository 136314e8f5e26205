"""The two pictures that no chapter records: the README's, and the one of the architecture.

    $ python -m tinygrad_rnn.book.pictures

draws both into `docs/assets`. A test draws them again and compares.
"""

import doctest
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinygrad_rnn.book.contents import BOOK
from tinygrad_rnn.book.floors import standing_on
from tinygrad_rnn.plot import graph, variable
from tinygrad_rnn.plot.svg import fixed, sheet, write

CELL, MARGIN, RADIUS = 38.0, 16.0, 4.5
NAME, HEIGHT = 84.0, 26.0  # a floor's box


def readme(root: Path = BOOK.root) -> str:
    """One step of the cell in the README's example, drawn from the tensors of that example."""
    names: dict[str, Any] = {}
    examples = iter(doctest.DocTestParser().get_examples((root / "README.md").read_text("utf-8")))
    while "cell" not in names:
        exec(next(examples).source, names)
    tensor = names["tg"].tensor
    for name in "wub":
        names[name].name = name
    h = tensor(0.3, requires_grad=True, name="h")
    h, _ = names["cell"](h, tensor(-1.2, name="x"))
    return graph(h, shares=True).svg + "\n"


def architecture(below: Mapping[str, list[str]] | None = None) -> str:
    """A staircase: each package on its floor, with a dot for every package it imports from."""
    below = below or standing_on()
    order = list(below)
    steps = len(order) - 1
    width = 2 * MARGIN + steps * CELL + NAME
    height = 2 * MARGIN + steps * CELL + HEIGHT
    root = sheet(width, height, len(order))
    root[0].text = "The packages, each above those that it imports from"

    def column(name: str) -> float:
        return MARGIN + order.index(name) * CELL + CELL / 2

    def row(name: str) -> float:
        return height - MARGIN - HEIGHT / 2 - order.index(name) * CELL

    for name in order:
        lines(root, name, below, column, row)
    for name in order:
        group = ET.SubElement(root, "g", {"class": "node leaf"})
        left, top = column(name) - CELL / 2, row(name) - HEIGHT / 2
        box = {"x": left, "y": top, "width": NAME, "height": HEIGHT, "rx": 6}
        ET.SubElement(group, "rect", {"class": "box"} | {k: fixed(v) for k, v in box.items()})
        write(group, "value", left + NAME / 2, row(name) + 4.5, [("symbol", name)])
    for element in [root, *root]:
        element.tail = "\n"
    return ET.tostring(root, encoding="unicode").strip() + "\n"


def lines(
    root: ET.Element,
    name: str,
    below: Mapping[str, list[str]],
    column: Callable[[str], float],
    row: Callable[[str], float],
) -> None:
    """From a package to the left, with dots, and up from it to the last that imports from it."""
    above = [other for other, its in below.items() if name in its]
    hairline = {"class": "edge", "style": f"stroke: {variable('rule')}"}
    if below[name]:
        start, end = fixed(column(below[name][0])), fixed(column(name))
        ET.SubElement(root, "path", {**hairline, "d": f"M{start} {fixed(row(name))}H{end}"})
    if above:
        start, end = fixed(row(name)), fixed(row(above[-1]))
        ET.SubElement(root, "path", {**hairline, "d": f"M{fixed(column(name))} {start}V{end}"})
    for other in below[name]:
        centre = {"cx": fixed(column(other)), "cy": fixed(row(name)), "r": fixed(RADIUS)}
        dot = ET.SubElement(root, "circle", {"class": "tip", **centre})
        ET.SubElement(dot, "title").text = f"{name} imports from {other}"


PICTURES: dict[str, Callable[[], str]] = {"readme.svg": readme, "architecture.svg": architecture}


def main() -> None:
    """Draw both."""
    for file, draw in PICTURES.items():
        path = BOOK.docs / "assets" / file
        path.write_text(draw(), "utf-8")
        print(f"{path.relative_to(BOOK.root)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
