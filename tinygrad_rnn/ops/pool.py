r"""Pooling over time `(N, C, L)` and over images `(N, C, H, W)`: one number for each window.

Layouts and meanings are PyTorch's. Options are one integer for every spatial axis, or a tuple with
one for each.

A mean over windows is linear. A maximum is linear where no other entry overtakes the winner: there
it picks entries, and its adjoint adds where they were picked. So each pooling and its adjoint are
each other's derivatives, to any order.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Integers, Misuse, Reals, ShapeError, op
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels import pooling
from tinygrad_rnn.kernels.convolution import output_extents
from tinygrad_rnn.ops.conv import Extents, Geometry, per_axis, refuse_other

__all__ = [
    "avg_pool",
    "avg_pool_adjoint",
    "max_pool",
    "max_pool_adjoint",
    "max_pool_winners",
    "pick_winners",
]

Array = Any


def window_of(
    call: str, x: Array, kernel_size: Extents, stride: Extents | None, padding: Extents
) -> Geometry:
    """A pooling's window, stride and padding for each spatial axis of `x`."""
    if x.ndim < 3:
        raise ShapeError(f"{call}: got x {described(x)}; expected (N, C, L) or (N, C, H, W)")
    rank = x.ndim - 2
    window = per_axis(call, "kernel_size", kernel_size, rank, 1)
    steps = window if stride is None else per_axis(call, "stride", stride, rank, 1)
    margins = per_axis(call, "padding", padding, rank, 0)
    if any(2 * p > k for p, k in zip(margins, window, strict=True)):
        raise ShapeError(
            f"{call}: got padding={padding} for kernel_size={kernel_size}; expected at most half "
            "of the window, so that every window meets the input"
        )
    return window, steps, margins


POOLED = [
    Case(Reals(2, 3, 6, distinct=True), kernel_size=2),
    Case(Reals(1, 2, 7, distinct=True), kernel_size=3, stride=2, padding=1),
    Case(Reals(1, 2, 5, 4, distinct=True), kernel_size=(2, 3), stride=1, padding=(1, 0)),
    Case(Reals(0, 2, 4), kernel_size=2),
]
DILATED = [Case(Reals(1, 2, 8, distinct=True), kernel_size=3, stride=2, padding=1, dilation=2)]
UNPOOLED = [
    Misuse(
        (np.ones((2, 3)),), ShapeError, "expected (N, C, L) or (N, C, H, W)", {"kernel_size": 2}
    ),
    Misuse((np.ones((1, 1, 3)),), ShapeError, "a window of 4 taps", {"kernel_size": 4}),
    Misuse(
        (np.ones((1, 1, 4)),),
        ShapeError,
        "got padding=2 for kernel_size=3; expected at most half of the window",
        {"kernel_size": 3, "padding": 2},
    ),
    Misuse((np.ones((1, 1, 4)),), ShapeError, "got kernel_size=(2, 2)", {"kernel_size": (2, 2)}),
]


def strongest(
    call: str,
    x: Array,
    kernel_size: Extents,
    stride: Extents | None,
    padding: Extents,
    dilation: Extents,
) -> tuple[Array, Array]:
    """The largest entry of each window, and where it sits."""
    window, steps, margins = window_of(call, x, kernel_size, stride, padding)
    gaps = per_axis(call, "dilation", dilation, len(window), 1)
    return pooling.max_pool(x, window, steps, margins, gaps)


@op(
    samples=[*POOLED, *DILATED],
    misuses=UNPOOLED,
    tex=r"\operatorname{max\_pool} #x",
    binds="function",
    method="max_pool",
)
def max_pool(
    x: Array,
    /,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
) -> Array:
    r"""The largest entry of each window; of equals the first wins, as in PyTorch, and NaN always.

    Args:
        x: `(N, C, L)` or `(N, C, H, W)`.
        kernel_size: the window's taps.
        stride: the distance between neighbouring windows; that of `kernel_size` unless given.
        padding: places added at each end, which never win; at most half of the window.
        dilation: the distance between neighbouring taps.

    Returns:
        `(N, C, *places)`.

    Raises:
        ShapeError: if the window is wider than the input, or the padding than half of it.

    Derivation:
        Each output is a copy of the entry that won its window, and moves with that entry alone:
        near $x$ the maxima are $y = E_I\,x$, where the winners $I(x)$ stay the same. The transpose
        hands each cotangent to the winner, and adds up those of one that wins several windows:
        $$\bar x = E_{I(x)}^{\top} \bar y$$

    Example:
        >>> max_pool(np.array([[[1.0, 3.0, 2.0, 5.0]]]), kernel_size=2)
        array([[[3., 5.]]])
    """
    return strongest("max_pool", np.asarray(x), kernel_size, stride, padding, dilation)[0]


@max_pool.defvjp
def max_pool_vjp(g: Any, y: Any, x: Any, **how: Any) -> Any:
    return max_pool_adjoint(g, max_pool_winners(x, **how), extents=x.shape[2:])


@op(samples=[*POOLED, *DILATED], misuses=UNPOOLED, differentiable=False, tex="I(#x)")
def max_pool_winners(
    x: Array,
    /,
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
    dilation: Extents = 1,
) -> Array:
    r"""Where each window's largest entry sits, in the flattened spatial axes; not differentiable.

    The arguments are those of `max_pool`.

    Returns:
        Integers, `(N, C, *places)`.

    Raises:
        ShapeError: as `max_pool`.

    Example:
        >>> max_pool_winners(np.array([[[1.0, 3.0, 2.0, 5.0]]]), kernel_size=2)
        array([[[1, 3]]])
    """
    return strongest("max_pool_winners", np.asarray(x), kernel_size, stride, padding, dilation)[1]


@op(
    samples=[
        Case(Reals(2, 3, 3), Integers(2, 3, 3, high=6), extents=(6,)),
        Case(Reals(1, 2, 2, 2), Integers(1, 2, 2, 2, high=12), extents=(3, 4)),
        Case(Reals(0, 2, 2), np.zeros((0, 2, 2), np.int64), extents=(4,)),
    ],
    misuses=[
        Misuse(
            (np.ones((1, 1, 2)), np.zeros((1, 1, 3), np.int64)),
            ShapeError,
            "got v float64 (1, 1, 2); expected the shape that max_pool gives, (1, 1, 3)",
            {"extents": (4,)},
        ),
    ],
    tex=r"E_{#winners}^{\top} #v",
    binds="function",
)
def max_pool_adjoint(v: Array, winners: Array, /, extents: tuple[int, ...]) -> Array:
    r"""Zeros, with each value added to the entry that won its window; the adjoint of `max_pool`.

    Args:
        v: `(N, C, *places)`.
        winners: `(N, C, *places)`, from `max_pool_winners`.
        extents: the spatial shape of the result.

    Returns:
        `(N, C, *extents)`.

    Raises:
        ShapeError: if `v` and `winners` differ in shape.

    Derivation:
        The transpose of picking is adding, and that of adding is picking again, with the same
        winners:
        $$\bar v = E_{{\mathrm{winners}}} \bar y$$

    Example:
        >>> max_pool_adjoint(np.array([[[1.0, 2.0]]]), np.array([[[1, 1]]]), extents=(3,))
        array([[[0., 3., 0.]]])
    """
    v, winners = np.asarray(v), np.asarray(winners)
    refuse_other("max_pool_adjoint", "max_pool", v, winners.shape)
    return pooling.max_pool_adjoint(v, winners, extents)


def max_pool_adjoint_vjp(g: Any, y: Any, v: Any, winners: Any, extents: Extents) -> Any:
    return pick_winners(g, winners)


max_pool_adjoint.defvjp(max_pool_adjoint_vjp, None)


@op(
    samples=[
        Case(Reals(2, 3, 6), Integers(2, 3, 3, high=6)),
        Case(Reals(1, 2, 3, 4), Integers(1, 2, 2, 2, high=12)),
        Case(Reals(0, 2, 4), np.zeros((0, 2, 2), np.int64)),
    ],
    misuses=[
        Misuse(
            (np.ones((2, 1, 4)), np.zeros((1, 1, 3), np.int64)),
            ShapeError,
            "got winners int64 (1, 1, 3) for x float64 (2, 1, 4); expected the same N and C",
        ),
    ],
    tex="E_{#winners} #x",
    binds="function",
)
def pick_winners(x: Array, winners: Array, /) -> Array:
    r"""The entries that won the windows of another array; the adjoint of `max_pool_adjoint`.

    Args:
        x: `(N, C, *extents)`.
        winners: `(N, C, *places)`, from `max_pool_winners`.

    Returns:
        `(N, C, *places)`.

    Raises:
        ShapeError: if `x` and `winners` differ in batch or channels.

    Derivation:
        Picking is linear; its transpose adds each cotangent to the entry that was picked:
        $$\bar x = E_{{\mathrm{winners}}}^{\top} \bar y$$

    Example:
        >>> pick_winners(np.array([[[5.0, 6.0, 7.0]]]), np.array([[[1, 1]]]))
        array([[[6., 6.]]])
    """
    x, winners = np.asarray(x), np.asarray(winners)
    if x.shape[:2] != winners.shape[:2]:
        raise ShapeError(
            f"pick_winners: got winners {described(winners)} for x {described(x)}; expected the "
            "same N and C"
        )
    return pooling.pick_winners(x, winners)


pick_winners.defvjp(
    lambda g, y, x, winners: max_pool_adjoint(g, winners, extents=x.shape[2:]), None
)


@op(samples=POOLED, misuses=UNPOOLED, tex="M #x", binds="function", method="avg_pool")
def avg_pool(
    x: Array, /, kernel_size: Extents, stride: Extents | None = None, padding: Extents = 0
) -> Array:
    r"""The mean of each window, the zeros of the padding counted in, as in PyTorch.

    Args:
        x: `(N, C, L)` or `(N, C, H, W)`.
        kernel_size: the window's taps.
        stride: the distance between neighbouring windows; that of `kernel_size` unless given.
        padding: zeros added at each end; at most half of the window.

    Returns:
        `(N, C, *places)`.

    Raises:
        ShapeError: if the window is wider than the input, or the padding than half of it.

    Derivation:
        It is a linear map, $y = M x$: each entry gives $1/k$ of itself to every window of $k$ taps
        that meets it, and collects as much of their cotangents,
        $$\bar x = M^{\top} \bar y$$

    Example:
        >>> avg_pool(np.array([[[1.0, 3.0, 2.0, 6.0]]]), kernel_size=2)
        array([[[2., 4.]]])
    """
    x = np.asarray(x)
    return pooling.avg_pool(x, *window_of("avg_pool", x, kernel_size, stride, padding))


@avg_pool.defvjp
def avg_pool_vjp(g: Any, y: Any, x: Any, **how: Any) -> Any:
    return avg_pool_adjoint(g, extents=x.shape[2:], **how)


@op(
    samples=[
        Case(Reals(2, 3, 3), extents=(6,), kernel_size=2),
        Case(Reals(1, 2, 4), extents=(7,), kernel_size=3, stride=2, padding=1),
        Case(Reals(1, 2, 6, 2), extents=(5, 4), kernel_size=(2, 3), stride=1, padding=(1, 0)),
        Case(Reals(0, 2, 2), extents=(4,), kernel_size=2),
    ],
    misuses=[
        Misuse(
            (np.ones((1, 1, 2)),),
            ShapeError,
            "got v float64 (1, 1, 2); expected the shape that avg_pool gives, (1, 1, 3)",
            {"extents": (6,), "kernel_size": 2},
        ),
    ],
    tex=r"M^{\top} #v",
    binds="function",
)
def avg_pool_adjoint(
    v: Array,
    /,
    extents: tuple[int, ...],
    kernel_size: Extents,
    stride: Extents | None = None,
    padding: Extents = 0,
) -> Array:
    r"""Each value shared out evenly over its window; the adjoint of `avg_pool`.

    Args:
        v: `(N, C, *places)`.
        extents: the spatial shape of the result.
        kernel_size: as in `avg_pool`, and so are the others.
        stride: the distance between neighbouring windows.
        padding: zeros that were added at each end.

    Returns:
        `(N, C, *extents)`.

    Raises:
        ShapeError: if `v` is not what `avg_pool` gives for these extents.

    Derivation:
        The transpose of a transpose is the map itself:
        $$\bar v = M \bar y$$

    Example:
        >>> avg_pool_adjoint(np.array([[[2.0]]]), extents=(2,), kernel_size=2)
        array([[[1., 1.]]])
    """
    v = np.asarray(v)
    window, steps, margins = window_of("avg_pool_adjoint", v, kernel_size, stride, padding)
    near = (1,) * len(window)
    places = output_extents(extents, window, steps, margins, near)
    refuse_other("avg_pool_adjoint", "avg_pool", v, (*v.shape[:2], *places))
    return pooling.avg_pool_adjoint(v, extents, window, steps, margins)


avg_pool_adjoint.defvjp(lambda g, y, v, extents, **how: avg_pool(g, **how))
