r"""Microkernels: the innermost loops of products, of weights' gradients and of transposes.

Each is machine code of its own, compiled once for a tile and a dtype, kept on disk, and called by
all other loops by name; `packed` and `transposed` ask for it. Numba comes with this module, so
import it inside functions.
"""

from typing import Any

from numba import types

from tinygrad_rnn.kernels.compiling import object_code
from tinygrad_rnn.kernels.instructions import (
    Pointer,
    ahead,
    call,
    copy,
    narrow,
    pointer,
    quad,
    wide,
)
from tinygrad_rnn.kernels.machine_code import ObjectCode
from tinygrad_rnn.kernels.tiles import BROAD, DEEP, HIGH, PAGES, SPAN, Tile


def multiply_by(tile: Tile, dtype: str) -> ObjectCode:
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
    return object_code(multiply, *operands)


def transpose_by(lanes: int, dtype: str) -> ObjectCode:
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
    return object_code(transpose, here, n, here, n, n, n)


def arrange_by(dtype: str, transpose: str) -> ObjectCode:
    """The loop `arrange(parts, count, panels, M, K, rows, begin, end)`.

    It writes a matrix that is made of several, M rows and K columns in all, to panels of `rows`
    rows, of which the very last is filled up with zeros: those from `begin` to `end`. Of each part
    there are seven numbers: its address, how far apart its rows and its columns lie, how many rows
    and columns it has, and which are its first ones in the whole.

    A few columns at a time, else there are more pages of memory than a processor knows by heart.
    Rows that are contiguous are transposed, by the machine code of that name, columns copied.
    """

    def arrange(
        parts: Any, count: int, panels: Any, M: int, K: int, rows: int, begin: int, end: int
    ) -> None:
        if M % rows and end * rows > M:
            last_panel = ahead(panels, M // rows * K * rows)
            for k in range(K):
                for r in range(M % rows, rows):
                    last_panel[k * rows + r] = 0
        for i in range(count):
            part = ahead(parts, 7 * i)
            a = pointer(part[0], panels)
            down, across, high, long = part[1], part[2], part[3], part[4]
            row, column = part[5], part[6]
            for k in range(0, long, PAGES):
                deep = min(PAGES, long - k)
                for p in range(max(begin, row // rows), min(end, (row + high - 1) // rows + 1)):
                    first, last = max(row, p * rows), min(row + high, (p + 1) * rows)
                    src = ahead(a, (first - row) * down + k * across)
                    dst = ahead(panels, (p * K + column + k) * rows + first - p * rows)
                    if across == 1:
                        call(transpose, src, down, dst, rows, last - first, deep)
                    else:
                        for j in range(deep):
                            for r in range(last - first):
                                copy(ahead(src, j * across + r), ahead(dst, j * rows + r))

    here, n = Pointer(getattr(types, dtype)), types.int64
    return object_code(arrange, Pointer(n), n, here, n, n, n, n, n)


def arrange_all_by(arrange: str) -> ObjectCode:
    """The loop `arrange_all(order)`: one thread's share of the panels of some matrices.

    An order is which share it is, of how many, and the address of a table: how many matrices there
    are, then for each how many parts it has and the next four arguments of `arrange`, then these
    parts.
    """

    def arrange_all(order: Any) -> None:
        share, shares, table = order[0], order[1], pointer(order[2], order)
        matrix = ahead(table, 1)
        for _ in range(table[0]):
            count, panels, M, K, rows = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4]
            parts, every = ahead(matrix, 5), -(-M // rows)
            begin, end = every * share // shares, every * (share + 1) // shares
            # Addresses go as the numbers that they are: a processor sees no difference.
            call(arrange, parts, count, panels, M, K, rows, begin, end)
            matrix = ahead(parts, 7 * count)

    return object_code(arrange_all, Pointer(types.int64))


def accumulate_by(tile: Tile, dtype: str, multiply: str, gather: str) -> ObjectCode:
    """The loop `accumulate(g, g_step, a, a_step, c, K, T, b, start, stop, p, x, add)`.

    It adds up the products of all steps in rows of c, K numbers wide, to what is there unless `add`
    is zero. Steps and batch are summed over
    alike, so both become the columns of one product: parts of g its panels, collected in `p`, parts
    of a its right operand, collected in `x`, as large as stay in the second cache.
    """
    height, across = tile.panel, tile.columns
    tall = HIGH // height * height

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
        add: int,
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
                        apart = depth * across
                        if add or t or j:
                            call(multiply, p, depth, x, across, apart, c_m, K, M, N, depth, True)
                        else:
                            call(multiply, p, depth, x, across, apart, c_m, K, M, N, depth, False)

    here, n = Pointer(getattr(types, dtype)), types.int64
    return object_code(accumulate, here, n, here, n, here, n, n, n, n, n, here, here, n)


def accumulate_all_by(dtype: str, accumulate: str) -> ObjectCode:
    """The loop `accumulate_all(table)`: calls of `accumulate`, how many there are comes first."""

    def accumulate_all(table: Any) -> None:
        for i in range(table[0]):
            row = ahead(table, 1 + 13 * i)
            g, g_step, a, a_step, c = row[0], row[1], row[2], row[3], row[4]
            K, T, b, start, stop, p, x = row[5], row[6], row[7], row[8], row[9], row[10], row[11]
            add = row[12]
            # Addresses go as the numbers that they are: a processor sees no difference.
            call(accumulate, g, g_step, a, a_step, c, K, T, b, start, stop, p, x, add)

    return object_code(accumulate_all, Pointer(types.int64))


def gather_by(dtype: str, transpose: str) -> ObjectCode:
    """The loop `gather(src, src_step, b, t, steps, j, width, first, last, tall, dst)`.

    It collects features `first` to `last`, transposed, in panels that are `tall` features high. Of
    `b` columns at each step it takes `width`, from `j` on; of the steps `steps`, from `t` on.
    """

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
    return object_code(gather, here, n, n, n, n, n, n, n, n, n, here)
