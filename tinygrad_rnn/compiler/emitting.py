"""Write the loops of a step down, as Python that a person can read and Numba can compile.

The module that comes out has a function `forward` and, for training, a function `backward`, each
a loop over time, and above them the loops over features that they call. Every value of a step is
a block, a line of memory with a row for each feature and a column for each sequence; `block[k]`
is one number of it. The roles that arrays play:

=============  ================================================================================
role           what it holds
=============  ================================================================================
`sequence`     (T, b, F): inputs and outputs as the caller sees them
`block`        one value, anew at every step
`kept`         (T, rows · b): a value of each step, for the backward loop
`carry`        (T + 1, rows · b): the carry before each step, and after the last, alone or with
               what is put beside it
`returning`    (2, rows · b): the cotangent of the carry, before and after a step
`total`        a sum over all steps
`fixed`        a value that is the same at every step
`panels`       a matrix, packed by `kernels.packed`
`table`        a matrix as it is
=============  ================================================================================
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.lowering import (
    NOTHING,
    Fold,
    Lookup,
    Map,
    Move,
    Pairwise,
    Product,
    UnsupportedError,
)
from tinygrad_rnn.compiler.naming import Names, given_name, name_of
from tinygrad_rnn.compiler.scheduling import Schedule
from tinygrad_rnn.compiler.tracing import Sym

CALLS = ("exp", "tanh", "sigmoid", "erf", "maximum", "minimum")
ALIASES = {"max": "maximum", "min": "minimum"}
BUILTINS = ("abs",)
CASTS = {"float32": "f32", "float64": "f64", "int64": "i64", "bool": "bool"}
RESERVED = (
    *("T", "b", "t", "s", "j", "k", "r", "first", "stride", "forward", "backward"),
    *("np", "f32", "f64", "i64", "bool", "abs", "range"),
    *["product", "to_features", "to_rows"],
    *["copy", "sum_rows", "max_rows", "cumsum_rows", "multiply_pairs", "pick_rows", "look_up"],
    *CALLS,
    *ALIASES,
)

HEADER = '''"""{title}

{program}
"""

import numpy as np

from tinygrad_rnn.kernels.blocks import (
    copy,
    cumsum_rows,
    look_up,
    max_rows,
    multiply_pairs,
    pick_rows,
    sum_rows,
)
from tinygrad_rnn.kernels.elementary import erf, exp, maximum, minimum, sigmoid, tanh
from tinygrad_rnn.kernels.packed import product
from tinygrad_rnn.kernels.transposed import to_features, to_rows

f32, f64, i64 = np.float32, np.float64, np.int64
'''


@dataclass(frozen=True)
class Array:
    """An array that a loop over time is given.

    Attributes:
        name: in the source.
        role: see the module's docstring.
        rows: how many rows its blocks have, for panels the matrix's shape.
        dtype: its dtype's name.
        holds: the value, or what else tells the runner what to put there.
    """

    name: str
    role: str
    rows: Any
    dtype: str
    holds: Any


@dataclass(frozen=True)
class Place:
    """Where a value is: in an array, at an index of its first axis, from a row on.

    Attributes:
        array: the array,
        at: the index,
        start: and the row.
        name: what is there, if it is not what the array is called after.
    """

    array: Array
    at: str = ""
    start: int = 0
    name: str = ""

    @property
    def called(self) -> str:
        """What to call what is there."""
        return self.name or self.array.name

    def view(self, start: int, rows: int) -> str:
        """The source of a view of some rows."""
        first = self.start + start
        if first == 0 and rows == self.array.rows:
            return f"{self.array.name}[{self.at}]" if self.at else self.array.name
        span = f"{times(first)}:{times(first + rows)}"
        return f"{self.array.name}[{self.at}, {span}]" if self.at else f"{self.array.name}[{span}]"


def times(rows: int) -> str:
    """The source of where a row begins."""
    return f"{rows} * b" if rows > 1 else ("b" if rows else "0")


@dataclass
class Text:
    """Source that grows: functions, and the constants that they need."""

    functions: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)


class StepWriter:
    """Writes the body of one loop over time.

    Attributes:
        stage: "forward" or "backward".
        schedule: in which order what is computed.
        places: where values are.
        fixed: where values that stay the same are, spread over some features;
        packed: and the names of packed matrices.
        sequences: for values that come as sequences, what to call them, and what they are.
        arrays: that the loop is given, in order.
        before: its lines that bring in what a step is given,
        body: that compute,
        after: and that bring out the results.
    """

    def __init__(self, stage: str, schedule: Schedule, text: Text, names: Names) -> None:
        self.stage, self.schedule, self.text, self.names = stage, schedule, text, names
        self.lowering = schedule.lowering
        self.places: dict[Sym, Place] = {}
        self.arrays: dict[str, Array] = {}
        self.fixed: dict[tuple[Sym, tuple[int, ...]], Place] = {}
        self.copies: list[tuple[Place, Sym, bool]] = []
        self.packed: dict[tuple[Sym, bool], str] = {}
        self.sequences: dict[Sym, Any] = {}
        self.before: list[str] = []
        self.body: list[str] = []
        self.after: list[str] = []

    def array(self, wish: str, role: str, rows: Any, dtype: Any, holds: Any = None) -> Array:
        """A new array."""
        made = Array(self.names.fresh(wish), role, rows, np.dtype(dtype).name, holds)
        self.arrays[made.name] = made
        return made

    def named(self, x: Sym) -> str:
        """What to call the array of a value."""
        return name_of(x, self.lowering.program)

    def write(self) -> None:
        """The statements of one step, phase by phase."""
        self.assemble()
        barriers = self.schedule.barriers()
        loops: dict[int, list[tuple[int, list[Any]]]] = {}
        for (phase, rows), _ in self.schedule.loops().items():
            loops.setdefault(phase, []).append((rows, self.roots(phase, rows)))
        for phase in sorted({*barriers, *loops}):
            for x in barriers.get(phase, ()):
                self.barrier(x)
            for rows, roots in loops.get(phase, ()):
                self.loop(phase, rows, roots)

    def assemble(self) -> None:
        """Have the pieces of a concatenation written where the whole is wanted."""
        for x in self.schedule.others:
            node = self.lowering.node(x)
            whole = self.place(x)
            if not isinstance(node, Move):
                continue
            for k, piece in enumerate(node.sources):
                piece = self.lowering.real(piece)
                start = node.start_of(k, self.lowering.rows(piece))
                if start is None or piece in self.places:
                    continue
                place = Place(whole.array, whole.at, whole.start + start)
                if piece in self.sequences:
                    self.bring(piece, place)
                elif piece in self.schedule.stored:
                    self.places[piece] = place

    def place(self, x: Sym) -> Place:
        """Where a value is kept; a block of its own unless it was told."""
        if x not in self.places:
            block = Place(self.array(self.named(x), "block", self.lowering.rows(x), x.dtype))
            if x in self.sequences:
                self.bring(x, block)
            self.places[x] = block
        place = self.places[x]
        self.arrays.setdefault(place.array.name, place.array)
        return place

    def bring(self, x: Sym, place: Place) -> None:
        """Write a frame of a sequence to its place, at the beginning of a step."""
        rows = self.lowering.rows(x)
        whole = self.array(f"{self.named(x)}s", "sequence", rows, x.dtype, self.sequences[x])
        self.before.append(f"to_features({whole.name}[t], {place.view(0, rows)})")
        self.places[x] = place

    def written_name(self, x: Sym, view: str) -> str:
        """What a loop calls a view that it writes: `h_next` for `h[s + 1]`."""
        array = self.arrays[view.split("[")[0]]
        if array.role == "total":
            return array.name
        if "s + 1" not in view:
            return self.named(x)
        place = self.places.get(self.schedule.range(x)[0])
        return f"{place.called if place else array.name}_next"

    def show(self, x: Sym, holds: Any) -> None:
        """Write a value to a sequence that the caller sees."""
        out = self.array("to_" + self.named(x), "sequence", self.lowering.rows(x), x.dtype, holds)
        self.after.append(f"to_rows({self.view(x)}, {out.name}[t])")

    def view(self, x: Sym, start: int = 0, rows: int | None = None) -> str:
        """The source of a view of a value in memory."""
        count = self.lowering.rows(x) if rows is None else rows
        if self.lowering.fixed(x):
            return self.constant_block(
                x, x.shape if self.lowering.batch is None else x.shape[1:], start, count
            )
        base, start = self.schedule.range(x, start, count)
        return self.place(base).view(start, count)

    def constant_block(self, x: Sym, features: tuple[int, ...], start: int, rows: int) -> str:
        """A view of a fixed value, spread over the features that a line wants."""
        key = (x, features)
        if key not in self.fixed:
            total = int(np.prod(features))
            self.fixed[key] = Place(self.array(self.named(x), "fixed", total, x.dtype, key))
        return self.fixed[key].view(start, rows)

    def roots(self, phase: int, rows: int) -> list[tuple[Sym, str, str]]:
        """What a loop writes: value, view, and the operator that writes it."""
        schedule = self.schedule
        written = [
            (x, self.view(x), "=")
            for x in schedule.stored
            if schedule.phase(x) == phase and self.lowering.rows(x) == rows
        ]
        for place, x, adds in self.copies:
            if self.lowering.rows(x) == rows and schedule.use(x, 0, rows) == phase:
                written.append((x, place.view(0, rows), "+=" if adds else "="))
        return written

    def loop(self, phase: int, rows: int, roots: list[tuple[Sym, str, str]]) -> None:
        """A function that is one loop, and its call."""
        if not rows:
            return
        name = self.names.fresh(f"{self.stage}_{len(self.text.functions) + 1}")
        writer = LoopWriter(self, phase, rows)
        source = writer.write(name, roots)
        self.text.functions.append(source)
        self.body.append(f"{name}({', '.join(writer.arguments)})")

    def barrier(self, x: Sym) -> None:
        """The statement of a node that is not a map."""
        node = self.lowering.node(x)
        if isinstance(node, Product):
            self.product(x, node)
        elif isinstance(node, Fold):
            y, n = self.view(x), node.outer
            sizes = f"{n}, {node.n}" if node.how == "cumsum" else f"{n}"
            self.body.append(f"{node.how}_rows({self.view(node.x)}, {y}, {sizes})")
        elif isinstance(node, Pairwise):
            sizes = f"{node.outer}, {node.M}, {node.K}, {node.N}"
            a, b = self.view(node.a), self.view(node.b)
            self.body.append(f"multiply_pairs({a}, {b}, {self.view(x)}, {sizes})")
        elif isinstance(node, Lookup):
            table, ids, n = self.table(node), self.view(node.ids), self.lowering.rows(node.ids)
            self.body.append(f"look_up({table}, {ids}, {self.view(x)}, {n})")
        elif isinstance(node, Move):
            self.move(x, node)

    def product(self, x: Sym, node: Product) -> None:
        """One product for each group of rows."""
        M, K = node.matrix.shape if node.left else node.matrix.shape[::-1]
        name = self.panels(node)
        rows_in, rows_out = K * node.inner, M * node.inner
        for o in range(node.outer):
            a = self.view(node.x, o * rows_in, rows_in)
            self.body.append(f"product({name}, {a}, {self.view(x, o * rows_out, rows_out)})")

    def panels(self, node: Product) -> str:
        """The array of a packed matrix."""
        key = (node.matrix, node.left)
        if key not in self.packed:
            shape = node.matrix.shape if node.left else node.matrix.shape[::-1]
            self.packed[key] = self.array("W", "panels", shape, node.matrix.dtype, key).name
        return self.packed[key]

    def table(self, node: Lookup) -> str:
        """The array of a table."""
        key = (node.table, True)
        if key not in self.packed:
            rows, dtype = node.table.shape, node.table.dtype
            self.packed[key] = self.array(node.table.name, "table", rows, dtype, key).name
        return self.packed[key]

    def move(self, x: Sym, node: Move) -> None:
        """Rows copied one by one, but for pieces that were written in their place."""
        whole = self.places[x].view(0, self.lowering.rows(x))
        for k, piece in enumerate(node.sources):
            piece = self.lowering.real(piece)
            (found,) = np.nonzero(node.source == k)
            place = self.places.get(piece)
            mine = self.places[x]
            if (
                place is not None
                and len(found)
                and place.array is mine.array
                and (place.at == mine.at and place.start == mine.start + found[0])
            ):
                continue
            start = node.start_of(k, self.lowering.rows(piece))
            if start is not None:
                part = self.places[x].view(start, self.lowering.rows(piece))
                self.body.append(f"copy({self.view(piece)}, {part})")
            elif len(found):
                pairs = self.rows_constant(np.stack([found, node.row[found]]))
                self.body.append(f"pick_rows({self.view(piece)}, {whole}, {pairs}, b)")
        (empty,) = np.nonzero(node.source == NOTHING)
        for first, stop in runs(empty):
            self.body.append(f"{self.view(x, first, stop - first)}[:] = 0")

    def rows_constant(self, pairs: Any) -> str:
        """A constant array of (to, from) rows."""
        name = self.names.fresh("ROWS")
        self.text.constants.append(f"{name} = np.array({pairs.tolist()})")
        return name


def runs(numbers: Any) -> Iterable[tuple[int, int]]:
    """Neighbouring numbers as ranges."""
    cuts = np.nonzero(np.diff(numbers) != 1)[0] + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(numbers, cuts) if len(part)]


class LoopWriter:
    """Writes a function that is one loop over rows and sequences."""

    def __init__(self, step: StepWriter, phase: int, rows: int) -> None:
        self.step, self.phase, self.rows = step, phase, rows
        self.schedule, self.lowering = step.schedule, step.lowering
        self.names = Names(RESERVED)
        self.arguments: dict[str, str] = {}  # a view -> the parameter that it is given to
        self.variables: dict[tuple[Sym, int], ast.expr] = {}
        self.lines: list[str] = []
        self.by_rows = False
        self.uses: dict[tuple[Sym, int], int] = {}

    def write(self, name: str, roots: list[tuple[Sym, str, str]]) -> str:
        """The source of the function, which sets `arguments` to what it is called with."""
        self.count_uses([x for x, _, _ in roots])
        for x, view, sign in roots:
            value = self.read(x, 0)
            target = self.parameter(view, self.step.written_name(x, view))
            self.lines.append(f"{target}[k] {sign} {ast.unparse(value)}")
        if self.by_rows:
            self.arguments["b"] = "b"
            head = [f"for r in range({self.rows}):", "    for j in range(b):"]
            body = ["k = r * b + j", *self.lines]
        else:
            head = [f"for k in range({next(iter(self.arguments.values()))}.size):"]
            body = self.lines
        indent = "    " * len(head)
        parameters = ", ".join(self.arguments.values())
        return "\n    ".join(
            [f"def {name}({parameters}):", *head, *(indent + line for line in body)]
        )

    def count_uses(self, roots: list[Sym]) -> None:
        """How often each value is read within the loop."""
        group = (self.phase, self.rows)
        inside = list(self.schedule.within(group, [(x, 0) for x in roots]))
        for x in roots:
            self.use(x, 0)
        for x, start in inside:
            for o in self.lowering.node(x).operands:
                if isinstance(o, Sym) and not self.lowering.fixed(o):
                    self.use(o, start)

    def use(self, x: Sym, start: int) -> None:
        """Count one reading."""
        if self.lowering.rows(x) - start >= self.rows:
            key = self.schedule.range(x, start, self.rows)
            self.uses[key] = self.uses.get(key, 0) + 1

    def parameter(self, view: str, wish: str) -> str:
        """The parameter for a view."""
        if view not in self.arguments:
            self.arguments[view] = self.names.fresh(wish)
        return self.arguments[view]

    def named(self, x: Sym, part: str | None = None) -> str:
        """What to call a value, or a part of it."""
        place = self.step.places.get(x)
        given = x in self.schedule.given and place is not None
        name = place.called if given and place is not None else self.step.named(x)
        if place is not None and place.at in ("s + 1", "(s + 1) % 2"):
            name = f"{place.called}_next"
        return f"{name}_{part}" if part else name

    def part_name(self, x: Sym, part: str | None) -> str | None:
        """What the author calls a part of a larger value."""
        line = self.lowering.program.made.get(x)
        moves = line is not None and line.op.kernel is None
        return (given_name(x, line) if moves else None) or part

    def read(
        self, x: Any, start: int, like: Sym | None = None, part: str | None = None
    ) -> ast.expr:
        """An expression for one number of a value.

        Args:
            x: the value.
            start: its first row that the loop reads.
            like: the value for whose rows it is read.
            part: what the rows from `start` on are called, if they are not all of a value.
        """
        if not isinstance(x, Sym):
            raise UnsupportedError(f"an operand is {x!r}")
        if self.lowering.fixed(x):
            features = self.lowering.features(x if like is None else like)
            view = self.step.constant_block(x, features, start, self.rows)
            return element(self.parameter(view, self.step.named(x)))
        if (
            self.lowering.rows(x) != self.rows
            and like is not None
            and self.lowering.rows(x) < self.lowering.rows(like)
        ):
            return self.spread(x, like)
        part = self.part_name(x, part)
        x, start = self.schedule.range(x, start, self.rows)
        part = part if self.lowering.rows(x) > self.rows else None
        key = (x, start)
        if key not in self.variables:
            in_memory = self.schedule.in_memory(x, (self.phase, self.rows))
            value = self.load(x, start, part) if in_memory else self.compute(x, start, part)
            if self.uses.get(key, 0) > 1:
                variable = self.names.fresh(self.named(x, part) + "_k")
                self.lines.append(f"{variable} = {ast.unparse(value)}")
                value = ast.Name(variable)
            self.variables[key] = value
        return self.variables[key]

    def load(self, x: Sym, start: int, part: str | None) -> ast.expr:
        """An element of a value in memory."""
        view = self.step.view(x, start, self.rows)
        return element(self.parameter(view, self.named(x, part)))

    def spread(self, x: Sym, like: Sym) -> ast.expr:
        """An element of a value of fewer rows, which is read again and again."""
        self.by_rows = True
        features, wide = self.lowering.features(x), self.lowering.features(like)
        numbers = np.arange(self.lowering.rows(x)).reshape(features)
        picked = np.broadcast_to(numbers, wide).ravel()
        view = self.step.view(x)
        return element(self.parameter(view, self.named(x)), row_of(picked))

    def compute(self, x: Sym, start: int, part: str | None) -> ast.expr:
        """The kernel expression of a map."""
        node = self.lowering.node(x)
        assert isinstance(node, Map)
        line, (y,) = node.line, node.line.targets
        if line.op.name == "astype":
            (o,) = line.operands
            return cast(self.read(o, start, x, part), o.dtype.name, y.dtype.name)
        compared = y.dtype.kind == "b"
        shared = (
            np.result_type(*(getattr(o, "dtype", o) for o in line.operands))
            if compared
            else y.dtype
        )
        values: dict[str, ast.expr] = {}
        for name, o in zip(line.op.input_names, line.operands, strict=True):
            condition = line.op.name == "where" and name == "condition"
            if isinstance(o, Sym):
                value = self.read(o, start, x, part)
                values[name] = value if condition else cast(value, o.dtype.name, shared.name)
            else:
                values[name] = literal(o, shared.name)
        for name, value in line.params.items():
            values[name] = literal(value, shared.name)
        assert line.op.kernel is not None
        template = line.op.kernel.format(**{name: name for name in values})
        filled: ast.expr = Filling(values, shared.name).visit(expression(template))
        return filled


def element(array: str, index: str = "k") -> ast.expr:
    """`array[index]`."""
    return expression(f"{array}[{index}]")


def expression(source: str) -> ast.expr:
    """The syntax tree of an expression."""
    return ast.parse(source, mode="eval").body


def row_of(picked: Any) -> str:
    """An index for a row `r` that reads row `picked[r]`."""
    r, rows = np.arange(len(picked)), int(picked.max()) + 1
    if rows == 1:
        return "j"
    if (picked == r % rows).all():
        return f"r % {rows} * b + j"
    if (picked == r // (len(r) // rows)).all():
        return f"r // {len(r) // rows} * b + j"
    raise UnsupportedError("a value is spread over features on both sides")


def cast(value: ast.expr, have: str, want: str) -> ast.expr:
    """A value in another dtype."""
    return value if have == want else call(CASTS[want], value)


def call(function: str, *arguments: ast.expr) -> ast.expr:
    """A call."""
    return ast.Call(ast.Name(function), list(arguments), [])


def literal(value: Any, dtype: str) -> ast.expr:
    """A constant of a dtype."""
    if not isinstance(value, int | float | np.generic):
        raise UnsupportedError(f"a constant is {value!r}")
    number = float(value)
    if dtype == "bool":
        return ast.Constant(bool(value))
    if dtype == "int64":
        return ast.Constant(int(value))
    if not np.isfinite(number):
        sign = "-" if number == -np.inf else ""
        return ast.parse(
            f"{CASTS[dtype]}({sign}np.{'nan' if number != number else 'inf'})", mode="eval"
        ).body
    # Whole numbers read better without a point; beyond 64 bits Numba has no integers.
    whole = number == int(number) and abs(number) < 2**53
    return call(CASTS[dtype], ast.Constant(int(number) if whole else number))


class Filling(ast.NodeTransformer):
    """Puts values in the place of a kernel expression's names, and dtypes on its constants."""

    def __init__(self, values: dict[str, ast.expr], dtype: str) -> None:
        self.values, self.dtype = values, dtype

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """An input, a parameter or a function."""
        name = ALIASES.get(node.id, node.id)
        if name in self.values:
            return self.values[name]
        if name in CALLS or name in BUILTINS:
            return ast.Name(name)
        return ast.Attribute(ast.Name("np"), name)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """A number."""
        return literal(node.value, self.dtype)


def loop_over_time(writer: StepWriter) -> str:
    """The source of a whole loop: its inputs brought in, its steps, its outputs brought out."""
    names = ", ".join(writer.arrays)
    steps = "range(T)" if writer.stage == "forward" else "range(T - 1, -1, -1)"
    body = ["t = first + stride * s", *writer.before, *writer.body, *writer.after]
    return "\n".join(
        [
            f"def {writer.stage}(T, b, first, stride, {names}):",
            f"    for s in {steps}:",
            *(f"        {line}" for line in body),
        ]
    )
