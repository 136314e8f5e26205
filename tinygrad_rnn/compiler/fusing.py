"""Write a loop over elements: a chain of maps, fused, as one function of the source.

`block[k]` is one number of a value. A loop reads what is in memory, computes what no other loop
needs by the kernel expressions of the ops, and writes what others do:

    def forward_1(z, c, c_next):
        for k in range(z.size):
            c_next[k] = sigmoid(z[k]) * c[k]

Where a value has fewer features than what it meets, the loop goes over rows `r` and sequences `j`;
if there is but one sequence, over rows alone.
What a loop writes overlaps with nothing else that it is given; `kernels.compiling.inner` relies on
that.
"""

import ast
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from tinygrad_rnn.compiler.lowering import Lowering, Map, UnsupportedError
from tinygrad_rnn.compiler.naming import Names, given_name
from tinygrad_rnn.compiler.scheduling import Schedule
from tinygrad_rnn.compiler.tracing import Sym

CALLS = ("exp", "tanh", "sigmoid", "erf", "maximum", "minimum")
ALIASES = {"max": "maximum", "min": "minimum"}
BUILTINS = ("abs",)
CASTS = {"float32": "f32", "float64": "f64", "int64": "i64", "bool": "bool"}
RESERVED = (
    *("T", "b", "t", "s", "j", "k", "r", "end", "first", "stride", "forward", "backward"),
    *("np", "f32", "f64", "i64", "bool", "abs", "range"),
    *["product", "product_of", "products", "min", "to_features", "to_rows"],
    *["copy", "sum_rows", "max_rows", "cumsum_rows", "multiply_pairs", "pick_rows", "look_up"],
    *CALLS,
    *ALIASES,
)


class Surroundings(Protocol):
    """What a loop over elements asks of the loop over time that calls it; see `emitting`."""

    schedule: Schedule
    lowering: Lowering
    places: dict[Sym, Any]

    def named(self, x: Sym) -> str:
        """What to call the array of a value."""

    def written_name(self, x: Sym, view: str) -> str:
        """What a loop calls a view that it writes."""

    def view(self, x: Sym, start: int = 0, rows: int | None = None) -> str:
        """The source of a view of a value in memory."""

    def constant_block(self, x: Sym, features: tuple[int, ...], start: int, rows: int) -> str:
        """A view of a fixed value, spread over the features that a line wants."""


class LoopWriter:
    """Writes a function that is one loop over rows and sequences."""

    def __init__(self, step: Surroundings, phase: int, rows: int) -> None:
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
            # Of one sequence, rows are neighbours in memory: vectors go along them.
            rows = f"for r in range({self.rows}):"
            one = [rows, *indented(["j, k = 0, r", *self.lines])]
            nest = ["for j in range(b):", *indented(["k = r * b + j", *self.lines])]
            body = ["if b == 1:", *indented(one), "else:", *indented([rows, *indented(nest)])]
        else:
            first = next(iter(self.arguments.values()))
            body = [f"for k in range({first}.size):", *indented(self.lines)]
        parameters = ", ".join(self.arguments.values())
        return "\n".join([f"def {name}({parameters}):", *indented(body)])

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


def indented(lines: Iterable[str]) -> list[str]:
    """Lines of an inner block."""
    return [f"    {line}" for line in lines]


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
