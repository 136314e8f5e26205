r"""Ops that choose: comparisons, extremes of two, `where`, `clip`, triangles; and casts of dtypes.

Comparisons are *Iverson brackets*, $[a < b]$: 1 where the statement holds, else 0. They are flat,
so they pass no gradient; they say where a gradient goes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine import (
    Booleans,
    Case,
    DtypeError,
    Misuse,
    Operation,
    Reals,
    ShapeError,
    op,
)
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.ops.declaring import LINE, elementwise

__all__ = [
    "astype",
    "clip",
    "eq",
    "ge",
    "gt",
    "le",
    "lt",
    "maximum",
    "minimum",
    "ne",
    "tril",
    "triu",
    "where",
]

Array = Any


def comparison(symbol: str, tex: str, ufunc: np.ufunc) -> Callable[..., Operation]:
    """Declare a comparison by its operator."""
    return elementwise(
        LINE,
        LINE,
        kernel=f"{{a}} {symbol} {{b}}",
        tex=rf"[#a {tex} #b]",
        operator=symbol,
        ufunc=ufunc,
        differentiable=False,
    )


@comparison("==", "=", np.equal)
def eq(a: Array, b: Array, /) -> Array:
    """Whether $a = b$, elementwise."""
    return np.equal(a, b)


@comparison("!=", r"\ne", np.not_equal)
def ne(a: Array, b: Array, /) -> Array:
    r"""Whether $a \ne b$, elementwise."""
    return np.not_equal(a, b)


@comparison("<", "<", np.less)
def lt(a: Array, b: Array, /) -> Array:
    """Whether $a < b$, elementwise."""
    return np.less(a, b)


@comparison("<=", r"\le", np.less_equal)
def le(a: Array, b: Array, /) -> Array:
    r"""Whether $a \le b$, elementwise."""
    return np.less_equal(a, b)


@comparison(">", ">", np.greater)
def gt(a: Array, b: Array, /) -> Array:
    """Whether $a > b$, elementwise."""
    return np.greater(a, b)


@comparison(">=", r"\ge", np.greater_equal)
def ge(a: Array, b: Array, /) -> Array:
    r"""Whether $a \ge b$, elementwise."""
    return np.greater_equal(a, b)


@elementwise(
    Booleans(),
    LINE,
    LINE,
    kernel="{a} if {condition} else {b}",
    tex=r"#a \text{ where } #condition \text{ else } #b",
    binds="comparison",
)
def where(condition: Array, a: Array, b: Array, /) -> Array:
    r"""$a$ where the condition holds, $b$ elsewhere.

    Derivation:
        Each element of $y$ is a copy of one operand's element; the cotangent goes back to the one
        that was copied,
        $$\bar a = \bar y \text{ where } {\mathrm{condition}} \text{ else } 0$$
        $$\bar b = 0 \text{ where } {\mathrm{condition}} \text{ else } \bar y$$

    Example:
        >>> where(np.array([True, False]), 1.0, 2.0)
        array([1., 2.])
    """
    return np.where(condition, a, b)


where.defvjp(
    None,
    lambda g, y, condition, a, b: where(condition, g, 0.0),
    lambda g, y, condition, a, b: where(condition, 0.0, g),
)

LOWER, UPPER = Reals(low=-3, high=-0.2), Reals(low=0.2, high=3)


def share(g: Any, wins: Any, ties: Any) -> Any:
    """The cotangent of an operand that wins, or ties, a comparison: all of it, or half."""
    return where(ties, g / 2, where(wins, g, 0.0))


@elementwise(
    LOWER,
    UPPER,
    kernel="max({a}, {b})",
    tex=r"\max(#a, #b)",
    method="maximum",
    ufunc=np.maximum,
    samples=(Case(UPPER.resized(3), LOWER.resized(3)),),
)
def maximum(a: Array, b: Array, /) -> Array:
    r"""The greater of two, elementwise; NaN if either is.

    Derivation:
        The output is a copy of the winner. Where both are equal each gets half, so that the two
        cotangents still add up to the output's:
        $$\bar a = \frac{\bar y}{2} \text{ where } [a = b]
          \text{ else } (\bar y \text{ where } [a > b] \text{ else } 0)$$
        $$\bar b = \frac{\bar y}{2} \text{ where } [a = b]
          \text{ else } (\bar y \text{ where } [a < b] \text{ else } 0)$$

    Example:
        >>> maximum(np.array([1.0, 4.0]), 2.0)
        array([2., 4.])
    """
    return np.maximum(a, b)


maximum.defvjp(
    lambda g, y, a, b: share(g, a > b, a == b), lambda g, y, a, b: share(g, a < b, a == b)
)


@elementwise(
    LOWER,
    UPPER,
    kernel="min({a}, {b})",
    tex=r"\min(#a, #b)",
    method="minimum",
    ufunc=np.minimum,
    samples=(Case(UPPER.resized(3), LOWER.resized(3)),),
)
def minimum(a: Array, b: Array, /) -> Array:
    r"""The lesser of two, elementwise; NaN if either is.

    Derivation:
        As for `maximum`: a copy of the winner, halves for a tie,
        $$\bar a = \frac{\bar y}{2} \text{ where } [a = b]
          \text{ else } (\bar y \text{ where } [a < b] \text{ else } 0)$$
        $$\bar b = \frac{\bar y}{2} \text{ where } [a = b]
          \text{ else } (\bar y \text{ where } [a > b] \text{ else } 0)$$

    Example:
        >>> minimum(np.array([1.0, 4.0]), 2.0)
        array([1., 2.])
    """
    return np.minimum(a, b)


minimum.defvjp(
    lambda g, y, a, b: share(g, a < b, a == b), lambda g, y, a, b: share(g, a > b, a == b)
)

EDGED = Reals(low=-3, high=3, avoid=(-1.0, 1.0))


@op(
    samples=[
        Case(EDGED.resized(2, 3), low=-1.0, high=1.0),
        Case(EDGED.resized(4), high=1.0),
        Case(EDGED.resized(), low=-1.0),
        Case(EDGED.resized(0), low=-1.0, high=1.0),
    ],
    misuses=[
        Misuse((np.ones(2),), ValueError, "it needs low or high"),
        Misuse((np.ones(2),), ValueError, "low=1 is above high=0", {"low": 1, "high": 0}),
    ],
    tex=r"\operatorname{clip}(#x)",
    method="clip",
)
def clip(x: Array, /, low: float | None = None, high: float | None = None) -> Array:
    r"""$x$ held within $[\mathit{low}, \mathit{high}]$; either bound may be left out.

    Derivation:
        Inside the bounds the output is the input, outside it does not move. $x$ is inside just
        where clipping left it alone,
        $$\bar x = \bar y \text{ where } [x = y] \text{ else } 0$$

    Raises:
        ValueError: if there is no bound, or `low` is above `high`.

    Example:
        >>> clip(np.array([-2.0, 0.5, 2.0]), -1.0, 1.0)
        array([-1. ,  0.5,  1. ])
    """
    if low is None and high is None:
        raise ValueError("it needs low or high, and got neither")
    if low is not None and high is not None and low > high:
        raise ValueError(f"low={low} is above high={high}: swap them")
    return np.clip(x, low, high)


clip.defvjp(lambda g, y, x, low, high: where(x == y, g, 0.0))


TRIANGLES = [
    Case(Reals(3, 4)),
    Case(Reals(2, 3, 3), k=1),
    Case(Reals(3, 2), k=-1),
    Case(Reals(0, 3)),
]
FLAT = [Misuse((np.ones(3),), ShapeError, "expected at least 2 axes")]


@op(samples=TRIANGLES, misuses=FLAT, tex=r"\operatorname{tril} #x", binds="function", method="tril")
def tril(x: Array, /, k: int = 0) -> Array:
    r"""The lower triangle of the last two axes, zeros above it.

    Args:
        x: `(…, M, N)`.
        k: the last diagonal that is kept: 0 the main one, positive above it.

    Raises:
        ShapeError: if there are fewer than two axes.

    Derivation:
        An element is either copied or replaced by a constant, so its cotangent is either passed on
        or 0: the same triangle,
        $$\bar x = \operatorname{tril} \bar y$$

    Example:
        >>> tril(np.ones((2, 3)))
        array([[1., 0., 0.],
               [1., 1., 0.]])
    """
    return np.tril(matrices("tril", x), k)


tril.defvjp(lambda g, y, x, k: tril(g, k=k))


@op(samples=TRIANGLES, misuses=FLAT, tex=r"\operatorname{triu} #x", binds="function", method="triu")
def triu(x: Array, /, k: int = 0) -> Array:
    r"""The upper triangle of the last two axes, zeros below it.

    Args:
        x: `(…, M, N)`.
        k: the first diagonal that is kept: 0 the main one, positive above it.

    Raises:
        ShapeError: if there are fewer than two axes.

    Derivation:
        As for `tril`, an element is either copied or replaced by a constant,
        $$\bar x = \operatorname{triu} \bar y$$

    Example:
        >>> triu(np.ones((2, 3)), k=1)
        array([[0., 1., 1.],
               [0., 0., 1.]])
    """
    return np.triu(matrices("triu", x), k)


triu.defvjp(lambda g, y, x, k: triu(g, k=k))


def matrices(call: str, x: Array) -> Array:
    """`x`, refused unless its last two axes make matrices."""
    x = np.asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"{call}: got x {described(x)}; expected at least 2 axes, (…, M, N)")
    return x


@op(
    samples=[Case(LINE.resized(2, 3), dtype=np.float64), Case(LINE.resized(), dtype=np.float64)],
    misuses=[
        Misuse((np.ones(2),), DtypeError, "expected float32, float64", {"dtype": "complex64"})
    ],
    tex="#x",
    method="astype",
)
def astype(x: Array, /, dtype: Any) -> Array:
    r"""The same values in another floating dtype.

    Integers and booleans have no gradient: convert `x.detach().numpy()` to those.

    Derivation:
        A cast changes how a number is stored, not the number; the engine casts the cotangent
        back,
        $$\bar x = \bar y$$

    Raises:
        DtypeError: if `dtype` is not float32, float64 or float16.

    Example:
        >>> astype(np.ones(2), "float32").dtype
        dtype('float32')
    """
    if np.dtype(dtype).kind != "f":
        raise DtypeError(
            f"astype: got {np.dtype(dtype)}; expected float32, float64 or float16, which have "
            "gradients: for others convert x.detach().numpy()"
        )
    return np.asarray(x).astype(dtype)


astype.defvjp(lambda g, y, x, dtype: g)
