r"""Decide how a step becomes a loop: what leaves it, what it keeps, what it computes again.

A plan is made once for a program and a batch size. It has three parts:

1. *Before the loop.* Lines that depend on the input but not on the carry run for all steps at once,
   as ordinary ops on tensors: their gradients come by themselves. Lines that depend on nothing but
   weights run once, on arrays; see `weights`.
2. *The loop*, forward and, where gradients are wanted, backward: source that `emitting` writes.
3. *After the loop*: gradients that are sums over all steps.

The backward loop needs values of the forward loop. What is costly to compute is kept; sums,
products and choices are computed again from what is kept, which costs less than reading them.
"""

import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.differentiating import Cotangents, differentiated
from tinygrad_rnn.compiler.emitting import (
    HEADER,
    RESERVED,
    Array,
    Place,
    StepWriter,
    Text,
    loop_over_time,
)
from tinygrad_rnn.compiler.hoisting import Lifted, lift
from tinygrad_rnn.compiler.lowering import MOVES, Lowering, Map, Move, UnsupportedError
from tinygrad_rnn.compiler.naming import Names
from tinygrad_rnn.compiler.scheduling import Schedule
from tinygrad_rnn.compiler.simplifying import Kind, Kinds, Rewriting, kinds_of, simplified
from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.compiler.weights import Ready
from tinygrad_rnn.ops import matmul

SCALING = ("standardize", "softmax", "log_softmax")  # few passes over what a product has left near
NARROW = 8  # products with fewer sequences than a vector has lanes wait for all steps' frames,
SMALL = 1 << 15  # unless their matrices have so few numbers that they stay in the cache anyway


Rows = tuple[int, int, Place]  # the first of them, how many, and where they are kept
Copied = tuple[Place, Sym, bool]  # where to, what, and whether it is added to what is there


@dataclass(frozen=True)
class Weight:
    r"""A gradient that is one product after the loop, $\sum_t a_t^\top g_t$.

    Attributes:
        matrix: whose gradient it is,
        left: whether the matrix stands left of `a`.
        a: where the other factor is kept,
        g: and where the rows of the product's cotangent are.
        outer: how many products a step has,
        inner: and how many columns for each sequence.
    """

    matrix: Sym
    left: bool
    a: Place
    g: list[Rows]
    outer: int
    inner: int


@dataclass
class Plan:
    """How to run a step over a sequence.

    Attributes:
        program: the step, both halves.
        kinds: when its values are known.
        batch: how many sequences; None where values have no batch.
        carries: values of the carry,
        carried: and where they are kept, before each step and after the last.
        frames: what the loop reads at every step, sequences of it;
        fixed: and what stays the same that it is given.
        before: lines to run on tensors before the loop; those with a function, for all steps.
        ready: what the loop reads that is made of what is fixed.
        loop: lines of one step.
        source: the module with the loops.
        forward: the arrays that the forward loop takes,
        backward: and the backward loop; None if no gradient is wanted.
        weights: gradients of fixed matrices,
        sums: of other fixed values: the value, and the array of its sum over all steps.
        cotangents: of the carry, frames and outputs.
        wanted: the values outside the loop that want gradients.
        number: no other plan of this process has it.
        loops: that have been compiled, by stage and backend.
    """

    program: Program
    kinds: Kinds
    batch: int | None
    carries: list[Sym]
    carried: list[Place]
    frames: list[Sym]
    fixed: list[Sym]
    before: list[tuple[Line, Lifted | None]]
    ready: Ready
    loop: list[Line]
    source: str
    forward: list[Array]
    backward: list[Array] | None
    weights: list[Weight]
    sums: list[tuple[Sym, Sym, Array]]
    cotangents: Cotangents | None
    wanted: set[Sym]
    lowering: Lowering
    number: int = field(default_factory=itertools.count().__next__)
    loops: dict[tuple[str, str], Any] = field(default_factory=dict)

    @functools.cached_property
    def widest(self) -> int:
        """Bytes of the largest block of a step, for one sequence."""
        blocks = [slot for slot in self.forward if slot.role == "block"]
        return max((slot.rows * np.dtype(slot.dtype).itemsize for slot in blocks), default=1)

    @functools.cached_property
    def rows(self) -> int:
        """Numbers that a step of a sequence makes, about."""
        return sum(slot.rows for slot in self.forward if slot.role not in ("panels", "table"))


def planned(program: Program, carries: int, wanted: Sequence[bool]) -> Plan:
    """A plan for a step, by sequences of a batch if it can be, for a single one otherwise.

    Args:
        program: of the step; inputs are the leaves of the carry, then those of a frame.
        carries: how many leaves the carry has.
        wanted: for each input, then for each captured value, whether it wants a gradient.

    Raises:
        UnsupportedError: saying why there is no loop for it.
    """
    wishes = list(wanted)
    leads = {x.shape[:1] for x in program.inputs[:carries]}
    lead = leads.pop() if len(leads) == 1 else ()
    batch = lead[0] if lead else None
    if batch is None:
        return plan(simplified(program, carries, True), carries, wishes, None, True)
    try:
        together, apart = aligned(program, carries, batch), waiting(program, carries, batch)
        return plan(simplified(together, carries, apart), carries, wishes, batch, apart)
    except UnsupportedError as by_sequence:
        try:
            return plan(simplified(program, carries, True), carries, wishes, None, True)
        except UnsupportedError:
            raise by_sequence from None


def aligned(program: Program, carries: int, batch: int) -> Program:
    """The same step, in which every frame that meets the state elementwise has the batch."""
    rewriting = Rewriting(program, carries)

    def spread(x: Any, line: Line) -> Any:
        new, (y, *_) = rewriting.now(x), line.targets
        if rewriting.kind(x) is not Kind.FRAME or (x.ndim == y.ndim and x.shape[0] == batch):
            return new
        shape = (1,) * (y.ndim - x.ndim) + x.shape
        return new.reshape(shape).broadcast_to((batch, *shape[1:]))

    for line in program.lines:
        state = rewriting.kinds[line.targets[0]] is Kind.STATE
        if state and line.op.kernel is not None:
            operands = tuple(spread(x, line) for x in line.operands)
            rewriting.become(
                line, rewriting.new.write(line.op, operands, line.params, line.made_at)
            )
        else:
            rewriting.copy(line)
    return rewriting.finished()


def waiting(program: Program, carries: int, batch: int) -> bool:
    """Whether products with frames are better done for all steps at once, apart from the loop."""
    if batch >= NARROW:
        return False
    kinds = kinds_of(program, program.inputs[:carries], program.inputs[carries:])
    products = [line.operands for line in program.lines if line.op is matmul]
    numbers = sum(w.size for x, w in products if kinds[x] is Kind.FRAME and kinds[w] is Kind.FIXED)
    return not 0 < numbers <= SMALL


def plan(
    program: Program, carries: int, wishes: list[bool], batch: int | None, apart: bool
) -> Plan:
    """A plan for sequences of a batch, or for one; products with frames in the loop or apart."""
    state, frames = program.inputs[:carries], program.inputs[carries:]
    kinds, lifts = hoisted(program, state, frames, batch, apart)
    ends, outputs = program.outputs
    for x in (*ends, *outputs):
        if not isinstance(x, Sym):
            raise UnsupportedError("the step returns a constant")
    loop = [line for line in program.lines if kinds[line.targets[0]] is Kind.STATE]
    wants = wanting(program, kinds, wishes)
    reads = [x for line in loop for x in line.operands if isinstance(x, Sym)]
    wanted = {x for x in (*reads, *ends, *outputs, *state) if x in wants}
    cotangents = None
    if wanted:
        written = len(program.lines)
        cotangents = differentiated(program, loop, kinds, state, wanted)
        for line in program.lines[written:]:
            of = [kinds.get(x, Kind.STATE) for x in line.operands if isinstance(x, Sym)]
            kind = max(of, default=Kind.FIXED)
            kinds.update(dict.fromkeys(line.targets, Kind.FIXED if not kind else Kind.STATE))
        for x in program.captured:
            kinds.setdefault(x, Kind.FIXED)
        if all(g is None for g in (*cotangents.ends, *cotangents.outputs)):
            cotangents = None
    lowering = Lowering(program, kinds, batch)
    forward = {y for line in loop for y in line.targets}
    return Writing(lowering, state, cotangents, forward).plan(lifts, wants)


def hoisted(
    program: Program, state: list[Sym], frames: list[Sym], batch: int | None, apart: bool
) -> tuple[Kinds, dict[Line, Lifted]]:
    """The kinds of all values, and for lines that are to run for all steps at once, how.

    Products leave the loop, and what leads to them. What a loop does as well without another
    sequence in memory, elementwise lines and moves, stays in it.
    """
    kinds = kinds_of(program, state, frames)
    stays = staying(program, kinds, batch, apart)
    lifts: dict[Line, Lifted] = {}
    for line in program.lines:
        of = [kinds[x] for x in line.operands if isinstance(x, Sym)]
        kind = max(of, default=Kind.FIXED)
        if kind is Kind.FRAME:
            over_time = frozenset(
                x for x in line.operands if isinstance(x, Sym) and kinds[x] is Kind.FRAME
            )
            lifted = None if line in stays else lift(line, over_time)
            if lifted is None:
                kind = Kind.STATE
            else:
                lifts[line] = lifted
        kinds.update(dict.fromkeys(line.targets, kind))
    return kinds, lifts


def staying(program: Program, kinds: Kinds, batch: int | None, apart: bool) -> set[Line]:
    """Lines of frames that only the loop needs, and does as well."""
    stays: set[Line] = set()
    outside: set[Sym] = set()
    for line in reversed(program.lines):
        if kinds[line.targets[0]] is not Kind.FRAME:
            continue
        simple = line.op.kernel is not None or line.op.name in MOVES or scales(line, batch)
        simple = simple or (not apart and weighs(line, kinds))
        values = [x for x in line.operands if isinstance(x, Sym) and kinds[x] is Kind.FRAME]
        fits = batch is None or all(
            x.shape[:1] == (batch,) and (line.op.kernel is None or x.ndim == line.targets[0].ndim)
            for x in (*values, *line.targets)
        )
        if simple and fits and not outside.intersection(line.targets):
            stays.add(line)
        else:
            outside.update(values)
    return stays


def weighs(line: Line, kinds: Kinds) -> bool:
    """Whether a line is a product with a fixed matrix."""
    if line.op is not matmul:
        return False
    w = line.operands[1]
    return kinds[w] is Kind.FIXED and w.ndim == 2


def scales(line: Line, batch: int | None) -> bool:
    """Whether a line brings the features of each sequence to one scale."""
    if line.op.name not in SCALING or batch is None:
        return False
    (y,), axis = line.targets, line.params["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    return all(isinstance(a, int) and a % y.ndim > 0 for a in axes)


def wanting(program: Program, kinds: Kinds, wishes: list[bool]) -> set[Sym]:
    """The values outside the loop that want gradients, and the carries that do."""
    given = (*program.inputs, *program.captured)
    wants = {x for x, wish in zip(given, wishes, strict=False) if wish}
    for line in program.lines:
        outside = kinds[line.targets[0]] is not Kind.STATE
        reached = wants.intersection(x for x in line.operands if isinstance(x, Sym))
        if line.op.differentiable and outside and reached:
            wants.update(y for y in line.targets if y.dtype.kind == "f")
    return wants


class Writing:
    """The two loops of a step, while they are written."""

    def __init__(
        self,
        lowering: Lowering,
        state: list[Sym],
        cotangents: Cotangents | None,
        forward: set[Sym],
    ) -> None:
        self.lowering, self.state, self.cotangents = lowering, state, cotangents
        self.program, self.kinds = lowering.program, lowering.kinds
        self.made_forward = forward
        self.text, self.names = Text(), Names(RESERVED)
        self.ends, self.outputs = self.program.outputs
        self.frames = [x for x, kind in self.kinds.items() if kind is Kind.FRAME]
        schedule = Schedule(lowering, {*state, *self.frames})
        self.forward = StepWriter("forward", schedule, self.text, self.names)
        self.carried: list[Place] = []
        self.kept: dict[Sym, Place] = {}
        self.weights: list[Weight] = []
        self.sums: list[tuple[Sym, Sym, Array]] = []
        self.shared: dict[Sym, Place] = {}

    def plan(self, lifts: dict[Line, Lifted], wanted: set[Sym]) -> Plan:
        """Write both loops, and say all that it takes to run them."""
        saved = self.saved() if self.cotangents else []
        forward = self.write_forward(saved)
        backward = self.write_backward() if self.cotangents else None
        loops = [loop_over_time(w) for w in (forward, backward) if w]
        title = "A step as a loop over time" + (", and its gradients." if backward else ".")
        source = "\n\n\n".join(
            [
                HEADER.format(title=title, program=self.listing()) + "\n".join(self.text.constants),
                *self.text.functions,
                *loops,
            ]
        )
        used = [w for w in (forward, backward) if w]
        holds = {a.holds for w in used for a in w.arrays.values() if a.role == "sequence"}
        frames = [x for x in self.frames if ("frame", x) in holds]
        fixed = {
            a.holds[0]: None
            for w in used
            for a in w.arrays.values()
            if a.role in ("fixed", "panels", "table")
        }
        fixed.update((weight.matrix, None) for weight in self.weights)
        before = self.leading_outside(frames)
        ready = [line for line in self.leading_outside(fixed) if line not in before]
        read = [*fixed, *(x for line in ready for x in line.operands if isinstance(x, Sym))]
        made = {y for line in ready for y in line.targets}
        return Plan(
            program=self.program,
            kinds=self.kinds,
            batch=self.lowering.batch,
            carries=self.state,
            carried=self.carried,
            frames=frames,
            fixed=[x for x in dict.fromkeys(read) if x not in made],
            before=[(line, lifts.get(line)) for line in before],
            ready=self.ready(ready, used),
            loop=[line for line in self.program.lines if line.targets[0] in self.made_forward],
            source=source + "\n",
            forward=list(forward.arrays.values()),
            backward=list(backward.arrays.values()) if backward else None,
            weights=self.weights,
            sums=self.sums,
            cotangents=self.cotangents,
            wanted=wanted,
            lowering=self.lowering,
        )

    def ready(self, lines: list[Line], loops: Iterable[StepWriter]) -> Ready:
        """What is made of fixed values by lines, for loops and for the gradients after them."""
        holding = [(a.role, a.holds) for w in loops for a in w.arrays.values()]
        matrices = {holds[0] for role, holds in holding if role == "panels"}
        matrices.update(weight.matrix for weight in self.weights)
        others = {holds[0] for role, holds in holding if role in ("fixed", "table")}
        others.update(x for x, _, _ in self.sums)
        return Ready(lines, matrices, others)

    def listing(self) -> str:
        """The lines of a step, with `b` for the batch: one source serves batches of all sizes."""
        lines = "\n".join(str(line) for line in self.program.lines if self.in_loop(line))
        shape = rf"((?:float32|float64|bool|shape=) ?\(){self.lowering.batch}\b"
        return re.sub(shape, r"\1b", lines)

    def in_loop(self, line: Line) -> bool:
        """Whether a line is computed step by step."""
        return self.kinds[line.targets[0]] is Kind.STATE

    def leading_outside(self, values: Iterable[Sym]) -> list[Line]:
        """The lines outside the loop that lead to values, in order."""
        needed, lines = set(values), []
        for line in reversed(self.program.lines):
            if needed.intersection(line.targets):
                lines.append(line)
                needed.update(x for x in line.operands if isinstance(x, Sym))
        return lines[::-1]

    def saved(self) -> list[Sym]:
        """The forward values that the forward loop must keep for the backward loop."""
        demanded = self.demanded()
        schedule = self.forward.schedule
        saved: list[Sym] = []
        bases: set[Sym] = set(schedule.given)

        def cheap(x: Sym) -> bool:
            """Whether a value can be had again from what is given or saved, by maps alone."""
            if self.lowering.fixed(x) or x in bases:
                return True
            base, _ = schedule.range(x)
            if base in bases:
                return True
            node = self.lowering.node(base)
            if not isinstance(node, Map) or schedule.costly(base):
                return False
            return all(cheap(o) for o in node.operands if isinstance(o, Sym))

        def save(x: Sym) -> None:
            base, start = schedule.range(x)
            whole = start == 0 and self.lowering.rows(base) == self.lowering.rows(x)
            saved.append(x)
            bases.update({x, base} if whole else {x})

        weighed = [w.a for w in self.cotangents.weighings] if self.cotangents else []
        for x in weighed:
            if schedule.range(x)[0] not in set(self.state):
                save(x)
        maps = [x for x in demanded if schedule.computed_in_loops(schedule.range(x)[0])]
        costly = [x for x in maps if schedule.costly(schedule.range(x)[0])]
        for x in [*costly, *demanded]:
            if not cheap(x):
                save(x)
        return saved

    def demanded(self) -> list[Sym]:
        """Values that the forward loop computes and the backward loop reads."""
        cotangents = self.cotangents
        assert cotangents is not None
        results = [g for g in (*cotangents.carries, *cotangents.frames.values()) if g is not None]
        results += [g for _, g in cotangents.fixed] + [w.g for w in cotangents.weighings]
        computed = set(self.leading_to([*self.ends, *self.outputs], set()))
        return [x for x in self.leading_to(results, computed) if x in computed]

    def leading_to(self, results: Iterable[Sym], known: set[Sym]) -> list[Sym]:
        """The values of a step that results are made of, those behind known ones left out."""
        found: dict[Sym, None] = {}
        waiting = [self.lowering.real(x) for x in results]
        while waiting:
            x = waiting.pop()
            loose = x not in self.program.made or self.kinds.get(x) in (Kind.FIXED, Kind.FRAME)
            if x in found or loose:
                continue
            found[x] = None
            if x not in known:
                operands = self.lowering.node(x).operands
                waiting += [self.lowering.real(o) for o in operands if isinstance(o, Sym)]
        return [*found]

    def write_forward(self, saved: list[Sym]) -> StepWriter:
        """The forward loop."""
        w = self.forward
        for x in self.frames:
            w.sequences[x] = ("frame", x)
        for k, x in enumerate(self.state):
            w.places[x] = self.place_of_carry(k, saved)
            self.carried.append(w.places[x])
        whole = [x for x in saved if self.whole(x)]
        parts = [x for x in saved if not self.whole(x)]
        w.schedule.settle([*self.ends, *self.outputs, *whole], parts)
        copied = []
        for before, x in zip(self.carried, self.ends, strict=True):
            after = replace(before, at="s + 1")
            if not self.computed_at(w, x, after):
                copied.append((after, x, False))
        for x in saved:
            base, start = w.schedule.range(x)
            there = w.places.get(base)
            if there is not None and there.at and base not in w.schedule.given:
                self.kept[x] = Place(there.array, there.at, there.start + start)
                continue
            place = Place(w.array(w.named(x), "kept", self.lowering.rows(x), x.dtype), "s")
            if not self.computed_at(w, x, place):
                copied.append((place, x, False))
            self.kept[x] = place
        w.copies = copied
        w.schedule.settle([*self.ends, *self.outputs, *whole], [x for _, x, _ in copied])
        w.write()
        for k, x in enumerate(self.outputs):
            w.show(x, ("output", k))
        return w

    def place_of_carry(self, k: int, saved: list[Sym]) -> Place:
        """Where a leaf of the carry is: in a concatenation that is kept anyway, if it is in one."""
        w, x = self.forward, self.state[k]
        name = w.named(x) if x in self.program.made else self.carry_name(k)
        for y in saved:
            base, _ = w.schedule.range(y)
            node = self.lowering.node(base) if base in self.program.made else None
            if base in w.places or not isinstance(node, Move) or not self.whole(y):
                continue
            for i, piece in enumerate(node.sources):
                start = node.start_of(i, self.lowering.rows(x))
                if self.lowering.real(piece) is x and start is not None:
                    array = w.array(w.named(y), "carry", self.lowering.rows(y), y.dtype)
                    w.places[base] = Place(array, "s")
                    return Place(array, "s", start, name)
        return Place(w.array(name, "carry", self.lowering.rows(x), x.dtype), "s")

    def carry_name(self, k: int) -> str:
        """What the step calls a leaf of the new carry; so is the old one called."""
        base, _ = self.forward.schedule.range(self.ends[k])
        return self.forward.named(base) if base in self.program.made else f"carry{k}"

    def computed_at(self, w: StepWriter, x: Sym, place: Place) -> bool:
        """Have a value computed in its place, if nothing else decides where it is."""
        base, start = w.schedule.range(x)
        whole = start == 0 and self.lowering.rows(base) == self.lowering.rows(x)
        if not whole or base in w.places or base in w.schedule.given or self.lowering.fixed(x):
            return False
        w.places[base] = place
        return True

    def write_backward(self) -> StepWriter:
        """The backward loop."""
        cotangents = self.cotangents
        assert cotangents is not None
        incoming = [g for g in (*cotangents.ends, *cotangents.outputs) if g is not None]
        given = {*self.state, *self.frames, *incoming, *self.kept}
        given.update(self.forward.schedule.range(x)[0] for x in self.kept if self.whole(x))
        w = StepWriter("backward", Schedule(self.lowering, given), self.text, self.names)
        for x in self.frames:
            w.sequences[x] = ("frame", x)
        for k, g in enumerate(cotangents.outputs):
            if g is not None:
                w.sequences[g] = ("output", k)
        w.places.update(zip(self.state, self.carried, strict=True))
        for x, place in self.kept.items():
            w.places[x] = place
            if self.whole(x):
                w.places[self.forward.schedule.range(x)[0]] = place
        copied: list[Copied] = []
        results = [g for g in cotangents.carries if g is not None]
        results += [*cotangents.frames.values(), *(x.g for x in cotangents.weighings)]
        w.schedule.settle(results, [])
        self.return_carries(w, copied)
        for weighing in cotangents.weighings:
            self.weights.append(self.weight(weighing, w, copied))
        for x, g in cotangents.fixed:
            array = w.array("d_" + w.named(x), "total", self.lowering.rows(g), g.dtype)
            self.sums.append((x, g, array))
            copied += [(Place(array, start=start), part, True) for start, part in self.parts(w, g)]
        w.copies = copied
        w.schedule.settle(results, [x for _, x, _ in copied])
        w.write()
        for x, g in cotangents.frames.items():
            w.show(g, ("d_frame", x))
        return w

    def return_carries(self, w: StepWriter, copied: list[Copied]) -> None:
        """Places for the cotangents of the carry, before and after a step."""
        cotangents = self.cotangents
        assert cotangents is not None
        for k, (x, end, out) in enumerate(
            zip(self.state, cotangents.ends, cotangents.carries, strict=True)
        ):
            if end is None and out is None:
                continue
            name = f"d_{self.carried[k].called}"
            array = w.array(name, "returning", self.lowering.rows(x), x.dtype, k)
            if end is not None:
                w.places[end] = Place(array, "s % 2")
            place = Place(array, "(s + 1) % 2")
            if out is None:
                w.after.append(f"{array.name}[(s + 1) % 2] = 0")
            elif not self.computed_at(w, out, place):
                copied.append((place, out, False))

    def parts(self, w: StepWriter, g: Sym) -> list[tuple[int, Sym]]:
        """The pieces of a concatenation, each with its first row; anything else is one piece."""
        base, _ = w.schedule.range(g)
        node = None if base in w.schedule.given else self.lowering.node(base)
        if not isinstance(node, Move) or self.lowering.rows(base) != self.lowering.rows(g):
            return [(0, g)]
        rows = [self.lowering.rows(x) for x in node.sources]
        starts = [node.start_of(k, n) for k, n in enumerate(rows)]
        if None in starts or sum(rows) != self.lowering.rows(g):
            return [(0, g)]
        return [(start or 0, x) for start, x in zip(starts, node.sources, strict=True)]

    def kept_for_after(self, w: StepWriter, g: Sym, copied: list[Copied]) -> Place:
        """Where the cotangent of a product is kept for all steps."""
        base, start = w.schedule.range(g)
        there = w.places.get(base)
        if there is not None and there.at == "s" and there.array.role == "kept":
            return Place(there.array, "s", there.start + start)
        place = Place(w.array(w.named(g), "kept", self.lowering.rows(g), g.dtype), "s")
        if not self.computed_at(w, g, place):
            copied.append((place, g, False))
        return place

    def whole(self, x: Sym) -> bool:
        """Whether a value is all of what it is a range of."""
        base, start = self.forward.schedule.range(x)
        return start == 0 and self.lowering.rows(base) == self.lowering.rows(x)

    def weight(self, weighing: Any, w: StepWriter, copied: list[Copied]) -> Weight:
        """Where the factors of a gradient are kept."""
        schedule = self.forward.schedule
        a = self.kept.get(weighing.a)
        if a is None:
            base, start = schedule.range(weighing.a)
            there = self.kept.get(base) or self.forward.places[base]
            a = Place(there.array, there.at, there.start + start)
        outer, inner = self.groups(weighing)
        M = weighing.matrix.shape[0 if weighing.left else 1]
        g = self.rows_kept(w, weighing.g, M, copied)
        return Weight(weighing.matrix, weighing.left, a, g, outer, inner)

    def rows_kept(self, w: StepWriter, g: Sym, M: int, copied: list[Copied]) -> list[Rows]:
        """Where the rows of a product's cotangent are kept, pieces that two products share once."""
        pieces = [(start, self.lowering.real(x)) for start, x in self.parts(w, g)]
        single = self.lowering.rows(g) == M
        if not single or not self.shared.keys() & {x for _, x in pieces}:
            place = self.kept_for_after(w, g, copied)
            if single:
                for start, x in pieces:
                    self.shared[x] = replace(place, start=place.start + start)
            return [(0, M, place)]
        found: list[Rows] = []
        for start, x in pieces:
            place = self.shared.get(x) or self.kept_for_after(w, x, copied)
            first, count, last = found[-1] if found else (start, 0, place)
            if place == replace(last, start=last.start + count):
                found[-1:] = [(first, count + self.lowering.rows(x), last)]
            else:
                found.append((start, self.lowering.rows(x), place))
        return found

    def groups(self, weighing: Any) -> tuple[int, int]:
        """How many products a step has, and how many columns each has for a sequence."""
        features = self.lowering.features(weighing.a)
        K = weighing.matrix.shape[1 if weighing.left else 0]
        rows = self.lowering.rows(weighing.a)
        if not weighing.left:
            return rows // K, 1
        inner = features[-1] if len(features) > 1 else 1
        return rows // (K * inner), inner
