"""Read a page as an author wrote it: its prose, its code, what it includes and what it shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

FENCE = re.compile(r"^\s*(?P<ticks>`{3,}|~{3,})(?P<info>.*)$")
INCLUDE = re.compile(r'^\s*-+8<-+\s+"(?P<what>[^"]+)"\s*$')
BLOCK = re.compile(
    r"^\s*(?P<slashes>/{3,})[ \t]*(?:(?P<name>[\w-]+)(?:\s*\|\s*(?P<what>.*?))?)?\s*$"
)
ADMONITION = re.compile(r"^\s*!!!\s+(?P<kind>[\w-]+)(?P<classes>(?:\s+[\w-]+)*)")
VALUE = re.compile(r"\{\{\s*(?P<where>[\w-]+\.[\w-]+)[^{}]*\}\}")
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.S)

# What may hold digits that no run has measured.
NOT_PROSE = [
    re.compile(pattern, re.S)
    for pattern in (
        r"<!--.*?-->",
        r"<(script|style|svg)\b.*?</\1>",
        r"\$\$.*?\$\$",
        r"(?<!\\)\$[^$\n]+\$",
        r"(`+)[^`].*?\1",
        r"\{\{.*?\}\}",
        r"\{[^{}\n]*\}",
        r"\]\([^)\s]*\)",
        r"<[^>]+>",
        r"(https?://|doi:|arXiv:)\S+",
        r"\b10\.\d{4,}/\S+",
    )
]


@dataclass(frozen=True)
class Fence:
    """A fenced block: the line it opens on, what stands behind the ticks, and its lines."""

    line: int
    info: str
    body: list[str]

    @property
    def language(self) -> str:
        """Its language, lower case; empty if it names none."""
        word = re.match(r"\s*(?:\{\s*\.)?([\w+-]*)", self.info)
        return word[1].lower() if word else ""


@dataclass(frozen=True)
class Shown:
    """A block, by its line, its name and what it shows, such as `figure` and `05.loss`."""

    line: int
    name: str
    what: str


@dataclass(frozen=True)
class Page:
    """A page's source."""

    path: Path

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text("utf-8")

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Its front matter."""
        found = FRONT_MATTER.match(self.text)
        return (yaml.safe_load(found[1]) if found else None) or {}

    @cached_property
    def fences(self) -> list[Fence]:
        """Its fenced blocks; one that stands in another is only text."""
        return [fence for fence, _ in self._split() if fence is not None]

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """Its numbered lines outside of fenced blocks and front matter."""
        skipped = FRONT_MATTER.match(self.text)
        first = skipped[0].count("\n") if skipped else 0
        return [(n, line) for fence, (n, line) in self._split() if fence is None and n > first]

    def _split(self) -> Iterator[tuple[Fence | None, tuple[int, str]]]:
        opened: Fence | None = None
        ticks = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            fence = FENCE.match(line)
            if opened is not None:
                if fence and fence["ticks"].startswith(ticks) and not fence["info"].strip():
                    opened = None
                else:
                    opened.body.append(line)
            elif fence:
                opened, ticks = Fence(number, fence["info"], []), fence["ticks"]
                yield opened, (number, line)
            else:
                yield None, (number, line)

    @cached_property
    def title(self) -> str:
        """Its heading of the first level."""
        headings = (line for _, line in self.lines if line.startswith("# "))
        return next(headings, "# ")[2:].strip()

    @cached_property
    def includes(self) -> list[tuple[int, str]]:
        """Every included file or region, by line. What a fence shows of Markdown does not count."""
        found = [(n, INCLUDE.match(line)) for n, line in self.lines]
        for fence in self.fences:
            if fence.language not in ("markdown", "md"):
                lines = enumerate(fence.body, start=fence.line + 1)
                found += [(n, INCLUDE.match(line)) for n, line in lines]
        return [(n, include["what"]) for n, include in found if include]

    @cached_property
    def blocks(self) -> list[Shown]:
        """Every opening `/// name | what`."""
        found = ((n, BLOCK.match(line)) for n, line in self.lines)
        return [Shown(n, b["name"], b["what"] or "") for n, b in found if b and b["name"]]

    @cached_property
    def unclosed(self) -> list[Shown]:
        """The blocks that nothing closes."""
        opened: list[tuple[str, Shown]] = []
        for n, line in self.lines:
            block = BLOCK.match(line)
            if block and block["name"]:
                opened.append((block["slashes"], Shown(n, block["name"], block["what"] or "")))
            elif block:
                same = [i for i, (slashes, _) in enumerate(opened) if slashes == block["slashes"]]
                del opened[same[-1] if same else len(opened) :]
        return [shown for _, shown in opened]

    @cached_property
    def admonitions(self) -> list[str]:
        """The kinds of its admonitions, each with its classes: `exercise core`."""
        found = (ADMONITION.match(line) for _, line in self.lines)
        return [f"{a['kind']}{a['classes']}" for a in found if a]

    @cached_property
    def values(self) -> list[str]:
        """Every `05.name` that a sentence quotes."""
        return [value["where"] for _, line in self.lines for value in VALUE.finditer(line)]

    @cached_property
    def prose(self) -> list[tuple[int, str]]:
        """Its numbered lines of prose, without math, code, addresses and quoted values."""
        numbers = [n for n, _ in self.lines]
        text = "\n".join(line for _, line in self.lines)
        for pattern in NOT_PROSE:
            text = pattern.sub(lambda match: "\n" * match[0].count("\n"), text)
        return list(zip(numbers, text.split("\n"), strict=True))
