import math

import numpy as np
import pytest

from tinygrad_rnn import nn, optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import LanguageModel, Training, load_checkpoint, save_checkpoint

IDS = np.random.default_rng(0).integers(0, 7, size=200)


def make(cell="gru", seed=0, **options):
    model = LanguageModel(7, cell=cell, hidden=6, embedding=5, layers=2, dropout=0.3, seed=seed)
    stream = TextStream(IDS, batch=3, steps=5)
    adam = optim.Adam(model.parameters(), lr=0.01)
    return Training(model, adam, stream, model.loss, **options)


def weights(training):
    return {name: array.tobytes() for name, array in training.model.state_dict().items()}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("taken", [1, 12, 13, 14])
def test_a_loaded_training_takes_the_same_steps_bit_for_bit(tmp_path, cell, taken):
    original = make(cell, clip=0.5)
    original.schedule = optim.CosineAnnealingLR(original.optimizer, T_max=40)
    for i in range(taken):
        original.advance(i / 40)
    save_checkpoint(tmp_path / "c", original.state_dict())
    resumed = make(cell, seed=99, clip=0.5)
    resumed.schedule = optim.CosineAnnealingLR(resumed.optimizer, T_max=40)
    resumed.load_state_dict(load_checkpoint(tmp_path / "c"))
    assert weights(resumed) == weights(original)
    for i in range(taken, taken + 20):
        original.advance(i / 40)
        resumed.advance(i / 40)
    assert weights(resumed) == weights(original)
    assert resumed.report() == original.report()


def test_what_was_saved_does_not_move_with_the_training():
    training = make()
    training.advance(0)
    state = training.state_dict()
    before = {k: v.copy() for k, v in state["model"].items()}, state["carry"].copy()
    training.advance(0)
    for name, array in before[0].items():
        np.testing.assert_array_equal(state["model"][name], array)
    np.testing.assert_array_equal(state["carry"], before[1])


def test_the_state_flows_through_the_text_and_starts_afresh_with_it():
    seen = []
    training = make()

    def loss(inputs, targets, carry):
        seen.append(carry)
        return training.model.loss(inputs, targets, carry)

    training._loss = loss
    for _ in range(training.stream.windows + 2):
        training.advance(0)
    fresh = [i for i, carry in enumerate(seen) if carry is None]
    assert fresh == [0, training.stream.windows]


def test_the_gradient_stops_at_the_windows_edge():
    training = make()
    training.advance(0)
    assert training.carry.op is None
    assert not training.carry.requires_grad


def test_a_schedule_of_steps_moves_after_each_step():
    training = make()
    training.schedule = optim.StepLR(training.optimizer, step_size=2, gamma=0.1)
    rates = []
    for _ in range(4):
        training.advance(0)
        rates.append(training.report()["rate"])
    assert rates == pytest.approx([0.01, 0.001, 0.001, 0.0001])


def test_a_function_of_progress_sets_the_rate():
    training = make(schedule=lambda progress: 1e-3 + progress)
    training.advance(0.25)
    assert training.report()["rate"] == pytest.approx(0.251)


def test_clipping_bounds_the_step_but_not_the_norm_that_is_reported():
    free, clipped = make(), make(clip=1e-3)
    free.optimizer = optim.SGD(free.model.parameters(), lr=1.0)
    clipped.optimizer = optim.SGD(clipped.model.parameters(), lr=1.0)
    before = clipped.model.state_dict()
    free.advance(0)
    clipped.advance(0)
    assert clipped.gradient_norm == pytest.approx(free.gradient_norm)
    after = clipped.model.state_dict()
    moved = math.sqrt(sum(float(((after[k] - before[k]) ** 2).sum()) for k in before))
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_the_report_counts_steps_tokens_and_bits():
    training = make()
    for _ in range(3):
        training.advance(0)
    report = training.report()
    assert report["step"] == 3
    assert report["tokens"] == 3 * 5 * 3
    assert report["bits"] == pytest.approx(training.loss / math.log(2))
    assert report["gradient_norm"] > 0


class Exploding(nn.Module):
    def __init__(self):
        self.w = nn.Parameter(np.ones(()))

    def loss(self, inputs, targets, carry):
        return self.w * math.inf, carry


def test_divergence_is_explained_and_leaves_the_weights_as_they_were():
    model = Exploding()
    training = Training(
        model, optim.SGD(model.parameters(), lr=0.5), TextStream(IDS, 1, 1), model.loss, clip=2.0
    )
    message = r"the loss is inf at step 1: .*learning rate \(it was 0\.5\) or .* norm \(2\)"
    with pytest.raises(FloatingPointError, match=message):
        training.advance(0)
    assert model.w.item() == 1
    assert training.step == 0
