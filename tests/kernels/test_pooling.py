"""Pooling does what loops over every index do, and the adjoints are adjoint."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given

from tests.kernels.windows import patches_by_loops, sliding, unhurried
from tinygrad_rnn.kernels.pooling import (
    avg_pool,
    avg_pool_adjoint,
    max_pool,
    max_pool_adjoint,
    pick_winners,
)


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
        x = np.zeros((n, c, 5))
        pooled, winners = max_pool(x, (2,), (2,), (0,), (1,))
        assert pooled.shape == winners.shape == (n, c, 2)
        assert max_pool_adjoint(pooled, winners, (5,)).shape == x.shape
        assert avg_pool(x, (2,), (2,), (0,)).shape == (n, c, 2)
        assert avg_pool_adjoint(pooled, (5,), (2,), (2,), (0,)).shape == x.shape


def test_float32_stays_float32():
    x = np.zeros((1, 1, 5), np.float32)
    largest, winners = max_pool(x, (3,), (1,), (1,), (1,))
    results = [
        largest,
        max_pool_adjoint(largest, winners, (5,)),
        avg_pool(x, (3,), (1,), (1,)),
        avg_pool_adjoint(largest, (5,), (3,), (1,), (1,)),
    ]
    assert {a.dtype for a in results} == {np.dtype(np.float32)}
