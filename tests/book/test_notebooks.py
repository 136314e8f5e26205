import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tinygrad_rnn.book.contents import BOOK
from tinygrad_rnn.book.notebooks import notebook, without_markers


@pytest.fixture
def made(toy):
    return nbformat.reads(notebook(toy.entry(1)), as_version=4)


def source(made) -> str:
    return "\n".join(cell.source for cell in made.cells)


def test_a_notebook_is_valid(made):
    nbformat.validate(made)
    assert made.metadata.kernelspec.name == "python3"


def test_a_notebook_says_where_it_comes_from(made):
    assert made.cells[0].cell_type == "markdown"
    assert "Made from `ch01_squares.py`" in made.cells[0].source
    assert "`tg book run 1`" in made.cells[0].source


def test_prose_is_markdown_and_code_is_code(made):
    assert [cell.cell_type for cell in made.cells[:3]] == ["markdown", "markdown", "code"]
    assert made.cells[1].source.startswith("# Squares")


def test_markers_annotations_and_cells_for_the_book_are_left_out(made):
    assert "8<" not in source(made)
    assert "(1)!" not in source(made)
    assert "chapter.derivation" not in source(made)


def test_equal_scripts_give_equal_bytes(toy):
    assert notebook(toy.entry(1)) == notebook(toy.entry(1))
    ids = [cell["id"] for cell in json.loads(notebook(toy.entry(1)))["cells"]]
    assert ids == [f"cell-{i}" for i in range(len(ids))]


def test_a_script_may_begin_with_code(toy):
    toy.entry(1).script.write_text('"""A docstring."""\nx = 1\n')
    made = nbformat.reads(notebook(toy.entry(1)), as_version=4)
    assert made.cells[1].source == '"""A docstring."""\nx = 1'


def test_only_whole_markers_are_stripped():
    kept = 'print("# --8<-- [start:x]")  # (see below)\nx = f(1)  # (1) is first\n'
    assert without_markers(kept) == kept


def run(entry, folder: Path) -> nbformat.NotebookNode:
    """Execute a script's notebook in a folder of its own."""
    made = nbformat.reads(notebook(entry), as_version=4)
    return NotebookClient(
        made, timeout=300, resources={"metadata": {"path": str(folder)}}
    ).execute()


def test_a_notebook_shows_what_a_reader_wants_to_see(toy, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    cells = run(toy.entry(1), folder).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "mean = 6 (expected: 5 to 7)" in text
    (figure,) = [output for output in outputs if output.output_type == "display_data"]
    assert "A parabola from 0 to 16.</title>" in figure.data["image/svg+xml"]
    assert list(folder.iterdir()) == []


NOTEBOOKS = [entry for entry in BOOK.entries() if entry.has_notebook]


@pytest.mark.parametrize("entry", NOTEBOOKS, ids=lambda entry: entry.key)
def test_every_notebook_runs(entry, tmp_path):
    assert run(entry, tmp_path).cells
