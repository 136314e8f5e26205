r"""What a source of data is: a record of its name, licence, origin, files, columns and rows.

>>> from tinygrad_rnn import data
>>> digits = data.source("digits")
>>> digits.licence, digits.rows
('CC-BY-4.0', {'all': 1797})
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_rnn.data.sources.cache import data_folder, size_of
from tinygrad_rnn.data.sources.failures import SourceError
from tinygrad_rnn.data.sources.places import Place
from tinygrad_rnn.data.sources.texts import TextSource
from tinygrad_rnn.data.sources.web import Progress

__all__ = ["Source", "Verified"]

Columns = dict[str, Any]
Reader = Callable[[Mapping[str, Path], str], Columns | TextSource]


@dataclass(frozen=True)
class Verified:
    """What `Source.verify` found.

    Attributes:
        name: The source.
        bytes: Size of its files.
        rows: Rows of each part, as read.
        seconds: How long it took.
    """

    name: str
    bytes: int
    rows: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Source:
    """A source of data, and what one must know to use and cite it.

    Attributes:
        name: What `source` finds it by.
        title: What it is, in a few words.
        licence: SPDX identifier or expression; "LicenseRef-…" where SPDX has none.
        citation: Who made it and where it is described.
        places: Where its files are, and how they get here.
        columns: Name of each column, with what it holds, its unit and type.
        rows: Number of rows of each part; None where it changes with Python's version. Of a text,
            its characters.
        reader: Reads one part from the files.
        note: What one should know before using it.
        measured: Whether rows were counted by this library's authors; else they are as published.
    """

    name: str
    title: str
    licence: str
    citation: str
    places: tuple[Place, ...]
    columns: Mapping[str, str]
    rows: Mapping[str, int | None]
    reader: Reader = field(repr=False)
    note: str = ""
    measured: bool = True

    @property
    def kind(self) -> str:
        """Where it comes from: Python, dependency, pip, npm or web."""
        return self.places[0].kind

    @property
    def size(self) -> int | None:
        """Bytes of its files; None if they were never measured."""
        sizes = [file.size for place in self.places for file in place.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def here(self, folder: str | Path | None = None) -> bool:
        """Whether its files are on this machine.

        Args:
            folder: See `data_folder`.
        """
        return all(place.here(data_folder(folder)) for place in self.places)

    def path(self, folder: str | Path | None = None) -> Path:
        """The folder that its files are in, or will be; the first one if there are several."""
        return self.places[0].folder(data_folder(folder))

    def get(
        self,
        folder: str | Path | None = None,
        *,
        again: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """See to it that the files are on this machine.

        What is fetched is checked and appears whole or not at all. Several processes may ask for
        the same source at once.

        Args:
            folder: See `data_folder`.
            again: Fetch also what is here, for instance because it is damaged.
            progress: Called with the bytes that have arrived, and those there will be or None.

        Returns:
            The folder that they are in; the first one if there are several.

        Raises:
            SourceError: If that fails, with what to do.
            ModuleNotFoundError: If a package is missing, with how to install it.
        """
        root = data_folder(folder)
        for place in self.places:
            place.get(root, progress, again=again)
        return self.path(folder)

    def read(self, part: str | None = None, *, folder: str | Path | None = None) -> Any:
        """Read one part, fetching it first if need be.

        Args:
            part: One of the names in `rows`; may be left out if there is only one.
            folder: See `data_folder`.

        Returns:
            The columns by name, each an array or a list with one entry for each row; of a text, a
            `TextSource`.

        Raises:
            SourceError: If the files cannot be fetched or read.
            ValueError: If there is no such part.
        """
        parts = list(self.rows)
        if part is None and len(parts) == 1:
            part = parts[0]
        if part not in parts:
            raise ValueError(
                f"{self.name} has the parts {', '.join(parts)}; got {part!r}: name one"
            )
        self.get(folder)
        return self.reader(self.files(folder), part)

    def files(self, folder: str | Path | None = None) -> dict[str, Path]:
        """The paths of its files by their names, whether they are here or not."""
        root = data_folder(folder)
        return {name: path for place in self.places for name, path in place.paths(root).items()}

    def verify(self, folder: str | Path | None = None) -> Verified:
        """Compare checksums and count rows, of files that are here.

        Raises:
            SourceError: If the files are not here, or are not as recorded.
        """
        start = time.perf_counter()
        if not self.here(folder):
            raise SourceError(f"{self.name} is not here: `tg data get {self.name}` fetches it")
        for place in self.places:
            place.check(data_folder(folder))
        rows = {part: count(self.read(part, folder=folder)) for part in self.rows}
        wrong = {part: n for part, n in rows.items() if self.rows[part] not in (None, n)}
        for part, n in wrong.items():
            raise SourceError(
                f"{self.name} has {n:,} rows in {part!r}; {self.rows[part]:,} are recorded"
            )
        size = sum(size_of(path) for path in self.files(folder).values())
        return Verified(self.name, size, rows, time.perf_counter() - start)


def count(content: Columns | TextSource) -> int:
    """Rows of columns, which all have the same number; characters of a text."""
    if isinstance(content, TextSource):
        return len(content.text)
    lengths = {len(column) for column in content.values()}
    if len(lengths) > 1:
        raise SourceError(f"columns of different lengths, {sorted(lengths)}: the file is damaged")
    return lengths.pop()
