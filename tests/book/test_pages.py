"""The book itself keeps its rules. What the rules are, `tinygrad_rnn.book.lints` says."""

import pytest

from tinygrad_rnn.book.contents import BOOK
from tinygrad_rnn.book.lints import faults


@pytest.fixture(scope="module")
def found() -> list[str]:
    return [str(fault) for fault in faults(BOOK)]


def test_no_page_breaks_a_rule(found):
    assert "\n".join(found) == ""


def test_the_site_is_set_up_to_include():
    text = (BOOK.root / "mkdocs.yml").read_text("utf-8")
    for line in (
        "tinygrad_rnn.book.markdown",
        "tinygrad_rnn/book/hooks.py",
        "check_paths: true",
        "restrict_base_path: true",
        "show_source: false",
    ):
        assert line in text, f"mkdocs.yml lacks {line}"
