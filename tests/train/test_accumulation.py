"""One step from k windows is the step that one window k times as large would give."""

import numpy as np
import pytest

from tinygrad_rnn import optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import LanguageModel, Training

IDS = np.random.default_rng(0).integers(0, 7, size=(2, 6, 12))


class Batches:
    """Inputs and targets (T, B), cut along B into batches that have nothing to do with another."""

    at_start = True

    def __init__(self, *sizes):
        self.cuts = np.split(np.arange(12), np.cumsum(sizes)[:-1])
        self.next = 0

    def read(self):
        columns = self.cuts[self.next % len(self.cuts)]
        self.next += 1
        return IDS[0][:, columns], IDS[1][:, columns]


def gradients(stream, accumulate, dtype="float64"):
    model = LanguageModel(7, hidden=6, embedding=5, seed=0).astype(dtype)
    descent = optim.SGD(model.parameters(), lr=0.0)
    training = Training(model, descent, stream, model.loss, accumulate=accumulate)
    training.advance(0)
    return training, {path: p.grad.data for path, p in model.named_parameters()}


@pytest.mark.parametrize("sizes", [[6, 6], [4, 4, 4], [1, 3, 8]])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-6)])
def test_windows_add_up_to_the_gradient_of_a_larger_batch(sizes, dtype, tolerance):
    whole, expected = gradients(Batches(12), 1, dtype)
    parts, found = gradients(Batches(*sizes), len(sizes), dtype)
    for path, g in expected.items():
        np.testing.assert_allclose(found[path], g, rtol=0, atol=tolerance * abs(g).max())
    assert parts.loss == pytest.approx(whole.loss)
    assert parts.gradient_norm == pytest.approx(whole.gradient_norm)
    assert (parts.step, parts.tokens) == (whole.step, whole.tokens) == (1, 72)


def test_the_state_flows_from_window_to_window_within_a_step():
    text = IDS.ravel()
    _, one = gradients(TextStream(text, batch=1, steps=8), 1)
    training, two = gradients(TextStream(text, batch=1, steps=4), 2)
    # The gradient, though, is cut between them.
    assert training.loss == pytest.approx(gradients(TextStream(text, 1, 8), 1)[0].loss)
    assert not np.allclose(one["recurrent.weight_hh_l0"], two["recurrent.weight_hh_l0"], rtol=1e-3)
    np.testing.assert_allclose(one["output.bias"], two["output.bias"])


def test_a_step_may_cross_the_end_of_the_text():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    seen = []

    def loss(inputs, targets, carry):
        seen.append(carry is None)
        return model.loss(inputs, targets, carry)

    stream = TextStream(IDS.ravel()[:13], batch=1, steps=4)  # three windows
    Training(model, optim.SGD(model.parameters()), stream, loss, accumulate=4).advance(0)
    assert seen == [True, False, False, True]


def test_a_window_that_diverges_leaves_the_weights_as_they_were():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    before = model.state_dict()
    losses = iter([1.0, np.inf])

    def loss(inputs, targets, carry):
        mean, carry = model.loss(inputs, targets, carry)
        return mean * next(losses), carry

    descent = optim.SGD(model.parameters(), lr=1.0)
    training = Training(model, descent, Batches(6, 6), loss, accumulate=2)
    with pytest.raises(FloatingPointError, match="the loss is inf at step 1"):
        training.advance(0)
    for path, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[path])


def test_at_least_one_window_is_read():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    with pytest.raises(ValueError, match="got accumulate=0; expected 1 or more windows a step"):
        Training(model, optim.SGD(model.parameters()), Batches(12), model.loss, accumulate=0)
