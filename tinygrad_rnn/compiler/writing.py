"""Write both loops of a step, and find where what they keep, return and add up is kept."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tinygrad_rnn.compiler.differentiating import Cotangents
from tinygrad_rnn.compiler.emitting import HEADER, Array, Place, StepWriter, Text, loop_over_time
from tinygrad_rnn.compiler.fusing import RESERVED
from tinygrad_rnn.compiler.grouping import pays
from tinygrad_rnn.compiler.hoisting import Lifted
from tinygrad_rnn.compiler.lowering import Lowering, Map, Move, Product
from tinygrad_rnn.compiler.naming import Names
from tinygrad_rnn.compiler.plans import Plan, Rows, Weight
from tinygrad_rnn.compiler.scheduling import Schedule
from tinygrad_rnn.compiler.simplifying import Kind
from tinygrad_rnn.compiler.tracing import Line, Sym, lines_to
from tinygrad_rnn.compiler.weights import Ready

Copied = tuple[Place, Sym, bool]  # where to, what, and whether it is added to what is there


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
        backward = self.write_backward(wanted) if self.cotangents else None
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
        fixed = self.fixed_in(used)
        before = lines_to(frames, self.program.lines)
        ready = [line for line in lines_to(fixed, self.program.lines) if line not in before]
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

    def fixed_in(self, loops: Iterable[StepWriter]) -> list[Sym]:
        """The fixed values that loops read, or that want a gradient after them."""
        roles = "fixed", "panels", "table"
        read = [a.holds[0] for w in loops for a in w.arrays.values() if a.role in roles]
        return list(dict.fromkeys([*read, *(weight.matrix for weight in self.weights)]))

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
        needed = lines_to(
            [*self.ends, *self.outputs, *self.cotangent_results()], self.program.lines
        )
        lines = "\n".join(str(line) for line in needed if self.in_loop(line))
        shape = rf"((?:float32|float64|bool|shape=) ?\(){self.lowering.batch}\b"
        return re.sub(shape, r"\1b", lines)

    def in_loop(self, line: Line) -> bool:
        """Whether a line is computed step by step."""
        return self.kinds[line.targets[0]] is Kind.STATE

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
        for x in dict.fromkeys(weighed):
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
        computed = set(self.leading_to([*self.ends, *self.outputs], set()))
        return [x for x in self.leading_to(self.cotangent_results(), computed) if x in computed]

    def cotangent_results(self) -> list[Sym]:
        """What the backward loop is for."""
        if self.cotangents is None:
            return []
        cotangents = self.cotangents
        results = [g for g in (*cotangents.carries, *cotangents.frames.values()) if g is not None]
        return results + [g for _, g in cotangents.fixed] + [w.g for w in cotangents.weighings]

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
            if x in w.sequences:
                w.bring(x, place)
            elif not self.computed_at(w, x, place):
                copied.append((place, x, False))
            self.kept[x] = place
        w.copies = copied
        w.schedule.settle([*self.ends, *self.outputs, *whole], [x for _, x, _ in copied])
        w.write()
        for k, x in enumerate(self.outputs):
            w.show(x, ("output", k))
        for k, (x, place) in enumerate(zip(self.state, self.carried, strict=True)):
            w.enter(x, f"{place.called}_start", replace(place, at="0"), ("start", k))
            w.leave(x, f"{place.called}_end", replace(place, at="T"), ("end", k))
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

    def write_backward(self, wanted: set[Sym]) -> StepWriter:
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
        later = {g for g in cotangents.frames.values() if self.may_wait(g)}
        results = [g for g in cotangents.carries if g is not None]
        results += [g for g in cotangents.frames.values() if g not in later]
        results += [x.g for x in cotangents.weighings]
        w.schedule.settle(results, [])
        self.return_carries(w, copied, wanted)
        for weighing in cotangents.weighings:
            self.weights.append(self.weight(weighing, w, copied))
        for x, g in cotangents.fixed:
            array = w.array("d_" + w.named(x), "total", self.lowering.rows(g), g.dtype)
            self.sums.append((x, g, array))
            copied += [(Place(array, start=start), part, True) for start, part in self.parts(w, g)]
        kept = {g: self.all_steps_of(w, g) for g in later}
        results += [g for g, place in kept.items() if place is None]
        w.copies = copied
        w.schedule.settle(results, [x for _, x, _ in copied])
        w.write()
        for x, g in cotangents.frames.items():
            there = kept.get(g)
            if there is None:
                w.show(g, ("d_frame", x))
            else:
                w.show_later(g, there, ("d_frame", x))
        return w

    def may_wait(self, g: Sym) -> bool:
        """Whether the cotangent of a frame is a product that pays to be computed for some steps."""
        node = self.lowering.node(g) if g in self.program.made else None
        return (
            isinstance(node, Product)
            and node.outer * node.inner == 1
            and pays(node.matrix, self.lowering.batch, part=4)
        )

    def all_steps_of(self, w: StepWriter, g: Sym) -> Place | None:
        """Where what a product multiplies is kept for all steps, if nothing else is there."""
        node = self.lowering.node(g)
        assert isinstance(node, Product)
        base, start = w.schedule.range(node.x)
        place = w.places.get(base)
        alone = place is not None and place.all_steps(self.lowering.rows(node.x)) and not start
        return place if alone else None

    def return_carries(self, w: StepWriter, copied: list[Copied], wanted: set[Sym]) -> None:
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
                w.enter(x, f"{name}_end", Place(array, "(T - 1) % 2"), ("end", k))
            if x in wanted:
                w.leave(x, f"{name}_start", Place(array, "1"), ("start", k))
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
        return Weight(weighing.matrix, weighing.left, a, g, outer, inner, weighing.ids)

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
        if weighing.ids:
            return self.lowering.rows(weighing.a), 1
        K = weighing.matrix.shape[1 if weighing.left else 0]
        rows = self.lowering.rows(weighing.a)
        if not weighing.left:
            return rows // K, 1
        inner = features[-1] if len(features) > 1 else 1
        return rows // (K * inner), inner
