"""A traced scan, made ready to run: the plan for it, and what happens before its loop."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.lowering import UnsupportedError
from tinygrad_rnn.compiler.planning import planned
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.running import Run
from tinygrad_rnn.compiler.stepping import Stepping, Trace, program_key
from tinygrad_rnn.compiler.tracing import Question, Sym
from tinygrad_rnn.compiler.unrolling import Nest
from tinygrad_rnn.compiler.ways import listener, way
from tinygrad_rnn.engine import Tensor, modes
from tinygrad_rnn.engine.nesting import rebuilt
from tinygrad_rnn.ops.bounds import refuse_unknown_rows

WORTH = 1 << 18  # multiplications and additions of a scan from which compiling it pays


class Prepared:
    """A scan whose step has been traced.

    Args:
        scan: the scan.

    Attributes:
        trace: of its step.
        captured: the program's captured values.

    Raises:
        UnsupportedError: if there is no trace.
    """

    def __init__(self, scan: Stepping) -> None:
        self.scan, self.trace = scan, scan.trace()
        tensors = scan.tensors
        self.captured = [x if k is None else tensors[k][1] for k, x in self.trace.captured]

    def plan(self) -> Plan:
        """The plan for this program, made at its first call.

        Raises:
            UnsupportedError: if there is none, or the scan is too short for it to pay.
        """
        steps, trace = len(self.scan.frames[0]), self.trace
        if way.get() == "auto" and trace.work * steps < WORTH:
            raise UnsupportedError("it is too short for compiling to pay", matters=False)
        given = (*self.scan.start, *self.scan.frames, *self.captured)
        wanted = tuple([isinstance(x, Tensor) and x.requires_grad for x in given])
        wanted = wanted if modes.recording.get() and any(wanted) else ()
        plan = trace.plans.get(wanted)
        if plan is None:
            plan = remembered_plan(PlanQuestion(trace, len(self.scan.start), wanted))
            trace.plans[wanted] = plan
        if isinstance(plan, UnsupportedError):
            raise plan
        if listener.get() is not None:
            listener.get()(trace.program, plan, steps)
        return plan

    def run(self, reverse: bool) -> tuple[Run, tuple[Any, ...]]:
        """The run of the plan, and its inputs: what is before the loop is done here.

        Raises:
            UnsupportedError: if there is no plan.
        """
        plan, carries = self.plan(), len(self.scan.start)
        frames = zip(plan.program.inputs[carries:], self.scan.frames, strict=True)
        values: dict[Sym, Any] = {**plan.program.captured, **dict(frames)}
        # Planning may have captured constants, after what the step has captured.
        values.update(zip(plan.program.captured, self.captured, strict=False))
        for line, lifted in plan.before:
            line.run(values, lifted)
        for ids, rows in plan.ids:
            refuse_unknown_rows(np.asarray(values[ids]), rows)
        run = Run(plan, len(self.scan.frames[0]), reverse, self.scan.stacked)
        return run, (*self.scan.start, *[values[x] for x in plan.names[carries:]])

    def shaped(self, results: Sequence[Tensor]) -> tuple[Nest, Nest]:
        """The last carry and the outputs, as the step nests them."""
        carries, (carry, outputs) = len(self.scan.start), self.trace.shape
        return rebuilt(carry, results[:carries]), rebuilt(outputs, results[carries:])


class PlanQuestion(Question):
    """A trace, and what is wanted of it."""

    def __init__(self, trace: Trace, carries: int, wanted: tuple[bool, ...]) -> None:
        program = trace.program
        given = tuple((x.name, x.shape, x.dtype) for x in (*program.inputs, *program.captured))
        super().__init__((given, program_key(program), carries, wanted))
        self.trace: Trace | None = trace
        self.carries, self.wanted = carries, wanted


@functools.lru_cache(maxsize=256)
def remembered_plan(question: PlanQuestion) -> Plan | UnsupportedError:
    """The plan for a program, or why there is none."""
    trace, question.trace = question.trace, None  # its tensors must not be kept alive
    assert trace is not None
    program = trace.program
    try:
        if not trace.same_again():
            raise UnsupportedError(
                "the step does something else each time it is called. If it draws random numbers, "
                "draw them for all steps before the scan, and give them as inputs"
            )
        wanted = question.wanted or (False,) * (len(program.inputs) + len(program.captured))
        plan = planned(program, question.carries, wanted)
    except UnsupportedError as reason:
        return reason.with_traceback(None)
    for x in itertools.islice(plan.program.captured, len(program.captured)):
        plan.program.captured[x] = None  # each call has its own; a plan must not keep them alive
    return plan
