import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def test_a_convolution_compares_each_place_with_its_window():
    layer = nn.Conv1d(2, 3, 4, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 2, 9))
    windows = np.lib.stride_tricks.sliding_window_view(x, 4, axis=2)
    expected = np.einsum("ncpk,ock->nop", windows, layer.weight.data)
    np.testing.assert_allclose(layer(x).data, expected + layer.bias.data[:, None], rtol=1e-13)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3)])
def test_same_padding_keeps_the_length(kernel_size, dilation):
    layer = nn.Conv1d(1, 1, kernel_size, padding="same", dilation=dilation)
    assert layer(np.ones((1, 1, 20), "float32")).shape == (1, 1, 20)


def test_parameters_start_as_in_pytorch_and_come_from_the_seed():
    layer = nn.Conv2d(4, 50, (2, 3), groups=2, seed=0)
    assert layer.weight.shape == (50, 2, 2, 3)
    for x in layer.parameters():
        assert 0.9 / np.sqrt(12) < np.abs(x.data).max() <= 1 / np.sqrt(12)
    again = nn.Conv2d(4, 50, (2, 3), groups=2, seed=0)
    assert np.array_equal(layer.weight.data, again.weight.data)


def test_it_can_be_differentiated_twice():
    layer = nn.Conv2d(2, 3, 2, padding="same", dtype="float64", seed=0)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4))
    tg.gradcheck(lambda x: tg.tanh(layer(x)), x, order=2)


def test_what_does_not_fit_is_refused():
    layer = nn.Conv1d(3, 2, 2)
    with pytest.raises(
        tg.ShapeError, match=r"Conv1d: got input of shape \(2, 4, 5\); expected \(N,"
    ):
        layer(np.ones((2, 4, 5), "float32"))
    with pytest.raises(tg.ShapeError, match=r"expected \(N, 3, H, W\), or \(3, H, W\) for one"):
        nn.Conv2d(3, 2, 2)(np.ones((5, 5), "float32"))
    with pytest.raises(tg.DtypeError, match="Conv1d: got input of dtype float64"):
        layer(np.ones((2, 3, 5)))
    with pytest.raises(tg.ShapeError, match="a window of 2 taps"):
        layer(np.ones((2, 3, 1), "float32"))


def test_options_that_make_no_layer_are_refused():
    with pytest.raises(
        ValueError, match="got groups=2 for 3 channels in and 4 out; expected a num"
    ):
        nn.Conv1d(3, 4, 1, groups=2)
    with pytest.raises(ValueError, match=r"padding='same' and stride=\(2,\); with a stride"):
        nn.Conv1d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(
        ValueError, match="got padding='full'; expected a number, 'same' or 'valid'"
    ):
        nn.Conv1d(3, 4, 3, padding="full")
    with pytest.raises(
        tg.ShapeError, match=r"Conv1d: got kernel_size=\(2, 2\); expected one integ"
    ):
        nn.Conv1d(3, 4, (2, 2))
    with pytest.raises(ValueError, match="Conv2d: got out_channels=0; expected an integer of 1"):
        nn.Conv2d(3, 0, 2)


def test_the_repr_names_sizes_and_unusual_options():
    assert repr(nn.Conv1d(3, 4, 2)) == "Conv1d(3, 4, kernel_size=(2,), stride=(1,))   28 parameters"
    assert repr(nn.Conv2d(3, 4, 1, padding="same", dilation=2, bias=False)) == (
        "Conv2d(3, 4, kernel_size=(1, 1), stride=(1, 1), padding=same, dilation=(2, 2), "
        "bias=False)   12 parameters"
    )
