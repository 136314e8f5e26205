import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

from tinygrad_rnn.book.contents import Book
from tinygrad_rnn.book.execute import execute
from tinygrad_rnn.book.recorder import Recording

collect_ignore = ["toy"]  # its script is run by the tests, not collected by pytest

TOY = Path(__file__).parent / "toy"


def a_book(root: Path) -> Book:
    return Book(root, root / "tinygrad_rnn" / "book", root / "docs")


def record(book: Book, folder: Path, committed: Path | None = None) -> None:
    """Run the toy's script in this process, which is quicker than in a fresh one."""
    entry = book.entry(1)
    folder.mkdir(parents=True)
    execute(entry.script, Recording("01", entry.module, folder, committed), entry.command)


@pytest.fixture(scope="session")
def recorded_toy(tmp_path_factory) -> Path:
    """The toy book with its chapter recorded, and a second run of it in `rerun`."""
    root = tmp_path_factory.mktemp("book") / "toy"
    shutil.copytree(TOY, root, ignore=shutil.ignore_patterns("__pycache__"))
    book = a_book(root)
    committed = book.entry(1).recorded
    record(book, committed)
    record(book, root / "rerun", committed)
    return root


@pytest.fixture
def toy(recorded_toy, tmp_path) -> Book:
    """A recorded toy book of one's own, to do mischief to."""
    root = tmp_path / "toy"
    shutil.copytree(recorded_toy, root)
    return a_book(root)


@pytest.fixture
def a_program(toy) -> Path:
    """A program in the folder of the toy's script, which makes it a gallery."""
    path = toy.entry(1).script.with_suffix("") / "one.py"
    path.parent.mkdir()
    path.write_text("score = 1\n", "utf-8")
    return path


@pytest.fixture
def committed(toy) -> Path:
    return toy.entry(1).recorded


@pytest.fixture
def rerun(toy) -> Path:
    return toy.root / "rerun"


@pytest.fixture
def edit():
    """Replace text in a file, which has to hold it."""

    def edit(path: Path, old: str, new: str) -> None:
        text = path.read_text("utf-8")
        assert old in text, f"{path} does not hold {old!r}"
        path.write_text(text.replace(old, new), "utf-8")

    return edit
