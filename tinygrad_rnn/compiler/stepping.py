"""A scan as the program of one step: traced at every call, or once for all cells that are alike."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.likeness import (
    NUMBERS,
    Found,
    likeness,
    nest_likeness,
    with_tensors,
)
from tinygrad_rnn.compiler.lowering import UnsupportedError
from tinygrad_rnn.compiler.slicing import data
from tinygrad_rnn.compiler.tracing import Program, Question, Sym, identity, trace
from tinygrad_rnn.compiler.unrolling import Nest, Step, choose, column
from tinygrad_rnn.compiler.ways import way
from tinygrad_rnn.engine import Carrier, Tensor, modes
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt, structure
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.ops import where

LARGE = 1 << 16  # numbers that a scan computes from which it is worth saying why it does not


def refuse_unless_worth(init: list[Any], xs: list[Any]) -> None:
    """Refuse to compile where there is nothing to compile, or nothing to compile it with."""
    if way.get() == "eager":
        raise UnsupportedError("it was told to, by tg.eager()", matters=False)
    if not init or not len(xs[0]):
        raise UnsupportedError("there are no steps, or nothing is carried", matters=False)
    if modes.watching.get():
        raise UnsupportedError("tg.detect_anomaly() looks at every value", matters=False)
    if way.get() == "auto" and current_backend() != "numba":
        raise UnsupportedError("there is no Numba, or tg.backend('numpy') is set", matters=False)
    for x in (*init, *xs):
        if not isinstance(x, NUMBERS):
            raise UnsupportedError("it is a part of something that is traced", matters=False)
        if not x.size:
            raise UnsupportedError("there is nothing to compute", matters=False)


@dataclass
class Trace:
    """A step as a program.

    Attributes:
        program: of the step, with masks for lengths and resets.
        shape: the structure of the last carry and of the outputs.
        captured: for each of the program's captured values its place among the tensors of a cell,
            or None and the value itself.
        again: traces the step once more; None where that was done already.
        plans: what has been planned for it, by what was wanted.
    """

    program: Program
    shape: tuple[Nest, Nest]
    captured: Sequence[tuple[int | None, Any]]
    again: Callable[[], Program] | None = None
    plans: dict[Any, Any] = field(default_factory=dict)

    @functools.cached_property
    def work(self) -> int:
        """Multiplications and additions of a step, about."""
        return sum(cost(line.op.name, line.operands, line.targets) for line in self.program.lines)

    def same_again(self) -> bool:
        """Whether tracing the step once more gives the same program with the same constants."""
        return self.again is None or same_program(self.program, self.again())


class Stepping:
    """A scan, and one step of it as a function of leaves, with the masks.

    Args:
        step: maps (carry, x) to (carry, y); with an owner, (owner, carry, x).
        init: the carry before the first step.
        xs: inputs with time as the first axis.
        alive: which sequences take part in which step, or None.
        fresh: where the carry is `init` again, or None.
        owner: the cell whose step it is.
        stacked: whether leaves of `init` have a first axis that the step does not see.

    Attributes:
        start: leaves of the initial carry,
        frames: and of the inputs, then the masks.
        first: what a reset goes back to.
        tensors: of the owner, and `first`, with their names.
        key: equal for scans that share a trace; None for one that does not.

    Raises:
        UnsupportedError: where it has to run op by op.
    """

    def __init__(
        self,
        step: Step,
        init: Nest,
        xs: Nest,
        alive: Any,
        fresh: Any,
        owner: Any = None,
        stacked: bool = False,
    ) -> None:
        self.start, self.frames, self.stacked = leaves(init), leaves(xs), stacked
        refuse_unless_worth(self.start, self.frames)
        self.step, self.init, self.xs, self.owner = step, init, xs, owner
        self.count = len(self.frames)
        self.masks = {name: m for name, m in (("alive", alive), ("fresh", fresh)) if m is not None}
        self.frames += self.masks.values()
        found: dict[int, Found] = {}
        known = None if owner is None else likeness(owner, found)
        self.first = [as_tensor(x, stacked) for x in self.start] if "fresh" in self.masks else []
        self.tensors = [(x.name, x.tensor) for x in found.values()]
        self.tensors += [("initial", x) for x in self.first]
        self.key = known and (
            *(known, step, modes.recording.get(), *self.masks),
            *(nest_likeness(init, int(stacked)), nest_likeness(xs, 1)),
        )

    @property
    def carries(self) -> Sequence[Any]:
        """What the step sees of the initial carry."""
        return [Example(x) for x in self.start] if self.stacked else self.start

    def trace(self) -> Trace:
        """The program, by a trace that it shares or its own.

        Raises:
            UnsupportedError: where it has to run op by op, which also says better what is wrong.
        """
        shared = remembered_trace(TraceQuestion(self)) if self.key else None
        return shared or self.own_trace()

    def own_trace(self) -> Trace:
        """The program of this very step, and what it captured."""
        shape: list[Nest] = []
        step = self.step if self.owner is None else functools.partial(self.step, self.owner)
        again = functools.partial(self.traced, self.of_leaves(step, self.first, shape))
        try:
            program = again()
        except Exception as error:  # whatever it is, the step says it again when it runs on values
            large = len(self.frames[0]) * sum(x.size for x in self.start) >= LARGE
            reason = f"the step cannot be traced, {type(error).__name__}: {error}"
            raise UnsupportedError(reason, matters=large) from None
        self.check_carry(program)
        own = [(None, x) for x in program.captured.values()]
        return Trace(program, (shape[0], shape[1]), own, again)

    def shareable_trace(self) -> Trace:
        """The program with symbols for all tensors, whose numbers cannot have got into it.

        Raises:
            UnsupportedError: if the step has read other tensors that want gradients, or is not
                the same each time.
        """
        shape: list[Nest] = []

        def with_symbols(*values: Any) -> Any:
            operand = values[0].program.operand
            symbols = {id(x): operand(x, name) for name, x in self.tensors}
            owner = with_tensors(self.owner, symbols)
            first = [symbols[id(x)] for x in self.first]
            return self.of_leaves(functools.partial(self.step, owner), first, shape)(*values)

        program, other = self.traced(with_symbols), self.traced(with_symbols)
        places = {id(x): k for k, (_, x) in enumerate(self.tensors)}
        foreign = [x for x in program.captured.values() if id(x) not in places]
        wanting = any(getattr(x, "requires_grad", False) for x in foreign)
        if wanting or not same_program(program, other):
            raise UnsupportedError("the step does not depend on its cell alone")
        self.check_carry(program)
        read = {x for line in program.lines for x in line.operands if isinstance(x, Sym)}
        read.update(leaves(program.outputs))
        used = {name: x for name, x in program.captured.items() if name in read}
        captured = [(places[id(x)], None) if id(x) in places else (None, x) for x in used.values()]
        # Stand-ins: what is remembered must not keep the tensors of one cell alive.
        program.captured = {x: np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in used}
        program.known.clear()
        return Trace(program, (shape[0], shape[1]), captured)

    def of_leaves(self, step: Step, first: list[Any], shape: list[Nest]) -> Callable[..., Any]:
        """The step as a function of leaves, from and to.

        Args:
            step: maps (carry, x) to (carry, y).
            first: leaves of the carry that a reset goes back to.
            shape: gets the structure of the new carry and of the output.
        """
        carries = len(self.start)

        def one_step(*values: Any) -> tuple[list[Any], list[Any]]:
            still = before = rebuilt(self.init, values[:carries])
            x = rebuilt(self.xs, values[carries : carries + self.count])
            masks = dict(zip(self.masks, values[carries + self.count :], strict=True))
            if "fresh" in masks:
                before = choose(masks["fresh"], rebuilt(self.init, first), before)
            carry, y = step(before, x)
            shape[:] = structure(carry), structure(y)
            if shape[0] != structure(before):
                raise UnsupportedError("the step changes the structure of its carry")
            if "alive" in masks:
                carry = choose(masks["alive"], carry, still)
                y = mapped(lambda leaf: where(column(masks["alive"], leaf), leaf, 0.0), y)
            return leaves(carry), leaves(y)

        return one_step

    def traced(self, one_step: Callable[..., Any]) -> Program:
        """The program of a function of leaves."""
        names = numbered("carry", len(self.start)) + numbered(frame_name(self.step), self.count)
        frames = map(Example, self.frames)
        return trace(one_step, *self.carries, *frames, names=[*names, *self.masks])

    def check_carry(self, program: Program) -> None:
        """Refuse a program that does not give a carry like the one that it takes."""
        for old, new in zip(self.carries, program.outputs[0], strict=True):
            if not isinstance(new, Sym):
                raise UnsupportedError("a part of the new carry is a constant")
            if (old.shape, old.dtype) != (new.shape, new.dtype):
                raise UnsupportedError("the new carry has another shape or dtype", matters=False)


class TraceQuestion(Question):
    """A scan that asks for a trace."""

    def __init__(self, asked: Stepping) -> None:
        super().__init__(asked.key)
        self.asked: Stepping | None = asked


@functools.lru_cache(maxsize=256)
def remembered_trace(question: TraceQuestion) -> Trace | None:
    """A trace for all scans like this one; None if there cannot be one."""
    asked, question.asked = question.asked, None  # its tensors must not be kept alive
    assert asked is not None
    try:
        return asked.shareable_trace()
    except Exception:  # whatever it is, the scan's own trace says better what is wrong
        return None


def cost(name: str, operands: Sequence[Any], targets: Sequence[Sym]) -> int:
    """Multiplications and additions of a line."""
    size = sum(y.size for y in targets)
    inner = operands[0].shape[-1] if name == "matmul" and operands[0].shape else 1
    return size * int(inner)


def same_program(a: Program, b: Program) -> bool:
    """Whether two programs do the same, with the same constants."""
    if program_key(a) != program_key(b):
        return False
    pairs = zip(a.captured.values(), b.captured.values(), strict=True)
    return all(x is y or np.array_equal(data(x), data(y), equal_nan=True) for x, y in pairs)


def program_key(program: Program) -> Any:
    """What a program does, by the names of its values."""

    def spelled(x: Any) -> Any:
        return x.name if isinstance(x, Sym) else identity(x)

    lines = tuple(
        (line.op, tuple(map(spelled, line.operands)), identity(line.params))
        for line in program.lines
    )
    return lines, tuple(tuple(map(spelled, part)) for part in program.outputs)


def frame_name(step: Step) -> str:
    """What a step calls its input."""
    code = getattr(step, "__code__", None)
    return code.co_varnames[code.co_argcount - 1] if code and code.co_argcount else "x"


def numbered(name: str, count: int) -> list[str]:
    """A name for each of several values."""
    return [name] if count == 1 else [f"{name}{k}" for k in range(count)]


class Example:
    """The shape and dtype of what the first axis of something is the sequence of."""

    def __init__(self, sequence: Any) -> None:
        self.shape, self.dtype = sequence.shape[1:], sequence.dtype


def as_tensor(x: Any, stacked: bool) -> Any:
    """A leaf of the initial carry as the step sees it, and as a program can capture it."""
    x = x if isinstance(x, Carrier) else Tensor(x)
    return x.reshape(x.shape[1:]) if stacked else x
