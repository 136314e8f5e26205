import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.data import (
    direct_forecast,
    forecast_windows,
    persistence,
    recursive_forecast,
    seasonal_naive,
)

T, C = 6, 2


@pytest.fixture(scope="module")
def past():
    return np.random.default_rng(0).normal(size=(4, T, C))


@given(st.integers(1, 12), st.integers(1, 9))
def test_seasonal_naive_is_perfect_for_a_series_that_repeats(season, horizon):
    cycle = np.random.default_rng(season).normal(size=(season, 2))
    series = np.tile(cycle, (12, 1))[: 2 * season + horizon]
    forecast = seasonal_naive(series[None, : 2 * season], horizon, season)
    np.testing.assert_array_equal(forecast[0], series[2 * season :])


def test_persistence_repeats_the_last_step(past):
    forecast = persistence(past, 3)
    assert forecast.shape == (4, 3, C)
    np.testing.assert_array_equal(forecast, np.repeat(past[:, -1:], 3, axis=1))


@given(st.integers(1, 10), st.floats(-0.9, 0.9))
def test_an_exact_model_of_one_step_forecasts_any_horizon_exactly(horizon, factor):
    series = factor ** np.arange(40.0)
    windows = forecast_windows(series, T, horizon)
    forecast = recursive_forecast(lambda past: factor * past[:, -1], windows.past, horizon)
    np.testing.assert_allclose(forecast, windows.targets, atol=1e-12)


@given(st.integers(1, 5))
def test_recursive_and_direct_agree_where_the_direct_models_are_the_iterated_one(horizon):
    past = np.random.default_rng(1).normal(size=(3, T, C))
    matrix = np.array([[0.9, 0.2], [-0.1, 0.5]])
    powers = [np.linalg.matrix_power(matrix, h + 1) for h in range(horizon)]
    recursive = recursive_forecast(lambda past: past[:, -1] @ matrix, past, horizon)
    direct = direct_forecast([lambda past, m=m: past[:, -1] @ m for m in powers], past)
    np.testing.assert_allclose(recursive, direct, atol=1e-12)


def test_a_model_reads_what_is_known_for_its_step(past):
    known = np.random.default_rng(1).normal(size=(4, 3, 1))
    both = np.concatenate([past, np.zeros((4, T, 1))], axis=-1)

    def model(past, now):
        return past[:, -1, :C] + now

    expected = past[:, -1:] + np.cumsum(known, axis=1)
    np.testing.assert_allclose(recursive_forecast(model, both, 3, known), expected)
    direct = direct_forecast([model] * 3, both, known)
    np.testing.assert_allclose(direct, past[:, -1:] + known)


def test_what_was_known_joins_the_past_of_the_next_step():
    seen = []

    def model(past, now):
        seen.append(past[0, -1].tolist())
        return past[:, -1, :1] + 1

    recursive_forecast(model, np.zeros((1, 2, 2)), 3, np.array([[[7.0], [8.0], [9.0]]]))
    assert seen == [[0, 0], [1, 7], [2, 8]]


def test_windows_without_known_inputs_are_passed_on_as_they_are():
    windows = forecast_windows(np.arange(9.0), 3, 2)
    forecast = recursive_forecast(lambda past: past[:, -1] + 1, windows.past, 2, windows.ahead)
    np.testing.assert_array_equal(forecast, windows.targets)


def test_a_model_may_return_tensors(past):
    forecast = recursive_forecast(lambda past: tg.tensor(past[:, -1]), past.astype("float32"), 2)
    assert forecast.dtype == np.float32
    np.testing.assert_array_equal(forecast, persistence(past.astype("float32"), 2))


def test_a_forecast_never_writes_to_the_windows(past):
    kept = past.copy()
    recursive_forecast(lambda past: past[:, -1] + 1, past, 4)
    np.testing.assert_array_equal(past, kept)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: persistence(p[:, :0], 1), r"past has shape \(4, 0, 2\); expected \(W, T, …\)"),
        (lambda p: persistence(np.zeros(3), 1), r"past has shape \(3,\)"),
        (lambda p: persistence(p, 0), "horizon is 0; expected 1 or more"),
        (lambda p: seasonal_naive(p, 1, 7), "season is 7, and the windows have 6 steps"),
        (lambda p: seasonal_naive(p, 1, 0), "season is 0"),
        (lambda p: direct_forecast([], p), "horizon is 0"),
        (
            lambda p: recursive_forecast(lambda past: past[:, -1, :1], p, 2),
            r"forecasts \(4, 1\) from windows of \(4, 6, 2\) .* or use direct_forecast",
        ),
        (
            lambda p: recursive_forecast(lambda past, now: past[:, -1], p, 2, np.zeros((4, 3, 1))),
            r"known has shape \(4, 3, 1\); expected \(W, 2, K\)",
        ),
    ],
)
def test_forecasts_that_cannot_be_are_explained(call, message, past):
    with pytest.raises(ValueError, match=message):
        call(past)
