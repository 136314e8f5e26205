r"""Reductions: ops that fold axes of an array into one number each.

`axis` is what to fold: None for everything, one axis, or a tuple of them, counted from the end
where negative. With `keepdims` a folded axis stays, with length 1. In a rule, `kept` gives the
cotangent its folded axes back, so that it meets $x$ by broadcasting.

On no elements the sum is 0, the product 1 and the logsumexp $-\infty$; the others are undefined
there, and say so.
"""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Misuse, Reals, ShapeError, op
from tinygrad_rnn.ops.elementwise import exp
from tinygrad_rnn.ops.selection import where
from tinygrad_rnn.ops.shape import broadcast_to, flip, inverse, unsqueeze

__all__ = [
    "cumsum",
    "logsumexp",
    "mean",
    "prod",
    "prod_of_others",
    "std",
    "sum",
    "var",
]

Array = Any
Axis = int | tuple[int, ...] | None

# As Any, since NumPy's annotations leave no room for `keepdims: bool`.
total: Any = np.add.reduce
product: Any = np.multiply.reduce
greatest: Any = np.maximum.reduce
least: Any = np.minimum.reduce

NO_AXIS = Misuse((np.ones((2, 3)),), ShapeError, "axis 2 is out of bounds", {"axis": 2})
UNDEFINED = Misuse(
    (np.ones((0, 3)),), ShapeError, "no elements, and axis 0 has length 0", {"axis": 0}
)


def folding(domain: Reals) -> list[Case]:
    """Every reduction is tried on all axes, one, some, none, and without elements to show."""
    return [
        Case(domain.resized(2, 3)),
        Case(domain.resized(2, 3), axis=1),
        Case(domain.resized(2, 3), axis=-2, keepdims=True),
        Case(domain.resized(2, 3, 4), axis=(0, -1)),
        Case(domain.resized(2, 3), axis=()),
        Case(domain.resized(), keepdims=True),
        Case(domain.resized(0, 3), axis=1),
    ]


def folded(x: Any, axis: Axis) -> tuple[int, ...]:
    """The axes to fold, counted from the front; a number has none, and folds into itself."""
    if axis is None or not x.ndim:
        return tuple(range(x.ndim))
    return tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def kept(reduced: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction of `x` with its folded axes back, of length 1."""
    if keepdims or axis is None:  # the shape () meets any other
        return reduced
    axes = folded(x, axis)
    return reduced.reshape(tuple(1 if k in axes else n for k, n in enumerate(x.shape)))


def count(x: Any, axis: Axis) -> int:
    """How many elements each number of the output is made of."""
    return math.prod(x.shape[a] for a in folded(x, axis))


def refuse_nothing(x: Array, axis: Axis) -> None:
    """Refuse to fold an axis of length 0.

    Raises:
        ValueError: if there is one.
    """
    if 0 in x.shape:
        for k in folded(x, axis):
            if x.shape[k] == 0:
                raise ValueError(
                    f"this is undefined on no elements, and axis {k} has length 0; check x.size "
                    "first"
                )


@op(samples=folding(Reals()), misuses=[NO_AXIS], tex=r"\sum #x", binds="function", method="sum")
def sum(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""Sum, $y = \sum_i x_i$.

    Derivation:
        $dy = \sum_i dx_i$: every element moves the sum as much as it moves itself, and gets the
        cotangent of the sum that it went into,
        $$\bar x = \operatorname{broadcast}(\bar y, (2, 3))$$

    Raises:
        ShapeError: if there is no such axis.

    Example:
        >>> sum(np.array([[1, 2], [3, 4]]), axis=0)
        array([4, 6])
    """
    return total(x, axis=axis, keepdims=keepdims)


@sum.defvjp
def sum_vjp(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    return broadcast_to(kept(g, x, axis, keepdims), x.shape)


@op(
    samples=folding(Reals()),
    misuses=[NO_AXIS, UNDEFINED],
    tex=r"\operatorname{mean} #x",
    binds="function",
    method="mean",
)
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""Arithmetic mean, $y = \frac1n \sum_i x_i$.

    Derivation:
        A sum divided by $n$, here 6 elements,
        $$\bar x = \operatorname{broadcast}(\frac{\bar y}{6}, (2, 3))$$

    Raises:
        ShapeError: if there is no such axis, or no element.

    Example:
        >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        array([2., 3.])
    """
    x = np.asarray(x)
    refuse_nothing(x, axis)
    return total(x, axis=axis, keepdims=keepdims) / count(x, axis)


@mean.defvjp
def mean_vjp(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    return broadcast_to(kept(g / count(x, axis), x, axis, keepdims), x.shape)


def rows(x: Any, axis: Axis) -> Any:
    """`x` with the axes to fold moved to the end and made one."""
    axes = folded(x, axis)
    if axes == (x.ndim - 1,):
        return x
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    lengths = (*(x.shape[k] for k in rest), count(x, axis))
    return x.transpose((*rest, *axes)).reshape(lengths)


def unrowed(z: Any, x: Any, axis: Axis) -> Any:
    """What `rows` did to `x`, undone on an array of the shape that it gave."""
    axes = folded(x, axis)
    if axes == (x.ndim - 1,):
        return z
    order = (*(k for k in range(x.ndim) if k not in axes), *axes)
    return z.reshape(tuple(x.shape[k] for k in order)).transpose(inverse(order))


@op(
    samples=[Case(Reals(4)), *folding(Reals()), Case(np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0]]))],
    misuses=[NO_AXIS],
    tex=r"\prod #x",
    binds="function",
    method="prod",
)
def prod(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""Product, $y = \prod_i x_i$.

    Derivation:
        The product is linear in each element, with the product of all others as its slope. That is
        $y / x_i$ only where $x_i \ne 0$; multiplied out, it holds for zeros too. Element by element
        in $i$,
        $$\bar x = \bar y \odot \prod_{j \ne i} x$$

    Raises:
        ShapeError: if there is no such axis.

    Example:
        >>> prod(np.array([[1, 2], [3, 4]]), axis=0)
        array([3, 8])
    """
    return product(x, axis=axis, keepdims=keepdims)


@prod.defvjp
def prod_vjp(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    others = prod_of_others(rows(x, axis))
    return kept(g, x, axis, keepdims) * unrowed(others, x, axis)


@op(
    samples=[
        Case(Reals(3)),
        Case(Reals(2, 3)),
        Case(Reals(1)),
        Case(Reals(2, 0)),
        Case(np.array([2.0, 0.0, 0.0])),
    ],
    misuses=[Misuse((np.ones(()),), ShapeError, "needs an axis to multiply along")],
    tex=r"\prod_{j \ne i} #x",
    binds="function",
)
def prod_of_others(x: Array, /) -> Array:
    r"""For each element, the product of all others along the last axis: $\prod_{j \ne i} x_j$.

    It is the product of all before times the product of all after: two passes, and no division.
    Its derivative fills a matrix for each row.

    Derivation:
        $\partial y_i / \partial x_k$ is the product of all but $x_i$ and $x_k$ where $i \ne k$,
        and 0 where $i = k$. In a matrix whose row $i$ is $x$ with 1 in place of $x_i$, that is the
        product of the others of element $k$ in row $i$. The dots are the masks $[i \ne k]$:
        $$\bar x = \sum (\operatorname{reshape}(\bar y, (3, 1)) \odot \cdot \odot \prod_{j \ne i}
          (\operatorname{reshape}(x, (1, 3)) \text{ where } \cdot \text{ else } 1))$$

    Raises:
        ShapeError: if `x` has no axis.

    Example:
        >>> prod_of_others(np.array([2, 3, 5]))
        array([15, 10,  6])
        >>> prod_of_others(np.array([2, 0, 5]))
        array([ 0, 10,  0])
    """
    x = np.asarray(x)
    if not x.ndim:
        raise ValueError("this needs an axis to multiply along")
    one = np.ones_like(x[..., :1])
    before = np.concatenate([one, x[..., :-1]], axis=-1).cumprod(axis=-1)
    after = np.concatenate([one, x[..., :0:-1]], axis=-1).cumprod(axis=-1)[..., ::-1]
    return before * after


@prod_of_others.defvjp
def prod_of_others_vjp(g: Any, y: Any, x: Any) -> Any:
    apart = ~np.eye(x.shape[-1], dtype=bool)
    matrices = where(apart, unsqueeze(x, -2), 1.0)
    return (unsqueeze(g, -1) * apart * prod_of_others(matrices)).sum(axis=-2)


@op(
    samples=folding(Reals()),
    misuses=[
        NO_AXIS,
        Misuse((np.ones(3),), ShapeError, "3 elements with correction=3", {"correction": 3}),
        Misuse((np.ones((0, 2)),), ShapeError, "0 elements with correction=0", {"axis": 0}),
    ],
    tex=r"\operatorname{var} #x",
    binds="function",
    method="var",
)
def var(x: Array, /, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Array:
    r"""Variance, $y = \frac{1}{n - c} \sum_i (x_i - \operatorname{mean} x)^2$.

    The correction $c$ is 0 unless told, as in NumPy: the variance of these numbers. With 1, which
    is PyTorch's default, it estimates without bias that of the population they were drawn from.

    Derivation:
        $dy = \frac{2}{n - c} \sum_i (x_i - m)(dx_i - dm)$ with $m = \operatorname{mean} x$. The
        deviations $x_i - m$ add up to 0, so $dm$ drops out. For 6 elements and $c = 0$,
        $$\bar x = \frac{2 \odot \bar y}{6} \odot (x - \operatorname{mean} x)$$

    Raises:
        ShapeError: if there is no such axis, or no more elements than $c$.

    Example:
        >>> var(np.array([[1.0, 1.0], [3.0, 5.0]]), axis=0)
        array([1., 4.])
    """
    x = np.asarray(x)
    n = count(x, axis)
    if n <= correction:
        raise ValueError(
            f"the variance of {n} elements with correction={correction} is undefined; give more "
            "elements, or a smaller correction"
        )
    deviations = x - total(x, axis=axis, keepdims=True) / n
    return total(deviations * deviations, axis=axis, keepdims=keepdims) / (n - correction)


@var.defvjp
def var_vjp(g: Any, y: Any, x: Any, axis: Axis, correction: float, keepdims: bool) -> Any:
    slope = 2 * g / (count(x, axis) - correction)
    return kept(slope, x, axis, keepdims) * (x - mean(x, axis, keepdims=True))


@op(
    samples=folding(Reals(distinct=True))[:4],
    misuses=[
        NO_AXIS,
        Misuse((np.ones(3),), ShapeError, "3 elements with correction=3", {"correction": 3}),
    ],
    tex=r"\operatorname{std} #x",
    binds="function",
    method="std",
)
def std(x: Array, /, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Array:
    r"""Standard deviation, the square root of the variance; `correction` as in `var`.

    Where all elements are equal it is 0 and has a kink; the derivative there is taken as 0.

    Derivation:
        From $y^2 = \operatorname{var} x$ follows $2y\,dy = d\operatorname{var} x$. The rule of the
        variance, divided by $2y$, is for 6 elements and $c = 0$
        $$\bar x = \frac{\bar y}{6 \odot (1 \text{ where } [y = 0] \text{ else } y)} \odot
          (x - \operatorname{mean} x)$$
        With $y = 0$ the deviations are 0 too, and dividing by 1 instead leaves them 0.

    Raises:
        ShapeError: if there is no such axis, or no more elements than $c$.

    Example:
        >>> std(np.array([[1.0, 1.0], [3.0, 5.0]]), axis=0)
        array([1., 2.])
    """
    return np.sqrt(var.forward(x, axis, correction, keepdims))


@std.defvjp
def std_vjp(g: Any, y: Any, x: Any, axis: Axis, correction: float, keepdims: bool) -> Any:
    slope = g / ((count(x, axis) - correction) * where(y == 0, 1.0, y))
    return kept(slope, x, axis, keepdims) * (x - mean(x, axis, keepdims=True))


@op(
    samples=folding(Reals()),
    misuses=[NO_AXIS],
    tex=r"\operatorname{logsumexp} #x",
    binds="function",
    method="logsumexp",
)
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""$y = \log \sum_i e^{x_i}$, a smooth maximum, without overflow.

    With $m = \max x$ it is $m + \log \sum_i e^{x_i - m}$, where no exponent is above 0. On no
    elements, and where all are $-\infty$, it is $-\infty$.

    Derivation:
        $e^y = \sum_i e^{x_i}$ gives $e^y\,dy = \sum_i e^{x_i} dx_i$, so each element gets its share
        $e^{x_i - y}$ of the cotangent, the softmax. A row of $-\infty$ has no shares, and gets 0:
        $$\bar x = \bar y \odot e^{x - (0 \text{ where } [y = (-\infty)] \text{ else } y)}$$

    Raises:
        ShapeError: if there is no such axis.

    Example:
        >>> logsumexp(np.array([[0.0, 0.0], [1000.0, -np.inf]]), axis=1)
        array([6.93147181e-01, 1.00000000e+03])
    """
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    m = greatest(x, axis=axis, keepdims=True, initial=-np.inf)
    origin = np.where(np.isfinite(m), m, 0)
    with np.errstate(divide="ignore", over="ignore"):
        y = np.log(total(np.exp(x - origin), axis=axis, keepdims=keepdims))
    return y + origin.reshape(y.shape)


@logsumexp.defvjp
def logsumexp_vjp(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    origin = where(y == -math.inf, 0.0, y)
    return kept(g, x, axis, keepdims) * exp(x - kept(origin, x, axis, keepdims))


@op(
    samples=[
        Case(Reals(2, 3), axis=1),
        Case(Reals(4)),
        Case(Reals(2, 3), axis=-2),
        Case(Reals(2, 3)),
        Case(Reals(0, 3), axis=0),
    ],
    misuses=[NO_AXIS],
    tex=r"\operatorname{cumsum} #x",
    binds="function",
    method="cumsum",
)
def cumsum(x: Array, /, axis: int | None = None) -> Array:
    r"""Running sums along an axis, $y_i = \sum_{j \le i} x_j$; of all elements in a row for None.

    Derivation:
        $x_j$ goes into every $y_i$ with $i \ge j$, so $\bar x_j = \sum_{i \ge j} \bar y_i$: running
        sums from the other end,
        $$\bar x = \operatorname{flip} \operatorname{cumsum} \operatorname{flip} \bar y$$

    Raises:
        ShapeError: if there is no such axis.

    Example:
        >>> cumsum(np.array([1, 2, 3]))
        array([1, 3, 6])
    """
    return np.cumsum(x, axis)


@cumsum.defvjp
def cumsum_vjp(g: Any, y: Any, x: Any, axis: int | None) -> Any:
    along = axis or 0  # for None, y has but one axis
    sums = flip(flip(g, along).cumsum(along), along)
    return sums.reshape(x.shape) if axis is None else sums
