r"""The backward program of a step, by the same rules that differentiate anything else.

The program goes on: after its last line come the lines that carry cotangents back through it.
What both halves compute is one line, and so a value that the forward loop may keep.

Three kinds of operands get three kinds of gradients:

=============  ==========================================================================
operand        its cotangent
=============  ==========================================================================
carry, frame   a value of every step
fixed matrix   $\bar W = \sum_t a_t^\top g_t$: both factors are kept, and the sum over all
               steps and sequences is one product after the loop
table          the same, where $a_t$ is the one-hot vectors of ids: rows of $g_t$, added up where
               the ids point
other fixed    the sum of a value over all steps
=============  ==========================================================================
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.grouping import pays
from tinygrad_rnn.compiler.simplifying import Kind, Kinds, looks_up
from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.ops import concatenate, matmul
from tinygrad_rnn.ops.index import getitem_adjoint


@dataclass(frozen=True, eq=False)
class Weighing:
    r"""A product with a fixed matrix, whose gradient is $\sum_t a_t^\top g_t$, or transposed.

    Attributes:
        matrix: the fixed matrix,
        left: whether it stands left of `a`.
        a: the other factor.
        g: the cotangent of the product.
        ids: whether `a` is ids, which stand for their one-hot vectors.
    """

    matrix: Sym
    left: bool
    a: Sym
    g: Sym
    ids: bool = False


@dataclass
class Cotangents:
    """What the backward program computes.

    Attributes:
        ends: the cotangent that comes in for each leaf of the new carry; None if it has none.
        outputs: the same for each output.
        carries: the value that goes out for each leaf of the old carry; None for zero.
        frames: the value for each frame that wants one.
        fixed: pairs of a fixed value and the value of every step whose sum is its cotangent.
        weighings: products with fixed matrices.
    """

    ends: list[Sym | None]
    outputs: list[Sym | None]
    carries: list[Sym | None] = field(default_factory=list)
    frames: dict[Sym, Sym] = field(default_factory=dict)
    fixed: list[tuple[Sym, Sym]] = field(default_factory=list)
    weighings: list[Weighing] = field(default_factory=list)


def differentiated(
    program: Program,
    lines: Sequence[Line],
    kinds: Kinds,
    carries: Sequence[Sym],
    wanted: set[Sym],
) -> Cotangents:
    """Write the backward lines of a step into its program.

    Args:
        program: of the step; its outputs are the pair (ends of the carry, outputs).
        lines: those of its lines that are in the loop.
        kinds: of all values.
        carries: leaves of the carry.
        wanted: carries, frames and fixed values that want gradients.
    """
    ends, outputs = program.outputs
    active = activated(lines, carries, ends, wanted)
    result = Cotangents(
        [incoming(program, f"d_end{k}", y, active) for k, y in enumerate(ends)],
        [incoming(program, f"d_output{k}", y, active) for k, y in enumerate(outputs)],
    )
    pending: dict[Sym, list[Sym]] = {}

    def push(x: Sym, g: Any) -> None:
        if kinds[x] is Kind.FIXED:
            result.fixed.append((x, g))
        else:
            pending.setdefault(x, []).append(g)

    for y, g in zip((*ends, *outputs), (*result.ends, *result.outputs), strict=True):
        if g is not None:
            push(y, g)
    for line in reversed(lines):
        gs = [summed(program, pending.pop(y, ())) for y in line.targets]
        program.cotangent_of.update(
            (g, y) for g, y in zip(gs, line.targets, strict=True) if g is not None
        )
        if all(g is None for g in gs):
            continue
        g = filled(program, line, gs) if line.op.bundles else gs[0]
        for i, x in enumerate(line.operands):
            if not isinstance(x, Sym) or x not in active:
                continue
            if weighed := weighing(line, i, g, kinds):
                result.weighings.append(weighed)
            elif rule := line.op.rule(i):
                y = line.targets if line.op.bundles else line.targets[0]
                gx = narrowed(program, rule(g, y, *line.operands, **line.params), line, active)
                push(x, gx if kinds[x] is Kind.FIXED else settled(gx, x.shape, x.dtype, line.op, i))
    result.carries = [summed(program, pending.pop(x, ())) for x in carries]
    for x, contributions in pending.items():
        g = summed(program, contributions)
        result.frames[x] = g
        program.cotangent_of.setdefault(g, x)
    return result


def weighing(line: Line, i: int, g: Any, kinds: Kinds) -> Weighing | None:
    """How a line weighs its i-th operand, if that is a fixed matrix or table."""
    x = line.operands[i]
    if line.op is matmul and kinds[x] is Kind.FIXED and x.ndim == 2:
        return Weighing(x, i == 0, line.operands[1 - i], g)
    if looks_up(line, kinds, {Kind.FRAME, Kind.STATE}):
        return Weighing(x, False, line.operands[1], g, ids=True)
    return None


def narrowed(program: Program, gx: Any, line: Line, active: set[Sym]) -> Any:
    """The cotangent of a piece of a concatenation, without that of pieces that want none.

    It is a slice of a product, which is made of no more columns of the matrix than pieces want that
    want one. Of a large matrix every piece has a product of its own: that of an input may then wait
    for other steps.
    """
    if line.op is not concatenate:
        return gx
    (whole,), index = program.made[gx].operands, program.made[gx].params["index"]
    product = program.made.get(whole)
    if product is None or product.op is not matmul or line.params["axis"] not in (-1, gx.ndim - 1):
        return gx
    (a, w), mine = product.operands, index[-1]
    if w.ndim != 2:
        return gx
    asked = mine if pays(w, gx.shape[0]) else columns_of(line, active)
    if asked == mine:
        return a @ w[:, mine]
    if asked == slice(0, w.shape[1]):
        return gx
    wanted: Any = a @ w[:, asked]
    program.cotangent_of.setdefault(wanted, line.targets[0])
    return wanted[:, mine.start - asked.start : mine.stop - asked.start]


def columns_of(line: Line, active: set[Sym]) -> slice:
    """From the first to the last of a concatenation's features that belong to active pieces."""
    ends = list(itertools.accumulate((x.shape[-1] for x in line.operands), initial=0))
    spans = zip(line.operands, itertools.pairwise(ends), strict=True)
    wanted = [span for x, span in spans if isinstance(x, Sym) and x in active]
    return slice(wanted[0][0], wanted[-1][1])


def activated(
    lines: Sequence[Line], carries: Sequence[Sym], ends: Sequence[Sym], wanted: set[Sym]
) -> set[Sym]:
    """All values that wanted gradients flow through.

    A carry is one if what it becomes is one, so the search is repeated until nothing is added.
    """
    active, before = set(wanted), -1
    while len(active) != before:
        before = len(active)
        for line in lines:
            if line.op.differentiable and active.intersection(
                x for x in line.operands if isinstance(x, Sym)
            ):
                active.update(y for y in line.targets if y.dtype.kind == "f")
        active.update(x for x, end in zip(carries, ends, strict=True) if end in active)
    return active


def incoming(program: Program, name: str, y: Sym, active: set[Sym]) -> Sym | None:
    """The cotangent that comes in for an output, if gradients flow through it."""
    return Sym(program, name, y.shape, y.dtype) if y in active else None


def filled(program: Program, line: Line, gs: Sequence[Sym | None]) -> Any:
    """The cotangents of all targets of a line, zero for those that nothing depends on."""
    return tuple(
        program.operand(np.zeros(y.shape, y.dtype)) if g is None else g
        for y, g in zip(line.targets, gs, strict=True)
    )


def summed(program: Program, contributions: Sequence[Any]) -> Any:
    """The sum of what the uses of a value have sent.

    Uses of different slices have sent blocks among zeros; put end to end they are the sum.
    """
    if not contributions:
        return None
    blocks = [g for g in contributions if slice_of(program, g) is not None]
    terms = [g for g in contributions if slice_of(program, g) is None]
    joined = end_to_end(program, blocks) if len(blocks) > 1 else None
    total = [*terms, *(blocks if joined is None else [joined])]
    result: Any = sum(total[1:], start=total[0])
    return result


def slice_of(program: Program, g: Sym) -> tuple[int, int] | None:
    """The range of features in which a block among zeros stands, or None if it is not one."""
    line = program.made.get(g)
    if line is None or line.op is not getitem_adjoint:
        return None
    index = line.params["index"]
    index = index if isinstance(index, tuple) else (index,)
    *others, last = index
    whole = [i is Ellipsis or (isinstance(i, slice) and i == slice(None)) for i in others]
    spans = len(index) == g.ndim or (len(index) < g.ndim and Ellipsis in [*others][:1])
    if not (isinstance(last, slice) and all(whole) and spans and others):
        return None
    start, stop, stride = last.indices(g.shape[-1])
    return (start, stop) if stride == 1 else None


def end_to_end(program: Program, blocks: Sequence[Sym]) -> Any:
    """Blocks among zeros as one concatenation; None if they overlap or leave gaps."""
    placed = sorted((slice_of(program, g) or (0, 0), k) for k, g in enumerate(blocks))
    stops = [0, *(stop for (_, stop), _ in placed)]
    if any(start != stop for ((start, _), _), stop in zip(placed, stops, strict=False)):
        return None
    if stops[-1] != blocks[0].shape[-1]:
        return None
    pieces = [program.made[blocks[k]].operands[0] for _, k in placed]
    result: Any = concatenate(*pieces, axis=-1)
    return result
