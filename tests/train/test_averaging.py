from contextlib import suppress

import numpy as np
import pytest

from tinygrad_rnn import nn, optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import LanguageModel, Training, WeightAverage, fit

IDS = np.random.default_rng(0).integers(0, 7, size=200)


def line():
    return nn.Linear(1, 1, bias=False)


def averaged(values, decay):
    model = line()
    average = WeightAverage(model, decay)
    for value in values:
        model.load_state_dict({"weight": np.array([[value]])})
        average.update()
    return average.weights()["weight"].item()


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_weights_count_by_their_age(decay):
    values = np.random.default_rng(0).normal(size=20)
    ages = decay ** np.arange(20)[::-1]
    assert averaged(values, decay) == pytest.approx((ages * values).sum() / ages.sum(), rel=1e-6)


def test_weights_from_before_training_count_nothing():
    assert averaged([5.0], 0.999) == 5.0


def test_an_average_moves_by_less_than_float32_can_tell():
    values = [1.0] * 2000 + [1.0 + 1e-5] * 500
    share = 1 - 0.9999**500
    assert averaged(values, 0.9999) > 1 + 0.9 * share * 1e-5


def test_the_model_gets_its_own_weights_back_bit_for_bit():
    model = LanguageModel(7, hidden=6, embedding=6, tied=True, seed=0)
    average = WeightAverage(model, 0.9)
    for scale in (1.0, 2.0):
        model.load_state_dict({k: scale * v for k, v in model.state_dict().items()})
        average.update()
    own = model.state_dict()
    with average.applied():
        assert not np.array_equal(model.embedding.weight.data, own["embedding.weight"])
        assert model.output.weight is model.embedding.weight
    with suppress(RuntimeError), average.applied():
        raise RuntimeError("broken")
    for path, x in model.state_dict().items():
        assert x.tobytes() == own[path].tobytes()


def test_averaging_does_not_change_the_training():
    def trained(*, average):
        model = LanguageModel(7, hidden=6, embedding=5, seed=0)
        stream, adam = TextStream(IDS, 3, 5), optim.Adam(model.parameters(), lr=0.01)
        listeners = [WeightAverage(model, 0.9)] if average else []
        training = Training(model, adam, stream, model.loss, listeners=listeners)
        fit(training, steps=9)
        return training

    plain, watched = trained(average=False), trained(average=True)
    for path, x in plain.model.state_dict().items():
        np.testing.assert_array_equal(watched.model.state_dict()[path], x)
    assert watched.listeners[0].steps == 9


def test_a_loaded_average_goes_on_bit_for_bit():
    model = line()
    first, second = WeightAverage(model, 0.9), WeightAverage(model, 0.9)
    for value in (1.0, 2.0, 3.0, 4.0):
        model.load_state_dict({"weight": np.array([[value]])})
        first.update()
        if value < 3:
            second.load_state_dict(first.state_dict())
        else:
            second.update()
    assert first.state_dict()["means"]["weight"] == second.state_dict()["means"]["weight"]


def test_an_average_of_another_model_is_refused():
    average = WeightAverage(nn.Linear(2, 3))
    with pytest.raises(ValueError, match=r"parameters \{'weight': \(1, 1\)\}; expected .*'bias'"):
        average.load_state_dict(WeightAverage(line()).state_dict())


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_is_a_fraction(decay):
    with pytest.raises(ValueError, match="expected 0 <= decay < 1"):
        WeightAverage(line(), decay)
