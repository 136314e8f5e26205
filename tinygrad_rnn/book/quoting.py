"""Look up what scripts have recorded, on behalf of a page.

Whatever a page asks for that is not there ends the build, with the page's name, what it asked
for and what it could have had.
"""

import json
import posixpath
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tinygrad_rnn.book.contents import Book, Entry
from tinygrad_rnn.book.record import Record

PAGE: ContextVar[str] = ContextVar("PAGE", default="")
"""The page being rendered, as a path in docs; empty outside a site."""


class PageError(LookupError):
    """A page that asks for something that no script has recorded."""

    def __init__(self, message: str) -> None:
        page = PAGE.get()
        super().__init__(f"{page}: {message}" if page else message)


@dataclass
class Quotes:
    """The records of a book, read when first asked for."""

    book: Book
    _records: dict[str, Record] = field(default_factory=dict)

    def entry(self, key: str) -> Entry:
        """The script of that key."""
        try:
            return self.book.entry(key)
        except LookupError as error:
            raise PageError(str(error.args[0])) from None

    def record(self, key: str) -> Record:
        """What the script of that key has recorded."""
        entry = self.entry(key)
        if entry.key not in self._records:
            try:
                self._records[entry.key] = Record.read(entry.recorded)
            except (FileNotFoundError, ValueError) as error:
                raise PageError(f"{error}; `{entry.command}` makes it") from None
        return self._records[entry.key]

    def find(self, reference: str, kind: str) -> tuple[Record, str, Any]:
        """What `05.loss` refers to among the figures, tables or whatever `kind` says.

        Returns:
            The record, the name in it, and what it holds of that name.
        """
        key, dot, name = reference.strip().partition(".")
        if not dot:
            raise PageError(f"{reference!r}: give script and name, as in 05.loss")
        record = self.record(key)
        known = getattr(record, kind)
        if name not in known:
            raise PageError(
                f"{record.key} has recorded no {kind[:-1]} {name!r}; "
                f"its {kind} are: {', '.join(known) or 'none'}"
            )
        return record, name, known[name]

    def text(self, key: str, file: str) -> str:
        """A file of a record's folder."""
        path = self.entry(key).recorded / file
        if not path.exists():
            raise PageError(f"{path} is missing: `{self.entry(key).command}` makes it")
        return path.read_text("utf-8")

    def data(self, key: str, name: str) -> Any:
        """The data of a figure or an export."""
        return json.loads(self.text(key, f"{name}.json"))

    def link(self, key: str, file: str) -> str:
        """The address, from the page being rendered, of a file in the folder of a script's page."""
        entry = self.entry(key)
        target = (entry.folder / file).relative_to(self.book.docs).as_posix()
        page = PAGE.get() or entry.page.relative_to(self.book.docs).as_posix()
        return posixpath.relpath(target, posixpath.dirname(page) or ".")
