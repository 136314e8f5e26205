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

from tinygrad_rnn.compiler.collecting import add_sums
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.slicing import as_rows, nothing, rows_of, threads_for
from tinygrad_rnn.compiler.weights import Array, Values, add
from tinygrad_rnn.compiler.workspace import Workspace
from tinygrad_rnn.engine import Operation, Tensor, modes
from tinygrad_rnn.engine.backward import Overwritten, pull
from tinygrad_rnn.kernels.memory import copied, take
from tinygrad_rnn.kernels.threads import Task, side_by_side
from tinygrad_rnn.ops import reshape, stack, unbind


class Run:
    """One scan: a plan, and where it is run; keeps what the forward loop has kept.

    Attributes:
        lead: the axes before those of the step that the first and the last carry have.
        threads: how many of them pay.
        values: of inputs, and of what is made of the fixed ones.
        space: memory, and the loops,
        busy: and whether a loop may still be at work there, if only because it was interrupted.
    """

    def __init__(self, plan: Plan, T: int, reverse: bool, stacked: bool) -> None:
        self.plan, self.T, self.reverse, self.lead = plan, T, reverse, (1,) * stacked
        self.threads = threads_for(T * (plan.batch or 1) * plan.rows)
        self.values: Values = {}
        self.space: Workspace | None = None
        self.busy = False

    @property
    def order(self) -> range:
        """The time steps, as they are taken."""
        steps = range(self.T)
        return steps[::-1] if self.reverse else steps

    def forward(self, inputs: Sequence[Array], results: list[Array]) -> Sequence[Task]:
        """The loops over slices.

        Args:
            inputs: by the plan's `names`.
            results: gets the arrays that the loops write to, the last carry and the outputs.
        """
        plan, T = self.plan, self.T
        self.values = values = dict(zip(plan.names, inputs, strict=True))
        plan.ready.compute(values)
        self.space = Workspace.borrowed(plan, T, self.reverse, self.threads)
        arrays: dict[Any, Array] = {}
        for k, (shape, dtype) in enumerate(plan.edges):
            arrays["start", k] = as_rows(inputs[k], shape)
            arrays["end", k] = end = take(shape, dtype)
            results.append(end)
        for k, (shape, dtype) in enumerate(plan.shown):
            arrays["output", k] = output = take((T, *shape), dtype)
            results.append(output)
        given = self.given("forward", arrays, values)
        self.busy = True
        return self.space.tasks("forward", self.order, given, values)

    def results(self, results: list[Array]) -> list[Array]:
        """The last carry and the outputs, when the loops are done, in their shapes."""
        assert self.space is not None
        self.space.done("forward")
        self.busy = False
        if self.plan.backward is None:
            self.finish()
        ends, outputs = self.plan.program.outputs
        shapes = [(*self.lead, *x.shape) for x in ends] + [(self.T, *x.shape) for x in outputs]
        return [y.reshape(shape) for y, shape in zip(results, shapes, strict=True)]

    def finish(self) -> None:
        """Let go of what was kept for the backward loop."""
        if self.space is not None and not self.busy:
            self.space.give_back()
        self.space, self.values = None, {}

    def __del__(self) -> None:
        self.finish()

    def backward(self, gs: Sequence[Any], inputs: Sequence[Any], found: Values) -> Sequence[Task]:
        """The backward loops over slices.

        Args:
            gs: the cotangents of the results; None where nothing depends on one.
            inputs: as `forward` got them, or what says that they were overwritten since.
            found: gets the cotangents of the carry and of frames.
        """
        plan, T = self.plan, self.T
        if plan.cotangents is None or self.space is None:
            return []  # nothing that is shown depends on what wants a gradient
        values, arrays = self.values, dict[Any, Array]()
        if any(isinstance(x, Overwritten) for x in inputs):
            values = dict(zip(plan.names, inputs, strict=True))
            plan.ready.compute(values)
        for k, (x, (shape, dtype)) in enumerate(zip(plan.carries, plan.edges, strict=True)):
            arrays["end", k] = as_rows(gs[k], shape) if gs[k] is not None else nothing(shape, dtype)
            if ("start", k) in plan.held["backward"]:
                arrays["start", k] = g = take(shape, dtype)
                found[x] = g.reshape((*self.lead, *x.shape))
        for k, (shape, dtype) in enumerate(plan.shown, len(plan.carries)):
            whole, g = (T, *shape), gs[k]
            g = as_rows(g, whole) if g is not None else nothing(whole, dtype)
            arrays["output", k - len(plan.carries)] = g
        for x in plan.cotangents.frames:
            whole = T, plan.batch or 1, plan.lowering.rows(x)
            arrays["d_frame", x] = g = take(whole, x.dtype)
            found[x] = g.reshape((T, *x.shape))
        given = self.given("backward", arrays, values)
        self.busy = True
        return self.space.tasks("backward", self.order, given, values)

    def handed_out(self, found: Values) -> list[Any]:
        """Cotangents by the plan's `names`, each in memory of its own.

        Those of the carry and of frames are arrays that were made for them. Those of weights may be
        parts of larger arrays, and a rule of what came before the loop may give one to several.
        """
        gs = [found.get(x) for x in self.plan.names]
        written = len(gs) - len(self.plan.fixed)
        return [*gs[:written], *(g if g is None else copied(g) for g in gs[written:])]

    def given(self, stage: str, arrays: dict[Any, Array], values: Values) -> dict[int, Array]:
        """Inputs and results, by their places among the arrays of a loop.

        Args:
            stage: which loop.
            arrays: those that are known, by what slots hold; gets the frames.
            values: what frames and tables are among.
        """
        plan = self.plan
        for x in plan.frames:
            if ("frame", x) in plan.held[stage]:
                arrays["frame", x] = rows_of(values[x], plan.batch)
        given = {k: arrays[holds] for k, holds in plan.given[stage]}
        for k, slot in plan.roles[stage]["table"]:
            given[k] = np.ascontiguousarray(values[slot.holds[0]])
        return given


class Runs:
    """Scans that run at the same time: one node of the graph.

    Its inputs are theirs, one scan after the other, and so are its results.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.seed: Any = None
        self.found: dict[int, Any] = {}

    def forward(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The last carries and the outputs, as arrays."""
        tasks: list[Task] = []
        results: list[list[Array]] = [[] for _ in self.runs]
        for run, given, ys in zip(self.runs, self.inputs_of(inputs), results, strict=True):
            tasks += run.forward(given, ys)
        side_by_side(tasks)
        shaped = (run.results(ys) for run, ys in zip(self.runs, results, strict=True))
        return tuple(itertools.chain.from_iterable(shaped))

    def cotangent(self, i: int, gs: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """That of an input; all are computed at the first question, and each is given away once."""
        if self.seed is not gs:
            on_tensors = any(isinstance(x, Tensor) for x in (*gs, *inputs))
            found = (self.unrolled if on_tensors else self.backward)(gs, inputs)
            self.seed, self.found = gs, dict(enumerate(found))
        found, x = self.found.pop(i), inputs[i]
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
        at_work = [(run, run.space, ours) for run, ours in each if run.space and run.busy]
        products: list[Task] = []
        for run, space, _ in at_work:
            space.done("backward")
            products += space.gradients_of(run.T).tasks()
        side_by_side(products)
        for run, space, cotangents in at_work:
            add_sums(run.plan, space.parts, cotangents, LOOP)
            for matrix, gradient in space.gradients_of(run.T).found():
                add(cotangents, matrix, gradient)
            run.busy = False
            run.plan.ready.pull_back(run.values, cotangents, run.plan.wanted)
        return [
            g
            for run, cotangents in zip(self.runs, found, strict=True)
            for g in run.handed_out(cotangents)
        ]

    def unrolled(self, gs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Cotangents with graphs of their own: the steps run again, op by op."""
        with modes.enable_grad():
            each = zip(self.runs, self.inputs_of(inputs), strict=True)
            outputs = [y for run, given in each for y in unrolled(run, given)]
        by_rank: dict[int, Any] = {}
        wanted = {x.rank for x in inputs if isinstance(x, Tensor)}
        both = zip(outputs, gs, strict=True)
        seeds = [(y, g) for y, g in both if y.requires_grad and g is not None]
        pull(
            [(y, g if isinstance(g, Tensor) else Tensor(g)) for y, g in seeds],
            lambda x, g, _: by_rank.update({x.rank: g}) if x.rank in wanted else None,
            create_graph=True,
            stops=wanted,
        )
        found = (by_rank.pop(x.rank, None) if isinstance(x, Tensor) else None for x in inputs)
        return list(found)

    def inputs_of(self, inputs: Sequence[Any]) -> list[Sequence[Any]]:
        """The inputs of each scan."""
        return divided(inputs, [len(run.plan.names) for run in self.runs])

    def results_of(self, results: Sequence[Any]) -> list[Sequence[Any]]:
        """The results of each scan, or their cotangents."""
        return divided(results, [run.plan.size for run in self.runs])


def divided(values: Sequence[Any], sizes: Sequence[int]) -> list[Sequence[Any]]:
    """Values in groups of the given sizes."""
    if len(sizes) == 1:
        return [values]
    ends = list(itertools.accumulate(sizes, initial=0))
    return [values[start:stop] for start, stop in itertools.pairwise(ends)]


def scan(*inputs: Any, runs: Runs) -> tuple[Array, ...]:
    """Whole scans as one op: carries and values from before the loops in, results out."""
    return runs.forward(inputs)


LOOP = Operation(scan, bundles=True, gaps=True, fresh=True)


@LOOP.defvjp
def scan_vjp(g: Any, y: Any, *inputs: Any, i: int, runs: Runs) -> Any:
    """Cotangents from the backward loops, or from the steps unrolled."""
    return runs.cotangent(i, g, inputs)


def unrolled(run: Run, inputs: Sequence[Any]) -> list[Tensor]:
    """The last carry and the outputs, op by op."""
    plan, values = run.plan, dict(zip(run.plan.names, inputs, strict=True))
    for line in plan.ready.lines:
        line.run(values)
    next_carry, outputs = plan.program.outputs
    steps = {x: unbind(values[x]) for x in plan.frames}
    carry = [reshape(x, y.shape) for x, y in zip(inputs, plan.carries, strict=False)]
    shown: list[list[Any]] = [[] for _ in outputs]
    for t in run.order:
        known = {**values, **{x: step[t] for x, step in steps.items()}}
        known.update(zip(plan.carries, carry, strict=True))
        for line in plan.loop:
            line.run(known)
        carry = [known[x] for x in next_carry]
        for k, x in enumerate(outputs):
            shown[k].append(known[x])
    ends = [reshape(x, (*run.lead, *x.shape)) for x in carry]
    return [*ends, *(stack(ys[::-1] if run.reverse else ys) for ys in shown)]
