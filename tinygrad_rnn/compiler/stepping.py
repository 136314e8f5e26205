"""A scan as the program of one step, and the plan for that program."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.lowering import UnsupportedError
from tinygrad_rnn.compiler.planning import Plan, planned
from tinygrad_rnn.compiler.running import Run
from tinygrad_rnn.compiler.slicing import data
from tinygrad_rnn.compiler.tracing import Program, Sym, identity, trace
from tinygrad_rnn.compiler.unrolling import Nest, Step, choose, column, time_steps
from tinygrad_rnn.compiler.ways import listener, way
from tinygrad_rnn.engine import Carrier, Tensor, modes
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt, structure
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.ops import where

WORTH = 1 << 20  # multiplications and additions of a scan from which compiling it pays
LARGE = 1 << 16  # numbers that a scan computes from which it is worth saying why it does not


def refuse_unless_worth(init: Nest, xs: Nest, T: int) -> None:
    """Refuse to compile where there is nothing to compile, or nothing to compile it with."""
    if way.get() == "eager":
        raise UnsupportedError("it was told to, by tg.eager()", matters=False)
    if T == 0 or not leaves(init):
        raise UnsupportedError("there are no steps, or nothing is carried", matters=False)
    if modes.watching.get():
        raise UnsupportedError("tg.detect_anomaly() looks at every value", matters=False)
    if way.get() == "auto" and current_backend() != "numba":
        raise UnsupportedError("there is no Numba, or tg.backend('numpy') is set", matters=False)
    if not all(isinstance(x, Tensor | np.ndarray) for x in (*leaves(init), *leaves(xs))):
        raise UnsupportedError("it is a part of something that is traced", matters=False)
    if not all(x.size for x in (*leaves(init), *leaves(xs))):
        raise UnsupportedError("there is nothing to compute", matters=False)


class Traced:
    """A scan whose step has been traced.

    Attributes:
        program: of the step, with masks for lengths and resets.
        retrace: traces it again.
        init: leaves of the initial carry,
        frames: and of the inputs.
        shape: nests of the structure of the last carry and of the outputs.
    """

    def __init__(
        self,
        program: Program,
        retrace: Callable[[], Program],
        init: list[Any],
        frames: list[Any],
        shape: tuple[Nest, Nest],
    ) -> None:
        self.program, self.retrace = program, retrace
        self.init, self.frames, self.shape = init, frames, shape

    def plan(self) -> Plan:
        """The plan for this program, made at its first call.

        Raises:
            UnsupportedError: if there is none, or the scan is too short for it to pay.
        """
        if way.get() == "auto" and work(self.program) * len(self.frames[0]) < WORTH:
            raise UnsupportedError("it is too short for compiling to pay", matters=False)
        given = [*self.init, *self.frames, *self.program.captured.values()]
        wanted = tuple(isinstance(x, Tensor) and x.requires_grad for x in given)
        recording = modes.recording.get()
        plan = remembered_plan(PlanQuestion(self, len(self.init), wanted, recording))
        if isinstance(plan, UnsupportedError):
            raise plan
        if listener.get() is not None:
            listener.get()(self.program, plan, len(self.frames[0]))
        return plan

    def same_again(self) -> bool:
        """Whether tracing the step once more gives the same program with the same constants."""
        other = self.retrace()
        if program_key(other) != program_key(self.program):
            return False
        pairs = zip(self.program.captured.values(), other.captured.values(), strict=True)
        return all(a is b or np.array_equal(data(a), data(b), equal_nan=True) for a, b in pairs)

    def prepared(self, plan: Plan, reverse: bool) -> tuple[Run, tuple[Any, ...]]:
        """The run of a plan, and its inputs: what is before the loop is done here."""
        carries = len(self.init)
        values: dict[Sym, Any] = dict(zip(plan.program.inputs[carries:], self.frames, strict=True))
        values.update(plan.program.captured)  # what planning added; the rest is this call's:
        values.update(zip(plan.program.captured, self.program.captured.values(), strict=False))
        for line, lifted in plan.before:
            line.run(values, lifted)
        run = Run(plan, len(self.frames[0]), reverse)
        return run, (*self.init, *(values[x] for x in run.names[carries:]))

    def shaped(self, results: Sequence[Tensor]) -> tuple[Nest, Nest]:
        """The last carry and the outputs, as the step nests them."""
        carries = len(self.init)
        return rebuilt(self.shape[0], results[:carries]), rebuilt(self.shape[1], results[carries:])


def traced_scan(step: Step, init: Nest, xs: Nest, alive: Any, fresh: Any) -> Traced:
    """The scan as a program of one step.

    Raises:
        UnsupportedError: where it has to run op by op, which also says better what may be wrong.
    """
    refuse_unless_worth(init, xs, time_steps(xs))
    start, frames = leaves(init), leaves(xs)
    masks = [m for m in (alive, fresh) if m is not None]
    shape: list[Nest] = []

    def one_step(*values: Any) -> tuple[list[Any], list[Any]]:
        still = before = rebuilt(init, values[: len(start)])
        x = rebuilt(xs, values[len(start) : len(start) + len(frames)])
        flags = list(values[len(start) + len(frames) :])
        living = flags.pop(0) if alive is not None else None
        if fresh is not None:
            before = choose(flags.pop(0), mapped(as_tensor, init), before)
        carry, y = step(before, x)
        shape[:] = carry, y
        if structure(carry) != structure(before):
            raise UnsupportedError("the step changes the structure of its carry")
        if living is not None:
            carry = choose(living, carry, still)
            y = mapped(lambda leaf: where(column(living, leaf), leaf, 0.0), y)
        return leaves(carry), leaves(y)

    examples = [*start, *(x[0] if isinstance(x, np.ndarray) else Example(x) for x in frames)]
    examples += [m[0] for m in masks]
    names = [*numbered("carry", len(start)), *numbered(frame_name(step), len(frames))]
    names += [name for name, m in (("alive", alive), ("fresh", fresh)) if m is not None]
    retrace = functools.partial(trace, one_step, *examples, names=names)
    try:
        program = retrace()
    except Exception as error:  # whatever it is, the step says it again when it runs on values
        large = len(frames[0]) * sum(x.size for x in start) >= LARGE
        reason = f"the step cannot be traced, {type(error).__name__}: {error}"
        raise UnsupportedError(reason, matters=large) from None
    for old, new in zip(start, program.outputs[0], strict=True):
        if not isinstance(new, Sym):
            raise UnsupportedError("a part of the new carry is a constant")
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise UnsupportedError("the new carry has another shape or dtype", matters=False)
    return Traced(program, retrace, start, [*frames, *masks], (shape[0], shape[1]))


def frame_name(step: Step) -> str:
    """What a step calls its input."""
    code = getattr(step, "__code__", None)
    return code.co_varnames[code.co_argcount - 1] if code and code.co_argcount else "x"


def numbered(name: str, count: int) -> list[str]:
    """A name for each of several values."""
    return [name] if count == 1 else [f"{name}{k}" for k in range(count)]


class Example:
    """The shape and dtype of one frame of a sequence."""

    def __init__(self, sequence: Tensor) -> None:
        self.shape, self.dtype = sequence.shape[1:], sequence.dtype


def as_tensor(x: Any) -> Any:
    """A leaf of the initial carry, as something that a program can capture."""
    return x if isinstance(x, Carrier) else Tensor(x)


def work(program: Program) -> int:
    """Multiplications and additions of a step, about."""
    return sum(cost(line.op.name, line.operands, line.targets) for line in program.lines)


def cost(name: str, operands: Sequence[Any], targets: Sequence[Sym]) -> int:
    """Those of a line."""
    size = sum(y.size for y in targets)
    inner = operands[0].shape[-1] if name == "matmul" and operands[0].shape else 1
    return size * int(inner)


class PlanQuestion:
    """A traced scan and what is wanted of it, with a key to compare by."""

    def __init__(
        self, traced: Traced, carries: int, wanted: tuple[bool, ...], recording: bool
    ) -> None:
        self.traced: Traced | None = traced
        self.carries, self.wanted, program = carries, wanted, traced.program
        self.recording = recording and any(wanted)
        given = tuple((x.name, x.shape, x.dtype) for x in (*program.inputs, *program.captured))
        self.key = given, program_key(program), carries, wanted if self.recording else ()

    def forget(self) -> None:
        """Let go of the scan, whose tensors an answer that is remembered must not keep."""
        self.traced = None

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanQuestion) and self.key == other.key


def program_key(program: Program) -> Any:
    """What a program does, by the names of its values."""

    def spelled(x: Any) -> Any:
        return x.name if isinstance(x, Sym) else identity(x)

    lines = tuple(
        (line.op, tuple(map(spelled, line.operands)), identity(line.params))
        for line in program.lines
    )
    return lines, tuple(tuple(map(spelled, part)) for part in program.outputs)


@functools.lru_cache(maxsize=256)
def remembered_plan(asked: PlanQuestion) -> Plan | UnsupportedError:
    """The plan for a program, or why there is none."""
    traced = asked.traced
    assert traced is not None
    program = traced.program
    try:
        if not traced.same_again():
            raise UnsupportedError(
                "the step does something else each time it is called. If it draws random numbers, "
                "draw them for all steps before the scan, and give them as inputs"
            )
        plan = planned(program, asked.carries, asked.wanted, asked.recording)
    except UnsupportedError as reason:
        return reason.with_traceback(None)
    finally:
        asked.forget()
    for x in itertools.islice(plan.program.captured, len(program.captured)):
        plan.program.captured[x] = None  # each call has its own; a plan must not keep them alive
    return plan
