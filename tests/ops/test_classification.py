"""Losses over classes against hand values and one another; PyTorch's are in the goldens."""

import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.leaves import leaf
from tinygrad_rnn.engine import DtypeError, ShapeError

LOGITS = np.random.default_rng(0).standard_normal((5, 3))
TARGETS = np.array([2, 0, 1, 1, 2])
WEIGHT = (0.5, 1.0, 2.0)
OPTIONS = [
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"weight": WEIGHT},
    {"ignore_index": 1},
    {"weight": WEIGHT, "ignore_index": 2, "reduction": "none"},
]


def gradients(loss, z, direction):
    """The value of a loss, its gradient, and its Hessian times a direction."""
    scalar = lambda z: (loss(z) * 1.0).sum()  # noqa: E731
    value, gradient = tg.value_and_grad(scalar)(z)
    return value.item(), gradient.data, tg.hessian_vector_product(scalar, z, direction).data


class TestCrossEntropy:
    def test_equal_logits_cost_the_logarithm_of_the_number_of_classes(self):
        assert tg.cross_entropy(np.zeros((4, 7)), np.arange(4)) == pytest.approx(math.log(7))

    def test_its_gradient_is_prediction_minus_target(self):
        z = leaf(LOGITS)
        tg.cross_entropy(z, TARGETS, reduction="sum").backward()
        expected = tg.softmax(LOGITS) - np.eye(3)[TARGETS]
        np.testing.assert_allclose(z.grad.data, expected, rtol=1e-13)

    @pytest.mark.parametrize("options", OPTIONS)
    def test_it_is_nll_of_log_softmax_to_second_order(self, options):
        z, v = tg.tensor(LOGITS), tg.tensor(np.random.default_rng(1).standard_normal((5, 3)))
        fused = gradients(lambda z: tg.cross_entropy(z, TARGETS, **options), z, v)
        passes = gradients(lambda z: tg.nll(z.log_softmax(), TARGETS, **options), z, v)
        for ours, expected in zip(fused, passes, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-13)

    def test_the_target_distribution_says_what_it_computes(self):
        options = {"weight": WEIGHT, "label_smoothing": 0.2, "ignore_index": 0}
        q = tg.target_distribution(TARGETS, classes=3, dtype=np.float64, **options)
        expected = -(q * tg.log_softmax(LOGITS)).sum()
        assert tg.cross_entropy(LOGITS, TARGETS, **options) == pytest.approx(expected, rel=1e-13)

    def test_rows_of_the_target_distribution_sum_to_their_share_of_the_mean(self):
        q = tg.target_distribution(np.array([0, 1, -100]), classes=4, label_smoothing=0.3)
        np.testing.assert_allclose(q.sum(axis=-1), [0.5, 0.5, 0], rtol=1e-6)

    def test_ignored_rows_may_hold_anything_and_get_no_gradient(self):
        z = LOGITS.copy()
        z[1] = np.nan
        z = leaf(z)
        loss = tg.cross_entropy(z, np.array([2, -100, 1, 1, 2]))
        loss.backward()
        others = [0, 2, 3, 4]
        assert loss.item() == pytest.approx(tg.cross_entropy(LOGITS[others], TARGETS[others]))
        assert z.grad.data[1].tolist() == [0, 0, 0]
        assert np.abs(z.grad.data[others]).min() > 0

    def test_the_mean_of_nothing_is_nan_as_in_pytorch_and_the_sum_0(self):
        z, ignored = leaf(LOGITS), np.full(5, -100)
        loss = tg.cross_entropy(z, ignored)
        loss.backward()
        assert math.isnan(loss.item())
        assert not z.grad.data.any()
        assert tg.cross_entropy(LOGITS, ignored, reduction="sum") == 0
        assert math.isnan(tg.nll(np.zeros((0, 3)), np.zeros(0, int)))

    def test_classes_are_the_last_axis_of_any_number(self):
        z = np.random.default_rng(0).standard_normal((2, 3, 4))
        t = np.array([[0, 1, 2], [3, 0, 1]])
        losses = tg.cross_entropy(z, t, reduction="none")
        assert losses.shape == (2, 3)
        assert losses[1, 0] == pytest.approx(tg.cross_entropy(z[1, 0], np.array(3)))

    def test_large_logits_do_not_overflow(self):
        assert tg.cross_entropy(np.array([[0.0, 1e4]]), np.array([0])) == 1e4

    def test_tensors_serve_as_targets_and_weights(self):
        z = leaf(LOGITS)
        loss = tg.cross_entropy(z, tg.tensor(TARGETS), weight=tg.tensor(WEIGHT))
        loss.backward(create_graph=True)
        assert loss.item() == pytest.approx(tg.cross_entropy(LOGITS, TARGETS, weight=WEIGHT))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_both_backends_agree_where_the_loop_pays(self, dtype):
        rng = np.random.default_rng(0)
        z, t = rng.standard_normal((120, 80)).astype(dtype), rng.integers(0, 80, 120)
        t[::7] = -100
        found = []
        for name in ("numpy", "numba"):
            x = leaf(z, dtype)
            with tg.backend(name):
                loss = tg.cross_entropy(x, t, label_smoothing=0.1)
                loss.backward()
            found.append((loss.data, x.grad.data))
        for ours, expected in zip(*found, strict=True):
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, expected, rtol=200 * np.finfo(dtype).eps, atol=1e-9)

    def test_logits_laid_out_otherwise_give_the_same(self):
        z, expected = leaf(LOGITS), tg.cross_entropy(LOGITS, TARGETS)
        spread = np.zeros((3, 10))
        spread[:, ::-2] = LOGITS.T
        spread.flags.writeable = False
        assert tg.cross_entropy(spread[:, ::-2].T, TARGETS) == pytest.approx(expected)
        tg.cross_entropy(z[::-1], TARGETS[::-1]).backward()
        forward = leaf(LOGITS)
        tg.cross_entropy(forward, TARGETS).backward()
        np.testing.assert_allclose(z.grad.data, forward.grad.data)

    @pytest.mark.parametrize("f", [tg.cross_entropy, tg.nll])
    @pytest.mark.parametrize("wrong", [3, -1])
    def test_a_target_that_is_not_a_class_is_named(self, f, wrong):
        says = f"{f.name}: target {wrong} is not one of 3 classes; targets run from 0 to 2, or are"
        with pytest.raises(IndexError, match=says):
            f(LOGITS, np.array([0, 1, 2, wrong, 0]))

    def test_targets_of_another_shape_are_refused(self):
        with pytest.raises(
            ShapeError, match=r"expected one target per row of classes, shape \(5,\)"
        ):
            tg.cross_entropy(LOGITS, TARGETS[:, None])

    def test_distributions_as_targets_are_refused(self):
        with pytest.raises(DtypeError, match=r"got targets float64 \(5, 3\); expected integers"):
            tg.cross_entropy(LOGITS, np.eye(3)[TARGETS])

    def test_options_that_make_no_sense_are_refused(self):
        with pytest.raises(ValueError, match="reduction='avg'; expected 'mean', 'sum' or 'none'"):
            tg.cross_entropy(LOGITS, TARGETS, reduction="avg")
        with pytest.raises(ValueError, match=r"label_smoothing=1\.5; expected a share"):
            tg.cross_entropy(LOGITS, TARGETS, label_smoothing=1.5)
        with pytest.raises(
            ShapeError, match=r"weight of shape \(2,\); expected one weight for each"
        ):
            tg.cross_entropy(LOGITS, TARGETS, weight=(1.0, 2.0))
