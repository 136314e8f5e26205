"""Which package stands on which: the library's imports, read from its source.

A package imports only from those below it, so each can be understood without what is above. The
tests hold the code to `FLOORS`, and `pictures` draws what they let pass.

>>> "engine" in standing_on()["nn"]
True
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinygrad_rnn.book.contents import SCRIPT

FLOORS = (
    "kernels",
    "engine",
    "ops",
    "compiler",
    "nn",
    "optim",
    "data",
    "train",
    "decode",
    "interop",
    "plot",
    "book",
    "course",
    "cli",
)
"""From the ground up."""

ROOT = "compiler"  # `tinygrad_rnn` itself imports up to here, and is above it

LIBRARY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Import:
    """One import of a module of the library by another.

    Attributes:
        by: the module that imports.
        of: the module that is imported.
        deferred: whether that waits until a function is called, or is for type checkers only.
    """

    by: str
    of: str
    deferred: bool


def floor(module: str) -> str:
    """The package that a module is in; the library's own name for one that is in none."""
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def modules(library: Path = LIBRARY) -> dict[str, Path]:
    """Every module by its dotted name."""
    paths = sorted(library.rglob("*.py"))
    return {_dotted(path, library): path for path in paths}


def _dotted(path: Path, library: Path) -> str:
    parts = path.relative_to(library.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(library: Path = LIBRARY) -> list[Import]:
    """Every import of one of the library's modules by another."""
    known = modules(library)
    return [
        Import(by, of, deferred)
        for by, path in known.items()
        for name, deferred in _imported(ast.parse(path.read_text("utf-8")))
        for of in [name if name in known else name.rpartition(".")[0]]
        if of in known and of != by
    ]


def _imported(node: ast.AST, deferred: bool = False) -> Iterator[tuple[str, bool]]:
    """The names that a piece of source imports, as dotted paths, from the outside in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, deferred) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((f"{child.module}.{alias.name}", deferred) for alias in child.names)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from _imported(child, deferred or function or typing)


def is_script(module: str) -> bool:
    """Whether a module is a chapter's script: a reader of the library rather than a part of it."""
    return SCRIPT.fullmatch(f"{module.rpartition('.')[2]}.py") is not None


def standing_on(library: Path = LIBRARY) -> dict[str, list[str]]:
    """For each package, from the ground up, those that it imports from."""
    found: dict[str, set[str]] = {name: set() for name in FLOORS if (library / name).is_dir()}
    for each in imports(library):
        by, of = floor(each.by), floor(each.of)
        if by in found and of in found and by != of and not is_script(each.by):
            found[by].add(of)
    return {name: sorted(below, key=FLOORS.index) for name, below in found.items()}
