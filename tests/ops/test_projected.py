"""The loss of a linear layer is the cross-entropy of its scores, found without all of them."""

import math
import tracemalloc

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.leaves import leaf
from tinygrad_rnn.engine import DtypeError, GraphError, ShapeError

RNG = np.random.default_rng(0)
HIDDEN, WEIGHT, BIAS = (RNG.standard_normal(shape) for shape in ((2, 3, 4), (5, 4), 5))
TARGETS = np.array([[2, 0, 1], [4, 4, 3]])
CLASS_WEIGHT = (0.5, 1.0, 2.0, 1.0, 3.0)
OPTIONS = [
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"class_weight": CLASS_WEIGHT},
    {"ignore_index": 4},
    {"label_smoothing": 0.3},
    {
        "class_weight": CLASS_WEIGHT,
        "ignore_index": 4,
        "label_smoothing": 0.1,
        "reduction": "none",
    },
]


def fused(hidden, weight, bias, **options):
    return tg.linear_cross_entropy(hidden, weight, TARGETS, bias, **options)


def composed(hidden, weight, bias, class_weight=None, **options):
    return tg.cross_entropy(hidden @ weight.T + bias, TARGETS, weight=class_weight, **options)


def leaves(dtype=np.float64):
    return leaf(HIDDEN, dtype), leaf(WEIGHT, dtype), leaf(BIAS, dtype)


def scalar(loss):
    return (loss * loss).sum()


@pytest.mark.parametrize("options", OPTIONS)
def test_it_is_the_composition_in_value_and_gradients(options):
    ours, theirs = leaves(), leaves()
    y, expected = fused(*ours, **options), composed(*theirs, **options)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-13)
    scalar(y).backward()
    scalar(expected).backward()
    for x, e in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.data, e.grad.data, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("i", range(3))
def test_its_second_derivatives_are_those_of_the_composition(options, i):
    inputs = [tg.tensor(x) for x in (HIDDEN, WEIGHT, BIAS)]
    v = tg.tensor(np.random.default_rng(1).standard_normal(inputs[i].shape))

    def of(loss):
        def function(x):
            return scalar(loss(*inputs[:i], x, *inputs[i + 1 :], **options))

        return tg.hessian_vector_product(function, inputs[i], v).data

    np.testing.assert_allclose(of(fused), of(composed), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("options", [{}, {"reduction": "none"}])
def test_a_second_backward_gives_the_same_again(options):
    inputs = leaves()
    loss = fused(*inputs, **options).sum()
    loss.backward(retain_graph=True)
    once = [x.grad.data.copy() for x in inputs]
    loss.backward(2.0)
    for x, first in zip(inputs, once, strict=True):
        np.testing.assert_allclose(x.grad.data, 3 * first, rtol=1e-13)


def test_a_layer_without_bias_has_bias_zero():
    hidden, weight, _ = leaves()
    loss = tg.linear_cross_entropy(hidden, weight, TARGETS)
    expected = tg.linear_cross_entropy(HIDDEN, WEIGHT, TARGETS, np.zeros(5))
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert np.abs(weight.grad.data).min() > 0


def test_a_weight_that_is_tied_to_an_embedding_gets_both_gradients():
    def gradient(loss):
        weight = leaf(WEIGHT)
        loss(tg.embedding(weight, TARGETS), weight, BIAS).backward()
        return weight.grad.data

    np.testing.assert_allclose(gradient(fused), gradient(composed), rtol=1e-12)


def test_hidden_states_of_ignored_targets_may_hold_anything_and_get_no_gradient():
    x = HIDDEN.copy()
    x[1, 2] = np.nan
    hidden = leaf(x)
    loss = tg.linear_cross_entropy(hidden, WEIGHT, TARGETS, BIAS, ignore_index=3)
    loss.backward()
    assert math.isfinite(loss.item())
    assert hidden.grad.data[1, 2].tolist() == [0, 0, 0, 0]
    assert np.abs(hidden.grad.data[0]).min() > 0


def test_the_mean_of_nothing_is_nan_and_has_no_slope():
    hidden = leaf(HIDDEN)
    loss = tg.linear_cross_entropy(hidden, WEIGHT, np.full((2, 3), -100), BIAS)
    loss.backward()
    assert math.isnan(loss.item())
    assert not hidden.grad.data.any()


def test_a_weight_that_was_overwritten_is_not_trusted():
    hidden, weight, bias = leaves()
    loss = fused(hidden, weight, bias)
    with tg.no_grad():
        weight[0] = 0.0
    with pytest.raises(GraphError, match=r"projected_cross_entropy.*needs its input 'w'.*overwri"):
        loss.backward()


def test_without_a_graph_no_gradient_is_looked_for(monkeypatch):
    from tinygrad_rnn.kernels import projected

    def only_losses(p, gradients):
        assert not gradients
        return projected.by_blocks(p, gradients)

    monkeypatch.setattr(projected, "projected_cross_entropy", only_losses)
    inputs = leaves()
    with tg.no_grad():
        assert fused(*inputs).item() == pytest.approx(composed(HIDDEN, WEIGHT, BIAS))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_there_are_never_all_the_scores(backend, monkeypatch):
    from tinygrad_rnn.kernels import projected

    monkeypatch.setattr(projected, "BLOCK", 1 << 16)
    N, H, V = 3000, 3, 2000
    weight = tg.tensor(np.ones((V, H), "float32"), requires_grad=True)
    with tg.backend(backend):
        tg.linear_cross_entropy(np.ones((N // 3, H), "float32"), weight, np.zeros(N // 3, int))
        hidden = tg.tensor(np.ones((N, H), "float32"), requires_grad=True)
        tracemalloc.start()
        tg.linear_cross_entropy(hidden, weight, np.zeros(N, int)).backward()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < N * V  # bytes: a quarter of the scores


@pytest.mark.parametrize("wrong", [5, -1])
def test_a_target_that_is_not_a_class_is_named(wrong):
    with pytest.raises(IndexError, match=f"target {wrong} is not one of 5 classes; targets run fr"):
        tg.linear_cross_entropy(HIDDEN, WEIGHT, np.full((2, 3), wrong))


def test_targets_of_another_shape_are_refused():
    says = r"targets of shape \(6,\) for hidden states of shape \(2, 3, 4\); expected .* \(2, 3\)"
    with pytest.raises(ShapeError, match=says):
        tg.linear_cross_entropy(HIDDEN, WEIGHT, TARGETS.ravel())


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"weight float64 \(5, 3\).*expected \(N, H\), \(V, H\)"):
        tg.linear_cross_entropy(HIDDEN, WEIGHT[:, :3], TARGETS)
    with pytest.raises(DtypeError, match=r"hidden float32 .*expected the same floats in all"):
        tg.linear_cross_entropy(HIDDEN.astype("float32"), WEIGHT, TARGETS)
    with pytest.raises(ValueError, match=r"label_smoothing=1\.5; expected a share"):
        tg.linear_cross_entropy(HIDDEN, WEIGHT, TARGETS, label_smoothing=1.5)
