"""Softmax, layer normalisation and dropout at their edges, and against their definitions."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.leaves import leaf
from tinygrad_rnn.engine import ShapeError

Z = np.random.default_rng(0).standard_normal((2, 3, 4))


class TestSoftmax:
    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_it_is_the_exponential_divided_by_its_sum(self, axis):
        expected = np.exp(Z) / np.exp(Z).sum(axis=axis, keepdims=True)
        np.testing.assert_allclose(tg.softmax(Z, axis=axis), expected, rtol=1e-14)
        np.testing.assert_allclose(tg.tensor(Z).softmax(axis).data, expected, rtol=1e-14)
        logs = tg.tensor(Z).log_softmax(axis=axis).data
        np.testing.assert_allclose(logs, np.log(expected), rtol=1e-13)

    def test_large_logits_do_not_overflow(self):
        z = np.array([1e4, 1e4, -1e4])
        assert tg.softmax(z).tolist() == [0.5, 0.5, 0]
        np.testing.assert_allclose(tg.log_softmax(z), [-np.log(2), -np.log(2), -2e4 - np.log(2)])

    def test_a_logit_of_minus_infinity_has_probability_0_and_no_gradient(self):
        z = leaf([0.0, -np.inf, 0.0])
        p = z.softmax()
        assert p.tolist() == [0.5, 0, 0.5]
        p[0].backward()
        assert z.grad.tolist() == [0.25, 0, -0.25]

    def test_nan_spreads_over_its_row_alone(self):
        z = np.array([[0.0, np.nan], [0.0, 0.0]])
        assert np.isnan(tg.softmax(z)).tolist() == [[True, True], [False, False]]
        assert np.isnan(tg.log_softmax(z)).tolist() == [[True, True], [False, False]]

    def test_a_shift_of_all_logits_has_no_gradient(self):
        z = leaf(Z)
        z.softmax().backward(np.random.default_rng(1).standard_normal(Z.shape))
        np.testing.assert_allclose(z.grad.data.sum(axis=-1), 0, atol=1e-15)

    @pytest.mark.parametrize("f", [tg.softmax, tg.log_softmax])
    def test_both_backends_agree_where_the_loop_pays(self, f):
        z = np.random.default_rng(0).standard_normal((100, 90))
        with tg.backend("numpy"):
            expected = f(z)
        np.testing.assert_allclose(f(z), expected, rtol=1e-12)


class TestLayerNorm:
    def test_rows_get_mean_0_and_variance_1(self):
        y = tg.standardize(5 * Z + 3, axis=(1, 2), eps=0.0)
        np.testing.assert_allclose(y.mean(axis=(1, 2)), 0, atol=1e-15)
        np.testing.assert_allclose(y.var(axis=(1, 2)), 1, rtol=1e-14)

    def test_weight_and_bias_scale_and_shift(self):
        w, b = np.arange(4.0), np.arange(4.0) - 1
        expected = tg.standardize(Z) * w + b
        np.testing.assert_allclose(tg.layer_norm(Z, w, b), expected)
        np.testing.assert_allclose(tg.tensor(Z).layer_norm(w, bias=b).data, expected)

    def test_the_weight_says_over_how_many_axes(self):
        np.testing.assert_allclose(
            tg.layer_norm(Z, np.ones((3, 4))), tg.standardize(Z, axis=(-2, -1))
        )
        np.testing.assert_allclose(tg.layer_norm(Z, axes=2), tg.standardize(Z, axis=(-2, -1)))
        np.testing.assert_allclose(tg.layer_norm(Z), tg.standardize(Z))

    def test_a_constant_row_is_0_and_not_nan(self):
        x = leaf(np.full((2, 3), 7.0))
        y = tg.layer_norm(x)
        y.sum().backward()
        assert y.tolist() == x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]

    def test_parameters_that_do_not_fit_are_refused(self):
        with pytest.raises(ShapeError, match=r"weight of shape \(3,\) and x of shape \(2, 3, 4\)"):
            tg.layer_norm(Z, np.ones(3))
        with pytest.raises(ShapeError, match=r"bias of shape \(4,\).*over its last 2 axes"):
            tg.layer_norm(Z, np.ones((3, 4)), np.ones(4))

    @pytest.mark.parametrize("axes", [0, 4])
    def test_axes_that_are_not_there_are_refused(self, axes):
        with pytest.raises(ShapeError, match=rf"got axes={axes} .* expected 1 to 3"):
            tg.layer_norm(Z, axes=axes)


class TestDropout:
    def test_elements_are_kept_scaled_or_dropped_and_the_mean_stays(self):
        y = tg.dropout(np.ones(10_000), 0.2, np.random.default_rng(0))
        assert set(y.tolist()) == {0, 1.25}
        assert y.mean() == pytest.approx(1, abs=0.02)

    def test_the_gradient_is_the_mask(self):
        x = leaf(np.ones((3, 4)))
        y = x.dropout(0.5, np.random.default_rng(0))
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.data, y.data)

    def test_one_state_gives_one_mask_in_every_dtype(self):
        masks = [
            tg.dropout(np.ones(50, dtype), 0.3, np.random.default_rng(7)) > 0
            for dtype in (np.float32, np.float64)
        ]
        assert (masks[0] == masks[1]).all()

    def test_float32_stays_float32(self):
        assert tg.tensor([1.0]).dropout(0.5, np.random.default_rng(0)).dtype == np.float32

    def test_a_rate_of_0_changes_nothing_and_draws_nothing(self):
        x, generator = tg.tensor([1.0]), np.random.default_rng(0)
        before = generator.bit_generator.state
        assert x.dropout(0.0, generator) is x
        assert generator.bit_generator.state == before

    def test_a_rate_of_1_drops_everything(self):
        assert tg.dropout(np.ones(3), 1.0, np.random.default_rng(0)).tolist() == [0, 0, 0]

    @pytest.mark.parametrize("p", [-0.1, 1.5, np.nan])
    def test_what_is_no_probability_is_refused(self, p):
        with pytest.raises(ValueError, match=f"dropout: got p={p}; expected a probability"):
            tg.dropout(np.ones(3), p, np.random.default_rng(0))
