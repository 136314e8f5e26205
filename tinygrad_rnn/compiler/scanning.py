r"""`scan`: a loop over time, written by giving one step of it.

$$(s_t, y_t) = \operatorname{step}(s_{t-1}, x_t), \qquad t = 1, \dots, T.$$

A recurrent layer is a step and an initial carry; everything about sequences (lengths, resets,
direction) is the loop's business, so a cell never has to know of it. The loop runs compiled
where that pays and can be done, and op by op otherwise, with the same values and gradients.
"""

import functools
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.lowering import UnsupportedError
from tinygrad_rnn.compiler.planning import Plan, planned
from tinygrad_rnn.compiler.running import LOOP, Run, data
from tinygrad_rnn.compiler.tracing import Program, Sym, identity, trace
from tinygrad_rnn.compiler.unrolling import (
    Nest,
    Step,
    alive_masks,
    choose,
    column,
    reset_masks,
    time_steps,
    unroll,
)
from tinygrad_rnn.engine import Carrier, Tensor, modes
from tinygrad_rnn.engine.modes import setting
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt, structure
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.ops import where

WORTH = 1 << 20  # multiplications and additions of a scan from which compiling it pays
LARGE = 1 << 16  # numbers that a scan computes from which it is worth saying why it does not

PACKAGE = str(Path(__file__).parents[1])

way: ContextVar[str] = ContextVar("way", default="auto")
listener: ContextVar[Any] = ContextVar("listener", default=None)  # hears of every scan


@contextmanager
def eager() -> Iterator[None]:
    """Run every scan op by op, in this thread or coroutine: the definition, for comparison.

    Example:
        >>> import tinygrad_rnn as tg
        >>> with tg.eager():
        ...     total, _ = tg.scan(lambda s, x: (s + x, s), tg.tensor(0.0), tg.tensor([1.0, 2.0]))
        >>> total
        tensor(3.)
    """
    with setting(way, "eager"):
        yield


@contextmanager
def compiled() -> Iterator[None]:
    """Run every scan compiled, however small, if there is a loop for its step.

    Example:
        >>> import tinygrad_rnn as tg
        >>> with tg.compiled(), tg.backend("numpy"):
        ...     total, _ = tg.scan(lambda s, x: (s + x, s), tg.tensor(0.0), tg.tensor([1.0, 2.0]))
        >>> total
        tensor(3.)
    """
    with setting(way, "compiled"):
        yield


def scan(
    step: Step,
    init: Nest,
    xs: Nest,
    *,
    lengths: Any = None,
    reset: Any = None,
    reverse: bool = False,
) -> tuple[Nest, Nest]:
    r"""Run `step` over a sequence, carrying state from each step to the next.

    A scan that is long enough, of a step made of ops that work on each sequence of a batch by
    itself, becomes one compiled loop; see `tg.explain`. Any other runs op by op. To find out which,
    the step is called on symbols, which are no `tg.Tensor`: it must not ask what its arguments are,
    and what it does besides its ops, such as drawing or printing, happens there too.

    Args:
        step: maps (carry, x) to (carry, y). `x` is one time step of `xs`.
        init: the carry before the first step; every leaf starts with the batch axis if
            `lengths` or `reset` are given.
        xs: inputs with time as the first axis, (T, B, …), alone or nested.
        lengths: (B,) integers in [0, T]. Sequence b takes part in steps t < lengths[b]; after
            them its carry stands still and its outputs are zero. A length of 0 is legal.
        reset: (T, B) booleans. Where true, the carry is `init` again before that step, so
            several documents may share a row.
        reverse: run from the last step to the first. A sequence with a length starts at its own
            end.

    Returns:
        The last carry, and the outputs stacked along time, (T, …), in the order of `xs`.

    Raises:
        ShapeError: if leaves of `xs` differ in T, or `lengths` or `reset` do not fit, or the
            step returns a carry of another structure or shape.
        DtypeError: if `lengths` are not integers or `reset` not booleans.

    Example:
        A running sum is a one-line cell:

        >>> import tinygrad_rnn as tg
        >>> def add_up(total, x):
        ...     total = total + x
        ...     return total, total
        >>> tg.scan(add_up, tg.tensor(0.0), tg.tensor([1.0, 2.0, 3.0]))
        (tensor(6.), tensor([1., 3., 6.]))
    """
    return scan_projected(step, None, init, xs, lengths, reset, reverse)


def scan_projected(
    step: Step, project: Any, init: Nest, xs: Nest, lengths: Any, reset: Any, reverse: bool
) -> tuple[Nest, Nest]:
    """`scan` for a step that reads `project(x)`, which is known before the loop.

    Compiled, the projection is a part of the step, and planning decides how much of it leaves the
    loop. Op by op, it is made for all time steps at once.

    Args:
        step: maps (carry, projected x) to (carry, y).
        project: maps a frame, or a sequence of frames, or None for no projection.
        init: the carry before the first step.
        xs: inputs with time as the first axis.
        lengths: how many steps each sequence has, or None for all.
        reset: where the carry is `init` again, (T, B), or None for nowhere.
        reverse: whether to run from the last step to the first.
    """
    T = time_steps(xs)
    alive = None if lengths is None else alive_masks(lengths, T)
    fresh = None if reset is None else reset_masks(reset, T)
    whole = step if project is None else lambda carry, x: step(carry, project(x))
    traced = None
    try:
        traced = traced_scan(whole, init, xs, alive, fresh)
        return traced.run(traced.plan(), reverse)
    except UnsupportedError as reason:
        result = unroll(step, init, xs if project is None else project(xs), alive, fresh, reverse)
        if listener.get() is not None:
            listener.get()(traced.program if traced else None, reason, T)
        elif reason.matters:
            warnings.warn(f"scan runs op by op: {reason}", RuntimeWarning, stacklevel=3)
        return result


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

    def run(self, plan: Plan, reverse: bool) -> tuple[Nest, Nest]:
        """The last carry and the outputs."""
        carries = len(self.init)
        values: dict[Sym, Any] = dict(zip(plan.program.inputs[carries:], self.frames, strict=True))
        values.update(plan.program.captured)  # what planning added; the rest is this call's:
        values.update(zip(plan.program.captured, self.program.captured.values(), strict=False))
        for line, lifted in plan.before:
            line.run(values, lifted)
        T = len(self.frames[0])
        names = [*plan.frames, *plan.fixed]
        inputs = (*self.init, *(values[x] for x in names))
        results = Tensor.apply(LOOP, inputs, {"run": Run(plan, T, reverse), "names": names})
        note_caller(results)
        end, shown = results[:carries], results[carries:]
        return rebuilt(self.shape[0], end), rebuilt(self.shape[1], shown)


def note_caller(results: Sequence[Tensor]) -> None:
    """Have errors name the line that called the layer or the scan, and not one in here."""
    bundle = results[0].inputs[0] if results[0].inputs else None
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    if bundle is not None:
        bundle.made_at = frame.f_code, frame.f_lasti


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
