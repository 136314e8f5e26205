"""Docstrings, as the reference pages see them."""

import importlib
import inspect
import re
import sys
import textwrap

import griffe
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.book.contents import BOOK
from tinygrad_rnn.book.reference import Docstrings, readable

PACKAGES = [
    "tinygrad_rnn",
    *(f"tinygrad_rnn.{name}" for name in ("engine", "ops", *tg.PACKAGES, "book")),
]


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


@pytest.fixture(scope="module")
def documented():
    """The dotted names of everything that some page shows."""
    extensions = griffe.Extensions(Docstrings())
    library = griffe.load("tinygrad_rnn", search_paths=[BOOK.root], extensions=extensions)
    return {
        member.canonical_path
        for page in sorted((BOOK.docs / "reference").rglob("*.md"))
        for target in re.findall(r"(?m)^::: tinygrad_rnn\.([\w.]+)$", page.read_text("utf-8"))
        for shown in [library[target]]
        for member in [shown, *(m for m in shown.members.values() if m.is_public)]
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_offers_is_on_a_page(package, documented):
    offered = importlib.import_module(package)
    names = [n for n in offered.__all__ if not inspect.ismodule(getattr(offered, n))]
    missing = [name for name in names if not documented & set(places(offered, name))]
    assert missing == [], f"no page under docs/reference shows these names of {package}"


def places(package, name):
    """Under which dotted names an object may be documented."""
    obj = getattr(package, name)
    yield f"{package.__name__}.{name}"
    yield f"{getattr(obj, '__module__', '')}.{getattr(obj, '__name__', name)}"
    for module in list(sys.modules.values()):  # a constant does not say where it was defined
        if getattr(module, "__name__", "").startswith("tinygrad_rnn.") and name in vars(module):
            yield f"{module.__name__}.{name}"


def test_a_package_has_a_page():
    for package in PACKAGES[1:]:
        name = package.removeprefix("tinygrad_rnn.")
        pages = BOOK.docs / "reference"
        assert (pages / f"{name}.md").exists() or (pages / name / "index.md").exists()


def test_a_module_shows_what_its_package_offers_and_no_more(tmp_path):
    files = {
        "__init__.py": "",
        "shapes/__init__.py": (
            "from house_.shapes.round import Circle\nfrom house_.shapes.square import square\n"
            '__all__ = ["Circle", "square"]\n'
        ),
        "shapes/round.py": "class Circle: ...\nclass Arc: ...\n",
        "shapes/square.py": "def square(): ...\ndef corner(): ...\n",
        "shapes/lines.py": "def line(): ...\n",
    }
    for name, text in files.items():
        path = tmp_path / "house_" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    extensions = griffe.Extensions(Docstrings())
    house = griffe.load("house_", search_paths=[tmp_path], extensions=extensions)
    shown = {
        f"{module}.{name}"
        for module in ("round", "square", "lines")
        for name, member in house[f"shapes.{module}"].members.items()
        if member.is_public
    }
    assert shown == {"round.Circle", "square.square", "lines.line"}


def test_a_function_may_bear_the_name_of_its_module(tmp_path):
    for name, text in {
        "__init__.py": "",
        "core/__init__.py": 'from yard_.core.gate import gate\n__all__ = ["gate"]\n',
        "core/gate.py": "def gate(): ...\ndef hinge(): ...\n",
    }.items():
        path = tmp_path / "yard_" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    yard = griffe.load("yard_", search_paths=[tmp_path], extensions=griffe.Extensions(Docstrings()))
    members = yard["core"].modules["gate"].members
    assert [name for name, member in members.items() if member.is_public] == ["gate"]
