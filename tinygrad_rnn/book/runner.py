"""Record what a script gives, and check that it still gives it.

`run_chapter("03")` runs a script in a fresh process and puts its record beside its page;
`check_chapter("03")` runs it again, elsewhere, and says what differs.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tinygrad_rnn.book.comparison import Deviation, deviations
from tinygrad_rnn.book.contents import BOOK, Book, Entry
from tinygrad_rnn.book.record import Record, replacing

THREADS = "2"
FIXED = {
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "MPLBACKEND": "Agg",
    "TZ": "UTC",
    "COLUMNS": "100",
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
        THREADS,
    ),
}


class ChapterError(RuntimeError):
    """A script that could not be run, or whose record is not fit to publish."""


def chapters(book: Book = BOOK) -> list[Entry]:
    """Every script of the book, chapters before guides."""
    return book.entries()


def run_chapter(key: str | int, *, book: Book = BOOK, echo: bool = True) -> Record:
    """Run a script in a fresh process, and put its record in place of the old one.

    Args:
        key: 3, "03" or "extend-the-engine".
        book: where scripts and pages lie.
        echo: whether to let the script print, rather than keep its words for an error.

    Returns:
        The new record.

    Raises:
        LookupError: if there is no such script.
        ChapterError: if the script fails, or a metric, claim or derivation of it does; the old
            record then stays.
    """
    entry = book.entry(key)
    with replacing(entry.recorded) as folder:
        _execute(entry, folder, echo=echo)
        record = Record.read(folder)
        problems = [f"  {kind} {name}: {message}" for kind, name, message in record.problems()]
        if problems:
            raise ChapterError(
                f"{entry.script.name} ran, but its record would not be true:\n"
                + "\n".join(problems)
                + f"\nWhat was recorded before, in {entry.recorded}, is left as it was."
            )
    return record


def check_chapter(key: str | int, *, book: Book = BOOK, echo: bool = False) -> list[Deviation]:
    """Run a script again, in a fresh process and a temporary folder, and compare.

    Returns:
        What differs from the committed record; the page stands if nothing of it `fails`.

    Raises:
        LookupError: if there is no such script.
        FileNotFoundError: if nothing is recorded yet.
        ChapterError: if the script fails.
    """
    entry = book.entry(key)
    Record.read(entry.recorded)  # before a minute of running: is there anything to compare with?
    with tempfile.TemporaryDirectory(prefix="tg-book-") as name:
        folder = Path(name, "new")
        folder.mkdir()
        _execute(entry, folder, committed=entry.recorded, echo=echo)
        return deviations(entry.recorded, folder)


def _execute(entry: Entry, folder: Path, *, committed: Path | None = None, echo: bool) -> None:
    """Run the script in a process in which everything that could vary is fixed."""
    module = "tinygrad_rnn.book.execute"
    command = [sys.executable, "-P", "-m", module, str(entry.script), str(folder)]
    command += ["--key", entry.key, "--module", entry.module, "--command", entry.command]
    if committed is not None:
        command += ["--committed", str(committed)]
    where_to = None if echo else subprocess.PIPE
    outcome = subprocess.run(
        command,
        cwd=folder.parent,  # what the script leaves lying about goes with it
        env=os.environ | FIXED,
        stdout=where_to,
        stderr=None if echo else subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if outcome.returncode != 0:
        words = f":\n{outcome.stdout[-4000:]}" if outcome.stdout else "; see above"
        raise ChapterError(f"{entry.script.name} ended with exit code {outcome.returncode}{words}")
