"""Clipping shortens a gradient that is too long, as a whole, and tells how long it was."""

import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.kernels.memory import LARGE, copied
from tinygrad_rnn.optim import clip_grad_norm, clip_grad_value


def with_gradients(*gradients):
    params = []
    for g in gradients:
        g = np.asarray(g, np.float32)
        p = tg.tensor(np.zeros(g.shape), requires_grad=True, dtype="float32")
        p.grad = tg.Tensor(g)
        params.append(p)
    return params


def test_the_norm_is_that_of_all_gradients_together():
    params = [*with_gradients([[3.0, 0.0]], 4.0), tg.tensor([1.0], requires_grad=True)]
    assert clip_grad_norm(params, math.inf) == 5.0


def test_long_gradients_are_scaled_and_keep_their_direction_and_dtype():
    params = with_gradients([3.0, 0.0], [[4.0]])
    assert clip_grad_norm(params, 1.0) == 5.0
    scale = 1 / (5 + 1e-6)
    np.testing.assert_allclose(params[0].grad.data, [3 * scale, 0], rtol=1e-6)
    np.testing.assert_allclose(params[1].grad.data, [[4 * scale]], rtol=1e-6)
    assert params[0].grad.dtype == np.float32


def test_short_gradients_are_not_touched():
    (p,) = with_gradients([3.0, 4.0])
    before = p.grad
    clip_grad_norm([p], 5.1)
    assert p.grad is before


def test_two_parameters_may_share_the_memory_of_a_gradient():
    p, q = (tg.tensor([1.0, 1.0], requires_grad=True) for _ in range(2))
    (p + q).sum().backward()
    clip_grad_norm([p, q], 1.0)
    np.testing.assert_allclose(p.grad.data, 0.5, rtol=1e-5)
    np.testing.assert_allclose(q.grad.data, 0.5, rtol=1e-5)


def test_no_gradients_have_length_zero():
    assert clip_grad_norm([tg.tensor([1.0], requires_grad=True)], 1.0) == 0.0


def test_a_gradient_that_overflows_float32_when_squared_is_still_measured():
    params = with_gradients([1e30, 0.0])
    np.testing.assert_allclose(clip_grad_norm(params, 1.0), 1e30, rtol=1e-6)
    np.testing.assert_allclose(params[0].grad.data, [1, 0], rtol=1e-5)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_returned_and_nothing_is_scaled(bad):
    params = with_gradients([3.0], [bad])
    assert not math.isfinite(clip_grad_norm(params, 1.0))
    assert params[0].grad.item() == 3.0


def test_a_norm_that_is_not_finite_can_be_an_error_that_names_the_culprit():
    params = with_gradients([3.0], [[math.nan]])
    params[1].name = "weight_hh_l0"
    text = (
        r"the norm of the gradients is nan. The first that is not finite is number 1 "
        r"\(weight_hh_l0\), of shape \(1, 1\); tg.detect_anomaly\(\) finds"
    )
    with pytest.raises(FloatingPointError, match=text):
        clip_grad_norm(params, 1.0, error_if_nonfinite=True)


def test_a_single_tensor_is_one_parameter():
    (p,) = with_gradients([3.0, 4.0])
    assert clip_grad_norm(p, 1.0) == 5.0


def test_values_are_brought_into_range():
    params = with_gradients([-5.0, 0.5], [[2.0]])
    clip_grad_value([*params, tg.tensor([1.0], requires_grad=True)], 1.0)
    np.testing.assert_array_equal(params[0].grad.data, [-1, 0.5])
    np.testing.assert_array_equal(params[1].grad.data, [[1]])


def test_limits_below_zero_are_refused():
    with pytest.raises(ValueError, match=r"clip_grad_norm: got max_norm=-1; expected 0 <= max_n"):
        clip_grad_norm([], -1)
    with pytest.raises(ValueError, match=r"clip_grad_value: got clip_value=nan; expected 0 <= cl"):
        clip_grad_value([], math.nan)


class TestMemory:
    """A gradient that nobody else knows is shortened where it is; others see nothing of it."""

    def descended(self):
        p = tg.tensor([3.0, 4.0], requires_grad=True)
        (p * p).sum().backward()
        return p

    def test_a_gradient_of_backward_is_shortened_in_place(self):
        p = self.descended()
        address = p.grad.data.ctypes.data
        clip_grad_norm([p], 1.0)
        assert p.grad.data.ctypes.data == address
        np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-5)

    def test_so_is_one_that_is_in_memory_of_the_pool(self):
        w = tg.tensor(np.full((2, LARGE), 1e-3), requires_grad=True)
        (tg.tensor(np.ones((1, 2))) @ w).sum().backward()
        w.grad = tg.Tensor(copied(w.grad.data))
        assert w.grad.data.base is not None
        address = w.grad.data.ctypes.data
        clip_grad_norm([w], 1.0)
        assert w.grad.data.ctypes.data == address
        held = w.grad.data[0]
        clip_grad_norm([w], 0.5)
        assert w.grad.data.ctypes.data != address
        np.testing.assert_allclose(held, held[0])
        np.testing.assert_allclose(w.grad.data[0] / held, 0.5, rtol=1e-5)

    @pytest.mark.parametrize(
        "hold", [lambda g: g, lambda g: g.data, lambda g: g.numpy(), lambda g: g.detach()]
    )
    def test_a_gradient_that_somebody_holds_stays_as_it_was(self, hold):
        p = self.descended()
        held = hold(p.grad)
        clip_grad_norm([p], 1.0)
        assert np.asarray(held).tolist() == [6, 8]
        np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-5)

    def test_a_gradient_that_two_parameters_have_is_shortened_once(self):
        p, q = self.descended(), self.descended()
        q.grad = p.grad
        clip_grad_norm([p, q], 1.0)
        for x in (p, q):
            np.testing.assert_allclose(x.grad.data, np.array([6, 8]) / np.sqrt(200), rtol=1e-5)

    def test_a_gradient_with_a_graph_keeps_its_graph(self):
        p = tg.tensor([3.0, 4.0], requires_grad=True)
        (p * p).sum().backward(create_graph=True)
        slope = p.grad
        clip_grad_norm([p], 1.0)
        assert slope.tolist() == [6, 8]
        slope.sum().backward()
        np.testing.assert_allclose(p.grad.data, [0.6 + 2, 0.8 + 2], rtol=1e-5)

    def test_the_gradient_of_a_view_leaves_what_it_views(self):
        p, whole = self.descended(), np.array([6.0, 8.0, 5.0], np.float32)
        p.grad = tg.Tensor(whole[:2])
        clip_grad_norm([p], 1.0)
        assert whole.tolist() == [6, 8, 5]
