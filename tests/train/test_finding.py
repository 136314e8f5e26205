import numpy as np
import pytest

from tinygrad_rnn import nn, optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import LanguageModel, RateCurve, Training, WeightAverage, find_rate

IDS = np.tile(np.arange(7), 40)


@pytest.fixture
def training():
    model = LanguageModel(7, hidden=8, embedding=5, dropout=0.2, seed=0)
    adam = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.StepLR(adam, step_size=5)
    return Training(
        *(model, adam, TextStream(IDS, 3, 5), model.loss),
        schedule=schedule,
        listeners=[WeightAverage(model)],
    )


@pytest.mark.parametrize("taken", [0, 7])
def test_afterwards_the_training_is_as_it_was_bit_for_bit(training, taken, assert_same_state):
    for _ in range(taken):
        training.advance(0)
    state, schedule = training.state_dict(), training.schedule
    find_rate(training, steps=30)
    assert_same_state(training.state_dict(), state)
    assert training.schedule is schedule
    assert all(p.grad is None for p in training.model.parameters())


def test_an_error_on_the_way_restores_it_too(training, assert_same_state):
    state = training.state_dict()
    loss, calls = training._loss, iter(range(3))

    def fail_the_fourth_time(*window):
        if next(calls, None) is None:
            raise RuntimeError("broken")
        return loss(*window)

    training._loss = fail_the_fourth_time
    with pytest.raises(RuntimeError, match="broken"):
        find_rate(training)
    assert_same_state(training.state_dict(), state)


def test_the_rate_rises_by_the_same_factor_till_the_loss_explodes(training):
    curve = find_rate(training, lowest=1e-5, highest=1e5, steps=60)
    assert curve.rates[0] == pytest.approx(1e-5)
    assert np.allclose(np.diff(np.log(curve.rates)), np.log(1e10) / 59)
    assert 10 < len(curve.rates) == len(curve.losses) == len(curve.smoothed) < 60


class NoisyParabola(nn.Module):
    r"""Gradient descent on $c\,(w - x)^2/2$ diverges for rates above $2/c$, whatever $x$ is."""

    def __init__(self, curvature):
        self.curvature, self.w = curvature, nn.Parameter(np.full(50, 3.0))
        self.rng = np.random.default_rng(0)

    def loss(self, inputs, targets, carry):
        x = 0.5 * self.rng.normal(size=50).astype("float32")
        return (0.5 * self.curvature * (self.w - x) ** 2.0).sum(), carry


@pytest.mark.parametrize("curvature", [0.02, 1.0, 300.0])
def test_the_suggestion_is_a_rate_with_which_descent_converges_and_not_far_below(curvature):
    model = NoisyParabola(curvature)
    descent = optim.SGD(model.parameters(), lr=0.0)
    training = Training(model, descent, TextStream(IDS, 1, 1), model.loss)
    assert 0.01 < curvature * find_rate(training, highest=1e4).suggestion < 1


def test_a_loss_that_never_falls_gives_no_suggestion():
    rates = np.geomspace(1, 10, 5)
    with pytest.raises(ValueError, match="never fell below that of the lowest rate, 1;"):
        RateCurve(rates, rates, rates).suggestion  # noqa: B018


@pytest.mark.parametrize(
    "options", [{"lowest": 0}, {"lowest": 2, "highest": 1}, {"highest": np.inf}, {"steps": 9}]
)
def test_the_search_needs_a_range_and_some_steps(training, options):
    with pytest.raises(ValueError, match="0 < lowest < highest and 10 steps or more"):
        find_rate(training, **options)
