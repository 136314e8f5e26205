import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import chronological_split, forecast_windows, sliding_windows


@pytest.mark.parametrize("stride", [1, 2, 3, 50])
@pytest.mark.parametrize("horizon", [0, 1, 4])
def test_each_window_is_a_slice_and_its_target_what_follows(stride, horizon):
    series = np.random.default_rng(0).normal(size=(20, 3))
    inputs, targets = sliding_windows(series, length=5, horizon=horizon, stride=stride)
    starts = range(0, 20 - 5 - horizon + 1, stride)
    assert inputs.shape == (len(starts), 5, 3)
    assert targets.shape == (len(starts), horizon, 3)
    for i, start in enumerate(starts):
        np.testing.assert_array_equal(inputs[i], series[start : start + 5])
        np.testing.assert_array_equal(targets[i], series[start + 5 : start + 5 + horizon])


def test_windows_are_read_only_views():
    inputs, _ = sliding_windows(np.arange(10), length=3)
    assert not inputs.flags.writeable


@pytest.mark.parametrize(("length", "horizon", "stride"), [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_sizes_out_of_range_are_refused(length, horizon, stride):
    with pytest.raises(ValueError, match=f"got length={length}, horizon={horizon}"):
        sliding_windows(np.arange(10), length, horizon, stride)


def test_a_series_too_short_says_how_long_it_must_be():
    with pytest.raises(ValueError, match=r"series of 5 steps .* expected at least 6 steps"):
        sliding_windows(np.arange(5), length=4, horizon=2)


shapes = st.tuples(
    st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 8), st.integers(17, 30)
)


def windows_of(series, shape):
    length, horizon, stride, start, stop = shape
    return forecast_windows(
        series, length, horizon, stride=stride, targets=[0], within=slice(start, stop)
    )


@given(shapes, st.integers(1, 29), st.floats(-1e6, 1e6))
def test_changing_the_future_never_changes_what_a_model_reads(shape, now, surprise):
    series = np.random.default_rng(0).normal(size=(30, 2))
    changed = series.copy()
    changed[now:] += surprise
    before, after = windows_of(series, shape), windows_of(changed, shape)
    done = before.origins <= now
    np.testing.assert_array_equal(before.past[done], after.past[done])
    finished = before.origins + before.targets.shape[1] <= now
    np.testing.assert_array_equal(before.targets[finished], after.targets[finished])


@given(shapes)
def test_no_window_leaves_its_part(shape):
    steps = np.arange(40)
    windows = windows_of(steps, shape)
    inside = range(shape[3], shape[4])
    assert set(windows.past.ravel()) | set(windows.targets.ravel()) <= set(inside)
    np.testing.assert_array_equal(windows.past[:, -1, 0] + 1, windows.origins)
    np.testing.assert_array_equal(windows.targets[:, 0, 0], windows.origins)


def test_windows_of_the_parts_of_a_split_share_no_step():
    parts = chronological_split(100, 0.2, 0.2)
    seen = [set(forecast_windows(np.arange(100), 4, 2, within=p).past.ravel()) for p in parts]
    assert not seen[0] & seen[1]
    assert not seen[1] & seen[2]


def test_known_inputs_are_read_in_the_past_and_ahead_but_not_forecast():
    series, known = np.arange(10.0), np.arange(100.0, 110.0)
    windows = forecast_windows(series, 3, 2, known=known)
    np.testing.assert_array_equal(windows.past[4], [[4, 104], [5, 105], [6, 106]])
    np.testing.assert_array_equal(windows.ahead[4], [[107], [108]])
    np.testing.assert_array_equal(windows.targets[4], [[7], [8]])


def test_without_known_inputs_nothing_is_ahead_and_nothing_is_copied():
    series = np.zeros((10, 2))
    windows = forecast_windows(series, 3, 2)
    assert windows.ahead.shape == (6, 2, 0)
    assert np.shares_memory(windows.past, series)


def test_targets_are_the_channels_asked_for():
    series = np.arange(20).reshape(10, 2)
    windows = forecast_windows(series, 3, targets=[1])
    np.testing.assert_array_equal(windows.targets.ravel(), series[3:, 1])


def test_windows_are_picked_like_rows():
    windows = forecast_windows(np.arange(10), 3)
    some = windows[[5, 1]]
    assert len(windows) == 7
    assert len(some) == 2
    np.testing.assert_array_equal(some.origins, [8, 4])
    np.testing.assert_array_equal(some.past[:, :, 0], [[5, 6, 7], [1, 2, 3]])
    assert len(windows[2:]) == 5
    with pytest.raises(TypeError, match=r"got windows\[3\]; expected a slice .* windows\[\[3\]\]"):
        windows[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0}, "horizon is 0; expected 1 or more"),
        ({"targets": [2]}, r"targets are \[2\]; expected .* channels 0 … 1"),
        ({"targets": []}, r"targets are \[\]; expected at least one"),
        ({"known": np.zeros(9)}, "series has 10 steps and what is known ahead has 9"),
        ({"known": np.zeros((10, 1, 1))}, r"known has shape \(10, 1, 1\)"),
        ({"within": slice(0, 10, 2)}, "expected a part of the series without a step"),
        ({"within": slice(0, 3)}, "a series of 3 steps has no window of 3 steps followed by 1"),
    ],
)
def test_windows_that_cannot_be_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        forecast_windows(np.zeros((10, 2)), 3, **arguments)
