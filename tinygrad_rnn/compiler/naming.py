"""What the author of a step called its values, so that its loop reads like the step.

The line `f = sigmoid(a)` applies an op and stores the result in `f`. Python knows this, and so a
traced line can: the instruction after the call says where the result goes.
"""

import dis
import functools
import itertools
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType

from tinygrad_rnn.compiler.tracing import Line, Program, Sym

PACKAGE = Path(__file__).parents[1]
OURS = tuple(str(PACKAGE / folder) for folder in ("ops", "engine", "compiler"))  # no author's names

# What values are called that have no name of their own.
SHORT = {"matmul": "z", "concatenate": "joined", "getitem": "part", "split": "part"}


@functools.lru_cache(maxsize=256)
def instructions(code: CodeType) -> tuple[list[dis.Instruction], dict[int, int]]:
    """The instructions of a function, and for each place in its code which one comes next."""
    listed = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "EXTENDED_ARG")]
    return listed, {step.offset: k + 1 for k, step in enumerate(listed)}


def stored(steps: Iterable[dis.Instruction]) -> Iterator[str]:
    """The names that a run of stores puts values in; one instruction may hold two of them."""
    for step in steps:
        if not step.opname.startswith("STORE_"):
            return
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        loads = step.opname.endswith("LOAD_FAST")
        yield from names[:1] if loads else names
        if loads:
            return


def targets_of(line: Line) -> Sequence[str | None]:
    """The names of the variables that a line's results are stored in, None where there is none."""
    count = len(line.targets)
    if line.made_at is None:
        return (None,) * count
    code, at = line.made_at
    listed, following = instructions(code)
    k = following.get(at, len(listed))
    widths = unpacking(listed[k], count) if line.op.bundles and k < len(listed) else [1]
    names = stored(listed[k + line.op.bundles :])
    found: list[str | None] = []
    for width in widths:
        name = next(names, None)
        found += [name if width == 1 else None] * width
    return found if len(found) == count else (None,) * count


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
