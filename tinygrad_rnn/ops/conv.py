r"""Convolution and pooling over time `(N, C, L)` and over images `(N, C, H, W)`.

Layouts and meanings are PyTorch's: a weight is `(O, C / groups, *window)` and is not flipped.
Options are one integer for every spatial axis, or a tuple with one for each.

A convolution is linear in its input and in its weight, and so are its two adjoints. Written

- $x * w$ for the convolution of an input with a weight,
- $v *^{\top} w$ for its adjoint in the input, which takes an output $v$ back to an input,
- $v \star x$ for its adjoint in the weight, which takes an output and an input to a weight,

the three are each other's derivatives, so they suffice for any order. The same holds for a pooling
and its adjoint.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Integers, Misuse, Reals, ShapeError, composed, op
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels import convolution
from tinygrad_rnn.ops.index import getitem

__all__ = [
    "avg_pool",
    "avg_pool_adjoint",
    "conv1d",
    "conv2d",
    "convolve",
    "convolve_to_input",
    "convolve_to_weight",
    "max_pool",
    "max_pool_adjoint",
    "max_pool_winners",
    "pick_winners",
]

Array = Any
Extents = int | tuple[int, ...]
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def per_axis(call: str, name: str, value: Extents, rank: int, least: int) -> tuple[int, ...]:
    """An option as one integer for each spatial axis."""
    values = (value,) * rank if isinstance(value, int | np.integer) else tuple(value)
    if len(values) != rank or any(n < least for n in values):
        raise ShapeError(
            f"{call}: got {name}={value}; expected one integer, or {rank} for {rank} spatial axes, "
            f"each at least {least}"
        )
    return values


def sliding(call: str, rank: int, stride: Extents, padding: Extents, dilation: Extents) -> Geometry:
    """How a window slides: stride, padding and dilation, for each spatial axis."""
    return (
        per_axis(call, "stride", stride, rank, 1),
        per_axis(call, "padding", padding, rank, 0),
        per_axis(call, "dilation", dilation, rank, 1),
    )


def refuse_unfit(call: str, x: Array, w: Array, groups: int) -> None:
    """Refuse an input and a weight that do not fit together."""
    if x.ndim < 3 or w.ndim != x.ndim:
        raise ShapeError(
            f"{call}: got x {described(x)} and w {described(w)}; expected x (N, C, L) with w "
            "(O, C / groups, K), or x (N, C, H, W) with w (O, C / groups, K, K)"
        )
    if groups < 1 or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ShapeError(
            f"{call}: got x {described(x)} with {x.shape[1]} channels, w {described(w)} and "
            f"groups={groups}; expected {w.shape[1]} × {groups} = {w.shape[1] * groups} channels, "
            f"and a number of outputs (here {w.shape[0]}) that {groups} divides"
        )


CONVOLVED = [
    Case(Reals(2, 3, 6), Reals(4, 3, 3)),
    Case(Reals(2, 3, 7), Reals(2, 3, 3), stride=2, padding=1),
    Case(Reals(1, 2, 8), Reals(2, 2, 3), dilation=2),
    Case(Reals(2, 4, 5), Reals(6, 2, 2), groups=2, padding=2, stride=3),
    Case(Reals(1, 2, 5, 4), Reals(3, 2, 3, 2), stride=(2, 1), padding=(1, 0)),
    Case(Reals(1, 2, 6, 5), Reals(2, 1, 2, 2), dilation=(2, 1), groups=2),
    Case(Reals(0, 2, 4), Reals(3, 2, 3)),
]


@op(
    samples=CONVOLVED,
    misuses=[
        Misuse(
            (np.ones((2, 3, 5)), np.ones((4, 2, 3))),
            ShapeError,
            "convolve: got x float64 (2, 3, 5) with 3 channels, w float64 (4, 2, 3) and groups=1; "
            "expected 2 × 1 = 2 channels",
        ),
        Misuse((np.ones((3, 5)), np.ones((4, 3, 3))), ShapeError, "expected x (N, C, L) with w"),
        Misuse(
            (np.ones((1, 1, 5)), np.ones((1, 1, 7))),
            ShapeError,
            "a window of 7 taps with dilation 1 spans 7 places",
        ),
        Misuse(
            (np.ones((1, 1, 5)), np.ones((1, 1, 3))),
            ShapeError,
            "got stride=(1, 2); expected one integer, or 1 for 1 spatial axes, each at least 1",
            {"stride": (1, 2)},
        ),
        Misuse(
            (np.ones((1, 1, 5)), np.ones((1, 1, 3))), ShapeError, "got padding=-1", {"padding": -1}
        ),
    ],
    tex="#x * #w",
    binds="product",
)
def convolve(
    x: Array,
    w: Array,
    /,
    stride: Extents = 1,
    padding: Extents = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Array:
    r"""A weight slid over an input, $y_{nop} = \sum_{ck} w_{ock}\, x_{n\,c\,(sp + dk)}$.

    Args:
        x: `(N, C, L)` or `(N, C, H, W)`.
        w: `(O, C / groups, *window)`.
        stride: $s$, the distance between neighbouring places.
        padding: zeros added at each end.
        dilation: $d$, the distance between neighbouring taps.
        groups: the channels fall into so many groups, each with its own part of the weight.

    Returns:
        `(N, O, *places)`.

    Raises:
        ShapeError: if channels and groups do not fit, or the window is wider than the input.

    Derivation:
        With the input's patches side by side, $Ux$, it is a matrix product, $y = W\,Ux$. It is
        linear in $W$ and in $x$, and each has its adjoint:
        $\bar x = U^{\top} W^{\top} \bar y$ adds to each $x_i$ what it gave to every place, and
        $\bar W = \bar y\,(Ux)^{\top}$ compares cotangents with patches:
        $$\bar x = \bar y *^{\top} w$$
        $$\bar w = \bar y \star x$$
        (Dumoulin & Visin 2016, "A guide to convolution arithmetic", section 4.)

    Example:
        >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[-1.0, 0.0, 1.0]]])
        >>> convolve(x, w)
        array([[[2., 2., 2.]]])
    """
    x, w = np.asarray(x), np.asarray(w)
    refuse_unfit("convolve", x, w, groups)
    geometry = sliding("convolve", x.ndim - 2, stride, padding, dilation)
    return convolution.convolve(x, w, *geometry, groups)


def input_vjp(g: Any, y: Any, x: Any, w: Any, **how: Any) -> Any:
    return convolve_to_input(g, w, extents=x.shape[2:], **how)


def weight_vjp(g: Any, y: Any, x: Any, w: Any, **how: Any) -> Any:
    return convolve_to_weight(g, x, window=w.shape[2:], **how)


convolve.defvjp(input_vjp, weight_vjp)


@op(
    samples=[
        Case(Reals(2, 4, 4), Reals(4, 3, 3), extents=(6,)),
        Case(Reals(2, 2, 4), Reals(2, 3, 3), extents=(8,), stride=2, padding=1),
        Case(Reals(2, 6, 3), Reals(6, 2, 2), extents=(5,), groups=2, padding=2, stride=3),
        Case(Reals(1, 2, 4, 4), Reals(2, 2, 2, 2), extents=(6, 5), dilation=(2, 1)),
        Case(Reals(0, 3, 2), Reals(3, 2, 3), extents=(4,)),
    ],
    misuses=[
        Misuse(
            (np.ones((1, 1, 4)), np.ones((1, 1, 3))),
            ShapeError,
            "got v float64 (1, 1, 4); expected the shape that convolve gives, (1, 1, 3)",
            {"extents": (5,)},
        ),
    ],
    tex=r"#v *^{\top} #w",
    binds="product",
)
def convolve_to_input(
    v: Array,
    w: Array,
    /,
    extents: tuple[int, ...],
    stride: Extents = 1,
    padding: Extents = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Array:
    r"""The adjoint of `convolve` in its input, $U^{\top} W^{\top} v$: a transposed convolution.

    Args:
        v: `(N, O, *places)`.
        w: `(O, C / groups, *window)`.
        extents: the spatial shape of the input.
        stride: as in `convolve`, and so are the others.
        padding: zeros that were added at each end.
        dilation: the distance between neighbouring taps.
        groups: the number of groups.

    Returns:
        `(N, C, *extents)`.

    Raises:
        ShapeError: if `v` is not what `convolve` gives for these extents.

    Derivation:
        An adjoint is defined by $\langle u, A^{\top} v \rangle = \langle A u, v \rangle$. Here $A
        u$ is the convolution of $u$ with $w$; so in $v$ the cotangent $\bar y$ is convolved. In
        $w$, the same product is the one whose cotangent `convolve_to_weight` gives, with $\bar y$
        for the input:
        $$\bar v = \bar y * w$$
        $$\bar w = v \star \bar y$$

    Example:
        >>> v, w = np.ones((1, 1, 3)), np.array([[[-1.0, 0.0, 1.0]]])
        >>> convolve_to_input(v, w, extents=(5,))
        array([[[-1., -1.,  0.,  1.,  1.]]])
    """
    v, w = np.asarray(v), np.asarray(w)
    geometry = sliding("convolve_to_input", len(extents), stride, padding, dilation)
    places = convolution.output_extents(extents, w.shape[2:], *geometry)
    refuse_other("convolve_to_input", "convolve", v, (*v.shape[:1], w.shape[0], *places))
    return convolution.convolve_to_input(v, w, extents, *geometry, groups)


def refuse_other(call: str, forward: str, v: Array, shape: tuple[int, ...]) -> None:
    """Refuse a cotangent that has not the shape of its op's output."""
    if v.shape != shape:
        raise ShapeError(
            f"{call}: got v {described(v)}; expected the shape that {forward} gives, {shape}"
        )


def transposed_input_vjp(g: Any, y: Any, v: Any, w: Any, extents: Extents, **how: Any) -> Any:
    return convolve(g, w, **how)


def transposed_weight_vjp(g: Any, y: Any, v: Any, w: Any, extents: Extents, **how: Any) -> Any:
    return convolve_to_weight(v, g, window=w.shape[2:], **how)


convolve_to_input.defvjp(transposed_input_vjp, transposed_weight_vjp)


@op(
    samples=[
        Case(Reals(2, 4, 4), Reals(2, 3, 6), window=(3,)),
        Case(Reals(2, 2, 4), Reals(2, 3, 8), window=(3,), stride=2, padding=1),
        Case(Reals(2, 6, 3), Reals(2, 4, 5), window=(2,), groups=2, padding=2, stride=3),
        Case(Reals(1, 2, 4, 4), Reals(1, 2, 6, 5), window=(2, 2), dilation=(2, 1)),
        Case(Reals(0, 3, 2), Reals(0, 2, 4), window=(3,)),
    ],
    misuses=[
        Misuse(
            (np.ones((1, 1, 4)), np.ones((1, 1, 5))),
            ShapeError,
            "got v float64 (1, 1, 4); expected the shape that convolve gives, (1, 1, 3)",
            {"window": (3,)},
        ),
    ],
    tex=r"#v \star #x",
    binds="product",
)
def convolve_to_weight(
    v: Array,
    x: Array,
    /,
    window: tuple[int, ...],
    stride: Extents = 1,
    padding: Extents = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Array:
    r"""The adjoint of `convolve` in its weight, $\sum_n v_n (Ux_n)^{\top}$.

    Args:
        v: `(N, O, *places)`.
        x: `(N, C, *extents)`.
        window: the spatial shape of the weight.
        stride: as in `convolve`, and so are the others.
        padding: zeros that were added at each end.
        dilation: the distance between neighbouring taps.
        groups: the number of groups.

    Returns:
        `(O, C / groups, *window)`.

    Raises:
        ShapeError: if `v` is not what `convolve` gives for these extents.

    Derivation:
        By $\langle u, A^{\top} v \rangle = \langle A u, v \rangle$ once more, now with $A u$ the
        convolution of $x$ with a weight $u$. In $v$ the cotangent $\bar y$ is that weight, and in
        $x$ it is the weight whose input is sought:
        $$\bar v = x * \bar y$$
        $$\bar x = v *^{\top} \bar y$$

    Example:
        >>> v, x = np.ones((1, 1, 3)), np.arange(5.0).reshape(1, 1, 5)
        >>> convolve_to_weight(v, x, window=(3,))
        array([[[3., 6., 9.]]])
    """
    v, x = np.asarray(v), np.asarray(x)
    geometry = sliding("convolve_to_weight", len(window), stride, padding, dilation)
    places = convolution.output_extents(x.shape[2:], window, *geometry)
    refuse_other("convolve_to_weight", "convolve", v, (x.shape[0], *v.shape[1:2], *places))
    return convolution.convolve_to_weight(v, x, window, *geometry, groups)


convolve_to_weight.defvjp(
    lambda g, y, v, x, window, **how: convolve(x, g, **how),
    lambda g, y, v, x, window, **how: convolve_to_input(v, g, extents=x.shape[2:], **how),
)


@composed(
    samples=[
        Case(Reals(2, 3, 6), Reals(4, 3, 3), Reals(4)),
        Case(Reals(2, 4, 7), Reals(2, 2, 3), stride=2, padding=1, dilation=2, groups=2),
    ],
    method="conv1d",
)
def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Any:
    r"""A convolution over time, `convolve`, with a bias for each output channel.

    Args:
        x: `(N, C, L)`.
        weight: `(O, C / groups, K)`.
        bias: `(O,)`, or None.
        stride: the distance between neighbouring places.
        padding: zeros added at each end.
        dilation: the distance between neighbouring taps.
        groups: the channels fall into so many groups, each with its own part of the weight.

    Returns:
        `(N, O, P)` with $P = \lfloor (L + 2p - d(K - 1) - 1) / s \rfloor + 1$.

    Raises:
        ShapeError: if shapes, channels and groups do not fit, or the window is wider than `x`.

    Example:
        >>> conv1d(np.arange(4.0).reshape(1, 1, 4), np.ones((1, 1, 2)), np.array([10.0]))
        array([[[11., 13., 15.]]])
    """
    return convolved("conv1d", x, weight, bias, 1, stride, padding, dilation, groups)


@composed(
    samples=[
        Case(Reals(2, 3, 4, 5), Reals(2, 3, 2, 3), Reals(2)),
        Case(Reals(1, 2, 6, 5), Reals(2, 1, 3, 2), stride=(2, 1), padding=(1, 0), groups=2),
    ],
    method="conv2d",
)
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Extents = 1,
    padding: Extents = 0,
    dilation: Extents = 1,
    groups: int = 1,
) -> Any:
    r"""A convolution over images, `convolve`, with a bias for each output channel.

    Args:
        x: `(N, C, H, W)`.
        weight: `(O, C / groups, K_H, K_W)`.
        bias: `(O,)`, or None.
        stride: the distance between neighbouring places, one integer or a pair.
        padding: zeros added at each end, one integer or a pair.
        dilation: the distance between neighbouring taps, one integer or a pair.
        groups: the channels fall into so many groups, each with its own part of the weight.

    Returns:
        `(N, O, P_H, P_W)`.

    Raises:
        ShapeError: if shapes, channels and groups do not fit, or the window is wider than `x`.

    Example:
        >>> conv2d(np.arange(4.0).reshape(1, 1, 2, 2), np.ones((1, 1, 2, 2)))
        array([[[[6.]]]])
    """
    return convolved("conv2d", x, weight, bias, 2, stride, padding, dilation, groups)


def convolved(call: str, x: Any, weight: Any, bias: Any, rank: int, *how: Any) -> Any:
    """A convolution over a given number of spatial axes, with its bias."""
    if np.ndim(x) != rank + 2 or np.ndim(weight) != rank + 2:
        layout = "(N, C, L)" if rank == 1 else "(N, C, H, W)"
        raise ShapeError(
            f"{call}: got x of shape {np.shape(x)} and weight of shape {np.shape(weight)}; "
            f"expected {rank + 2} axes each: x {layout}, even for one sample"
        )
    if bias is not None and np.shape(bias) != np.shape(weight)[:1]:
        raise ShapeError(
            f"{call}: got bias of shape {np.shape(bias)}; expected one for each output channel, "
            f"shape {np.shape(weight)[:1]}"
        )
    y = convolve(x, weight, *how)
    return y if bias is None else y + getitem(bias, index=(slice(None), *(None,) * rank))


def pooling(
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
    window, steps, margins = pooling(call, x, kernel_size, stride, padding)
    gaps = per_axis(call, "dilation", dilation, len(window), 1)
    return convolution.max_pool(x, window, steps, margins, gaps)


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
    return convolution.max_pool_adjoint(v, winners, extents)


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
    return convolution.pick_winners(x, winners)


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
    return convolution.avg_pool(x, *pooling("avg_pool", x, kernel_size, stride, padding))


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
    window, steps, margins = pooling("avg_pool_adjoint", v, kernel_size, stride, padding)
    near = (1,) * len(window)
    places = convolution.output_extents(extents, window, steps, margins, near)
    refuse_other("avg_pool_adjoint", "avg_pool", v, (*v.shape[:2], *places))
    return convolution.avg_pool_adjoint(v, extents, window, steps, margins)


avg_pool_adjoint.defvjp(lambda g, y, v, extents, **how: avg_pool(g, **how))
