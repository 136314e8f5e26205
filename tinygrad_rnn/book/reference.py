r"""Makes the house style of docstrings readable to the reference pages: a Griffe extension.

Named in mkdocs.yml. It changes what mkdocstrings sees, never the source: an `Example:` is what
Griffe calls `Examples:`, a doctest that stands in the text is code, a `$$…$$` is a paragraph of its
own, and a table ruled with `===` is a table.

>>> readable("Twice.\n\nExample:\n    >>> twice(2)\n    4")
'Twice.\n\nExamples:\n    >>> twice(2)\n    4'
"""

import re
from textwrap import dedent, indent
from typing import Any

import griffe

from tinygrad_rnn.book.docstrings import displayed

EXAMPLE = re.compile(r"(?m)^Example:$")
DOCTEST = re.compile(r"(?m)^>>> .*(?:\n(?!$).+)*")
INDENTED = re.compile(r"(?m)((?:^ +\S.*(?:\n|\Z)|^\n+(?= ))+)")
TABLE = re.compile(
    r"(?m)^(?P<ruler>=+(?: +=+)+)\n"
    r"(?:(?P<head>.+)\n(?P=ruler)\n)?"
    r"(?P<rows>(?:[^=\n].*\n)+)(?P=ruler)$"
)


def readable(docstring: str) -> str:
    """Rewrite a docstring into what Griffe and Markdown understand."""
    pieces = INDENTED.split(docstring)  # at the margin, indented, at the margin, …
    for i, piece in enumerate(pieces):
        if "$$" in piece:
            before, text, after = piece.partition(piece.strip("\n"))
            text = displayed(dedent(text)).strip()
            pieces[i] = before + indent(text, " " * 4 * (i % 2)) + after
    text = TABLE.sub(as_markdown, EXAMPLE.sub("Examples:", "".join(pieces)))
    return DOCTEST.sub(lambda doctest: f"```pycon\n{doctest[0]}\n```", text)


def as_markdown(table: re.Match[str]) -> str:
    """Write a ruled table with pipes; each column begins where its rule does."""
    starts = [rule.start() for rule in re.finditer("=+", table["ruler"])]
    columns = list(zip(starts, [*starts[1:], None], strict=True))

    def row(line: str) -> str:
        cells = [line[start:end].strip().replace("|", r"\|") for start, end in columns]
        return f"| {' | '.join(cells)} |"

    head, rows = table["head"] or "", table["rows"].splitlines()
    return "\n".join([row(head), "|---" * len(columns) + "|", *map(row, rows)])


def publish(package: griffe.Module) -> None:
    """Let a package's modules make public the names that the package offers, and no others."""
    offered: dict[str, list[str]] = {}
    for name in map(str, package.exports or ()):
        member = package.members.get(name)
        if isinstance(member, griffe.Alias):
            module, _, own = member.target_path.rpartition(".")
            offered.setdefault(module, []).append(own)
        elif isinstance(member, griffe.Module) and name in member.members:  # `tensor` of `tensor`
            offered.setdefault(member.path, []).append(name)
    for member in package.members.values():
        if isinstance(member, griffe.Module) and member.path in offered:
            member.exports = list(offered[member.path])


class Docstrings(griffe.Extension):
    """Rewrites the docstring of everything that Griffe has loaded, and settles what is public."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module's member."""
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite the docstring of the module that holds all others; settle what is public."""
        self.on_object(obj=pkg)
        for member in list(pkg.members.values()):
            if isinstance(member, griffe.Module):
                publish(member)
