"""Pooling against its definition; PyTorch's grids are in the goldens."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.leaves import leaf

X1 = np.random.default_rng(0).standard_normal((2, 4, 9))
X2 = np.random.default_rng(1).standard_normal((2, 3, 5, 6))


def test_by_hand():
    x = np.array([[[1.0, 3.0, 2.0, 5.0, 4.0]]])
    assert tg.max_pool(x, 2).tolist() == [[[3, 5]]]
    assert tg.max_pool(x, 2, stride=1).tolist() == [[[3, 3, 5, 5]]]
    assert tg.max_pool(x, 2, dilation=3).tolist() == [[[5]]]
    assert tg.avg_pool(x, 2).tolist() == [[[2, 3.5]]]
    assert tg.avg_pool(x, 2, padding=1).tolist() == [[[0.5, 2.5, 4.5]]]


def test_of_equals_the_first_gets_the_whole_gradient():
    x = leaf([[[2.0, 2.0, 1.0, 1.0]]])
    x.max_pool(2).backward(np.array([[[3.0, 5.0]]]))
    assert x.grad.tolist() == [[[3, 0, 5, 0]]]


def test_an_entry_that_wins_twice_adds_up():
    x = leaf([[[1.0, 9.0, 1.0]]])
    x.max_pool(2, stride=1).backward(np.array([[[3.0, 5.0]]]))
    assert x.grad.tolist() == [[[0, 8, 0]]]


def test_padding_never_wins_a_maximum():
    x = np.full((1, 1, 4), -7.0)
    assert tg.max_pool(x, 3, stride=2, padding=1).tolist() == [[[-7, -7]]]


def test_nan_always_wins():
    y = tg.max_pool(np.array([[[np.nan, 1.0, 2.0, np.nan, 5.0, 4.0]]]), 2)
    assert np.isnan(y).tolist() == [[[True, True, False]]]


def test_an_image_of_height_1_is_a_sequence():
    wide = tg.max_pool(X1[:, :, None], (1, 3), stride=(1, 2), padding=(0, 1))
    np.testing.assert_array_equal(wide[:, :, 0], tg.max_pool(X1, 3, stride=2, padding=1))


@pytest.mark.parametrize("pool", [tg.max_pool, tg.avg_pool])
def test_layout_in_memory_does_not_matter(pool):
    x = np.asfortranarray(X2)[..., ::-1]
    x.flags.writeable = False
    np.testing.assert_allclose(pool(x, 2), pool(x.copy(), 2))


@pytest.mark.parametrize("pool", [tg.max_pool, tg.avg_pool])
def test_a_batch_of_nothing_is_fine(pool):
    x = leaf(np.zeros((0, 2, 6)))
    y = pool(x, 2)
    y.sum().backward()
    assert (y.shape, x.grad.shape) == ((0, 2, 3), (0, 2, 6))


def test_a_large_pooling_is_the_same_on_both_backends():
    x = np.random.default_rng(0).integers(0, 9, (4, 3, 40, 40)) / 1.0
    g, found = np.random.default_rng(1).standard_normal((4, 3, 20, 20)), []
    for name in ("numpy", "numba"):
        t = leaf(x)
        with tg.backend(name):
            y = tg.max_pool(t, 2)
            y.backward(g)
        found.append((y.data, t.grad.data))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
