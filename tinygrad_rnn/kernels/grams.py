r"""A weight's gradient: the products of all steps, added up.

A weight that is used at every step gets a part of its gradient from each,
$\bar W = \sum_t G_t A_t^\top$. All of them together are one product with as many terms as there
are steps and sequences, of operands that lie step by step in memory. `add_gram` says so in NumPy
and may be called in compiled loops; a `GramTask` is the same for threads that run machine code.
"""

import ctypes
import functools
import itertools
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import overloaded
from tinygrad_rnn.kernels.machine_code import (
    ObjectCode,
    declare,
    in_python,
    machine_code,
    named,
)
from tinygrad_rnn.kernels.memory import LINE, take
from tinygrad_rnn.kernels.packed import multiplying
from tinygrad_rnn.kernels.tables import address_of
from tinygrad_rnn.kernels.threads import MachineTask, get_num_threads, side_by_side
from tinygrad_rnn.kernels.tiles import BROAD, HIGH, SPAN, tile_here, tile_of
from tinygrad_rnn.kernels.transposed import transposing

Array = NDArray[Any]

WORTH = 1 << 23  # multiplications from which a second thread pays
MISFIT = "g, a and out do not fit: (T, M * b) and (T, K * b) give (M, K)"


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
    T, b = gram_sizes(g, a, M, K)
    G, A = g.reshape(T, M, b)[:, start:stop], a.reshape(T, K, b)
    out[start:stop] += np.tensordot(G, A, axes=((0, 2), (0, 2)))


def gram_sizes(g: Array, a: Array, M: int, K: int) -> tuple[int, int]:
    """Steps and batch of the products of an `(M, K)` gradient."""
    T, b = len(g), g.shape[1] // M
    if g.shape != (T, M * b) or a.shape != (T, K * b):
        raise ValueError(MISFIT)
    return T, b


class Factors:
    """What a gradient's products are made of, step by step.

    Args:
        g: The cotangents of the products, as `add_gram` takes them,
        a: and what the weight was multiplied by.
        M: How many rows the gradient has,
        K: and how many columns.

    Raises:
        ValueError: If the sizes do not fit.
    """

    def __init__(self, g: Array, a: Array, M: int, K: int) -> None:
        self.g, self.a = g, a
        self.T, self.b = gram_sizes(g, a, M, K)

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """Where they are, and how far apart steps lie."""
        g, a, size = self.g, self.a, self.g.itemsize
        return address_of(g), g.strides[0] // size, address_of(a), a.strides[0] // size


class Portion(NamedTuple):
    """Some rows of a gradient that are to be found.

    Attributes:
        factors: whose products add up to it, of one step or more each.
        out: the gradient, `(M, K)`, contiguous; written to.
        start: the first of the rows,
        stop: and where to stop.
    """

    factors: Sequence[Factors]
    out: Array
    start: int
    stop: int


class GramTask(MachineTask):
    """Rows of gradients that one thread adds up.

    Args:
        jobs: Which, all of one dtype.

    Example:
        >>> out = np.empty((2, 1))
        >>> factors = Factors(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]]), 2, 1)
        >>> GramTask([Portion([factors], out, 0, 2)])()
        >>> out
        array([[31.],
               [42.]])
    """

    def __init__(self, jobs: Sequence[Portion]) -> None:
        dtype = jobs[0].out.dtype
        self.run, self.code = adding_here(dtype)
        sizes = [room(job, dtype.itemsize) for job in jobs]
        height, wide = (max(size) for size in zip(*sizes, strict=True))
        aside = take((height + wide,), dtype)
        panels = address_of(aside)
        block = panels + height * dtype.itemsize
        self.table = array("q", (sum(len(job.factors) for job in jobs),))
        for factors, out, start, stop in jobs:
            to, K = address_of(out), out.shape[1]
            for k, f in enumerate(factors):
                self.table.extend((*f.numbers, to, K, f.T, f.b, start, stop, panels, block, k))
        self.argument, _ = self.table.buffer_info()
        self.kept = jobs, aside


def multiply(a: Array, b: Array) -> Array:
    """The product of two matrices of floats, by the same machine code.

    Threads of a BLAS go on looking for work when they are done, and would hold up a loop.

    Example:
        >>> multiply(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
        array([[11.]])
    """
    M, K = len(a), b.shape[1]
    out = np.empty((M, K), a.dtype)
    factors = [factors_of(a, b)]
    rows = shares(M, get_num_threads() if a.size * K > WORTH else 1)
    side_by_side([GramTask([Portion(factors, out, *some)]) for some in rows])
    return out


def factors_of(a: Array, b: Array) -> Factors:
    """What a product is made of: many steps of one sequence, or one step of many.

    Which of them depends on how the matrices lie; one that suits neither is copied.
    """
    M, K = len(a), b.shape[1]
    if a.flags.f_contiguous and b.flags.c_contiguous:
        return Factors(a.T, b, M, K)
    left, right = (np.ascontiguousarray(x).reshape(1, -1) for x in (a, b.T))
    return Factors(left, right, M, K)


def shares(M: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of rows, one for each thread that there is enough for."""
    count = max(1, min(threads, M // 16))
    cuts = [M * k // count for k in range(count + 1)]
    return list(itertools.pairwise(cuts))


def room(job: Portion, itemsize: int) -> tuple[int, int]:
    """How many numbers of both factors are collected at most."""
    depth = min(SPAN, max((f.T * f.b for f in job.factors), default=0))
    return collected_sizes(depth, job.stop - job.start, job.out.shape[1], itemsize)


@functools.cache
def collected_sizes(depth: int, rows: int, columns: int, itemsize: int) -> tuple[int, int]:
    """How many numbers of both factors are collected at most, in whole lines of the cache."""
    tile, line = tile_here(itemsize), LINE // itemsize
    sizes = min(rows, HIGH) + tile.panel, min(columns, BROAD) + tile.columns
    height, wide = (-(-depth * size // line) * line for size in sizes)
    return height, wide


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


def adding(dtype: str) -> str:
    """The name of the machine code of several gradients."""

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import accumulate_all_by

        return accumulate_all_by(dtype, accumulating(dtype))

    return declare(named("accumulate_all", dtype), compiled)


@functools.cache
def adding_here(dtype: "np.dtype[Any]") -> tuple[Callable[..., int], int]:
    """The machine code of several gradients: as a function, and where it is."""
    code = machine_code(adding(dtype.name))
    return in_python(code, ctypes.c_void_p), code.address


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
            raise ValueError(MISFIT)
        depth, line = min(SPAN, T * b), LINE // g.itemsize
        panels = np.empty(depth * (min(stop - start, HIGH) + height) + line, g.dtype)
        block = np.empty(depth * (min(K, BROAD) + across) + line, g.dtype)
        p = address(panels, -panels.ctypes.data % LINE // panels.itemsize)
        x = address(block, -block.ctypes.data % LINE // block.itemsize)
        g_0, g_step = address(g, 0), g.strides[0] // g.itemsize
        a_0, a_step = address(a, 0), a.strides[0] // a.itemsize
        c = address(out, 0)
        call(accumulate, g_0, g_step, a_0, a_step, c, K, T, b, start, stop, p, x, 1)

    return compiled
