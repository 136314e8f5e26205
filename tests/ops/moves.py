"""What every op that moves elements must satisfy, on arrays of any layout."""

import math

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg

quick = settings(max_examples=40, deadline=None)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def numbered(shape, seed=0):
    """Distinct numbers, laid out with negative strides in a random order of axes."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(shape))
    x = np.arange(math.prod(shape), dtype=np.float64).reshape([shape[k] for k in order])
    return x.transpose(np.argsort(order))[(slice(None, None, -1),) * len(shape)]


def assert_moves(f, numpy_f, *arrays):
    """`f` gives what NumPy gives, on arrays and tensors, and its vjp is its adjoint.

    A move is linear, so ⟨u, f(v)⟩ = ⟨vjp(u), v⟩ says that its cotangents are right.
    """
    expected = numpy_f(*arrays)
    np.testing.assert_array_equal(f(*arrays), expected, strict=True)
    y, pullback = tg.vjp(f, *arrays)
    np.testing.assert_array_equal(y.data, expected, strict=True)
    u = np.random.default_rng(1).integers(-5, 5, y.shape).astype(np.float64)
    cotangents = pullback(u)
    assert all(g.shape == x.shape for g, x in zip(cotangents, arrays, strict=True))
    sent = np.sum(u * expected)
    assert sent == sum(np.sum(g.data * x) for g, x in zip(cotangents, arrays, strict=True))


def axis_of(ndim):
    return st.integers(-ndim, ndim - 1)
