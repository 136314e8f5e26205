"""Gradients that the backward loops leave behind, slice by slice, put together."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tinygrad_rnn.compiler.emitting import Place
from tinygrad_rnn.compiler.plans import Plan, Weight
from tinygrad_rnn.compiler.slicing import Slice, shares
from tinygrad_rnn.compiler.weights import Array, Values, add
from tinygrad_rnn.engine import Operation
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.packed import accumulate, add_gram
from tinygrad_rnn.kernels.resources import take
from tinygrad_rnn.kernels.transposed import to_rows


def add_carries(plan: Plan, parts: Sequence[Slice], found: Values, lead: tuple[int, ...]) -> None:
    """The cotangents of the initial carry, of those leaves that want one, with axes before."""
    for slot in plan.backward or ():
        x = plan.carries[slot.holds] if slot.role == "returning" else None
        if x in plan.wanted:
            g = take((plan.batch or 1, slot.rows), slot.dtype)
            for part in parts:
                to_rows(part.arrays[slot.name][1], g[part.span])
            found[x] = g.reshape((*lead, *x.shape))


def add_sums(plan: Plan, parts: Sequence[Slice], found: Values, op: Operation) -> None:
    """The cotangents of fixed values, summed over slices and over what was copied."""
    batch = plan.batch
    for x, g, slot in plan.sums:
        shape = plan.lowering.features(g)
        sums = [part.arrays[slot.name].reshape(-1, part.width) for part in parts]
        if batch is not None and x.ndim == g.ndim and x.shape[0] == batch:
            total = np.concatenate(sums, axis=1).T.reshape((batch, *shape))
        else:
            total = sum(each.sum(axis=1) for each in sums)
            total = total.reshape(shape if batch is None else (1, *shape))
        add(found, x, settled(total, x.shape, x.dtype, op, 0))


class Gradients:
    """The gradients of fixed matrices, one product each for every slice.

    Args:
        plan: which they are.
        T: how many steps there are.

    Attributes:
        sums: arrays for all of them, one lot for each thread that has been adding,
        free: and those that no thread is adding to.
    """

    def __init__(self, plan: Plan, T: int) -> None:
        self.plan, self.T = plan, T
        self.add_one = accumulate if current_backend() == "numba" else add_gram
        self.sums: list[list[Array]] = []
        self.free: deque[list[Array]] = deque()

    def zeros(self) -> list[Array]:
        """One lot of arrays."""
        lot = []
        for weight in self.plan.weights:
            shape = weight.matrix.shape if weight.left else weight.matrix.shape[::-1]
            lot.append(take(shape, weight.matrix.dtype))
            lot[-1][:] = 0
        self.sums.append(lot)
        return lot

    def add_slice(self, part: Slice) -> None:
        """Add all products of a slice; several threads may do so at the same time."""
        try:
            lot = self.free.pop()
        except IndexError:
            lot = self.zeros()
        for weight, out in zip(self.plan.weights, lot, strict=True):
            for first, rows, g in weight.g:
                self.add_rows(weight, g, [part], out[first : first + rows], 0, rows)
        self.free.append(lot)

    def shared(self, parts: Sequence[Slice], work: int) -> Sequence[Callable[[], None]]:
        """The same for all slices as tasks, which share rows: where there are fewer than threads.

        Args:
            parts: the slices.
            work: how many numbers the loops have made; from it follows how many threads pay.
        """
        tasks = []
        for weight, out in zip(self.plan.weights, self.zeros(), strict=True):
            for first, rows, g in weight.g:
                some = out[first : first + rows]
                for span in shares(rows, work):
                    tasks.append(partial(self.add_rows, weight, g, parts, some, *span))
        return tasks

    def add_rows(
        self, weight: Weight, g: Place, parts: Sequence[Slice], out: Array, start: int, stop: int
    ) -> None:
        """Add products to rows of a gradient; infinities and NaN are silent."""
        M, K = out.shape
        with np.errstate(all="ignore"):
            for part in parts:
                left = factor(weight, g, M, part, self.T)
                self.add_one(left, factor(weight, weight.a, K, part, self.T), out, start, stop)

    def add_to(self, found: Values) -> None:
        """Add them to the cotangents that there are."""
        first, *others = self.sums
        for k, weight in enumerate(self.plan.weights):
            for lot in others:
                first[k] += lot[k]
            add(found, weight.matrix, first[k] if weight.left else first[k].T)


def factor(weight: Weight, place: Place, rows: int, part: Slice, T: int) -> Array:
    """A factor of a gradient, (products, rows · columns)."""
    array = part.arrays[place.array.name]
    whole = array[1 : T + 1] if place.at == "s + 1" else array[:T]
    wide, start = rows * weight.inner * part.width, place.start * part.width
    chosen: Array = whole[:, start : start + weight.outer * wide]
    return chosen if weight.outer == 1 else chosen.reshape(T * weight.outer, wide)
