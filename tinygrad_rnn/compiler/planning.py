r"""Decide how a step becomes a loop: what leaves it, what it keeps, what it computes again.

A plan is made once for a program and a batch size. It has three parts:

1. *Before the loop.* Lines that depend on the input but not on the carry run for all steps at once,
   as ordinary ops on tensors: their gradients come by themselves. Lines that depend on nothing but
   weights run once, on arrays; see `weights`.
2. *The loop*, forward and, where gradients are wanted, backward: source that `emitting` writes.
3. *After the loop*: gradients that are sums over all steps.

The backward loop needs values of the forward loop. What is costly to compute is kept; sums,
products and choices are computed again from what is kept, which costs less than reading them.
"""

from collections.abc import Sequence
from typing import Any

from tinygrad_rnn.compiler.differentiating import differentiated
from tinygrad_rnn.compiler.hoisting import hoisted
from tinygrad_rnn.compiler.lowering import Lowering, UnsupportedError
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.simplifying import (
    Kind,
    Kinds,
    Rewriting,
    joined,
    kinds_of,
    simplified,
)
from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.compiler.writing import Writing
from tinygrad_rnn.ops import matmul

NARROW = 8  # products with fewer sequences than a vector has lanes wait for all steps' frames,
SMALL = 1 << 15  # unless their matrices have so few numbers that they stay in the cache anyway


def planned(program: Program, carries: int, wanted: Sequence[bool]) -> Plan:
    """A plan for a step, by sequences of a batch if it can be, for a single one otherwise.

    Args:
        program: of the step; inputs are the leaves of the carry, then those of a frame.
        carries: how many leaves the carry has.
        wanted: for each input, then for each captured value, whether it wants a gradient.

    Raises:
        UnsupportedError: saying why there is no loop for it.
    """
    wishes = list(wanted)
    leads = {x.shape[:1] for x in program.inputs[:carries]}
    lead = leads.pop() if len(leads) == 1 else ()
    batch = lead[0] if lead else None
    if batch is None:
        return plan(simplified(program, carries, True), carries, wishes, None, True)
    try:
        together, apart = aligned(program, carries, batch), waiting(program, carries, batch)
        return plan(simplified(together, carries, apart), carries, wishes, batch, apart)
    except UnsupportedError as by_sequence:
        try:
            return plan(simplified(program, carries, True), carries, wishes, None, True)
        except UnsupportedError:
            raise by_sequence from None


def aligned(program: Program, carries: int, batch: int) -> Program:
    """The same step, in which every frame that meets the state elementwise has the batch."""
    rewriting = Rewriting(program, carries)

    def spread(x: Any, line: Line) -> Any:
        new, (y, *_) = rewriting.now(x), line.targets
        if rewriting.kind(x) is not Kind.FRAME or (x.ndim == y.ndim and x.shape[0] == batch):
            return new
        shape = (1,) * (y.ndim - x.ndim) + x.shape
        if shape[0] not in (1, batch):
            raise UnsupportedError(f"{line.op.name} meets {x.shape} with a batch of {batch}")
        return new.reshape(shape).broadcast_to((batch, *shape[1:]))

    for line in program.lines:
        state = rewriting.kinds[line.targets[0]] is Kind.STATE
        if state and line.op.kernel is not None:
            operands = tuple(spread(x, line) for x in line.operands)
            rewriting.become(
                line, rewriting.new.write(line.op, operands, line.params, line.made_at)
            )
        else:
            rewriting.copy(line)
    return rewriting.finished()


def waiting(program: Program, carries: int, batch: int) -> bool:
    """Whether products with frames are better done for all steps at once, apart from the loop."""
    if batch >= NARROW:
        return False
    kinds = kinds_of(program, program.inputs[:carries], program.inputs[carries:])
    numbers = 0  # of the rows of matrices that frames are multiplied by
    for x, w in (line.operands for line in program.lines if line.op is matmul):
        if kinds[w] is Kind.FIXED:
            frames = [piece for piece in joined(program, x) or (x,) if kinds[piece] is Kind.FRAME]
            numbers += sum(w.size * piece.shape[-1] // x.shape[-1] for piece in frames)
    return not 0 < numbers <= SMALL


def plan(
    program: Program, carries: int, wishes: list[bool], batch: int | None, apart: bool
) -> Plan:
    """A plan for sequences of a batch, or for one; products with frames in the loop or apart."""
    state, frames = program.inputs[:carries], program.inputs[carries:]
    kinds, lifts = hoisted(program, state, frames, batch, apart)
    ends, outputs = program.outputs
    for x in (*ends, *outputs):
        if not isinstance(x, Sym):
            raise UnsupportedError("the step returns a constant")
    loop = [line for line in program.lines if kinds[line.targets[0]] is Kind.STATE]
    wants = wanting(program, kinds, wishes)
    reads = [x for line in loop for x in line.operands if isinstance(x, Sym)]
    wanted = {x for x in (*reads, *ends, *outputs, *state) if x in wants}
    cotangents = None
    if wanted:
        written = len(program.lines)
        cotangents = differentiated(program, loop, kinds, state, wanted)
        for line in program.lines[written:]:
            of = [kinds.get(x, Kind.STATE) for x in line.operands if isinstance(x, Sym)]
            kind = max(of, default=Kind.FIXED)
            kinds.update(dict.fromkeys(line.targets, Kind.FIXED if not kind else Kind.STATE))
        for x in program.captured:
            kinds.setdefault(x, Kind.FIXED)
        if all(g is None for g in (*cotangents.ends, *cotangents.outputs)):
            cotangents = None
    lowering = Lowering(program, kinds, batch)
    forward = {y for line in loop for y in line.targets}
    return Writing(lowering, state, cotangents, forward).plan(lifts, wants)


def wanting(program: Program, kinds: Kinds, wishes: list[bool]) -> set[Sym]:
    """The values outside the loop that want gradients, and the carries that do."""
    given = (*program.inputs, *program.captured)
    wants = {x for x, wish in zip(given, wishes, strict=False) if wish}
    for line in program.lines:
        outside = kinds[line.targets[0]] is not Kind.STATE
        reached = wants.intersection(x for x in line.operands if isinstance(x, Sym))
        if line.op.differentiable and outside and reached:
            wants.update(y for y in line.targets if y.dtype.kind == "f")
    return wants
