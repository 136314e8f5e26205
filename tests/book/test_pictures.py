"""The README's picture and the architecture's are those that today's code draws."""

import re
import xml.etree.ElementTree as ET

import pytest

from tinygrad_rnn.book import pictures
from tinygrad_rnn.book.contents import BOOK, Book
from tinygrad_rnn.book.pictures import PICTURES, architecture, readme

ASSETS = BOOK.docs / "assets"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("file", PICTURES)
def test_a_picture_is_what_is_drawn_today(file):
    drawn = PICTURES[file]()
    assert (ASSETS / file).read_text("utf-8") == drawn, (
        f"docs/assets/{file} is out of date: run `python -m tinygrad_rnn.book.pictures`"
    )


def test_every_image_of_the_readme_exists_and_is_described():
    text = (BOOK.root / "README.md").read_text("utf-8")
    images = re.findall(r"<img [^>]*>", text)
    assert images
    for image in images:
        source = re.search(r'src="([^"]+)"', image)[1]
        assert (BOOK.root / source).is_file(), f"README.md shows {source}, which does not exist"
        assert re.search(r'alt="[^"]{20,}"', image)


def test_the_readme_shows_one_step_of_its_own_example():
    root = ET.fromstring(readme())
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert {"w", "h", "u", "x", "b", "×", "+", "tanh", "0.5", "−1.2"} <= set(texts)
    assert sum(text.startswith("∂") for text in texts) == 9  # all boxes but the input's


@pytest.mark.parametrize("file", PICTURES)
def test_a_picture_needs_nothing_from_its_page(file):
    text = (ASSETS / file).read_text("utf-8")
    assert not re.search(r"href=|url\(|<script|<image|@import|@font-face", text)
    assert not re.search(r"var\(--[\w-]+\)", text), "a variable without a colour behind it"
    root = ET.fromstring(text)
    assert root.find(f"{SVG}rect").get("class") == "page"  # readable on white and on dark
    assert "prefers-color-scheme: dark" in text
    assert {"width", "height", "viewBox"} <= set(root.keys())


def test_the_architecture_has_a_box_for_each_package_and_a_dot_for_each_import():
    root = ET.fromstring(architecture({"kernels": [], "engine": ["kernels"], "ops": ["kernels"]}))
    assert [text.text or text[0].text for text in root.iter(f"{SVG}text")] == [
        "kernels",
        "engine",
        "ops",
    ]
    assert [dot[0].text for dot in root.iter(f"{SVG}circle")] == [
        "engine imports from kernels",
        "ops imports from kernels",
    ]


def test_both_are_drawn_by_one_command(monkeypatch, tmp_path, capsys):
    book = Book(root=tmp_path, scripts=tmp_path, docs=tmp_path / "docs")
    (tmp_path / "docs" / "assets").mkdir(parents=True)
    monkeypatch.setattr(pictures, "BOOK", book)
    pictures.main()
    said = capsys.readouterr().out
    for file in PICTURES:
        assert (tmp_path / "docs" / "assets" / file).exists()
        assert f"docs/assets/{file}: " in said
