"""Figures that come out the same, byte for byte, and that a page can inline.

A figure is drawn twice over: from what was measured to `NAME.json`, rounded, and from that file
to `NAME.svg`. The second step depends on nothing else, so `tg book check` can ask for the very
same bytes on another machine, where the first step gives other last digits.

The SVG follows the page: it takes the width it is given, colours of the palette become the
site's variables, ids carry the figure's name, and its alternative text is its title.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from tinygrad_rnn.plot.palette import LIGHT, variable
from tinygrad_rnn.plot.style import as_svg, styled

Data = Mapping[str, Any]
Draw = Callable[[Any], Any]

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
COLOURED = ("fill", "stroke", "color", "stop-color")
ROLES = {getattr(LIGHT, role.name): variable(role.name) for role in fields(LIGHT)}

FONT = re.compile(r"font-family: 'DejaVu Sans'[^;]*")
SANS = "font-family: var(--tg-sans, 'DejaVu Sans', sans-serif)"

ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)


def frozen(data: Any, digits: int) -> Any:
    """Data as JSON holds it: lists, floats rounded to so many significant digits.

    JSON has neither NaN nor infinity; both become null, and NaN when read back.

    Raises:
        TypeError: if something in it is neither a rectangular array, a number nor a string.
    """
    if isinstance(data, Mapping):
        return {str(key): frozen(value, digits) for key, value in data.items()}
    if isinstance(data, str) or data is None:
        return data
    if isinstance(data, list | tuple) and any(isinstance(x, str | Mapping) for x in data):
        return [frozen(x, digits) for x in data]
    try:
        array = np.asarray(data)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "biufU":
        raise TypeError(
            f"cannot record a {type(data).__name__} that is neither a rectangular array, a number "
            "nor a string; nest dictionaries for series of different lengths"
        )
    return _rounded(array.tolist(), digits)


def _rounded(values: Any, digits: int) -> Any:
    if isinstance(values, list):
        return [_rounded(value, digits) for value in values]
    if not isinstance(values, float):
        return values
    return float(f"{values:.{digits}g}") if np.isfinite(values) else None


def thawed(data: Any) -> Any:
    """Frozen data as a drawing wants it: lists of numbers are arrays again."""
    if isinstance(data, dict):
        return {key: thawed(value) for key, value in data.items()}
    if not isinstance(data, list):
        return data
    array = np.array(data, dtype=object)
    flat = array.ravel().tolist()
    if any(isinstance(value, str) for value in flat):
        return data
    whole = all(isinstance(value, int) for value in flat)
    return array.astype(int if flat and whole else float)


def flattened(data: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested data, by dotted name."""
    if not isinstance(data, dict):
        return {prefix: data}
    leaves: dict[str, Any] = {}
    for key, value in data.items():
        leaves |= flattened(value, f"{prefix}.{key}" if prefix else key)
    return leaves


def drawn(draw: Draw, data: Any, *, prefix: str, alt: str) -> str:
    """Draw frozen data, as an SVG element that a page can inline.

    `draw` gets the data and returns a matplotlib figure, an SVG text, or anything with
    `_repr_svg_`. It must draw from its argument alone.

    Args:
        draw: the drawing function.
        data: what it draws, as `frozen` gives it.
        prefix: what the figure's ids begin with, to be unique on a page.
        alt: what the figure shows, for those who do not see it.

    Raises:
        TypeError: if `draw` returns something else.
        ValueError: if the drawing holds a bitmap, whose bytes depend on the machine.
    """
    with styled():
        svg = _svg(draw(thawed(data)))
    return embeddable(svg, prefix=prefix, alt=alt)


def _svg(drawing: Any) -> str:
    if isinstance(drawing, str):
        return drawing
    if hasattr(drawing, "_repr_svg_"):
        return str(drawing._repr_svg_())
    if not hasattr(drawing, "savefig"):
        raise TypeError(
            f"a drawing function returned {type(drawing).__name__}; expected a matplotlib figure "
            "or an SVG text"
        )
    from matplotlib import pyplot

    pyplot.close(drawing)  # if it was pyplot that made it
    return as_svg(drawing)


def embeddable(svg: str, *, prefix: str, alt: str) -> str:
    """Make an SVG document an element of a page."""
    root = ET.fromstring(svg)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    if next(root.iter(f"{{{SVG}}}image"), None) is not None:
        raise ValueError(
            f"figure {prefix} holds a bitmap, whose bytes depend on the machine: draw it with "
            "pcolormesh instead of imshow, and without rasterized=True"
        )
    _hoist_global_style(root)
    for element in root.iter():
        _localise(element, prefix)
        _recolour(element)
    _fit(root)
    _entitle(root, prefix, alt)
    return ET.tostring(root, encoding="unicode") + "\n"


def _hoist_global_style(root: ET.Element) -> None:
    """Turn matplotlib's `*{…}`, which would style the whole page, into the root's style."""
    for parent in list(root.iter()):
        for sheet in parent.findall(f"{{{SVG}}}style"):
            rule = re.fullmatch(r"\s*\*\s*\{(.*)\}\s*", sheet.text or "")
            if rule:
                root.set("style", rule[1].strip())
                parent.remove(sheet)


def _localise(element: ET.Element, prefix: str) -> None:
    """Give ids and what refers to them a prefix, and coordinates three decimals at most."""
    for name, value in element.attrib.items():
        if name == "id":
            value = f"{prefix}-{value}"
        elif name in ("href", f"{{{XLINK}}}href") and value.startswith("#"):
            value = f"#{prefix}-{value[1:]}"
        elif name not in ("style", "class"):
            value = re.sub(r"-?\d+\.\d{4,}", lambda match: _short(match[0]), value)
        element.set(name, value.replace("url(#", f"url(#{prefix}-"))


def _short(number: str) -> str:
    return (
        f"{round(float(number), 3) + 0.0:g}" if abs(float(number)) < 1e3 else f"{float(number):.3f}"
    )


def _recolour(element: ET.Element) -> None:
    """Name the palette's colours by role, in a style: only there can variables stand."""
    styles = [element.get("style", "").strip().rstrip(";")]
    for name in COLOURED:
        if element.get(name, "").lower() in ROLES:
            styles.append(f"{name}: {element.attrib.pop(name)}")
    style = "; ".join(filter(None, styles))
    if style:
        style = re.sub(r"var\([^)]*\)|#[0-9a-fA-F]{6}\b", _role, style)
        element.set("style", FONT.sub(SANS, style))


def _role(match: re.Match[str]) -> str:
    return ROLES.get(match[0].lower(), match[0])


def _fit(root: ET.Element) -> None:
    """Let the page decide the width."""
    if "viewBox" not in root.attrib:
        width, height = (
            re.sub(r"[a-z]+$", "", root.get(side, "0")) for side in ("width", "height")
        )
        root.set("viewBox", f"0 0 {width} {height}")
    root.set("width", "100%")
    root.attrib.pop("height", None)


def _entitle(root: ET.Element, prefix: str, alt: str) -> None:
    """Say what the figure shows."""
    for title in root.findall(f"{{{SVG}}}title"):
        root.remove(title)
    title = ET.Element(f"{{{SVG}}}title", id=f"{prefix}-title")
    title.text = alt
    root.insert(0, title)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title")
