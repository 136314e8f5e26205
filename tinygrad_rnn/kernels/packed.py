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

Operands are flat blocks, `(features, batch)` in C order. In compiled loops a product is made of
register tiles (Goto and van de Geijn, *Anatomy of high-performance matrix multiplication*, 2008);
in Python it is NumPy's.

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
from typing import Any, NamedTuple

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
from tinygrad_rnn.kernels.memory import LINE
from tinygrad_rnn.kernels.tables import address_of
from tinygrad_rnn.kernels.threads import MachineTask, side_by_side
from tinygrad_rnn.kernels.tiles import Tile, tile_here, tile_of
from tinygrad_rnn.kernels.transposed import transposing

Array = NDArray[Any]

WORTH = 1 << 16  # numbers to be packed from which a second thread pays

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


@functools.cache
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
    pack_all([Packing([(0, 0, a)], panels, M)])
    return panels


class Packing(NamedTuple):
    """A matrix that is to be cut into panels, without putting it together.

    Attributes:
        parts: Matrices, each with its first row and column in the whole, which they cover.
        panels: Where to.
        M: How many rows the whole has.
    """

    parts: Sequence[tuple[int, int, Array]]
    panels: Array
    M: int


def pack_all(todo: Sequence[Packing]) -> None:
    """Cut matrices into panels, once; a `Packer` does it again and again.

    Args:
        todo: Which; of one dtype, if machine code does it.

    Example:
        >>> a, b = np.ones((5, 2)), np.zeros((5, 1))
        >>> panels = np.empty(panels_shape(5, 3, float))
        >>> pack_all([Packing([(0, 0, a), (0, 2, b)], panels, 5)])
        >>> bool((panels == pack(np.hstack([a, b]))).all())
        True
    """
    if current_backend() == "numba":
        side_by_side(Packer(todo).tasks(threads=1))
        return
    for one in todo:
        in_numpy(one)


def in_numpy(one: Packing) -> None:
    """Cut a matrix into panels, whatever the strides of its parts."""
    rows = one.panels.shape[2]
    if one.M % rows:
        one.panels[-1, :, one.M % rows :] = 0
    for row, column, a in one.parts:
        place = np.arange(row, row + len(a))
        one.panels[place // rows, column : column + a.shape[1], place % rows] = a


class Packer:
    """Has machine code cut matrices of one dtype into panels, as often as their numbers change.

    Args:
        todo: Which.

    Attributes:
        table: What machine code is told of them.

    Example:
        >>> a, panels = np.ones((5, 2)), np.empty(panels_shape(5, 2, float))
        >>> packer = Packer([Packing([(0, 0, a)], panels, 5)])
        >>> b = 3 * a
        >>> packer.replace(0, b)
        True
        >>> side_by_side(packer.tasks(1))
        >>> bool((panels == pack(b)).all())
        True
    """

    def __init__(self, todo: Sequence[Packing]) -> None:
        self.panels = [one.panels for one in todo]
        self.table, self.starts = array("q", (len(todo),)), array("q")
        self.copies: dict[int, Array] = {}
        for parts, panels, M in todo:
            _, K, rows = panels.shape
            self.table.extend((len(parts), address_of(panels), M, K, rows))
            for row, column, a in parts:
                self.starts.append(len(self.table))
                self.table.extend((0, 0, 0, *a.shape, row, column))
                self.replace(len(self.starts) - 1, a)

    def replace(self, k: int, a: Array) -> bool:
        """Put another array of the same shape in the place of the k-th part, counted through.

        It must live as long as it is there. One without contiguous rows or columns is copied.

        Returns:
            Whether it is looked at itself each time, and not a copy.
        """
        suits = a.itemsize in a.strides
        if not suits:
            a = self.copies[k] = np.ascontiguousarray(a)
        (down, across), size, start = a.strides, a.itemsize, self.starts[k]
        self.table[start : start + 3] = array("q", (address_of(a), down // size, across // size))
        return suits

    def tasks(self, threads: int) -> "list[PackTask]":
        """What is to be done, on several threads if there is enough of it."""
        shares = threads if sum(panels.size for panels in self.panels) >= WORTH else 1
        return [PackTask(self, k, shares) for k in range(shares if self.panels else 0)]


class PackTask(MachineTask):
    """The panels that one thread writes.

    Args:
        packer: Knows all of them.
        share: Which share of them it is,
        shares: and of how many.
    """

    def __init__(self, packer: Packer, share: int, shares: int) -> None:
        self.run, self.code = arranging_here(packer.panels[0].dtype)
        self.order = array("q", (share, shares, packer.table.buffer_info()[0]))
        self.argument, _ = self.order.buffer_info()
        self.packer = packer


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


def product_of(panels: Array, first: int, last: int, x: Array, c: Array, add: bool) -> None:
    """Write or add the product of some columns of a packed matrix and a block, `c (+)= A x`.

    Args:
        panels: A matrix `(M, K)` from `pack`.
        first: The first of its columns to take,
        last: and where to stop.
        x: The block `(last - first, b)`, flat and contiguous.
        c: The block `(M, b)`, flat and contiguous; written to.
        add: Whether to add to what is there.

    Example:
        >>> panels, c = pack(np.array([[1.0, 2.0, 3.0]])), np.array([1.0])
        >>> product_of(panels, 1, 3, np.array([10.0, 100.0]), c, True)
        >>> c
        array([321.])
    """
    depth, K = last - first, panels.shape[1]
    b = x.size // depth
    columns = panels.swapaxes(1, 2).reshape(-1, K)[: c.size // b, first:last]
    sums = (columns @ x.reshape(depth, b)).ravel()
    c[...] = c + sums if add else sums


@overloaded(product_of, link=multiplying)
def _product_of(
    panels: Any, first: Any, last: Any, x: Any, c: Any, add: Any
) -> Callable[..., None]:
    from tinygrad_rnn.kernels.instructions import address, ahead, call

    multiply = multiplying(str(x.dtype))
    across = tile_here(x.dtype.bitwidth // 8).columns

    def compiled(panels: Array, first: int, last: int, x: Array, c: Array, add: bool) -> None:
        _, K, rows = panels.shape
        depth = last - first
        b = x.size // depth
        p, x_0, c_0 = ahead(address(panels, 0), first * rows), address(x, 0), address(c, 0)
        call(multiply, p, K, x_0, b, across, c_0, b, c.size // b, b, depth, add)

    return compiled


def products(panels: Array, first: int, last: int, xs: Array, cs: Array) -> None:
    """The products of some columns of a packed matrix and the blocks of several steps.

    Each panel is fetched once for all steps.

    Args:
        panels: A matrix `(M, K)` from `pack`.
        first: The first of its columns to take,
        last: and where to stop.
        xs: Blocks `(K, b)`, one for each step, `(n, K * b)`; other rows of them are not looked at.
        cs: Blocks `(M, b)`, one for each step or more, `(n, M * b)`; written to.

    Example:
        >>> panels, cs = pack(np.array([[1.0, 2.0, 3.0]])), np.zeros((3, 1))
        >>> products(panels, 1, 3, np.array([[9.0, 10.0, 100.0], [9.0, 1.0, 1.0]]), cs)
        >>> cs.ravel()
        array([320.,   5.,   0.])
    """
    b = xs.shape[1] // panels.shape[1]
    for x, c in zip(xs, cs, strict=False):
        product_of(panels, first, last, x[first * b : last * b], c, False)


@overloaded(products, link=multiplying)
def _products(panels: Any, first: Any, last: Any, xs: Any, cs: Any) -> Callable[..., None]:
    from tinygrad_rnn.kernels.instructions import address, ahead, call

    multiply = multiplying(str(xs.dtype))
    across = tile_here(xs.dtype.bitwidth // 8).columns

    def compiled(panels: Array, first: int, last: int, xs: Array, cs: Array) -> None:
        _, K, rows = panels.shape
        b, depth = xs.shape[1] // K, last - first
        M = cs.shape[1] // b
        for m in range(0, M, rows):
            p = ahead(address(panels, 0), m * K + first * rows)
            for n in range(len(xs)):
                x = ahead(address(xs, 0), n * xs.shape[1] + first * b)
                c = ahead(address(cs, 0), n * cs.shape[1] + m * b)
                call(multiply, p, K, x, b, across, c, b, min(rows, M - m), b, depth, False)

    return compiled


def arranging(dtype: str) -> str:
    """The name of the machine code that writes panels."""

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import arrange_by

        return arrange_by(dtype, transposing(dtype))

    return declare(named("arrange", dtype), compiled)


def arranging_all(dtype: str) -> str:
    """The name of the machine code that writes a share of the panels of some matrices."""

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import arrange_all_by

        return arrange_all_by(arranging(dtype))

    return declare(named("arrange_all", dtype), compiled)


@functools.cache
def arranging_here(dtype: "np.dtype[Any]") -> tuple[Callable[..., int], int]:
    """The machine code that writes panels: as a function, and where it is."""
    code = machine_code(arranging_all(dtype.name))
    return in_python(code, ctypes.c_void_p), code.address
