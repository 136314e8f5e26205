r"""Losses over classes: how surprised a distribution is by what turned out to be the case.

All are $\ell = -\sum q \odot \log p$, with a target distribution $q$ that holds smoothing, class
weights, ignored targets and the mean's denominator; see `target_distribution`. The conventions are
PyTorch's, except that classes are the last axis, as everywhere here.
"""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, DtypeError, Integers, Misuse, Reals, ShapeError, op
from tinygrad_rnn.engine.modes import float_dtype
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels.classification import cross_entropy_rows, cross_entropy_slopes
from tinygrad_rnn.ops.bounds import integers, refuse_unknown
from tinygrad_rnn.ops.index import getitem
from tinygrad_rnn.ops.loss import refuse_reduction
from tinygrad_rnn.ops.normalize import softmax
from tinygrad_rnn.ops.reduce import sum

__all__ = [
    "cross_entropy",
    "cross_entropy_adjoint",
    "nll",
    "target_distribution",
]

Array = Any


def classified(
    call: str, scores: Array, targets: Array, weight: Any, ignore_index: int, reduction: str
) -> tuple[Array, Array, Array, Array]:
    """Scores as rows over classes, flat targets, and the weights of rows and of classes."""
    refuse_reduction(call, reduction)
    scores, targets = np.asarray(scores), integers(call, "targets", targets)
    if scores.ndim < 1 or targets.shape != scores.shape[:-1]:
        raise ShapeError(
            f"{call}: got targets of shape {targets.shape} for {described(scores)}; expected one "
            f"target per row of classes, shape {scores.shape[:-1]}: classes are the last axis"
        )
    classes, t = scores.shape[-1], targets.ravel()
    refuse_unknown(call, t, classes, "target", f"one of {classes} classes", ignore_index)
    x = scores.reshape(t.size, classes)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    weights = class_weights(call, weight, classes, x.dtype)
    return x, t, row_weights(t, weights, ignore_index, reduction), weights


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


def row_weights(t: Array, weights: Array, ignore_index: int, reduction: str) -> Array:
    """For each target 1, or its share of the mean, or 0 to ignore it."""
    counts = t != ignore_index
    share = 1.0
    if reduction == "mean":
        total = float(weights[t[counts]].sum())
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
        Misuse((np.array([3]),), IndexError, "target 3 is not one of 3 classes", {"classes": 3}),
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
    refuse_unknown(call, targets, classes, "target", f"one of {classes} classes", ignore_index)
    refuse_smoothing(call, label_smoothing)
    refuse_reduction(call, reduction)
    weights = class_weights(call, weight, classes, dtype or float_dtype.get())
    r, t = row_weights(targets.ravel(), weights, ignore_index, reduction), targets.ravel()
    q = r[:, None] * (label_smoothing / max(classes, 1)) * weights
    counting = np.flatnonzero(r)
    named = t[counting]
    q[counting, named] += r[counting] * (1 - label_smoothing) * weights[named]
    return q.reshape(*targets.shape, classes)


def refuse_smoothing(call: str, label_smoothing: float) -> None:
    """Refuse a share that is none."""
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
    Misuse((np.ones((2, 3)), np.ones(2)), DtypeError, "got targets float64 (2,); expected int"),
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
        $$\overline{\mathrm{logits}} = \bar y
          \odot (\operatorname{softmax} {\mathrm{logits}} \odot \sum q - q)$$

    Example:
        >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(4)
        np.float64(0.3466)
    """
    z, t, r, weights = classified("cross_entropy", logits, targets, weight, ignore_index, reduction)
    refuse_smoothing("cross_entropy", label_smoothing)
    losses = cross_entropy_rows(z, t, r, weights, label_smoothing)
    return reduced_rows(losses, r, np.shape(targets), reduction)


def reduced_rows(losses: Array, r: Array, shape: tuple[int, ...], reduction: str) -> Array:
    """Losses that hold their share of the mean already, reduced; NaN for the mean of nothing."""
    if reduction == "none":
        return losses.reshape(shape)
    if reduction == "mean" and not r.any():
        return np.full((), np.nan, losses.dtype)
    return losses.sum()


def cross_entropy_vjp(g: Any, y: Any, logits: Any, targets: Any, **options: Any) -> Any:
    return cross_entropy_adjoint(g, logits, targets, **options)


cross_entropy.defvjp(cross_entropy_vjp, None)


@op(
    samples=[
        Case(Reals(), Reals(4, 3), TARGETS),
        Case(Reals(4), Reals(4, 3), TARGETS, label_smoothing=0.2, reduction="none"),
        Case(Reals(), Reals(4, 3), np.array([2, -100, 0, 2]), weight=(0.5, 1.0, 2.0)),
        Case(Reals(0), Reals(0, 3), np.zeros(0, np.int64), reduction="none"),
    ],
    misuses=[
        Misuse(
            (np.ones(()), np.ones((2, 3)), np.array([0, 3])),
            IndexError,
            "target 3 is not one of 3 classes",
        )
    ],
    tex=r"#v \odot (\operatorname{softmax} #logits \odot \sum q - q)",
    binds="product",
)
def cross_entropy_adjoint(
    v: Array,
    logits: Array,
    targets: Array,
    /,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Array:
    r"""The cotangent of the logits, $v\,(p \sum_c q_c - q)$; the adjoint of `cross_entropy`.

    An op of its own, so that softmax and difference are one fused loop at first order and can
    still be differentiated.

    Args:
        v: the cotangent of the loss: a scalar, or for the reduction "none" one for each target.
        logits: `(…, C)`.
        targets: as for `cross_entropy`, and so are the others.
        weight: one per class.
        ignore_index: a target that does not count.
        label_smoothing: the share of each target that is spread over all classes.
        reduction: "mean", "sum" or "none".

    Raises:
        IndexingError: naming a target that is not a class.

    Derivation:
        It is linear in $v$, and $q$ does not depend on the logits. With $p = \operatorname{softmax}
        z$, the rule of softmax takes a cotangent $u$ to $p \odot (u - \sum u \odot p)$, and here
        $u = \bar y \odot v \odot \sum q$:
        $$\bar v = \sum (\bar y \odot (\operatorname{softmax} {\mathrm{logits}} \odot \sum q - q))$$
        $$\overline{\mathrm{logits}} = v \odot \sum q \odot \operatorname{softmax} {\mathrm{logits}}
          \odot (\bar y - \sum (\bar y \odot \operatorname{softmax} {\mathrm{logits}}))$$

    Example:
        >>> cross_entropy_adjoint(1.0, np.zeros((1, 2)), np.array([1]))
        array([[ 0.5, -0.5]])
    """
    call = "cross_entropy_adjoint"
    z, t, r, weights = classified(call, logits, targets, weight, ignore_index, reduction)
    refuse_smoothing(call, label_smoothing)
    r = (r * np.ravel(v)).astype(z.dtype)
    return cross_entropy_slopes(z, t, r, weights, label_smoothing).reshape(np.shape(logits))


def distribution(scores: Any, targets: Any, options: dict[str, Any]) -> Any:
    """The target distribution over the classes of some scores."""
    return target_distribution(targets, classes=scores.shape[-1], dtype=scores.dtype, **options)


def cotangent_vjp(g: Any, y: Any, v: Any, logits: Any, targets: Any, **options: Any) -> Any:
    q = distribution(logits, targets, options)
    slope = softmax(logits) * sum(q, axis=-1, keepdims=True) - q
    return sum(g * slope, axis=-1 if options["reduction"] == "none" else None)


def logits_vjp(g: Any, y: Any, v: Any, logits: Any, targets: Any, **options: Any) -> Any:
    p = softmax(logits)
    mass = sum(distribution(logits, targets, options), axis=-1, keepdims=True)
    along_p = sum(g * p, axis=-1, keepdims=True)
    return spread(v, options["reduction"]) * mass * p * (g - along_p)


cross_entropy_adjoint.defvjp(cotangent_vjp, logits_vjp, None)


@op(samples=CLASSIFIED, misuses=MISCLASSIFIED)
def nll(
    logp: Array,
    targets: Array,
    /,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    r"""The negative log-likelihood of target classes, $-\log p_t$, from log-probabilities.

    `nll(log_softmax(z), t)` is `cross_entropy(z, t)`, in more passes.

    Args:
        logp: `(…, C)`; classes are the last axis.
        targets: integers from 0 to $C - 1$, or `ignore_index`, of shape (…).
        weight: one per class, `(C,)`. "mean" divides by the sum of the weights of the targets.
        ignore_index: a target that does not count.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar; for the reduction "none", the shape of the targets. The mean of no targets is NaN.

    Raises:
        IndexingError: naming a target that is not a class.
        DtypeError: if the targets are not integers.
        ShapeError: if shapes do not fit.

    Derivation:
        $\ell = -\sum q \odot \log p$ with the `target_distribution` $q$ is linear in the
        log-probabilities,
        $$\overline{\mathrm{logp}} = -\bar y \odot q$$

    Example:
        >>> nll(np.log([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1])).round(4)
        np.float64(0.4581)
    """
    x, t, r, weights = classified("nll", logp, targets, weight, ignore_index, reduction)
    losses, counting = np.zeros(len(x), x.dtype), np.flatnonzero(r)
    named = t[counting]
    losses[counting] = -r[counting] * weights[named] * x[counting, named]
    return reduced_rows(losses, r, np.shape(targets), reduction)


def nll_vjp(g: Any, y: Any, logp: Any, targets: Any, **options: Any) -> Any:
    return -(spread(g, options["reduction"]) * distribution(logp, targets, options))


nll.defvjp(nll_vjp, None)
