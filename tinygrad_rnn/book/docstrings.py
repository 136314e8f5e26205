r"""Read derivations out of docstrings, from the source alone.

A page shows the very text that stands above the code. Nothing is imported for it, so a site is
built without running the library.

>>> print(derivation("tinygrad_rnn.ops.activations.tanh").splitlines()[0])
The quotient rule on $(e^x - e^{-x}) / (e^x + e^{-x})$ gives $dy/dx = 1 - y^2$, so
"""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[2]
SECTION = re.compile(r"(?m)^(?P<name>[A-Z][A-Za-z ]*):[ \t]*$")


@dataclass(frozen=True)
class Documented:
    """A docstring and where it stands.

    Attributes:
        path: the dotted path of what it documents.
        file: the source file,
        line: and the line of the definition.
        text: the docstring, without its indentation.
    """

    path: str
    file: Path
    line: int
    text: str

    def section(self, name: str) -> str | None:
        """The text under a heading such as `Derivation:`, or None if there is no such heading."""
        for heading in SECTION.finditer(self.text):
            if heading["name"] == name:
                return _indented(self.text[heading.end() :])
        return None

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.text.split("\n\n", 1)[0].split())


def _indented(text: str) -> str:
    """The indented lines at the beginning of a text; a line at the margin ends a section."""
    lines: list[str] = []
    for line in text.strip("\n").split("\n"):
        if line and not line[0].isspace():
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip()


def documented(path: str, root: Path = PACKAGES) -> Documented:
    """Find what a dotted path names, module and definition, and its docstring.

    Raises:
        LookupError: if there is no such module, definition or docstring.
    """
    file, names = _module(path, root)
    found: ast.AST = _parsed(file)
    for name in names:
        found = _definition(found, name, path, file)
    text = ast.get_docstring(found) if isinstance(found, _DOCUMENTABLE) else None
    if text is None:
        raise LookupError(f"{path} has no docstring (in {file.relative_to(root)})")
    return Documented(path, file, getattr(found, "lineno", 1), inspect.cleandoc(text))


_DOCUMENTABLE = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _module(path: str, root: Path) -> tuple[Path, list[str]]:
    """The longest beginning of a path that is a module's file, and the names left."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        base = root.joinpath(*parts[:end])
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.exists():
                return file, parts[end:]
    raise LookupError(f"{path}: no module of that name; give module and definition, as in a.b.f")


@cache
def _parsed_at(file: Path, modified: float) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _parsed(file: Path) -> ast.Module:
    return _parsed_at(file, file.stat().st_mtime)


def _definition(within: ast.AST, name: str, path: str, file: Path) -> ast.AST:
    known = []
    for node in getattr(within, "body", []):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == name:
                return node
            known.append(node.name)
    raise LookupError(f"{path}: {file.name} defines no {name!r}; it defines {', '.join(known)}")


def derivation(path: str, root: Path = PACKAGES) -> str:
    """The `Derivation:` of an object's docstring, in Markdown with every `$$` on its own.

    Raises:
        LookupError: if there is no such object, or its docstring derives nothing.
    """
    text = documented(path, root).section("Derivation")
    if not text:
        raise LookupError(f"{path}: its docstring has no `Derivation:` section")
    return displayed(text)


def displayed(text: str) -> str:
    """Put each `$$…$$` in a paragraph of its own, which is where Markdown takes it for math.

    Text that follows a list item without a blank line belongs to the item, as in a docstring one
    expects it to.
    """
    lines: list[str] = []
    inner = ""  # the indentation of what belongs to the current list item
    for i, piece in enumerate(re.split(r"(?s)\$\$(.+?)\$\$", text)):
        if i % 2:
            math = [line.strip() for line in piece.strip().splitlines()]
            lines += ["", *(inner + line for line in ["$$", *math, "$$"]), ""]
            continue
        after_blank = False
        for line in piece.strip(" ").removeprefix("\n").removesuffix("\n").split("\n"):
            item = re.match(r"(\s*)(\d+\.|[-*])\s", line)
            if item:
                inner = item[1] + "    "
                if i and lines[-1]:
                    lines.append("")  # or Markdown takes the item for more of the paragraph
            elif after_blank and line and not line[0].isspace():
                inner = ""
            after_blank = not line.strip()
            lines.append(line if item or not inner else (inner + line.strip()).rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
