"""Convolution and pooling do what loops over every index do, and the adjoints are adjoint."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn.kernels.convolution import (
    avg_pool,
    avg_pool_adjoint,
    convolve,
    convolve_to_input,
    convolve_to_weight,
    fold,
    max_pool,
    max_pool_adjoint,
    output_extents,
    pick_winners,
    unfold,
)

unhurried = settings(deadline=None, max_examples=50)

SPAN_TEXT = (
    r"a window of 3 taps with dilation 2 spans 5 places, but spatial axis 1 has 2, and 4 with "
    r"padding 1: pad more or use a smaller window"
)


@st.composite
def sliding(draw, *, narrowest=0):
    """Extents, window, stride, padding and dilation that fit each other, on one or two axes.

    The extents are at least `narrowest` times the window's span.
    """
    axes = []
    for _ in range(draw(st.integers(1, 2))):
        k, s, d = (draw(st.integers(1, 3)) for _ in range(3))
        span = d * (k - 1) + 1
        p = draw(st.integers(0, span // 2))
        axes.append((draw(st.integers(max(span - 2 * p, narrowest * span, 1), 9)), k, s, p, d))
    return tuple(zip(*axes, strict=True))


def patches_by_loops(x, window, stride, padding, dilation, outside):
    """`{place: {tap: x there, or `outside`}}`, straight from the definition."""
    extents = x.shape[2:]
    places = output_extents(extents, window, stride, padding, dilation)
    for place in np.ndindex(*places):
        taps = {}
        for tap in np.ndindex(*window):
            at = tuple(
                o * s - p + k * d
                for o, s, p, k, d in zip(place, stride, padding, tap, dilation, strict=True)
            )
            inside = all(0 <= i < n for i, n in zip(at, extents, strict=True))
            taps[tap] = x[(..., *at)] if inside else np.full(x.shape[:2], outside)
        yield place, taps


@unhurried
@given(sliding(), st.integers(1, 3))
def test_convolution_is_its_sum(geometry, groups):
    extents, window, *steps = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 2 * groups, *extents))
    w = rng.standard_normal((3 * groups, 2, *window))
    y = convolve(x, w, *steps, groups)
    for place, taps in patches_by_loops(x, window, *steps, 0.0):
        for g in range(groups):
            ours, theirs = slice(3 * g, 3 * g + 3), slice(2 * g, 2 * g + 2)
            expected = sum(v[:, theirs] @ w[(ours, slice(None), *tap)].T for tap, v in taps.items())
            np.testing.assert_allclose(y[(slice(None), ours, *place)], expected, atol=1e-12)


@unhurried
@given(sliding(), st.integers(1, 2))
def test_the_adjoints_of_convolution_are_adjoint(geometry, groups):
    extents, window, *steps = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 2 * groups, *extents))
    w = rng.standard_normal((3 * groups, 2, *window))
    y = convolve(x, w, *steps, groups)
    g = rng.standard_normal(y.shape)
    to_input = convolve_to_input(g, w, extents, *steps, groups)
    to_weight = convolve_to_weight(g, x, window, *steps, groups)
    assert to_input.shape == x.shape
    assert to_weight.shape == w.shape
    np.testing.assert_allclose((x * to_input).sum(), (y * g).sum())
    np.testing.assert_allclose((w * to_weight).sum(), (y * g).sum())


@unhurried
@given(sliding())
def test_folding_is_the_adjoint_of_unfolding(geometry):
    extents, *sliding = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *extents))
    patches = unfold(x, *sliding)
    g = rng.standard_normal(patches.shape)
    np.testing.assert_allclose((patches * g).sum(), (x * fold(g, extents, *sliding)).sum())


@unhurried
@given(sliding(narrowest=1))
def test_max_pooling_finds_the_largest_and_says_where(geometry):
    extents, *sliding = geometry
    x = np.random.default_rng(0).standard_normal((2, 3, *extents))
    y, winners = max_pool(x, *sliding)
    for place, taps in patches_by_loops(x, *sliding, -np.inf):
        np.testing.assert_array_equal(y[(..., *place)], np.max(list(taps.values()), axis=0))
    np.testing.assert_array_equal(pick_winners(x, winners), y)


def test_of_equals_the_first_wins_and_padding_never():
    y, winners = max_pool(np.full((1, 1, 4), -np.inf), (3,), (1,), (1,), (1,))
    assert (y == -np.inf).all()
    np.testing.assert_array_equal(winners, [[[0, 0, 1, 2]]])


@pytest.mark.parametrize("rows", [1, 20_000])
def test_nan_wins(rows):
    x = np.tile([1.0, np.nan, 5.0, np.nan], (rows, 1, 1))
    y, winners = max_pool(x, (4,), (1,), (0,), (1,))
    assert np.isnan(y).all()
    assert (winners == 1).all()


def test_windows_that_meet_only_padding_are_refused():
    with pytest.raises(ValueError, match=r"padding \(2,\) leaves some windows of \(2,\) taps with"):
        max_pool(np.zeros((1, 1, 4)), (2,), (1,), (2,), (1,))


@unhurried
@given(sliding(narrowest=1))
def test_the_adjoint_of_max_pooling_is_adjoint_to_picking(geometry):
    extents, *sliding = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *extents))
    y, winners = max_pool(x, *sliding)
    g = rng.standard_normal(y.shape)
    np.testing.assert_allclose((y * g).sum(), (x * max_pool_adjoint(g, winners, extents)).sum())


@unhurried
@given(sliding(narrowest=1))
def test_average_pooling_is_the_mean_with_padding_and_its_adjoint_adjoint(geometry):
    extents, window, stride, padding, _ = geometry
    near = (1,) * len(window)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *extents))
    y = avg_pool(x, window, stride, padding)
    for place, taps in patches_by_loops(x, window, stride, padding, near, 0.0):
        mean = sum(taps.values()) / math.prod(window)
        np.testing.assert_allclose(y[(..., *place)], mean, atol=1e-14)
    g = rng.standard_normal(y.shape)
    adjoint = avg_pool_adjoint(g, extents, window, stride, padding)
    np.testing.assert_allclose((y * g).sum(), (x * adjoint).sum())


def test_empty_batches_and_channels_pass_through():
    for n, c in itertools.product((0, 2), (0, 3)):
        x, w = np.zeros((n, c, 5)), np.zeros((4, c, 3))
        y = convolve(x, w, (1,), (0,), (1,))
        assert y.shape == (n, 4, 3)
        assert convolve_to_input(y, w, (5,), (1,), (0,), (1,)).shape == x.shape
        assert convolve_to_weight(y, x, (3,), (1,), (0,), (1,)).shape == w.shape
        pooled, winners = max_pool(x, (2,), (2,), (0,), (1,))
        assert pooled.shape == winners.shape == (n, c, 2)
        assert max_pool_adjoint(pooled, winners, (5,)).shape == x.shape
        assert avg_pool(x, (2,), (2,), (0,)).shape == (n, c, 2)


def test_inputs_may_be_strided_and_read_only():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 8)), rng.standard_normal((4, 3, 3))
    backwards = x[:, :, ::-1].copy()[:, :, ::-1]
    backwards.flags.writeable = False
    steps = ((2,), (1,), (1,))
    np.testing.assert_array_equal(convolve(backwards, w, *steps), convolve(x, w, *steps))


def test_float32_stays_float32():
    x, w = np.zeros((1, 1, 5), np.float32), np.zeros((1, 1, 3), np.float32)
    steps = ((1,), (1,), (1,))
    y = convolve(x, w, *steps)
    results = [
        y,
        convolve_to_input(y, w, (5,), *steps),
        convolve_to_weight(y, x, (3,), *steps),
        max_pool(x, (3,), *steps)[0],
        avg_pool(x, (3,), (1,), (1,)),
        avg_pool_adjoint(y, (5,), (3,), (1,), (1,)),
    ]
    assert {a.dtype for a in results} == {np.dtype(np.float32)}


def test_a_window_wider_than_its_input_says_what_to_do():
    with pytest.raises(ValueError, match=SPAN_TEXT):
        output_extents((9, 2), (3, 3), (1, 1), (0, 1), (1, 2))
