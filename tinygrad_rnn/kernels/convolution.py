r"""Convolution and pooling over any number of spatial axes, with their adjoints.

`x` is `(N, C, L)` over time and `(N, C, H, W)` over an image; `window`, `stride`, `padding` and
`dilation` are tuples with one entry per spatial axis. Layouts and meanings are PyTorch's, so the
weight is not flipped.

All of it rests on one linear map $U$ and its adjoint. `unfold` lays side by side the patches that
a sliding window meets; `fold` adds patches back to the places they came from. A convolution is a
matrix product with the unfolded input, which gives both of its adjoints:

$$ y = W\,Ux, \qquad \bar x = U^{\top} W^{\top} \bar y, \qquad \bar W = \bar y\,(Ux)^{\top}. $$

The three are linear in each argument, and the adjoints of one are the other two. So they suffice
for derivatives of any order:

=====================  =====================  ======================
of                     in its first argument  in its second argument
=====================  =====================  ======================
`convolve(x, w)`       `convolve_to_input`    `convolve_to_weight`
`convolve_to_input`    `convolve`             `convolve_to_weight`
`convolve_to_weight`   `convolve`             `convolve_to_input`
=====================  =====================  ======================

The arithmetic is BLAS's and the copying NumPy's: compiled loops for `unfold` and `fold` were
measured, and do not pay. For the search of `max_pool` and its adjoint they do.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from tinygrad_rnn.kernels.dispatch import kernel
from tinygrad_rnn.kernels.scatter import Indices, scatter_add_along_rows

Array = NDArray[Any]
Extents = Sequence[int]


def output_extents(
    extents: Extents, window: Extents, stride: Extents, padding: Extents, dilation: Extents
) -> tuple[int, ...]:
    r"""How many places a window has on each axis, $\lfloor (L + 2p - d(k-1) - 1)/s \rfloor + 1$.

    Args:
        extents: Spatial shape of the input.
        window: Taps of the window.
        stride: Distance between neighbouring places.
        padding: Places added at each end.
        dilation: Distance between neighbouring taps.

    Raises:
        ValueError: If the window is wider than the padded input.

    Example:
        >>> output_extents((10,), window=(3,), stride=(2,), padding=(1,), dilation=(1,))
        (5,)
    """
    places = []
    for axis, (n, k, s, p, d) in enumerate(
        zip(extents, window, stride, padding, dilation, strict=True)
    ):
        span = d * (k - 1) + 1
        if span > n + 2 * p:
            raise ValueError(
                f"a window of {k} taps with dilation {d} spans {span} places, but spatial axis "
                f"{axis} has {n}, and {n + 2 * p} with padding {p}: pad more or use a smaller "
                "window"
            )
        places.append((n + 2 * p - span) // s + 1)
    return tuple(places)


def unfold(
    x: Array,
    window: Extents,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
    fill: float = 0.0,
) -> Array:
    """Lay side by side the patches that a sliding window meets, $Ux$.

    Args:
        x: `(N, C, *extents)`.
        window: Taps of the window.
        stride: Distance between neighbouring places.
        padding: Places added at each end.
        dilation: Distance between neighbouring taps.
        fill: What the padding holds.

    Returns:
        `(N, C, taps, places)`, both counted in C order. It may share memory with `x`.

    Example:
        >>> x = np.arange(4.0).reshape(1, 1, 4)
        >>> unfold(x, window=(2,), stride=(1,), padding=(0,), dilation=(1,))[0, 0]
        array([[0., 1., 2.],
               [1., 2., 3.]])
    """
    places = output_extents(x.shape[2:], window, stride, padding, dilation)
    x = _padded(x, padding, fill)
    steps = x.strides[2:]
    patches = as_strided(
        x,
        (*x.shape[:2], *window, *places),
        (
            *x.strides[:2],
            *(step * d for step, d in zip(steps, dilation, strict=True)),
            *(step * s for step, s in zip(steps, stride, strict=True)),
        ),
        writeable=False,
    )
    return patches.reshape(*x.shape[:2], math.prod(window), math.prod(places))


def fold(
    patches: Array,
    extents: Extents,
    window: Extents,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
) -> Array:
    r"""Add patches back to where they came from, $U^{\top}$; what falls on padding is lost.

    Args:
        patches: `(N, C, taps, places)`.
        extents: Spatial shape of the result.
        window: Taps of the window.
        stride: Distance between neighbouring places.
        padding: Places added at each end.
        dilation: Distance between neighbouring taps.

    Returns:
        `(N, C, *extents)`.

    Example:
        >>> patches = np.ones((1, 1, 2, 3))
        >>> fold(patches, (4,), window=(2,), stride=(1,), padding=(0,), dilation=(1,))[0, 0]
        array([1., 2., 2., 1.])
    """
    places = output_extents(extents, window, stride, padding, dilation)
    patches = patches.reshape(*patches.shape[:3], *places)
    padded = (n + 2 * p for n, p in zip(extents, padding, strict=True))
    x = np.zeros((*patches.shape[:2], *padded), patches.dtype)
    for k, tap in enumerate(product(*map(range, window))):
        x[_met_by(tap, places, stride, dilation)] += patches[:, :, k]
    return x[_inside(extents, padding)] if any(padding) else x


def _padded(x: Array, padding: Extents, fill: float) -> Array:
    """`x` with `padding` more places at both ends of each spatial axis."""
    if not any(padding):
        return x
    wider = (n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True))
    padded = np.full((*x.shape[:2], *wider), fill, x.dtype)
    padded[_inside(x.shape[2:], padding)] = x
    return padded


def _met_by(tap: Extents, places: Extents, stride: Extents, dilation: Extents) -> tuple[slice, ...]:
    """What one tap of the window meets of a padded `(N, C, *extents)` array, place by place."""
    return (
        slice(None),
        slice(None),
        *(
            slice(k * d, k * d + s * (n - 1) + 1, s)
            for k, d, s, n in zip(tap, dilation, stride, places, strict=True)
        ),
    )


def _inside(extents: Extents, padding: Extents) -> tuple[slice, ...]:
    """The part of a padded `(N, C, *extents)` array that is not padding."""
    return (
        slice(None),
        slice(None),
        *(slice(p, p + n) for n, p in zip(extents, padding, strict=True)),
    )


def convolve(
    x: Array,
    w: Array,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
    groups: int = 1,
) -> Array:
    r"""Slide a weight over an input, $y_{n,o,p} = \sum_{c,k} w_{o,c,k}\, x_{n,c,\,sp + dk}$.

    Args:
        x: `(N, C, *extents)`.
        w: `(O, C / groups, *window)`.
        stride: Distance between neighbouring places.
        padding: Zeros added at each end.
        dilation: Distance between neighbouring taps.
        groups: The channels fall into this many groups, each with its own part of the weight.

    Returns:
        `(N, O, *places)`.

    Example:
        >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[-1.0, 0.0, 1.0]]])
        >>> convolve(x, w, stride=(1,), padding=(0,), dilation=(1,))
        array([[[2., 2., 2.]]])
    """
    window = w.shape[2:]
    places = output_extents(x.shape[2:], window, stride, padding, dilation)
    patches = _by_group(unfold(x, window, stride, padding, dilation), groups)
    y: Array = np.matmul(_weight_matrices(w, groups), patches)
    return y.reshape(len(x), len(w), *places)


def convolve_to_input(
    g: Array,
    w: Array,
    extents: Extents,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
    groups: int = 1,
) -> Array:
    r"""The adjoint of `convolve` in its input, $\bar x = U^{\top} W^{\top} \bar y$.

    Args:
        g: `(N, O, *places)`, the cotangent of the output.
        w: `(O, C / groups, *window)`.
        extents: Spatial shape of the input.
        stride: As in `convolve`.
        padding: As in `convolve`.
        dilation: As in `convolve`.
        groups: As in `convolve`.

    Returns:
        `(N, C, *extents)`.

    Example:
        >>> g, w = np.ones((1, 1, 3)), np.array([[[-1.0, 0.0, 1.0]]])
        >>> convolve_to_input(g, w, (5,), stride=(1,), padding=(0,), dilation=(1,))
        array([[[-1., -1.,  0.,  1.,  1.]]])
    """
    window = w.shape[2:]
    places, taps = math.prod(g.shape[2:]), math.prod(window)
    weights = _weight_matrices(w, groups).swapaxes(-1, -2)
    patches = np.matmul(weights, g.reshape(len(g), groups, len(w) // groups, places))
    patches = patches.reshape(len(g), groups * w.shape[1], taps, places)
    return fold(patches, extents, window, stride, padding, dilation)


def convolve_to_weight(
    g: Array,
    x: Array,
    window: Extents,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
    groups: int = 1,
) -> Array:
    r"""The adjoint of `convolve` in its weight, $\bar W = \sum_n \bar y_n (Ux_n)^{\top}$.

    Args:
        g: `(N, O, *places)`, the cotangent of the output.
        x: `(N, C, *extents)`.
        window: Taps of the weight.
        stride: As in `convolve`.
        padding: As in `convolve`.
        dilation: As in `convolve`.
        groups: As in `convolve`.

    Returns:
        `(O, C / groups, *window)`.

    Example:
        >>> g, x = np.ones((1, 1, 3)), np.arange(5.0).reshape(1, 1, 5)
        >>> convolve_to_weight(g, x, (3,), stride=(1,), padding=(0,), dilation=(1,))
        array([[[3., 6., 9.]]])
    """
    outputs, channels = g.shape[1], x.shape[1] // groups
    patches = _by_group(unfold(x, window, stride, padding, dilation), groups)
    g = g.reshape(len(g), groups, outputs // groups, patches.shape[-1])
    w: Array = np.matmul(g, patches.swapaxes(-1, -2)).sum(axis=0)
    return w.reshape(outputs, channels, *window)


def _by_group(patches: Array, groups: int) -> Array:
    """`(N, C, taps, places)` to `(N, groups, C / groups * taps, places)`."""
    n, channels, taps, places = patches.shape
    return patches.reshape(n, groups, channels // groups * taps, places)


def _weight_matrices(w: Array, groups: int) -> Array:
    """`(O, C / groups, *window)` to `(groups, O / groups, C / groups * taps)`."""
    return w.reshape(groups, len(w) // groups, math.prod(w.shape[1:]))


def max_pool(
    x: Array, window: Extents, stride: Extents, padding: Extents, dilation: Extents
) -> tuple[Array, Indices]:
    r"""The largest entry of each patch, and where it sits; of equals the first, and NaN wins.

    Args:
        x: `(N, C, *extents)`.
        window: Taps of the window.
        stride: Distance between neighbouring places.
        padding: Places added at each end, which never win.
        dilation: Distance between neighbouring taps.

    Returns:
        The maxima, `(N, C, *places)`, and for each the index of the entry that won in its
        flattened `extents`.

    Raises:
        ValueError: If some window meets nothing but padding.

    Example:
        >>> x = np.array([[[1.0, 3.0, 2.0, 5.0]]])
        >>> y, winners = max_pool(x, window=(2,), stride=(2,), padding=(0,), dilation=(1,))
        >>> y, winners
        (array([[[3., 5.]]]), array([[[1, 3]]]))
    """
    extents = x.shape[2:]
    places = output_extents(extents, window, stride, padding, dilation)
    index = np.arange(math.prod(extents)).reshape(1, 1, *extents)
    met = unfold(index, window, stride, padding, dilation, fill=index.size)[0, 0]
    first = met.min(axis=0, initial=index.size)
    if (first == index.size).any():
        raise ValueError(
            f"padding {tuple(padding)} leaves some windows of {tuple(window)} taps with nothing "
            "but padding: use at most half of the window"
        )
    planes = x.reshape(x.shape[0] * x.shape[1], index.size)
    y, winners = largest_met(planes, np.where(met == index.size, first, met))
    shape = (*x.shape[:2], *places)
    return y.reshape(shape), winners.reshape(shape)


@kernel(pays=lambda planes, met: planes.shape[0] * met.size >= 8192, within=0)
def largest_met(planes: Array, met: Indices, /) -> tuple[Array, Indices]:
    """The largest of the entries that each window meets, and its index.

    Args:
        planes: `(R, S)`.
        met: `(taps, places)`, indices into a plane: what each tap meets, place by place.

    Returns:
        Both `(R, places)`.

    Example:
        >>> largest_met(np.array([[1.0, 3.0, 2.0]]), np.array([[0, 1], [1, 2]]))
        (array([[3., 3.]]), array([[1, 1]]))
    """
    y = planes[:, met[0]]
    winners = np.broadcast_to(met[0], y.shape)
    for tap in met[1:]:
        x = planes[:, tap]
        better = (x > y) | (np.isnan(x) & ~np.isnan(y))
        y, winners = np.where(better, x, y), np.where(better, tap, winners)
    return y, winners


@largest_met.defloop
def _largest_met_loop(planes: Array, met: Indices) -> tuple[Array, Indices]:
    shape = (planes.shape[0], met.shape[1])
    y, winners = np.empty(shape, planes.dtype), np.empty(shape, np.intp)
    for r in range(shape[0]):
        for p in range(shape[1]):
            winner = met[0, p]
            largest = planes[r, winner]
            for k in range(1, met.shape[0]):
                x = planes[r, met[k, p]]
                # Without a branch, which nobody could predict.
                better = (x > largest) | ((x != x) & (largest == largest))
                winner = met[k, p] if better else winner
                largest = x if better else largest
            y[r, p], winners[r, p] = largest, winner
    return y, winners


def max_pool_adjoint(g: Array, winners: Indices, extents: Extents) -> Array:
    """The adjoint of `max_pool`: each cotangent goes to the entry that won.

    Args:
        g: `(N, C, *places)`, the cotangent of the maxima.
        winners: `(N, C, *places)`, from `max_pool`.
        extents: Spatial shape of the input.

    Returns:
        `(N, C, *extents)`.

    Example:
        >>> max_pool_adjoint(np.array([[[1.0, 2.0]]]), np.array([[[1, 1]]]), (3,))
        array([[[0., 3., 0.]]])
    """
    n, channels, *places = g.shape
    flat = (n * channels, math.prod(places))
    x = np.zeros((n * channels, math.prod(extents)), g.dtype)
    scatter_add_along_rows(x, winners.reshape(flat), g.reshape(flat))
    return x.reshape(n, channels, *extents)


def pick_winners(x: Array, winners: Indices) -> Array:
    """The entries that won elsewhere, `(N, C, *places)`: the adjoint of `max_pool_adjoint`.

    Example:
        >>> pick_winners(np.array([[[5.0, 6.0, 7.0]]]), np.array([[[1, 1]]]))
        array([[[6., 6.]]])
    """
    n, channels, *extents = x.shape
    planes = x.reshape(n, channels, math.prod(extents))
    flat = winners.reshape(n, channels, math.prod(winners.shape[2:]))
    return np.take_along_axis(planes, flat, axis=2).reshape(winners.shape)


def avg_pool(x: Array, window: Extents, stride: Extents, padding: Extents) -> Array:
    """The mean of each patch, with the zeros of the padding counted in.

    Args:
        x: `(N, C, *extents)`.
        window: Taps of the window.
        stride: Distance between neighbouring places.
        padding: Zeros added at each end.

    Returns:
        `(N, C, *places)`.

    Example:
        >>> avg_pool(np.array([[[1.0, 3.0, 2.0, 6.0]]]), window=(2,), stride=(2,), padding=(0,))
        array([[[2., 4.]]])
    """
    near = (1,) * len(window)
    places = output_extents(x.shape[2:], window, stride, padding, near)
    x = _padded(x, padding, 0.0)
    y = np.zeros((*x.shape[:2], *places), x.dtype)
    for tap in product(*map(range, window)):
        y += x[_met_by(tap, places, stride, near)]
    y /= math.prod(window)
    return y


def avg_pool_adjoint(
    g: Array, extents: Extents, window: Extents, stride: Extents, padding: Extents
) -> Array:
    """The adjoint of `avg_pool`: each cotangent is shared out evenly over its patch.

    Args:
        g: `(N, C, *places)`, the cotangent of the means.
        extents: Spatial shape of the input.
        window: As in `avg_pool`.
        stride: As in `avg_pool`.
        padding: As in `avg_pool`.

    Returns:
        `(N, C, *extents)`.

    Example:
        >>> avg_pool_adjoint(np.array([[[2.0]]]), (2,), window=(2,), stride=(1,), padding=(0,))
        array([[[1., 1.]]])
    """
    n, channels, *places = g.shape
    taps = math.prod(window)
    share = (g / taps).reshape(n, channels, 1, math.prod(places))
    patches = np.broadcast_to(share, (n, channels, taps, math.prod(places)))
    return fold(patches, extents, window, stride, padding, (1,) * len(window))
