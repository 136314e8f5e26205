r"""The nonlinearities of neural networks."""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Reals, composed
from tinygrad_rnn.ops.declaring import LINE, NONZERO, elementwise
from tinygrad_rnn.ops.elementwise import erf
from tinygrad_rnn.ops.selection import where

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]

Array = Any


@elementwise(LINE, kernel="tanh({x})", tex=r"\tanh #x", binds="function", method="tanh",
             ufunc=np.tanh)  # fmt: skip
def tanh(x: Array, /) -> Array:
    r"""Hyperbolic tangent, $y = \tanh x$.

    Derivation:
        The quotient rule on $(e^x - e^{-x}) / (e^x + e^{-x})$ gives $dy/dx = 1 - y^2$, so
        $$\bar x = \bar y \odot (1 - y \odot y)$$
        Written in $y$, not $x$: it is already there and cannot overflow.

    Example:
        >>> tanh(np.zeros(2))
        array([0., 0.])
    """
    return np.tanh(x)


tanh.defvjp(lambda g, y, x: g * (1 - y * y))


@elementwise(LINE, kernel="sigmoid({x})", tex=r"\sigma(#x)", method="sigmoid")
def sigmoid(x: Array, /) -> Array:
    r"""Logistic function, $y = \sigma(x) = 1 / (1 + e^{-x})$.

    Where $e^{-x}$ overflows the quotient is 0, as it should be; the smallest values stay accurate.

    Derivation:
        With $u = 1 + e^{-x}$ and $y = 1/u$: $dy/dx = e^{-x} / u^2 = y\,(u - 1)/u = y\,(1 - y)$, so
        $$\bar x = \bar y \odot y \odot (1 - y)$$

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
        array([0. , 0.5, 1. ])
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(np.negative(x)))


sigmoid.defvjp(lambda g, y, x: g * y * (1 - y))


@elementwise(NONZERO, kernel="max({x}, 0)", tex=r"\operatorname{relu} #x", binds="function",
             method="relu")  # fmt: skip
def relu(x: Array, /) -> Array:
    r"""Rectifier, $y = \max(x, 0)$; at its kink, 0, the derivative is taken as 0.

    Derivation:
        The slope is 1 where $x > 0$ and 0 elsewhere; $y > 0$ says the same,
        $$\bar x = \bar y \text{ where } [y > 0] \text{ else } 0$$

    Example:
        >>> relu(np.array([-1.0, 2.0]))
        array([0., 2.])
    """
    return np.maximum(x, 0)


relu.defvjp(lambda g, y, x: where(y > 0, g, 0.0))


@elementwise(
    NONZERO,
    kernel="{x} if {x} > 0 else {slope} * {x}",
    tex=r"\operatorname{leaky\_relu} #x",
    binds="function",
    method="leaky_relu",
    samples=(Case(NONZERO.resized(3), slope=0.3),),
)
def leaky_relu(x: Array, /, slope: float = 0.01) -> Array:
    r"""Leaky rectifier: $x$ where $x > 0$, $\mathit{slope} \cdot x$ elsewhere.

    Derivation:
        Two straight lines that meet at 0, where the lower slope is taken,
        $$\bar x = \bar y \odot (1 \text{ where } [x > 0] \text{ else } 0.01)$$

    Example:
        >>> leaky_relu(np.array([-1.0, 2.0]))
        array([-0.01,  2.  ])
    """
    return np.where(np.greater(x, 0), x, np.multiply(x, slope))


leaky_relu.defvjp(lambda g, y, x, slope: g * where(x > 0, 1.0, slope))


@elementwise(
    NONZERO,
    kernel="{x} if {x} > 0 else {alpha} * expm1({x})",
    tex=r"\operatorname{elu} #x",
    binds="function",
    method="elu",
    samples=(Case(NONZERO.resized(3), alpha=0.5),),
)
def elu(x: Array, /, alpha: float = 1.0) -> Array:
    r"""Exponential linear unit: $x$ where $x > 0$, $\alpha (e^x - 1)$ elsewhere.

    Derivation:
        Left of 0 the slope is $\alpha e^x = y + \alpha$, right of it 1,
        $$\bar x = \bar y \odot (1 \text{ where } [x > 0] \text{ else } y + 1)$$

    Example:
        >>> elu(np.array([-1000.0, 2.0]))
        array([-1.,  2.])
    """
    return np.where(np.greater(x, 0), x, alpha * np.expm1(np.minimum(x, 0)))


elu.defvjp(lambda g, y, x, alpha: g * where(x > 0, 1.0, y + alpha))


@elementwise(LINE, kernel="log1p(exp(-abs({x}))) + max({x}, 0)", tex=r"\operatorname{softplus} #x",
             binds="function", method="softplus")  # fmt: skip
def softplus(x: Array, /) -> Array:
    r"""Smooth rectifier, $y = \log(1 + e^x)$, without overflow.

    Derivation:
        The chain rule gives $e^x / (1 + e^x)$, which is the logistic function,
        $$\bar x = \bar y \odot \sigma(x)$$

    Example:
        >>> softplus(np.array([-1000.0, 1000.0]))
        array([   0., 1000.])
    """
    return np.logaddexp(x, 0)


softplus.defvjp(lambda g, y, x: g * sigmoid(x))

CURVE = [Case(Reals(2, 3, low=-3, high=3)), Case(Reals()), Case(Reals(0, 3))]


@composed(samples=CURVE, method="silu")
def silu(x: Array) -> Array:
    r"""Sigmoid linear unit, $y = x\,\sigma(x)$ (Elfwing, Uchibe & Doya 2018, eq. 2).

    Example:
        >>> silu(np.zeros(2))
        array([0., 0.])
    """
    return x * sigmoid(x)


@composed(samples=CURVE, method="gelu")
def gelu(x: Array) -> Array:
    r"""Gaussian error linear unit, $y = x\,\Phi(x)$ (Hendrycks & Gimpel 2016, section 2).

    $\Phi$ is the distribution function of the standard normal, $\frac12(1 + \operatorname{erf}
    (x/\sqrt2))$; this is the exact form, not the one through $\tanh$.

    Example:
        >>> gelu(np.zeros(2))
        array([0., 0.])
    """
    return x * (0.5 * (1 + erf(x / math.sqrt(2))))
