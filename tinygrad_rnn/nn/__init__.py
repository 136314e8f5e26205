"""Networks: layers and cells with the names, shapes and results of PyTorch's.

===============  ===================================================================
`module`         trees of parameters, saved and loaded by name
`init`           first values
`linear`         affine maps
`embedding`      a vector for each id
`cells`          one step of a recurrent network, written like its equations
`recurrent`      cells run over sequences, stacked and in both directions
`dropout`        noise against overfitting
`normalization`  features brought to mean 0 and variance 1
`arguments`      what layers ask of their arguments
===============  ===================================================================
"""

from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.cells import Cell, GRUCell, LSTMCell, RNNCell
from tinygrad_rnn.nn.dropout import Dropout
from tinygrad_rnn.nn.embedding import Embedding
from tinygrad_rnn.nn.linear import Linear
from tinygrad_rnn.nn.module import (
    Buffer,
    Module,
    ModuleList,
    Parameter,
    Sequential,
    StateDictError,
)
from tinygrad_rnn.nn.normalization import LayerNorm
from tinygrad_rnn.nn.recurrent import GRU, LSTM, RNN, Recurrent

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Buffer",
    "Cell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "Module",
    "ModuleList",
    "Parameter",
    "RNNCell",
    "Recurrent",
    "Sequential",
    "StateDictError",
    "init",
]
