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

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, Operation, Tensor
from tinygrad_rnn.engine.nesting import leaves, mapped
from tinygrad_rnn.engine.operation import Inputs, Params


class Sym(Carrier):
    """A value of a program: its name, shape and dtype, and no numbers."""

    requires_grad = False

    def __init__(self, program: "Program", name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.program, self.name = program, name
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(dtype)
        self.size = int(np.prod(shape))

    @staticmethod
    def apply(op: Operation, inputs: Inputs, params: Params) -> Any:
        """Write a line, or find the one that says the same."""
        program = next(x.program for x in inputs if isinstance(x, Sym))
        return program.write(op, tuple(program.operand(x) for x in inputs), params)

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Line:
    """One line of a program: `targets = op(*operands, **params)`."""

    op: Operation
    operands: tuple[Any, ...]
    params: Params
    targets: tuple[Sym, ...]

    def __str__(self) -> str:
        arguments = [*map(str, self.operands), *(f"{k}={v}" for k, v in self.params.items())]
        names = ", ".join(t.name for t in self.targets)
        facts = ", ".join(f"{t.dtype} {t.shape}" for t in self.targets)
        call = f"{names} = {self.op.name}({', '.join(arguments)})"
        return f"{call:<33} {facts}"


@dataclass
class Program:
    """Straight lines from inputs and captured values to outputs.

    Attributes:
        inputs: the values that a call gives.
        captured: the values of tensors that the traced function closed over.
        lines: in order of execution.
        outputs: what a call returns, a nest of values.
    """

    inputs: list[Sym] = field(default_factory=list)
    captured: dict[Sym, Tensor] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    outputs: Any = None
    said: dict[Hashable, tuple[Sym, ...]] = field(default_factory=dict)

    def operand(self, x: Any) -> Any:
        """What a line calls `x`: a value of this program, or a constant."""
        if not isinstance(x, Tensor):
            return x
        for name, tensor in self.captured.items():
            if tensor is x:
                return name
        name = Sym(self, x.name or f"w{len(self.captured)}", x.shape, x.dtype)
        self.captured[name] = x
        return name

    def write(self, op: Operation, operands: tuple[Any, ...], params: Params) -> Any:
        """The values of a new line, or of the earlier line that computes the same."""
        key = (op.name, tuple(map(identity, operands)), identity(params))
        targets = self.said.get(key)
        if targets is None:
            targets = tuple(
                Sym(self, f"v{len(self.said)}" + f"_{i}" * op.bundles, y.shape, y.dtype)
                for i, y in enumerate(sample_outputs(op, operands, params))
            )
            self.said[key] = targets
            self.lines.append(Line(op, operands, params, targets))
        return targets if op.bundles else targets[0]

    def __call__(self, *arrays: Any) -> Any:
        """Run the lines on arrays."""
        values: dict[Sym, Any] = dict(zip(self.inputs, arrays, strict=True))
        values.update((name, tensor.data) for name, tensor in self.captured.items())
        for line in self.lines:
            arguments = (values[x] if isinstance(x, Sym) else x for x in line.operands)
            result = line.op(*arguments, **line.params)
            values.update(zip(line.targets, result if line.op.bundles else (result,), strict=True))
        return mapped(lambda x: values[x] if isinstance(x, Sym) else x, self.outputs)

    def __str__(self) -> str:
        given = [*self.inputs, *self.captured]
        rows = [*(f"{x}: {x.dtype} {x.shape}" for x in given), *map(str, self.lines)]
        return "\n".join([*rows, f"return {', '.join(map(str, leaves(self.outputs)))}"])


def identity(x: Any) -> Hashable:
    """A key that is equal just for operands or parameters that are the same."""
    if isinstance(x, dict):
        return tuple((k, identity(v)) for k, v in sorted(x.items()))
    if isinstance(x, tuple | list):
        return type(x).__name__, tuple(map(identity, x))
    if isinstance(x, np.ndarray):
        return x.dtype.str, x.shape, x.tobytes()
    if isinstance(x, slice):
        return "slice", x.start, x.stop, x.step
    return type(x).__name__, x if isinstance(x, Hashable) else id(x)


def sample_outputs(op: Operation, operands: tuple[Any, ...], params: Params) -> tuple[Any, ...]:
    """What `op` gives for ones: the shapes and dtypes of its outputs."""
    ones = (
        np.broadcast_to(np.ones((), x.dtype), x.shape) if isinstance(x, Sym) else x
        for x in operands
    )
    with np.errstate(all="ignore"):
        result = op.compute(tuple(ones), params)
    return result if op.bundles else (np.asarray(result),)


def trace(f: Callable[..., Any], *examples: Any) -> Program:
    """The program that `f` runs on inputs of the examples' shapes and dtypes.

    Args:
        f: a function of tensors whose control flow does not depend on their values.
        *examples: arrays or tensors; only shapes and dtypes matter.
    """
    program = Program()
    for i, example in enumerate(examples):
        program.inputs.append(Sym(program, f"x{i}", np.shape(example), example.dtype))
    program.outputs = mapped(program.operand, f(*program.inputs))
    return program
