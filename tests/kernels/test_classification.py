"""Softmax and cross-entropy are what their formulas say, where the formulas would overflow too."""

import numpy as np
import pytest

from tinygrad_rnn.kernels.classification import (
    cross_entropy_rows,
    cross_entropy_slopes,
    log_softmax_rows,
    softmax_rows,
)

N, V = 6, 5

sides = pytest.mark.parametrize("side", ["reference", "compiled"])


@pytest.fixture
def batch():
    """Logits, targets, and the weights of rows and classes."""
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((N, V)), rng.integers(0, V, N)
    return logits, targets, rng.random(N) + 0.5, rng.random(V) + 0.5


def by_the_formula(z, targets, row_weights, class_weights, smoothing):
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    q = (1 - smoothing) * np.eye(z.shape[1])[targets] + smoothing / z.shape[1]
    return -row_weights * (class_weights * q * log_p).sum(axis=1)


@sides
def test_probabilities_sum_to_one_and_follow_the_formula(batch, side):
    z = batch[0]
    p = getattr(softmax_rows, side)(z)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))


@sides
def test_the_logarithm_survives_what_overflows_the_exponential(side):
    z = np.array([[0.0, 1e4, -1e4], [-np.inf, 0.0, 0.0]])
    y = getattr(log_softmax_rows, side)(z)
    np.testing.assert_array_equal(y[0], [-1e4, 0, -2e4])
    np.testing.assert_allclose(y[1], [-np.inf, -np.log(2), -np.log(2)])


@sides
@pytest.mark.parametrize("kernel", [softmax_rows, log_softmax_rows])
def test_a_nan_spoils_its_row_and_no_other(kernel, side):
    z = np.array([[0.0, np.nan, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0, 4.0]])
    y = getattr(kernel, side)(z)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


@sides
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_losses_are_those_of_the_formula(batch, side, smoothing):
    losses = getattr(cross_entropy_rows, side)(*batch, smoothing)
    np.testing.assert_allclose(losses, by_the_formula(*batch, smoothing))


@sides
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_slopes_are_those_of_the_losses(batch, side, smoothing):
    z, *rest = batch
    slopes = getattr(cross_entropy_slopes, side)(*batch, smoothing)
    h = 1e-6
    for c in range(V):
        step = h * np.eye(V)[c]
        rise = by_the_formula(z + step, *rest, smoothing) - by_the_formula(
            z - step, *rest, smoothing
        )
        np.testing.assert_allclose(slopes[:, c], rise / (2 * h), atol=1e-8)


@sides
def test_a_row_of_weight_zero_is_not_looked_at(batch, side):
    z, targets, row_weights, _ = batch
    z[2], targets[2], row_weights[2] = np.nan, -100, 0
    losses = getattr(cross_entropy_rows, side)(*batch, 0.1)
    slopes = getattr(cross_entropy_slopes, side)(*batch, 0.1)
    assert losses[2] == 0
    assert (slopes[2] == 0).all()
    assert np.isfinite(losses).all()
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("kernel", [cross_entropy_rows, cross_entropy_slopes])
@pytest.mark.parametrize("side", ["reference", "compiled", "loop"])
@pytest.mark.parametrize("target", [-1, V])
def test_a_target_that_is_no_class_is_refused(batch, kernel, side, target):
    batch[1][3] = target
    with pytest.raises(IndexError, match="a target is not one of the classes"):
        getattr(kernel, side)(*batch, 0.0)


@sides
def test_an_impossible_other_class_costs_nothing(side):
    z, ones = np.array([[0.0, -np.inf, 0.0]]), np.ones(3)
    call = z, np.array([0]), ones[:1], ones, 0.0
    np.testing.assert_allclose(getattr(cross_entropy_rows, side)(*call), np.log(2))
    np.testing.assert_allclose(getattr(cross_entropy_slopes, side)(*call), [[-0.5, 0, 0.5]])


def test_float32_stays_float32(batch):
    single = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in batch]
    for kernel in (cross_entropy_rows, cross_entropy_slopes):
        for side in (kernel.reference, kernel.compiled):
            assert side(*single, 0.1).dtype == np.float32


def test_large_batches_take_the_loop_and_agree_with_the_reference():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((100, 200))
    np.testing.assert_allclose(softmax_rows(z), softmax_rows.reference(z), rtol=1e-13)
    assert softmax_rows.pays(z)
    assert not softmax_rows.pays(z[:1])
