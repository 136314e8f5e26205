import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decode.models import TextModel
from tinygrad_rnn.decode import Allowed, Banned, NoRepeat, Sampler, generate, generate_batch
from tinygrad_rnn.train import LanguageModel


def successor(carry, token):
    """A model of five tokens that always wants the next one, and counts what it reads."""
    return [*carry, token], 50.0 * np.eye(5)[(token + 1) % 5]


def run(prompt, length, **settings):
    rng = np.random.default_rng(0)
    return generate(successor, [], prompt, length, Sampler(temperature=0), rng, **settings)


def test_each_token_drawn_is_read_next():
    assert list(run([0], 6)) == [1, 2, 3, 4, 0, 1]


def test_the_whole_prompt_is_read_before_the_first_draw():
    read = []

    def step(carry, token):
        read.append(token)
        return successor(carry, token)

    rng = np.random.default_rng(0)
    assert next(generate(step, [], [4, 2, 1], 9, Sampler(0), rng)) == 2
    assert read == [4, 2, 1]


def test_tokens_come_one_at_a_time():
    tokens = run([0], 10**9)
    assert [next(tokens) for _ in range(3)] == [1, 2, 3]


def test_a_stop_token_ends_the_sequence_and_is_not_yielded():
    assert list(run([0], 10, stop={3})) == [1, 2]


def test_no_length_is_no_tokens():
    assert list(run([0], 0)) == []


def test_the_prompt_may_be_an_array():
    assert list(run(np.array([0, 1]), 1)) == [2]


def test_an_empty_prompt_is_refused_at_once():
    with pytest.raises(ValueError, match="prompt is empty; expected at least one token"):
        run([], 3)


def test_a_negative_length_is_refused_at_once():
    with pytest.raises(ValueError, match="length is -1; expected 0 or more"):
        run([0], -1)


def test_only_what_constraints_allow_is_drawn():
    rng = np.random.default_rng(0)
    drawn = generate(successor, [], [0], 4, Sampler(0), rng, constraints=[Banned([2]), NoRepeat(1)])
    assert [next(drawn) for _ in range(3)] == [1, 3, 4]
    with pytest.raises(ValueError, match=r"after \[0, 1, 3, 4\] every token is ruled out by \[Ban"):
        next(drawn)


def test_a_step_may_return_a_list_of_logits():
    rng = np.random.default_rng(0)
    allowed = [Allowed([1, 2])]
    drawn = generate(lambda s, x: (s, [9, 1, 2]), 0, [0], 2, Sampler(0), rng, constraints=allowed)
    assert list(drawn) == [2, 2]


def alone(model, source, prompt, length, rng, **options):
    """The same sequence, drawn by itself."""

    def step(carry, token):
        return [*carry, token], model.logits(source, [*carry, token])

    return list(generate(step, [], prompt, length, Sampler(0.8, top_k=3), rng, **options))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=5),
    st.integers(0, 6),
    st.sets(st.integers(0, 3), max_size=2),
    st.integers(0, 99),
)
def test_what_is_drawn_does_not_depend_on_what_else_is_in_the_batch(prompts, length, stop, seed):
    model = TextModel(4, 12, seed=seed)
    options = {"stop": stop, "constraints": [NoRepeat(3)]}
    drawn = generate_batch(
        model.step,
        model.carry(range(len(prompts))),
        prompts,
        length,
        Sampler(0.8, top_k=3),
        np.random.default_rng(seed),
        **options,
    )
    chances = np.random.default_rng(seed).spawn(len(prompts))
    for source, (prompt, rng) in enumerate(zip(prompts, chances, strict=True)):
        assert drawn[source] == alone(model, source, prompt, length, rng, **options)


def test_a_sequence_that_has_ended_leaves_the_batch():
    def step(carry, tokens):
        counted.append(len(tokens))
        return carry, 50.0 * np.eye(5)[(tokens + 1) % 5]

    counted = []
    rng = np.random.default_rng(0)
    drawn = generate_batch(step, None, [[3], [1], [0, 1, 2]], 9, Sampler(0), rng, stop=[4])
    assert drawn == [[], [2, 3], [3]]
    assert counted == [3, 2, 2, 1]


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_language_model_draws_for_a_batch_what_it_draws_for_each(cell):
    model = LanguageModel(7, cell=cell, hidden=6, embedding=5, layers=2, seed=0)
    prompts = [[1, 2, 3], [4], [5, 6]]
    sampler, rng = Sampler(0.7), np.random.default_rng(3)
    drawn = generate_batch(model.batch_step, None, prompts, 8, sampler, rng, stop=[0])
    for prompt, text, own in zip(prompts, drawn, np.random.default_rng(3).spawn(3), strict=True):
        assert text == list(generate(model.step, None, prompt, 8, sampler, own, stop=[0]))


@pytest.mark.parametrize(
    ("prompts", "length", "options", "message"),
    [
        ([], 3, {}, "there are no prompts"),
        ([[0], []], 3, {}, "prompt 1 is empty"),
        ([[0]], -1, {}, "length is -1"),
        ([[0]], 3, {"constraints": [Banned(range(5))]}, r"after \[0\] every token is ruled out"),
    ],
)
def test_a_batch_that_cannot_be_drawn_is_explained(prompts, length, options, message):
    def step(carry, tokens):
        return carry, np.eye(5)[tokens]

    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        generate_batch(step, None, prompts, length, Sampler(), rng, **options)


def test_chance_for_a_batch_needs_a_generator():
    with pytest.raises(TypeError, match=r"rng is a int; .* numpy\.random\.default_rng"):
        generate_batch(None, None, [[0]], 1, Sampler(), 0)
