r"""Convolution over any number of spatial axes, with its adjoints.

`x` is `(N, C, L)` over time and `(N, C, H, W)` over an image; `window`, `stride`, `padding` and
`dilation` are tuples with one entry per spatial axis. Layouts and meanings are PyTorch's, so the
weight is not flipped.

A convolution adds up what the taps $k$ of its window see. Let $S_k x$ be the input under tap $k$
for every place of the window, and $W_k$ the matrix that the weight has there. Then

$$ y = \sum_k W_k\, S_k x, \qquad \bar x = \sum_k S_k^{\top} W_k^{\top} \bar y, \qquad
   \bar W_k = \bar y\, (S_k x)^{\top}. $$

The three are linear in each argument, and the adjoints of one are the other two. So they suffice
for derivatives of any order:

=====================  =====================  ======================
of                     in its first argument  in its second argument
=====================  =====================  ======================
`convolve(x, w)`       `convolve_to_input`    `convolve_to_weight`
`convolve_to_input`    `convolve`             `convolve_to_weight`
`convolve_to_weight`   `convolve`             `convolve_to_input`
=====================  =====================  ======================

It is usual to copy all $S_k x$ first, side by side (im2col). Here they are views. Where the padded
input lies flat, row after row, a tap sees what the first tap sees a constant number of cells
earlier, its *shift*: $S_k$ is a slice. A window that reaches over the end of a row computes what
belongs to no place, and that is cut off. A stride deals the input out like cards, into one grid for
each remainder; within a grid the stride is 1.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Extents = Sequence[int]

THIN = 8  # channels, below which one matrix product for all taps is faster than one for each


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


class Tap(NamedTuple):
    """Where one tap of a window finds its input.

    Attributes:
        grid: Which of the grids that the stride makes.
        shift: How many cells after what the first tap sees.
    """

    grid: int
    shift: int


class Layout(NamedTuple):
    """A sliding window over an input that lies flat.

    Attributes:
        places: How many places the window has on each axis.
        grid: Extents of each grid that the padded input is dealt out into.
        row: How many cells lie between neighbours on the first axis.
        taps: The taps of the window, in C order.
    """

    places: tuple[int, ...]
    grid: tuple[int, ...]
    row: int
    taps: tuple[Tap, ...]


@lru_cache(256)
def layout(
    extents: Extents, window: Extents, stride: Extents, padding: Extents, dilation: Extents
) -> Layout:
    """The layout of an input, for the arguments of `output_extents`.

    Example:
        >>> flat = layout((3, 4), window=(2, 2), stride=(1, 1), padding=(0, 0), dilation=(1, 1))
        >>> [tap.shift for tap in flat.taps]
        [0, 1, 4, 5]
    """
    places = output_extents(extents, window, stride, padding, dilation)
    grid = [-(-(n + 2 * p) // s) for n, p, s in zip(extents, padding, stride, strict=True)]
    if len(grid) > 1:
        grid[0] += 1  # the last row of places reaches over the end under the last tap
    steps = [math.prod(grid[axis + 1 :]) for axis in range(len(grid))]
    taps = []
    for tap in product(*map(range, window)):
        which, shift = 0, 0
        for k, d, s, step in zip(tap, dilation, stride, steps, strict=True):
            which = which * s + k * d % s
            shift += k * d // s * step
        taps.append(Tap(which, shift))
    return Layout(places, tuple(grid), steps[0], tuple(taps))


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
    flat = layout(x.shape[2:], w.shape[2:], stride, padding, dilation)
    seen = _seen_by_taps(x, flat, stride, padding, groups)
    y = _summed_products(_matrices(w, groups), seen)
    y = y.reshape(len(x), len(w), flat.places[0], *flat.grid[1:])
    return np.ascontiguousarray(y[box(flat.places)])


def convolve_to_input(
    g: Array,
    w: Array,
    extents: Extents,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
    groups: int = 1,
) -> Array:
    r"""The adjoint of `convolve` in its input, $\bar x = \sum_k S_k^{\top} W_k^{\top} \bar y$.

    Each grid of $\bar x$ is a sum of products too, over the taps that see this grid: of their
    transposed matrices with $\bar y$, shifted the other way among zeros.

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
    flat = layout(tuple(extents), w.shape[2:], stride, padding, dilation)
    # Of the grids' rows, only those that are not all padding; and zeros above for the shifts.
    top, bottom = padding[0] // stride[0], -(-(padding[0] + extents[0]) // stride[0])
    above = -(-max(shift for _, shift in flat.taps) // flat.row)
    rows = above + max(bottom, flat.places[0])
    g = _flat(placed(g, (rows, *flat.grid[1:]), (above, *(0 for _ in extents[1:]))), groups)
    begin, cells = (above + top) * flat.row, (bottom - top) * flat.row
    matrices = _matrices(w, groups).swapaxes(1, 2)
    shape = (len(g), w.shape[1] * groups, bottom - top, *flat.grid[1:])
    grids = []
    for grid in range(math.prod(stride)):
        taps = [k for k, tap in enumerate(flat.taps) if tap.grid == grid]
        starts = [begin - flat.taps[k].shift for k in taps]
        seen = [g[..., start : start + cells] for start in starts]
        sums = _summed_products(matrices[..., taps], seen) if taps else np.zeros(shape, g.dtype)
        grids.append(sums.reshape(shape))
    inside = box(extents, (padding[0] - top * stride[0], *padding[1:]))
    return np.ascontiguousarray(_gathered(grids, stride)[inside])


def convolve_to_weight(
    g: Array,
    x: Array,
    window: Extents,
    stride: Extents,
    padding: Extents,
    dilation: Extents,
    groups: int = 1,
) -> Array:
    r"""The adjoint of `convolve` in its weight, $\bar W_k = \sum_n \bar y_n (S_k x_n)^{\top}$.

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
    flat = layout(x.shape[2:], tuple(window), stride, padding, dilation)
    outputs, channels = g.shape[1], x.shape[1] // groups
    g = _flat(placed(g, (flat.places[0], *flat.grid[1:]), (0,) * len(window)), groups)
    seen = _seen_by_taps(x, flat, stride, padding, groups)
    matrices = [np.matmul(g, taps.swapaxes(-1, -2)).sum(axis=0) for taps in _together(seen)]
    w = np.concatenate(matrices, axis=-1).reshape(outputs, len(flat.taps), channels)
    return np.ascontiguousarray(w.swapaxes(1, 2)).reshape(outputs, channels, *window)


def _seen_by_taps(
    x: Array, flat: Layout, stride: Extents, padding: Extents, groups: int
) -> list[Array]:
    """$S_k x$ for every tap, `(N, groups, C / groups, cells)`: views of one array."""
    lengths = tuple(m * s for m, s in zip(flat.grid, stride, strict=True))
    grids = [_flat(grid, groups) for grid in _dealt(placed(x, lengths, padding), stride)]
    cells = flat.places[0] * flat.row
    return [grids[tap.grid][..., tap.shift : tap.shift + cells] for tap in flat.taps]


def _summed_products(w: Array, seen: list[Array]) -> Array:
    r"""$\sum_k W_k\, S_k x$, where `w` is `(groups, rows, columns, taps)`."""
    groups, rows, columns, taps = w.shape
    matrices = w.swapaxes(-1, -2).reshape(groups, rows, taps * columns)
    parts = _together(seen)
    width = parts[0].shape[-2]
    y: Array = np.matmul(matrices[..., :width], parts[0])
    for k, part in enumerate(parts[1:], start=1):
        y += np.matmul(matrices[..., k * width : (k + 1) * width], part)
    return y


def _together(seen: list[Array]) -> list[Array]:
    """What the taps see; as one, copied, where a matrix product with each would be too thin."""
    return [np.concatenate(seen, axis=-2)] if seen[0].shape[-2] < THIN else seen


def _matrices(w: Array, groups: int) -> Array:
    """`(O, C / groups, *window)` to `(groups, O / groups, C / groups, taps)`."""
    outputs, channels, *window = w.shape
    return w.reshape(groups, outputs // groups, channels, math.prod(window))


def _flat(x: Array, groups: int) -> Array:
    """`(N, C, *extents)` to `(N, groups, C / groups, cells)`."""
    n, channels, *extents = x.shape
    return x.reshape(n, groups, channels // groups, math.prod(extents))


def _dealt(x: Array, stride: Extents) -> Array:
    """`(N, C, *extents)` dealt out by the remainders of places: `(grids, N, C, *grid)`."""
    if max(stride) == 1:
        return x[None]
    n, channels, *extents = x.shape
    pairs = (m for length, s in zip(extents, stride, strict=True) for m in (length // s, s))
    remainders = range(3, 3 + 2 * len(extents), 2)
    grids = np.moveaxis(x.reshape(n, channels, *pairs), remainders, range(len(extents)))
    return grids.reshape(math.prod(stride), *grids.shape[len(extents) :])


def _gathered(grids: list[Array], stride: Extents) -> Array:
    """`_dealt`, undone."""
    if max(stride) == 1:
        return grids[0]
    n, channels, *grid = grids[0].shape
    remainders = range(3, 3 + 2 * len(grid), 2)
    x = np.stack(grids).reshape(*stride, n, channels, *grid)
    x = np.moveaxis(x, range(len(grid)), remainders)
    return x.reshape(n, channels, *(m * s for m, s in zip(grid, stride, strict=True)))


def placed(x: Array, extents: Extents, offset: Extents, fill: float = 0.0) -> Array:
    """`(N, C, *)` at an offset in an array of wider extents; what is around it holds `fill`."""
    if x.shape[2:] == extents:
        return np.ascontiguousarray(x)
    wide = np.full((*x.shape[:2], *extents), fill, x.dtype)
    wide[box(x.shape[2:], offset)] = x
    return wide


def box(extents: Extents, offset: Extents | None = None) -> tuple[Any, ...]:
    """The index of the part of an array that has these extents and begins at an offset."""
    begins = offset or (0,) * len(extents)
    return (..., *(slice(p, p + n) for n, p in zip(extents, begins, strict=True)))
