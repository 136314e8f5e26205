import pytest

from tinygrad_rnn.book.record import Record
from tinygrad_rnn.book.runner import ChapterError, chapters, check_chapter, run_chapter


def test_the_book_lists_its_scripts(toy):
    assert [entry.key for entry in chapters(toy)] == ["01"]


def test_a_run_replaces_the_record_and_a_check_confirms_it(toy, committed):
    (committed / "stale.txt").touch()
    record = run_chapter(1, book=toy, echo=False)
    assert record == Record.read(committed)
    assert record.files() == {path.name for path in committed.iterdir()}
    assert check_chapter(1, book=toy) == []


def test_a_tampered_record_does_not_pass(toy, committed, edit):
    edit(committed / "record.json", '"value": 16', '"value": 15')
    edit(committed / "growth.svg", "</svg>", "<g/></svg>")
    before = {path.name: path.read_bytes() for path in committed.iterdir()}
    found = check_chapter(1, book=toy)
    assert [(d.kind, d.name) for d in found] == [("metric", "largest"), ("figure", "growth")]
    assert {path.name: path.read_bytes() for path in committed.iterdir()} == before


def test_a_record_that_would_not_be_true_is_not_kept(toy, committed, edit):
    before = Record.read(committed)
    edit(toy.entry(1).script, "band=(5, 7)", "band=(7, 9)")
    with pytest.raises(ChapterError, match=r"metric mean: 6 is not in its band, 7 to 9\nWhat was"):
        run_chapter(1, book=toy, echo=False)
    assert Record.read(committed) == before


def test_a_failing_script_is_quoted(toy, edit):
    edit(toy.entry(1).script, "numbers = np.arange(5)", "numbers = np.arrange(5)")
    with pytest.raises(
        ChapterError, match=r"(?s)ended with exit code 1:\n.*no attribute 'arrange'"
    ):
        check_chapter(1, book=toy)


def test_an_echoed_script_speaks_for_itself(toy, edit, capfd):
    edit(toy.entry(1).script, "numbers = np.arange(5)", "raise SystemExit(3)")
    with pytest.raises(ChapterError, match="ended with exit code 3; see above"):
        run_chapter(1, book=toy)


def test_there_must_be_something_to_check(toy, committed):
    committed.rename(committed.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError, match="is not there: run `tg book run`"):
        check_chapter(1, book=toy)
