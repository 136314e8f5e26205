"""The arrays that loops take: slices of a batch, panels of weights, blocks of features."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tinygrad_rnn.compiler.emitting import Array as Slot
from tinygrad_rnn.compiler.emitting import Place
from tinygrad_rnn.compiler.loading import CHANGING
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.tracing import Sym
from tinygrad_rnn.compiler.weights import Array, Values
from tinygrad_rnn.engine import Carrier
from tinygrad_rnn.kernels.grams import Factors
from tinygrad_rnn.kernels.memory import pool, shelf, take
from tinygrad_rnn.kernels.packed import Packing, pack_all, panels_shape
from tinygrad_rnn.kernels.tables import Table
from tinygrad_rnn.kernels.threads import get_num_threads

# Loops are compiled for arrays that can be written; what cannot be is copied.
LOOPS_TAKE: tuple[Literal["C", "W"], ...] = ("C", "W")
LANES = 8  # a slice is not made narrower than a vector
CACHED = 1 << 18  # and not so wide that a block of a step leaves the second cache, in bytes
WORTH = 1 << 18  # numbers that a loop must produce for a second thread to pay


@dataclass
class Slice:
    """Some of the sequences of a batch, and memory for what loops make of them.

    Attributes:
        start: the first of them,
        width: and how many there are.
        arrays: what loops write, by name, but for results.
        given: those of them that the loop of each stage takes, with gaps for the rest,
        tables: and where all was that it took last.
        factors: of gradients, once they have been asked for.
    """

    start: int
    width: int
    arrays: dict[str, Array] = field(default_factory=dict)
    given: dict[str, list[Array]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    factors: list[Factors] | None = None

    @property
    def span(self) -> slice:
        """Where they are in the batch."""
        return slice(self.start, self.start + self.width)

    def block(self, place: Place, t: int, rows: int) -> Array:
        """Some rows of what is kept of a step."""
        first = place.start * self.width
        block: Array = self.arrays[place.array.name][t, first : first + rows * self.width]
        return block

    def memory(self, slot: Slot, T: int) -> Array:
        """The array of a slot, the same for all loops; nothing if each run has another one."""
        if slot.role in CHANGING:
            return np.empty(0)
        if slot.name not in self.arrays:
            steps = {"carry": (T + 1,), "kept": (T,), "returning": (2,)}.get(slot.role, ())
            shape = (*steps, slot.rows * self.width)
            self.arrays[slot.name] = pool().take(shape, slot.dtype)
        return self.arrays[slot.name]


def data(x: Any) -> Any:
    """The array of a tensor; of a value that was overwritten, the error that says so."""
    return x.data if isinstance(x, Carrier) else x


def sliced(plan: Plan, T: int, work: int) -> list[Slice]:
    """The slices of a batch, for as many threads as pay; with arrays of an earlier run, if free."""
    return [shelf().borrow((plan.number, T, *span)) or Slice(*span) for span in spans(plan, work)]


def give_back(plan: Plan, T: int, slices: Sequence[Slice]) -> None:
    """Let later runs have the arrays of slices."""
    for part in slices:
        shelf().give_back((plan.number, T, part.start, part.width), part)


def spans(plan: Plan, work: int) -> list[tuple[int, int]]:
    """Where each slice of a batch starts, and its width."""
    if plan.batch is None:
        return [(0, 1)]
    B = plan.batch
    cap = max(LANES, CACHED // plan.widest // LANES * LANES)
    threads = threads_for(work)
    count = max(min(threads, -(-B // LANES)), -(-B // cap))
    count = -(-count // threads) * threads if count > threads else count
    wide = -(-B // (count * LANES)) * LANES
    return [(j, min(wide, B - j)) for j in range(0, B, wide)]


def threads_for(work: int) -> int:
    """How many threads pay, given how many numbers a loop makes."""
    return get_num_threads() if work > WORTH else 1


def shares(M: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of rows, one for each thread that there is enough for."""
    count = max(1, min(threads, M // 16))
    cuts = [M * k // count for k in range(count + 1)]
    return list(itertools.pairwise(cuts))


def packed(plan: Plan, stage: str, values: Values, slices: int) -> dict[Any, Array]:
    """The panels of fixed matrices, and tables as they are, that the loop of a stage takes.

    For a single slice one thread writes them: what another has written is not near to begin with.
    """
    roles, matrices, panels = plan.roles[stage], plan.ready.matrices, {}
    todo = []
    for _, slot in roles["table"]:
        panels[slot.holds] = np.require(values[slot.holds[0]], requirements=LOOPS_TAKE)
    for _, slot in roles["panels"]:
        x, left = slot.holds
        matrix = matrices[x] if left else matrices[x].T
        panels[slot.holds] = out = take(panels_shape(*matrix.shape, x.dtype), x.dtype)
        todo.append(Packing(matrix.parts(values), out, matrix.shape[0]))
    pack_all(todo, min(slices, get_num_threads()))
    return panels


def rows_of(x: Any, batch: int | None) -> Array:
    """A sequence of values as (T, batch, rows)."""
    array = data(x)
    features = array.shape[1:] if batch is None else array.shape[2:]
    return as_rows(array, (len(array), batch or 1, math.prod(features)))


def block_of(value: Any, x: Sym, plan: Plan) -> Array:
    """A value of the carry as (batch, rows)."""
    array = np.asarray(data(value), x.dtype)
    return as_rows(array, (plan.batch or 1, plan.lowering.rows(x)))


def as_rows(array: Array, shape: tuple[int, ...]) -> Array:
    """An array with its features on one axis, along which numbers are neighbours."""
    flat = array.reshape(shape)
    neighbours = flat.shape[-1] < 2 or flat.strides[-1] == flat.itemsize
    suits = neighbours and flat.flags.writeable
    return flat if suits else np.require(flat, requirements=LOOPS_TAKE)


def arrays_of(
    plan: Plan,
    stage: str,
    part: Slice,
    T: int,
    sequences: dict[Any, Array],
    panels: dict[Any, Array],
    values: Values,
) -> list[Array]:
    """What a loop takes, in order, for a slice.

    Args:
        plan: says what that is.
        stage: which of the loops it is.
        part: the slice; keeps the arrays that are the same at each run.
        T: how many steps there are.
        sequences: of the whole batch, by what the slots say that they hold.
        panels: packed matrices, and tables.
        values: by which fixed values are known.
    """
    roles = plan.roles[stage]
    new = stage not in part.given
    if new:
        part.given[stage] = [part.memory(slot, T) for slot in getattr(plan, stage)]
    arrays = [*part.given[stage]]
    for k, slot in roles["sequence"]:
        whole = sequences[slot.holds]
        arrays[k] = whole if whole.shape[1] == part.width else whole[:, part.span]
    for k, slot in (*roles["panels"], *roles["table"]):
        arrays[k] = panels[slot.holds]
    for k, slot in roles["fixed"]:
        if new or not plan.is_constant(slot):
            spread(np.asarray(values[slot.holds[0]]), arrays[k], slot.holds[1], part)
    for k, _ in roles["total"]:
        arrays[k][:] = 0
    return arrays


def spread(value: Array, block: Array, features: tuple[int, ...], part: Slice) -> None:
    """Spread a fixed value over features and the sequences of a slice.

    It may have a batch axis before its features, as long as the batch or of length 1.
    """
    if value.ndim > len(features):
        value = np.moveaxis(value[part.span] if len(value) > 1 else value, 0, -1)
    else:
        value = value[..., None]
    value = value.reshape((1,) * (len(features) + 1 - value.ndim) + value.shape)
    block.reshape((*features, part.width))[...] = value
