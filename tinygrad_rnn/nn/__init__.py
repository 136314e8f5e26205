"""Networks: layers and cells with the names, shapes and results of PyTorch's.

===============  ===================================================================
`module`         trees of parameters, saved and loaded by name
`init`           first values
`linear`         affine maps
`embedding`      a vector for each id
`cells`          one step of a recurrent network, written like its equations
`lstm`           the cell with a memory
`gru`            cells whose gates act on the state
`wrappers`       cells made from cells: deeper, in both directions, with residuals
`dropout`        noise against overfitting, between cells and inside
`normalization`  features brought to mean 0 and variance 1, between cells and inside
`recurrent`      cells run over sequences
`arguments`      what layers ask of their arguments
===============  ===================================================================
"""

from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.cells import AffineCell, Cell, RNNCell
from tinygrad_rnn.nn.dropout import Dropout, VariationalDropout, Zoneout
from tinygrad_rnn.nn.embedding import Embedding
from tinygrad_rnn.nn.gru import GRUCell, MinimalGatedCell
from tinygrad_rnn.nn.linear import Linear
from tinygrad_rnn.nn.lstm import LSTMCell
from tinygrad_rnn.nn.module import (
    Buffer,
    Module,
    ModuleList,
    Parameter,
    Sequential,
    StateDictError,
)
from tinygrad_rnn.nn.normalization import LayerNorm, LayerNormalized
from tinygrad_rnn.nn.recurrent import GRU, LSTM, RNN, Recurrent
from tinygrad_rnn.nn.wrappers import (
    Bidirectional,
    LearnedInitial,
    Projection,
    Residual,
    Stacked,
    Wrapper,
)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AffineCell",
    "Bidirectional",
    "Buffer",
    "Cell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LayerNorm",
    "LayerNormalized",
    "LearnedInitial",
    "Linear",
    "MinimalGatedCell",
    "Module",
    "ModuleList",
    "Parameter",
    "Projection",
    "RNNCell",
    "Recurrent",
    "Residual",
    "Sequential",
    "Stacked",
    "StateDictError",
    "VariationalDropout",
    "Wrapper",
    "Zoneout",
    "init",
]
