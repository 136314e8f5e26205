"""Every formula of every page, rendered by KaTeX at its strictest."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

KATEX = Path(__file__).resolve().parents[2] / "docs" / "assets" / "katex" / "katex.min.js"

RENDER = """formulas => formulas.flatMap(([page, displayMode, tex]) => {
    try {
        katex.renderToString(tex, { displayMode, strict: "error", throwOnError: true });
        return [];
    } catch (error) {
        return [`${page}: ${tex}\\n${error.message}`];
    }
})"""


class Formulas(HTMLParser):
    """Collects the formulas of a page, and those that its widgets will render."""

    def __init__(self):
        super().__init__()
        self.found = []  # (is displayed, TeX)
        self.tag = None
        self.text = ""
        self.titles = []

    def handle_starttag(self, tag, attributes):
        kind = dict(attributes)
        if kind.get("class") == "arithmatex" or kind.get("type") == "application/json":
            self.tag, self.text = tag, ""

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        if tag != self.tag:
            return
        self.tag = None
        if tag == "script":
            self.found += stepped(json.loads(self.text))
        else:
            self.found.append((tag == "div", self.text.strip()[2:-2]))


def stepped(graph):
    """The formulas of a stepper, or of any other JSON: none."""
    labels = [node["tex"] for node in graph.get("nodes", []) if "tex" in node]
    texts = [step.get("text", "") for step in graph.get("steps", [])]
    inline = [piece.split(r"\)")[0] for text in texts for piece in text.split(r"\(")[1:]]
    return [(False, tex) for tex in labels + inline]


@pytest.fixture
def katex(browser):
    page = browser.new_page()
    page.add_script_tag(path=KATEX)
    yield lambda formulas: page.evaluate(RENDER, formulas)
    page.close()


def test_katex_renders_every_formula_of_the_book(site, katex):
    formulas = []
    for page in sorted(site.rglob("*.html")):
        parser = Formulas()
        parser.feed(page.read_text("utf-8"))
        formulas += [(str(page.relative_to(site)), *formula) for formula in parser.found]
    assert len(formulas) > 10
    assert katex(formulas) == []


@pytest.mark.parametrize("tex", [r"\barr x", r"x^2^3", "x_한", r"\frac{1}{2", "x’"])
def test_katex_refuses_what_readers_would_see_in_red(katex, tex):
    (complaint,) = katex([("page", False, tex)])
    assert complaint.startswith(f"page: {tex}\n")
