import math
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import EarlyStopping, Evaluation, LanguageModel, Listener, evaluate

FRESH = {
    "best": math.inf,
    "best_step": 0,
    "stale": 0,
    "step": 0,
    "stopped": False,
    "listeners": [],
}
IDS = np.random.default_rng(0).integers(0, 7, size=101)


def test_a_guess_among_equals_costs_the_logarithm_of_their_number():
    result = Evaluation(nats=math.log(8), tokens=1)
    assert result.bits == pytest.approx(3)
    assert result.perplexity == pytest.approx(8)


def test_windows_of_any_length_give_the_loss_of_the_whole_text():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    whole, _ = model.loss(IDS[:-1, None], IDS[1:, None], None)
    for steps in (100, 33, 7, 1):
        result = evaluate(model, model.loss, TextStream(IDS, 1, steps, keep_last=True))
        assert result.tokens == 100
        assert result.nats == pytest.approx(whole.item(), rel=1e-5)


def test_evaluation_leaves_model_and_generators_as_they_were():
    model = LanguageModel(7, hidden=6, embedding=5, dropout=0.5, seed=0)
    stream = TextStream(IDS, 4, 5, keep_last=True)
    before = [str(rng.bit_generator.state) for _, rng in model.named_generators()]
    first, second = evaluate(model, model.loss, stream), evaluate(model, model.loss, stream)
    assert first == second
    assert model.training
    assert before == [str(rng.bit_generator.state) for _, rng in model.named_generators()]


def test_evaluation_records_no_graph():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    recorded = []

    def loss(inputs, targets, carry):
        mean, carry = model.loss(inputs, targets, carry)
        recorded.append(mean.requires_grad)
        return mean, carry

    evaluate(model, loss, TextStream(IDS, 4, 5))
    assert not any(recorded)


def test_a_failing_evaluation_leaves_the_model_in_training():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)

    def loss(inputs, targets, carry):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        evaluate(model, loss, TextStream(IDS, 4, 5))
    assert model.training
    assert tg.tensor(1.0, requires_grad=True).exp().requires_grad


def stopping_on(losses, patience):
    training = SimpleNamespace(**FRESH, schedule=None)
    saved, results = [], []
    remaining = iter(losses)
    early = EarlyStopping(
        lambda: Evaluation(next(remaining), 1),
        patience=patience,
        on_evaluation=lambda training, result: results.append(result.nats),
        on_best=lambda training: saved.append(training.step),
    )
    for step in range(1, len(losses) + 1):
        training.step = step
        early(training)
        if training.stopped:
            break
    return training, saved, results


def test_training_stops_after_patience_evaluations_without_a_new_best():
    training, saved, results = stopping_on([3, 2, 2.5, 2, 1], patience=2)
    assert training.stopped
    assert training.step == 4
    assert (training.best, training.best_step) == (2, 2)
    assert saved == [1, 2]
    assert results == [3, 2, 2.5, 2]


def test_a_new_best_renews_the_patience():
    training, saved, _ = stopping_on([3, 3, 2, 3, 1, 1], patience=2)
    assert not training.stopped
    assert saved == [1, 3, 5]


def test_listeners_hear_of_each_evaluation():
    class Results(Listener):
        def evaluated(self, training, result):
            self.last = training.step, result.nats

    training = SimpleNamespace(**FRESH | {"step": 7, "listeners": [Results()]}, schedule=None)
    EarlyStopping(lambda: Evaluation(2.0, 1))(training)
    assert training.listeners[0].last == (7, 2.0)


def test_patience_must_be_positive():
    with pytest.raises(ValueError, match="patience is 0; expected 1 or more"):
        EarlyStopping(lambda: Evaluation(1.0, 1), patience=0)


def test_each_evaluation_moves_a_plateau_schedule():
    descent = optim.SGD([tg.tensor(1.0, requires_grad=True)], lr=1.0)
    plateau = optim.ReduceLROnPlateau(descent, factor=0.5, patience=0)
    training = SimpleNamespace(**FRESH, schedule=plateau)
    early = EarlyStopping(lambda: Evaluation(2.0, 1))
    for _ in range(3):
        early(training)
    assert descent.lr == 0.25
