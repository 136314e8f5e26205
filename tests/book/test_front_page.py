"""The front page says of every chapter what the chapter says of itself."""

import re

import pytest

from tinygrad_rnn.book.contents import BOOK
from tinygrad_rnn.book.record import Record

FRONT = (BOOK.docs / "index.md").read_text("utf-8")
ROWS = re.findall(r"(?m)^\| (\d+) \| (.*?) \| (.*?) \|$", FRONT)
WRITTEN = [entry for entry in BOOK.entries() if entry.is_chapter]


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry.key)
def test_a_written_chapter_is_linked_by_its_title_beside_its_question(entry):
    record = Record.read(entry.recorded)
    address = entry.page.relative_to(BOOK.docs).as_posix()
    assert (str(int(entry.key)), f"[{record.title}]({address})", record.question) in ROWS


def test_the_plan_has_every_chapter_once_and_links_none_that_is_not_written():
    assert [int(number) for number, _, _ in ROWS] == list(range(1, len(ROWS) + 1))
    linked = {f"{int(number):02d}" for number, title, _ in ROWS if "](" in title}
    assert linked == {entry.key for entry in WRITTEN}
