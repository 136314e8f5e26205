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

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_rnn.kernels.compiling import jit, overloaded
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.tiles import tile_here
from tinygrad_rnn.kernels.transposed import transposing

Array = NDArray[Any]

LINE = 64  # bytes in a line of the processor's cache
PAGES = 32  # columns that `to_panels` goes over at once: as many pages of memory at most

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
    compiled = current_backend() == "numba"
    for row, column, a in parts:
        kind_suits = a.itemsize in a.strides and a.flags.writeable  # as the loop is compiled for
        loop_suits = compiled and a.size >= 256 and kind_suits
        (compiled_to_panels(a.dtype) if loop_suits else to_panels)(a, panels, row, column)
    left_over = M % panels.shape[2]
    if left_over:
        panels[-1, :, left_over:] = 0


def to_panels(a: Array, panels: Array, row: int, column: int) -> None:
    """Write a matrix, whose rows or columns are contiguous, as a part of panels."""
    place, rows = np.arange(row, row + len(a)), panels.shape[2]
    panels[place // rows, column : column + a.shape[1], place % rows] = a


@functools.cache
def compiled_to_panels(dtype: "np.dtype[Any]") -> Callable[..., None]:
    """The same in Numba's hands."""
    from numba import types

    kind = getattr(types, dtype.name)
    matrix, panels = types.Array(kind, 2, "A"), types.Array(kind, 3, "C")
    return jit(part_to_panels, signature=types.void(matrix, panels, types.int64, types.int64))


def part_to_panels(a: Array, panels: Array, row: int, column: int) -> None:
    """What of `to_panels` Numba compiles."""
    to_panels(a, panels, row, column)


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
    M, K = out.shape
    T, b = len(g), g.shape[1] // M
    if g.shape != (T, M * b) or a.shape != (T, K * b):
        raise ValueError(GRAM_MISFIT)
    G, A = g.reshape(T, M, b)[:, start:stop], a.reshape(T, K, b)
    out[start:stop] += np.tensordot(G, A, axes=((0, 2), (0, 2)))


def multiplying(dtype: str) -> str:
    """The name of the machine code of products."""
    from tinygrad_rnn.kernels import microkernels

    return microkernels.multiplying(dtype)


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


@overloaded(to_panels, link=transposing)
def _to_panels(a: Any, panels: Any, row: Any, column: Any) -> Callable[..., None]:
    """A few columns at a time, else there are more pages of memory than a processor knows by heart.

    Rows that are contiguous are transposed, columns copied.
    """
    from tinygrad_rnn.kernels.instructions import address, ahead, call, copy

    transpose = transposing(str(a.dtype))

    def compiled(a: Array, panels: Array, row: int, column: int) -> None:
        (M, N), (_, K, rows) = a.shape, panels.shape
        down, across = a.strides[0] // a.itemsize, a.strides[1] // a.itemsize
        for k in range(0, N, PAGES):
            deep = min(PAGES, N - k)
            for p in range(row // rows, (row + M - 1) // rows + 1):
                first, last = max(row, p * rows), min(row + M, (p + 1) * rows)
                src = ahead(address(a, 0), (first - row) * down + k * across)
                dst = ahead(address(panels, 0), (p * K + column + k) * rows + first - p * rows)
                if across == 1:
                    call(transpose, src, down, dst, rows, last - first, deep)
                else:
                    for j in range(deep):
                        for r in range(last - first):
                            copy(ahead(src, j * across + r), ahead(dst, j * rows + r))

    return compiled


def accumulating(dtype: str) -> str:
    """The name of the machine code of a weight's gradient."""
    from tinygrad_rnn.kernels import microkernels

    return microkernels.accumulating(dtype)


@overloaded(add_gram, link=accumulating)
def _add_gram(g: Any, a: Any, out: Any, start: Any, stop: Any) -> Callable[..., None]:
    """The arrays that the parts of `g` and `a` are collected in are made here, once."""
    from tinygrad_rnn.kernels.instructions import address, call
    from tinygrad_rnn.kernels.microkernels import BROAD, HIGH, SPAN

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
