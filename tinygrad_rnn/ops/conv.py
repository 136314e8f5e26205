r"""Convolution over time `(N, C, L)` and over images `(N, C, H, W)`.

Layouts and meanings are PyTorch's: a weight is `(O, C / groups, *window)` and is not flipped.
Options are one integer for every spatial axis, or a tuple with one for each.

A convolution is linear in its input and in its weight, and so are its two adjoints. Written

- $x * w$ for the convolution of an input with a weight,
- $v *^{\top} w$ for its adjoint in the input, which takes an output $v$ back to an input,
- $v \star x$ for its adjoint in the weight, which takes an output and an input to a weight,

the three are each other's derivatives, so they suffice for any order.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Misuse, Reals, ShapeError, composed, op
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels import convolution
from tinygrad_rnn.ops.index import getitem

__all__ = [
    "conv1d",
    "conv2d",
    "convolve",
    "convolve_to_input",
    "convolve_to_weight",
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
