import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tests.decode.models import TextModel
from tinygrad_rnn.decode import (
    Allowed,
    Banned,
    NoRepeat,
    beam_search,
    greedy,
    length_penalty,
    log_probabilities,
)

models = st.builds(
    TextModel,
    V=st.integers(1, 4),
    longest=st.just(8),
    choices=st.sampled_from([(0.0,), (0.0, 1.0), (-1.0, 0.3, 2.0), (-np.inf, 0.0, 4.0)]),
    seed=st.integers(0, 10_000),
)
penalties = st.sampled_from([0.0, 0.6, 1.0, 3.0])


def chances(model, source, text):
    return log_probabilities(model.logits(source, text)).tolist()


def search_to_the_end(model, source, prompt, *, length, width, alpha, best, stop):
    """Beam search as it is defined, for one source, without stopping early."""
    kept, found = [((), 0.0)], []
    for n in range(1, length + 1):
        extended = [
            (before + log_p, (*tokens, token))
            for tokens, before in kept
            for token, log_p in enumerate(chances(model, source, [*prompt, *tokens]))
            if log_p > -np.inf
        ]
        extended.sort(key=lambda pair: -pair[0])
        for log_p, tokens in extended[:width]:
            if tokens[-1] in stop:
                found.append((tokens[:-1], tokens[-1], log_p / length_penalty(n, alpha)))
        kept = [(tokens, p) for p, tokens in extended if tokens[-1] not in stop][:width]
    found += [(tokens, None, p / length_penalty(length, alpha)) for tokens, p in kept]
    found.sort(key=lambda hypothesis: -hypothesis[2])
    return found[:best]


def all_scores(model, source, prompt, *, length, alpha, stop):
    """The score of every sequence that can be drawn."""
    scores = {}
    for tokens in itertools.product(range(model.V), repeat=length):
        n = next((i + 1 for i, token in enumerate(tokens) if token in stop), length)
        steps = [chances(model, source, [*prompt, *tokens[:i]])[tokens[i]] for i in range(n)]
        scores[tokens[:n]] = sum(steps) / length_penalty(n, alpha)
    return scores


def seen(hypotheses):
    return [(h.tokens, h.end, h.score) for h in hypotheses]


@settings(deadline=None)
@given(models, st.integers(1, 4), st.integers(1, 4), penalties, st.integers(1, 4), st.data())
def test_stopping_early_changes_nothing(model, length, width, alpha, best, data):
    stop = data.draw(st.sets(st.integers(0, model.V - 1), max_size=2))
    options = {"length": length, "width": width, "alpha": alpha, "best": best, "stop": stop}
    prompts = data.draw(
        st.lists(
            st.lists(st.integers(0, model.V - 1), min_size=1, max_size=4), min_size=1, max_size=3
        )
    )
    found = beam_search(model.step, model.carry(range(len(prompts))), prompts, **options)
    for source, (prompt, hypotheses) in enumerate(zip(prompts, found, strict=True)):
        assert seen(hypotheses) == search_to_the_end(model, source, prompt, **options)


@settings(deadline=None)
@given(models, st.integers(1, 4), penalties, st.data())
def test_a_beam_as_wide_as_there_are_sequences_finds_the_best_of_all(model, length, alpha, data):
    stop = data.draw(st.sets(st.integers(0, model.V - 1), max_size=1))
    scores = all_scores(model, 0, [0], length=length, alpha=alpha, stop=stop)
    [found] = beam_search(
        model.step,
        model.carry([0]),
        [[0]],
        length=length,
        width=model.V**length,
        alpha=alpha,
        best=5,
        stop=stop,
    )
    possible = sorted((s for s in scores.values() if s > -np.inf), reverse=True)
    np.testing.assert_allclose([h.score for h in found], possible[:5], atol=1e-12)
    for h in found:
        tokens = h.tokens if h.end is None else (*h.tokens, h.end)
        assert h.score == pytest.approx(scores[tokens], abs=1e-12)
    assert len({(h.tokens, h.end) for h in found}) == len(found)


@settings(deadline=None)
@given(models, st.integers(0, 6), st.sets(st.integers(0, 3)))
def test_a_beam_of_one_is_the_greedy_choice(model, length, stop):
    [[found]] = beam_search(model.step, model.carry([0]), [[0]], length=length, width=1, stop=stop)
    text = [0]
    while len(text) <= length and (len(text) == 1 or text[-1] not in stop):
        text.append(int(greedy(model.logits(0, text))))
    end = text[-1] if length and text[-1] in stop else None
    assert (found.tokens, found.end) == (tuple(text[1 : None if end is None else -1]), end)


@pytest.mark.parametrize(("alpha", "steps"), [(0.0, 1), (1.0, 9)])
def test_a_search_stops_as_soon_as_nothing_can_displace_what_it_has(alpha, steps):
    """After n steps the likeliest beginning has probability 1/4 to the n, and the end 1/2 at once.

    With a penalty of (5 + 100) / 6 that may still be made up for until n ln 4 > 17.5 ln 2.
    """
    counted = []

    def step(carry, tokens):
        counted.append(len(tokens))
        return carry, np.log(np.tile([0.5, 0.25, 0.25], (len(tokens), 1)))

    [[best]] = beam_search(step, None, [[1]], length=100, alpha=alpha, stop=[0])
    assert (best.tokens, best.end) == ((), 0)
    assert len(counted) == steps


def test_a_penalty_lets_longer_ones_win():
    chances = np.log([[0.4, 0.6, 1e-9], [0.5, 1e-9, 0.5], [1.0, 1e-9, 1e-9]])

    def best(alpha):
        [[found]] = beam_search(
            lambda carry, tokens: (carry, chances[tokens]),
            None,
            [[0]],
            length=3,
            alpha=alpha,
            stop=[0],
        )
        return found.tokens

    assert best(0.0) == ()
    assert best(5.0) == (1, 2)


def test_the_penalty_is_that_of_the_paper():
    assert length_penalty(1, 0.7) == 1
    assert length_penalty(10, 0.7) == pytest.approx(15**0.7 / 6**0.7)


def test_no_length_is_one_hypothesis_without_tokens_and_no_step():
    found = beam_search(None, None, [[0], [1]], length=0, best=3)
    assert [seen(hypotheses) for hypotheses in found] == [[((), None, 0.0)]] * 2


def test_an_end_may_come_first():
    [found] = beam_search(
        lambda carry, tokens: (carry, np.tile([5.0, 0.0], (len(tokens), 1))),
        None,
        [[1]],
        length=3,
        best=2,
        stop=[0],
    )
    assert (found[0].tokens, found[0].end) == ((), 0)
    assert found[0].log_probability == pytest.approx(-np.log1p(np.exp(-5)))


@pytest.mark.parametrize(("stop", "tokens", "end"), [((), (0, 0, 0), None), ((0,), (), 0)])
def test_a_vocabulary_of_one_has_one_sequence(stop, tokens, end):
    [found] = beam_search(
        lambda carry, ids: (carry, np.zeros((len(ids), 1))),
        None,
        [[0]],
        length=3,
        width=5,
        best=5,
        stop=stop,
    )
    assert seen(found) == [(tokens, end, 0.0)]


def test_sources_end_one_by_one_and_leave_the_batch():
    """Source b ends after b tokens, for sure."""

    def step(carry, tokens):
        counted.append(len(tokens))
        return carry - 1, np.where(carry[:, None] == 0, [0.0, -np.inf], [-np.inf, 0.0])

    counted = []
    found = beam_search(step, np.arange(3), [[1], [1], [1]], length=9, width=3, stop=[0])
    assert [h.tokens for [h] in found] == [(), (1,), (1, 1)]
    assert counted == [3, 2, 1]


def test_equals_come_in_the_order_of_their_ids():
    [found] = beam_search(
        lambda carry, tokens: (carry, np.zeros((len(tokens), 3))),
        None,
        [[0]],
        length=2,
        width=9,
        best=9,
    )
    assert [h.tokens for h in found] == sorted(itertools.product(range(3), repeat=2))


def test_hypotheses_keep_to_constraints():
    model = TextModel(4, 8)
    [found] = beam_search(
        model.step,
        model.carry([0]),
        [[0]],
        length=2,
        width=64,
        best=64,
        constraints=[NoRepeat(1), Banned([2])],
    )
    assert {h.tokens for h in found} == {(1, 3), (3, 1)}


def test_what_is_ruled_out_does_not_make_the_rest_likelier():
    def step(carry, tokens):
        return carry, np.log(np.tile([0.5, 0.3, 0.2], (len(tokens), 1)))

    [[found]] = beam_search(step, None, [[0]], length=1, constraints=[Allowed([1, 2])])
    assert found.tokens == (1,)
    assert found.log_probability == pytest.approx(np.log(0.3))


def test_no_graph_is_recorded():
    weight = tg.tensor([1.0, 2.0], requires_grad=True)

    def step(carry, tokens):
        z = weight * np.ones((len(tokens), 1), "float32")
        assert not z.requires_grad
        return carry, z

    beam_search(step, None, [[0]], length=2)


def run(carry=None, step=lambda carry, tokens: (carry, np.zeros((len(tokens), 2))), **options):
    return beam_search(step, carry, options.pop("prompts", [[0]]), **{"length": 2, **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run(length=-1), "length is -1; expected 0 or more"),
        (lambda: run(width=0), "width is 0; expected 1 or more beginnings"),
        (lambda: run(best=0), "best is 0; expected 1 or more hypotheses"),
        (lambda: run(alpha=-0.1), "alpha is -0.1; expected a finite number of 0 or more"),
        (lambda: run(alpha=float("nan")), "alpha is nan"),
        (lambda: run(prompts=[]), "there are no prompts"),
        (lambda: run(prompts=[[0], []]), "prompt 1 is empty"),
        (
            lambda: run(constraints=[Banned([0, 1])]),
            r"after \[0\] every token is ruled out by \[Banned\(\[0, 1\]\)\], and no hypothesis",
        ),
        (lambda: run(np.zeros((2, 1))), r"carry that was given .* \(2, 1\); expected \(1, …\)"),
        (
            lambda: run(step=lambda carry, tokens: (np.zeros(()), np.zeros((len(tokens), 2)))),
            r"carry that was returned has a part of shape \(\)",
        ),
        (
            lambda: run(step=lambda carry, tokens: (carry, np.zeros(2))),
            r"logits of shape \(2,\) for 1 tokens; expected \(1, V\)",
        ),
        (
            lambda: run(step=lambda carry, tokens: (carry, np.full((len(tokens), 2), np.nan))),
            "logits hold NaN",
        ),
    ],
)
def test_what_cannot_be_searched_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
