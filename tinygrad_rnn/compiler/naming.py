"""What the author of a step called its values, so that its loop reads like the step.

The line `f = sigmoid(a)` applies an op and stores the result in `f`. Python knows this, and so a
traced line can: the instruction after the call says where the result goes.
"""

import dis
import functools
import itertools
import keyword
import re
from collections.abc import Sequence
from pathlib import Path
from types import CodeType

from tinygrad_rnn.compiler.tracing import Line, Program, Sym

PACKAGE = Path(__file__).parents[1]
OURS = tuple(str(PACKAGE / folder) for folder in ("ops", "engine", "compiler"))  # no author's names

# What values are called that have no name of their own.
SHORT = {"matmul": "z", "concatenate": "joined", "getitem": "part", "split": "part"}


@functools.lru_cache(maxsize=256)
def instructions(code: CodeType) -> dict[int, dis.Instruction]:
    """The instructions of a function, each by the place of the one before it."""
    listed = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "EXTENDED_ARG")]
    return {a.offset: b for a, b in itertools.pairwise(listed)}


def targets_of(line: Line) -> Sequence[str | None]:
    """The names of the variables that a line's results are stored in, None where there is none."""
    count = len(line.targets)
    unknown = (None,) * count
    if line.made_at is None:
        return unknown
    code, at = line.made_at
    following = instructions(code)
    step = following.get(at)
    if step is None:
        return unknown
    if not line.op.bundles:
        return (step.argval if step.opname.startswith("STORE_") else None,)
    widths = unpacking(step, count)
    names: list[str | None] = []
    for width in widths:
        step = following.get(step.offset) if step else None
        stored = step is not None and step.opname.startswith("STORE_") and width == 1
        names.extend([step.argval if step is not None and stored else None] * width)
    return names if widths else unknown


def unpacking(step: dis.Instruction, count: int) -> list[int]:
    """How many of several results each variable takes; a starred one takes what is left."""
    if step.opname == "UNPACK_SEQUENCE" and step.argval == count:
        return [1] * count
    if step.opname == "UNPACK_EX":
        before, after = step.argval & 0xFF, step.argval >> 8
        return [1] * before + [count - before - after] + [1] * after
    return []


class Names:
    """Names for values, no two the same."""

    def __init__(self, reserved: Sequence[str]) -> None:
        self.taken = set(reserved)

    def fresh(self, wish: str) -> str:
        """A name like `wish` that is not taken."""
        name = re.sub(r"\W+", "_", wish).strip("_") or "v"
        name = f"v{name}" if name[0].isdigit() else name
        name = f"{name}_" if keyword.iskeyword(name) else name
        tries = (f"{name}_{k}" for k in itertools.count(2))
        chosen = next(n for n in itertools.chain([name], tries) if n not in self.taken)
        self.taken.add(chosen)
        return chosen


def name_of(x: Sym, program: Program) -> str:
    """What to call a value: as its author did, or after the op that made it."""
    line = program.made.get(x)
    if line is None:
        return x.name
    of = program.cotangent_of.get(x)
    return given_name(x, line) or (
        f"d_{name_of(of, program)}" if of is not None else SHORT.get(line.op.name, line.op.name)
    )


def given_name(x: Sym, line: Line | None) -> str | None:
    """What its author called a value, if they did."""
    if line is None:
        return None
    name = targets_of(line)[line.place(x)]
    ours = line.made_at is not None and line.made_at[0].co_filename.startswith(OURS)
    return None if ours else name
