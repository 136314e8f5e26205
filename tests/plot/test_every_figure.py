"""What holds for all figures: one style, both schemes, any script, the same bytes everywhere."""

import re
from dataclasses import asdict

import numpy as np
import pytest

from tinygrad_rnn import plot
from tinygrad_rnn.book.figures import embeddable
from tinygrad_rnn.plot.style import SETTINGS

RNG = np.random.default_rng
HELD_OUT = {"두 층": {"x": [3, 9], "y": [4.0, 3.0]}}
QUANTILES = {0.1: [1, 0], 0.5: [2, 2], 0.9: [3, 4]}


def one(draw):
    return lambda axes=None: draw(axes=axes)


ALONE = {
    "gate_heatmap": lambda: plot.gate_heatmap({"망각 문": RNG(0).uniform(-1, 1, (3, 4))}, "한글\n"),
    "jacobian_spectrum": lambda: plot.jacobian_spectrum(RNG(0).normal(size=(4, 3, 3)), (1, 4)),
    "matrix_heatmap": lambda: plot.matrix_heatmap(np.eye(3), rows=["가", "나", "다"]),
    "state_heatmap": lambda: plot.state_heatmap(RNG(0).uniform(-1, 1, (3, 4)), "한글\n"),
}
ON_AXES = {
    "attention_map": lambda **k: plot.attention_map([[0.9, 0.1]], ["나는", "간다"], ["가"], **k),
    "confusion_heatmap": lambda **k: plot.confusion_heatmap(
        [[9, 1], [0, 3]], ["명사", "동사"], **k
    ),
    "embedding_map": lambda **k: plot.embedding_map(
        [[0, 0], [1, 2], [3, 1]], ["왕", "여왕", "king"], groups=["가", "가", "나"], **k
    ),
    "forecast_fan": lambda **k: plot.forecast_fan(
        [1, 2], QUANTILES, actual=[2, 3], baseline=[1, 1], title="수요, GW", **k
    ),
    "gradient_by_lag": lambda **k: plot.gradient_by_lag({"순환": [1, 0.5, 0.2]}, **k),
    "loss_curve": lambda **k: plot.loss_curve([{"step": 1, "tokens": 5, "bits": 3.0}], **k),
    "loss_curves": lambda **k: plot.loss_curves(
        {"두 층": RNG(0).uniform(3, 4, 9)}, held_out=HELD_OUT, smoothing=0.5, **k
    ),
    "roofline": lambda **k: plot.roofline({"순환 층": (9, 30)}, peak=99, bandwidth=9, **k),
    "text_heatmap": lambda **k: plot.text_heatmap(RNG(0).uniform(-1, 1, 5), "한 글ab", **k),
}
EVERY = ALONE | ON_AXES


@pytest.fixture(scope="module")
def drawings():
    return {name: plot.as_svg(draw()) for name, draw in EVERY.items()}


@pytest.mark.parametrize("name", EVERY)
def test_a_figure_has_no_colour_but_the_palettes(name, drawings):
    colours = set(re.findall(r"#[0-9a-f]{6}\b", drawings[name]))
    assert colours <= set(asdict(plot.LIGHT).values())


@pytest.mark.parametrize("name", EVERY)
def test_a_page_can_show_it_in_both_schemes(name, drawings):
    svg = embeddable(drawings[name], prefix=name.replace("_", "-"), alt=name)
    assert "<image" not in svg
    assert not re.findall(r"(?<!, )#[0-9a-f]{6}\b", svg)  # each colour is a variable's fallback


@pytest.mark.parametrize("name", EVERY)
def test_at_night_only_its_colours_change(name):
    light, dark = (plot.as_svg(EVERY[name](), palette) for palette in (plot.LIGHT, plot.DARK))
    plain = [re.sub("#[0-9a-f]{6}", "#", svg) for svg in (light, dark)]
    assert plain[0] == plain[1]
    assert plot.LIGHT.paper not in dark
    assert plot.DARK.paper in dark


@pytest.mark.parametrize("name", ON_AXES)
def test_it_draws_into_given_axes(name):
    with plot.styled():
        figure = plot.new_figure(9.0, 3.5)
        left, right = figure.subplots(1, 2)
    assert ON_AXES[name](axes=right) is figure
    assert right.has_data() or right.patches
    assert not left.has_data()


def test_what_are_no_axes_is_refused():
    with pytest.raises(TypeError, match="got axes of type ndarray; expected matplotlib axes"):
        plot.gradient_by_lag({"a": [1, 2]}, axes=np.ones(2))


def test_text_is_measured_alike_whichever_other_fonts_are_installed(monkeypatch):
    def drawn():
        return plot.as_svg(
            plot.attention_map([[0.9, 0.1]], ["ℊℊℊℊ", "a"], ["ℊℊ"])  # not in DejaVu Sans
        )

    without = drawn()
    monkeypatch.setitem(SETTINGS, "font.sans-serif", ["STIXGeneral", "DejaVu Sans"])
    assert drawn() == without


def test_no_figure_belongs_to_a_window():
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
