from pathlib import Path

import pytest

from tinygrad_rnn.book.contents import Book, code_of


@pytest.fixture
def book(tmp_path) -> Book:
    for name in ("guide_extend_it.py", "ch12_both_ways.py", "ch03_reverse_mode.py", "runner.py"):
        (tmp_path / name).touch()
    return Book(tmp_path, tmp_path, tmp_path / "docs")


def test_chapters_come_before_guides_and_other_modules_not_at_all(book):
    assert [entry.key for entry in book.entries()] == ["03", "12", "extend-it"]


@pytest.mark.parametrize("key", [3, "3", "03"])
def test_a_chapter_answers_to_its_number_however_written(book, key):
    assert book.entry(key).script.name == "ch03_reverse_mode.py"


def test_a_script_says_where_its_page_and_record_lie(book):
    entry = book.entry(3)
    assert entry.page.relative_to(book.docs) == Path("chapters/03-reverse-mode/index.md")
    assert entry.recorded.relative_to(book.docs) == Path("chapters/03-reverse-mode/recorded")
    assert book.entry("extend-it").page.relative_to(book.docs) == Path("extend-it/index.md")


def test_a_script_says_how_to_run_it(book):
    assert book.entry(3).command == "tg book run 3"
    assert book.entry("extend-it").command == "tg book run extend-it"
    assert book.entry(3).module == "tinygrad_rnn.book.ch03_reverse_mode"
    assert book.entry(3).notebook == "ch03_reverse_mode.ipynb"


def test_a_guide_is_no_chapter(book):
    assert book.entry(3).is_chapter
    assert not book.entry("extend-it").is_chapter


def test_a_gallery_has_programs_and_no_notebook(book):
    folder = book.scripts / "extend_it"
    folder.mkdir()
    for name in ("__init__.py", "two.py", "one.py"):
        (folder / name).write_text(f"# {name}\n")
    gallery = book.entry("extend-it")
    assert [path.name for path in gallery.programs] == ["one.py", "two.py"]
    assert not gallery.has_notebook
    assert code_of(gallery.script) == "\n# one.py\n\n# two.py\n"
    assert book.entry(3).has_notebook


def test_an_unknown_key_is_answered_with_the_known_ones(book):
    with pytest.raises(LookupError, match="no script '07'; it has: 03, 12, extend-it"):
        book.entry(7)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(LookupError, match="it has: none in"):
        Book(tmp_path, tmp_path / "scripts", tmp_path).entry(1)
