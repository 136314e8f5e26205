"""The book's colours: what matplotlib, the widgets and the site draw with.

`LIGHT` and `DARK` give every role its colour on paper and at night. A recorded figure is drawn
in `LIGHT` and names its roles with `variable`, so that the page recolours it when the reader
turns the lights off.

Values flow forward in blue, cotangents flow back in vermilion, everywhere in the book. The five
drawing colours (`SERIES`) differ in lightness as well as in hue, so that they stay apart for
readers with any of the three colour-vision deficiencies.
"""

from dataclasses import dataclass

__all__ = ["DARK", "LIGHT", "SERIES", "Palette", "variable"]


@dataclass(frozen=True)
class Palette:
    """One colour, as `#rrggbb`, for each role on a page.

    Attributes:
        paper: The page.
        surface: Cards and code, one shade off the paper.
        ink: Text, axes and labels.
        muted: Captions, ticks and whatever steps back.
        rule: Hairlines and grids.
        value: What the forward pass computes.
        value_tint: A wash of `value` behind text.
        cotangent: What the backward pass computes.
        cotangent_tint: A wash of `cotangent` behind text.
        green: Third series.
        ochre: Fourth series.
        purple: Fifth series.
        good: A check that passed, and strings in code.
        keyword: Keywords in code.

    Example:
        >>> LIGHT.value
        '#1b60a7'
    """

    paper: str
    surface: str
    ink: str
    muted: str
    rule: str
    value: str
    value_tint: str
    cotangent: str
    cotangent_tint: str
    green: str
    ochre: str
    purple: str
    good: str
    keyword: str


LIGHT = Palette(
    paper="#fcfaf5",
    surface="#f5f0e5",
    ink="#25211b",
    muted="#655c50",
    rule="#e0d7c5",
    value="#1b60a7",
    value_tint="#e4edf6",
    cotangent="#b4470f",
    cotangent_tint="#fbe9dd",
    green="#339482",
    ochre="#be7c09",
    purple="#6e3f65",
    good="#1f6b47",
    keyword="#7b3f79",
)

DARK = Palette(
    paper="#1b1a17",
    surface="#262420",
    ink="#e8e2d6",
    muted="#aaa194",
    rule="#3d3932",
    value="#77b3f5",
    value_tint="#1f2f42",
    cotangent="#ee8450",
    cotangent_tint="#43281a",
    green="#7fe6d0",
    ochre="#f3cd70",
    purple="#a86c96",
    good="#79cfa1",
    keyword="#d7a3d0",
)

SERIES = ("value", "cotangent", "green", "ochre", "purple")
"""The roles that lines and bars take in turn."""


def variable(role: str) -> str:
    """Name a role's colour so that a figure inlined in a page follows the reader's scheme.

    Args:
        role: A field of `Palette`.

    Returns:
        A CSS colour: the site's variable, with the light colour where there is no site.

    Raises:
        AttributeError: If `Palette` has no such role.

    Example:
        >>> variable("value_tint")
        'var(--tg-value-tint, #e4edf6)'
    """
    return f"var(--tg-{role.replace('_', '-')}, {getattr(LIGHT, role)})"
