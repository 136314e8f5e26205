"""Gradients that the backward loops leave behind, slice by slice, put together."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.emitting import Place
from tinygrad_rnn.compiler.plans import Plan, Weight
from tinygrad_rnn.compiler.slicing import Slice, shares, threads_for
from tinygrad_rnn.compiler.tracing import Sym
from tinygrad_rnn.compiler.weights import Array, Values, add
from tinygrad_rnn.engine import Operation
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.grams import Factors, GramTask, Portion, add_gram
from tinygrad_rnn.kernels.memory import take
from tinygrad_rnn.kernels.threads import Task
from tinygrad_rnn.kernels.transposed import to_rows


def add_carries(plan: Plan, parts: Sequence[Slice], found: Values, lead: tuple[int, ...]) -> None:
    """The cotangents of the initial carry, of those leaves that want one, with axes before."""
    for _, slot in plan.roles["backward"]["returning"]:
        x = plan.carries[slot.holds]
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


def products_of(
    plan: Plan, parts: Sequence[Slice], T: int, work: int
) -> tuple[list[Task], list[tuple[Sym, Array]]]:
    """The gradients of fixed matrices: one product each, rows of which are shared by threads.

    Args:
        plan: which they are.
        parts: the slices, whose products add up.
        T: how many steps there are.
        work: how many numbers the loops have made; from it follows how many threads pay.

    Returns:
        What is to be done, and the gradients that are there when it is done.
    """
    threads = threads_for(work)
    jobs: dict[tuple[Any, int], list[Portion]] = defaultdict(list)
    turn, gradients = itertools.count(), []
    pieces = zip(*(factors_of(plan, part, T) for part in parts), strict=True)
    for weight in plan.weights:
        out = take(weight.shape, weight.matrix.dtype)
        if sum(rows for _, rows, _ in weight.g) < len(out):
            out[:] = 0  # what no product's cotangent reaches
        # Pieces come last: when there are no more rows, none is taken.
        for (first, rows, _), piece in zip(weight.g, pieces, strict=False):
            for start, stop in shares(rows, threads):
                one = Portion(piece, out[first : first + rows], start, stop)
                jobs[weight.matrix.dtype, next(turn) % threads].append(one)
        gradients.append((weight.matrix, out if weight.left else out.T))
    task_of: Callable[..., Task] = GramTask if current_backend() == "numba" else in_numpy
    return [task_of(some) for some in jobs.values()], gradients


def factors_of(plan: Plan, part: Slice, T: int) -> list[Factors]:
    """The factors of all gradients, which lie where they lay in the slice's last run."""
    if part.factors is None:
        part.factors = [
            factors(weight, g, rows, part, T) for weight in plan.weights for _, rows, g in weight.g
        ]
    return part.factors


def factors(weight: Weight, g: Place, rows: int, part: Slice, T: int) -> Factors:
    """The factors of some rows of a gradient."""
    _, K = weight.shape
    a = factor(weight, weight.a, K, part, T)
    return Factors(factor(weight, g, rows, part, T), a, rows, K)


def factor(weight: Weight, place: Place, rows: int, part: Slice, T: int) -> Array:
    """A factor of a gradient, (products, rows · columns)."""
    array = part.arrays[place.array.name]
    whole = array[1 : T + 1] if place.at == "s + 1" else array[:T]
    wide, start = rows * weight.inner * part.width, place.start * part.width
    chosen: Array = whole[:, start : start + weight.outer * wide]
    return chosen if weight.outer == 1 else chosen.reshape(T * weight.outer, wide)


def in_numpy(jobs: Sequence[Portion]) -> Task:
    """What a `GramTask` does, by NumPy; infinities and NaN are silent."""

    def add_all() -> None:
        with np.errstate(all="ignore"):
            for piece, out, start, stop in jobs:
                out[start:stop] = 0
                for f in piece:
                    add_gram(f.g, f.a, out, start, stop)

    return add_all
