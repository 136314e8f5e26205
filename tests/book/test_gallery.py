"""The gallery's programs are small, whole, on the page, and worth their while as recorded.

What they print and score is for `tg book check gallery` to run again.
"""

import ast
import re

import pytest

from tinygrad_rnn.book.contents import BOOK
from tinygrad_rnn.book.record import Record
from tinygrad_rnn.data import SOURCES

GALLERY = BOOK.entry("gallery")
PAGE = GALLERY.page.read_text("utf-8")

each = pytest.mark.parametrize("program", GALLERY.programs, ids=lambda program: program.stem)


@pytest.fixture
def code(program):
    return program.read_text("utf-8")


@pytest.fixture
def section(program):
    """What the page says of a program, up to the next one."""
    sections = re.split(r"(?m)^## ", PAGE)[1:]
    (found,) = [each for each in sections if f"gallery/{program.name}" in each]
    return found


@pytest.fixture(scope="module")
def record():
    return Record.read(GALLERY.recorded)


def test_there_is_a_gallery_that_becomes_no_notebook():
    assert GALLERY.programs
    assert not GALLERY.has_notebook


@each
def test_a_program_has_fewer_than_sixty_lines(code):
    assert code.count("\n") < 60


@each
def test_a_program_uses_the_library_as_anyone_would(code):
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    assert not [node.module for node in imports if node.module.startswith("tinygrad_rnn.")]


@each
def test_a_program_says_what_it_does_and_ends_with_its_results(code):
    tree = ast.parse(code)
    assert len(ast.get_docstring(tree).splitlines()) > 1
    assigned = {
        name.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for name in ast.walk(statement)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    assert {"score", "baseline", "figure"} <= assigned


@each
def test_the_page_shows_a_program_whole_with_its_output_picture_and_numbers(program, section):
    name = program.stem
    for shown in (
        f'--8<-- "tinygrad_rnn/book/gallery/{name}.py"',
        f"/// text | gallery.{name}_output",
        f"/// figure | gallery.{name}_figure",
        f"gallery.{name}_score",
        f"gallery.{name}_baseline",
        f"({name}.py)",
    ):
        assert shown in section


@each
def test_the_page_states_the_licence_of_each_source(code, section):
    named = set(re.findall(r'data\.source\("([\w-]+)"\)', code))
    if "data.python_sources()" in code:
        named.add("python-sources")
    for source in SOURCES:
        if source.name in named:
            assert source.licence in section


@each
def test_a_program_beat_its_baseline(program, record):
    name = program.stem
    score, baseline = (record.metrics[f"{name}_{which}"] for which in ("score", "baseline"))
    is_an_error = score.unit not in ("", "chrF")
    assert (score.value < baseline.value) == is_an_error
    assert record.figures[f"{name}_figure"].alt


def test_the_overview_links_to_every_program():
    for program in GALLERY.programs:
        assert f"](#{program.stem})" in PAGE
