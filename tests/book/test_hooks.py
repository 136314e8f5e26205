import json
import logging
import re
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import PluginError

from tinygrad_rnn.book import hooks
from tinygrad_rnn.book.quoting import PAGE, PageError

SETTINGS = """\
site_name: Toy
theme: mkdocs
plugins: []
hooks: [{hooks}]
markdown_extensions:
  - admonition
  - attr_list
  - md_in_html
  - pymdownx.arithmatex: {{generic: true}}
  - pymdownx.superfences
  - pymdownx.snippets: {{base_path: ["."], check_paths: true, restrict_base_path: true}}
  - tinygrad_rnn.book.markdown: {{root: "{root}"}}
validation:
  anchors: warn
"""


@pytest.fixture
def settings(toy, monkeypatch) -> Iterator[Path]:
    path = toy.root / "mkdocs.yml"
    path.write_text(
        SETTINGS.format(root=toy.root.as_posix(), hooks=Path(hooks.__file__).as_posix())
    )
    monkeypatch.chdir(toy.root)
    token = PAGE.set("")
    yield path
    PAGE.reset(token)


@pytest.fixture
def site(settings, caplog) -> Path:
    """The toy, built without a warning."""
    with caplog.at_level(logging.WARNING):
        build(load_config(str(settings)))
    assert caplog.messages == []
    return settings.parent / "site"


def test_a_bare_build_has_pages_and_downloads(site):
    """One build, as it is slow: everything that a site holds."""
    chapter = site / "chapters" / "01-squares"
    html = (chapter / "index.html").read_text()
    assert 'class="admonition reproduction"' in html
    assert "return x * x" in re.sub("<[^>]+>", "", html)
    assert "{{ 01.largest }}" not in html
    assert "///" not in html.replace("http:///", "")
    assert "largest square is <data" in (site / "index.html").read_text()

    script = (chapter / "ch01_squares.py").read_text()
    assert script.startswith("# %% [markdown]")
    assert json.loads((chapter / "ch01_squares.ipynb").read_text())["nbformat"] == 4

    index = json.loads((site / "assets" / "wheels" / "index.json").read_text())
    wheel = (site / "assets" / "wheels" / index["wheel"]).read_bytes()
    assert index == {
        "wheel": "toy-1.0-py3-none-any.whl",
        "sha256": sha256(wheel).hexdigest(),
    }
    assert "tinygrad_rnn/book/ch01_squares.py" in zipfile.ZipFile(BytesIO(wheel)).namelist()

    recorded = {path.name for path in (chapter / "recorded").iterdir()}
    assert {"growth.svg", "growth.json", "walk.json", "record.json"} <= recorded
    assert not {"trace.txt", "shapes.md", "shapes"} & recorded


def test_a_site_offers_a_gallerys_programs_instead_of_a_notebook(settings, toy, a_program):
    build(load_config(str(settings)))
    offered = {path.name for path in (toy.root / "site/chapters/01-squares").iterdir()}
    assert offered == {"index.html", "recorded", "ch01_squares.py", "one.py"}


def test_a_page_takes_number_and_question_from_its_record(settings, toy):
    config = load_config(str(settings))
    page = a_page(toy, config)
    hooks.introduce(page, toy.entry(1))
    assert page.meta == {"question": "How fast does <code>x * x</code> grow?", "chapter": 1}


def test_a_page_may_say_it_differently(settings, toy):
    page = a_page(toy, load_config(str(settings)))
    page.meta["question"] = "Why?"
    hooks.introduce(page, toy.entry(1))
    assert page.meta["question"] == "Why?"


def test_a_page_without_a_record_is_left_to_its_blocks(settings, toy, committed):
    (committed / "record.json").unlink()
    page = a_page(toy, load_config(str(settings)))
    hooks.introduce(page, toy.entry(1))
    assert page.meta == {}


def a_page(toy, config):
    from mkdocs.structure.files import File
    from mkdocs.structure.pages import Page

    file = File("chapters/01-squares/index.md", str(toy.docs), str(toy.root / "site"), True)
    return Page(None, file, config)


def test_a_mistake_in_a_page_ends_the_build_with_its_name(settings, toy, edit):
    edit(toy.docs / "index.md", "1.largest", "1.smallest")
    with pytest.raises(PluginError, match=r"^index\.md: 01 has recorded no metric 'smallest'"):
        build(load_config(str(settings)))


def test_other_errors_stay_what_they_are():
    assert hooks.on_build_error(error=KeyError("x")) is None
    with pytest.raises(PluginError, match="no such figure"):
        hooks.on_build_error(error=PageError("no such figure"))
