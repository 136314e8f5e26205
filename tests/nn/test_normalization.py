"""LayerNorm; its numbers are compared with PyTorch's in `test_goldens`."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def test_each_example_gets_mean_zero_and_variance_one():
    y = nn.LayerNorm((3, 4), dtype="float64")(np.random.default_rng(0).normal(5, 3, (6, 3, 4))).data
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(y.var((1, 2)), 1, rtol=1e-4)


def test_it_can_be_differentiated_twice():
    layer = nn.LayerNorm(4, dtype="float64")
    nn.init.normal_(layer.weight, seed=0)
    tg.gradcheck(layer, np.random.default_rng(0).normal(size=(3, 4)), order=2)


def test_an_input_that_does_not_fit_is_refused():
    for layer in (nn.LayerNorm(4), nn.LayerNorm(4, elementwise_affine=False)):
        with pytest.raises(tg.ShapeError) as caught:
            layer(np.ones((4, 3), "float32"))
        assert str(caught.value) == (
            "LayerNorm: got input of shape (4, 3); its last 1 axes must have the shape that the "
            "layer was made for, (4,)"
        )
    with pytest.raises(tg.ShapeError, match=r"got input of shape \(\)"):
        nn.LayerNorm(4)(1.0)
    with pytest.raises(tg.DtypeError, match="LayerNorm: got input of dtype float64"):
        nn.LayerNorm(4)(np.ones((3, 4)))


def test_sizes_must_be_positive():
    with pytest.raises(
        ValueError, match=r"LayerNorm: got normalized_shape\[1\]=0; expected an int"
    ):
        nn.LayerNorm((2, 0))


def test_the_repr_shows_shape_and_options():
    assert repr(nn.LayerNorm((2, 3))) == "LayerNorm((2, 3))   12 parameters"
    assert repr(nn.LayerNorm(2, bias=False)) == "LayerNorm((2,), bias=False)   2 parameters"
    plain = nn.LayerNorm(2, elementwise_affine=False)
    assert repr(plain) == "LayerNorm((2,), elementwise_affine=False)   0 parameters"
