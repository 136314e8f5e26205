"""Slices of a batch, and how arrays are laid out for the loops over them."""

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.emitting import Array as Slot
from tinygrad_rnn.compiler.grouping import STEPS
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.weights import Array
from tinygrad_rnn.engine import Carrier
from tinygrad_rnn.kernels.memory import pool
from tinygrad_rnn.kernels.threads import get_num_threads

LANES = 8  # a slice is not made narrower than a vector
CACHED = 1 << 18  # and not so wide that a block of a step leaves the second cache, in bytes
WORTH = 1 << 18  # numbers that a loop must produce for a second thread to pay
GIVEN = ("sequence", "edge", "panels", "table")  # roles of arrays that are others at each run


@dataclass
class Slice:
    """Some of the sequences of a batch, and memory for what loops make of them.

    Attributes:
        start: the first of them,
        width: and how many there are.
        arrays: what loops write, by name, but for results.
    """

    start: int
    width: int
    arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def span(self) -> slice:
        """Where they are in the batch."""
        return slice(self.start, self.start + self.width)

    def memory(self, slot: Slot, room: int) -> Array:
        """The array of a slot, with room for some steps; nothing if each run has another one."""
        if slot.role in GIVEN:
            return np.empty(0)
        if slot.name not in self.arrays:
            steps = {"carry": room + 1, "kept": room, "returning": 2, "several": STEPS}
            lead = (steps[slot.role],) if slot.role in steps else ()
            shape = (*lead, slot.rows * self.width)
            self.arrays[slot.name] = pool().take(shape, slot.dtype)
        return self.arrays[slot.name]


def data(x: Any) -> Any:
    """The array of a tensor; of a value that was overwritten, the error that says so."""
    return x.data if isinstance(x, Carrier) else x


def slices(plan: Plan, threads: int) -> list[Slice]:
    """The slices of a batch, for so many threads."""
    if plan.batch is None:
        return [Slice(0, 1)]
    B = plan.batch
    cap = max(LANES, CACHED // plan.widest // LANES * LANES)
    count = max(min(threads, -(-B // LANES)), -(-B // cap))
    count = -(-count // threads) * threads if count > threads else count
    wide = -(-B // (count * LANES)) * LANES
    return [Slice(j, min(wide, B - j)) for j in range(0, B, wide)]


def threads_for(work: int) -> int:
    """How many threads pay, given how many numbers a loop makes."""
    return get_num_threads() if work > WORTH else 1


def rows_of(x: Any, batch: int | None) -> Array:
    """A sequence of values as (T, batch, rows)."""
    array = data(x)
    features = array.shape[1:] if batch is None else array.shape[2:]
    return as_rows(array, (len(array), batch or 1, math.prod(features)))


def as_rows(array: Array, shape: tuple[int, ...]) -> Array:
    """An array with its features on one axis, along which numbers are neighbours."""
    flat = array if array.shape == shape else array.reshape(shape)
    neighbours = flat.strides[-1] == flat.itemsize or shape[-1] < 2
    return flat if neighbours else np.ascontiguousarray(flat)


@functools.lru_cache(maxsize=64)
def nothing(shape: tuple[int, ...], dtype: str) -> Array:
    """An array of zeros that all share, of a single row in memory."""
    return np.broadcast_to(np.zeros(shape[-1:], dtype), shape)


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
