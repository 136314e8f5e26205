r"""Products with a matrix that is used many times: at every step of a recurrent loop.

A library's product rearranges its left operand for the processor at each call. A recurrent loop
multiplies by the same weights at every time step, so rearrange them once, by `pack`:

    >>> import numpy as np
    >>> A = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> x, c = np.array([1.0, 0.0, 0.0, 1.0]), np.empty(6)  # two sequences, feature by feature
    >>> product(pack(A), x, c)
    >>> c.reshape(3, 2)
    array([[1., 2.],
           [3., 4.],
           [5., 6.]])

`add_gram` adds up a weight's gradient over all steps.
Operands are flat blocks, `(features, batch)` in C order. All of these may be called in compiled
loops, where they are made of register tiles (Goto and van de Geijn, *Anatomy of high-performance
matrix multiplication*, 2008); in Python they are NumPy's.

Measured against one thread of OpenBLAS, in percent of an AVX2 core's peak (103 GFLOP/s in
float32), products with a matrix of 512 x 128:

=========  ====  ====  ====  ====  ====  ====
columns       1     2     4     8    12    16
=========  ====  ====  ====  ====  ====  ====
OpenBLAS     30    17    28    56    52    69
`product`    43    77    91    90    91    97
=========  ====  ====  ====  ====  ====  ====

Both are near the peak when there are hundreds of columns, as in a weight's gradient; there the
gain is that nothing need be rearranged beforehand.
"""

import ctypes
import functools
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_rnn.kernels.compiling import overloaded
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.machine_code import (
    ObjectCode,
    declare,
    in_python,
    machine_code,
    named,
)
from tinygrad_rnn.kernels.resources import take
from tinygrad_rnn.kernels.tables import address_of
from tinygrad_rnn.kernels.tiles import BROAD, HIGH, SPAN, Tile, tile_here, tile_of
from tinygrad_rnn.kernels.transposed import transposing

Array = NDArray[Any]

LINE = 64  # bytes in a line of the processor's cache

GRAM_MISFIT = "g, a and out do not fit: (T, M * b) and (T, K * b) give (M, K)"
MISFIT = "the panels, x and c do not fit: (M, K) times (K, b) is (M, b)"


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array without values that starts at a cache line: vectors never straddle two lines.

    Example:
        >>> aligned((2, 3), np.float32).shape
        (2, 3)
    """
    size, itemsize = int(np.prod(shape)), np.dtype(dtype).itemsize
    buffer = np.empty(size * itemsize + LINE, np.uint8)
    skipped = -buffer.ctypes.data % LINE
    return buffer[skipped : skipped + size * itemsize].view(dtype).reshape(shape)


def panels_shape(M: int, K: int, dtype: DTypeLike) -> tuple[int, int, int]:
    """The shape of the panels of an `(M, K)` matrix: panels, columns, rows in a panel."""
    rows = tile_here(np.dtype(dtype).itemsize).panel
    return -(-M // rows), K, rows


def pack(a: Array, out: Array | None = None) -> Array:
    """Cut a matrix into panels of rows, each stored column by column.

    Args:
        a: The matrix, `(M, K)`, of float32 or float64, with any strides.
        out: Where to, of the shape that `panels_shape` tells; a new array without it.

    Returns:
        The panels; the last one is filled up with zeros.

    Example:
        >>> panels = pack(np.ones((5, 3)))
        >>> panels.shape == panels_shape(5, 3, float)
        True
    """
    M, K = a.shape
    panels = aligned(panels_shape(M, K, a.dtype), a.dtype) if out is None else out
    pack_parts([(0, 0, a)], panels, M)
    return panels


def pack_parts(parts: Sequence[tuple[int, int, Array]], panels: Array, M: int) -> None:
    """Cut a matrix that is made of several into panels, without putting it together.

    Args:
        parts: Matrices, each with its first row and column in the whole, which they cover.
        panels: Where to.
        M: How many rows the whole has.

    Example:
        >>> a, b = np.ones((5, 2)), np.zeros((5, 1))
        >>> panels = np.empty(panels_shape(5, 3, float))
        >>> pack_parts([(0, 0, a), (0, 2, b)], panels, 5)
        >>> bool((panels == pack(np.hstack([a, b]))).all())
        True
    """
    if current_backend() == "numba" and all(a.itemsize in a.strides for _, _, a in parts):
        arrange(parts, panels)
    else:
        for row, column, a in parts:
            to_panels(a, panels, row, column)
    left_over = M % panels.shape[2]
    if left_over:
        panels[-1, :, left_over:] = 0


def to_panels(a: Array, panels: Array, row: int, column: int) -> None:
    """Write a matrix as a part of panels."""
    place, rows = np.arange(row, row + len(a)), panels.shape[2]
    panels[place // rows, column : column + a.shape[1], place % rows] = a


def arrange(parts: Sequence[tuple[int, int, Array]], panels: Array) -> None:
    """The same for all parts, which have contiguous rows or columns, by machine code."""
    said, size = array("q"), panels.itemsize
    for row, column, a in parts:
        down, across = a.strides
        said.extend((address_of(a), down // size, across // size, *a.shape, row, column))
    sizes = address_of(panels), panels.shape[1], panels.shape[2]
    arranging_here(panels.dtype)(said.buffer_info()[0], len(parts), *sizes)


def product(panels: Array, x: Array, c: Array) -> None:
    """Write the product of a packed matrix and a block, `c = A x`.

    Args:
        panels: A matrix `(M, K)` from `pack`.
        x: The block `(K, b)`, flat and contiguous.
        c: The block `(M, b)`, flat and contiguous; written to.

    Raises:
        ValueError: If the sizes do not fit.
    """
    c[...] = multiplied(panels, x, c)


def multiplied(panels: Array, x: Array, c: Array) -> Array:
    """The product by NumPy, as flat as `c`."""
    count, K, rows = panels.shape
    b = x.size // K
    if b * K != x.size or c.size % b or -(-c.size // (b * rows)) != count:
        raise ValueError(MISFIT)
    padded: Array = np.matmul(panels.swapaxes(1, 2), x.reshape(K, b))
    return padded.ravel()[: c.size]


def add_gram(g: Array, a: Array, out: Array, start: int, stop: int) -> None:
    r"""Add up a weight's gradient over time, $\bar W \mathrel{+}= \sum_t G_t A_t^\top$.

    Args:
        g: The cotangents of the products, a block `(M, b)` at each step: `(T, M * b)`.
        a: What the weight was multiplied by, a block `(K, b)` at each step: `(T, K * b)`. The rows
            of both are contiguous and may lie any distance apart.
        out: The gradient, `(M, K)`, contiguous; added to.
        start: The first of its rows to compute,
        stop: and where to stop: threads may share the rows.

    Raises:
        ValueError: If the sizes do not fit.

    Example:
        >>> out = np.zeros((2, 1))
        >>> add_gram(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]]), out, 0, 2)
        >>> out
        array([[31.],
               [42.]])
    """
    T, M, K, b = gram_sizes(g, a, out)
    G, A = g.reshape(T, M, b)[:, start:stop], a.reshape(T, K, b)
    out[start:stop] += np.tensordot(G, A, axes=((0, 2), (0, 2)))


def gram_sizes(g: Array, a: Array, out: Array) -> tuple[int, int, int, int]:
    """Steps, rows, columns and batch of a weight's gradient."""
    M, K = out.shape
    T, b = len(g), g.shape[1] // M
    if g.shape != (T, M * b) or a.shape != (T, K * b):
        raise ValueError(GRAM_MISFIT)
    return T, M, K, b


def accumulate(g: Array, a: Array, out: Array, start: int, stop: int) -> None:
    """What `add_gram` does, by machine code."""
    T, _, K, b = gram_sizes(g, a, out)
    dtype, size = g.dtype, g.itemsize
    height, wide = collected_sizes(min(SPAN, T * b), stop - start, K, size)
    panels = address_of(take((height + wide,), dtype))
    factors = address_of(g), g.strides[0] // size, address_of(a), a.strides[0] // size
    aside = panels, panels + height * size
    accumulating_here(dtype)(*factors, address_of(out), K, T, b, start, stop, *aside)


@functools.cache
def collected_sizes(depth: int, rows: int, columns: int, itemsize: int) -> tuple[int, int]:
    """How many numbers of both factors are collected at most, in whole lines of the cache."""
    tile, line = tile_here(itemsize), LINE // itemsize
    sizes = min(rows, HIGH) + tile.panel, min(columns, BROAD) + tile.columns
    height, wide = (-(-depth * size // line) * line for size in sizes)
    return height, wide


def multiplying(dtype: str) -> str:
    """The name of the machine code of products."""
    return multiplying_by(tile_of(dtype), dtype)


def multiplying_by(tile: Tile, dtype: str) -> str:
    """The same for any processor's tile."""

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import multiply_by

        return multiply_by(tile, dtype)

    return declare(named("multiply", dtype, *tile), compiled)


@overloaded(product, link=multiplying)
def _product(panels: Any, x: Any, c: Any) -> Callable[..., None]:
    from tinygrad_rnn.kernels.instructions import address, call

    multiply = multiplying(str(x.dtype))
    tile = tile_here(x.dtype.bitwidth // 8)
    height, across = tile.panel, tile.columns

    def compiled(panels: Array, x: Array, c: Array) -> None:
        count, K, rows = panels.shape
        b = x.size // K
        M = c.size // b
        if b * K != x.size or b * M != c.size or rows != height or -(-M // rows) != count:
            raise ValueError(MISFIT)
        p, x_0, c_0 = address(panels, 0), address(x, 0), address(c, 0)
        call(multiply, p, K, x_0, b, across, c_0, b, M, b, K, False)

    return compiled


def gathering(dtype: str) -> str:
    """The name of the machine code that collects the operands of a weight's gradient."""

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import gather_by

        return gather_by(dtype, transposing(dtype))

    return declare(named("gather", dtype), compiled)


def accumulating(dtype: str) -> str:
    """The name of the machine code of a weight's gradient."""
    tile = tile_of(dtype)

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import accumulate_by

        return accumulate_by(tile, dtype, multiplying(dtype), gathering(dtype))

    return declare(named("accumulate", dtype, *tile), compiled)


def arranging(dtype: str) -> str:
    """The name of the machine code that writes panels."""

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import arrange_by

        return arrange_by(dtype, transposing(dtype))

    return declare(named("arrange", dtype), compiled)


HERE, N = ctypes.c_void_p, ctypes.c_int64


@functools.cache
def arranging_here(dtype: "np.dtype[Any]") -> Callable[..., int]:
    """The machine code that writes panels, as a function."""
    return in_python(machine_code(arranging(dtype.name)), HERE, N, HERE, N, N)


@functools.cache
def accumulating_here(dtype: "np.dtype[Any]") -> Callable[..., int]:
    """The machine code of a weight's gradient, as a function."""
    code = machine_code(accumulating(dtype.name))
    return in_python(code, HERE, N, HERE, N, HERE, N, N, N, N, N, HERE, HERE)


@overloaded(add_gram, link=accumulating)
def _add_gram(g: Any, a: Any, out: Any, start: Any, stop: Any) -> Callable[..., None]:
    """The arrays that the parts of `g` and `a` are collected in are made here, once."""
    from tinygrad_rnn.kernels.instructions import address, call

    tile = tile_here(g.dtype.bitwidth // 8)
    height, across = tile.panel, tile.columns
    accumulate = accumulating(str(g.dtype))

    def compiled(g: Array, a: Array, out: Array, start: int, stop: int) -> None:
        M, K = out.shape
        T, b = len(g), g.shape[1] // M
        if b * M != g.shape[1] or b * K != a.shape[1] or len(a) != T:
            raise ValueError(GRAM_MISFIT)
        depth, line = min(SPAN, T * b), LINE // g.itemsize
        panels = np.empty(depth * (min(stop - start, HIGH) + height) + line, g.dtype)
        block = np.empty(depth * (min(K, BROAD) + across) + line, g.dtype)
        p = address(panels, -panels.ctypes.data % LINE // panels.itemsize)
        x = address(block, -block.ctypes.data % LINE // block.itemsize)
        g_0, g_step = address(g, 0), g.strides[0] // g.itemsize
        a_0, a_step = address(a, 0), a.strides[0] // a.itemsize
        call(accumulate, g_0, g_step, a_0, a_step, address(out, 0), K, T, b, start, stop, p, x)

    return compiled
