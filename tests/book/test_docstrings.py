import markdown
import pytest

from tinygrad_rnn.book.docstrings import derivation, displayed, documented

SOURCE = r'''
"""A module.

Derivation:
    By $1 = 1$.
"""

class Cell:
    """A cell.

    Derivation:
        First,
        $$a = b$$
        then.

        Second.

    Example:
        >>> 1
        1
    """

    def step(self):
        """One
        step.

        Derivation:
            The last section.
        """

    def bare(self):
        pass

@some.decorator(x=1)
def f(x):
    """No such section.

    Derivation of nothing: here.
    """
'''


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text(SOURCE)
    (tmp_path / "a" / "__init__.py").write_text('"""A package."""\n')
    return tmp_path


def test_a_section_ends_where_the_next_begins(root):
    assert derivation("a.b.Cell", root) == "First,\n\n$$\na = b\n$$\n\nthen.\n\nSecond."


def test_methods_and_modules_have_docstrings_too(root):
    assert derivation("a.b.Cell.step", root) == "The last section."
    assert derivation("a.b", root) == "By $1 = 1$."
    assert documented("a", root).text == "A package."


def test_a_docstring_knows_its_place_and_summary(root):
    found = documented("a.b.Cell.step", root)
    assert found.file.name == "b.py"
    assert found.line == 23
    assert found.summary == "One step."


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("c.d", "c.d: no module of that name"),
        ("a.b.Sell", "defines no 'Sell'; it defines Cell, f"),
        ("a.b.Cell.bare", r"a\.b\.Cell\.bare has no docstring \(in a/b\.py\)"),
        ("a.b.f", "its docstring has no `Derivation:` section"),
    ],
)
def test_what_is_not_there_is_named(root, path, says):
    with pytest.raises(LookupError, match=says):
        derivation(path, root)


def test_a_formula_stands_alone():
    assert displayed("so $$a$$.") == "so\n\n$$\na\n$$\n\n."


def test_a_formula_of_several_lines_keeps_them():
    assert displayed("so\n$$ a\n  = b $$") == "so\n\n$$\na\n= b\n$$"


def test_what_follows_a_list_item_belongs_to_it():
    text = "1. so\n   $$a$$\n   and\n2. more\n   lines\n\nAfter it.\n"
    assert displayed(text) == (
        "1. so\n\n    $$\n    a\n    $$\n\n    and\n\n2. more\n    lines\n\nAfter it."
    )


def test_an_item_begins_anew_after_text_that_followed_a_formula():
    html = markdown.markdown(displayed("1. so $$a$$\n   and\n2. more"))
    assert html.count("<li>") == 2


def test_inline_math_is_left_alone():
    assert displayed("With $a$\nand $b$.") == "With $a$\nand $b$."
