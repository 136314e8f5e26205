import numpy as np
import pytest

from tinygrad_rnn.decode import Sampler, generate


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
