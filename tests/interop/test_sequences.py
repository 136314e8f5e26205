"""Recurrent layers in a row with others."""

import numpy as np
import pytest

from tinygrad_rnn import nn
from tinygrad_rnn.interop import InteropError, LastOutput, Outputs

X = np.random.default_rng(0).normal(size=(5, 3, 2)).astype("float32")
LENGTHS = [2, 5, 1]


LAYERS = {
    "one direction": nn.LSTM(2, 4, num_layers=2, seed=0),
    "both": nn.GRU(2, 4, num_layers=2, bidirectional=True, seed=0),
    "both, projected": nn.LSTM(2, 4, bidirectional=True, proj_size=3, seed=0),
    "a cell": nn.Recurrent(nn.LSTMCell(2, 4, seed=0)),
    "two cells": nn.Recurrent(nn.Bidirectional(nn.GRUCell(2, 4), nn.LSTMCell(2, 3))),
    "a stack": nn.Recurrent(nn.Stacked(nn.GRUCell(2, 4), nn.LSTMCell(4, 3))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_end_is_the_last_step_ahead_and_the_first_step_back(name):
    layer = LAYERS[name]
    y, last = Outputs(layer)(X, lengths=LENGTHS), LastOutput(layer)(X, lengths=LENGTHS)
    assert (y.detach().numpy() == layer(X, lengths=LENGTHS)[0].detach().numpy()).all()
    y, last = y.detach().numpy(), last.detach().numpy()
    assert last.shape == y.shape[1:]
    ahead = {"one direction": 4, "both": 4, "both, projected": 3, "a cell": 4, "two cells": 4,
             "a stack": 3}[name]  # fmt: skip
    ends = y[np.array(LENGTHS) - 1, np.arange(3)]
    assert (last[:, :ahead] == ends[:, :ahead]).all()
    assert (last[:, ahead:] == y[0, :, ahead:]).all()


def test_they_start_where_they_are_told():
    layer = nn.GRU(2, 4, seed=0)
    h = np.ones((1, 3, 4), "float32")
    assert (Outputs(layer)(X, h).detach().numpy() == layer(X, h)[0].detach().numpy()).all()
    assert (LastOutput(layer)(X, h).detach().numpy() == layer(X, h)[1][0].detach().numpy()).all()


def test_only_a_recurrent_layer_goes_in():
    for kind in (Outputs, LastOutput):
        with pytest.raises(InteropError, match=f"{kind.__name__}: got Linear; expected a recurr"):
            kind(nn.Linear(2, 2))


def test_a_cell_that_shows_something_else_has_no_end():
    layer = LastOutput(nn.Recurrent(nn.Residual(nn.GRUCell(2, 2))))
    with pytest.raises(InteropError, match="Residual shows something else than its state"):
        layer(X)
