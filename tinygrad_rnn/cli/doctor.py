r"""What this machine offers to tinygrad_rnn, and what to do about what it lacks.

Each check looks at one thing and returns a `Finding`; `examine` makes them all.
"""

import importlib
import importlib.util
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

__all__ = ["Finding", "examine"]

KOREAN = "한국어"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        status: "ok", or "lacking" if something useful is missing.
        detail: What is there.
        remedy: What to do about it, empty if all is well.
    """

    name: str
    status: Literal["ok", "lacking"]
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Make every check."""
    return [check() for check in CHECKS]


def python() -> Finding:
    """The interpreter's version, and the cores that it may use."""
    detail = f"{platform.python_implementation()} {platform.python_version()}, {cores()} cores"
    return Finding("Python", "ok", detail)


def numpy() -> Finding:
    """NumPy, and who multiplies its matrices."""
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    detail = f"{np.__version__}, BLAS {blas['name']} {blas['version']}"
    if blas["name"] in ("none", "blas", "cblas", "netlib"):
        remedy = "python -m pip install --force-reinstall numpy (its wheels bring OpenBLAS)"
        return Finding("NumPy", "lacking", f"{detail}: unoptimised", remedy)
    return Finding("NumPy", "ok", detail)


def numba() -> Finding:
    """Numba, and those of its threading layers that load."""
    if not installed("numba"):
        return not_installed("Numba", "compiled")
    pools = {"tbb": "tbbpool", "omp": "omppool", "workqueue": "workqueue"}
    layers = [name for name, pool in pools.items() if loads(f"numba.np.ufunc.{pool}")]
    detail = f"{version('numba')}, threading layers: {', '.join(layers) or 'none'}"
    if not layers:
        remedy = "python -m pip install --force-reinstall numba (its wheels bring workqueue)"
        return Finding("Numba", "lacking", detail, remedy)
    return Finding("Numba", "ok", detail)


def kernel_cache() -> Finding:
    """Whether compiled kernels can be kept on disk, as Numba itself decides it."""
    if not installed("numba"):
        return not_installed("Kernel cache", "compiled")
    from numba import njit

    try:
        folder = str(njit(cache=True)(cores).stats.cache_path)
    except RuntimeError:
        return Finding(
            *("Kernel cache", "lacking", "no folder can be written: kernels compile every time"),
            "set NUMBA_CACHE_DIR to a folder that can be written",
        )
    return Finding("Kernel cache", "ok", folder)


def compiled_loops() -> Finding:
    """Where compiled loops over time are kept, how many there are, and how large."""
    from tinygrad_rnn.compiler.loading import kept_files, kept_loops
    from tinygrad_rnn.kernels.machine_code import FOLDER, cache_folder

    folder, count = cache_folder(), len(kept_loops())
    size = sum(path.stat().st_size for path in kept_files())
    kept = f"{count} module{'' if count == 1 else 's'}, {size / 1e6:.1f} MB"
    if not writable(folder):
        return Finding(
            *("Compiled loops", "lacking", f"{folder}: {kept}, but nothing can be written there"),
            f"set {FOLDER} to a folder that can be written; till then every process compiles anew",
        )
    return Finding("Compiled loops", "ok", f"{folder}: {kept}")


def documentation() -> Finding:
    """The text that `tg start` trains on."""
    from tinygrad_rnn.data import python_docs

    try:
        docs = python_docs()
    except ModuleNotFoundError:
        return Finding(
            *(
                "Training text",
                "lacking",
                "this Python lacks pydoc_data; builtins' docstrings serve",
            ),
            "install Python with its full standard library",
        )
    return Finding("Training text", "ok", f"{len(docs.text):,} characters, {docs.sha256[:12]}…")


def packages(extra: str, *modules: str) -> Callable[[], Finding]:
    """A check that the packages of an extra are there."""

    def check() -> Finding:
        name = f"Extra [{extra}]"
        missing = [module for module in modules if not installed(module)]
        if missing:
            return not_installed(name, extra, ", ".join(missing))
        return Finding(name, "ok", ", ".join(modules))

    return check


def fonts() -> Finding:
    """A font for the book's figures, and one that has Hangul."""
    if not installed("matplotlib"):
        return not_installed("Fonts", "book")
    from matplotlib import font_manager, ft2font

    def has_hangul(path: str) -> bool:
        try:
            charmap = ft2font.FT2Font(path).get_charmap()
        except (OSError, RuntimeError):
            return False
        return all(ord(letter) in charmap for letter in KOREAN)

    found = {entry.fname: entry.name for entry in font_manager.fontManager.ttflist}
    # Names that promise Hangul come first: opening hundreds of files takes seconds.
    likely = ("cjk", "kr", "nanum", "malgun", "gothic neo", "baekmuk", "un")
    ordered = sorted(found, key=lambda path: not any(k in found[path].lower() for k in likely))
    korean = next((found[path] for path in ordered if has_hangul(path)), None)
    if korean is None:
        return Finding(
            *("Fonts", "lacking", f"{len(found)} fonts, none with Hangul: Korean draws as boxes"),
            "install Noto Sans CJK or Nanum (Debian: apt install fonts-nanum), then delete "
            "matplotlib's font cache",
        )
    return Finding("Fonts", "ok", f"{len(found)} fonts, Korean in {korean}")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    numpy,
    numba,
    kernel_cache,
    compiled_loops,
    documentation,
    packages("train", "typer", "rich", "safetensors"),
    packages("book", "matplotlib", "mkdocs", "mkdocstrings", "jupytext"),
    fonts,
)


def cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def writable(folder: Path) -> bool:
    """Whether a folder could be written to, and made if it is not there; nothing is made."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def installed(module: str) -> bool:
    """Whether a module could be imported, found out without importing it."""
    return importlib.util.find_spec(module) is not None


def not_installed(name: str, extra: str, what: str = "") -> Finding:
    """The finding that an optional package is not there."""
    remedy = f'python -m pip install "tinygrad-rnn[{extra}]"'
    return Finding(name, "lacking", f"{what or name} not installed", remedy)


def loads(module: str) -> bool:
    """Whether a compiled module can be imported, its shared libraries included."""
    try:
        importlib.import_module(module)
    except (ImportError, OSError):
        return False
    return True
