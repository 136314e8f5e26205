r"""How an elementwise op is declared: by the domain of each input; the rest comes with it.

Elementwise ops broadcast as NumPy does. Each has a kernel expression, so that a compiled loop can
fuse a chain of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Misuse, Operation, Reals, ShapeError, op

Array = Any

LINE = Reals(low=-3, high=3)
POSITIVE = Reals(low=0.3, high=3)
NONZERO = Reals(low=-3, high=3, avoid=(0.0,), by=0.2)

# Every elementwise op is tried on matching, broadcast, scalar and empty operands.
SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((2, 3), (2, 3), (2, 3)),
    ((2, 3), (3,), (2, 1)),
    ((), (), ()),
    ((0, 3), (1, 3), (3,)),
)


def elementwise(
    *domains: Any, samples: Sequence[Case] = (), **facts: Any
) -> Callable[[Callable[..., Array]], Operation]:
    """Declare an elementwise op by the domain of each input; shapes and misuses come with it."""
    cases = tuple(
        Case(*(d.resized(*s) for d, s in zip(domains, shapes, strict=False))) for shapes in SHAPES
    )
    misuses: tuple[Misuse, ...] = ()
    if len(domains) > 1:
        unequal = (np.ones((2, 3)), np.ones(4), *(np.ones(()) for _ in domains[2:]))
        misuses = (Misuse(unequal, ShapeError, "does not broadcast: axis -1 has length 3 in"),)
    declare: Callable[[Callable[..., Array]], Operation] = op(
        samples=(*cases, *samples), misuses=misuses, diagnose=unbroadcastable, **facts
    )
    return declare


def unbroadcastable(names: Sequence[str], arrays: Sequence[Any]) -> str | None:
    """The first axis, from the last, along which operands have different lengths."""
    shaped = [(n, np.shape(x)) for n, x in zip(names, arrays, strict=True)]
    for axis in range(-1, -1 - max(len(s) for _, s in shaped), -1):
        lengths = [(n, s[axis]) for n, s in shaped if len(s) >= -axis and s[axis] != 1]
        for name, length in lengths:
            if length != lengths[0][1]:
                return (
                    f"this does not broadcast: axis {axis} has length {lengths[0][1]} in "
                    f"{lengths[0][0]} and {length} in {name}; make them equal, or one of them 1"
                )
    return None
