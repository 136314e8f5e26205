"""Extremes share their cotangent, and are where NumPy finds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tests.ops.reductions import gradient, layouts, quick


@given(layouts(axes=(1, 3)), st.data())
@quick
def test_places_are_those_of_numpy(x, data):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    np.testing.assert_array_equal(tg.Tensor(x).argmax(axis).data, np.argmax(x, axis))
    np.testing.assert_array_equal(
        tg.argmin(x, axis, keepdims=True), np.argmin(x, axis, keepdims=True)
    )


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_the_cotangent_evenly(name):
    x = np.array([[5.0, 5.0, 5.0, 5.0], [1.0, 5.0, 1.0, 5.0]])
    g = gradient(lambda t: getattr(t, name)(axis=1), x)
    rows = [[0.25] * 4, [0.0, 0.5, 0.0, 0.5] if name == "max" else [0.5, 0.0, 0.5, 0.0]]
    np.testing.assert_array_equal(g, rows)


@given(hnp.arrays(np.float64, (3, 4), elements=st.integers(0, 2)))
@quick
def test_what_arrives_adds_up_to_what_was_sent(x):
    for f in (lambda t: t.max(axis=0), lambda t: t.min(axis=0), lambda t: t.norm(np.inf, 0)):
        total = gradient(f, x + 1).sum(axis=0)
        np.testing.assert_allclose(total, np.ones(4), rtol=1e-15)


def test_infinities_are_extremes_like_others():
    x = np.array([-np.inf, -np.inf])
    np.testing.assert_array_equal(gradient(lambda t: t.max(), x), [0.5, 0.5])


def test_nan_wins():
    assert np.isnan(tg.max(np.array([1.0, np.nan])))
    assert np.isnan(tg.min(np.array([1.0, np.nan])))


def test_the_first_of_several_is_where_the_extreme_is():
    assert tg.argmax(np.array([1, 3, 3])) == 1
    assert tg.argmin(np.array([1, 0, 0])) == 1


def test_places_have_no_gradient():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert not x.argmax().requires_grad
    assert x[x.argmax()].item() == 2.0


def test_argmax_looks_along_one_axis():
    with pytest.raises(tg.DtypeError, match=r"got axis \(0, 1\); expected one axis, or None"):
        tg.argmax(np.ones((2, 3)), axis=(0, 1))
