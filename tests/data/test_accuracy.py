import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tinygrad_rnn as tg
from tinygrad_rnn.data import mase, persistence, pinball, seasonal_naive, smape

numbers = arrays(np.float64, 12, elements=st.floats(-1e3, 1e3))


@given(season=st.integers(1, 4))
def test_the_seasonal_naive_forecast_of_the_training_part_scores_1(season):
    series = np.random.default_rng(season).normal(size=(60, 3))
    windows = np.stack([series[t - season : t] for t in range(season, 60)])
    forecast = seasonal_naive(windows, 1, season)[:, 0]
    assert mase(forecast, series[season:], series, season) == pytest.approx(1.0)


@given(training=numbers, target=numbers, factor=st.floats(0.1, 10))
def test_mase_does_not_depend_on_the_unit(training, target, factor):
    if np.abs(np.diff(training)).mean() < 1e-3:
        return
    before = mase(target + 1, target, training)
    after = mase(factor * (target + 1), factor * target, factor * training)
    assert after == pytest.approx(before, rel=1e-6)


def test_each_channel_is_scaled_by_itself():
    training = np.array([[0.0, 0.0], [1.0, 100.0]])
    target = np.zeros((2, 3, 2))
    assert mase(np.broadcast_to([1.0, 100.0], target.shape), target, training) == 1.0


@given(prediction=numbers, target=numbers)
def test_smape_lies_between_0_and_2_and_is_symmetric(prediction, target):
    assert 0 <= smape(prediction, target) <= 2
    assert smape(prediction, target) == smape(target, prediction)
    assert smape(target, target) == 0


@given(prediction=numbers, target=numbers)
def test_pinball_at_a_half_is_half_the_absolute_error(prediction, target):
    loss = pinball(prediction[:, None], target, [0.5])
    assert loss == pytest.approx(np.abs(prediction - target).mean() / 2)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_the_quantile_makes_pinball_least(q):
    target = np.random.default_rng(0).normal(size=1001)
    best = np.quantile(target, q)
    losses = [pinball(np.full((1001, 1), best + d), target, [q]) for d in (0.0, -0.1, 0.1)]
    assert losses[0] == min(losses)


def test_pinball_of_tensors_is_a_loss():
    target = tg.tensor(np.random.default_rng(0).normal(size=(3, 2)), dtype="float64")
    forecast = tg.tensor(np.random.default_rng(1).normal(size=(3, 2, 3)), dtype="float64")
    tg.gradcheck(lambda x: pinball(x, target, [0.1, 0.5, 0.9]), forecast)


def test_the_target_of_a_tensor_may_be_an_array():
    forecast = tg.tensor([[1.0, 4.0]], requires_grad=True)
    pinball(forecast, np.array([3.0], "float32"), [0.25, 0.75]).backward()
    np.testing.assert_allclose(forecast.grad.numpy(), [[-0.125, 0.125]])


def test_pinball_keeps_float32():
    loss = pinball(tg.tensor(np.zeros((2, 1), "float32")), tg.tensor(np.ones(2, "float32")), [0.3])
    assert loss.dtype == np.float32
    assert loss.item() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mase(np.zeros(3), np.zeros(2), np.arange(9)), r"mase: got a prediction of shape"),
        (lambda: smape(np.zeros(3), np.zeros((3, 1))), "smape: got .* expected equal shapes"),
        (
            lambda: mase(np.zeros(3), np.zeros(3), np.zeros((9, 2))),
            r"training part of shape \(9, 2",
        ),
        (
            lambda: mase(np.zeros(3), np.zeros(3), np.arange(4), 4),
            "season=4 and a training part of 4",
        ),
        (lambda: mase(np.zeros(3), np.zeros(3), np.ones(9)), "repeats itself every 1 steps"),
        (
            lambda: pinball(np.zeros((3, 1)), np.zeros(3), [1.0]),
            r"quantiles=\[1.0\]; expected levels",
        ),
        (
            lambda: pinball(np.zeros((3, 2)), np.zeros(3), [0.5]),
            "one axis more, for the 1 quantiles",
        ),
    ],
)
def test_what_cannot_be_compared_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_baseline_scores_against_its_own_windows():
    windows = np.arange(12.0).reshape(3, 4, 1)
    assert mase(persistence(windows, 1), windows[:, -1:] + 1, np.arange(12.0)) == 1.0
