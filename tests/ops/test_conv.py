"""Convolution against its definition; PyTorch's grids are in the goldens."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine import ShapeError

RNG = np.random.default_rng(0)
X1, W1 = RNG.standard_normal((2, 4, 9)), RNG.standard_normal((6, 2, 3))
X2, W2 = RNG.standard_normal((2, 3, 5, 6)), RNG.standard_normal((2, 3, 2, 3))
SLIDES = [
    (X1, W1, {"groups": 2}),
    (X1, W1, {"groups": 2, "stride": 2, "padding": 2, "dilation": 2}),
    (X2, W2, {}),
    (X2, W2, {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}),
]


def test_by_hand():
    x, w = np.array([[[1.0, 2.0, 4.0, 8.0]]]), np.array([[[1.0, -1.0]]])
    assert tg.conv1d(x, w).tolist() == [[[-1, -2, -4]]]
    assert tg.conv1d(x, w, padding=1).tolist() == [[[-1, -1, -2, -4, 8]]]
    assert tg.conv1d(x, w, stride=2).tolist() == [[[-1, -4]]]
    assert tg.conv1d(x, w, dilation=3).tolist() == [[[-7]]]
    assert tg.conv1d(x, w, np.array([10.0])).tolist() == [[[9, 8, 6]]]


@pytest.mark.parametrize(("x", "w", "how"), SLIDES)
def test_the_three_products_are_each_others_adjoints(x, w, how):
    y = tg.convolve(x, w, **how)
    v = np.random.default_rng(1).standard_normal(y.shape)
    number = (y * v).sum()
    back = tg.convolve_to_input(v, w, extents=x.shape[2:], **how)
    assert (back * x).sum() == pytest.approx(number)
    weight = tg.convolve_to_weight(v, x, window=w.shape[2:], **how)
    assert (weight * w).sum() == pytest.approx(number)


@pytest.mark.parametrize(("x", "w", "how"), SLIDES)
def test_it_is_differentiable_to_second_order(x, w, how):
    tg.gradcheck(lambda x, w: tg.convolve(x, w, **how) ** 2, x, w, order=2)


def test_a_mixed_third_derivative_is_right():
    # y = x * w twice over: d/dw of <x, d/dx sum(y^3)/6> is a third derivative.
    x, w = tg.tensor(X1[:1, :2, :5]), tg.tensor(W1[:1])

    def slope(w):
        return (tg.grad(lambda x: (tg.convolve(x, w) ** 3).sum())(x) * x).sum()

    def cubes(w):  # sum(y^3) is homogeneous of degree 3 in x, so slope is 3 times it
        return 3 * (tg.convolve(x, w) ** 3).sum()

    np.testing.assert_allclose(tg.grad(slope)(w).data, tg.grad(cubes)(w).data, rtol=1e-12)


def test_an_image_of_height_1_is_a_sequence():
    one = tg.conv2d(X1[:, :, None], W1[:, :, None], stride=(1, 2), padding=(0, 1), groups=2)
    np.testing.assert_allclose(one[:, :, 0], tg.conv1d(X1, W1, None, 2, 1, 1, 2))


def test_tensors_have_it_as_a_method():
    y = tg.tensor(X1).conv1d(tg.tensor(W1), groups=2)
    np.testing.assert_array_equal(y.data, tg.conv1d(X1, W1, groups=2))
    assert tg.tensor(X2).conv2d(W2).shape == (2, 2, 4, 4)


def test_layout_in_memory_does_not_matter():
    x = X1[:, ::-1].copy()[:, ::-1].transpose(1, 0, 2).copy().transpose(1, 0, 2)
    x.flags.writeable = False
    np.testing.assert_allclose(tg.conv1d(x, W1, groups=2), tg.conv1d(X1, W1, groups=2))


def test_one_sample_without_a_batch_axis_is_refused():
    with pytest.raises(ShapeError, match=r"conv1d: got x of shape \(4, 9\) .*expected 3 axes"):
        tg.conv1d(X1[0], W1)
    with pytest.raises(ShapeError, match=r"conv2d: .*x \(N, C, H, W\), even for one sample"):
        tg.conv2d(X1, W1)


def test_a_bias_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"conv1d: got bias of shape \(2,\); .* shape \(6,\)"):
        tg.conv1d(X1, W1, np.ones(2), groups=2)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "expected 2 × 1 = 2 channels"),
        ({"groups": 4}, "expected 2 × 4 = 8 channels"),
        ({"groups": 2, "stride": 0}, "got stride=0; .* each at least 1"),
        ({"groups": 2, "dilation": (1, 1)}, r"got dilation=\(1, 1\); .* 1 for 1 spatial axes"),
        ({"groups": 2, "dilation": 5}, "a window of 3 taps with dilation 5 spans 11 places"),
    ],
)
def test_what_does_not_fit_is_named(how, says):
    with pytest.raises(ShapeError, match=says):
        tg.conv1d(X1, W1, **how)
