"""In which order the nodes of a step are computed, and which of their values are kept in memory.

Maps are computed in loops, many at a time, and most of their values live for one turn of a loop.
A value is *stored* where something else than a loop over the same rows reads it. Loops and the
other nodes take turns, in *phases*:

    -1   products, folds and moves of what the step is given
     0   loops over these
     1   products, folds and moves of what the loops at 0 stored
     2   loops over these, and so on.
"""

from collections.abc import Iterator

import numpy as np

from tinygrad_rnn.compiler.lowering import Lowering, Map, Move
from tinygrad_rnn.compiler.tracing import Sym

GIVEN = -1
COSTLY = frozenset(
    [
        "exp",
        "tanh",
        "sigmoid",
        "erf",
        "log",
        "log1p",
        "expm1",
        "sin",
        "cos",
        "pow",
        "sqrt",
        "rsqrt",
        "div",
        "softplus",
        "elu",
    ]
)

Range = tuple[Sym, int]  # rows of a value, from a first one on


class Schedule:
    """The phases of a step's nodes.

    Attributes:
        lowering: makes the nodes.
        given: values that are there when the step begins.
        stored: maps that are written to memory.
        others: nodes that are not maps, by value, in an order in which they can be computed.
        copied: values that loops read to copy or add them somewhere.
    """

    def __init__(self, lowering: Lowering, given: set[Sym]) -> None:
        self.lowering, self.given = lowering, given
        self.stored: dict[Sym, None] = {}  # in order, so that one program gives one source
        self.others: dict[Sym, int] = {}
        self.phases: dict[Sym, int] = {}
        self.spreading: dict[Sym, bool] = {}
        self.copied: list[Sym] = []

    def settle(self, wanted: list[Sym], copied: list[Sym]) -> None:
        """Find the phases.

        Args:
            wanted: values that the step must store.
            copied: values that loops must read, to copy or add them somewhere.
        """
        self.copied = copied
        for x in wanted:
            self.store(x)
        size = -1
        while size != len(self.stored):  # storing a value may move others to later phases
            size = len(self.stored)
            self.phases.clear()
            self.others.clear()
            for x in [*self.stored, *wanted, *copied]:
                self.phase(self.range(x)[0])
            for x in copied:
                self.use(x, 0, self.lowering.rows(x))
            self.stored.update(dict.fromkeys(self.computed_twice()))

    def range(self, x: Sym, start: int = 0, count: int | None = None) -> Range:
        """Where rows of a value come from, behind moves that leave them side by side."""
        count = self.lowering.rows(x) if count is None else count
        x = self.lowering.real(x)
        while x not in self.given and not self.lowering.fixed(x):
            node = self.lowering.node(x)
            if not isinstance(node, Move) or not count:
                break
            sources, rows = (part[start : start + count] for part in (node.source, node.row))
            if sources[0] < 0 or (sources != sources[0]).any() or (np.diff(rows) != 1).any():
                break
            x, start = self.lowering.real(node.sources[sources[0]]), int(rows[0])
        return x, start

    def store(self, x: Sym) -> Sym:
        """Have a value in memory, and return the one that it is a range of."""
        x, _ = self.range(x)
        if self.computed_in_loops(x):
            self.stored[x] = None
        return x

    def computed_in_loops(self, x: Sym) -> bool:
        """Whether a value is that of a map."""
        there = x in self.given or self.lowering.fixed(x)
        return not there and isinstance(self.lowering.node(x), Map)

    def phase(self, x: Sym) -> int:
        """When a value is computed."""
        if x in self.given or self.lowering.fixed(x):
            return GIVEN
        if x not in self.phases:
            node = self.lowering.node(x)
            if isinstance(node, Map):
                rows = self.lowering.rows(x)
                uses = (self.use(o, 0, rows) for o in node.operands if isinstance(o, Sym))
                self.phases[x] = max(uses, default=0)
            else:
                self.phases[x] = max((self.after(o) for o in node.operands), default=GIVEN)
                self.others[x] = self.phases[x]
        return self.phases[x]

    def after(self, x: Sym) -> int:
        """The first phase for a node other than a map that reads a value from memory."""
        x = self.store(x)
        phase = self.phase(x)
        return phase + 1 if self.computed_in_loops(x) else phase

    def use(self, x: Sym, start: int, rows: int) -> int:
        """The first phase for a loop over so many rows that reads a value."""
        if self.lowering.fixed(x):
            return 0
        spread = self.lowering.rows(x) != rows
        x, start = self.range(x, start, None if spread else rows)
        if not self.computed_in_loops(x):
            return self.phase(x) + 1
        part = start != 0 or self.lowering.rows(x) != rows
        if spread or (part and self.spreads(x)):
            self.stored[x] = None
        if spread or (part and x in self.stored):
            return self.phase(x) + 2
        return self.phase(x)

    def spreads(self, x: Sym) -> bool:
        """Whether a map, or one that it is computed with, reads a value of fewer rows."""
        if x not in self.spreading:
            rows = self.lowering.rows(x)
            reads = [o for o in self.lowering.node(x).operands if isinstance(o, Sym)]
            self.spreading[x] = any(
                self.lowering.rows(o) != rows or self.spreads_behind(o)
                for o in reads
                if not self.lowering.fixed(o)
            )
        return self.spreading[x]

    def spreads_behind(self, x: Sym) -> bool:
        """Whether that holds for the map of which a value is a range."""
        base, _ = self.range(x)
        return self.computed_in_loops(base) and self.spreads(base)

    def loops(self) -> dict[tuple[int, int], list[Range]]:
        """What each loop has to compute, by phase and number of rows."""
        groups: dict[tuple[int, int], list[Range]] = {}
        for x in self.stored:
            groups.setdefault((self.phase(x), self.lowering.rows(x)), []).append((x, 0))
        for x in self.copied:
            rows = self.lowering.rows(x)
            groups.setdefault((self.use(x, 0, rows), rows), []).append((x, 0))
        return dict(sorted(groups.items(), key=lambda item: item[0]))

    def computed_twice(self) -> list[Sym]:
        """Costly maps that two loops would both compute."""
        seen: dict[Sym, tuple[int, int]] = {}
        twice = []
        for group, roots in self.loops().items():
            for x, _ in self.within(group, roots):
                if self.costly(x) and x not in self.stored and seen.setdefault(x, group) != group:
                    twice.append(x)
        return twice

    def costly(self, x: Sym) -> bool:
        """Whether computing a map again costs more than reading it."""
        node = self.lowering.node(x)
        return isinstance(node, Map) and node.line.op.name in COSTLY

    def within(self, group: tuple[int, int], roots: list[Range]) -> Iterator[Range]:
        """The ranges of maps that a loop computes, each after those it is made of."""
        done: set[Range] = set()

        def visit(x: Sym, start: int) -> Iterator[Range]:
            if self.lowering.fixed(x) or self.lowering.rows(x) - start < group[1]:
                return
            x, start = self.range(x, start, group[1])
            if (x, start) in done or self.in_memory(x, group):
                return
            done.add((x, start))
            for o in self.lowering.node(x).operands:
                if isinstance(o, Sym):
                    yield from visit(o, start)
            yield x, start

        for x, start in roots:
            yield from visit(x, start)

    def in_memory(self, x: Sym, group: tuple[int, int]) -> bool:
        """Whether a value was written before a loop begins."""
        if not self.computed_in_loops(x):
            return True
        return x in self.stored and self.phase(x) < group[0]

    def barriers(self) -> dict[int, list[Sym]]:
        """The values of products, folds, moves and pairwise products, by phase."""
        found: dict[int, list[Sym]] = {}
        for x, phase in self.others.items():
            found.setdefault(phase, []).append(x)
        return found
