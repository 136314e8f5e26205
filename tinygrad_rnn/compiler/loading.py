"""Keep the source of loops on disk, import it from there, and have Numba compile it.

A module of loops is a file, named by the hash of its text, of the processor and of the versions
that decide how it is compiled; beside it stands what Numba made of it. So a new process imports
instead of compiling, several processes may write the same file at once, and a reader can open it.
A folder that cannot be written, or holds what cannot be read, costs a warning and the time to
compile.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn.kernels import dispatch
from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.folders import cache_of_user

FOLDER = "TINYGRAD_RNN_CACHE"
KEPT = 500  # modules; each takes some 100 kB with what Numba made of it
AXES = {"sequence": 3, "panels": 3, "table": 2, "kept": 2, "carry": 2, "returning": 2}

Loop = Callable[..., None]


def cache_folder() -> Path:
    """Where loops are kept: the folder in TINYGRAD_RNN_CACHE, or one in the user's cache."""
    return cache_of_user("loops", FOLDER)


def kept_loops() -> list[Path]:
    """The modules in the cache folder."""
    return sorted(cache_folder().glob("loop_*.py"))


def clear_loops() -> int:
    """Delete what the cache folder holds, and say how many modules there were."""
    kept = kept_loops()
    for path in kept:
        path.unlink(missing_ok=True)
    shutil.rmtree(cache_folder() / "__pycache__", ignore_errors=True)
    return len(kept)


@functools.lru_cache(maxsize=256)
def loaded(source: str, backend: str) -> ModuleType:
    """The module of a source, imported from the cache folder if that can be written."""
    name = f"loop_{fingerprint(source)}"
    try:
        path = written(name, source)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # what Numba keeps on disk refers to its module by name
        spec.loader.exec_module(module)
    except OSError as error:
        warnings.warn(
            f"compiled loops cannot be kept on disk ({error}); every new process will compile "
            f"them again. Set {FOLDER} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=2,
        )
        module = ModuleType(name)
        exec(compile(source, f"<{name}>", "exec"), vars(module))
    return module


@functools.cache
def processor() -> str:
    """What of this machine and its libraries decides how loops are compiled."""
    # Loops are compiled together with the kernels that they call.
    sources = sorted(Path(dispatch.__file__).parent.glob("*.py"))
    kernels = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    versions = [sys.version, np.__version__, kernels]
    if importlib.util.find_spec("numba"):
        import llvmlite.binding as llvm

        features = ",".join(sorted(k for k, on in llvm.get_host_cpu_features().items() if on))
        versions += [importlib.metadata.version("numba"), llvm.get_host_cpu_name(), features]
    return "\n".join(versions)


def fingerprint(source: str) -> str:
    """A name for a source on this machine."""
    return hashlib.sha256(f"{processor()}\n{source}".encode()).hexdigest()[:20]


def written(name: str, source: str) -> Path:
    """The file of a module, written whole or not at all."""
    folder = cache_folder()
    path = folder / f"{name}.py"
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == source:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=folder, suffix=".draft")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source)
    Path(draft).replace(path)
    forget_oldest(folder)
    return path


def forget_oldest(folder: Path) -> None:
    """Delete the modules that were written first, if there are more than are to be kept."""
    for path in sorted(folder.glob("loop_*.py"), key=written_at)[:-KEPT]:
        path.unlink(missing_ok=True)
        for made_of_it in (folder / "__pycache__").glob(f"{path.stem}.*"):
            made_of_it.unlink(missing_ok=True)


def written_at(path: Path) -> float:
    """When a file was written; long ago, if another process has deleted it since."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def loop_of(source: str, stage: str, arrays: Sequence[Any]) -> Loop:
    """The loop over time of a source: compiled, or as Python where there is no Numba.

    Args:
        source: from `planning`.
        stage: "forward" or "backward".
        arrays: what it takes, from the plan.
    """
    backend = current_backend()
    roles = tuple((array.role, array.dtype) for array in arrays)
    return compiled_loop(source, stage, roles, backend)


@functools.lru_cache(maxsize=512)
def compiled_loop(
    source: str, stage: str, roles: tuple[tuple[str, str], ...], backend: str
) -> Loop:
    """As `loop_of`, once for each loop."""
    module = loaded(source, backend)
    loop: Loop = getattr(module, stage)
    if backend == "numpy":
        return quiet(loop)
    parts = [name for name in vars(module) if name.startswith(f"{stage}_")]
    for name in parts:
        part = getattr(module, name)
        setattr(module, name, jit(part, keep=False))
    if module.__spec__ is None:
        return jit(loop, signature=signature(roles), keep=False)
    try:
        return jit(loop, signature=signature(roles))
    except Exception as error:  # whatever is wrong with what was kept, it can be made again
        warnings.warn(
            f"the compiled loops in {cache_folder()} could not be used ({error}); they are "
            "compiled again in this process. `tg doctor --clear` empties the folder.",
            RuntimeWarning,
            stacklevel=2,
        )
        return jit(loop, signature=signature(roles), keep=False)


def signature(roles: Sequence[tuple[str, str]]) -> Any:
    """The types that a loop is compiled for: one for all callers, so that none compiles again."""
    from numba import types

    def array(role: str, dtype: str) -> Any:
        kind = types.boolean if dtype == "bool" else getattr(types, dtype)
        return types.Array(kind, AXES.get(role, 1), "A" if role == "sequence" else "C")

    return types.void(*(types.int64,) * 4, *(array(*role) for role in roles))


def quiet(loop: Loop) -> Loop:
    """A loop in Python, with infinities and NaN as silent as compiled ones are."""

    def run(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            loop(*arguments)

    return run
