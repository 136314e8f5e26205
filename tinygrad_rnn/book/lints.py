"""The book's rules, as far as a program can see to them.

Code on a page is included from the library or a script by named region, never pasted. Numbers and
figures are included from recorded runs, never typed. A chapter has all of its parts. `faults`
finds what breaks these rules; nothing is run for it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinygrad_rnn.book.contents import BOOK, Book, Entry, code_of
from tinygrad_rnn.book.execute import fingerprint
from tinygrad_rnn.book.reading import Page
from tinygrad_rnn.book.record import Record

MARKER = re.compile(r"^\s*# --8<-- \[(?P<which>start|end):(?P<name>[\w-]+)\]\s*$")
BY_LINES = re.compile(r":-?\d*(:-?\d*)*(,-?\d*(:-?\d*)?)*$")
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")
LONGEST_REGION = 40
INCLUDED_LANGUAGES = ("python", "py", "pycon")
NOT_MEASURED = "not-measured"  # the front matter's list of decimals that come from elsewhere
ABOUT_WRITING = "contributing"  # the folder of pages that show Markdown instead of using it

SHOWN_BY = {"figures": "figure", "tables": "table", "texts": "text", "derivations": "derivation"}
PARTS = ("card", "derivation", "figure", "claims", "downloads")
EXERCISES = {"warm-up": 1, "core": 2, "stretch": 1, "open": 1}


@dataclass(frozen=True)
class Fault:
    """A rule broken, and where."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file.as_posix()}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Region:
    """A named part of a source file, and how many lines it has; -1 if a marker stands alone."""

    file: Path
    name: str
    line: int
    length: int


def faults(book: Book = BOOK) -> list[Fault]:
    """Everything in a book that breaks its rules, files as paths from its root."""
    pages = [
        Page(path) for path in sorted(book.docs.rglob("*.md")) if path.parent.name != "recorded"
    ]
    book_pages = [p for p in pages if p.path.relative_to(book.docs).parts[0] != ABOUT_WRITING]
    found = [
        *(fault for page in pages for rule in PAGE_RULES for fault in rule(page)),
        *(fault for page in book_pages for rule in BOOK_PAGE_RULES for fault in rule(page)),
        *unfit_regions(sources(book)),
        *unused_regions(book, pages),
        *shown_markers(book, pages),
    ]
    for entry in book.entries():
        if not entry.page.exists():
            address = entry.page.relative_to(book.root).as_posix()
            found.append(Fault(entry.script, 1, f"has no page: write {address}"))
        elif not (entry.recorded / "record.json").exists():
            found.append(Fault(entry.page, 1, f"nothing is recorded: `{entry.command}`"))
        else:
            rules = ENTRY_RULES + CHAPTER_RULES * entry.is_chapter
            found += [fault for rule in rules for fault in rule(entry, Page(entry.page), pages)]
    return [Fault(f.file.relative_to(book.root), f.line, f.message) for f in found]


def sources(book: Book) -> list[Path]:
    """The package's source files, those of the scripts among them."""
    package = book.scripts.parent
    return sorted(package.rglob("*.py"))


# Every page -----------------------------------------------------------------------------------


def included_by_lines(page: Page) -> Iterator[Fault]:
    """Lines move; names stay."""
    for line, what in page.includes:
        if BY_LINES.search(what):
            yield Fault(page.path, line, f"includes {what} by lines: give the region a name")


def unclosed_blocks(page: Page) -> Iterator[Fault]:
    """An open block swallows the rest of the page."""
    for block in page.unclosed:
        yield Fault(page.path, block.line, f"/// {block.name} is not closed: write /// under it")


def unknown_blocks(page: Page) -> Iterator[Fault]:
    """A misspelt block would be printed as it stands."""
    from tinygrad_rnn.book.markdown import BLOCKS

    known = [block.NAME for block in BLOCKS]
    for block in page.blocks:
        if block.name not in known:
            names = ", ".join(known)
            yield Fault(
                page.path, block.line, f"no block is called {block.name!r}; there are {names}"
            )


PAGE_RULES: tuple[Callable[[Page], Iterator[Fault]], ...] = (
    included_by_lines,
    unclosed_blocks,
    unknown_blocks,
)


# Every page of the book -----------------------------------------------------------------------


def pasted_code(page: Page) -> Iterator[Fault]:
    """Pasted code goes stale; included code is the library's."""
    for fence in page.fences:
        lines = [line.strip() for line in fence.body if line.strip()]
        if fence.language in INCLUDED_LANGUAGES and any("8<" not in line for line in lines):
            message = "Python code is pasted: include a named region of the library or a script"
            yield Fault(page.path, fence.line, message)


def typed_numbers(page: Page) -> Iterator[Fault]:
    """A typed number goes stale; a quoted one is checked."""
    allowed = {str(number) for number in page.meta.get(NOT_MEASURED, [])}
    for line, text in page.prose:
        for number in DECIMAL.findall(text):
            if number not in allowed:
                message = (
                    f"{number} is typed: quote what was recorded, as {{{{ 05.name }}}}, write it "
                    f"as math, or list it in the front matter under {NOT_MEASURED}"
                )
                yield Fault(page.path, line, message)


BOOK_PAGE_RULES = (pasted_code, typed_numbers)


# Regions --------------------------------------------------------------------------------------


def regions(file: Path) -> list[Region]:
    """The regions of a source file, in the order in which they end."""
    opened: dict[str, int] = {}
    found = []
    lines = file.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        marker = MARKER.match(line)
        if marker is None:
            continue
        name = marker["name"]
        if marker["which"] == "start":
            if name in opened:
                found.append(Region(file, name, opened[name], -1))
            opened[name] = number
        elif name in opened:
            start = opened.pop(name)
            found.append(Region(file, name, start, shown(lines[start : number - 1])))
        else:
            found.append(Region(file, name, number, -1))
    return found + [Region(file, name, line, -1) for name, line in opened.items()]


def shown(lines: list[str]) -> int:
    """How many lines of a region a page shows: inner markers and blank lines at the end go."""
    text = "\n".join(line for line in lines if not MARKER.match(line)).rstrip()
    return text.count("\n") + bool(text)


def unfit_regions(files: list[Path]) -> Iterator[Fault]:
    """An unclosed region publishes the rest of its file; a long one is not read."""
    for file in files:
        found = regions(file)
        counts = Counter(region.name for region in found)
        for region in found:
            if region.length < 0:
                message = f"region {region.name!r} has a start without an end, or the reverse"
                yield Fault(file, region.line, message)
            elif region.length > LONGEST_REGION:
                message = (
                    f"region {region.name!r} has {region.length} lines, more than a page shows"
                )
                yield Fault(file, region.line, f"{message}: at most {LONGEST_REGION}")
        for name, count in counts.items():
            if count > 1:
                yield Fault(file, 1, f"{count} regions are called {name!r}")


def unused_regions(book: Book, pages: list[Page]) -> Iterator[Fault]:
    """A region of a script that no page shows is left over."""
    shown = {what for page in pages for _, what in page.includes}
    for entry in book.entries():
        address = entry.script.relative_to(book.root).as_posix()
        for region in regions(entry.script):
            if f"{address}:{region.name}" not in shown:
                yield Fault(entry.script, region.line, f"no page includes region {region.name!r}")


def shown_markers(book: Book, pages: list[Page]) -> Iterator[Fault]:
    """A source that mkdocstrings prints would have its region markers in it."""
    marked = {file for file in sources(book) if regions(file)}
    modules = {".".join(f.relative_to(book.root).with_suffix("").parts): f for f in marked}
    for page in pages:
        for n, line in page.lines:
            target = re.match(r"\s*::: ([\w.]+)", line)
            options = page.text.splitlines()[n : n + 12]
            shows = any(re.match(r"\s+show_source: true", option) for option in options)
            if target and shows and any(m.startswith(target[1]) for m in modules):
                message = (
                    f"show_source must be off for {target[1]}: its source holds region markers"
                )
                yield Fault(page.path, n, message)


# Pages made from a script ---------------------------------------------------------------------


def stale_record(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """A record speaks of the code that was run."""
    record = Record.read(entry.recorded)
    if record.fingerprint != fingerprint(code_of(entry.script)):
        message = f"the code has changed since it was recorded: `{entry.command}`"
        yield Fault(entry.script, 1, message)


def untrue_record(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """Every claim holds, every badge is below its bound, every metric in its band."""
    for kind, name, message in Record.read(entry.recorded).problems():
        yield Fault(entry.recorded / "record.json", 1, f"{kind} {name}: {message}")


def wrong_files(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """The folder holds what the record names, and nothing else."""
    named = Record.read(entry.recorded).files()
    there = {path.name for path in entry.recorded.iterdir()}
    for name in sorted(named - there):
        yield Fault(entry.recorded / name, 1, f"is missing: `{entry.command}`")
    for name in sorted(there - named):
        yield Fault(entry.recorded / name, 1, "is no part of the record: delete it")


def unshown_records(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """What is recorded is shown."""
    record = Record.read(entry.recorded)
    shown = {(block.name, full(block.what)) for p in pages for block in p.blocks}
    for kind, block in SHOWN_BY.items():
        for name in getattr(record, kind):
            where = f"{record.key}.{name}"
            in_stepper = kind == "figures" and any(f"figure: {where}" in p.text for p in pages)
            if (block, where) not in shown and not in_stepper:
                yield Fault(
                    page.path, 1, f"{where} is recorded but not shown: /// {block} | {where}"
                )
    for name in record.exports:
        where = f"{record.key}.{name}"
        if ("stepper", where) not in shown and not any(f"{name}.json" in p.text for p in pages):
            yield Fault(page.path, 1, f"{where} is exported, but no page uses {name}.json")


def full(reference: str) -> str:
    """A reference with the chapter in two digits."""
    return re.sub(r"^\d\b", lambda digit: f"0{digit[0]}", reference)


def told_twice(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """Title and question are the script's; the page's header takes them from there."""
    record = Record.read(entry.recorded)
    if page.title != record.title:
        yield Fault(page.path, 1, f"is titled {page.title!r}, its script {record.title!r}")
    for name in ("question", "chapter"):
        if name in page.meta:
            yield Fault(
                page.path, 1, f"states its {name}, which is its script's to say: leave it out"
            )


Rule = Callable[[Entry, Page, list[Page]], Iterator[Fault]]
ENTRY_RULES: tuple[Rule, ...] = (
    stale_record,
    untrue_record,
    wrong_files,
    unshown_records,
    told_twice,
)


# Chapters -------------------------------------------------------------------------------------


def missing_blocks(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """A chapter has all the parts that come from its record."""
    own = {block.name for block in page.blocks if full(block.what).startswith(entry.key)}
    for part in PARTS:
        if part not in own:
            yield Fault(page.path, 1, f"has no /// {part} | {entry.key}…")


def missing_questions(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """A chapter asks before it tells, and after."""
    if "predict" not in page.admonitions:
        yield Fault(page.path, 1, 'has no !!! predict "…"')
    levels = Counter(a.removeprefix("exercise ") for a in page.admonitions if "exercise" in a)
    for level, count in EXERCISES.items():
        if levels[level] < count:
            wanted = f"{count} exercise{'s' * (count > 1)}"
            message = f"has {levels[level]} of {wanted} of level {level}: !!! exercise {level}"
            yield Fault(page.path, 1, message)


def missing_code(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """A chapter shows code, and lets the reader run some."""
    if not any(f.language in INCLUDED_LANGUAGES for f in page.fences):
        yield Fault(page.path, 1, "shows no code")
    if not any("tg-run" in f.info for f in page.fences):
        yield Fault(page.path, 1, "has no code to run in the browser: ```{ .python .tg-run }")


def missing_baseline(entry: Entry, page: Page, pages: list[Page]) -> Iterator[Fault]:
    """An experiment says of which data, and how well the naive method does."""
    record = Record.read(entry.recorded)
    quoted = {full(where) for where in page.values}
    baselines = [f"{record.key}.{name}" for name in record.metrics if "baseline" in name]
    if not quoted.intersection(baselines):
        yield Fault(page.path, 1, "quotes no metric whose name contains 'baseline'")
    for what in ("question", "data", "prerequisites"):
        if not getattr(record, what):
            yield Fault(entry.script, 1, f"its Chapter has no {what}")


CHAPTER_RULES: tuple[Rule, ...] = (
    missing_blocks,
    missing_questions,
    missing_code,
    missing_baseline,
)
