"""Losses between numbers against hand values and definitions; PyTorch's are in the goldens."""

import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.leaves import leaf
from tinygrad_rnn.engine import ShapeError


class TestRegression:
    X, T = np.array([0.5, -2.0, 3.0]), np.array([0.0, 0.0, 1.0])

    def test_by_hand(self):
        assert tg.mse(self.X, self.T) == pytest.approx((0.25 + 4 + 4) / 3)
        assert tg.mae(self.X, self.T, reduction="sum") == 4.5
        assert tg.huber(self.X, self.T, reduction="none").tolist() == [0.125, 1.5, 1.5]

    @pytest.mark.parametrize("f", [tg.mse, tg.mae, tg.huber, tg.bce_with_logits])
    def test_a_target_that_would_broadcast_is_refused(self, f):
        with pytest.raises(ShapeError, match=r"prediction of shape \(3, 1\) and a target of shape"):
            f(self.X[:, None], self.T)

    def test_one_number_is_a_target_for_all(self):
        assert tg.mse(self.X, 0.5) == pytest.approx((0 + 6.25 + 6.25) / 3)

    def test_a_target_has_a_gradient_too(self):
        x, t = leaf(self.X), leaf(self.T)
        tg.mse(x, t, reduction="sum").backward()
        assert t.grad.tolist() == [-2 * e for e in (0.5, -2.0, 2.0)]

    def test_hubers_slope_is_the_clipped_error_and_its_curvature_1_inside_even_at_0(self):
        x = tg.tensor([0.0, 0.3, -5.0, 5.0])
        loss = lambda x: tg.huber(x, 0.0, delta=2.0, reduction="sum")  # noqa: E731
        np.testing.assert_allclose(tg.grad(loss)(x).data, [0, 0.3, -2, 2])
        curvature = tg.hessian_vector_product(loss, x, tg.tensor(np.ones(4)))
        assert curvature.tolist() == [1, 1, 0, 0]

    def test_a_delta_that_is_not_positive_is_refused(self):
        with pytest.raises(ValueError, match="huber: got delta=0; expected a positive number"):
            tg.huber(self.X, self.T, delta=0)

    def test_a_reduction_that_does_not_exist_is_refused(self):
        with pytest.raises(ValueError, match="mse: got reduction='average'"):
            tg.mse(self.X, self.T, reduction="average")


class TestBinaryCrossEntropy:
    Z, T = np.array([0.3, -1.0, 2.0]), np.array([1.0, 0.0, 0.25])

    def test_it_is_minus_the_logarithm_of_the_probability(self):
        p = 1 / (1 + np.exp(-self.Z))
        expected = -self.T * np.log(p) - (1 - self.T) * np.log(1 - p)
        ours = tg.bce_with_logits(self.Z, self.T, reduction="none")
        np.testing.assert_allclose(ours, expected, rtol=1e-14)

    def test_its_gradient_is_prediction_minus_target(self):
        z = leaf(self.Z)
        tg.bce_with_logits(z, self.T, reduction="sum").backward()
        np.testing.assert_allclose(z.grad.data, 1 / (1 + np.exp(-self.Z)) - self.T, rtol=1e-13)

    def test_far_logits_neither_overflow_nor_cancel(self):
        z = leaf([1000.0, -1000.0, 50.0, -50.0])
        loss = tg.bce_with_logits(z, np.array([0.0, 1.0, 1.0, 0.0]), reduction="none")
        np.testing.assert_allclose(loss.data, [1000, 1000, math.exp(-50), math.exp(-50)])
        loss.sum().backward()
        np.testing.assert_allclose(z.grad.data, [1, -1, -math.exp(-50), math.exp(-50)], atol=1e-16)

    def test_a_positive_weight_counts_positives_more(self):
        ours = tg.bce_with_logits(self.Z, np.ones(3), pos_weight=3.0)
        assert ours == pytest.approx(3 * tg.bce_with_logits(self.Z, np.ones(3)))
        ours = tg.bce_with_logits(self.Z, np.zeros(3), pos_weight=3.0)
        assert ours == pytest.approx(tg.bce_with_logits(self.Z, np.zeros(3)))
