import numpy as np
import pytest
from matplotlib.text import Text

from tinygrad_rnn import plot

POINTS = {"LSTM": (20.0, 60.0), "tanh": (0.25, 3.0)}
MACHINE = {"peak": 120.0, "bandwidth": 20.0}


def test_the_roof_rises_with_intensity_up_to_the_peak():
    np.testing.assert_array_equal(plot.attainable([0.5, 6.0, 60.0], 120.0, 20.0), [10, 120, 120])


def test_the_roof_bends_where_bandwidth_meets_the_peak():
    roof = plot.roofline(POINTS, **MACHINE).axes[0].lines[0]
    assert tuple(roof.get_xydata()[1]) == (6.0, 120.0)


def test_points_tell_their_share_of_the_roof_above_them():
    texts = {text.get_text() for text in plot.roofline(POINTS, **MACHINE).axes[0].texts}
    assert {"LSTM, 50 %", "tanh, 60 %"} <= texts


def test_points_differ_in_colour_and_mark():
    axes = plot.roofline(POINTS, **MACHINE).axes[0]
    dots = [line for line in axes.lines if line.get_marker() != "None"]
    assert (
        len({line.get_color() for line in dots}) == len({line.get_marker() for line in dots}) == 2
    )


def test_the_roof_is_named_after_how_it_was_measured():
    figure = plot.roofline(POINTS, **MACHINE, peak_name="sgemm", bandwidth_name="copy")
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"sgemm 120 GFLOP/s", "copy 20 GB/s"} <= texts


def test_labels_stand_clear_of_each_other():
    near = {f"program {k}": (20.0 + k, 60.0 + k) for k in range(5)}
    figure = plot.roofline(near, **MACHINE)
    figure.draw_without_rendering()
    names = [text for text in figure.axes[0].texts if "program" in text.get_text()]
    boxes = [Text.get_window_extent(text) for text in names]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_short_axis_has_more_than_one_tick():
    figure = plot.roofline({"LSTM": (20.0, 60.0)}, **MACHINE)
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_xlim()
    assert sum(low <= tick <= high for tick in figure.axes[0].get_xticks()) >= 3


@pytest.mark.parametrize(
    ("points", "machine"),
    [({}, MACHINE), ({"a": (0.0, 1.0)}, MACHINE), (POINTS, {"peak": -1.0, "bandwidth": 2.0})],
)
def test_what_a_logarithm_cannot_take_is_refused(points, machine):
    with pytest.raises(ValueError, match="expected at least one point, and only positive numbers"):
        plot.roofline(points, **machine)
