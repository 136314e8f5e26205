r"""The innermost loops of packed products and of transposes, in LLVM's own terms.

LLVM keeps a tile of sums in registers when it is told so, and never finds out by itself. Numba
comes with this module, so import it inside functions.

What is written here is: `address`, a pointer into an array; `wide` and `narrow`, tiles of a
product; `quad`, four columns of a transpose; and the loops over them that are compiled once,
kept on disk, and shared by everything: `multiply_by`, `transpose_by` and `accumulate_by`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numba.np.arrayobj import make_array

from tinygrad_rnn.kernels.dispatch import jit
from tinygrad_rnn.kernels.tiles import Tile, tile_here

Array: Any = make_array
Pointer: Any = types.CPointer
F = TypeVar("F", bound=Callable[..., Any])

INDEX, LANE = ir.IntType(64), ir.IntType(32)


def index(n: int) -> Any:
    """A constant integer."""
    return ir.Constant(INDEX, n)


def number_in(context: Any, signature: Any) -> Any:
    """LLVM's type for the numbers behind the first pointer among the arguments."""
    pointer = next(a for a in signature.args if isinstance(a, Pointer))
    return context.get_data_type(pointer.dtype)


class Writer:
    """Writes instructions on vectors of one type, at one place in a function."""

    def __init__(self, builder: Any, number: Any, lanes: int) -> None:
        self.builder = builder
        self.number = number
        self.lanes = lanes
        self.vector = ir.VectorType(number, lanes)
        self.zero = ir.Constant(self.vector, [0.0] * lanes)
        builder.function.attributes.add("noinline")
        self.align = 4 if isinstance(number, ir.FloatType) else 8

    def at(self, pointer: Any, *offsets: Any) -> Any:
        """The address of the number so many numbers behind a pointer."""
        for n in offsets:
            pointer = self.builder.gep(pointer, [n])
        return pointer

    def load(self, pointer: Any) -> Any:
        """A vector from memory, wherever it begins."""
        whole = self.builder.bitcast(pointer, self.vector.as_pointer())
        return self.builder.load(whole, align=self.align)

    def store(self, value: Any, pointer: Any) -> None:
        """Put a vector into memory."""
        whole = self.builder.bitcast(pointer, value.type.as_pointer())
        self.builder.store(value, whole, align=self.align)

    def add_to(self, value: Any, pointer: Any) -> None:
        """Add a vector to what is in memory."""
        whole = self.builder.bitcast(pointer, value.type.as_pointer())
        before = self.builder.load(whole, align=self.align)
        self.store(self.builder.fadd(before, value), pointer)

    def shuffle(self, a: Any, b: Any, lanes: Sequence[int]) -> Any:
        """The given lanes of `a` followed by `b`."""
        order = ir.Constant(ir.VectorType(LANE, len(lanes)), list(lanes))
        return self.builder.shuffle_vector(a, b, order)

    def spread(self, pointer: Any) -> Any:
        """A number from memory in all lanes."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(
            undefined, self.builder.load(pointer), ir.Constant(LANE, 0)
        )
        return self.shuffle(first, undefined, [0] * self.lanes)

    def add_product(self, total: Any, a: Any, b: Any) -> Any:
        """`total + a b`, rounded once where the processor can."""
        kind = "f32" if isinstance(self.number, ir.FloatType) else "f64"
        add = self.builder.module.declare_intrinsic(
            f"llvm.fmuladd.v{self.lanes}{kind}", (), ir.FunctionType(self.vector, [self.vector] * 3)
        )
        return self.builder.call(add, [a, b, total])

    def fence(self) -> None:
        """An empty instruction that no load passes and that is not to be repeated.

        It keeps LLVM from unrolling a loop and from loading more than there are registers for.
        """
        nothing = ir.FunctionType(ir.VoidType(), ())
        empty = ir.InlineAsm(nothing, "", "~{memory}", side_effect=True)
        self.builder.call(empty, (), attrs=("convergent",))

    def loop(self, first: Any, last: Any, by: int, totals: list[Any], step: Any) -> list[Any]:
        """`totals = step(k, totals)` for each `k`, all of it in registers."""
        builder = self.builder
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        before = builder.block
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(INDEX)
        phis = [builder.phi(t.type) for t in totals]
        builder.cbranch(builder.icmp_signed("<", k, last), body, done)
        builder.position_at_end(body)
        stepped = step(k, phis)
        self.fence()
        after, k_next = builder.block, builder.add(k, index(by))
        builder.branch(head)
        for phi, start, then in zip([k, *phis], [first, *totals], [k_next, *stepped], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(then, after)
        builder.position_at_end(done)
        return phis

    def transposed(self, rows: list[Any]) -> list[Any]:
        """The transposes of the 1 x 1, 2 x 2 or 4 x 4 blocks that lie side by side in `rows`."""
        if len(rows) == 1:
            return rows
        if len(rows) == 2:
            return [self._blend(*rows, "a0", "b0"), self._blend(*rows, "a1", "b1")]
        (p, q), (r, s) = (
            (self._blend(a, b, "a0", "b0", "a1", "b1"), self._blend(a, b, "a2", "b2", "a3", "b3"))
            for a, b in (rows[:2], rows[2:])
        )
        return [
            self._blend(a, b, *lanes)
            for a, b in ((p, r), (q, s))
            for lanes in (("a0", "a1", "b0", "b1"), ("a2", "a3", "b2", "b3"))
        ]

    def rows_of(self, columns: list[Any], m: int) -> list[list[Any]]:
        """The rows, `m` numbers each, of a matrix given by its columns; those are vectors long."""
        n = len(columns) // m
        size = {1: 1, 2: 2, 3: 4, 4: 4}[m]
        padding = [ir.Constant(self.vector, ir.Undefined)] * (size - m)
        rows = []
        for q in range(n):
            turned = self.transposed(columns[q::n] + padding)
            for r in range(self.lanes):
                part, first = turned[r % size], r // size * size
                rows.append([self.shuffle(part, part, range(first, first + m))])
        return rows

    def finish(self, rows: list[list[Any]], c: Any, c_step: Any, count: Any, add: Any) -> None:
        """Write the first `count` rows, or add them to what is there."""
        builder = self.builder
        with builder.if_else(add) as (adding, writing):
            for branch, put in ((adding, self.add_to), (writing, self.store)):
                with branch:
                    for r, row in enumerate(rows):
                        with builder.if_then(builder.icmp_signed("<", index(r), count)):
                            c_r = self.at(c, builder.mul(c_step, index(r)))
                            for j, part in enumerate(row):
                                put(part, self.at(c_r, index(j * self.lanes)))

    def _blend(self, a: Any, b: Any, *lanes: str) -> Any:
        """In each group of as many lanes as are named: those of `a`'s and of `b`'s group."""
        groups = range(0, self.lanes, len(lanes))
        order = [self.lanes * (lane[0] == "b") + g + int(lane[1]) for g in groups for lane in lanes]
        return self.shuffle(a, b, order)


def instruction(define: Callable[..., Any]) -> Callable[..., Any]:
    """Let compiled loops call what is said in LLVM's terms; constant integers come as literals."""
    made: Callable[..., Any] = intrinsic(prefer_literal=True)(define)
    return made


def compiled_as(meaning: Callable[..., Any]) -> Callable[[F], F]:
    """Declare how the compiled form of a function is chosen."""

    def declare(choose: F) -> F:
        overload(meaning, strict=False, jit_options={"error_model": "numpy"})(choose)
        return choose

    return declare


@instruction
def address(typing: Any, array: Any, at: Any) -> Any:
    """A pointer to the number so far behind an array's first, in numbers."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = Array(signature.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return Pointer(array.dtype)(array, types.intp), write


@instruction
def ahead(typing: Any, pointer: Any, by: Any) -> Any:
    """A pointer so many numbers further on."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), write


@instruction
def wide(
    typing: Any,
    rows: Any,
    lanes: Any,
    vectors: Any,
    panel: Any,
    p: Any,
    x: Any,
    x_step: Any,
    c: Any,
    c_step: Any,
    depth: Any,
    count: Any,
    add: Any,
) -> Any:
    """`c[r, j] (+)= sum over k of p[k, r] x[k, j]`, vectors along j; the first `count` rows."""
    n, m, height = rows.literal_value, vectors.literal_value, panel.literal_value

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w = Writer(builder, number_in(context, signature), lanes.literal_value)
        p, x, x_step, c, c_step, depth, count, add = args[4:]

        def step(k: Any, totals: list[Any]) -> list[Any]:
            x_k, p_k = w.at(x, builder.mul(k, x_step)), w.at(p, builder.mul(k, index(height)))
            xs = [w.load(w.at(x_k, index(j * w.lanes))) for j in range(m)]
            weights = (w.spread(w.at(p_k, index(r))) for r in range(n))
            products = ((weight, x_j) for weight in weights for x_j in xs)
            return [w.add_product(t, *factors) for t, factors in zip(totals, products, strict=True)]

        totals = w.loop(index(0), depth, 1, [w.zero] * (n * m), step)
        w.finish([totals[r * m : (r + 1) * m] for r in range(n)], c, c_step, count, add)
        return context.get_dummy_value()

    operands = (p, x, types.intp, c, types.intp, types.intp, types.intp, types.boolean)
    return types.void(rows, lanes, vectors, panel, *operands), write


@instruction
def narrow(
    typing: Any,
    columns: Any,
    lanes: Any,
    panel: Any,
    p: Any,
    x: Any,
    x_step: Any,
    c: Any,
    c_step: Any,
    depth: Any,
    count: Any,
    add: Any,
) -> Any:
    """The same for 1 to 4 columns: vectors along r, as many as a panel is high.

    With one or two columns there are too few sums to keep the processor busy, so even and odd k
    are summed apart.
    """
    m, height = columns.literal_value, panel.literal_value
    parts = 2 if m < 3 else 1

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w = Writer(builder, number_in(context, signature), lanes.literal_value)
        p, x, x_step, c, c_step, depth, count, add = args[3:]
        n = height // w.lanes

        def step(k: Any, totals: list[Any]) -> list[Any]:
            x_k, p_k = w.at(x, builder.mul(k, x_step)), w.at(p, builder.mul(k, index(height)))
            ps = [w.load(w.at(p_k, index(q * w.lanes))) for q in range(n)]
            new = []
            for j in range(m):
                w.fence()
                x_j = w.spread(w.at(x_k, index(j)))
                new += [w.add_product(totals[j * n + q], ps[q], x_j) for q in range(n)]
            return new

        def two_steps(k: Any, totals: list[Any]) -> list[Any]:
            after = builder.add(k, index(1))
            return step(k, totals[: n * m]) + step(after, totals[n * m :])

        totals, even = [w.zero] * (n * m), index(0)
        if parts == 2:
            even = builder.and_(depth, index(-2))
            both = w.loop(index(0), even, 2, totals * 2, two_steps)
            totals = [
                builder.fadd(*pair) for pair in zip(both[: n * m], both[n * m :], strict=True)
            ]
        totals = w.loop(even, depth, 1, totals, step)
        w.finish(w.rows_of(totals, m), c, c_step, count, add)
        return context.get_dummy_value()

    operands = (p, x, types.intp, c, types.intp, types.intp, types.intp, types.boolean)
    return types.void(columns, lanes, panel, *operands), write


@instruction
def quad(typing: Any, lanes: Any, src: Any, src_step: Any, dst: Any, dst_step: Any) -> Any:
    """`dst[j, r] = src[r, j]` for `lanes` rows and four columns of `src`."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, src, src_step, dst, dst_step = args
        w, four = (
            Writer(builder, number_in(context, signature), lanes.literal_value),
            Writer(builder, number_in(context, signature), 4),
        )
        rows = [four.load(w.at(src, builder.mul(src_step, index(r)))) for r in range(w.lanes)]
        if w.lanes == 8:
            rows = [w.shuffle(rows[r], rows[r + 4], range(8)) for r in range(4)]
        for j, column in enumerate(w.transposed(rows)):
            w.store(column, w.at(dst, builder.mul(dst_step, index(j))))
        return context.get_dummy_value()

    return types.void(lanes, src, types.intp, dst, types.intp), write


@instruction
def copy(typing: Any, src: Any, dst: Any) -> Any:
    """One number."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(builder.load(args[0]), args[1])
        return context.get_dummy_value()

    return types.void(src, dst), write


DEEP = 256  # so many columns of a panel stay in the first cache, with their part of x


@functools.cache
def multiply_by(tile: Tile) -> Callable[..., None]:
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
        for m in range(0, M, panel):
            high = min(panel, M - m)
            for k in range(0, K, DEEP):
                deep, more = min(DEEP, K - k), add or k > 0
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

    return jit(multiply)


@functools.cache
def transpose_by(lanes: int) -> Callable[..., None]:
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

    return jit(transpose)


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
    """`multiply_by` this processor's tile for the dtype; a name for compiled loops only."""
    raise NotImplementedError


@compiled_as(multiply)
def _multiply(
    p: Any,
    p_columns: Any,
    x: Any,
    x_step: Any,
    x_across: Any,
    c: Any,
    c_step: Any,
    M: Any,
    N: Any,
    K: Any,
    add: Any,
) -> Callable[..., None]:
    kernel = multiply_by(tile_here(p.dtype.bitwidth // 8))

    def compiled(
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
        kernel(p, p_columns, x, x_step, x_across, c, c_step, M, N, K, add)

    return compiled


def transpose(src: Any, src_step: int, dst: Any, dst_step: int, rows: int, columns: int) -> None:
    """`transpose_by` as many lanes as suit the dtype; a name for compiled loops only."""
    raise NotImplementedError


@compiled_as(transpose)
def _transpose(
    src: Any, src_step: Any, dst: Any, dst_step: Any, rows: Any, columns: Any
) -> Callable[..., None]:
    kernel = transpose_by(min(8, tile_here(src.dtype.bitwidth // 8).lanes))

    def compiled(src: Any, src_step: int, dst: Any, dst_step: int, rows: int, columns: int) -> None:
        kernel(src, src_step, dst, dst_step, rows, columns)

    return compiled


SPAN = 256  # `accumulate` takes so many pairs of columns at once,
HIGH, BROAD = 96, 320  # so many rows of the result and at most so many of its columns


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
    """Collect features `first` to `last`, transposed, in panels that are `tall` features high.

    Of `b` columns at each step it takes `width`, from `j` on; of the steps `steps`, from `t` on.
    """
    for s in range(steps):
        to = s * width * tall
        for f in range(first, last, tall):
            here = ahead(src, (t + s) * src_step + f * b + j)
            transpose(here, b, ahead(dst, to), tall, min(tall, last - f), width)
            to += steps * width * tall


@compiled_as(gather)
def _gather(*operands: Any) -> Callable[..., None]:
    return gather


@functools.cache
def accumulate_by(tile: Tile) -> Callable[..., None]:
    """The loop `accumulate(g, g_step, a, a_step, c, K, T, b, start, stop, panels, block)`.

    It adds the products of all steps to rows of c, K numbers wide. Steps and batch are summed over
    alike, so both become the columns of one product: parts of g its panels, parts of a its right
    operand, as large as stay in the second cache.
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
        panels: Any,
        block: Any,
    ) -> None:
        most, widest = max(1, SPAN // b), min(b, SPAN)
        p = address(panels, -panels.ctypes.data % 64 // panels.itemsize)
        x = address(block, -block.ctypes.data % 64 // block.itemsize)
        passes = max(1, -(-K // BROAD))
        broad = -(-K // passes)  # all passes alike: one more column must not cost one more pass
        for k in range(0, K, broad):
            k_stop = min(K, k + broad)
            for t in range(0, T, most):
                steps = min(most, T - t)
                for j in range(0, b, widest):
                    width = min(widest, b - j)
                    depth = steps * width
                    gather(a, a_step, b, t, steps, j, width, k, k_stop, across, x)
                    for m in range(start, stop, tall):
                        m_stop = min(stop, m + tall)
                        gather(g, g_step, b, t, steps, j, width, m, m_stop, height, p)
                        c_m, M, N = ahead(c, m * K + k), m_stop - m, k_stop - k
                        multiply(p, depth, x, across, depth * across, c_m, K, M, N, depth, True)

    return jit(accumulate)
