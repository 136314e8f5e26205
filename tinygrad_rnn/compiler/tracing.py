"""Trace a function of tensors into a program: straight lines of ops, each value computed once.

Run a function on `Sym` carriers and each op that it applies writes a line. Lines that say the
same are one line. Tensors that the function captures become *captured* values of the program.

    >>> import numpy as np
    >>> program = trace(lambda x, w: (x * w).tanh() + x * w, np.ones((2, 3)), np.ones(3))
    >>> print(program)
    x0: float64 (2, 3)
    x1: float64 (3,)
    v0 = mul(x0, x1)                  float64 (2, 3)
    v1 = tanh(v0)                     float64 (2, 3)
    v2 = add(v1, v0)                  float64 (2, 3)
    return v2
    >>> program(np.zeros((2, 3)), np.ones(3))
    array([[0., 0., 0.],
           [0., 0., 0.]])
"""

import functools
import math
import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, GraphError, Operation, Tensor, modes
from tinygrad_rnn.engine.nesting import leaves, mapped
from tinygrad_rnn.engine.operation import Inputs, Params


class Sym(Carrier):
    """A value of a program: its name, shape and dtype, and no numbers.

    What would need numbers, or a graph, raises: a function that asks for it has no program.
    """

    def __init__(self, program: "Program", name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.program, self.name = program, name
        self.shape, self.ndim, self.dtype = shape, len(shape), dtype

    @property
    def size(self) -> int:
        """How many numbers it stands for."""
        return math.prod(self.shape)

    @staticmethod
    def apply(op: Operation, inputs: Inputs, params: Params) -> Any:
        """Write a line, or find the one that says the same."""
        program = next(x.program for x in inputs if type(x) is Sym)
        if modes.recording.get() is not program.recording:
            raise GraphError("no_grad or enable_grad inside of a function cannot be traced")
        frame = sys._getframe(2)
        operands = tuple([x if type(x) is Sym else program.operand(x) for x in inputs])
        return program.write(op, operands, params, (frame.f_code, frame.f_lasti))

    @property
    def requires_grad(self) -> bool:
        """Not known: it is the caller's tensors that want gradients, or do not."""
        raise GraphError(f"a function that asks whether {self} requires grad cannot be traced")

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        raise GraphError(
            f"a function that looks at values cannot be traced: it asks if {self} holds"
        )

    def __repr__(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class Line:
    """One line of a program: `targets = op(*operands, **params)`.

    Attributes:
        made_at: the code that applied the op, and where in it; see `naming`.
    """

    op: Operation
    operands: tuple[Any, ...]
    params: Params
    targets: tuple[Sym, ...]
    made_at: tuple[CodeType, int] | None = None

    def run(self, values: dict[Sym, Any], apply: Callable[..., Any] | None = None) -> None:
        """Compute the line on values, and add what it gives to them.

        Args:
            values: of its operands, by name.
            apply: what to call on them in the place of the op.
        """
        operands = [values[x] if isinstance(x, Sym) else x for x in self.operands]
        result = apply(*operands) if apply else self.op(*operands, **self.params)
        values.update(zip(self.targets, result if self.op.bundles else (result,), strict=True))

    def place(self, y: Sym) -> int:
        """Which of the targets a value is; `==` on values would be one more line."""
        return next(i for i, target in enumerate(self.targets) if target is y)

    def __str__(self) -> str:
        arguments = [*map(str, self.operands), *(f"{k}={v}" for k, v in self.params.items())]
        names = ", ".join(t.name for t in self.targets)
        facts = ", ".join(f"{t.dtype} {t.shape}" for t in self.targets)
        call = f"{names} = {self.op.name}({', '.join(arguments)})"
        return f"{call:<33} {facts}"


def lines_to(values: Iterable[Sym], lines: Sequence[Line]) -> list[Line]:
    """Those of some lines that lead to values, in order."""
    needed, found = set(values), []
    for line in reversed(lines):
        if needed.intersection(line.targets):
            found.append(line)
            needed.update(x for x in line.operands if isinstance(x, Sym))
    return found[::-1]


@dataclass
class Program:
    """Straight lines from inputs and captured values to outputs.

    Attributes:
        inputs: the values that a call gives.
        captured: the tensors and arrays that the traced function closed over, by value.
        lines: in order of execution.
        outputs: what a call returns, a nest of values.
        said: the targets of each line, by what it says.
        made: the line that makes a value.
        cotangent_of: the value that another is the cotangent of; for names.
        recording: whether graphs were recorded when it was begun.
    """

    inputs: list[Sym] = field(default_factory=list)
    captured: dict[Sym, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    outputs: Any = None
    said: dict[Hashable, tuple[Sym, ...]] = field(default_factory=dict)
    made: dict[Sym, Line] = field(default_factory=dict)
    cotangent_of: dict[Sym, Sym] = field(default_factory=dict)
    recording: bool = field(default_factory=modes.recording.get)
    known: dict[int, Sym] = field(default_factory=dict)

    def operand(self, x: Any, wish: str | None = None) -> Any:
        """What a line calls `x`: a value of this program, or a constant."""
        if not isinstance(x, GIVEN):
            return x
        name = self.known.get(id(x))
        if name is None:
            called = wish or (isinstance(x, Tensor) and x.name) or f"w{len(self.captured)}"
            if any(called == other.name for other in (*self.inputs, *self.captured)):
                called = f"{called}_{len(self.captured)}"
            name = Sym(self, called, x.shape, x.dtype)
            self.known[id(x)], self.captured[name] = name, x
        return name

    def write(
        self,
        op: Operation,
        operands: tuple[Any, ...],
        params: Params,
        made_at: tuple[CodeType, int] | None = None,
    ) -> Any:
        """The values of a new line, or of the earlier line that computes the same."""
        key = op, tuple([x if type(x) is Sym else identity(x) for x in operands]), identity(params)
        targets = self.said.get(key)
        if targets is None:
            name, known = f"v{len(self.said)}", outcome(op, operands, params, key[2])
            names = [f"{name}_{i}" for i in range(len(known))] if op.bundles else [name]
            targets = tuple([Sym(self, n, *facts) for n, facts in zip(names, known, strict=True)])
            line = Line(op, operands, params, targets, made_at)
            self.said[key] = targets
            self.lines.append(line)
            self.made.update(dict.fromkeys(targets, line))
        return targets if op.bundles else targets[0]

    def __call__(self, *arrays: Any) -> Any:
        """Run the lines on arrays."""
        values: dict[Sym, Any] = dict(zip(self.inputs, arrays, strict=True))
        for name, x in self.captured.items():
            values[name] = x.data if isinstance(x, Tensor) else x
        for line in self.lines:
            line.run(values)
        return mapped(lambda x: values[x] if isinstance(x, Sym) else x, self.outputs)

    def __str__(self) -> str:
        given = [*self.inputs, *self.captured]
        rows = [*(f"{x}: {x.dtype} {x.shape}" for x in given), *map(str, self.lines)]
        return "\n".join([*rows, f"return {', '.join(map(str, leaves(self.outputs)))}"])


GIVEN = Tensor, np.ndarray  # what a function may capture

Outcome = tuple[tuple[tuple[int, ...], "np.dtype[Any]"], ...]


@dataclass(frozen=True)
class Stub:
    """What of a value decides the shape of others."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"


class Question:
    """What is asked of a function that remembers its answers, with a key to compare it by."""

    def __init__(self, key: Hashable) -> None:
        self.key = key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Question) and self.key == other.key


class OutcomeQuestion(Question):
    """What an op gives for operands and parameters."""

    def __init__(self, key: Hashable, op: Operation, operands: Any, params: Params) -> None:
        super().__init__(key)
        self.op, self.operands, self.params = op, operands, params


PLAIN = frozenset({int, float, bool, str, type(None)})  # equal where they are the same


def identity(x: Any) -> Hashable:
    """A key that is equal just for operands or parameters that are the same."""
    kind = type(x)
    if isinstance(x, Sym):
        return x
    if kind in PLAIN:
        return kind, x
    if kind is dict:
        return tuple([(k, identity(v)) for k, v in sorted(x.items())])
    if isinstance(x, tuple | list):
        return type(x).__name__, tuple(map(identity, x))
    if isinstance(x, np.ndarray):
        return x.dtype.str, x.shape, x.tobytes()
    if isinstance(x, slice):
        return "slice", x.start, x.stop, x.step
    return type(x).__name__, x if isinstance(x, Hashable) else id(x)


def outcome(op: Operation, operands: tuple[Any, ...], params: Params, kind: Hashable) -> Outcome:
    """The shapes and dtypes of what `op` gives for operands like these, and such parameters."""
    known = [(x.shape, x.dtype) if type(x) is Sym else identity(x) for x in operands]
    return remembered_outcome(OutcomeQuestion((op, tuple(known), kind), op, operands, params))


@functools.lru_cache(maxsize=4096)
def remembered_outcome(asked: OutcomeQuestion) -> Outcome:
    """As `computed_outcome`, which is only asked once for each question."""
    stubs = tuple(Stub(x.shape, x.dtype) if type(x) is Sym else x for x in asked.operands)
    asked.operands = ()  # whose program must not be kept alive
    return computed_outcome(asked.op, stubs, asked.params)


def computed_outcome(op: Operation, stubs: tuple[Any, ...], params: Params) -> Outcome:
    """What `op` gives for ones: it says itself what its shapes and dtypes are."""
    slim = op.kernel is not None  # elementwise: one element says as much as all
    arrays = tuple(
        np.broadcast_to(np.ones((), x.dtype), (1,) * len(x.shape) if slim else x.shape)
        if isinstance(x, Stub)
        else x
        for x in stubs
    )
    with np.errstate(all="ignore"):
        result = op.compute(arrays, params)
    if slim:
        shape = broadcast_shape(op, stubs)
        return ((shape, np.asarray(result).dtype),)
    return tuple((np.shape(y), np.asarray(y).dtype) for y in (result if op.bundles else (result,)))


def broadcast_shape(op: Operation, stubs: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape to which elementwise operands broadcast, or the op's own error."""
    try:
        return np.broadcast_shapes(
            *(np.shape(x) for x in stubs if not isinstance(x, Stub)),
            *(x.shape for x in stubs if isinstance(x, Stub)),
        )
    except ValueError as error:
        whole = [np.empty(x.shape, x.dtype) if isinstance(x, Stub) else x for x in stubs]
        raise op.explained(error, whole) from None


def trace(f: Callable[..., Any], *examples: Any, names: Sequence[str] = ()) -> Program:
    """The program that `f` runs on inputs of the examples' shapes and dtypes.

    Args:
        f: a function of tensors whose control flow does not depend on their values.
        *examples: arrays or tensors; only shapes and dtypes matter.
        names: what to call the inputs; x0, x1 and so on by default.
    """
    program = Program()
    given = names or [f"x{i}" for i in range(len(examples))]
    for name, example in zip(given, examples, strict=True):
        program.inputs.append(Sym(program, name, np.shape(example), np.dtype(example.dtype)))
    program.outputs = mapped(program.operand, f(*program.inputs))
    return program
