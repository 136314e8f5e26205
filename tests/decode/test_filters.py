import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_rnn.decode import nucleus, probabilities, temperature, top_k

rows = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=9),
    elements=st.one_of(st.floats(-50, 50), st.sampled_from([0.0, 1.0])),
)


def kept(logits):
    return np.isfinite(logits)


@given(rows)
def test_probabilities_are_the_softmax(logits):
    p = probabilities(logits)
    np.testing.assert_allclose(p.sum(axis=-1), 1)
    weights = np.exp(logits)
    np.testing.assert_allclose(p, weights / weights.sum(axis=-1, keepdims=True), rtol=1e-9)


@given(rows, st.floats(0.05, 20))
def test_temperature_raises_probabilities_to_a_power(logits, degree):
    expected = probabilities(logits) ** (1 / degree)
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(
        probabilities(temperature(logits, degree)), expected, rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("degree", [1e-3, 1e-30, 5e-324])
def test_a_temperature_near_0_is_the_greedy_choice(degree):
    logits = np.array([[1.0, 3.0, 2.0], [-1e30, 0.0, -5.0], [7.0, -np.inf, 6.0]])
    p = probabilities(temperature(logits, degree))
    np.testing.assert_array_equal(p, probabilities(temperature(logits, 0)))
    np.testing.assert_array_equal(p, np.eye(3)[logits.argmax(axis=-1)])


def test_temperature_0_keeps_the_first_of_equals():
    np.testing.assert_array_equal(kept(temperature([2.0, 5.0, 5.0], 0)), [False, True, False])


def test_a_high_temperature_levels_everything():
    np.testing.assert_allclose(probabilities(temperature([0.0, 9.0], 1e9)), [0.5, 0.5])


@given(rows, st.integers(1, 12))
def test_top_k_keeps_the_k_largest(logits, k):
    filtered = top_k(logits, k)
    V = logits.shape[-1]
    assert (kept(filtered).sum(axis=-1) == min(k, V)).all()
    np.testing.assert_array_equal(filtered[kept(filtered)], logits[kept(filtered)])
    ruled_out = np.where(kept(filtered), -np.inf, logits).max(axis=-1)
    assert (filtered.min(axis=-1, where=kept(filtered), initial=np.inf) >= ruled_out).all()


def test_top_k_prefers_the_lower_ids_among_equals():
    np.testing.assert_array_equal(kept(top_k(np.zeros(4), 2)), [True, True, False, False])


@given(rows, st.floats(0.01, 0.99))
def test_the_nucleus_is_the_smallest_set_that_reaches_p(logits, p):
    chosen = kept(nucleus(logits, p))
    mass = probabilities(logits)
    inside = np.where(chosen, mass, 0).sum(axis=-1)
    least = np.where(chosen, mass, np.inf).min(axis=-1)
    assert (inside >= p - 1e-12).all()
    assert (inside - least < p + 1e-12).all()
    assert (least >= np.where(chosen, 0, mass).max(axis=-1)).all()


def test_a_nucleus_of_1_keeps_everything_that_has_any_probability():
    np.testing.assert_array_equal(kept(nucleus([0.0, 3.0, -np.inf], 1)), [True, True, False])


def test_a_tiny_nucleus_keeps_the_likeliest():
    np.testing.assert_array_equal(kept(nucleus([0.0, 3.0, 1.0], 1e-9)), [False, True, False])


def test_filters_compose_in_any_order():
    logits = np.array([4.0, 3.0, 2.0, 1.0])
    np.testing.assert_array_equal(
        temperature(top_k(logits, 2), 2) - 0.0, top_k(temperature(logits, 2), 2)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: temperature([0.0], -1), "temperature is -1; expected a finite number of 0"),
        (lambda: temperature([0.0], float("nan")), "temperature is nan"),
        (lambda: temperature([0.0], float("inf")), "temperature is inf"),
        (lambda: top_k([0.0], 0), "top_k is 0; expected 1 or more"),
        (lambda: nucleus([0.0], 0), "top_p is 0; expected a probability above 0"),
        (lambda: nucleus([0.0], 1.1), "top_p is 1.1"),
        (lambda: top_k(0.0, 1), r"logits have shape \(\); expected \(…, V\)"),
        (lambda: top_k(np.zeros((2, 0)), 1), r"logits have shape \(2, 0\)"),
        (lambda: probabilities([0.0, np.nan]), "logits hold NaN .* lower its learning rate"),
        (lambda: probabilities([-np.inf, -np.inf]), "rule out every token"),
        (lambda: probabilities([0.0, np.inf]), r"NaN or \+inf"),
    ],
)
def test_bad_values_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
