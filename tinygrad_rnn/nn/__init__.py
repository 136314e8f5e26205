"""Networks: layers and cells with the names, shapes and results of PyTorch's.

=================  ===================================================================
`module`           trees of parameters, saved and loaded by name
`init`             first values
`linear`           affine maps
`embedding`        a vector for each id
`convolution`      a window of weights, slid over time or an image
`pooling`          one number for each window, or for a whole sequence
`sequence`         vectors repeated, and layers applied to every step
`cells`            one step of a recurrent network, written like its equations
`lstm`             the cell with a memory
`gru`              cells whose gates act on the state
`wrappers`         cells made from cells: deeper, in both directions, with residuals
`dropout`          noise against overfitting, between cells and inside
`normalization`    features brought to mean 0 and variance 1, between cells and inside
`recurrent`        cells run over sequences
`attention`        a mean over a memory, weighed by how well each place answers
`encoder_decoder`  from one sequence to another
`summaries`        what a model is made of, and what it costs
`arguments`        what layers ask of their arguments
=================  ===================================================================
"""

from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.attention import (
    AdditiveAttention,
    Attention,
    Attentive,
    BilinearAttention,
    DotAttention,
    Memory,
)
from tinygrad_rnn.nn.cells import AffineCell, Cell, RNNCell
from tinygrad_rnn.nn.convolution import Conv1d, Conv2d
from tinygrad_rnn.nn.dropout import Dropout, VariationalDropout, Zoneout
from tinygrad_rnn.nn.embedding import Embedding
from tinygrad_rnn.nn.encoder_decoder import Decoder, Encoder, EncoderDecoder
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
from tinygrad_rnn.nn.pooling import (
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
)
from tinygrad_rnn.nn.recurrent import GRU, LSTM, RNN, Recurrent
from tinygrad_rnn.nn.sequence import RepeatVector, TimeDistributed
from tinygrad_rnn.nn.summaries import LayerSummary, Summary, summary
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
    "AdditiveAttention",
    "AffineCell",
    "Attention",
    "Attentive",
    "AvgPool1d",
    "AvgPool2d",
    "Bidirectional",
    "BilinearAttention",
    "Buffer",
    "Cell",
    "Conv1d",
    "Conv2d",
    "Decoder",
    "DotAttention",
    "Dropout",
    "Embedding",
    "Encoder",
    "EncoderDecoder",
    "GRUCell",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "LSTMCell",
    "LayerNorm",
    "LayerNormalized",
    "LayerSummary",
    "LearnedInitial",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "Memory",
    "MinimalGatedCell",
    "Module",
    "ModuleList",
    "Parameter",
    "Projection",
    "RNNCell",
    "Recurrent",
    "RepeatVector",
    "Residual",
    "Sequential",
    "Stacked",
    "StateDictError",
    "Summary",
    "TimeDistributed",
    "VariationalDropout",
    "Wrapper",
    "Zoneout",
    "init",
    "summary",
]
