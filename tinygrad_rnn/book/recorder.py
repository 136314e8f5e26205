"""Say in a script what its page may quote: numbers, outputs, figures, claims.

    >>> chapter = Chapter(5, title="hello", question="What tells l from o?", seed=0)
    >>> _ = chapter.metric("bits_per_character", 2.41, band=(2.2, 2.6), unit="bits")
    bits_per_character = 2.41 bits (expected: 2.2 to 2.6)
    >>> chapter.claim("It beats a bigram table.", holds=2.41 < 3.4, measured=2.41, unit="bits")
    ✓ It beats a bigram table. (2.41 bits)

Run by `tg book run 5`, the script writes all this into a folder that the page includes. Run by a
reader, as a script or a notebook, it prints and shows, and writes nothing.
"""

import ast
import builtins
import json
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from tinygrad_rnn.book import figures
from tinygrad_rnn.book.badges import BOUND, largest_error
from tinygrad_rnn.book.bands import Band, Within, band_of
from tinygrad_rnn.book.presentation import as_markdown, quantity
from tinygrad_rnn.book.record import (
    NAME,
    Claim,
    DerivationCheck,
    Export,
    Figure,
    Metric,
    Number,
    Record,
    Source,
    Table,
    Text,
    as_json,
)

GivenBand = Band | tuple[float, float] | None
Value = TypeVar("Value")

DIGITS = 5  # significant digits that a figure's data keep
SAME_DRAWING = Within(absolute=1e-9, relative=1e-3)  # for data whose last digits may differ


class Dataset(Protocol):
    """What a reproduction card says of real data; `tinygrad_rnn.data.TextSource` is one."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def licence(self) -> str:
        """Its SPDX identifier."""

    @property
    def citation(self) -> str:
        """Who made it, and where to find it."""

    @property
    def sha256(self) -> str:
        """Its checksum."""


@dataclass
class Recording:
    """A run whose results are kept.

    Attributes:
        key: whose script runs,
        module: under which dotted name the package knows it,
        folder: where the record goes,
        committed: the record to compare with; its figures are drawn again. None if just run.
        chapter: what the script recorded into.
    """

    key: str
    module: str
    folder: Path
    committed: Path | None = None
    chapter: "Chapter | None" = None

    @property
    def redrawn(self) -> Path:
        """Where the committed figures go when this run's code has drawn them again."""
        return self.folder / "redrawn"


RECORDING: ContextVar[Recording | None] = ContextVar("RECORDING", default=None)


class Chapter:
    """What one script records. Every name is used once, and is what the page refers to.

    Args:
        key: the chapter's number, or the name of a guide.
        title: its title.
        question: the one question that it answers.
        seed: the seed of everything random in it, to be read from `chapter.seed`.
        prerequisites: numbers of chapters, or links in Markdown.
        data: real data sets; or, in a phrase, data that the script makes.

    Raises:
        ValueError: if another script than the one of that key makes it, or makes two.
    """

    def __init__(
        self,
        key: int | str,
        *,
        title: str,
        question: str,
        seed: int = 0,
        prerequisites: Sequence[int | str] = (),
        data: Sequence[Dataset | str] = (),
    ) -> None:
        self.record = Record(
            key=f"{key:02d}" if isinstance(key, int) else key,
            title=title,
            question=question,
            seed=seed,
            prerequisites=list(prerequisites),
            data=[_source(d) for d in data],
        )
        self._recording = RECORDING.get()
        if self._recording is not None:
            self._join(self._recording)

    def _join(self, recording: Recording) -> None:
        if self.record.key != recording.key:
            raise ValueError(
                f"the script of {recording.key!r} makes Chapter({self.record.key!r}): the key must "
                "be the one in the script's file name"
            )
        if recording.chapter is not None:
            raise ValueError(f"the script of {recording.key!r} makes two Chapters: one is enough")
        recording.chapter = self

    @property
    def seed(self) -> int:
        """The seed of everything random in the script."""
        return self.record.seed

    def metric(self, name: str, value: Value, *, band: GivenBand = None, unit: str = "") -> Value:
        """Record a measured number; the page writes it as `{{ 05.name }}`.

        Args:
            name: what the page calls it.
            value: the number.
            band: where a re-run must land, (low, high) or `Within(…)`; integers may go without
                and must then come out the same.
            unit: its unit, if it has one.

        Returns:
            The value.

        Raises:
            TypeError: if it is a float and has no band.
            ValueError: if it is NaN or infinite, or the name is taken or no name.
        """
        self._admit(name, "metric")
        number = np.asarray(value).item()
        metric = Metric(number, unit, band_of(band, number, f"metric {name!r}"))
        if not np.isfinite(number):
            raise ValueError(f"metric {name!r} is {number}: a page can quote only finite numbers")
        self.record.metrics[name] = metric
        print(f"{name} = {quantity(number, unit)} (expected: {metric.band})")
        return value

    def text(self, name: str, text: str, *, exact: bool = True) -> None:
        """Record an output that the page shows.

        Args:
            name: what the page calls it.
            text: the output.
            exact: whether a re-run must give the same text. Say False of what depends on a
                trained network or on time.
        """
        self._admit(name, "text")
        self.record.texts[name] = Text(exact)
        self._keep(f"{name}.txt", text.rstrip("\n") + "\n")
        print(text)

    @contextmanager
    def output(self, name: str, *, exact: bool = True) -> Iterator[None]:
        """Record what the block prints; otherwise like `text`."""
        printed = StringIO()
        with redirect_stdout(printed):
            yield
        self.text(name, printed.getvalue().rstrip("\n"), exact=exact)

    def table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        band: GivenBand = None,
    ) -> None:
        """Record a table, in whose cells Markdown and math may stand.

        Args:
            name: what the page calls it.
            columns: the headings.
            rows: as many cells in each.
            band: where a re-run's numbers must land, in every cell that is a float.

        Raises:
            TypeError: if a cell is a float and there is no band.
            ValueError: if a row has not as many cells as there are columns, or a cell holds a
                `|`, which would end it.
        """
        self._admit(name, "table")
        cells = [[c if isinstance(c, str) else np.asarray(c).item() for c in row] for row in rows]
        _refuse_ragged(name, columns, cells)
        numbers = [c for row in cells for c in row if isinstance(c, float)] or [0]
        table = Table(list(columns), cells, band_of(band, numbers, f"a cell of table {name!r}"))
        self.record.tables[name] = table
        text = as_markdown(table)
        self._keep(f"{name}.md", text)
        print(text, end="")

    def figure(
        self,
        name: str,
        draw: figures.Draw,
        *,
        alt: str,
        caption: str,
        data: figures.Data | None = None,
        band: GivenBand | Mapping[str, GivenBand] = None,
        digits: int = DIGITS,
        exact: bool = True,
    ) -> None:
        """Record a figure and the data that it is drawn from.

        Args:
            name: what the page calls it.
            draw: draws the data, from nothing else; see `figures.drawn`.
            alt: what the figure shows, for those who do not see it.
            caption: what one should see in it, in Markdown.
            data: arrays, numbers and strings by name, nested at will. Leave it out for a
                drawing that does not depend on any measurement.
            band: where a re-run's data must land; one for all, or one for each name.
            digits: significant digits that the data keep.
            exact: whether a re-run must draw the same picture from the recorded data. Say False
                of a picture that depends on a trained network and not on `data` alone.
        """
        self._admit(name, "figure")
        if not alt.strip() or not caption.strip():
            raise ValueError(f"figure {name!r} needs alt and caption: what it shows, what to see")
        frozen = figures.frozen(data or {}, digits)
        bands = _figure_bands(frozen, band, name) if data else {}
        self.record.figures[name] = Figure(alt, caption, bands, exact)
        prefix = f"fig-{self.record.key}-{name}"
        print(f"figure {name}: {caption}")
        if self._recording is None:
            _show(draw, frozen, prefix, alt)
            return
        if data:
            self._keep(f"{name}.json", as_json(frozen))
        self._keep(f"{name}.svg", figures.drawn(draw, frozen, prefix=prefix, alt=alt))
        self._redraw(name, draw, prefix)

    def _redraw(self, name: str, draw: figures.Draw, prefix: str) -> None:
        """Draw the committed data with this run's code, for the checker to compare."""
        recording = self._recording
        if recording is None or recording.committed is None:
            return
        path = recording.committed / f"{name}.json"
        if path.exists():
            recording.redrawn.mkdir(exist_ok=True)
            alt, data = self.record.figures[name].alt, json.loads(path.read_text("utf-8"))
            # Old data may lack what today's code draws: then there is no picture to compare.
            with suppress(Exception):
                svg = figures.drawn(draw, data, prefix=prefix, alt=alt)
                (recording.redrawn / f"{name}.svg").write_text(svg, "utf-8")

    def export(
        self, name: str, data: Mapping[str, Any], *, exact: bool = False, digits: int = 4
    ) -> None:
        """Record data for a widget, such as weights.

        Args:
            name: what the page calls it.
            data: arrays, numbers and strings by name, nested at will.
            exact: whether a re-run must give the same data, and not only the same shapes.
            digits: significant digits that the data keep.
        """
        self._admit(name, "export")
        frozen = figures.frozen(data, digits)
        shapes = {key: list(np.shape(leaf)) for key, leaf in figures.flattened(frozen).items()}
        self.record.exports[name] = Export(shapes, exact)
        self._keep(f"{name}.json", as_json(frozen))
        print(f"export {name}: " + ", ".join(f"{k} {tuple(s)}" for k, s in shapes.items()))

    def claim(self, sentence: str, *, holds: bool, measured: Number | str, unit: str = "") -> None:
        """Record a sentence that could be false, and whether it came out true.

        Args:
            sentence: the claim, in Markdown, as the page will say it.
            holds: the test; the page shows the expression as it stands in the script.
            measured: what was measured to decide it.
            unit: its unit, if it has one.
        """
        if not isinstance(measured, str):
            measured = np.asarray(measured).item()
        test = _written("claim", "holds")
        self.record.claims.append(Claim(sentence, test, measured, unit, bool(holds)))
        print(f"{'✓' if holds else '✗'} {sentence} ({quantity(measured, unit)})")

    def derivation(
        self,
        of: Any,
        *inputs: Any,
        using: Callable[..., Any] | None = None,
        error: float | None = None,
        bound: float = BOUND,
        name: str | None = None,
    ) -> float:
        """Check the derivative that an object's docstring derives, and record the largest error.

        Args:
            of: what has the `Derivation:` in its docstring; an op, a cell, any function or class.
            *inputs: where to check it; an op has samples of its own. A cell is checked by its
                parameters, too.
            using: what to differentiate, if that is another function.
            error: the largest relative error, if the script measured it by other means.
            bound: the largest error that the page's badge may carry.
            name: what the page calls it, by default its own name in lower case.

        Returns:
            The largest relative error.

        Raises:
            GradcheckError: if an error found here is above the bound.
            TypeError: if there is nothing to differentiate by.
        """
        described = of if hasattr(of, "__qualname__") else type(of)
        name = name or described.__name__.lower()
        self._admit(name, "derivation")
        if error is None:
            error = largest_error(of, *inputs, using=using, bound=bound)
        self.record.derivations[name] = DerivationCheck(self._path(described), error, bound)
        print(f"derivation {name}: largest relative error {error:.1e} (bound {bound:.0e})")
        return error

    def _path(self, described: Any) -> str:
        module = described.__module__
        if module == "__main__" and self._recording is not None:
            module = self._recording.module
        return f"{module}.{described.__qualname__}"

    def _admit(self, name: str, kind: str) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{kind} {name!r}: a name is a lower-case word; letters, digits, _ and -"
            )
        if name in self.record.names():
            raise ValueError(f"{kind} {name!r}: {self.record.key} has recorded that name already")

    def _keep(self, file: str, text: str) -> None:
        if self._recording is not None:
            (self._recording.folder / file).write_text(text, "utf-8")


def _refuse_ragged(name: str, columns: Sequence[str], rows: list[list[Any]]) -> None:
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(
                f"table {name!r} has {len(columns)} columns ({', '.join(columns)}), but a row "
                f"of {len(row)}: {row}"
            )
        if any(isinstance(cell, str) and "|" in cell for cell in row):
            raise ValueError(
                f"table {name!r}: a `|` ends a cell; write \\lvert in math, &#124; elsewhere: {row}"
            )


def _source(data: Dataset | str) -> Source:
    if isinstance(data, str):
        return Source(data)
    return Source(data.name, data.licence, data.citation, data.sha256)


def _figure_bands(
    frozen: Any, band: GivenBand | Mapping[str, GivenBand], name: str
) -> dict[str, Band]:
    """The band of each of a figure's series."""
    given = band if isinstance(band, Mapping) else dict.fromkeys(frozen, band)
    unknown = sorted(set(given) - set(frozen))
    if unknown:
        raise ValueError(
            f"figure {name!r}: a band for {', '.join(unknown)}, but the data are named "
            f"{', '.join(frozen)}"
        )
    return {key: band_of(given.get(key) or SAME_DRAWING, 0.0, f"figure {name!r}") for key in frozen}


def _show(draw: figures.Draw, frozen: Any, prefix: str, alt: str) -> None:
    """Show a figure in a notebook; elsewhere its caption, printed, has to do."""
    if hasattr(builtins, "__IPYTHON__"):
        from IPython.display import SVG, display

        svg = figures.drawn(draw, frozen, prefix=prefix, alt=alt)
        display(SVG(svg))  # type: ignore[no-untyped-call]


def _written(method: str, argument: str) -> str:
    """How the caller of a method wrote one of its arguments; empty if that cannot be told."""
    frame = sys._getframe(2)
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    for call in ast.walk(ast.parse(source)):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == method
            and call.lineno <= frame.f_lineno <= (call.end_lineno or call.lineno)
        ):
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            return ast.unparse(given[argument]) if argument in given else ""
    return ""
