import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.compiler import stepping
from tinygrad_rnn.decode import Sampler, generate
from tinygrad_rnn.engine.nesting import leaves
from tinygrad_rnn.train import LanguageModel
from tinygrad_rnn.train.language_model import BELOW_1, Draw

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


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_batch_steps_as_each_of_its_rows_does(cell):
    model = LanguageModel(7, cell=cell, hidden=6, embedding=5, layers=2, seed=0)
    together, alone = None, [None] * 3
    for tokens in IDS:
        together, logits = model.batch_step(together, tokens)
        assert {leaf.shape[0] for leaf in leaves(together)} == {3}
        for b, token in enumerate(tokens.tolist()):
            alone[b], z = model.step(alone[b], token)
            np.testing.assert_allclose(logits[b], z, rtol=2e-5, atol=2e-6)


def sharp(size, **options):
    """A model whose weights are larger than at first, so that its distributions are not flat."""
    model = LanguageModel(size, hidden=12, embedding=6, seed=0, **options)
    for parameter in model.parameters():
        parameter.data[...] *= 4
    return model


def both(model, length, **settings):
    """What a model writes in a loop, and what it is made to write step by step."""
    text = list(model.write([3, 1], length, **settings, rng=np.random.default_rng(1), chunk=16))
    sampler, rng = Sampler(**settings), np.random.default_rng(1)
    return text, list(generate(model.step, None, [3, 1], length, sampler, rng))


WAYS = [
    {"temperature": 0.0},
    {"temperature": 0.7},
    {"temperature": 1.0},
    {"top_k": 5},
    {"top_p": 0.8},
    {"temperature": 1.5, "top_k": 9, "top_p": 0.6},
    {"temperature": 0.0, "top_k": 2},
]


@pytest.mark.parametrize("settings", [{}, {"top_k": 5}])
def test_a_second_text_needs_no_trace_and_heeds_what_has_changed(settings, monkeypatch):
    model = sharp(30, cell="lstm")
    names = [parameter.name for parameter in model.parameters()]

    def refuse(*arguments, **options):
        raise AssertionError("traced again")

    with tg.backend("numpy"), tg.compiled():
        before, _ = both(model, 20, **settings)
        monkeypatch.setattr(stepping, "trace", refuse)
        assert both(model, 20, **settings)[0] == before
        model.output.bias.data[...] = np.linspace(-3, 3, 30)
        after, one_by_one = both(model, 20, **settings)
    assert after == one_by_one != before
    assert [parameter.name for parameter in model.parameters()] == names


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("settings", WAYS)
def test_writing_in_a_loop_draws_what_drawing_step_by_step_does(cell, settings):
    model = sharp(30, cell=cell, layers=2)
    for mode in (tg.eager, tg.compiled):
        with tg.backend("numpy"), mode():
            text, one_by_one = both(model, 40, **settings)
        assert text == one_by_one


@pytest.mark.parametrize("settings", [WAYS[5], {"top_k": 3}, {"temperature": 0.5, "top_p": 0.9}])
def test_writing_in_a_loop_of_machine_code_draws_the_same(settings):
    """One loop serves for all of these settings, so it is compiled once."""
    pytest.importorskip("numba")
    model = sharp(30, cell="gru")
    with tg.compiled():
        text, one_by_one = both(model, 200, **settings)
    assert text == one_by_one


@pytest.mark.parametrize("settings", [{"top_k": 3}, {"top_p": 0.5}, {"top_k": 9, "top_p": 0.3}])
def test_of_equal_tokens_a_loop_keeps_those_that_a_sampler_keeps(settings):
    """Logits that take few values, with ties at every border."""
    rng = np.random.default_rng(0)
    logits = rng.integers(0, 3, size=(200, 8)).astype("float32")
    draw = Draw(0.9, settings.get("top_k"), settings.get("top_p"), size=8)
    weights = draw.kept(*(tg.tensor(x) for x in (logits, np.exp(logits / 0.9)))).data
    np.testing.assert_array_equal(
        weights > 0, Sampler(0.9, **settings).filtered(logits.astype("float64")) > -np.inf
    )


def test_all_settings_of_a_filter_share_one_loop():
    model = sharp(30)
    programs = []
    for settings in WAYS[3:6]:
        with tg.backend("numpy"), tg.compiled():
            text = str(tg.explain(lambda s=settings: both(model, 16, **s)))
        programs.append(text[text.index("one step, as it was traced") :])
    assert programs[0] == programs[1] == programs[2]


def test_the_largest_number_does_not_reach_a_token_without_weight():
    logits = np.array([[0.0, 1.0, -np.inf], [0.3, 0.1, -np.inf]])
    tokens, _ = Draw(1.0, None, None, size=3)(tg.tensor(logits), np.full((2, 1), BELOW_1))
    np.testing.assert_array_equal(tokens.data, [1, 1])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_token_that_is_ruled_out_is_not_drawn(temperature):
    logits = tg.tensor([[-np.inf, 2.0, -np.inf], [-np.inf, -np.inf, 0.5]])
    tokens, total = Draw(temperature, None, None, size=3)(logits, np.full((2, 1), 0.5))
    assert tokens.data.tolist() == [1, 2]
    assert np.isfinite(total.data).all()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_show_in_the_total(temperature, value):
    with np.errstate(invalid="ignore"):
        _, total = Draw(temperature, None, None, size=2)(tg.tensor([[value, 1.0]]), np.ones((1, 1)))
    assert not np.isfinite(total.data).any()


def test_writing_begins_with_something_to_read():
    with pytest.raises(ValueError, match="the prompt is empty"):
        LanguageModel(5, seed=0).write([], 3, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": -1}, "got length=-1 and chunk=256; expected 0 and 1 or more"),
        ({"chunk": 0}, "chunk=0"),
        ({"temperature": -1.0}, r"temperature is -1\.0; expected a finite number of 0 or more"),
        ({"top_k": 0}, "top_k is 0; expected 1 or more"),
        ({"top_p": 1.5}, r"top_p is 1\.5; expected a probability"),
    ],
)
def test_settings_for_writing_that_are_out_of_range_are_explained(settings, message):
    with pytest.raises(ValueError, match=message):
        LanguageModel(5, seed=0).write(
            [1], **{"length": 3, **settings}, rng=np.random.default_rng(0)
        )


def test_too_many_tokens_to_rank_are_drawn_step_by_step_instead():
    model = LanguageModel(300, hidden=4, embedding=2, seed=0)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"there are 300; expected at most 256 .*decode\.generate"):
        model.write([1], 3, top_k=2, rng=rng)
    assert len(list(model.write([1], 3, rng=rng))) == 3


def test_a_model_that_diverged_does_not_write():
    model = LanguageModel(5, hidden=4, embedding=2, seed=0)
    model.output.bias.data[2] = np.nan
    with pytest.raises(ValueError, match=r"logits hold NaN .* lower its learning rate"):
        list(model.write([1], 3, rng=np.random.default_rng(0)))
