r"""Arithmetic and the elementary functions.

Each rule is written in whichever of $x$ and $y$ is at hand and safe.
"""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Reals
from tinygrad_rnn.kernels import elementary
from tinygrad_rnn.ops.declaring import LINE, NONZERO, POSITIVE, elementwise
from tinygrad_rnn.ops.selection import where

__all__ = [
    "abs",
    "add",
    "cos",
    "div",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "mul",
    "neg",
    "pow",
    "rsqrt",
    "sign",
    "sin",
    "sqrt",
    "sub",
]

Array = Any


@elementwise(LINE, LINE, kernel="{a} + {b}", tex="#a + #b", binds="sum", operator="+", ufunc=np.add)
def add(a: Array, b: Array, /) -> Array:
    r"""Sum, $y = a + b$.

    Derivation:
        $dy = da + db$: each operand sees the output's cotangent as it is,
        $$\bar a = \bar y$$
        $$\bar b = \bar y$$
        Where an operand was broadcast, the engine adds up the cotangents of its copies.

    Example:
        >>> add(np.ones(2), 1.0)
        array([2., 2.])
    """
    return np.add(a, b)


add.defvjp(lambda g, y, a, b: g, lambda g, y, a, b: g)


@elementwise(
    LINE, LINE, kernel="{a} - {b}", tex="#a - #b", binds="sum", operator="-", ufunc=np.subtract
)
def sub(a: Array, b: Array, /) -> Array:
    r"""Difference, $y = a - b$.

    Derivation:
        $dy = da - db$, so
        $$\bar a = \bar y$$
        $$\bar b = -\bar y$$

    Example:
        >>> sub(np.ones(2), 1.0)
        array([0., 0.])
    """
    return np.subtract(a, b)


sub.defvjp(lambda g, y, a, b: g, lambda g, y, a, b: -g)


@elementwise(
    LINE,
    LINE,
    kernel="{a} * {b}",
    tex=r"#a \odot #b",
    binds="product",
    operator="*",
    ufunc=np.multiply,
)
def mul(a: Array, b: Array, /) -> Array:
    r"""Elementwise product, $y = a \odot b$.

    Derivation:
        The product rule, $dy = b \odot da + a \odot db$, gives each operand the cotangent times
        the other,
        $$\bar a = \bar y \odot b$$
        $$\bar b = \bar y \odot a$$

    Example:
        >>> mul(np.array([1.0, 2.0]), 3.0)
        array([3., 6.])
    """
    return np.multiply(a, b)


mul.defvjp(lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)


@elementwise(
    LINE,
    NONZERO,
    kernel="{a} / {b}",
    tex=r"\frac{#a}{#b}",
    operator="/",
    ufunc=np.divide,
)
def div(a: Array, b: Array, /) -> Array:
    r"""Elementwise quotient, $y = a / b$.

    Derivation:
        From $y\,b = a$ the product rule gives $b\,dy + y\,db = da$, that is
        $dy = (da - y\,db) / b$, so
        $$\bar a = \frac{\bar y}{b}$$
        $$\bar b = -\frac{\bar y}{b} \odot y$$

    Example:
        >>> div(np.array([1.0, 2.0]), 2.0)
        array([0.5, 1. ])
    """
    return np.divide(a, b)


div.defvjp(lambda g, y, a, b: g / b, lambda g, y, a, b: -(g / b * y))


@elementwise(LINE, kernel="-{x}", tex="-#x", binds="sum", operator="neg", ufunc=np.negative)
def neg(x: Array, /) -> Array:
    r"""Negation, $y = -x$.

    Derivation:
        $dy = -dx$, so
        $$\bar x = -\bar y$$

    Example:
        >>> neg(np.ones(2))
        array([-1., -1.])
    """
    return np.negative(x)


neg.defvjp(lambda g, y, x: -g)


@elementwise(LINE, kernel="exp({x})", tex="e^{#x}", binds="power", method="exp", ufunc=np.exp)
def exp(x: Array, /) -> Array:
    r"""Exponential, $y = e^x$.

    Derivation:
        The exponential is its own derivative, $dy = y\,dx$, so
        $$\bar x = \bar y \odot y$$

    Example:
        >>> exp(np.zeros(2))
        array([1., 1.])
    """
    return np.exp(x)


exp.defvjp(lambda g, y, x: g * y)


@elementwise(LINE, kernel="expm1({x})", tex="e^{#x} - 1", binds="sum", method="expm1",
             ufunc=np.expm1)  # fmt: skip
def expm1(x: Array, /) -> Array:
    r"""$y = e^x - 1$, accurate where $x$ is near 0.

    Derivation:
        $dy = e^x\,dx$ and $e^x = y + 1$, so
        $$\bar x = \bar y \odot (y + 1)$$

    Example:
        >>> expm1(np.array([0.0, 1e-20]))
        array([0.e+00, 1.e-20])
    """
    return np.expm1(x)


expm1.defvjp(lambda g, y, x: g * (y + 1))


@elementwise(POSITIVE, kernel="log({x})", tex=r"\log #x", binds="function", method="log",
             ufunc=np.log)  # fmt: skip
def log(x: Array, /) -> Array:
    r"""Natural logarithm, $y = \log x$; $-\infty$ at 0 and NaN below, as in NumPy.

    Derivation:
        It inverts the exponential: $x = e^y$ gives $dx = x\,dy$, so
        $$\bar x = \frac{\bar y}{x}$$

    Example:
        >>> log(np.ones(2))
        array([0., 0.])
    """
    return np.log(x)


log.defvjp(lambda g, y, x: g / x)


@elementwise(Reals(low=-0.6, high=3), kernel="log1p({x})", tex=r"\log (1 + #x)",
             binds="function", method="log1p", ufunc=np.log1p)  # fmt: skip
def log1p(x: Array, /) -> Array:
    r"""$y = \log(1 + x)$, accurate where $x$ is near 0.

    Derivation:
        The chain rule on $\log(1 + x)$ gives
        $$\bar x = \frac{\bar y}{1 + x}$$

    Example:
        >>> log1p(np.array([0.0, 1e-20]))
        array([0.e+00, 1.e-20])
    """
    return np.log1p(x)


log1p.defvjp(lambda g, y, x: g / (1 + x))


@elementwise(
    POSITIVE,
    LINE,
    kernel="{a} ** {b}",
    tex="#a^{#b}",
    binds="power",
    operator="**",
    ufunc=np.power,
    samples=(Case(NONZERO.resized(3), 2), Case(NONZERO.resized(3), -1), Case(LINE.resized(3), 0)),
)
def pow(a: Array, b: Array, /) -> Array:
    r"""Power, $y = a^b$, elementwise.

    Derivation:
        In $a$ it is a power function and in $b$ an exponential one, with
        $\partial y / \partial a = b\,a^{b-1}$ and $\partial y / \partial b = y \log a$. At $b = 0$
        the first would be $0 \cdot a^{-1}$, undefined at $a = 0$ though the answer is 0, so the
        exponent is lowered only where $b \ne 0$ (the bracket is 1 where it holds, else 0). Where
        $a \le 0$ the power is not differentiable in $b$, and 0 is given:
        $$\bar a = \bar y \odot b \odot a^{b - [b \ne 0]}$$
        $$\bar b = \bar y \odot y \odot \log (a \text{ where } [a > 0] \text{ else } 1)$$

    Example:
        >>> pow(np.array([1.0, 2.0]), 2)
        array([1., 4.])
    """
    return a**b


pow.defvjp(
    lambda g, y, a, b: g * b * a ** (b - (b != 0)),
    lambda g, y, a, b: g * y * log(where(a > 0, a, 1.0)),
)


@elementwise(POSITIVE, kernel="sqrt({x})", tex=r"\sqrt{#x}", method="sqrt", ufunc=np.sqrt)
def sqrt(x: Array, /) -> Array:
    r"""Square root, $y = \sqrt x$; its derivative at 0 is infinite.

    Derivation:
        From $y^2 = x$ follows $2y\,dy = dx$, so
        $$\bar x = \frac{\bar y}{2 \odot y}$$

    Example:
        >>> sqrt(np.array([4.0, 9.0]))
        array([2., 3.])
    """
    return np.sqrt(x)


sqrt.defvjp(lambda g, y, x: g / (2 * y))


@elementwise(POSITIVE, kernel="1 / sqrt({x})", tex=r"\frac{1}{\sqrt{#x}}", method="rsqrt")
def rsqrt(x: Array, /) -> Array:
    r"""Reciprocal square root, $y = 1 / \sqrt x$.

    Derivation:
        $y = x^{-1/2}$ has the derivative $-\tfrac12 x^{-3/2} = -\tfrac12\,y / x$, so
        $$\bar x = -\frac{\bar y \odot y}{2 \odot x}$$

    Example:
        >>> rsqrt(np.array([1.0, 4.0]))
        array([1. , 0.5])
    """
    return 1 / np.sqrt(x)


rsqrt.defvjp(lambda g, y, x: -(g * y / (2 * x)))


@elementwise(NONZERO, kernel="sign({x})", tex=r"\operatorname{sign} #x", binds="function",
             method="sign", ufunc=np.sign)  # fmt: skip
def sign(x: Array, /) -> Array:
    r"""Sign: $-1$, 0 or 1. Flat wherever it has a derivative.

    Derivation:
        The slope is 0 on both sides of the jump, so
        $$\bar x = \bar y \odot 0$$

    Example:
        >>> sign(np.array([-3.0, 0.0, 2.0]))
        array([-1.,  0.,  1.])
    """
    return np.sign(x)


sign.defvjp(lambda g, y, x: g * 0)


@elementwise(NONZERO, kernel="abs({x})", tex="|{#x}|", method="abs", operator="abs",
             ufunc=np.absolute)  # fmt: skip
def abs(x: Array, /) -> Array:
    r"""Absolute value, $y = |x|$; at its kink, 0, the derivative is taken as 0.

    Derivation:
        The slope is the sign of $x$,
        $$\bar x = \bar y \odot \operatorname{sign} x$$

    Example:
        >>> abs(np.array([-1.0, 2.0]))
        array([1., 2.])
    """
    return np.abs(x)


abs.defvjp(lambda g, y, x: g * sign(x))


@elementwise(LINE, kernel="sin({x})", tex=r"\sin #x", binds="function", method="sin",
             ufunc=np.sin)  # fmt: skip
def sin(x: Array, /) -> Array:
    r"""Sine of an angle in radians, $y = \sin x$.

    Derivation:
        $$\bar x = \bar y \odot \cos x$$

    Example:
        >>> sin(np.zeros(2))
        array([0., 0.])
    """
    return np.sin(x)


@elementwise(LINE, kernel="cos({x})", tex=r"\cos #x", binds="function", method="cos",
             ufunc=np.cos)  # fmt: skip
def cos(x: Array, /) -> Array:
    r"""Cosine of an angle in radians, $y = \cos x$.

    Derivation:
        $$\bar x = -\bar y \odot \sin x$$

    Example:
        >>> cos(np.zeros(2))
        array([1., 1.])
    """
    return np.cos(x)


sin.defvjp(lambda g, y, x: g * cos(x))
cos.defvjp(lambda g, y, x: -(g * sin(x)))


@elementwise(LINE, kernel="erf({x})", tex=r"\operatorname{erf} #x", binds="function", method="erf")
def erf(x: Array, /) -> Array:
    r"""Error function, $y = \frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt$.

    Derivation:
        The fundamental theorem of calculus: the slope is the integrand at $x$, and
        $2 / \sqrt\pi = 1.12838\ldots$,
        $$\bar x = 1.12838 \odot \bar y \odot e^{-x \odot x}$$

    Example:
        >>> erf(np.array([0.0, 6.0]))
        array([0., 1.])
    """
    return elementary.erf(x)


erf.defvjp(lambda g, y, x: 2 / math.sqrt(math.pi) * g * exp(-(x * x)))
