"""Triangles of matrices; comparisons and extremes of two are tested with every op, by registry."""

import numpy as np
import pytest

import tinygrad_rnn as tg

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("k", [-2, 0, 1])
def test_triangles_are_numpys(k):
    np.testing.assert_array_equal(tg.tensor(X).tril(k).data, np.tril(X, k))
    np.testing.assert_array_equal(tg.tensor(X).triu(k).data, np.triu(X, k))


def test_a_nan_outside_a_triangle_does_not_spoil_it():
    x = tg.tensor([[1.0, np.nan], [2.0, 3.0]], requires_grad=True)
    y = x.tril()
    y.sum().backward()
    assert y.tolist() == [[1, 0], [2, 3]]
    assert x.grad.tolist() == [[1, 0], [1, 1]]
