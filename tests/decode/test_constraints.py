import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.decode import Allowed, Banned, NoRepeat, constrained

texts = st.lists(st.integers(0, 3), max_size=12)


def possible(constraint, text, V=4):
    """The ids that a constraint leaves."""
    return np.flatnonzero(constrained(np.zeros((1, V)), [text], [constraint])[0] == 0).tolist()


def grams(text, n):
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


@given(texts, st.integers(1, 4))
def test_a_token_is_ruled_out_just_when_it_would_repeat_n_in_a_row(text, n):
    fresh = [
        token
        for token in range(4)
        if grams([*text, token], n)[-1:] != []
        and grams([*text, token], n)[-1] not in grams(text, n)
    ]
    short = len(text) + 1 < n
    assert possible(NoRepeat(n), text) == ([0, 1, 2, 3] if short else fresh)


@pytest.mark.parametrize("tokens", [[1, 3], np.array([3, 1]), np.array([False, True, False, True])])
def test_tokens_are_given_as_ids_or_as_a_mask(tokens):
    assert possible(Allowed(tokens), [0]) == [1, 3]
    assert possible(Banned(tokens), [0]) == [0, 2]


def test_what_is_allowed_may_depend_on_the_text():
    after = Allowed(lambda text: [text[-1]] if len(text) > 1 else np.ones(4, bool))
    assert possible(after, [2]) == [0, 1, 2, 3]
    assert possible(after, [2, 3]) == [3]


def test_nothing_banned_is_nothing_changed():
    assert possible(Banned([]), [0]) == [0, 1, 2, 3]


def test_each_text_has_its_own_row_and_logits_stay_as_they_are():
    z = np.arange(6.0).reshape(2, 3)
    ruled = constrained(z, [[0, 0], [1, 2, 1]], [NoRepeat(2)])
    np.testing.assert_array_equal(ruled, [[-np.inf, 1, 2], [3, 4, -np.inf]])
    np.testing.assert_array_equal(z, np.arange(6.0).reshape(2, 3))


def test_any_function_is_a_constraint():
    def even(logits, texts):
        return np.where(np.arange(logits.shape[-1]) % 2 == len(texts[0]) % 2, logits, -np.inf)

    assert possible(even, [1, 2]) == [0, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NoRepeat(0), "NoRepeat is told n=0; expected 1 or more"),
        (lambda: possible(Banned([4]), [0]), r"got tokens \[4\]; expected a list of ids from 0"),
        (lambda: possible(Allowed([-1]), [0]), "to 3, or a mask of 4 booleans"),
        (lambda: possible(Allowed([0.5]), [0]), r"got tokens \[0\.5\]"),
        (lambda: possible(Allowed(np.ones(3, bool)), [0]), r"got tokens array\("),
        (
            lambda: possible(lambda logits, texts: logits[0], [0]),
            r"returned shape \(4,\) for logits \(1, 4\); expected the same shape",
        ),
    ],
)
def test_what_is_no_constraint_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
