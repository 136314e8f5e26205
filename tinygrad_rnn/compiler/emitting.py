"""Write the loops of a step down, as Python that a person can read and Numba can compile.

The module that comes out has a function `forward` and, for training, a function `backward`, each
a loop over time, and above them the loops over features that they call. Every value of a step is
a block, a line of memory with a row for each feature and a column for each sequence; `block[k]`
is one number of it. The roles that arrays play:

=============  ================================================================================
role           what it holds
=============  ================================================================================
`sequence`     (T, b, F): inputs and outputs as the caller sees them
`edge`         (b, F): the carry before the first step or after the last, or its cotangent, as the
               caller sees it
`block`        one value, anew at every step
`kept`         (T, rows · b): a value of each step, for the backward loop
`carry`        (T + 1, rows · b): the carry before each step, and after the last, alone or with
               what is put beside it
`several`      (16, rows · b): a value of a group of steps; see `grouping`
`returning`    (2, rows · b): the cotangent of the carry, before and after a step
`total`        a sum over all steps
`fixed`        a value that is the same at every step
`panels`       a matrix, packed by `kernels.packed`
`table`        a matrix as it is
=============  ================================================================================
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.fusing import LoopWriter
from tinygrad_rnn.compiler.grouping import STEPS, entering, leaving, pays
from tinygrad_rnn.compiler.lowering import NOTHING, Fold, Lookup, Move, Pairwise, Product
from tinygrad_rnn.compiler.naming import Names, name_of
from tinygrad_rnn.compiler.scheduling import Schedule
from tinygrad_rnn.compiler.tracing import Sym

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
from tinygrad_rnn.kernels.packed import product, product_of, products
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

    def all_steps(self, rows: int) -> bool:
        """Whether the array holds nothing else than so many rows for each step."""
        return self.at == "s" and self.start == 0 and self.array.rows == rows

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
        groups: for products that are computed for a group of steps, as far as they read frames,
            where all is that they read, and which rows of it are frames.
        arrays: that the loop is given, in order.
        first: its lines before the first step,
        last: and after the last one.
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
        self.groups: dict[Sym, tuple[Place, int, int]] = {}
        self.first: list[str] = []
        self.last: list[str] = []
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
            if isinstance(node, Product) and pays(node.matrix, self.lowering.batch):
                self.group(x, node)
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

    def group(self, x: Sym, node: Product) -> None:
        """Have frames multiplied for several steps at once, if a product is one with frames too."""
        base, start = self.schedule.range(node.x)
        there, rows = self.places.get(base), self.lowering.rows(node.x)
        target = self.places.get(x)
        kept = there is not None and there.all_steps(rows) and not start
        if not kept or node.outer * node.inner > 1 or base not in self.lowering.program.made:
            return
        if target is not None and not target.all_steps(self.lowering.rows(x)):
            return
        assert there is not None
        frames = self.frames_in(self.lowering.node(base))
        ends = [(first, first + self.lowering.rows(piece)) for first, piece in frames]
        if not frames or any(a[1] != b[0] for a, b in itertools.pairwise(ends)):
            return
        self.groups[x] = there, ends[0][0], ends[-1][1]
        if target is None:
            several = self.array(self.named(x), "several", self.lowering.rows(x), x.dtype)
            self.places[x] = Place(several, f"s % {STEPS}")
        brought = []
        for first, piece in frames:
            self.places[piece] = replace(there, start=first)
            place = Place(there.array, "r", first).view(0, self.lowering.rows(piece))
            brought.append((self.sequence(piece).name, place))
        steps = f"{there.array.name}[s:end]"
        out = self.places[x].array.name + ("[s:end]" if target else "")
        call = f"products({self.panels(node)}, {ends[0][0]}, {ends[-1][1]}, {steps}, {out})"
        self.before += entering(brought, call)

    def frames_in(self, whole: Any) -> list[tuple[int, Sym]]:
        """The frames that a concatenation is made of, each with its first row, in order."""
        frames = []
        for k, piece in enumerate(map(self.lowering.real, getattr(whole, "sources", ()))):
            first = whole.start_of(k, self.lowering.rows(piece))
            if piece in self.sequences and piece not in self.places and first is not None:
                frames.append((first, piece))
        return sorted(frames, key=lambda frame: frame[0])

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
        self.before.append(f"to_features({self.sequence(x).name}[t], {place.view(0, rows)})")
        self.places[x] = place

    def sequence(self, x: Sym) -> Array:
        """The array of all steps of a frame."""
        rows = self.lowering.rows(x)
        return self.array(f"{self.named(x)}s", "sequence", rows, x.dtype, self.sequences[x])

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

    def show_later(self, x: Sym, there: Place, holds: Any) -> None:
        """Compute a product for several steps at once, and write it to what the caller sees."""
        node, rows = self.lowering.node(x), self.lowering.rows(x)
        assert isinstance(node, Product)
        several = self.array(self.named(x), "several", rows, x.dtype)
        out = self.array("to_" + self.named(x), "sequence", rows, x.dtype, holds)
        panels, K = self.panels(node), there.array.rows
        call = f"products({panels}, 0, {K}, {there.array.name}[s:end], {several.name})"
        self.after += leaving(call, several.name, out.name)

    def enter(self, x: Sym, wish: str, place: Place, holds: Any) -> None:
        """Write what the caller gives to a place before the first step."""
        edge = self.array(wish, "edge", self.lowering.rows(x), x.dtype, holds)
        self.first.append(f"to_features({edge.name}, {place.view(0, edge.rows)})")

    def leave(self, x: Sym, wish: str, place: Place, holds: Any) -> None:
        """Write what is in a place after the last step to what the caller sees."""
        edge = self.array(wish, "edge", self.lowering.rows(x), x.dtype, holds)
        self.last.append(f"to_rows({place.view(0, edge.rows)}, {edge.name})")

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
        if x in self.groups:
            there, first, last = self.groups[x]
            for start, stop in ((0, first), (last, K)):
                if start < stop:
                    rest = there.view(start, stop - start)
                    call = f"product_of({name}, {start}, {stop}, {rest}, {self.view(x)}, True)"
                    self.body.append(call)
            return
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


def loop_over_time(writer: StepWriter) -> str:
    """The source of a whole loop: its inputs brought in, its steps, its outputs brought out."""
    names = ", ".join(writer.arrays)
    steps = "range(T)" if writer.stage == "forward" else "range(T - 1, -1, -1)"
    body = ["t = first + stride * s", *writer.before, *writer.body, *writer.after]
    return "\n".join(
        [
            f"def {writer.stage}(T, b, first, stride, {names}):",
            *(f"    {line}" for line in writer.first),
            f"    for s in {steps}:",
            *(f"        {line}" for line in body),
            *(f"    {line}" for line in writer.last),
        ]
    )
