import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def test_it_is_an_affine_map_of_the_last_axis():
    layer = nn.Linear(3, 2, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    np.testing.assert_allclose(
        layer(x).data, np.einsum("abi,oi->abo", x, layer.weight.data) + layer.bias.data, rtol=1e-13
    )


def test_it_starts_within_the_bounds_of_pytorch_and_from_its_seed():
    layer = nn.Linear(100, 50, seed=0)
    for x in layer.parameters():
        assert 0.09 < np.abs(x.data).max() <= 0.1
    assert np.array_equal(layer.weight.data, nn.Linear(100, 50, seed=0).weight.data)
    assert not np.array_equal(layer.weight.data, nn.Linear(100, 50, seed=1).weight.data)


def test_parameters_take_the_default_dtype():
    with tg.default_dtype("float64"):
        assert nn.Linear(2, 2).weight.dtype == "float64"
    assert nn.Linear(2, 2).weight.dtype == "float32"


def test_without_a_bias_there_is_none():
    layer = nn.Linear(3, 2, bias=False, seed=0)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert (layer(np.zeros((1, 3), "float32")).data == 0).all()


def test_it_can_be_differentiated_twice():
    layer = nn.Linear(3, 2, dtype="float64", seed=0)
    tg.gradcheck(lambda x: tg.tanh(layer(x)), np.random.default_rng(0).normal(size=(4, 3)), order=2)


def test_an_input_that_does_not_fit_is_refused():
    with pytest.raises(
        tg.ShapeError, match=r"Linear: got input of shape \(4, 2\); expected \(…, 3"
    ):
        nn.Linear(3, 2)(np.ones((4, 2), "float32"))
    with pytest.raises(tg.ShapeError, match=r"Linear: got input of shape \(\)"):
        nn.Linear(3, 2)(1.0)
    with pytest.raises(tg.DtypeError, match=r"Linear: got input of dtype float64, and the layer's"):
        nn.Linear(3, 2)(np.ones((4, 3)))


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "3"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match=r"Linear: got out_features=.*; expected an integer of 1"):
        nn.Linear(3, size)


def test_the_repr_names_the_sizes():
    assert repr(nn.Linear(3, 2, bias=False)) == (
        "Linear(in_features=3, out_features=2, bias=False)   6 parameters"
    )
