r"""Run planned steps over sequences: values in, loops over slices of the batch, values out.

The batch is cut into slices, and each slice goes through the whole sequence on its own, with no
barrier at any step. The threads are ordinary Python threads; the loops release the interpreter's
lock. The slices of two scans that do not wait for each other, as of the two directions of a layer,
run at the same time.

In the graph that is one node. Its cotangents come from the backward loops, or, where a gradient is
to be differentiated again, from the same steps unrolled op by op.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.collecting import add_carries, add_sums, products_of
from tinygrad_rnn.compiler.emitting import Array as Slot
from tinygrad_rnn.compiler.loading import Loop, loop_of
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.slicing import (
    Slice,
    arrays_of,
    block_of,
    give_back,
    packed,
    rows_of,
    sliced,
)
from tinygrad_rnn.compiler.tracing import Sym
from tinygrad_rnn.compiler.weights import Array, Values, add
from tinygrad_rnn.engine import Operation, Tensor, modes
from tinygrad_rnn.engine.backward import Overwritten, pull
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.memory import take
from tinygrad_rnn.kernels.threads import Task, side_by_side
from tinygrad_rnn.kernels.transposed import to_features, to_rows
from tinygrad_rnn.ops import reshape, stack, unbind


class Run:
    """One scan: a plan, its slices, and what the forward loop keeps for the backward loop.

    Attributes:
        lead: the axes before those of the step that the first and the last carry have.
        names: of its inputs: the carry, frames, and fixed values.
        size: how many results it has: those of the carry, and the outputs.
        values: of inputs, and of what is made of the fixed ones.
        parts: the slices of the batch,
        busy: and whether a loop may still be at work on them, if only because it was interrupted.
    """

    def __init__(self, plan: Plan, T: int, reverse: bool, stacked: bool) -> None:
        self.plan, self.T, self.lead = plan, T, (1,) * stacked
        self.first, self.stride = (T - 1, -1) if reverse else (0, 1)
        self.names = [*plan.carries, *plan.frames, *plan.fixed]
        self.size = sum(map(len, plan.program.outputs))
        self.work = T * (plan.batch or 1) * plan.rows
        self.values: Values = {}
        self.parts: list[Slice] = []
        self.busy = False

    def forward(self, inputs: Sequence[Array], shown: list[Array]) -> Sequence[Task]:
        """The loops over slices.

        Args:
            inputs: by `names`.
            shown: gets the arrays that the loops write the outputs to.
        """
        plan, T = self.plan, self.T
        values = dict(zip(self.names, inputs, strict=True))
        plan.ready.compute(values)
        outputs = plan.program.outputs[1]
        shown += [self.sequence(x) for x in outputs]
        sequences: dict[Any, Array] = {
            ("frame", x): rows_of(values[x], plan.batch) for x in plan.frames
        }
        sequences.update((("output", k), y) for k, y in enumerate(shown))
        loop = loop_for(plan, "forward", plan.forward)
        starts = [block_of(values[x], x, plan) for x in plan.carries]
        self.values, self.parts, tasks = values, sliced(plan, T, self.work), []
        panels = packed(plan, "forward", values, len(self.parts))
        self.busy = True
        for part in self.parts:
            arrays = arrays_of(plan, "forward", part, T, sequences, panels, values)
            for place, start in zip(plan.carried, starts, strict=True):
                to_features(start[part.span], part.block(place, 0, start.shape[1]))
            tasks.append(loop.task(self.numbers(part), arrays, part.tables))
        return tasks

    def results(self, shown: list[Array]) -> list[Array]:
        """The last carry and the outputs, when the loops are done."""
        plan = self.plan
        ends, outputs = plan.program.outputs
        last = [take((plan.batch or 1, plan.lowering.rows(x)), x.dtype) for x in plan.carries]
        for part in self.parts:
            for place, end in zip(plan.carried, last, strict=True):
                to_rows(part.block(place, self.T, end.shape[1]), end[part.span])
        self.busy = False
        if plan.backward is None:
            self.finish()
        shapes = [(*self.lead, *x.shape) for x in ends] + [(self.T, *x.shape) for x in outputs]
        return [y.reshape(shape) for y, shape in zip([*last, *shown], shapes, strict=True)]

    def finish(self) -> None:
        """Let go of what was kept for the backward loop."""
        if not self.busy:
            give_back(self.plan, self.T, self.parts)
        self.parts, self.values = [], {}

    def __del__(self) -> None:
        self.finish()

    def backward(self, gs: Sequence[Any], inputs: Sequence[Any], found: Values) -> Sequence[Task]:
        """The backward loops over slices.

        Args:
            gs: the cotangents of the results.
            inputs: as `forward` got them, or what says that they were overwritten since.
            found: gets the cotangents of frames.
        """
        plan, T, slots = self.plan, self.T, self.plan.backward
        if plan.cotangents is None or slots is None:
            return []  # nothing that is shown depends on what wants a gradient
        values, roles = self.values, plan.roles["backward"]
        if any(isinstance(x, Overwritten) for x in inputs):
            values = dict(zip(self.names, inputs, strict=True))
            plan.ready.compute(values)
        ends, outputs = gs[: len(plan.carries)], gs[len(plan.carries) :]
        read = {slot.holds for _, slot in roles["sequence"]}
        sequences: dict[Any, Array] = {
            ("frame", x): rows_of(values[x], plan.batch)
            for x in plan.frames
            if ("frame", x) in read
        }
        sequences.update((("output", k), rows_of(g, plan.batch)) for k, g in enumerate(outputs))
        for x in plan.cotangents.frames:
            g = sequences["d_frame", x] = self.sequence(x)
            found[x] = g.reshape((T, *x.shape))
        loop, tasks = loop_for(plan, "backward", slots), []
        panels = packed(plan, "backward", values, len(self.parts))
        self.busy = True
        for part in self.parts:
            arrays = arrays_of(plan, "backward", part, T, sequences, panels, values)
            for k, slot in roles["returning"]:
                end = block_of(ends[slot.holds], plan.carries[slot.holds], plan)
                to_features(end[part.span], arrays[k][(T - 1) % 2])
            tasks.append(loop.task(self.numbers(part), arrays, part.tables))
        return tasks

    def numbers(self, part: Slice) -> tuple[int, int, int, int]:
        """What a loop over a slice takes besides arrays."""
        return self.T, part.width, self.first, self.stride

    def sequence(self, x: Any) -> Array:
        """Memory for a value at all steps, (T, batch, rows)."""
        return take((self.T, self.plan.batch or 1, self.plan.lowering.rows(x)), x.dtype)


def loop_for(plan: Plan, stage: str, slots: Sequence[Slot]) -> Loop:
    """The loop of a stage, compiled at the first question."""
    key = stage, current_backend()
    if key not in plan.loops:
        plan.loops[key] = loop_of(plan.source, stage, slots)
    loop: Loop = plan.loops[key]
    return loop


class Runs:
    """Scans that run at the same time: one node of the graph.

    Its inputs are theirs, one scan after the other, and so are its results.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.seed: Any = None
        self.found: list[Any] = []

    def forward(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The last carries and the outputs, as arrays."""
        tasks: list[Task] = []
        shown: list[list[Array]] = [[] for _ in self.runs]
        for run, given, ys in zip(self.runs, self.inputs_of(inputs), shown, strict=True):
            tasks += run.forward(given, ys)
        side_by_side(tasks)
        results = (run.results(ys) for run, ys in zip(self.runs, shown, strict=True))
        return tuple(itertools.chain.from_iterable(results))

    def cotangent(self, i: int, gs: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """That of an input; all are computed at the first question."""
        if self.seed is not gs:
            on_tensors = any(isinstance(x, Tensor) for x in (*gs, *inputs))
            self.found = (self.unrolled if on_tensors else self.backward)(gs, inputs)
            self.seed = gs
        found, x = self.found[i], inputs[i]
        return np.zeros(np.shape(x), x.dtype) if found is None else found

    def backward(self, gs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """The cotangents of the inputs."""
        found: list[Values] = [{} for _ in self.runs]
        tasks: list[Task] = []
        each = list(zip(self.runs, found, strict=True))
        given = zip(self.results_of(gs), self.inputs_of(inputs), strict=True)
        for (run, cotangents), (g, x) in zip(each, given, strict=True):
            tasks += run.backward(g, x, cotangents)
        side_by_side(tasks)
        products: list[Task] = []
        gradients: list[tuple[Values, Sym, Array]] = []
        for run, cotangents in each:
            if run.plan.backward is not None:
                add_carries(run.plan, run.parts, cotangents, run.lead)
                add_sums(run.plan, run.parts, cotangents, LOOP)
                todo, weights = products_of(run.plan, run.parts, run.T, run.work)
                products += todo
                gradients += [(cotangents, *weight) for weight in weights]
        side_by_side(products)
        for cotangents, matrix, gradient in gradients:
            add(cotangents, matrix, gradient)
        for run, cotangents in each:
            run.busy = False
            run.plan.ready.pull_back(run.values, cotangents, run.plan.wanted)
        return [
            cotangents.get(x)
            for run, cotangents in zip(self.runs, found, strict=True)
            for x in run.names
        ]

    def unrolled(self, gs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Cotangents with graphs of their own: the steps run again, op by op."""
        with modes.enable_grad():
            each = zip(self.runs, self.inputs_of(inputs), strict=True)
            outputs = [y for run, given in each for y in unrolled(run, given)]
        by_rank: dict[int, Any] = {}
        wanted = {x.rank for x in inputs if isinstance(x, Tensor)}
        seeds = [(y, g) for y, g in zip(outputs, gs, strict=True) if y.requires_grad]
        pull(
            [(y, g if isinstance(g, Tensor) else Tensor(g)) for y, g in seeds],
            lambda x, g: by_rank.update({x.rank: g}) if x.rank in wanted else None,
            create_graph=True,
            stops=wanted,
        )
        found = (by_rank.pop(x.rank, None) if isinstance(x, Tensor) else None for x in inputs)
        return list(found)

    def inputs_of(self, inputs: Sequence[Any]) -> list[Sequence[Any]]:
        """The inputs of each scan."""
        return divided(inputs, [len(run.names) for run in self.runs])

    def results_of(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """The results of each scan, or their cotangents."""
        return divided(results, [run.size for run in self.runs])


def divided(values: Sequence[Any], sizes: Sequence[int]) -> list[Sequence[Any]]:
    """Values in groups of the given sizes."""
    ends = list(itertools.accumulate(sizes, initial=0))
    return [values[start:stop] for start, stop in itertools.pairwise(ends)]


def scan(*inputs: Any, runs: Runs) -> tuple[Array, ...]:
    """Whole scans as one op: carries and values from before the loops in, results out."""
    return runs.forward(inputs)


LOOP = Operation(scan, bundles=True)


@LOOP.defvjp
def scan_vjp(g: Any, y: Any, *inputs: Any, i: int, runs: Runs) -> Any:
    """Cotangents from the backward loops, or from the steps unrolled."""
    return runs.cotangent(i, g, inputs)


def unrolled(run: Run, inputs: Sequence[Any]) -> list[Tensor]:
    """The last carry and the outputs, op by op."""
    plan, values = run.plan, dict(zip(run.names, inputs, strict=True))
    for line in plan.ready.lines:
        line.run(values)
    next_carry, outputs = plan.program.outputs
    steps = {x: unbind(values[x]) for x in plan.frames}
    carry = [reshape(x, y.shape) for x, y in zip(inputs, plan.carries, strict=False)]
    shown: list[list[Any]] = [[] for _ in outputs]
    order = range(run.first, run.first + run.stride * run.T, run.stride)
    for t in order:
        known = {**values, **{x: step[t] for x, step in steps.items()}}
        known.update(zip(plan.carries, carry, strict=True))
        for line in plan.loop:
            line.run(known)
        carry = [known[x] for x in next_carry]
        for k, x in enumerate(outputs):
            shown[k].append(known[x])
    ends = [reshape(x, (*run.lead, *x.shape)) for x in carry]
    return [*ends, *(stack(ys if run.stride > 0 else ys[::-1]) for ys in shown)]
