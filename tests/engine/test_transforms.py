"""Derivatives of functions, of any order."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.ops import dropout

A = np.array([[1.0, 2.0], [3.0, 4.0]])


def quartic(x):
    return (x * x * x * x).sum()


class TestGrad:
    def test_nests_to_any_order(self):
        f = lambda x: x**5  # noqa: E731
        for expected in (80.0, 160.0, 240.0, 240.0, 120.0):
            f = tg.grad(f)
            assert f(tg.tensor(2.0, dtype="float64")).item() == pytest.approx(expected)

    def test_differentiates_by_several_arguments(self):
        a, b = tg.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))([1.0, 2.0], [3.0, 4.0])
        assert (a.tolist(), b.tolist()) == ([3.0, 4.0], [1.0, 2.0])

    def test_tells_one_tensor_passed_twice_apart(self):
        x = tg.tensor(3.0)
        a, b = tg.grad(lambda a, b: a * a * b, argnums=(0, 1))(x, x)
        assert (a.item(), b.item()) == (18.0, 9.0)

    def test_leaves_no_graph_and_touches_no_grad(self):
        w = tg.tensor(3.0, requires_grad=True)
        g = tg.grad(lambda x: x * w)(2.0)
        assert g.item() == 3.0
        assert not g.requires_grad
        assert w.grad is None

    def test_stays_connected_to_an_argument_that_is_part_of_a_graph(self):
        x = tg.tensor(3.0, requires_grad=True)
        tg.grad(lambda u: u * u * u)(x).backward()
        assert x.grad.item() == 18.0

    def test_an_inner_gradient_is_differentiable_by_what_it_captured(self):
        def outer(w):
            return tg.grad(lambda x: w * x * x)(3.0)

        assert tg.grad(outer)(2.0).item() == 6.0

    def test_is_zero_where_the_output_does_not_depend_on_the_input(self):
        assert tg.grad(lambda x, y: y * 2)(1.0, 2.0).item() == 0.0

    def test_of_a_vector_asks_for_a_scalar(self):
        with pytest.raises(tg.ShapeError, match=r"returned shape \(2,\); expected a scalar"):
            tg.grad(lambda x: x * 2)([1.0, 2.0])

    def test_of_several_outputs_asks_for_one(self):
        with pytest.raises(tg.DtypeError, match="vjp: the function returned tuple; expected one"):
            tg.grad(lambda x: (x, x))(1.0)

    def test_of_a_missing_argument_counts_them(self):
        with pytest.raises(tg.GraphError, match="argnums=1 and 1 arguments"):
            tg.grad(lambda x: x, argnums=1)(1.0)

    def test_value_and_grad_gives_both(self):
        value, g = tg.value_and_grad(quartic)(A)
        np.testing.assert_array_equal(value.data, (A**4).sum())
        np.testing.assert_allclose(g.data, 4 * A**3)


class TestVjpAndJvp:
    def test_a_pullback_may_be_called_again(self):
        _, pullback = tg.vjp(lambda x: x * x, [1.0, 2.0])
        for k in (1.0, 10.0):
            (g,) = pullback([k, k])
            assert g.tolist() == [2 * k, 4 * k]

    def test_they_are_transposes_of_one_another(self):
        rng = np.random.default_rng(0)
        x, v, u = (rng.standard_normal((2, 2)) for _ in range(3))
        f = lambda x: (x @ tg.Tensor(A)).tanh() * x  # noqa: E731
        _, tangent = tg.jvp(f, [x], [v])
        _, pullback = tg.vjp(f, x)
        assert (tangent.data * u).sum() == pytest.approx((pullback(u)[0].data * v).sum())

    def test_jvp_is_the_slope_along_a_direction(self):
        value, slope = tg.jvp(lambda x, y: x * y, [[2.0], [3.0]], [[1.0], [10.0]])
        assert (value.item(), slope.item()) == (6.0, 23.0)

    def test_a_tangent_of_another_shape_is_refused(self):
        with pytest.raises(tg.ShapeError, match=r"tangent 0 has shape \(2,\)"):
            tg.jvp(lambda x: x, [[1.0]], [[1.0, 2.0]])


def test_a_direction_of_another_shape_is_refused():
    with pytest.raises(tg.ShapeError, match=r"x has shape \(2, 2\) and v \(2,\)"):
        tg.hessian_vector_product(quartic, A, [1.0, 2.0])


def test_an_integer_argument_is_differentiated_as_a_float():
    assert tg.grad(lambda x: x * x)(3).item() == 6.0


def test_a_hessian_vector_product_is_a_column_combination_of_the_hessian():
    product = tg.hessian_vector_product(quartic, A, np.eye(2))
    np.testing.assert_allclose(product.data, 12 * A**2 * np.eye(2))


class TestCheckpoint:
    def test_gives_the_same_gradients_of_arguments_and_of_captured_parameters(self):
        def gradients(wrap):
            x, w = tg.tensor(A, requires_grad=True), tg.tensor(A.T, requires_grad=True)
            y = wrap(lambda x: (x @ w).tanh(), x)
            (y * y).sum().backward()
            return x.grad.data, w.grad.data

        plain = gradients(lambda f, x: f(x))
        for a, b in zip(gradients(tg.checkpoint), plain, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_can_be_differentiated_twice(self):
        tg.gradcheck(lambda x: tg.checkpoint(lambda u: (u * u).tanh(), x), A, order=2)

    def test_forgets_what_is_inside(self):
        calls = []

        def f(x):
            calls.append(1)
            return x.tanh().tanh()

        x = tg.tensor(A, requires_grad=True)
        y = tg.checkpoint(f, x)
        assert y.inputs == (x,)
        y.sum().backward()
        assert len(calls) == 2

    def test_winds_generators_back_so_that_dropout_drops_the_same(self):
        rng = np.random.default_rng(0)
        x = tg.tensor(np.ones(100), requires_grad=True)
        y = tg.checkpoint(lambda x: dropout(x, 0.5, rng), x, generators=[rng])
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.data, y.data)

    def test_notices_a_function_that_changes_its_mind(self):
        rng = np.random.default_rng(0)
        x = tg.tensor(np.ones(100), requires_grad=True)
        y = tg.checkpoint(lambda x: dropout(x, 0.5, rng), x)
        with pytest.raises(tg.GraphError, match="generators="):
            y.sum().backward()

    def test_of_something_else_than_a_tensor_is_refused(self):
        with pytest.raises(tg.DtypeError, match="checkpoint: the function returned tuple"):
            tg.checkpoint(lambda x: (x, x), tg.tensor(1.0))

    def test_of_plain_values_is_just_the_call(self):
        assert tg.checkpoint(lambda x: x * 2, tg.tensor(2.0)).item() == 4.0
