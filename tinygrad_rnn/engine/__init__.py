"""The engine: ops, tensors and derivatives. It knows no particular op; `ops` declares them.

==============  ==========================================================================
`operation`     what an op is, the registry, and the one place where ops are declared
`samples`       domains from which an op's sample inputs are drawn
`tensors`       an array that remembers where it came from
`backward`      cotangents, from outputs to leaves
`transforms`    `grad`, `vjp`, `jvp`, Hessian products, checkpointing
`checking`      `gradcheck`: rules against finite differences
`formula`       the carrier that prints LaTeX
`nesting`       nested tuples, lists and dicts of tensors
`modes`         settings of the moment, in context variables
`anomaly`       watching for the first NaN
`errors`        what can go wrong, by name
==============  ==========================================================================
"""

from tinygrad_rnn.engine.checking import Report, gradcheck
from tinygrad_rnn.engine.errors import (
    AnomalyError,
    DtypeError,
    GradcheckError,
    GraphError,
    ShapeError,
)
from tinygrad_rnn.engine.formula import TeX, formulas_of
from tinygrad_rnn.engine.modes import default_dtype, detect_anomaly, enable_grad, no_grad
from tinygrad_rnn.engine.operation import COMPOSITIONS, REGISTRY, Carrier, Operation, composed, op
from tinygrad_rnn.engine.samples import Booleans, Case, Integers, Misuse, Reals
from tinygrad_rnn.engine.tensors import Tensor, tensor
from tinygrad_rnn.engine.transforms import (
    checkpoint,
    grad,
    hessian_vector_product,
    jvp,
    value_and_grad,
    vjp,
)

__all__ = [
    "COMPOSITIONS",
    "REGISTRY",
    "AnomalyError",
    "Booleans",
    "Carrier",
    "Case",
    "DtypeError",
    "GradcheckError",
    "GraphError",
    "Integers",
    "Misuse",
    "Operation",
    "Reals",
    "Report",
    "ShapeError",
    "TeX",
    "Tensor",
    "checkpoint",
    "composed",
    "default_dtype",
    "detect_anomaly",
    "enable_grad",
    "formulas_of",
    "grad",
    "gradcheck",
    "hessian_vector_product",
    "jvp",
    "no_grad",
    "op",
    "tensor",
    "value_and_grad",
    "vjp",
]
