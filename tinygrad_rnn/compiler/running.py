r"""Run a planned step over a sequence: values in, loops over slices of the batch, values out.

The batch is cut into slices, and each slice goes through the whole sequence on its own, with no
barrier at any step. The threads are ordinary Python threads; the loops release the interpreter's
lock.

In the graph a whole scan is one node. Its cotangents come from the backward loop, or, where a
gradient is to be differentiated again, from the same step unrolled op by op.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.compiler.emitting import Array as Slot
from tinygrad_rnn.compiler.loading import loop_of
from tinygrad_rnn.compiler.planning import Plan, Weight
from tinygrad_rnn.kernels.resources import get_num_threads, side_by_side, take
from tinygrad_rnn.compiler.tracing import Sym
from tinygrad_rnn.engine import Carrier, Operation, Tensor, modes
from tinygrad_rnn.engine.backward import pull, settled
from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.packed import add_gram, pack, panels_shape
from tinygrad_rnn.kernels.transposed import to_features, to_rows
from tinygrad_rnn.ops import stack, unbind

Array = NDArray[Any]
Values = dict[Sym, Any]

LANES = 8  # a slice is not made narrower than a vector
CACHED = 1 << 18  # and not so wide that a block of a step leaves the second cache, in bytes
WORTH = 1 << 18  # numbers that a loop must produce for a second thread to pay


class Run:
    """One scan: a plan, its slices, and what the forward loop keeps for the backward loop."""

    def __init__(self, plan: Plan, T: int, reverse: bool) -> None:
        self.plan, self.T = plan, T
        self.first, self.stride = (T - 1, -1) if reverse else (0, 1)
        self.kept: list[dict[str, Array]] = []
        rows = sum(slot.rows for slot in plan.forward if slot.role not in ("panels", "table"))
        self.work = T * (plan.batch or 1) * rows
        self.slices = sliced(plan, self.work)
        self.seed: Any = None
        self.found: dict[int, Any] = {}

    def forward(self, init: Sequence[Array], values: Values) -> tuple[Array, ...]:
        """The last carry and the outputs, as arrays."""
        plan, T, batch = self.plan, self.T, self.plan.batch
        ends, outputs = plan.program.outputs
        sequences: dict[Any, Array] = {("frame", x): self.rows(values[x]) for x in plan.frames}
        sequences.update(
            (("output", k), take((T, batch or 1, self.count(x)), x.dtype))
            for k, x in enumerate(outputs)
        )
        panels = packed(plan.forward, values)
        starts = [self.blocks(x, s) for x, s in zip(plan.carries, init, strict=True)]
        self.kept = [{} for _ in self.slices]
        loop, carried = loop_of(plan.source, "forward", plan.forward), carries(plan.forward)
        tasks = []
        for (j, b), kept in zip(self.slices, self.kept, strict=True):
            arrays = self.arrays(plan.forward, j, b, kept, sequences, panels, values)
            for slot, start in zip(carried, starts, strict=True):
                to_features(start[j : j + b], kept[slot.name][0])
            tasks.append(partial(loop, T, b, self.first, self.stride, *arrays))
        side_by_side(tasks)
        last = [take((batch or 1, self.count(x)), x.dtype) for x in plan.carries]
        for (j, b), kept in zip(self.slices, self.kept, strict=True):
            for slot, end in zip(carried, last, strict=True):
                to_rows(kept[slot.name][T], end[j : j + b])
        shown = (sequences["output", k].reshape((T, *x.shape)) for k, x in enumerate(outputs))
        if plan.backward is None:
            self.kept = []
        return (*(e.reshape(x.shape) for e, x in zip(last, ends, strict=True)), *shown)

    def backward(self, gs: Sequence[Any], values: Values) -> Values:
        """The cotangents of carries, frames and fixed values."""
        plan, T, batch = self.plan, self.T, self.plan.batch
        cotangents, slots = plan.cotangents, plan.backward
        if cotangents is None or slots is None:  # nothing that is shown depends on what wants one
            return {}
        ends, outputs = gs[: len(plan.carries)], gs[len(plan.carries) :]
        read = {slot.holds for slot in slots if slot.role == "sequence"}
        sequences: dict[Any, Array] = {
            ("frame", x): self.rows(values[x]) for x in plan.frames if ("frame", x) in read
        }
        for k, g in enumerate(outputs):
            sequences["output", k] = self.rows(g)
        for x in cotangents.frames:
            sequences["d_frame", x] = take((T, batch or 1, self.count(x)), x.dtype)
        panels = packed(slots, values)
        loop = loop_of(plan.source, "backward", slots)
        tasks, works = [], []
        for (j, b), kept in zip(self.slices, self.kept, strict=True):
            work = dict(kept)
            arrays = self.arrays(slots, j, b, work, sequences, panels, values)
            for slot in slots:
                if slot.role == "returning":
                    x = plan.carries[slot.holds]
                    to_features(
                        self.blocks(x, ends[slot.holds])[j : j + b], work[slot.name][(T - 1) % 2]
                    )
            tasks.append(partial(loop, T, b, self.first, self.stride, *arrays))
            works.append((j, b, work))
        side_by_side(tasks)
        found: Values = {
            x: sequences["d_frame", x].reshape((T, *x.shape)) for x in cotangents.frames
        }
        self.collect_carries(found, works)
        self.collect_sums(found, works)
        self.collect_weights(found, works)
        return found

    def arrays(
        self,
        slots: Sequence[Slot],
        j: int,
        b: int,
        kept: dict[str, Array],
        sequences: dict[Any, Array],
        panels: dict[Any, Array],
        values: Values,
    ) -> list[Array]:
        """What a loop takes, in order, for a slice of the batch; new arrays enter `kept`."""
        steps = {"carry": self.T + 1, "kept": self.T, "returning": 2}
        arrays = []
        for slot in slots:
            if slot.role == "sequence":
                array = sequences[slot.holds][:, j : j + b]
            elif slot.role in ("panels", "table"):
                array = panels[slot.holds]
            elif slot.name in kept:
                array = kept[slot.name]
            else:
                lead = (steps[slot.role],) if slot.role in steps else ()
                array = take((*lead, slot.rows * b), slot.dtype)
                if slot.role == "fixed":
                    self.fill(array, slot, j, b, values)
                if slot.role == "total":
                    array[:] = 0
                if slot.role != "block":
                    kept[slot.name] = array
            arrays.append(array)
        return arrays

    def fill(self, array: Array, slot: Slot, j: int, b: int, values: Values) -> None:
        """Spread a fixed value over features and sequences."""
        x, shape = slot.holds
        value, batch = np.asarray(data(values[x])), self.plan.batch
        if batch is not None and value.ndim > len(shape):
            value = np.moveaxis(value[j : j + b] if len(value) == batch else value, 0, -1)
        else:
            value = value[..., None]
        value = value.reshape((1,) * (len(shape) + 1 - value.ndim) + value.shape)
        array.reshape((*shape, b))[...] = value

    def count(self, x: Sym) -> int:
        """How many rows a value has."""
        return self.plan.lowering.rows(x)

    def rows(self, x: Any) -> Array:
        """A sequence of values as (T, batch, rows)."""
        array, batch = data(x), self.plan.batch
        features = array.shape[1:] if batch is None else array.shape[2:]
        return as_rows(array, (len(array), batch or 1, math.prod(features)))

    def blocks(self, x: Sym, value: Any) -> Array:
        """A value of the carry as (batch, rows)."""
        array = np.broadcast_to(np.asarray(data(value), x.dtype), x.shape)
        return as_rows(array, (self.plan.batch or 1, self.count(x)))

    def collect_carries(self, found: Values, works: Sequence[Any]) -> None:
        """The cotangents of the initial carry."""
        assert self.plan.backward is not None
        for slot in self.plan.backward:
            if slot.role == "returning":
                x = self.plan.carries[slot.holds]
                g = take((self.plan.batch or 1, slot.rows), slot.dtype)
                for j, b, work in works:
                    to_rows(work[slot.name][1], g[j : j + b])
                found[x] = g.reshape(x.shape)

    def collect_sums(self, found: Values, works: Sequence[Any]) -> None:
        """The cotangents of fixed values, summed over slices and over what was copied."""
        batch, lowering = self.plan.batch, self.plan.lowering
        for x, g, slot in self.plan.sums:
            shape = lowering.features(g)
            parts = [work[slot.name].reshape(-1, b) for _, b, work in works]
            if batch is not None and x.ndim == g.ndim and x.shape[0] == batch:
                total = np.concatenate(parts, axis=1).T.reshape((batch, *shape))
            else:
                total = sum(part.sum(axis=1) for part in parts)
                total = total.reshape(shape if batch is None else (1, *shape))
            add(found, x, settled(total, x.shape, x.dtype, LOOP, 0))

    def collect_weights(self, found: Values, works: Sequence[Any]) -> None:
        """The gradients of fixed matrices: one product each, its rows shared by threads."""
        jobs: list[Any] = []
        done: list[tuple[Sym, Array]] = []
        for weight in self.plan.weights:
            M, K = weight.matrix.shape if weight.left else weight.matrix.shape[::-1]
            out = take((M, K), weight.matrix.dtype)
            out[:] = 0
            factors = [factors_of(weight, M, K, b, work, self.T) for _, b, work in works]
            jobs += [partial(add_grams, out, factors, *share) for share in shares(M, self.work)]
            done.append((weight.matrix, out if weight.left else out.T))
        side_by_side(jobs)
        for matrix, g in done:
            add(found, matrix, g)

    def cotangents(self, gs: Any, names: Sequence[Sym], values: Values) -> Any:
        """The cotangents of a node's inputs, computed at the first question."""
        if self.seed is not gs:
            found = self.backward(gs, values)
            self.seed = gs
            self.found = {i: found.get(x) for i, x in enumerate([*self.plan.carries, *names])}
        return self.found


def factors_of(
    weight: Weight, M: int, K: int, b: int, work: dict[str, Array], T: int
) -> tuple[Array, Array]:
    """Both factors of a gradient, (products, rows · columns)."""

    def factor(place: Any, rows: int) -> Array:
        array = work[place.array.name]
        whole = array[1 : T + 1] if place.at == "s + 1" else array[:T]
        wide = rows * weight.inner * b
        part = whole[:, place.start * b : place.start * b + weight.outer * wide]
        return part if weight.outer == 1 else part.reshape(T * weight.outer, wide)

    return factor(weight.g, M), factor(weight.a, K)


def add_grams(out: Array, factors: Sequence[tuple[Array, Array]], start: int, stop: int) -> None:
    """Add the products of all slices to rows of a gradient."""
    compiled = current_backend() == "numba"
    add_one = compiled_grams(out.dtype.name) if compiled else add_gram
    for g, a in factors:
        add_one(g, a, out, start, stop)


def shares(M: int, work: int) -> list[tuple[int, int]]:
    """Ranges of rows, one for each thread that pays."""
    count = max(1, min(get_num_threads() if work > WORTH else 1, M // 16))
    cuts = [M * k // count for k in range(count + 1)]
    return list(itertools.pairwise(cuts))


def sliced(plan: Plan, work: int) -> list[tuple[int, int]]:
    """Slices of the batch: where each begins, and how many sequences it has."""
    if plan.batch is None:
        return [(0, 1)]
    B = plan.batch
    widest = max(
        (s.rows * np.dtype(s.dtype).itemsize for s in plan.forward if s.role == "block"), default=1
    )
    cap = max(LANES, CACHED // widest // LANES * LANES)
    threads = get_num_threads() if work > WORTH else 1
    count = max(min(threads, -(-B // LANES)), -(-B // cap))
    count = -(-count // threads) * threads if count > threads else count
    wide = -(-B // (count * LANES)) * LANES
    return [(j, min(wide, B - j)) for j in range(0, B, wide)]


def packed(slots: Sequence[Slot], values: Values) -> dict[Any, Array]:
    """The panels of fixed matrices, and tables as they are."""
    panels = {}
    for slot in slots:
        if slot.role == "table":
            panels[slot.holds] = np.ascontiguousarray(data(values[slot.holds[0]]))
        if slot.role == "panels":
            x, left = slot.holds
            matrix = np.asarray(data(values[x]))
            matrix = matrix if left else matrix.T
            M, K = matrix.shape
            out = take(panels_shape(M, K, matrix.dtype), matrix.dtype)
            panels[slot.holds] = pack(matrix, out)
    return panels


def carries(slots: Sequence[Slot]) -> list[Slot]:
    """The arrays of the carry, in its order."""
    found = [slot for slot in slots if slot.role == "carry"]
    return sorted(found, key=lambda slot: slot.holds)


def as_rows(array: Array, shape: tuple[int, ...]) -> Array:
    """An array with its features on one axis, along which numbers are neighbours."""
    flat = array.reshape(shape)
    neighbours = flat.shape[-1] < 2 or flat.strides[-1] == flat.itemsize
    return flat if neighbours else np.ascontiguousarray(flat)


def data(x: Any) -> Any:
    """The array of a tensor; of a value that was overwritten, the error that says so."""
    return x.data if isinstance(x, Carrier) else x


def add(found: Values, x: Sym, g: Any) -> None:
    """Add a cotangent to what there is."""
    found[x] = found[x] + g if x in found else g


def grams(g: Array, a: Array, out: Array, start: int, stop: int) -> None:
    """What of `add_gram` Numba compiles."""
    add_gram(g, a, out, start, stop)


@functools.cache
def compiled_grams(dtype: str) -> Any:
    """`add_gram`, compiled for a dtype and any distance between rows."""
    from numba import types

    kind = getattr(types, dtype)
    factor, out = types.Array(kind, 2, "A"), types.Array(kind, 2, "C")
    return jit(grams, signature=types.void(factor, factor, out, types.int64, types.int64))


def scan(*inputs: Any, run: Run, names: Sequence[Sym]) -> tuple[Array, ...]:
    """A whole scan as one op: initial carries and values from before the loop in, results out."""
    count = len(run.plan.carries)
    return run.forward(inputs[:count], dict(zip(names, inputs[count:], strict=True)))


LOOP = Operation(scan, bundles=True)


@LOOP.defvjp
def scan_vjp(g: Any, y: Any, *inputs: Any, i: int, run: Run, names: Sequence[Sym]) -> Any:
    """Cotangents from the backward loop, or from the step unrolled."""
    count = len(run.plan.carries)
    known = dict(zip(names, inputs[count:], strict=True))
    if any(isinstance(x, Tensor) for x in (*g, *inputs)):
        found = unrolled_cotangents(run, g, inputs, known)
    else:
        found = run.cotangents(g, names, known)
    gx = found.get(i)
    return np.zeros(np.shape(inputs[i]), inputs[i].dtype) if gx is None else gx


def unrolled_cotangents(
    run: Run, gs: Sequence[Any], inputs: Sequence[Any], values: Values
) -> dict[int, Any]:
    """Cotangents with graphs of their own: the step runs again, op by op."""
    if run.seed is gs:
        return run.found
    with modes.enable_grad():
        outputs = unrolled(run, inputs[: len(run.plan.carries)], values)
    places = {x.rank: i for i, x in enumerate(inputs) if isinstance(x, Tensor)}
    found: dict[int, Any] = {}
    seeds = [(y, g) for y, g in zip(outputs, gs, strict=True) if y.requires_grad]
    pull(
        [(y, g if isinstance(g, Tensor) else Tensor(g)) for y, g in seeds],
        lambda x, g: found.update({places[x.rank]: g}) if x.rank in places else None,
        create_graph=True,
        stops=places.keys(),
    )
    run.seed, run.found = gs, found
    return found


def unrolled(run: Run, init: Sequence[Any], values: Values) -> list[Tensor]:
    """The last carry and the outputs, op by op."""
    plan = run.plan
    ends, outputs = plan.program.outputs
    steps = {x: unbind(values[x]) for x in plan.frames}
    carry = list(init)
    shown: list[list[Any]] = [[] for _ in outputs]
    order = range(run.first, run.first + run.stride * run.T, run.stride)
    for t in order:
        known = {**values, **{x: step[t] for x, step in steps.items()}}
        known.update(zip(plan.carries, carry, strict=True))
        for line in plan.loop:
            line.run(known)
        carry = [known[x] for x in ends]
        for k, x in enumerate(outputs):
            shown[k].append(known[x])
    return [*carry, *(stack(ys if run.stride > 0 else ys[::-1]) for ys in shown)]
