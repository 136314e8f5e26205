import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn, optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import (
    LanguageModel,
    MasterWeights,
    Training,
    float64_copy,
    rounding_errors,
    weight_decay_groups,
)

IDS = np.random.default_rng(0).integers(0, 7, size=200)


def test_a_copy_shares_nothing_but_its_values():
    model = LanguageModel(7, hidden=6, embedding=6, tied=True, seed=0)
    copy = float64_copy(model)
    assert copy.output.weight is copy.embedding.weight
    assert copy.output.weight.dtype == "float64"
    copy.output.weight.data[...] = 0
    assert model.output.weight.data.any()
    assert model.output.weight.dtype == "float32"


def test_gradients_of_a_language_model_are_good_to_six_digits():
    model = LanguageModel(7, hidden=6, embedding=5, layers=2, dropout=0.3, seed=0)
    before = [str(rng.bit_generator.state) for _, rng in model.named_generators()]
    inputs, targets = TextStream(IDS, 3, 9).read()
    errors = rounding_errors(model, lambda m, x, y: m.loss(x, y, None)[0], inputs, targets)
    assert set(errors) == {"loss", *(path for path, _ in model.named_parameters())}
    assert max(errors.values()) < 1e-5
    assert before == [str(rng.bit_generator.state) for _, rng in model.named_generators()]
    assert all(p.grad is None for p in model.parameters())


def test_cancellation_is_found():
    class Cancelling(nn.Module):
        def __init__(self):
            self.good, self.bad = nn.Parameter(np.float32(1.1)), nn.Parameter(np.float32(1.1))

        def loss(self):
            # d/dw (e^w - e^0.9999w) where e^w is large loses what the two have in common
            return self.good**2.0 + tg.exp(9 * self.bad) - tg.exp(8.9999 * self.bad)

    errors = rounding_errors(Cancelling(), Cancelling.loss)
    assert errors["good"] < 1e-6 < 1e-4 < errors["bad"]


def training(make, dtype="float32", **options):
    model = LanguageModel(7, hidden=6, embedding=5, seed=0).astype(dtype)
    return Training(model, make(model), TextStream(IDS, 3, 5), model.loss, **options)


def adam(model):
    return optim.AdamW(weight_decay_groups(model, 0.1), lr=0.01)


def masters(model):
    return MasterWeights(model, adam)


def test_the_model_has_the_roundings_of_its_masters():
    run = training(masters, clip=0.5)
    for _ in range(5):
        run.advance(0)
    state = run.optimizer.state_dict()["masters"]
    for path, x in run.model.state_dict().items():
        assert x.dtype == "float32"
        np.testing.assert_array_equal(x, state[path].astype("float32"))


def test_masters_stay_nearer_to_a_training_in_float64_than_float32_does():
    def trained(make, dtype="float32"):
        run = training(make, dtype, schedule=lambda progress: 1e-8)
        for _ in range(100):
            run.advance(0)
        return np.concatenate([x.ravel() for x in run.model.state_dict().values()])

    exact = trained(adam, "float64")
    plain, mastered = trained(adam), trained(masters)
    assert abs(mastered - exact).mean() < 0.3 * abs(plain - exact).mean()


def test_a_resumed_training_with_masters_takes_the_same_steps_bit_for_bit():
    original = training(masters)
    for _ in range(6):
        original.advance(0)
    resumed = training(masters)
    resumed.load_state_dict(original.state_dict())
    for run in (original, resumed):
        for _ in range(6):
            run.advance(0)
    found, expected = (run.optimizer.state_dict()["masters"] for run in (resumed, original))
    for path, x in expected.items():
        assert found[path].tobytes() == x.tobytes()


def test_rates_are_set_through_it_and_schedules_hold_the_optimizer_inside():
    run = training(masters, schedule=lambda progress: 0.5)
    run.advance(0)
    assert [group["lr"] for group in run.optimizer.param_groups] == [0.5, 0.5]
    schedule = optim.StepLR(run.optimizer.optimizer, step_size=1)
    schedule.step()
    assert run.optimizer.lr == pytest.approx(0.05)


def test_a_frozen_parameter_stays():
    model = nn.Linear(2, 3, seed=0)
    model.bias.requires_grad_(False)
    before = model.state_dict()
    optimizer = MasterWeights(model, adam)
    model(np.ones(2, "float32")).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(model.bias.data, before["bias"])
    assert not np.array_equal(model.weight.data, before["weight"])


def test_an_optimizer_of_the_model_itself_is_refused():
    model = nn.Linear(2, 3, seed=0)
    with pytest.raises(ValueError, match="parameters that are not the copy's; expected a function"):
        MasterWeights(model, lambda copy: adam(model))
