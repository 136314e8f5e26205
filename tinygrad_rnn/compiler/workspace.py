"""Memory for the runs of a plan, with its loops bound to it: made once, lent to run after run.

Most of what a loop is told stays the same from one run to the next: where it keeps what each step
makes, where packed weights are. So a loop is *bound* to all of that, and a run only says how many
steps it has, and where its inputs and results are.
"""

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.collecting import Gradients
from tinygrad_rnn.compiler.loading import Call, Loop, loop_of
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.slicing import Slice, slices, spread
from tinygrad_rnn.compiler.weights import Array, Patchwork, Values, shown
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.memory import shelf
from tinygrad_rnn.kernels.packed import Packer, Packing, aligned, pack_all, panels_shape
from tinygrad_rnn.kernels.threads import Task, get_num_threads, side_by_side

Given = dict[int, Array]  # arrays that are others at each run, by their places among all

SPARE = 8  # times more steps than a run has, for which a workspace may have room


def nobody() -> None:
    """A reference to nothing."""


class Panels:
    """The fixed matrices that the loop of a stage multiplies by, packed.

    Args:
        plan: says which they are.
        stage: the stage.

    Attributes:
        arrays: the panels, by their places among all arrays of the loop.
    """

    def __init__(self, plan: Plan, stage: str) -> None:
        self.arrays: Given = {}
        self.matrices: list[tuple[Patchwork, Array]] = []
        for k, slot in plan.roles[stage]["panels"]:
            x, left = slot.holds
            matrix = plan.ready.matrices[x] if left else plan.ready.matrices[x].T
            self.arrays[k] = aligned(panels_shape(*matrix.shape, x.dtype), x.dtype)
            self.matrices.append((matrix, self.arrays[k]))
        self.packers: list[Packer] = []
        self.sources: list[tuple[Packer, int, Any]] = []
        self.seen: list[Any] = []
        self.tasks: dict[int, list[Task]] = {}

    def pack(self, values: Values, threads: int) -> None:
        """Write the panels of the values that there are now."""
        if current_backend() != "numba":
            pack_all([Packing(m.parts(values), array, m.shape[0]) for m, array in self.matrices])
            return
        if not self.packers:
            self.prepare(values)
        if threads not in self.tasks:
            self.tasks[threads] = [task for some in self.packers for task in some.tasks(threads)]
        for i, (packer, k, (_, _, of, cut, turned)) in enumerate(self.sources):
            x = values[of]
            if self.seen[i]() is not x:  # most weights stay where they are
                lasting = packer.replace(k, shown(x, cut, turned))
                self.seen[i] = weakref.ref(x) if lasting else nobody
        side_by_side(self.tasks[threads])

    def prepare(self, values: Values) -> None:
        """Tell machine code where panels are, and which parts they are made of."""
        for dtype in {array.dtype for array in self.arrays.values()}:
            some = [(m, array) for m, array in self.matrices if array.dtype == dtype]
            packer = Packer([Packing(m.parts(values), array, m.shape[0]) for m, array in some])
            patches = [patch for m, _ in some for patch in m.asked]
            self.sources += [(packer, k, patch) for k, patch in enumerate(patches)]
            self.packers.append(packer)
        self.seen = [nobody] * len(self.sources)


class BoundLoop:
    """The loop of a stage, bound to the slices of a batch.

    Args:
        plan: says what it takes.
        stage: the stage.
        space: where it works,
        panels: and with which packed matrices.
        values: by which fixed values are known; constants are read here.
    """

    def __init__(
        self, plan: Plan, stage: str, space: "Workspace", panels: Panels, values: Values
    ) -> None:
        roles, slots = plan.roles[stage], plan.slots(stage)
        self.panels, self.parts, self.given = panels, space.parts, Given()
        self.own = [
            [panels.arrays.get(k, part.memory(slot, space.room)) for k, slot in enumerate(slots)]
            for part in self.parts
        ]
        loop = loop_for(plan, stage)
        self.calls: list[Call] = [
            loop.call(part.span, own) for part, own in zip(self.parts, self.own, strict=True)
        ]
        constant = [(k, slot) for k, slot in roles["fixed"] if plan.is_constant(slot)]
        self.varying = [each for each in roles["fixed"] if each not in constant]
        self.totals = [own[k] for own in self.own for k, _ in roles["total"]]
        self.spread(constant, values)

    def tasks(self, steps: range, given: Given, values: Values) -> list[Task]:
        """The calls of a run."""
        self.given = given
        self.spread(self.varying, values)
        for total in self.totals:
            total[:] = 0
        return [call.task(steps, given) for call in self.calls]

    def spread(self, slots: Sequence[tuple[int, Any]], values: Values) -> None:
        """Write fixed values over the features and sequences of each slice."""
        for k, slot in slots:
            x, features = slot.holds
            for part, own in zip(self.parts, self.own, strict=True):
                spread(np.asarray(values[x]), own[k], features, part)


class Workspace:
    """Slices of a batch with all that runs over sequences need, up to some number of steps.

    Args:
        plan: what is run.
        room: for how many steps there is room.
        reverse: whether they are taken from the last to the first.
        threads: how many there are.

    Attributes:
        parts: the slices.
    """

    def __init__(self, plan: Plan, room: int, reverse: bool, threads: int) -> None:
        self.plan, self.room, self.reverse, self.threads = plan, room, reverse, threads
        self.parts: list[Slice] = slices(plan, threads)
        self.bound: dict[tuple[str, str], BoundLoop] = {}
        self.gradients: dict[str, Gradients] = {}

    @classmethod
    def borrowed(cls, plan: Plan, T: int, reverse: bool, threads: int) -> "Workspace":
        """One that an earlier run has given back, if it suits so many steps, or a new one.

        Lengths that come and go share memory, as much as the longest of them needs.
        """
        space: Workspace | None = shelf().borrow((plan.number, reverse, threads))
        suits = space is not None and T <= space.room <= SPARE * T
        return space if space is not None and suits else cls(plan, T, reverse, threads)

    def give_back(self) -> None:
        """Let later runs have it."""
        shelf().give_back((self.plan.number, self.reverse, self.threads), self)

    def tasks(self, stage: str, steps: range, given: Given, values: Values) -> list[Task]:
        """The loops of a stage over all slices.

        Args:
            stage: the stage.
            steps: the time steps, in order.
            given: inputs and results of the whole batch.
            values: by which fixed values are known.
        """
        plan, key = self.plan, (stage, current_backend())
        panels = shelf().borrow((plan.number, stage, self.reverse)) or Panels(plan, stage)
        loop = self.bound.get(key)
        if loop is None or loop.panels is not panels:
            # Before anything is packed: to compile a loop has another process compile what packs.
            loop = self.bound[key] = BoundLoop(plan, stage, self, panels, values)
        # For one slice one thread packs: what another has written is not near to begin with.
        panels.pack(values, min(len(self.parts), get_num_threads()))
        return loop.tasks(steps, given, values)

    def done(self, stage: str) -> None:
        """Let go of what was given to the loops of a stage, and of the panels."""
        loop = self.bound[stage, current_backend()]
        loop.given.clear()
        shelf().give_back((self.plan.number, stage, self.reverse), loop.panels)

    def gradients_of(self, T: int) -> Gradients:
        """The gradients of fixed matrices, of products of so many steps."""
        backend = current_backend()
        found = self.gradients.get(backend)
        if found is None or found.T != T:
            found = self.gradients[backend] = Gradients(self.plan, self.parts, T, self.threads)
        return found


def loop_for(plan: Plan, stage: str) -> Loop:
    """The loop of a stage, compiled at the first question."""
    key = stage, current_backend()
    if key not in plan.loops:
        plan.loops[key] = loop_of(plan.source, stage, plan.slots(stage))
    loop: Loop = plan.loops[key]
    return loop
