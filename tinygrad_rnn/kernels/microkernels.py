r"""Microkernels: the innermost loops of products, of weights' gradients and of transposes.

Each is machine code of its own, compiled once for a tile and a dtype, kept on disk, and called by
all other loops by name. Numba comes with this module, so import it inside functions.
"""

import functools
from typing import Any

from numba import types

from tinygrad_rnn.kernels.compiling import MachineCode, machine_code
from tinygrad_rnn.kernels.instructions import Pointer, ahead, call, copy, narrow, quad, wide
from tinygrad_rnn.kernels.tiles import Tile, tile_here

DEEP = 384  # so many columns of a panel stay in the first cache, with their part of x
SPAN = 256  # `accumulate` takes so many pairs of columns at once,
HIGH, BROAD = 96, 320  # so many rows of the result and at most so many of its columns


def tile_of(dtype: str) -> Tile:
    """This processor's tile for a dtype."""
    return tile_here(8 if dtype == "float64" else 4)


def named(what: str, dtype: str, *sizes: int) -> str:
    """A name that no other machine code has."""
    return "_".join(["tinygrad_rnn", what, dtype, *map(str, sizes)])


def multiplying(dtype: str) -> str:
    """The name of `multiply` for a dtype, with this processor's tile."""
    return multiply_by(tile_of(dtype), dtype).name


def transposing(dtype: str) -> str:
    """The name of `transpose` for a dtype, with as many lanes as suit this processor."""
    return transpose_by(min(8, tile_of(dtype).lanes), dtype).name


def accumulating(dtype: str) -> str:
    """The name of `accumulate` for a dtype, with this processor's tile."""
    return accumulate_by(tile_of(dtype), dtype).name


@functools.cache
def multiply_by(tile: Tile, dtype: str) -> MachineCode:
    """The loop `multiply(p, p_columns, x, x_step, x_across, c, c_step, M, N, K, add)`.

    It computes `c[r, j] (+)= sum over k of p[r, k] x[k, j]` for `r < M`, `j < N`, `k < K`, with p
    in panels that lie `p_columns` columns apart. The column blocks of x, each as wide as the first
    tile, lie `x_across` numbers apart.
    """
    lanes, panel, rows, columns = tile
    vectors = columns // lanes

    def multiply(
        p: Any,
        p_columns: int,
        x: Any,
        x_step: int,
        x_across: int,
        c: Any,
        c_step: int,
        M: int,
        N: int,
        K: int,
        add: bool,
    ) -> None:
        passes = max(1, -(-K // DEEP))
        depth = -(-K // passes)  # all passes alike: one more column must not cost one more pass
        for m in range(0, M, panel):
            high = min(panel, M - m)
            for k in range(0, K, depth):
                deep, more = min(depth, K - k), add or k > 0
                p_k = ahead(p, m * p_columns + k * panel)
                x_j, c_j = ahead(x, k * x_step), ahead(c, m * c_step)
                left = N
                while left >= columns:
                    for r in range(0, high, rows):
                        p_r, c_r, some = ahead(p_k, r), ahead(c_j, r * c_step), high - r
                        wide(
                            rows,
                            lanes,
                            vectors,
                            panel,
                            p_r,
                            x_j,
                            x_step,
                            c_r,
                            c_step,
                            deep,
                            some,
                            more,
                        )
                    left -= columns
                    x_j, c_j = ahead(x_j, x_across), ahead(c_j, columns)
                while left >= 4:
                    narrow(4, lanes, panel, p_k, x_j, x_step, c_j, c_step, deep, high, more)
                    left -= 4
                    x_j, c_j = ahead(x_j, 4), ahead(c_j, 4)
                if left == 3:
                    narrow(3, lanes, panel, p_k, x_j, x_step, c_j, c_step, deep, high, more)
                elif left == 2:
                    narrow(2, lanes, panel, p_k, x_j, x_step, c_j, c_step, deep, high, more)
                elif left == 1:
                    narrow(1, lanes, panel, p_k, x_j, x_step, c_j, c_step, deep, high, more)

    here, n = Pointer(getattr(types, dtype)), types.int64
    operands = (here, n, here, n, n, here, n, n, n, n, types.boolean)
    return machine_code(multiply, named("multiply", dtype, *tile), *operands)


@functools.cache
def transpose_by(lanes: int, dtype: str) -> MachineCode:
    """The loop `transpose(src, src_step, dst, dst_step, rows, columns)`.

    It sets `dst[j, r] = src[r, j]`, in blocks of `lanes` rows by four columns; the last ones
    overlap their neighbours. A cache line of columns is done before the next is begun.
    """

    def transpose(
        src: Any, src_step: int, dst: Any, dst_step: int, rows: int, columns: int
    ) -> None:
        if columns == 1 and src_step == 1:
            for r in range(rows):
                copy(ahead(src, r), ahead(dst, r))
        elif rows == 1 and dst_step == 1:
            for j in range(columns):
                copy(ahead(src, j), ahead(dst, j))
        elif columns < 4:
            for j in range(columns):
                for r in range(rows):
                    copy(ahead(src, r * src_step + j), ahead(dst, j * dst_step + r))
        elif rows < 4:
            for r in range(rows):
                for j in range(columns):
                    copy(ahead(src, r * src_step + j), ahead(dst, j * dst_step + r))
        elif rows < lanes:
            for i in range(0, columns, 4):
                j = min(i, columns - 4)
                for r in (0, rows - 4):
                    src_r, dst_r = ahead(src, r * src_step + j), ahead(dst, j * dst_step + r)
                    quad(4, src_r, src_step, dst_r, dst_step)
        elif src_step > dst_step:
            for line in range(0, columns, 16):
                for h in range(0, rows, lanes):
                    r = min(h, rows - lanes)
                    for i in range(line, min(line + 16, columns), 4):
                        j = min(i, columns - 4)
                        src_r, dst_r = ahead(src, r * src_step + j), ahead(dst, j * dst_step + r)
                        quad(lanes, src_r, src_step, dst_r, dst_step)
        else:
            for line in range(0, rows, 16):
                for i in range(0, columns, 4):
                    j = min(i, columns - 4)
                    for h in range(line, min(line + 16, rows), lanes):
                        r = min(h, rows - lanes)
                        src_r, dst_r = ahead(src, r * src_step + j), ahead(dst, j * dst_step + r)
                        quad(lanes, src_r, src_step, dst_r, dst_step)

    here, n = Pointer(getattr(types, dtype)), types.int64
    name = named("transpose", dtype, lanes)
    return machine_code(transpose, name, here, n, here, n, n, n)


@functools.cache
def accumulate_by(tile: Tile, dtype: str) -> MachineCode:
    """The loop `accumulate(g, g_step, a, a_step, c, K, T, b, start, stop, p, x)`.

    It adds the products of all steps to rows of c, K numbers wide. Steps and batch are summed over
    alike, so both become the columns of one product: parts of g its panels, collected in `p`, parts
    of a its right operand, collected in `x`, as large as stay in the second cache.
    """
    height, across = tile.panel, tile.columns
    tall = HIGH // height * height
    multiply = multiply_by(tile, dtype).name
    gather = gather_by(dtype).name

    def accumulate(
        g: Any,
        g_step: int,
        a: Any,
        a_step: int,
        c: Any,
        K: int,
        T: int,
        b: int,
        start: int,
        stop: int,
        p: Any,
        x: Any,
    ) -> None:
        most, widest = max(1, SPAN // b), min(b, SPAN)
        passes = max(1, -(-K // BROAD))
        broad = -(-K // passes)
        for k in range(0, K, broad):
            k_stop = min(K, k + broad)
            for t in range(0, T, most):
                steps = min(most, T - t)
                for j in range(0, b, widest):
                    width = min(widest, b - j)
                    depth = steps * width
                    call(gather, a, a_step, b, t, steps, j, width, k, k_stop, across, x)
                    for m in range(start, stop, tall):
                        m_stop = min(stop, m + tall)
                        call(gather, g, g_step, b, t, steps, j, width, m, m_stop, height, p)
                        c_m, M, N = ahead(c, m * K + k), m_stop - m, k_stop - k
                        call(
                            multiply, p, depth, x, across, depth * across, c_m, K, M, N, depth, True
                        )

    here, n = Pointer(getattr(types, dtype)), types.int64
    name = named("accumulate", dtype, *tile)
    return machine_code(accumulate, name, here, n, here, n, here, n, n, n, n, n, here, here)


@functools.cache
def gather_by(dtype: str) -> MachineCode:
    """The loop `gather(src, src_step, b, t, steps, j, width, first, last, tall, dst)`.

    It collects features `first` to `last`, transposed, in panels that are `tall` features high. Of
    `b` columns at each step it takes `width`, from `j` on; of the steps `steps`, from `t` on.
    """
    transpose = transposing(dtype)

    def gather(
        src: Any,
        src_step: int,
        b: int,
        t: int,
        steps: int,
        j: int,
        width: int,
        first: int,
        last: int,
        tall: int,
        dst: Any,
    ) -> None:
        for s in range(steps):
            to = s * width * tall
            for f in range(first, last, tall):
                here = ahead(src, (t + s) * src_step + f * b + j)
                high = min(tall, last - f)
                call(transpose, here, b, ahead(dst, to), tall, high, width)
                to += steps * width * tall

    here, n = Pointer(getattr(types, dtype)), types.int64
    name = named("gather", dtype)
    return machine_code(gather, name, here, n, n, n, n, n, n, n, n, n, here)
