r"""Losses between numbers: how far a prediction is from its target, as a number to descend.

Every loss takes a `reduction`: `"mean"`, `"sum"`, or `"none"` for one number per target. The
conventions are PyTorch's. Losses over classes are in `classification`.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Reals, ShapeError, composed
from tinygrad_rnn.ops.activations import softplus
from tinygrad_rnn.ops.elementwise import abs
from tinygrad_rnn.ops.reduce import mean, sum
from tinygrad_rnn.ops.selection import clip

__all__ = [
    "bce_with_logits",
    "huber",
    "mae",
    "mse",
]

Array = Any

REDUCTIONS = ("mean", "sum", "none")


def refuse_reduction(call: str, reduction: str) -> None:
    """Refuse a reduction that does not exist."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{call}: got reduction={reduction!r}; expected 'mean', 'sum' or 'none'")


def compared(call: str, prediction: Any, target: Any, reduction: str) -> None:
    """Refuse a target that would be broadcast: a loss of all pairs is not what is meant."""
    refuse_reduction(call, reduction)
    if np.shape(target) not in ((), np.shape(prediction)):
        raise ShapeError(
            f"{call}: got a prediction of shape {np.shape(prediction)} and a target of shape "
            f"{np.shape(target)}; expected equal shapes, or one number as the target: reshape one"
        )


def reduced(losses: Any, reduction: str) -> Any:
    """Losses reduced to their mean or sum, or as they are."""
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


ABOVE, BELOW = Reals(2, 3, low=0.2, high=0.9), Reals(2, 3, low=-0.9, high=-0.2)
APART = [Case(ABOVE, BELOW), Case(BELOW, ABOVE, reduction="sum"), Case(ABOVE, 0.0)]
UNREDUCED = [Case(ABOVE, BELOW, reduction="none")]


@composed(samples=[*APART, *UNREDUCED])
def mse(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    r"""Squared error, $(x - t)^2$.

    Args:
        prediction: $x$, any shape.
        target: $t$, of the same shape, or one number.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> mse(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
        np.float64(2.0)
    """
    compared("mse", prediction, target, reduction)
    error = prediction - target
    return reduced(error * error, reduction)


@composed(samples=[*APART, *UNREDUCED])
def mae(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    r"""Absolute error, $|x - t|$; at its kink, 0, the derivative is taken as 0.

    Args:
        prediction: $x$, any shape.
        target: $t$, of the same shape, or one number.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> mae(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
        np.float64(1.0)
    """
    compared("mae", prediction, target, reduction)
    return reduced(abs(prediction - target), reduction)


@composed(samples=[*APART, Case(ABOVE, BELOW, delta=0.3), Case(ABOVE, BELOW, delta=2.0)])
def huber(prediction: Any, target: Any, delta: float = 1.0, reduction: str = "mean") -> Any:
    r"""Squared error near 0 and absolute error beyond $\delta$ (Huber 1964).

    With the error $e = x - t$ and $c = \operatorname{clip}(e, -\delta, \delta)$ it is $c\,(e -
    c/2)$: $\frac12 e^2$ where $|e| \le \delta$, $\delta\,(|e| - \frac12 \delta)$ beyond, and its
    slope is $c$ everywhere.

    Args:
        prediction: $x$, any shape.
        target: $t$, of the same shape, or one number.
        delta: $\delta$, where the square ends.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.
        ValueError: unless `delta` is positive.

    Example:
        >>> huber(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
        array([0.125, 2.5  ])
    """
    compared("huber", prediction, target, reduction)
    if not delta > 0:
        raise ValueError(f"huber: got delta={delta}; expected a positive number")
    error = prediction - target
    clipped = clip(error, low=-delta, high=delta)
    return reduced(clipped * (error - clipped / 2), reduction)


@composed(
    samples=[
        Case(Reals(2, 3), Reals(2, 3, low=0, high=1)),
        Case(Reals(2, 3), Reals(2, 3, low=0, high=1), Reals(3, low=0.5, high=2), reduction="sum"),
        Case(Reals(2, 3), Reals(2, 3, low=0, high=1), reduction="none"),
    ]
)
def bce_with_logits(
    logits: Any, targets: Any, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    r"""Binary cross-entropy of a sigmoid, $-w\,t \log \sigma(z) - (1 - t) \log(1 - \sigma(z))$.

    Computed as $w\,t \operatorname{softplus}(-z) + (1 - t) \operatorname{softplus}(z)$, which
    neither overflows nor cancels.

    Args:
        logits: $z$, any shape.
        targets: $t$, probabilities of the same shape, or one number.
        pos_weight: $w$, how much a positive counts; it broadcasts. 1 unless given.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> bce_with_logits(np.array([0.0, 10.0]), np.array([1.0, 0.0]), reduction="none").round(3)
        array([ 0.693, 10.   ])
    """
    compared("bce_with_logits", logits, targets, reduction)
    positive = targets * softplus(-logits)
    if pos_weight is not None:
        positive = pos_weight * positive
    return reduced(positive + (1 - targets) * softplus(logits), reduction)
