import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.decode import Sampler, generate
from tinygrad_rnn.train import LanguageModel

IDS = np.random.default_rng(0).integers(0, 7, size=(6, 3))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_stepping_through_a_text_gives_the_logits_of_reading_it_at_once(cell):
    model = LanguageModel(7, cell=cell, hidden=6, embedding=5, layers=2, seed=0)
    whole, _ = model(IDS[:, :1])
    carry = None
    for t, token in enumerate(IDS[:, 0]):
        carry, logits = model.step(carry, int(token))
        assert logits.shape == (7,)
        np.testing.assert_allclose(logits, whole.data[t, 0], rtol=2e-5, atol=2e-6)


def test_the_loss_is_the_mean_surprise():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    loss, _ = model.loss(IDS[:-1], IDS[1:], None)
    z = model(IDS[:-1])[0].data.astype(np.float64)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    surprise = -np.take_along_axis(log_p, IDS[1:, :, None], axis=-1)
    assert loss.item() == pytest.approx(surprise.mean(), rel=1e-5)


def test_a_model_reads_no_future():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    changed = IDS.copy()
    changed[4:] = (changed[4:] + 1) % 7
    before, after = model(IDS)[0].data, model(changed)[0].data
    np.testing.assert_array_equal(before[:4], after[:4])
    assert not np.allclose(before[4:], after[4:])


def test_every_parameter_gets_a_gradient():
    model = LanguageModel(7, cell="lstm", hidden=6, embedding=5, layers=2, seed=0)
    loss, _ = model.loss(IDS[:-1], IDS[1:], None)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert np.abs(parameter.grad.data).max() > 0, name


def test_a_tied_model_has_one_matrix_for_reading_and_writing():
    tied = LanguageModel(7, hidden=6, embedding=6, tied=True, seed=0)
    free = LanguageModel(7, hidden=6, embedding=6, seed=0)
    assert tied.output.weight is tied.embedding.weight
    assert free.num_parameters() - tied.num_parameters() == 7 * 6


def test_the_seed_decides_the_first_weights():
    first, second, other = (LanguageModel(7, seed=seed).state_dict() for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(first["embedding.weight"], other["embedding.weight"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "gnu"}, "cell is 'gnu'; expected one of rnn, lstm, gru"),
        (
            {"tied": True, "hidden": 8, "embedding": 4},
            "needs embedding == hidden, got 4 and 8; set embedding=8",
        ),
    ],
)
def test_settings_that_do_not_fit_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        LanguageModel(7, **options)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_writing_in_a_loop_draws_what_drawing_step_by_step_does(cell, temperature):
    model = LanguageModel(30, cell=cell, hidden=12, embedding=6, layers=2, seed=0)
    sampler = Sampler(temperature=temperature)
    rng = np.random.default_rng(1)
    one_by_one = list(generate(model.step, None, [3, 1], 40, sampler, rng))
    for mode in (tg.eager, tg.compiled):
        with tg.backend("numpy"), mode():
            rng = np.random.default_rng(1)
            text = list(model.write([3, 1], 40, temperature=temperature, rng=rng, chunk=16))
        assert text == one_by_one


def test_writing_begins_with_something_to_read():
    with pytest.raises(ValueError, match="the prompt is empty"):
        LanguageModel(5, seed=0).write([], 3, rng=np.random.default_rng(0))


def test_writing_takes_no_negative_temperature():
    with pytest.raises(ValueError, match=r"temperature=-1\.0; expected 0 or more"):
        LanguageModel(5, seed=0).write([1], 3, temperature=-1.0, rng=np.random.default_rng(0))
