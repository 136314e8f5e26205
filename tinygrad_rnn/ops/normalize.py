r"""Ops that put an axis on one scale: softmax and its logarithm, layer normalisation; and dropout.

Each row of a softmax sums to 1, each row of `standardize` has mean 0 and variance 1. What a row
gains as a whole is taken away again, so their rules subtract a weighted mean of the cotangent.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Misuse, Reals, ShapeError, composed, op
from tinygrad_rnn.kernels.classification import log_softmax_rows, softmax_rows
from tinygrad_rnn.ops.elementwise import exp, rsqrt
from tinygrad_rnn.ops.reduce import mean, refuse_nothing, sum, var

__all__ = ["dropout", "layer_norm", "log_softmax", "softmax", "standardize"]

Array = Any
Axis = int | tuple[int, ...]

ROWS = [
    Case(Reals(2, 3)),
    Case(Reals(2, 3), axis=0),
    Case(Reals(2, 3, 2), axis=-2),
    Case(Reals(4)),
    Case(Reals(0, 3)),
    Case(Reals(2, 0)),
]
NO_AXIS = [
    Misuse((np.ones((2, 3)),), ShapeError, "axis 2 is out of bounds", {"axis": 2}),
    Misuse((np.ones(()),), ShapeError, "axis -1 is out of bounds"),
]


def along(axis: int, rows: Callable[[Array], Array], x: Array) -> Array:
    """What a function of a matrix's rows does to the lines of `x` along an axis."""
    lines = np.moveaxis(np.asarray(x), axis, -1)
    y = rows(lines.reshape(math.prod(lines.shape[:-1]), lines.shape[-1]))
    return np.moveaxis(y.reshape(lines.shape), -1, axis)


@op(
    samples=ROWS,
    misuses=NO_AXIS,
    tex=r"\operatorname{softmax} #x",
    binds="function",
    method="softmax",
)
def softmax(x: Array, /, axis: int = -1) -> Array:
    r"""Probabilities in proportion to $e^x$ along an axis, $y_c = e^{x_c} / \sum_k e^{x_k}$.

    Shifted by the largest entry, so that nothing overflows.

    Args:
        x: any shape with at least one axis.
        axis: the axis whose entries sum to 1.

    Raises:
        ShapeError: if there is no such axis.

    Derivation:
        The quotient rule gives $\partial y_c / \partial x_k = y_c\,([c = k] - y_k)$. So along the
        axis $\bar x_k = \sum_c \bar y_c\, y_c\,([c = k] - y_k)$, which is $y_k\,(\bar y_k - \sum_c
        \bar y_c\, y_c)$:
        $$\bar x = y \odot (\bar y - \sum (\bar y \odot y))$$

    Example:
        >>> softmax(np.array([[1000.0, 1000.0]]))
        array([[0.5, 0.5]])
    """
    return along(axis, softmax_rows, x)


softmax.defvjp(lambda g, y, x, axis: y * (g - sum(g * y, axis=axis, keepdims=True)))


@op(
    samples=ROWS,
    misuses=NO_AXIS,
    tex=r"\operatorname{log\_softmax} #x",
    binds="function",
    method="log_softmax",
)
def log_softmax(x: Array, /, axis: int = -1) -> Array:
    r"""The logarithm of a softmax, $y_c = x_c - \log \sum_k e^{x_k}$, accurate where it is small.

    Args:
        x: any shape with at least one axis.
        axis: the axis whose entries are the logarithms of probabilities.

    Raises:
        ShapeError: if there is no such axis.

    Derivation:
        $\partial y_c / \partial x_k = [c = k] - e^{y_k}$, the probability. Along the axis,
        $\bar x_k = \bar y_k - e^{y_k} \sum_c \bar y_c$:
        $$\bar x = \bar y - e^{y} \odot \sum \bar y$$

    Example:
        >>> log_softmax(np.array([[0.0, 1000.0]]))
        array([[-1000.,     0.]])
    """
    return along(axis, log_softmax_rows, x)


log_softmax.defvjp(lambda g, y, x, axis: g - exp(y) * sum(g, axis=axis, keepdims=True))


@op(
    samples=[
        Case(Reals(2, 3), eps=0.1),
        Case(Reals(3, 2), axis=0),
        Case(Reals(2, 3, 2), axis=(-2, -1)),
        Case(Reals(0, 3)),
    ],
    misuses=[
        Misuse((np.ones((2, 3)),), ShapeError, "axis 2 is out of bounds", {"axis": 2}),
        Misuse((np.ones((2, 0)),), ShapeError, "axis 1 has length 0"),
    ],
    tex=r"\operatorname{standardize} #x",
    binds="function",
    method="standardize",
)
def standardize(x: Array, /, axis: Axis = -1, eps: float = 1e-5) -> Array:
    r"""$x$ with mean 0 and variance 1 along axes, $y = (x - \mu) / \sqrt{v + \varepsilon}$.

    Args:
        x: any shape with at least one axis.
        axis: one axis or several, over which mean $\mu$ and variance $v$ are taken.
        eps: $\varepsilon$, which keeps a constant $x$ from a division by zero.

    Raises:
        ShapeError: if there is no such axis, or it has no elements.

    Derivation:
        Write $\sigma = \sqrt{v + \varepsilon}$ and $n$ for the number of elements that share it.
        Then $dv = \frac2n \sum_i (x_i - \mu)\,dx_i$ gives $d\sigma = \frac1n \sum_i y_i\,dx_i$, and
        $dy_k = (dx_k - d\mu - y_k\,d\sigma) / \sigma$. Collected by $dx_i$, the cotangent loses its
        own mean, because $\mu$ follows $x$, and its part along $y$, because $\sigma$ does. With
        $\varepsilon = 0.1$,
        $$\bar x = (\bar y - \operatorname{mean} \bar y
          - y \odot \operatorname{mean} (\bar y \odot y))
          \odot \frac{1}{\sqrt{\operatorname{var} x + 0.1}}$$
        (Ba, Kiros & Hinton 2016, "Layer normalization", eq. 4.)

    Example:
        >>> standardize(np.array([[1.0, 3.0], [5.0, 5.0]]), eps=0.0625).round(3)
        array([[-0.97,  0.97],
               [ 0.  ,  0.  ]])
    """
    x = np.asarray(x)
    refuse_nothing(x, axis)
    deviations = x - np.mean(x, axis=axis, keepdims=True)
    v = np.mean(deviations * deviations, axis=axis, keepdims=True)
    return deviations / np.sqrt(v + eps)


@standardize.defvjp
def standardize_vjp(g: Any, y: Any, x: Any, axis: Axis, eps: float) -> Any:
    along_y = y * mean(g * y, axis=axis, keepdims=True)
    scale = rsqrt(var(x, axis=axis, keepdims=True) + eps)
    return (g - mean(g, axis=axis, keepdims=True) - along_y) * scale


@composed(
    samples=[
        Case(Reals(2, 3), Reals(3), Reals(3)),
        Case(Reals(2, 3, 2), Reals(3, 2)),
        Case(Reals(2, 3, 2), axes=2),
        Case(Reals(0, 3), Reals(3), Reals(3)),
    ],
    method="layer_norm",
)
def layer_norm(
    x: Any, weight: Any = None, bias: Any = None, *, axes: int | None = None, eps: float = 1e-5
) -> Any:
    r"""Layer normalisation, $y = w \odot \operatorname{standardize}(x) + b$, over trailing axes.

    Args:
        x: `(…, *features)`.
        weight: $w$, `(*features)`; 1 unless given.
        bias: $b$, `(*features)`; 0 unless given.
        axes: how many trailing axes share one mean and variance; unless told, as many as the weight
            or the bias has, and the last one alone without either.
        eps: added to the variance.

    Raises:
        ShapeError: if weight or bias are not of the features' shape.

    Example:
        >>> layer_norm(np.array([[1.0, 3.0]]), np.array([2.0, 2.0]), np.array([0.0, 1.0])).round(3)
        array([[-2.,  3.]])
    """
    shapes = {n: np.shape(p) for n, p in (("weight", weight), ("bias", bias)) if p is not None}
    if axes is None:
        axes = max(map(len, shapes.values()), default=1)
    features = x.shape[x.ndim - axes :] if 0 < axes <= x.ndim else None
    for name, shape in shapes.items():
        if shape != features:
            raise ShapeError(
                f"layer_norm: got {name} of shape {shape} and x of shape {x.shape}, normalised "
                f"over its last {axes} axes; expected the shape of those axes"
            )
    if features is None:
        raise ShapeError(
            f"layer_norm: got axes={axes} and x of shape {x.shape}; expected 1 to {x.ndim}"
        )
    y = standardize(x, axis=tuple(range(-axes, 0)), eps=eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


@composed(
    samples=[Case(Reals(2, 3), p=0.0, generator=None), Case(Reals(0), p=0.0, generator=None)],
    method="dropout",
)
def dropout(x: Any, p: float, generator: "np.random.Generator") -> Any:
    r"""Each element is 0 with probability $p$, and else divided by $1 - p$, so the mean stays.

    A mask is drawn and multiplied by; `nn.Dropout` does so only while training.

    Args:
        x: any shape.
        p: the share to drop, from 0 to 1.
        generator: draws the mask. The same state gives the same mask in every dtype.

    Raises:
        ValueError: if `p` is not a probability.

    Source:
        Srivastava et al. 2014, "Dropout", section 10 (the scaling at training time).

    Example:
        >>> dropout(np.ones(6), 0.5, np.random.default_rng(0))
        array([2., 2., 2., 0., 0., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: got p={p}; expected a probability, from 0 to 1")
    if p == 0:
        return x
    kept = generator.random(x.shape, dtype=np.float32) >= p
    return x * (kept.astype(x.dtype) * (1 / (1 - p) if p < 1 else 0.0))
