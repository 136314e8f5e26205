"""The palette: one source for figures and pages, legible, and safe for colour-blind readers."""

import itertools
import re
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn.plot.palette import DARK, LIGHT, SERIES, Palette, variable

CSS = Path(__file__).resolve().parents[2] / "docs" / "assets" / "css" / "palette.css"
SCHEMES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])

# Viénot-style matrices at full severity from Machado, Oliveira and Fernandes (2009), linear RGB.
VISION = {
    "full": np.eye(3),
    "without red cones": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "without green cones": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "without blue cones": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour):
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dark, light = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb):
    """Ottosson's perceptual space, in which distances mean the same everywhere."""
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(lab) @ np.cbrt(np.array(cones) @ np.clip(rgb, 0, 1))


def declared(selector):
    block = re.search(re.escape(selector) + r" \{(.*?)\}", CSS.read_text("utf-8"), re.DOTALL)
    return dict(re.findall(r"--tg-([a-z-]+): (#[0-9a-f]{6});", block[1]))


@pytest.mark.parametrize(
    ("palette", "selector"),
    [(LIGHT, '[data-md-color-scheme="default"]'), (DARK, '[data-md-color-scheme="slate"]')],
    ids=["light", "dark"],
)
def test_the_stylesheet_declares_exactly_the_palette(palette, selector):
    roles = {role.replace("_", "-"): colour for role, colour in asdict(palette).items()}
    assert declared(selector) == roles


@SCHEMES
@pytest.mark.parametrize("role", ["ink", "muted", "value", "cotangent", "good", "keyword"])
@pytest.mark.parametrize("ground", ["paper", "surface"])
def test_text_is_legible(palette, role, ground):
    assert contrast(getattr(palette, role), getattr(palette, ground)) >= 4.5


@SCHEMES
@pytest.mark.parametrize("role", ["value", "cotangent"])
def test_text_is_legible_on_its_own_tint(palette, role):
    assert contrast(getattr(palette, role), getattr(palette, f"{role}_tint")) >= 4.5


@SCHEMES
@pytest.mark.parametrize("role", SERIES)
@pytest.mark.parametrize("ground", ["paper", "surface"])
def test_lines_are_visible(palette, role, ground):
    assert contrast(getattr(palette, role), getattr(palette, ground)) >= 3


@SCHEMES
@pytest.mark.parametrize("vision", VISION)
def test_series_stay_apart_for_every_reader(palette, vision):
    seen = [oklab(VISION[vision] @ linear(getattr(palette, role))) for role in SERIES]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest >= 0.1


def test_every_role_has_a_variable_that_falls_back_to_the_light_colour():
    assert variable("cotangent_tint") == f"var(--tg-cotangent-tint, {LIGHT.cotangent_tint})"
    assert {variable(role.name) for role in fields(Palette)} >= {variable(s) for s in SERIES}


def test_a_role_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError, match="gradient"):
        variable("gradient")
