"""The ops, each declared once beside its derivation; one module for each family.

================  ==========================================================================
`elementwise`     arithmetic and the elementary functions
`activations`     the nonlinearities of networks
`selection`       comparisons, extremes of two, `where`, `clip`, triangles; casts
`shape`           other shapes and orders of axes, copies along axes
`join`            joining, splitting, padding, repeating
`reduce`          sums, products, means and variances along axes
`extremes`        the greatest and the least element, and where they are
`linalg`          products of matrices, `einsum`, norms
`index`           `x[index]` and `x.at[index]`
`gather`          picking along an axis by integers, and adding; embeddings
`normalize`       softmax, layer normalisation, dropout
`classification`  losses over classes
`loss`            losses between numbers
`projected`       the loss over classes of a linear layer
`conv`            convolution over time and over images
`pool`            pooling over time and over images
`declaring`       how an elementwise op is declared
`bounds`          how an index that is not there is refused
================  ==========================================================================
"""

from tinygrad_rnn.ops.activations import (
    elu,
    gelu,
    leaky_relu,
    relu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from tinygrad_rnn.ops.bounds import (
    IndexingError,
)
from tinygrad_rnn.ops.classification import (
    cross_entropy,
    cross_entropy_adjoint,
    nll,
    target_distribution,
)
from tinygrad_rnn.ops.conv import (
    conv1d,
    conv2d,
    convolve,
    convolve_to_input,
    convolve_to_weight,
)
from tinygrad_rnn.ops.elementwise import (
    abs,
    add,
    cos,
    div,
    erf,
    exp,
    expm1,
    log,
    log1p,
    mul,
    neg,
    pow,
    rsqrt,
    sign,
    sin,
    sqrt,
    sub,
)
from tinygrad_rnn.ops.extremes import (
    argmax,
    argmin,
    max,
    min,
)
from tinygrad_rnn.ops.gather import (
    embedding,
    one_hot,
    scatter_add,
    take,
    take_adjoint,
    take_along_axis,
    take_along_axis_adjoint,
)
from tinygrad_rnn.ops.index import (
    At,
    Place,
    getitem,
    getitem_adjoint,
    set_at,
)
from tinygrad_rnn.ops.join import (
    concatenate,
    pad,
    repeat,
    split,
    stack,
    tile,
    unbind,
)
from tinygrad_rnn.ops.linalg import (
    contract,
    einsum,
    matmul,
    norm,
    outer,
)
from tinygrad_rnn.ops.loss import (
    bce_with_logits,
    huber,
    mae,
    mse,
)
from tinygrad_rnn.ops.normalize import (
    dropout,
    layer_norm,
    log_softmax,
    softmax,
    standardize,
)
from tinygrad_rnn.ops.pool import (
    avg_pool,
    avg_pool_adjoint,
    max_pool,
    max_pool_adjoint,
    max_pool_winners,
    pick_winners,
)
from tinygrad_rnn.ops.projected import (
    linear_cross_entropy,
    projected_cross_entropy,
)
from tinygrad_rnn.ops.reduce import (
    cumsum,
    logsumexp,
    mean,
    prod,
    prod_of_others,
    std,
    sum,
    var,
)
from tinygrad_rnn.ops.selection import (
    astype,
    clip,
    eq,
    ge,
    gt,
    le,
    lt,
    maximum,
    minimum,
    ne,
    tril,
    triu,
    where,
)
from tinygrad_rnn.ops.shape import (
    broadcast_to,
    flatten,
    flip,
    moveaxis,
    permute,
    reshape,
    squeeze,
    transpose,
    unsqueeze,
)

__all__ = [
    "At",
    "IndexingError",
    "Place",
    "abs",
    "add",
    "argmax",
    "argmin",
    "astype",
    "avg_pool",
    "avg_pool_adjoint",
    "bce_with_logits",
    "broadcast_to",
    "clip",
    "concatenate",
    "contract",
    "conv1d",
    "conv2d",
    "convolve",
    "convolve_to_input",
    "convolve_to_weight",
    "cos",
    "cross_entropy",
    "cross_entropy_adjoint",
    "cumsum",
    "div",
    "dropout",
    "einsum",
    "elu",
    "embedding",
    "eq",
    "erf",
    "exp",
    "expm1",
    "flatten",
    "flip",
    "ge",
    "gelu",
    "getitem",
    "getitem_adjoint",
    "gt",
    "huber",
    "layer_norm",
    "le",
    "leaky_relu",
    "linear_cross_entropy",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "lt",
    "mae",
    "matmul",
    "max",
    "max_pool",
    "max_pool_adjoint",
    "max_pool_winners",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "mse",
    "mul",
    "ne",
    "neg",
    "nll",
    "norm",
    "one_hot",
    "outer",
    "pad",
    "permute",
    "pick_winners",
    "pow",
    "prod",
    "prod_of_others",
    "projected_cross_entropy",
    "relu",
    "repeat",
    "reshape",
    "rsqrt",
    "scatter_add",
    "set_at",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "squeeze",
    "stack",
    "standardize",
    "std",
    "sub",
    "sum",
    "take",
    "take_adjoint",
    "take_along_axis",
    "take_along_axis_adjoint",
    "tanh",
    "target_distribution",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "unsqueeze",
    "var",
    "where",
]
