"""Keep the source of loops on disk, import it from there, and have Numba compile it.

A module of loops is a file, named by the hash of its text, of the processor and of the versions
that decide how it is compiled; beside it stands the machine code of its loops. So a new process
links instead of compiling, several processes may write the same file at once, and a reader can open
it. A folder that cannot be written, or holds what cannot be read, costs a warning and the time to
compile.
"""

import ctypes
import functools
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.ahead import compile_ahead
from tinygrad_rnn.kernels.compiling import inner
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.machine_code import (
    PREFIX,
    SUFFIX,
    ObjectCode,
    cache_folder,
    cannot_be_kept,
    fingerprint,
    in_python,
    machine_code,
    path_of,
    write_whole,
)
from tinygrad_rnn.kernels.tables import Table, compiled_with_table
from tinygrad_rnn.kernels.threads import MachineTask, Task

KEPT = 500  # modules; each takes some 50 kB with the machine code of its loops
AXES = {"sequence": 3, "edge": 2, "panels": 3, "table": 2}
AXES |= dict.fromkeys(("kept", "carry", "returning", "several"), 2)
BATCHES = {"sequence": 1, "edge": 0}  # the batch axis of arrays that hold all slices
# Any layout, as callers have them; all other arrays are ours.
LAYOUTS: dict[str, Literal["A", "C"]] = {"sequence": "A", "edge": "A"}
NUMBERS = 4  # how many a loop takes before its arrays

Array = NDArray[Any]
Roles = tuple[tuple[str, str], ...]  # of the arrays of a loop, each with its dtype


class Call(Protocol):
    """A loop over the sequences of a slice, bound to the arrays that are its own."""

    def task(self, steps: range, given: Mapping[int, Array]) -> Task:
        """The call that is to be made.

        Args:
            steps: the time steps, in order.
            given: arrays that are others at each run, by their places among all.
        """
        ...


class Loop(Protocol):
    """A loop over time."""

    def call(self, span: slice, own: Sequence[Array]) -> Call:
        """Bind the loop to a slice.

        Args:
            span: where its sequences are in the batch.
            own: what the loop reads and writes, in its order, with anything for what is given.
        """
        ...


def kept_loops() -> list[Path]:
    """The modules in the cache folder."""
    return sorted(cache_folder().glob("loop_*.py"))


def kept_files() -> list[Path]:
    """The modules, and all machine code."""
    return [*kept_loops(), *cache_folder().glob(f"*{SUFFIX}")]


def clear_loops() -> int:
    """Delete what the cache folder holds, and say how many modules there were."""
    count = len(kept_loops())
    for path in kept_files():
        path.unlink(missing_ok=True)
    return count


@functools.lru_cache(maxsize=256)
def loaded(source: str) -> ModuleType:
    """The module of a source, imported from the cache folder if that can be written."""
    name = f"loop_{fingerprint(source)}"
    try:
        path = written(name, source)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except OSError as error:
        cannot_be_kept(error)
        module = ModuleType(name)
        exec(compile(source, f"<{name}>", "exec"), vars(module))
    return module


def written(name: str, source: str) -> Path:
    """The file of a module, written whole or not at all."""
    path = cache_folder() / f"{name}.py"
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == source:
        return path
    write_whole(path, source.encode())
    forget_oldest(path.parent)
    return path


def forget_oldest(folder: Path) -> None:
    """Delete what was written first, modules and microkernels, if there is more than to keep."""
    for pattern in ("loop_*.py", f"{PREFIX}*{SUFFIX}"):
        for path in sorted(folder.glob(pattern), key=written_at)[:-KEPT]:
            path.unlink(missing_ok=True)
            for made_of_it in folder.glob(f"{path.stem}_*{SUFFIX}"):
                made_of_it.unlink(missing_ok=True)


def written_at(path: Path) -> float:
    """When a file was written; long ago, if another process has deleted it since."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def loop_of(source: str, stage: str, arrays: Sequence[Any]) -> Loop:
    """The loop over time of a source: machine code, or Python where there is no Numba.

    Args:
        source: from `planning`.
        stage: "forward" or "backward".
        arrays: what it takes, from the plan.
    """
    roles = tuple((array.role, array.dtype) for array in arrays)
    return loop_by(source, stage, roles, current_backend())


@functools.lru_cache(maxsize=512)
def loop_by(source: str, stage: str, roles: Roles, backend: str) -> Loop:
    """As `loop_of`, once for each loop."""
    kind = PythonLoop if backend == "numpy" else CompiledLoop
    return kind(source, stage, roles)


class PythonLoop:
    """A loop in Python, with infinities and NaN as silent as compiled ones are."""

    def __init__(self, source: str, stage: str, roles: Roles) -> None:
        self.loop, self.roles = getattr(loaded(source), stage), roles

    def call(self, span: slice, own: Sequence[Array]) -> "PythonCall":
        """Bind the loop to a slice; see `Loop`."""
        return PythonCall(self, span, own)


class PythonCall:
    """A loop in Python, bound to a slice; see `Loop.call`."""

    def __init__(self, loop: PythonLoop, span: slice, own: Sequence[Array]) -> None:
        self.loop, self.span, self.own = loop, span, own

    def task(self, steps: range, given: Mapping[int, Array]) -> Task:
        """The call that is to be made; see `Call`."""
        arrays = [given.get(k, x) for k, x in enumerate(self.own)]
        return functools.partial(self.run, numbers(steps, self.span), arrays)

    def run(self, numbers: Sequence[int], arrays: Sequence[Array]) -> None:
        """Make the call."""
        axes = (BATCHES.get(role) for role, _ in self.loop.roles)
        mine = [cut(x, axis, self.span) for x, axis in zip(arrays, axes, strict=True)]
        with np.errstate(all="ignore"):
            self.loop.loop(*numbers, *mine)


def numbers(steps: range, span: slice) -> tuple[int, int, int, int]:
    """What a loop takes first: steps, sequences, the first step, the distance to the next."""
    return len(steps), span.stop - span.start, steps.start, steps.step


def cut(x: Array, axis: int | None, span: slice) -> Array:
    """Some of the sequences of a batch."""
    part: Array = x if axis is None else x[(slice(None),) * axis + (span,)]
    return part


class CompiledLoop:
    """A loop as machine code."""

    def __init__(self, source: str, stage: str, roles: Roles) -> None:
        self.source, self.stage, self.roles = source, stage, roles
        kinds = fingerprint(str((roles, AXES, LAYOUTS)))
        name = f"loop_{fingerprint(source)}_{stage}_{kinds[:8]}"
        if not path_of(name).exists():
            for dtype in sorted({dtype for _, dtype in roles if dtype.startswith("float")}):
                compile_ahead(dtype)
        self.code = machine_code(name, self.compiled)
        self.loop = in_python(self.code, ctypes.c_void_p)

    def compiled(self) -> ObjectCode:
        """What Numba makes of it."""
        scope = dict(vars(loaded(self.source)))
        parts = {name: inner(f) for name, f in scope.items() if name.startswith(f"{self.stage}_")}
        return compiled_with_table(self.source, self.stage, scope | parts, NUMBERS, self.kinds())

    def kinds(self) -> list[Any]:
        """The types that it is compiled for: one for all callers, so that none compiles again."""
        from numba import types

        def array(role: str, dtype: str) -> Any:
            kind = types.boolean if dtype == "bool" else getattr(types, dtype)
            return types.Array(kind, AXES.get(role, 1), LAYOUTS.get(role, "C"))

        return [array(*role) for role in self.roles]

    def call(self, span: slice, own: Sequence[Array]) -> "CompiledCall":
        """Bind the loop to a slice; see `Loop`."""
        return CompiledCall(self, span, own)


class CompiledCall(MachineTask):
    """A loop as machine code, bound to a slice; see `Loop.call`."""

    def __init__(self, loop: CompiledLoop, span: slice, own: Sequence[Array]) -> None:
        self.run, self.code = loop.loop, loop.code.address
        self.loop, self.span, self.own = loop, span, own
        self.batches = [BATCHES.get(role) for role, _ in loop.roles]
        self.table: Table | None = None
        self.steps = range(0)
        self.given: Mapping[int, Array] = {}

    def task(self, steps: range, given: Mapping[int, Array]) -> "CompiledCall":
        """The call that is to be made; see `Call`."""
        self.steps, self.given = steps, given
        if self.table is None:
            arrays = [given.get(k, x) for k, x in enumerate(self.own)]
            mine = [cut(x, axis, self.span) for x, axis in zip(arrays, self.batches, strict=True)]
            self.table = Table(NUMBERS, mine)
            self.argument = self.table.address
        else:
            for k, x in given.items():
                axis = self.batches[k]
                self.table.replace(k, x, 0 if axis is None else self.span.start * x.strides[axis])
        self.table.begin_with(*numbers(steps, self.span))
        return self

    def settle(self) -> None:
        """Have NumPy meet the error too, and name it."""
        loop = PythonLoop(self.loop.source, self.loop.stage, self.loop.roles)
        loop.call(self.span, self.own).task(self.steps, self.given)()
        super().settle()
