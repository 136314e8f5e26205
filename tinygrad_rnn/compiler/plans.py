"""What a plan says: how to run a step over a sequence."""

import functools
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.differentiating import Cotangents
from tinygrad_rnn.compiler.emitting import Array, Place
from tinygrad_rnn.compiler.hoisting import Lifted
from tinygrad_rnn.compiler.lowering import Lowering
from tinygrad_rnn.compiler.simplifying import Kinds
from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.compiler.weights import Ready
from tinygrad_rnn.ops import embedding

Rows = tuple[int, int, Place]  # the first of them, how many, and where they are kept
Roles = dict[str, list[tuple[int, Array]]]


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
        ids: whether `a` is ids, which stand for their one-hot vectors.
    """

    matrix: Sym
    left: bool
    a: Place
    g: list[Rows]
    outer: int
    inner: int
    ids: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the matrix, turned so that it stands left."""
        M, K = self.matrix.shape if self.left else self.matrix.shape[::-1]
        return M, K


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
    def roles(self) -> dict[str, Roles]:
        """For the loop of each stage its arrays by role, each with its place among them."""
        return {stage: by_role(self.slots(stage)) for stage in ("forward", "backward")}

    def slots(self, stage: str) -> Sequence[Array]:
        """The arrays that the loop of a stage takes."""
        return self.forward if stage == "forward" else self.backward or ()

    @functools.cached_property
    def names(self) -> list[Sym]:
        """Of what a run is given: the carry, frames, and fixed values."""
        return [*self.carries, *self.frames, *self.fixed]

    @functools.cached_property
    def size(self) -> int:
        """How many results a run has: those of the carry, and the outputs."""
        return sum(map(len, self.program.outputs))

    @functools.cached_property
    def given(self) -> dict[str, list[tuple[int, Any]]]:
        """For the loop of each stage its inputs and results by place, and what they hold."""
        return {
            stage: [(k, slot.holds) for role in ("sequence", "edge") for k, slot in roles[role]]
            for stage, roles in self.roles.items()
        }

    @functools.cached_property
    def held(self) -> dict[str, set[Any]]:
        """What they hold."""
        return {stage: {holds for _, holds in given} for stage, given in self.given.items()}

    @functools.cached_property
    def edges(self) -> list[tuple[tuple[int, int], np.dtype[Any]]]:
        """Batch and rows of each leaf of the carry, and its dtype."""
        return [((self.batch or 1, self.lowering.rows(x)), x.dtype) for x in self.carries]

    @functools.cached_property
    def shown(self) -> list[tuple[tuple[int, int], np.dtype[Any]]]:
        """The same for outputs of a step."""
        outputs = self.program.outputs[1]
        return [((self.batch or 1, self.lowering.rows(x)), x.dtype) for x in outputs]

    @functools.cached_property
    def ids(self) -> list[tuple[Sym, int]]:
        """Frames that are ids, and how many rows the tables have that they are looked up in."""
        frames = set(self.frames)
        lookups = (line.operands for line in self.loop if line.op is embedding)
        return [(ids, len(table)) for table, ids in lookups if ids in frames]

    def is_constant(self, slot: Array) -> bool:
        """Whether an array holds a value that is the same in every run."""
        return slot.role == "fixed" and self.program.captured.get(slot.holds[0]) is not None

    @functools.cached_property
    def widest(self) -> int:
        """Bytes of the largest block of a step, for one sequence."""
        blocks = [slot for slot in self.forward if slot.role == "block"]
        return max((slot.rows * np.dtype(slot.dtype).itemsize for slot in blocks), default=1)

    @functools.cached_property
    def rows(self) -> int:
        """Numbers that a step of a sequence makes, about."""
        return sum(slot.rows for slot in self.forward if slot.role not in ("panels", "table"))


def by_role(slots: Sequence[Array]) -> Roles:
    """Arrays by role, each with its place."""
    found: Roles = defaultdict(list)
    for k, slot in enumerate(slots):
        found[slot.role].append((k, slot))
    return found
