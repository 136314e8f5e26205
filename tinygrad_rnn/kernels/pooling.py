r"""Pooling over any number of spatial axes: the largest or the mean of what a window meets.

`x` is `(N, C, *extents)`; `window`, `stride`, `padding` and `dilation` are tuples with one entry
per spatial axis. Each pooling has its adjoint, which takes cotangents back to where the input came
from. The search for the largest pays to be compiled, and so does its adjoint's adding.
"""

import math
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.convolution import Extents, box, output_extents, placed
from tinygrad_rnn.kernels.dispatch import kernel
from tinygrad_rnn.kernels.scatter import Indices, scatter_add_along_rows

Array = NDArray[Any]


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
    nowhere = math.prod(extents)
    index = widened(np.arange(nowhere).reshape(1, 1, *extents), padding, nowhere)
    taps = product(*map(range, window))
    met = np.stack([index[met_by(tap, places, stride, dilation)].ravel() for tap in taps])
    first = met.min(axis=0)
    if (first == nowhere).any():
        raise ValueError(
            f"padding {tuple(padding)} leaves some windows of {tuple(window)} taps with nothing "
            "but padding: use at most half of the window"
        )
    planes = x.reshape(x.shape[0] * x.shape[1], nowhere)
    y, winners = largest_met(planes, np.where(met == nowhere, first, met))
    shape = (*x.shape[:2], *places)
    return y.reshape(shape), winners.reshape(shape)


def met_by(tap: Extents, places: Extents, stride: Extents, dilation: Extents) -> tuple[Any, ...]:
    """The index of what one tap of the window meets of a padded array, place by place."""
    return (
        ...,
        *(
            slice(k * d, k * d + s * (n - 1) + 1, s)
            for k, d, s, n in zip(tap, dilation, stride, places, strict=True)
        ),
    )


def widened(x: Array, padding: Extents, fill: float) -> Array:
    """`x` with padding at both ends of each spatial axis."""
    extents = tuple(n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True))
    return placed(x, extents, padding, fill)


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
    x = widened(x, padding, 0.0)
    y = np.zeros((*x.shape[:2], *places), x.dtype)
    for tap in product(*map(range, window)):
        y += x[met_by(tap, places, stride, near)]
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
    near, places = (1,) * len(window), g.shape[2:]
    wide = (n + 2 * p for n, p in zip(extents, padding, strict=True))
    x = np.zeros((*g.shape[:2], *wide), g.dtype)
    share = g / math.prod(window)
    for tap in product(*map(range, window)):
        x[met_by(tap, places, stride, near)] += share
    return np.ascontiguousarray(x[box(extents, padding)])
