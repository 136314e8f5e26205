"""What to reduce: arrays of any layout, and some of their axes."""

import math

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg

quick = settings(max_examples=40, deadline=None)


@st.composite
def layouts(draw, least=1, axes=(0, 3)):
    """An array of distinct values with any strides, some of them negative."""
    shape = draw(hnp.array_shapes(min_dims=axes[0], max_dims=axes[1], min_side=least, max_side=4))
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 2, -1, -2])) for _ in shape]
    wide = np.random.default_rng(0).permutation(math.prod(shape) * 2 ** len(shape))
    wide = wide.reshape([2 * n for n in shape]) / wide.size - 0.4
    picked = wide[tuple(slice(None, None, s) for s in steps)]
    return picked[tuple(slice(n) for n in shape)].transpose(order)


def some_axes(ndim):
    one = st.integers(-ndim, ndim - 1) if ndim else st.just(())
    several = st.sets(st.integers(0, ndim - 1)) if ndim else st.just(set())
    return st.none() | one | several.map(lambda s: tuple(a - ndim * (a % 2) for a in sorted(s)))


@st.composite
def reductions(draw, least=1):
    """An array, axes to fold, and whether to keep them."""
    x = draw(layouts(least))
    return x, draw(some_axes(x.ndim)), draw(st.booleans())


def gradient(f, x, g=None):
    """The cotangent of x for a cotangent of f(x), of ones unless told."""
    x = tg.tensor(x, dtype=np.float64, requires_grad=True)
    y = f(x)
    y.backward(np.ones(y.shape) if g is None else g)
    return x.grad.data
