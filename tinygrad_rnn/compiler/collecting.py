"""Gradients that the backward loops leave behind, slice by slice, put together."""

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.compiler.emitting import Place
from tinygrad_rnn.compiler.plans import Plan, Rows, Weight
from tinygrad_rnn.compiler.slicing import Slice
from tinygrad_rnn.compiler.tracing import Sym
from tinygrad_rnn.compiler.weights import Array, Values, add
from tinygrad_rnn.engine import Operation
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.grams import Factors, GramTask, Portion, add_gram, shares
from tinygrad_rnn.kernels.lookups import scatter_add_blocks
from tinygrad_rnn.kernels.memory import pool
from tinygrad_rnn.kernels.threads import Task


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


class Picks(NamedTuple):
    """Cotangents of looked-up rows, step by step.

    Attributes:
        g: the cotangents, (T, M · b),
        ids: of which rows, (T, b),
        first: and from which of their numbers on.
    """

    g: Array
    ids: Array
    first: int


class Gradients:
    """The gradients of fixed matrices: one product each, rows of which are shared by threads.

    That of a table is a product with one-hot vectors, which is found by adding rows up.

    Args:
        plan: which they are.
        parts: the slices, whose products add up.
        T: how many steps there are.
        threads: how many threads there are.
    """

    def __init__(self, plan: Plan, parts: Sequence[Slice], T: int, threads: int) -> None:
        self.weights, self.T, self.threads = plan.weights, T, threads
        self.factors = [
            [[factors(weight, g, part, T) for part in parts] for g in weight.g]
            for weight in self.weights
        ]
        self.outs: list[Array] = []
        self.untaken: list[int] = []
        self.todo: list[Task] = []

    def tasks(self) -> list[Task]:
        """What is to be done."""
        if not self.outs or self.untaken != self.references():
            self.renew()
        for weight, out in zip(self.weights, self.outs, strict=True):
            if sum(rows for _, rows, _ in weight.g) < len(out):
                out[:] = 0  # what no product's cotangent reaches
        return self.todo

    def found(self) -> list[tuple[Sym, Array]]:
        """The gradients, when it is done."""
        outs = zip(self.weights, self.outs, strict=True)
        return [(weight.matrix, out[:] if weight.left else out.T) for weight, out in outs]

    def references(self) -> list[int]:
        """How many there are to the memory of each gradient: more if somebody keeps one."""
        return [sys.getrefcount(out.base) for out in self.outs]

    def renew(self) -> None:
        """Take other memory for the gradients; whoever has the last ones may keep them."""
        self.outs = [memory_for(weight) for weight in self.weights]
        jobs: dict[tuple[Any, Any, int], list[Portion]] = defaultdict(list)
        turn = itertools.count()
        for weight, out, pieces in zip(self.weights, self.outs, self.factors, strict=True):
            for (first, rows, _), piece in zip(weight.g, pieces, strict=True):
                for start, stop in shares(rows, self.threads):
                    some = out if weight.ids else out[first : first + rows]
                    kind = task_for(weight), weight.matrix.dtype
                    job = jobs[*kind, next(turn) % self.threads]
                    job.append(Portion(piece, some, start, stop))
        self.todo = [task_of(some) for (task_of, *_), some in jobs.items()]
        self.untaken = self.references()


def task_for(weight: Weight) -> Callable[..., Task]:
    """What adds up portions of a gradient."""
    if weight.ids:
        return by_ids
    return GramTask if current_backend() == "numba" else in_numpy


def memory_for(weight: Weight) -> Array:
    """Memory for a gradient; that of a table keeps the table's rows together."""
    shape, dtype = weight.shape, weight.matrix.dtype
    memory: Array = pool().take(shape[::-1], dtype).T if weight.ids else pool().take(shape, dtype)
    return memory


def factors(weight: Weight, cotangent: Rows, part: Slice, T: int) -> Any:
    """The factors of some rows of a gradient."""
    first, rows, place = cotangent
    g, (_, K) = factor(weight, place, rows, part, T), weight.shape
    if weight.ids:
        return Picks(g, factor(weight, weight.a, 1, part, T), first)
    return Factors(g, factor(weight, weight.a, K, part, T), rows, K)


def factor(weight: Weight, place: Place, rows: int, part: Slice, T: int) -> Array:
    """A factor of a gradient, (products, rows · columns)."""
    array = part.arrays[place.array.name]
    whole = array[1 : T + 1] if place.at == "s + 1" else array[:T]
    wide, start = rows * weight.inner * part.width, place.start * part.width
    chosen: Array = whole[:, start : start + weight.outer * wide]
    return chosen if weight.outer == 1 else chosen.reshape(T * weight.outer, wide)


def by_ids(jobs: Sequence[tuple[Sequence[Picks], Array, int, int]]) -> Task:
    """A task that adds up rows of tables' gradients; infinities and NaN are silent."""

    def add_all() -> None:
        with np.errstate(all="ignore"):
            for several, out, start, stop in jobs:
                table, first = out.T, several[0].first
                table[:, first + start : first + stop] = 0
                for picks in several:
                    scatter_add_blocks(table, picks.ids, picks.g, first, start, stop)

    return add_all


def in_numpy(jobs: Sequence[Portion]) -> Task:
    """What a `GramTask` does, by NumPy; infinities and NaN are silent."""

    def add_all() -> None:
        with np.errstate(all="ignore"):
            for piece, out, start, stop in jobs:
                out[start:stop] = 0
                for f in piece:
                    add_gram(f.g, f.a, out, start, stop)

    return add_all
