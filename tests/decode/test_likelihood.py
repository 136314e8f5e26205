import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decode.models import TextModel
from tinygrad_rnn.decode import (
    beam_search,
    log_probabilities,
    surprise,
    text_log_probabilities,
    token_log_probabilities,
)
from tinygrad_rnn.ops import cross_entropy
from tinygrad_rnn.train import LanguageModel

TEXTS = [[1, 2, 3, 4], [5], [6, 0, 6]]


def test_a_token_has_the_log_probability_of_its_softmax():
    rng = np.random.default_rng(0)
    logits, ids = rng.normal(size=(4, 3, 5)), rng.integers(0, 5, size=(4, 3))
    expected = [
        log_probabilities(z)[i] for z, i in zip(logits.reshape(12, 5), ids.ravel(), strict=True)
    ]
    np.testing.assert_array_equal(token_log_probabilities(logits, ids).ravel(), expected)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=4))
def test_each_token_is_scored_given_those_before_it(texts):
    model = TextModel(4, 8, seed=1)
    scored = text_log_probabilities(model.step, model.carry(range(len(texts))), texts)
    for source, (text, chances) in enumerate(zip(texts, scored, strict=True)):
        expected = [
            log_probabilities(model.logits(source, text[:t]))[text[t]] for t in range(1, len(text))
        ]
        np.testing.assert_array_equal(chances, expected)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_scores_agree_with_the_loss_of_a_language_model(cell):
    model = LanguageModel(7, cell=cell, hidden=6, embedding=5, layers=2, seed=0)
    for text, chances in zip(
        TEXTS, text_log_probabilities(model.batch_step, None, TEXTS), strict=True
    ):
        assert len(chances) == len(text) - 1
        if len(text) > 1:
            ids = np.array(text)[:, None]
            loss = cross_entropy(model(ids[:-1])[0], ids[1:])
            assert surprise([chances]).nats == pytest.approx(loss.item(), rel=1e-5)


def test_what_a_search_finds_is_scored_alike():
    model = TextModel(4, 8)
    [[found]] = beam_search(model.step, model.carry([0]), [[0]], length=5)
    [chances] = text_log_probabilities(model.step, model.carry([0]), [[0, *found.tokens]])
    assert chances.sum() == pytest.approx(found.log_probability)


def test_surprise_is_the_mean_over_all_tokens_or_other_units():
    scored = [np.log([0.5, 0.25]), np.log([0.125])]
    assert surprise(scored).tokens == 3
    assert surprise(scored).bits == pytest.approx(2)
    assert surprise(scored, units=12).bits == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: token_log_probabilities(np.zeros((2, 3)), [0]), r"ids of shape \(1,\) .*\(2, 3\)"),
        (lambda: token_log_probabilities(np.zeros((1, 3)), [0.0]), "dtype float64 .* integers"),
        (lambda: token_log_probabilities(np.zeros((1, 3)), [3]), "from 3 to 3; expected .* 0 to 2"),
        (lambda: text_log_probabilities(None, None, []), "there are no texts"),
        (lambda: text_log_probabilities(None, None, [[1], []]), "text 1 is empty"),
        (
            lambda: text_log_probabilities(None, np.zeros((3, 1)), [[1], [2, 3]]),
            r"part of shape \(3, 1\); expected \(2, …\)",
        ),
        (lambda: surprise([[]]), "got 0 tokens to divide by"),
    ],
)
def test_what_cannot_be_scored_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
