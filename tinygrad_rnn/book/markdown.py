r"""Write in a page what a script recorded: a Python-Markdown extension.

A number stands in a sentence as `{{ 05.bits_per_character }}`, or `{{ 05.loss:.3f }}` with a
format as in Python. Everything bigger is a block, of the same form whatever it shows:

    /// figure | 05.loss
    ///

The blocks are `card`, `claims`, `derivation`, `downloads`, `figure`, `stepper`, `table` and
`text`. A block that a page gives a content of its own shows that after what was recorded. What
is unknown, misspelt or not recorded ends the build; see `quoting`.

>>> import markdown
>>> markdown.markdown("/// card | 42\n///", extensions=["tinygrad_rnn.book.markdown"])
Traceback (most recent call last):
    ...
tinygrad_rnn.book.quoting.PageError: the book has no script '42'; it has: ...
"""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, ClassVar

from markdown import Markdown
from markdown.inlinepatterns import InlineProcessor
from markdown.util import AtomicString
from pymdownx.blocks import BlocksExtension, BlocksProcessor
from pymdownx.blocks.block import Block, type_boolean, type_string

from tinygrad_rnn.book.bands import EXACT
from tinygrad_rnn.book.contents import BOOK, Book
from tinygrad_rnn.book.docstrings import derivation, documented
from tinygrad_rnn.book.presentation import ROWS, quantity, tables, thinned
from tinygrad_rnn.book.quoting import PageError, Quotes
from tinygrad_rnn.book.record import Metric, Record, Run, Source

VALUE = r"\{\{(?P<reference>[^{}\n]*)\}\}"
REFERENCE = re.compile(r"\s*(?P<where>[\w-]+\.[\w-]+)\s*(?::(?P<spec>[^\s:]*)\s*)?")


def add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    """Append an element whose text is Markdown; `class_` and the like lose their underscore."""
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    element = ET.SubElement(parent, tag, given)
    element.text = text or None
    return element


class Value(InlineProcessor):  # type: ignore[misc]
    """`{{ 05.name }}`: a recorded number, with its band on hover."""

    def __init__(self, md: Markdown, quotes: Quotes) -> None:
        super().__init__(VALUE, md)
        self.quotes = quotes

    def handleMatch(  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[ET.Element, int, int]:
        """Replace one reference."""
        reference = REFERENCE.fullmatch(m["reference"])
        if reference is None:
            raise PageError(f"{m[0]}: expected {{{{ 05.name }}}} or {{{{ 05.name:.3f }}}}")
        record, _, metric = self.quotes.find(reference["where"], "metrics")
        element = ET.Element("data", {"class": "tg-value", "value": str(metric.value)})
        element.set("title", f"recorded by {record.command}; expected {metric.band}")
        try:
            number = quantity(metric.value, spec=reference["spec"] or "")
        except ValueError as error:
            raise PageError(f"{m[0]}: {error}") from None
        element.text = AtomicString(number)
        return element, m.start(0), m.end(0)


class Recorded(Block):  # type: ignore[misc]
    """A block that shows something recorded. A mistake in it raises instead of being shown."""

    ARGUMENT = True

    @property
    def quotes(self) -> Quotes:
        """The records."""
        quotes: Quotes = self.config["quotes"]
        return quotes

    def _validate(self, parent: ET.Element, arg: Any, **options: Any) -> bool:
        """Refuse what pymdownx would print as it stands."""
        if not super()._validate(parent, arg, **options):
            known = ", ".join(sorted(self.option_spec))
            raise PageError(
                f"/// {self.NAME} | {arg}: expected `/// {self.NAME} | 05…`, options {known}, "
                f"got {options or 'none'}"
            )
        return True

    def parse(self, parent: ET.Element, text: str) -> None:
        """Append Markdown."""
        self._block_mgr.parser.parseChunk(parent, text)

    def insert(self, parent: ET.Element, html: str) -> None:
        """Put HTML into an element as it is."""
        parent.text = AtomicString(self.md.htmlStash.store(html))

    def print(self, parent: ET.Element, text: str, class_: str) -> None:
        """Append preformatted text, as the site shows code."""
        frame = add(parent, "div", class_=f"highlight {class_}")
        add(add(frame, "pre"), "code").text = AtomicString(text)


class Card(Recorded):
    """`/// card | 05`: how to repeat the run, and what to expect of it."""

    NAME = "card"

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the card."""
        record = self.quotes.record(self.argument)
        kind = "chapter" if self.quotes.entry(self.argument).is_chapter else "page"
        card = add(parent, "div", class_="admonition reproduction")
        add(card, "p", f"Reproduce this {kind}", class_="admonition-title")
        self.print(card, f"$ {record.command}\n", "language-console")
        facts = add(card, "dl")
        self.facts(facts, record)
        return card

    def facts(self, facts: ET.Element, record: Record) -> None:
        """Append terms, each with its lines."""
        table = {
            "Read before": [self.prerequisite(p) for p in record.prerequisites],
            "Expected": [expectation(name, metric) for name, metric in record.metrics.items()],
            "Seed": [str(record.seed)],
            "Time and memory": [cost(run) for run in [record.run] if run],
            "Recorded with": [versions(run) for run in [record.run] if run],
            "Data": [provenance(source) for source in record.data],
        }
        for term, lines in table.items():
            if lines:
                add(facts, "dt", term)
                description = add(facts, "dd")
                for line in lines:
                    add(description, "div", line)

    def prerequisite(self, prerequisite: int | str) -> str:
        """A link to a chapter, in Markdown."""
        if isinstance(prerequisite, str):
            return prerequisite
        chapter = self.quotes.record(str(prerequisite))
        link = self.quotes.link(chapter.key, "index.md")
        return f"[chapter {prerequisite}, {chapter.title}]({link})"


def expectation(name: str, metric: Metric) -> str:
    """A metric and what a re-run must give, on a card."""
    value = quantity(metric.value, metric.unit)
    band = "" if metric.band == EXACT else f", expected {metric.band}"
    return f"{name.replace('_', ' ')} {value}{band}"


def versions(run: Run) -> str:
    """The versions that shaped a record, on a card."""
    return ", ".join(f"{name} {version}" for name, version in run.versions.items())


def cost(run: Run) -> str:
    """What a run took, on a card."""
    memory = f", {run.peak_memory:,} MiB" if run.peak_memory is not None else ""
    return f"{run.seconds:g} s{memory} on {run.cores} core{'s' * (run.cores > 1)}"


def provenance(source: Source) -> str:
    """A data set, on a card."""
    facts = [source.licence] * bool(source.licence)
    facts += [f"SHA-256 `{source.sha256[:16]}`"] * bool(source.sha256)
    return " ".join(
        [source.name, *([f"({', '.join(facts)})."] if facts else []), source.citation]
    ).strip()


class Claims(Recorded):
    """`/// claims | 05`: the sentences that could be false, each with its measured value."""

    NAME = "claims"

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the table."""
        record = self.quotes.record(self.argument)
        if not record.claims:
            raise PageError(f"{record.key} has recorded no claims")
        block = add(parent, "div", class_="tg-claims")
        rows = [(c.sentence, quantity(c.measured, c.unit), c.test) for c in record.claims]
        body = add_table(block, ["Claim", "Measured", "Test"])
        for sentence, measured, test in rows:
            row = add(body, "tr")
            add(row, "td", sentence)
            add(row, "td", measured)
            add(add(row, "td"), "code").text = AtomicString(test)
        return block


def add_table(parent: ET.Element, columns: list[str]) -> ET.Element:
    """Append a table with its headings; the element for its rows is returned."""
    table = add(parent, "table")
    headings = add(add(table, "thead"), "tr")
    for column in columns:
        add(headings, "th", column)
    return add(table, "tbody")


class Derivation(Recorded):
    """`/// derivation | 03.tanh`: from the docstring, with the error that its check measured."""

    NAME = "derivation"
    OPTIONS: ClassVar = {"title": ["", type_string]}

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the box."""
        _, name, check = self.quotes.find(self.argument, "derivations")
        try:
            text = derivation(check.path, self.quotes.book.root)
            summary = documented(check.path, self.quotes.book.root).summary
        except LookupError as error:
            raise PageError(f"/// derivation | {self.argument}: {error}") from None
        box = add(parent, "div", class_="admonition derivation", id=f"derivation-{name}")
        title = self.options["title"] or summary.rstrip(".")
        heading = add(box, "p", f"{title} ", class_="admonition-title")
        badge = add(heading, "span", class_="tg-badge" if check.holds else "tg-badge failed")
        badge.text = AtomicString(f"checked, max. relative error {check.error:.1e}")
        self.parse(box, text)
        return box


class Downloads(Recorded):
    """`/// downloads | 05`: the script, the notebook if there is one, and the record."""

    NAME = "downloads"

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the list; a block's own list follows it."""
        entry = self.quotes.entry(self.argument)
        block = add(parent, "div", class_="tg-downloads")
        files = {
            "Script": entry.script.name,
            **({"Notebook": entry.notebook} if entry.has_notebook else {}),
            "Record (JSON)": "recorded/record.json",
        }
        items = add(block, "ul")
        for label, file in files.items():
            link = add(add(items, "li"), "a", label, href=self.quotes.link(entry.key, file))
            link.set("download", "")
        return block

    def on_end(self, block: ET.Element) -> None:
        """Let a list of the page's own, which joins this one, look like it."""
        for item in block.iter("li"):
            for paragraph in item.findall("p"):
                item.text, inner = paragraph.text, list(paragraph)
                item.remove(paragraph)
                item.extend(inner)


class Figure(Recorded):
    """`/// figure | 05.loss`: the drawing, its caption, and its data behind a fold."""

    NAME = "figure"
    OPTIONS: ClassVar = {"wide": [False, type_boolean]}

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the figure."""
        figure = self.picture(parent, self.argument)
        if self.options["wide"]:
            figure.set("class", "tg-figure tg-wide")
        return figure

    def on_add(self, block: ET.Element) -> ET.Element:
        """What the page adds goes into the caption."""
        return block[-1]

    def picture(self, parent: ET.Element, reference: str) -> ET.Element:
        """Append a recorded figure."""
        record, name, recorded = self.quotes.find(reference, "figures")
        figure = add(parent, "figure", class_="tg-figure", id=f"fig-{name}")
        plot = add(figure, "div", class_="tg-figure__plot", role="img", aria_label=recorded.alt)
        plot.set("data-search-exclude", "")
        self.insert(plot, self.quotes.text(record.key, f"{name}.svg").strip())
        caption = add(figure, "figcaption")
        self.parse(caption, recorded.caption)
        if recorded.bands:
            self.numbers(caption, record, name)
        return figure

    def numbers(self, caption: ET.Element, record: Record, name: str) -> None:
        """Append the data behind a fold."""
        fold = add(caption, "details", class_="data")
        fold.set("data-search-exclude", "")
        add(fold, "summary", "The numbers")
        for title, columns, rows in tables(self.quotes.data(record.key, name)):
            if title:
                add(fold, "p", title)
            body = add_table(fold, columns)
            for cells in thinned(rows):
                row = add(body, "tr")
                for cell in cells:
                    add(row, "td").text = AtomicString("" if cell is None else str(cell))
            if len(rows) > ROWS:
                add(fold, "p", f"{ROWS} of {len(rows):,} rows.")
        link = self.quotes.link(record.key, f"recorded/{name}.json")
        add(add(fold, "p"), "a", f"All of it, {name}.json", href=link)


class Stepper(Figure):
    """`/// stepper | 03.walk` with `figure: 03.graph`: a widget over a figure.

    The export holds what the widget walks; see the page on components.
    """

    NAME = "stepper"
    OPTIONS: ClassVar = {"figure": ["", type_string]}

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the widget around its figure."""
        record, name, _ = self.quotes.find(self.argument, "exports")
        widget = add(parent, "div", class_="tg-stepper")
        self.picture(widget, self.options["figure"])
        walk = json.dumps(self.quotes.data(record.key, name), ensure_ascii=False)
        script = walk.replace("<", "\\u003c")  # nothing in it can end the element
        place = add(widget, "div")
        self.insert(place, f'<script type="application/json">{script}</script>')
        return widget

    def on_add(self, block: ET.Element) -> ET.Element:
        """What the page adds goes under the widget."""
        return block


class Table(Recorded):
    """`/// table | 05.shapes`: a recorded table."""

    NAME = "table"

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the table from its Markdown."""
        record, name, _ = self.quotes.find(self.argument, "tables")
        block = add(parent, "div", class_="tg-table")
        self.parse(block, self.quotes.text(record.key, f"{name}.md").strip())
        return block


class Text(Recorded):
    """`/// text | 05.trace`: what the script printed."""

    NAME = "text"

    def on_create(self, parent: ET.Element) -> ET.Element:
        """Build the output."""
        record, name, _ = self.quotes.find(self.argument, "texts")
        block = add(parent, "div", class_="tg-output")
        self.print(block, self.quotes.text(record.key, f"{name}.txt"), "language-text")
        return block


BLOCKS: tuple[type[Recorded], ...] = (
    Card,
    Claims,
    Derivation,
    Downloads,
    Figure,
    Stepper,
    Table,
    Text,
)


class RecordedExtension(BlocksExtension):  # type: ignore[misc]
    """Registers the blocks and the inline references.

    Args:
        root: the folder that holds `docs` and the scripts; by default this library's own.
        scripts: the folder of the scripts, if it is not `tinygrad_rnn/book`.
    """

    def __init__(self, **options: Any) -> None:
        self.config = {
            "root": ["", "The folder that holds docs and the scripts."],
            "scripts": ["tinygrad_rnn/book", "The folder of the scripts, under root."],
        }
        super().__init__(**options)

    def extendMarkdownBlocks(  # noqa: N802
        self, md: Markdown, block_mgr: BlocksProcessor
    ) -> None:
        """Register everything."""
        root = Path(self.getConfig("root"))
        scripts = root / self.getConfig("scripts")
        book = Book(root, scripts, root / "docs") if self.getConfig("root") else BOOK
        quotes = Quotes(book)
        for block in BLOCKS:
            block_mgr.register(block, {"quotes": quotes})
        # Below code spans (190) and math (189.9), in which braces mean something else.
        md.inlinePatterns.register(Value(md, quotes), "recorded", 188)


def makeExtension(**options: Any) -> RecordedExtension:  # noqa: N802
    """What Python-Markdown calls to load the extension."""
    return RecordedExtension(**options)
