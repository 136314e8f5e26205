import numpy as np
import pytest

from tinygrad_rnn.data import sliding_windows


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
