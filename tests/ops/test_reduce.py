"""Reductions against NumPy, over random shapes, axes and layouts, and at their edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tests.ops.reductions import gradient, layouts, quick, reductions

NUMPY = {
    "sum": np.sum,
    "prod": np.prod,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "max": np.max,
    "min": np.min,
    "logsumexp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
}


class TestAgainstNumPy:
    @pytest.mark.parametrize("name", NUMPY)
    @given(reductions())
    @quick
    def test_values_are_those_of_numpy_for_any_axes_and_strides(self, name, reduction):
        x, axis, keepdims = reduction
        expected = NUMPY[name](x, axis=axis, keepdims=keepdims)
        for y in (
            getattr(tg, name)(x, axis=axis, keepdims=keepdims),
            getattr(tg.Tensor(x), name)(axis=axis, keepdims=keepdims).data,
        ):
            assert y.shape == expected.shape
            np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("name", NUMPY)
    @given(reductions())
    @quick
    def test_gradients_have_the_shape_of_x_whatever_is_folded(self, name, reduction):
        x, axis, keepdims = reduction
        g = gradient(lambda t: getattr(t, name)(axis=axis, keepdims=keepdims), x)
        whole = gradient(lambda t: getattr(t, name)(axis=axis, keepdims=not keepdims), x)
        assert g.shape == x.shape
        np.testing.assert_array_equal(g, whole)

    @given(reductions(least=0))
    @quick
    def test_the_gradient_of_a_sum_copies_the_cotangent(self, reduction):
        x, axis, _ = reduction
        u = np.random.default_rng(1).standard_normal(np.sum(x, axis=axis, keepdims=True).shape)
        g = gradient(lambda t: t.sum(axis=axis, keepdims=True), x, u)
        np.testing.assert_array_equal(g, np.broadcast_to(u, x.shape))

    @given(layouts(axes=(1, 3)), st.data())
    @quick
    def test_running_sums_are_those_of_numpy(self, x, data):
        axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
        np.testing.assert_array_equal(tg.cumsum(x, axis), np.cumsum(x, axis))

    def test_functions_of_arrays_give_arrays(self):
        assert type(tg.sum(np.ones((2, 3)), axis=0)) is np.ndarray

    def test_integers_and_booleans_add_up_as_in_numpy(self):
        assert tg.sum(np.array([True, True])) == 2
        assert tg.mean(np.array([1, 2])) == 1.5
        assert tg.logsumexp(np.array([0, 0])) == np.log(2)

    def test_a_number_folds_along_the_axis_that_it_does_not_have_as_in_numpy(self):
        for name in ("sum", "mean", "var", "max", "prod"):
            assert gradient(lambda t, name=name: getattr(t, name)(axis=0), 2.0).shape == ()


class TestProducts:
    @pytest.mark.parametrize(
        ("x", "slopes"),
        [
            ([2.0, 3.0, 5.0], [15.0, 10.0, 6.0]),
            ([2.0, 0.0, 5.0], [0.0, 10.0, 0.0]),
            ([0.0, 0.0, 5.0], [0.0, 0.0, 0.0]),
            ([7.0], [1.0]),
            ([], []),
        ],
    )
    def test_the_slope_is_the_product_of_the_others_with_zeros_too(self, x, slopes):
        np.testing.assert_array_equal(gradient(lambda t: t.prod(), np.array(x)), slopes)

    def test_the_second_derivative_is_right_at_two_zeros(self):
        hessian = [
            tg.hessian_vector_product(lambda t: t.prod(), [0.0, 0.0, 5.0], e).numpy()
            for e in np.eye(3)
        ]
        np.testing.assert_array_equal(hessian, [[0, 5, 0], [5, 0, 0], [0, 0, 0]])

    def test_the_third_derivative_is_right_at_three_zeros(self):
        def mixed(t):
            first = tg.grad(lambda s: s.prod())(t)
            return tg.grad(lambda s: tg.grad(lambda r: r.prod())(s)[0])(t)[1] + 0 * first[0]

        assert tg.grad(mixed)(tg.tensor([0.0, 0.0, 0.0])).tolist() == [0.0, 0.0, 1.0]

    def test_long_products_cost_no_matrix(self):
        x = np.full(200_000, 1.0)
        np.testing.assert_array_equal(gradient(lambda t: t.prod(), x), x)


class TestSpread:
    @pytest.mark.parametrize("correction", [0, 1, 2.5])
    def test_the_correction_is_taken_from_the_count(self, correction):
        x = np.random.default_rng(0).standard_normal((3, 4))
        expected = ((x - x.mean(1, keepdims=True)) ** 2).sum(1) / (4 - correction)
        np.testing.assert_allclose(tg.var(x, 1, correction), expected, rtol=1e-14)
        np.testing.assert_allclose(
            tg.Tensor(x).std(axis=1, correction=correction).data, np.sqrt(expected), rtol=1e-14
        )

    def test_the_variance_far_from_zero_loses_nothing(self):
        x = np.array([1.0, 2.0, 3.0]) + 1e8
        np.testing.assert_allclose(tg.var(x), 2 / 3, rtol=1e-12)

    def test_the_gradient_of_a_deviation_of_zero_is_zero(self):
        g = gradient(lambda t: t.std(axis=1), np.array([[3.0, 3.0], [0.0, 2.0]]))
        np.testing.assert_array_equal(g, [[0.0, 0.0], [-0.5, 0.5]])

    def test_too_few_elements_are_refused_with_a_remedy(self):
        with pytest.raises(tg.ShapeError, match="of 1 elements with correction=1 is undefined"):
            tg.tensor([1.0]).std(correction=1)


class TestLogsumexp:
    def test_rows_of_minus_infinity_give_minus_infinity_and_no_gradient(self):
        x = np.array([[-np.inf, -np.inf], [0.0, -np.inf], [1.0, 1.0]])
        np.testing.assert_array_equal(tg.logsumexp(x, axis=1), [-np.inf, 0.0, 1 + np.log(2)])
        g = gradient(lambda t: t.logsumexp(axis=1), x)
        np.testing.assert_allclose(g, [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]], rtol=1e-15)

    def test_it_neither_overflows_nor_underflows(self):
        x = np.array([[1e4, 1e4], [-1e4, -1e4]], np.float32)
        y = tg.logsumexp(x, axis=1)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, x[:, 0] + np.log(2), rtol=1e-7)

    def test_infinity_wins(self):
        assert tg.logsumexp(np.array([np.inf, 1e4])) == np.inf

    def test_its_gradient_is_a_distribution(self):
        g = gradient(lambda t: t.logsumexp(axis=0), np.random.default_rng(0).normal(0, 50, (5, 3)))
        np.testing.assert_allclose(g.sum(axis=0), np.ones(3), rtol=1e-13)


class TestNothing:
    def test_the_neutral_elements(self):
        x = np.ones((0, 3), np.float32)
        np.testing.assert_array_equal(tg.sum(x, axis=0), [0, 0, 0])
        np.testing.assert_array_equal(tg.prod(x, axis=0), [1, 1, 1])
        np.testing.assert_array_equal(tg.logsumexp(x, axis=0), [-np.inf] * 3)

    @pytest.mark.parametrize("name", ["max", "min", "mean", "var", "std", "argmax", "argmin"])
    def test_what_is_undefined_says_so(self, name):
        with pytest.raises(tg.ShapeError, match=rf"^{name}: got x float32 \(0, 3\); .*no elements|"
                                                rf"^{name}: .*0 elements"):  # fmt: skip
            getattr(tg.tensor(np.ones((0, 3), np.float32)), name)(axis=0)

    @pytest.mark.parametrize("name", ["max", "mean", "argmin"])
    def test_an_output_without_elements_is_fine(self, name):
        assert getattr(tg, name)(np.ones((0, 3)), axis=1).shape == (0,)


class TestMisuse:
    def test_an_axis_too_far_is_named_with_the_shape(self):
        expected = r"sum: got x float32 \(2, 3\); axis 2 is out of bounds"
        with pytest.raises(tg.ShapeError, match=expected):
            tg.tensor(np.ones((2, 3), np.float32)).sum(axis=2)

    def test_a_product_of_others_needs_others(self):
        with pytest.raises(tg.ShapeError, match="needs an axis to multiply along"):
            tg.REGISTRY["prod_of_others"](np.array(1.0))
