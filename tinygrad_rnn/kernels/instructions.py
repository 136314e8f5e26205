r"""What microkernels are made of, in LLVM's own terms.

LLVM keeps a tile of sums in registers when it is told so, and never finds out by itself. Numba
comes with this module, so import it inside functions.

`address`, `pointer` and `ahead` point into arrays, `wide` and `narrow` are tiles of a product,
`quad` is four columns of a transpose, `call` goes to machine code that has a name, and
`arguments_of` is how code begins that is called from Python.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once, get_or_insert_function, unpack_tuple
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

Array: Any = make_array
Pointer: Any = types.CPointer

INDEX, LANE, BYTES = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()


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

    def fetch(self, pointer: Any) -> None:
        """Have a line of memory come near meanwhile."""
        kinds = ir.FunctionType(ir.VoidType(), (BYTES, LANE, LANE, LANE))
        hint = get_or_insert_function(self.builder.module, kinds, "llvm.prefetch.p0")
        to_read, near, data = (ir.Constant(LANE, n) for n in (0, 3, 1))
        self.builder.call(hint, (self.builder.bitcast(pointer, BYTES), to_read, near, data))

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

    def long_loop(self, last: Any, totals: list[Any], step: Any) -> list[Any]:
        """The same from zero on, four steps at a time, for there to be little to count.

        Where another thread has the other half of a core, counting costs as much as computing.
        """
        builder = self.builder
        most = builder.and_(last, index(-4))

        def four_steps(k: Any, totals: list[Any]) -> list[Any]:
            for n in range(4):
                totals = step(builder.add(k, index(n)), totals)
                self.fence()
            return totals

        return self.loop(most, last, 1, self.loop(index(0), most, 4, totals, four_steps), step)

    def paired_loop(self, last: Any, zeros: list[Any], step: Any) -> list[Any]:
        """The same, even and odd `k` summed apart, so that twice as many sums are under way."""
        builder, n = self.builder, len(zeros)
        even = builder.and_(last, index(-2))

        def two_steps(k: Any, both: list[Any]) -> Any:
            return step(k, both[:n]) + step(builder.add(k, index(1)), both[n:])

        both = self.loop(index(0), even, 2, zeros * 2, two_steps)
        totals = [builder.fadd(*pair) for pair in zip(both[:n], both[n:], strict=True)]
        return self.loop(even, last, 1, totals, step)

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

    def finish_columns(
        self, columns: list[Any], m: int, c: Any, c_step: Any, count: Any, add: Any
    ) -> None:
        """The same for `m` columns. One whose rows are neighbours is written as it is."""
        if m > 1:
            self.finish(self.rows_of(columns, m), c, c_step, count, add)
            return
        builder, height = self.builder, len(columns) * self.lanes
        whole = builder.icmp_signed(">=", count, index(height))
        neighbours = builder.icmp_signed("==", c_step, index(1))
        with builder.if_else(builder.and_(whole, neighbours)) as (at_once, one_by_one):
            with at_once:
                self.finish([columns], c, c_step, index(1), add)
            with one_by_one:
                self.finish(self.rows_of(columns, m), c, c_step, count, add)

    def _blend(self, a: Any, b: Any, *lanes: str) -> Any:
        """In each group of as many lanes as are named: those of `a`'s and of `b`'s group."""
        groups = range(0, self.lanes, len(lanes))
        order = [self.lanes * (lane[0] == "b") + g + int(lane[1]) for g in groups for lane in lanes]
        return self.shuffle(a, b, order)


def instruction(define: Callable[..., Any]) -> Callable[..., Any]:
    """Let compiled loops call what is said in LLVM's terms; constant integers come as literals."""
    made: Callable[..., Any] = intrinsic(prefer_literal=True)(define)
    return made


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
def pointer(typing: Any, address: Any, like: Any) -> Any:
    """A pointer of the type of another to an address."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], args[1].type)

    return like(types.int64, like), write


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

        for r in range(n):  # what the sums are added to may be far away, and each row on its own
            c_r = w.at(c, builder.mul(c_step, index(r)))
            w.fetch(c_r)
            w.fetch(w.at(c_r, index(m * w.lanes - 1)))
        totals = w.long_loop(depth, [w.zero] * (n * m), step)
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

        sums = w.paired_loop if m < 3 else w.long_loop
        w.finish_columns(sums(depth, [w.zero] * (n * m), step), m, c, c_step, count, add)
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


@instruction
def call(typing: Any, name: Any, *operands: Any) -> Any:
    """Go to the machine code of that name."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        aside = alloca_once(builder, BYTES)  # for what it returns and raises, which is nothing
        values = [aside, aside, *unpack_tuple(builder, args[1], len(operands))]
        kind = ir.FunctionType(LANE, [value.type for value in values])
        function = get_or_insert_function(builder.module, kind, name.literal_value)
        builder.call(function, values)
        return context.get_dummy_value()

    return types.void(name, types.StarArgTuple.from_types(operands)), write


def arguments_of(count: int, kinds: Sequence[Any]) -> Any:
    """An instruction that makes integers and arrays of a `kernels.tables.Table`.

    Args:
        count: How many integers there are.
        kinds: The types of the arrays after them.
    """
    every = types.Tuple((*(types.int64,) * count, *kinds))

    @intrinsic
    def arguments(typing: Any, table: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            places = itertools.count()

            def numbers(n: int) -> list[Any]:
                return [builder.load(builder.gep(args[0], [index(next(places))])) for _ in range(n)]

            values = numbers(count)
            for kind in kinds:
                (place,), shape, strides = numbers(1), numbers(kind.ndim), numbers(kind.ndim)
                number = context.get_data_type(kind.dtype)
                made = Array(kind)(context, builder)
                populate_array(
                    made,
                    data=builder.inttoptr(place, number.as_pointer()),
                    shape=shape,
                    strides=strides,
                    itemsize=context.get_constant(types.intp, context.get_abi_sizeof(number)),
                    meminfo=None,
                )
                values.append(made._getvalue())
            return context.make_tuple(builder, signature.return_type, values)

        return every(table), write

    return arguments
