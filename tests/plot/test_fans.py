import numpy as np
import pytest

from tinygrad_rnn import plot
from tinygrad_rnn.plot.palette import LIGHT

OBSERVED = [3.0, 4.0, 5.0]
QUANTILES = {0.05: [3, 2], 0.25: [4, 4], 0.5: [5, 5], 0.75: [6, 6], 0.95: [7, 8]}


def texts(figure):
    return {text.get_text() for text in figure.axes[0].texts}


def bands(figure):
    """The vertical extent of each band at its end."""
    ends = [c.get_paths()[0].vertices for c in figure.axes[0].collections]
    return [(v[v[:, 0] == 4][:, 1].min(), v[v[:, 0] == 4][:, 1].max()) for v in ends]


def test_levels_in_pairs_are_the_edges_of_bands_the_widest_first():
    figure = plot.forecast_fan(OBSERVED, QUANTILES)
    assert bands(figure) == [(2, 8), (4, 6)]
    assert {"90 %", "50 %", "median"} <= texts(figure)


def test_levels_may_come_in_any_order():
    shuffled = {level: QUANTILES[level] for level in (0.5, 0.95, 0.25, 0.05, 0.75)}
    assert plot.as_svg(plot.forecast_fan(OBSERVED, shuffled)) == plot.as_svg(
        plot.forecast_fan(OBSERVED, QUANTILES)
    )


def test_bands_open_where_the_observations_end():
    figure = plot.forecast_fan(OBSERVED, QUANTILES)
    starts = [c.get_paths()[0].vertices for c in figure.axes[0].collections]
    for vertices in starts:
        assert set(vertices[vertices[:, 0] == 2][:, 1]) == {5.0}


def test_what_came_is_dots_and_the_baseline_dashed():
    figure = plot.forecast_fan(
        OBSERVED, QUANTILES, actual=[5, 7], baseline=[3, 4], baseline_name="a day ago"
    )
    lines = {line.get_color(): line for line in figure.axes[0].lines if len(line.get_xdata()) == 3}
    assert {"actual", "a day ago"} <= texts(figure)
    assert lines[LIGHT.ochre].get_linestyle() == "--"
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_linestyle() for line in dots] == ["None"]


def test_time_may_be_dates():
    times = np.datetime64("2024-02-28", "D") + np.arange(5)
    figure = plot.forecast_fan(OBSERVED, QUANTILES, times=times)
    figure.draw_without_rendering()
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert {"28", "29", "Mar"} <= set(ticks)
    assert figure.axes[0].get_xlim() == (19781.0, 19785.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantiles": {0.1: [1, 2], 0.8: [3, 4]}}, r"got quantiles at \[0.1, 0.8\]; expected"),
        ({"quantiles": {0.0: [1, 2], 1.0: [3, 4]}}, "expected levels between 0 and 1 in pairs"),
        ({"quantiles": {}}, r"got quantiles at \[\]"),
        ({"quantiles": {0.1: [3, 4], 0.9: [1, 5]}}, "got quantiles that cross"),
        ({"quantiles": {0.1: [3, 4], 0.9: [4, 5, 6]}}, r"got quantile 0.9 of shape \(3,\)"),
        ({"actual": [1.0]}, r"got actual of shape \(1,\); expected \(2,\)"),
        ({"baseline": [1.0]}, r"got baseline of shape \(1,\); expected \(2,\)"),
        ({"observed": []}, r"got observations \(0,\)"),
        ({"times": [1, 2, 3]}, r"got times \(3,\); expected \(5,\): 3 for what was observed and 2"),
    ],
)
def test_what_makes_no_fan_is_refused(changes, message):
    given = {"observed": OBSERVED, "quantiles": QUANTILES} | changes
    with pytest.raises(ValueError, match=message):
        plot.forecast_fan(**given)


def test_the_median_alone_is_a_line_without_bands():
    figure = plot.forecast_fan(OBSERVED, {0.5: [5, 6]})
    assert not figure.axes[0].collections
    assert "median" in texts(figure)
