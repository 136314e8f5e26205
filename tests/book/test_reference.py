"""Docstrings, as the reference pages see them."""

import textwrap

import griffe

from tinygrad_rnn.book.reference import Docstrings, readable


def clean(text):
    return textwrap.dedent(text).strip()


def test_displayed_math_of_a_derivation_stays_in_it_as_a_paragraph():
    docstring = clean(r"""
        Hyperbolic tangent.

        Derivation:
            By the quotient rule
            $$\bar x = \bar y (1 - y^2).$$
            Written in $y$.

        Args:
            x: An array.
    """)
    assert readable(docstring) == clean(r"""
        Hyperbolic tangent.

        Derivation:
            By the quotient rule

            $$
            \bar x = \bar y (1 - y^2).
            $$

            Written in $y$.

        Args:
            x: An array.
    """)


def test_displayed_math_of_the_summary_is_a_paragraph():
    assert readable("Twice:\n$$2x$$") == "Twice:\n\n$$\n2x\n$$"


def test_doctests_in_the_text_are_code():
    assert readable("Twice.\n\n>>> twice(2)\n4\n\nDone.") == (
        "Twice.\n\n```pycon\n>>> twice(2)\n4\n```\n\nDone."
    )


def test_a_ruled_table_is_a_table():
    ruled = clean("""
        Cells.

        =========  =====
        cell       carry
        =========  =====
        `RNNCell`  h
        `a | b`    (h, c), two
        =========  =====
    """)
    assert readable(ruled) == clean(r"""
        Cells.

        | cell | carry |
        |---|---|
        | `RNNCell` | h |
        | `a \| b` | (h, c), two |
    """)


def test_a_table_without_headings_has_empty_ones():
    assert readable("====  ===\n`a`   one\n====  ===") == "|  |  |\n|---|---|\n| `a` | one |"


def test_what_needs_nothing_is_left_alone():
    docstring = "Twice.\n\nArgs:\n    x: A number,\n        or two.\n\n    y: Another."
    assert readable(docstring) == docstring


def test_the_extension_rewrites_a_module_and_what_is_in_it(tmp_path):
    (tmp_path / "squares_.py").write_text(
        '"""Squares.\n\nExample:\n    >>> 1\n    1\n"""\n\n'
        'def square(x):\n    """Square.\n\n    Example:\n        >>> 1\n        1\n    """\n',
        "utf-8",
    )
    module = griffe.load(
        "squares_", search_paths=[tmp_path], extensions=griffe.Extensions(Docstrings())
    )
    for documented in (module, module["square"]):
        kinds = [section.kind.value for section in documented.docstring.parse("google")]
        assert kinds == ["text", "examples"]
