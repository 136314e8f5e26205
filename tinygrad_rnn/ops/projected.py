r"""How surprised a linear layer with a softmax is by the classes that turn out to be the case.

That is how a language model ends, with so many classes that their scores, $V$ at each of $N$
places, would be the largest array of a training step. They never exist as a whole:

    >>> import tinygrad_rnn as tg
    >>> hidden = tg.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    >>> weight = tg.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = tg.linear_cross_entropy(hidden, weight, np.array([0, 1]))
    >>> loss.item() == tg.cross_entropy(hidden @ weight.T, np.array([0, 1])).item()
    True
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.engine import (
    Carrier,
    Case,
    DtypeError,
    Integers,
    Misuse,
    Reals,
    ShapeError,
    Tensor,
    composed,
    op,
)
from tinygrad_rnn.engine.modes import recording
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.ops.bounds import integers, refuse_unknown
from tinygrad_rnn.ops.classification import (
    class_weights,
    cross_entropy_adjoint,
    reduced_rows,
    refuse_smoothing,
    row_weights,
)
from tinygrad_rnn.ops.loss import refuse_reduction
from tinygrad_rnn.ops.reduce import sum

if TYPE_CHECKING:
    from tinygrad_rnn.kernels.projected import Found, Projected

__all__ = ["linear_cross_entropy", "projected_cross_entropy"]

Array = Any


class Slopes:
    """The gradients in hidden states, weight and bias, each until a backward asks for it.

    They are found together with the loss, while the scores are at hand; for a second backward they
    are found anew.
    """

    def __init__(self) -> None:
        self.found: dict[int, Array] = {}
        self.of: Any = None  # the cotangents of single losses; None where all are 1

    def fill(self, found: "Found", of: Any = None) -> None:
        """Keep what was found for these cotangents."""
        self.found, self.of = {0: found.x, 1: found.weight, 2: found.bias}, of


def found_by(p: "Projected", gradients: bool) -> "Found":
    """What the kernel finds: threads and packed products, imported by the first loss."""
    from tinygrad_rnn.kernels.projected import projected_cross_entropy

    return projected_cross_entropy(p, gradients)


def projection(
    hidden: Array,
    weight: Array,
    bias: Array,
    targets: Array,
    class_weight: Any,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> "Projected":
    """The call in the kernels' terms, or the error that says what is wrong with it."""
    from tinygrad_rnn.kernels.projected import Projected

    call = "projected_cross_entropy"
    refuse_reduction(call, reduction)
    refuse_smoothing(call, label_smoothing)
    hidden, weight, bias = map(np.asarray, (hidden, weight, bias))
    t = integers(call, "targets", targets)
    N, H, V = hidden.shape[:1], hidden.shape[1:], weight.shape[:1]
    if len(H) != 1 or (t.shape, weight.shape, bias.shape) != (N, V + H, V):
        raise ShapeError(
            f"{call}: got hidden {described(hidden)}, weight {described(weight)}, bias "
            f"{described(bias)} and targets of shape {t.shape}; expected (N, H), (V, H), (V,), (N,)"
        )
    if hidden.dtype.kind != "f" or not hidden.dtype == weight.dtype == bias.dtype:
        raise DtypeError(
            f"{call}: got hidden {described(hidden)}, weight {described(weight)} and bias "
            f"{described(bias)}; expected the same floats in all"
        )
    refuse_unknown(call, t, V[0], "target", f"one of {V[0]} classes", ignore_index)
    classes = class_weights(call, class_weight, V[0], hidden.dtype)
    r = row_weights(t, classes, ignore_index, reduction)
    return Projected(hidden, weight, bias, t, r, classes, label_smoothing)


HIDDEN, WEIGHT, BIAS = Reals(4, 2), Reals(3, 2), Reals(3)
SCORED = [
    Case(HIDDEN, WEIGHT, BIAS, Integers(4, high=3)),
    Case(HIDDEN, WEIGHT, BIAS, Integers(4, high=3), reduction="none"),
    Case(HIDDEN, WEIGHT, BIAS, np.array([2, -100, 0, 2]), class_weight=(0.5, 1.0, 2.0)),
    Case(HIDDEN, WEIGHT, BIAS, np.array([2, 1, 0, 1]), label_smoothing=0.3, ignore_index=1),
    Case(Reals(0, 2), WEIGHT, BIAS, np.zeros(0, np.int64), reduction="sum"),
]
ONES = np.ones((2, 2)), np.ones((3, 2)), np.ones(3)


@op(
    samples=SCORED,
    misuses=[
        Misuse((*ONES, np.array([0, 3])), IndexError, "target 3 is not one of 3 classes; targets"),
        Misuse((*ONES, np.array([0])), ShapeError, "targets of shape (1,); expected (N, H), (V,"),
        Misuse(
            (*ONES[:2], np.ones(2), np.array([0, 1])),
            ShapeError,
            "got hidden float64 (2, 2), weight float64 (3, 2), bias float64 (2,) and targets of",
        ),
        Misuse(
            (*ONES[:2], np.ones(3, np.float32), np.array([0, 1])),
            DtypeError,
            "bias float32 (3,); expected the same floats in all",
        ),
        Misuse((*ONES, np.ones(2)), DtypeError, "got targets float64 (2,); expected integers"),
    ],
    fresh=True,
)
def projected_cross_entropy(
    x: Array,
    w: Array,
    b: Array,
    targets: Array,
    /,
    class_weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    slopes: Slopes | None = None,
) -> Array:
    r"""The cross-entropy of $x w^\top + b$ in blocks of rows; see `linear_cross_entropy`.

    Args:
        x: `(N, H)`, hidden states.
        w: `(V, H)`, a weight for each class.
        b: `(V,)`, a bias for each.
        targets: integers from 0 to $V - 1$, or `ignore_index`, `(N,)`.
        class_weight: as in `linear_cross_entropy`, and so are the next three.
        ignore_index: a target that does not count.
        label_smoothing: the share of each target that is spread over all classes.
        reduction: "mean", "sum" or "none".
        slopes: where to keep gradients that are found together with the loss.

    Raises:
        IndexingError: naming a target that is not a class.
        DtypeError: if the targets are not integers, or the others not the same floats.
        ShapeError: if shapes do not fit.

    Derivation:
        With the scores $z = x w^\top + b$, the rule of `cross_entropy` gives the slopes
        $\bar z = \bar y \odot (\operatorname{softmax} z \odot \sum q - q)$, and those of `matmul`
        and of copying $b$ to every row give $\bar x = \bar z\,w$, $\bar w = \bar z^\top x$ and
        $\bar b = \sum \bar z$:
        $$\bar x = \bar y \odot (\operatorname{softmax} (x w^\top + b) \odot \sum q - q) w$$
        $$\bar w = (\bar y \odot (\operatorname{softmax} (x w^\top + b) \odot \sum q - q))^\top x$$
        $$\bar b = \sum (\bar y \odot (\operatorname{softmax} (x w^\top + b) \odot \sum q - q))$$
        Each is a sum or a stack over rows, so blocks of rows can be done one by one.

    Example:
        >>> x, w, b = np.eye(2), np.zeros((4, 2)), np.zeros(4)
        >>> projected_cross_entropy(x, w, b, np.array([0, 3])).round(4)
        np.float64(1.3863)
    """
    options = class_weight, ignore_index, label_smoothing, reduction
    p = projection(x, w, b, targets, *options)
    early = slopes is not None and reduction != "none"
    found = found_by(p, gradients=early)
    if slopes is not None and early:
        slopes.fill(found)
    return reduced_rows(found.losses, p.row_weights, p.targets.shape, reduction)


def gradient(i: int, g: Any, y: Any, x: Any, w: Any, b: Any, targets: Any, **options: Any) -> Any:
    """The cotangent of input `i`: as found with the loss, or, to be differentiated, in ops."""
    slopes = options.pop("slopes") or Slopes()
    if any(isinstance(a, Carrier) for a in (g, x, w, b)):
        return composed_gradient(i, g, x, w, b, targets, **options)
    of = g if options["reduction"] == "none" else None
    if i not in slopes.found or slopes.of is not of:
        p = projection(x, w, b, targets, **options)
        r = p.row_weights if of is None else p.row_weights * of
        slopes.fill(found_by(p._replace(row_weights=r), gradients=True), of)
    found = slopes.found.pop(i)
    return found if of is not None or g == 1 else g * found


def composed_gradient(
    i: int, g: Any, x: Any, w: Any, b: Any, targets: Any, class_weight: Any, **options: Any
) -> Any:
    """The rules of `matmul`, of adding and of `cross_entropy`, one after the other."""
    slopes = cross_entropy_adjoint(g, x @ w.T + b, targets, weight=class_weight, **options)
    if i == 2:
        return sum(slopes, axis=0)
    return slopes.T @ x if i == 1 else slopes @ w


projected_cross_entropy.defvjp(*(partial(gradient, i) for i in range(3)), None)


@composed(
    samples=[
        Case(Reals(2, 3, 2), WEIGHT, Integers(2, 3, high=3), BIAS, reduction="none"),
        Case(Reals(2, 2, 2), WEIGHT, np.array([[0, -100], [2, 1]]), label_smoothing=0.2),
        Case(Reals(2), WEIGHT, np.array(1), BIAS),
    ]
)
def linear_cross_entropy(
    hidden: Any,
    weight: Any,
    targets: Array,
    bias: Any = None,
    class_weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    r"""The cross-entropy of a linear layer's scores, `cross_entropy(hidden @ weight.T + bias)`.

    The scores never exist as a whole: places are taken a block at a time, and gradients are found
    in the same go, so that each block is scored once and multiplied while it is near.

    Args:
        hidden: $X$ (…, H), such as the output of a recurrent layer.
        weight: $W$ (V, H), as in `nn.Linear`.
        targets: integers from 0 to $V - 1$, or `ignore_index`, of shape (…).
        bias: $b$ (V,), or None.
        class_weight: one for each class, (V,). "mean" divides by the sum of the targets' weights.
        ignore_index: a target that does not count.
        label_smoothing: the share of each target that is spread over all classes.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar; for the reduction "none", the shape of the targets.

    Raises:
        IndexingError: naming a target that is not a class.
        DtypeError: if the targets are not integers, or the others not the same floats.
        ShapeError: if shapes do not fit.

    Example:
        >>> import tinygrad_rnn as tg
        >>> hidden, weight = np.ones((5, 1, 2)), np.array([[0.0, 0.0], [50.0, 50.0]])
        >>> tg.linear_cross_entropy(hidden, weight, np.ones((5, 1), int))
        np.float64(0.0)
    """
    shape = np.shape(targets)
    if shape != hidden.shape[:-1]:
        raise ShapeError(
            f"linear_cross_entropy: got targets of shape {shape} for hidden states of "
            f"shape {hidden.shape}; expected one target for each, shape {hidden.shape[:-1]}"
        )
    wanted = any(isinstance(x, Tensor) and x.requires_grad for x in (hidden, weight, bias))
    losses = projected_cross_entropy(
        hidden.reshape((-1, hidden.shape[-1])),
        weight,
        np.zeros(weight.shape[:1], weight.dtype) if bias is None else bias,
        np.reshape(targets, -1),
        class_weight,
        ignore_index,
        label_smoothing,
        reduction,
        slopes=Slopes() if wanted and recording.get() else None,
    )
    return losses.reshape(shape) if reduction == "none" else losses
