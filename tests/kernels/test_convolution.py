"""Convolution does what loops over every index do, and its adjoints are adjoint."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.windows import patches_by_loops, sliding, unhurried
from tinygrad_rnn.kernels.convolution import (
    THIN,
    convolve,
    convolve_to_input,
    convolve_to_weight,
    layout,
    output_extents,
)

SPAN_TEXT = (
    r"a window of 3 taps with dilation 2 spans 5 places, but spatial axis 1 has 2, and 4 with "
    r"padding 1: pad more or use a smaller window"
)

# Few channels, for which the taps are copied together, and enough to multiply tap by tap.
channels = st.sampled_from([2, THIN])


def drawn(extents, window, inputs, outputs, groups):
    """An input and a weight."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, inputs * groups, *extents))
    return x, rng.standard_normal((outputs * groups, inputs, *window))


@unhurried
@given(sliding(), channels, channels, st.integers(1, 3))
def test_convolution_is_its_sum(geometry, inputs, outputs, groups):
    extents, window, *steps = geometry
    x, w = drawn(extents, window, inputs, outputs, groups)
    y = convolve(x, w, *steps, groups)
    for place, taps in patches_by_loops(x, window, *steps, 0.0):
        for g in range(groups):
            ours = slice(outputs * g, outputs * (g + 1))
            theirs = slice(inputs * g, inputs * (g + 1))
            expected = sum(v[:, theirs] @ w[(ours, slice(None), *tap)].T for tap, v in taps.items())
            np.testing.assert_allclose(y[(slice(None), ours, *place)], expected, atol=1e-12)


@unhurried
@given(sliding(), channels, channels, st.integers(1, 2))
def test_the_adjoints_of_convolution_are_adjoint(geometry, inputs, outputs, groups):
    extents, window, *steps = geometry
    x, w = drawn(extents, window, inputs, outputs, groups)
    y = convolve(x, w, *steps, groups)
    g = np.random.default_rng(1).standard_normal(y.shape)
    to_input = convolve_to_input(g, w, extents, *steps, groups)
    to_weight = convolve_to_weight(g, x, window, *steps, groups)
    assert to_input.shape == x.shape
    assert to_weight.shape == w.shape
    np.testing.assert_allclose((x * to_input).sum(), (y * g).sum())
    np.testing.assert_allclose((w * to_weight).sum(), (y * g).sum())


@pytest.mark.parametrize("padding", [0, 3, 7])
def test_places_may_lie_wholly_in_the_padding(padding):
    x, w = drawn((4, 5), (2, 2), 1, 1, 1)
    steps = ((2, 1), (padding, padding), (1, 2))
    y = convolve(x, w, *steps)
    g = np.random.default_rng(1).standard_normal(y.shape)
    np.testing.assert_allclose((x * convolve_to_input(g, w, (4, 5), *steps)).sum(), (y * g).sum())


def test_a_stride_beyond_the_window_leaves_some_of_the_input_unseen():
    g, w, steps = np.ones((1, 1, 3)), np.full((1, 1, 1), 2.0), ((3,), (0,), (1,))
    back = convolve_to_input(g, w, (8,), *steps)
    assert back.tolist() == [[[2, 0, 0, 2, 0, 0, 2, 0]]]


def test_a_stride_deals_the_taps_out_to_its_grids():
    flat = layout((7,), window=(3,), stride=(2,), padding=(1,), dilation=(1,))
    assert flat.grid == (5,)
    assert [tuple(tap) for tap in flat.taps] == [(0, 0), (1, 0), (0, 1)]


def test_empty_batches_and_channels_pass_through():
    for n, c in itertools.product((0, 2), (0, 3)):
        x, w = np.zeros((n, c, 5)), np.zeros((4, c, 3))
        y = convolve(x, w, (1,), (0,), (1,))
        assert y.shape == (n, 4, 3)
        assert convolve_to_input(y, w, (5,), (1,), (0,), (1,)).shape == x.shape
        assert convolve_to_weight(y, x, (3,), (1,), (0,), (1,)).shape == w.shape


def test_extents_may_come_as_lists():
    g, w = np.ones((1, 1, 3)), np.ones((1, 1, 2))
    assert convolve_to_input(g, w, [4], (1,), (0,), (1,)).tolist() == [[[1, 2, 2, 1]]]
    assert convolve_to_weight(g, np.ones((1, 1, 4)), [2], (1,), (0,), (1,)).shape == (1, 1, 2)


def test_inputs_may_be_strided_and_read_only():
    x, w = drawn((8,), (3,), 3, 4, 1)
    backwards = x[:, :, ::-1].copy()[:, :, ::-1]
    backwards.flags.writeable = False
    for steps in (((2,), (1,), (1,)), ((1,), (0,), (1,))):
        np.testing.assert_array_equal(convolve(backwards, w, *steps), convolve(x, w, *steps))


def test_float32_stays_float32():
    x, w = np.zeros((1, 1, 5), np.float32), np.zeros((1, 1, 3), np.float32)
    for stride in ((1,), (4,)):
        steps = (stride, (1,), (1,))
        y = convolve(x, w, *steps)
        results = [
            y,
            convolve_to_input(y, w, (5,), *steps),
            convolve_to_weight(y, x, (3,), *steps),
        ]
        assert {a.dtype for a in results} == {np.dtype(np.float32)}


def test_a_window_wider_than_its_input_says_what_to_do():
    with pytest.raises(ValueError, match=SPAN_TEXT):
        output_extents((9, 2), (3, 3), (1, 1), (0, 1), (1, 2))
