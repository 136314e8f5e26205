r"""Losses: how far a prediction is from its target, as a number to descend.

Every loss takes a `reduction`: `"mean"` over what counts, `"sum"`, or `"none"` for one number per
target. The conventions are PyTorch's, except that classes are the last axis, as everywhere here.

The losses over classes are all $\ell = -\sum q \odot \log p$, with a target distribution $q$ that
holds smoothing, class weights, ignored targets and the mean's denominator; see
`target_distribution`.
"""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, DtypeError, Integers, Misuse, Reals, ShapeError, op
from tinygrad_rnn.engine.modes import float_dtype
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels.classification import softmax_cross_entropy
from tinygrad_rnn.ops.index import IndexingError, getitem, integers

__all__ = [
    "bce_with_logits",
    "cross_entropy",
    "cross_entropy_adjoint",
    "huber",
    "mae",
    "mse",
    "nll",
    "target_distribution",
]

Array = Any

REDUCTIONS = ("mean", "sum", "none")


def refuse_reduction(call: str, reduction: str) -> None:
    """Refuse a reduction that does not exist."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{call}: got reduction={reduction!r}; expected 'mean', 'sum' or 'none'")


def checked_targets(call: str, scores: Array, targets: Array, ignore_index: int) -> Array:
    """Integer targets, one per row of scores over classes, each a class or to be ignored."""
    targets = integers(call, "targets", targets)
    if scores.ndim < 1 or targets.shape != scores.shape[:-1]:
        raise ShapeError(
            f"{call}: got targets of shape {targets.shape} for {described(scores)}; expected one "
            f"target per row of classes, shape {scores.shape[:-1]}: classes are the last axis"
        )
    refuse_unknown(call, targets, scores.shape[-1], ignore_index)
    return targets


def refuse_unknown(call: str, targets: Array, classes: int, ignore_index: int) -> None:
    """Name the first target that is neither a class nor ignored."""
    wrong = targets[((targets < 0) | (targets >= classes)) & (targets != ignore_index)]
    if wrong.size:
        raise IndexingError(
            f"{call}: target {wrong[0]} is not one of {classes} classes; targets run from 0 to "
            f"{classes - 1}, or are ignore_index={ignore_index}"
        )


def class_weights(call: str, weight: Any, classes: int, dtype: Any) -> Array:
    """A weight for every class, 1 unless given."""
    if weight is None:
        return np.ones(classes, dtype)
    weights = np.asarray(weight, dtype)
    if weights.shape != (classes,):
        raise ShapeError(
            f"{call}: got weight of shape {weights.shape}; expected one weight for each of "
            f"{classes} classes, shape {(classes,)}"
        )
    return weights


def row_weights(targets: Array, weights: Array, ignore_index: int, reduction: str) -> Array:
    """For each target 1, its share of the mean, or 0 to ignore it; flat."""
    counts = targets.ravel() != ignore_index
    share = 1.0
    if reduction == "mean":
        total = float(weights[targets.ravel()[counts]].sum())
        share = 1 / total if total else math.nan
    return np.where(counts, share, 0.0).astype(weights.dtype)


@op(
    samples=[
        Case(Integers(4, high=3), classes=3),
        Case(np.array([[0, -100], [2, 1]]), classes=3, weight=(1.0, 2.0, 3.0)),
        Case(Integers(2, 2, high=3), classes=4, label_smoothing=0.2, reduction="none"),
        Case(np.zeros(0, np.int64), classes=3, reduction="sum"),
    ],
    misuses=[
        Misuse(
            (np.array([3]),), IndexError, "target 3 is not one of 3 classes", {"classes": 3}
        ),
        Misuse(
            (np.array([0]),),
            ValueError,
            "got label_smoothing=2; expected a share, from 0 to 1",
            {"classes": 3, "label_smoothing": 2},
        ),
        Misuse(
            (np.array([0]),),
            ValueError,
            "got reduction='max'; expected 'mean', 'sum' or 'none'",
            {"classes": 3, "reduction": "max"},
        ),
    ],
    differentiable=False,
    tex="q",
)
def target_distribution(
    targets: Array,
    /,
    classes: int,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    dtype: Any = None,
) -> Array:
    r"""What a loss over classes weighs each $-\log p$ by, so that $\ell = -\sum q \odot \log p$.

    For target $t$ with class weights $w$, smoothing $\varepsilon$ and $C$ classes, row $q_c = r\,
    w_c\,((1 - \varepsilon)\,[c = t] + \varepsilon / C)$. The row's share $r$ is 0 for ignored
    targets, else 1; for the reduction "mean", 1 over the sum of $w_t$ over targets that count.
    Not differentiable.

    Args:
        targets: integers from 0 to `classes` - 1, or `ignore_index`, of any shape (…).
        classes: $C$.
        weight: $w$, `(C,)`; 1 unless given.
        ignore_index: a target that does not count.
        label_smoothing: $\varepsilon$, from 0 to 1.
        reduction: of the loss that is to be made.
        dtype: of the result; that of `tg.default_dtype` unless told.

    Returns:
        `(…, C)`.

    Raises:
        IndexingError: naming a target that is not a class.
        DtypeError: if the targets are not integers.

    Example:
        >>> target_distribution(np.array([2, -100]), classes=4, label_smoothing=0.2)
        array([[0.05, 0.05, 0.85, 0.05],
               [0.  , 0.  , 0.  , 0.  ]], dtype=float32)
    """
    call = "target_distribution"
    targets = integers(call, "targets", targets)
    refuse_unknown(call, targets, classes, ignore_index)
    refuse_options(call, label_smoothing, reduction)
    weights = class_weights(call, weight, classes, dtype or float_dtype.get())
    r = row_weights(targets, weights, ignore_index, reduction)
    q = r[:, None] * (label_smoothing / max(classes, 1)) * weights
    counting = np.flatnonzero(r)
    named = targets.ravel()[counting]
    q[counting, named] += r[counting] * (1 - label_smoothing) * weights[named]
    return q.reshape(*targets.shape, classes)


def refuse_options(call: str, label_smoothing: float, reduction: str) -> None:
    """Refuse options that make no sense."""
    refuse_reduction(call, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"{call}: got label_smoothing={label_smoothing}; expected a share, from 0 to 1"
        )


def spread(g: Any, reduction: str) -> Any:
    """A loss's cotangent, so that it meets the classes by broadcasting."""
    return getitem(g, index=(..., None)) if reduction == "none" else g


TARGETS = Integers(4, high=3)
CLASSIFIED = [
    Case(Reals(4, 3), TARGETS),
    Case(Reals(2, 4, 3), Integers(2, 4, high=3), reduction="none"),
    Case(Reals(4, 3), np.array([2, -100, 0, 2]), weight=(0.5, 1.0, 2.0)),
    Case(Reals(4, 3), np.array([2, 1, 0, 1]), reduction="sum", ignore_index=1),
    Case(Reals(3), np.array(1)),
    Case(Reals(0, 3), np.zeros(0, np.int64), reduction="none"),
]
SMOOTHED = [
    Case(Reals(4, 3), TARGETS, label_smoothing=0.3),
    Case(
        Reals(4, 3),
        np.array([2, -100, 0, 2]),
        weight=(0.5, 1.0, 2.0),
        label_smoothing=0.1,
        reduction="none",
    ),
]
MISCLASSIFIED = [
    Misuse(
        (np.ones((2, 3)), np.array([0, 3])),
        IndexError,
        "target 3 is not one of 3 classes; targets run from 0 to 2, or are ignore_index=-100",
    ),
    Misuse((np.ones((2, 3)), np.array([0, -1])), IndexError, "target -1 is not one of 3 classes"),
    Misuse(
        (np.ones((2, 3)), np.array([[0, 1]])),
        ShapeError,
        "got targets of shape (1, 2) for float64 (2, 3); expected one target per row of classes, "
        "shape (2,)",
    ),
    Misuse((np.ones((2, 3)), np.ones(2)), DtypeError, "got targets float64 (2,); expected integers"),
    Misuse(
        (np.ones((2, 3)), np.array([0, 1])),
        ShapeError,
        "got weight of shape (2,); expected one weight for each of 3 classes",
        {"weight": (1.0, 2.0)},
    ),
    Misuse(
        (np.ones((2, 3)), np.array([0, 1])), ValueError, "reduction='avg'", {"reduction": "avg"}
    ),
]


@op(samples=[*CLASSIFIED, *SMOOTHED], misuses=MISCLASSIFIED)
def cross_entropy(
    logits: Array,
    targets: Array,
    /,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Array:
    r"""How surprised a softmax over logits is by the target classes, $-\log p_t$, in nats.

    Args:
        logits: `(…, C)`; classes are the last axis.
        targets: integers from 0 to $C - 1$, or `ignore_index`, of shape (…).
        weight: one per class, `(C,)`. "mean" divides by the sum of the weights of the targets.
        ignore_index: a target that does not count.
        label_smoothing: the share $\varepsilon$ of each target that is spread over all classes
            (Szegedy et al. 2016, section 7).
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar; for the reduction "none", the shape of the targets. The mean of no targets is NaN.

    Raises:
        IndexingError: naming a target that is not a class.
        DtypeError: if the targets are not integers.
        ShapeError: if shapes do not fit.

    Derivation:
        In one row, with `target_distribution` $q$ and logits $z$, the loss is $\ell = -\sum_c q_c
        \log p_c$ and $\log p_c = z_c - \log \sum_k e^{z_k}$, so
        $\partial \log p_c / \partial z_k = [c = k] - p_k$ and
        $\partial \ell / \partial z_k = p_k \sum_c q_c - q_k$. Prediction minus target:
        $$\bar {\mathrm{logits}} = \bar y \odot (\operatorname{softmax} {\mathrm{logits}} \odot \sum q - q)$$

    Example:
        >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(4)
        np.float64(0.3466)
    """
    call = "cross_entropy"
    losses, _ = rowwise(call, 1.0, logits, targets, weight, ignore_index, label_smoothing, reduction)
    if reduction == "none":
        return losses.reshape(np.shape(targets))
    return losses.sum()


def rowwise(
    call: str,
    v: Any,
    logits: Array,
    targets: Array,
    weight: Any,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, Array]:
    """Each row's share of the loss, and its gradient in the logits, both times `v`."""
    logits = np.asarray(logits)
    refuse_options(call, label_smoothing, reduction)
    targets = checked_targets(call, logits, targets, ignore_index)
    z = logits.reshape(targets.size, logits.shape[-1])
    weights = class_weights(call, weight, z.shape[1], z.dtype)
    r = row_weights(targets, weights, ignore_index, reduction)
    r = (r * np.ravel(v)).astype(z.dtype)
    return softmax_cross_entropy(z, targets.ravel(), r, weights, label_smoothing)
