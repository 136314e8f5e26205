import re
import xml.etree.ElementTree as ET

import pytest
from markdown import Markdown

from tinygrad_rnn.book.quoting import PAGE, PageError

EXTENSIONS = [
    "admonition",
    "attr_list",
    "tables",
    "md_in_html",
    "pymdownx.arithmatex",
    "pymdownx.superfences",
    "tinygrad_rnn.book.markdown",
]


@pytest.fixture
def render(toy):
    """A page's HTML, as an element."""

    def render(text: str) -> ET.Element:
        options = {
            "tinygrad_rnn.book.markdown": {"root": str(toy.root)},
            "pymdownx.arithmatex": {"generic": True},
        }
        html = Markdown(extensions=EXTENSIONS, extension_configs=options).convert(text)
        return ET.fromstring(f"<page>{html}</page>")

    return render


def text_of(element: ET.Element) -> str:
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def by_class(page: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in page.iter() if name in e.get("class", "").split()]


class TestReferences:
    def test_a_number_is_quoted_with_its_band(self, render):
        (data,) = render("It is {{ 01.mean }}.").iter("data")
        assert (data.text, data.get("value"), data.get("class")) == ("6", "6.0", "tg-value")
        assert data.get("title") == "recorded by tg book run 1; expected 5 to 7"

    def test_a_number_takes_a_format(self, render):
        page = render("{{01.mean:.2f}} and {{ 1.largest:>4 }} and {{ 01.mean:.0% }}")
        assert text_of(page) == "6.00 and 16 and 600%"

    def test_a_number_stands_in_a_table_a_heading_and_a_title(self, render):
        page = render(
            "# {{ 01.mean }}\n\n| a |\n|---|\n| {{ 01.mean:.1f }} |\n\n"
            '!!! note "{{ 01.largest }}"\n    x'
        )
        assert [data.text for data in page.iter("data")] == ["6", "6.0", "16"]

    def test_code_and_math_are_left_alone(self, render):
        page = render("`{{ 01.mean }}` and $x^{{2}}$\n\n```\n{{ 01.mean }}\n```")
        assert list(page.iter("data")) == []

    @pytest.mark.parametrize(
        ("reference", "says"),
        [
            (
                "{{ 01.medium }}",
                "01 has recorded no metric 'medium'; its metrics are: largest, mean",
            ),
            ("{{ 02.mean }}", "the book has no script '02'; it has: 01"),
            ("{{ mean }}", r"expected {{ 05\.name }} or {{ 05\.name:\.3f }}"),
            ("{{ 01.mean | .3f }}", r"expected {{ 05\.name }}"),
            ("{{ 01.mean:.3q }}", r"{{ 01\.mean:\.3q }}: .*[Ff]ormat"),
        ],
    )
    def test_a_mistake_ends_the_build(self, render, reference, says):
        with pytest.raises(PageError, match=says):
            render(reference)

    def test_a_mistake_names_its_page(self, render):
        token = PAGE.set("chapters/01-squares/index.md")
        with pytest.raises(PageError, match=r"^chapters/01-squares/index\.md: 01 has"):
            render("{{ 01.medium }}")
        PAGE.reset(token)


class TestACard:
    def test_says_how_to_repeat_the_run_and_what_to_expect(self, render):
        page = render("/// card | 01\n///")
        (card,) = by_class(page, "reproduction")
        assert "admonition" in card.get("class")
        assert card[0].text == "Reproduce this chapter"
        assert text_of(next(card.iter("code"))) == "$ tg book run 1"
        terms = [term.text for term in card.iter("dt")]
        facts = dict(zip(terms, card.iter("dd"), strict=True))
        assert text_of(facts["Read before"]) == "counting"
        assert [line.text for line in facts["Expected"]] == [
            "largest 16 units",
            "mean 6, expected 5 to 7",
            "baseline 2, expected ± 0.1",
        ]
        assert text_of(facts["Seed"]) == "7"
        assert re.fullmatch(r"[\d.]+ s, \d+ MiB on \d+ cores?", text_of(facts["Time and memory"]))
        assert "numpy" in text_of(facts["Recorded with"])
        assert text_of(facts["Data"]) == "the first five numbers, made by the script"

    def test_links_to_chapters_and_gives_checksums(self, render, committed, edit):
        edit(committed / "record.json", '"[counting](https://example.org)"', "1")
        edit(committed / "record.json", '"licence": ""', '"licence": "CC0-1.0"')
        edit(committed / "record.json", '"sha256": ""', f'"sha256": "{"0123456789abcdef" * 4}"')
        page = render("/// card | 1\n///")
        (link,) = page.iter("a")
        assert (link.text, link.get("href")) == ("chapter 1, Squares", "index.md")
        assert "(CC0-1.0, SHA-256 0123456789abcdef)." in text_of(page)

    def test_manages_without_a_run(self, render, committed, edit):
        text = (committed / "record.json").read_text()
        run = re.search(r'"run": \{.*?\n \}', text, re.S)[0]
        edit(committed / "record.json", run, '"run": null')
        assert "Time and memory" not in text_of(render("/// card | 01\n///"))


class TestAFigure:
    def test_is_inlined_with_caption_and_numbers(self, render):
        (figure,) = by_class(render("/// figure | 01.growth\n///"), "tg-figure")
        assert (figure.tag, figure.get("id")) == ("figure", "fig-growth")
        plot, caption = figure
        assert plot.get("class") == "tg-figure__plot"
        assert plot.get("aria-label") == "A parabola from 0 to 16."
        assert plot[0].tag == "{http://www.w3.org/2000/svg}svg"
        assert text_of(caption[0]) == "It grows."
        (fold,) = caption.iter("details")
        rows = [[cell.text for cell in row] for row in fold.iter("tr")]
        assert rows[:3] == [["x", "y"], ["0", "0.25"], ["1", "1.25"]]
        (link,) = fold.iter("a")
        assert link.get("href") == "recorded/growth.json"

    def test_takes_more_caption_and_more_room(self, render):
        page = render("/// figure | 01.growth\n    wide: true\n\nTo {{ 01.largest }}.\n///")
        (figure,) = by_class(page, "tg-wide")
        assert text_of(figure[1][-1]) == "To 16."

    def test_shows_few_of_many_numbers(self, render, committed):
        numbers = [i / 8 for i in range(1000)]
        (committed / "growth.json").write_text(f'{{"run": {{"y": {numbers}, "none": null}}}}')
        (fold,) = render("/// figure | 01.growth\n///").iter("details")
        assert len(list(fold.iter("tr"))) == 41 + 2  # with the headings of both tables
        assert "40 of 1,000 rows." in text_of(fold)

    def test_is_linked_from_wherever_it_stands(self, render):
        token = PAGE.set("index.md")
        (link,) = render("/// figure | 01.growth\n///").iter("a")
        PAGE.reset(token)
        assert link.get("href") == "chapters/01-squares/recorded/growth.json"

    def test_without_data_has_no_fold(self, render, committed, edit):
        text = (committed / "record.json").read_text()
        bands = re.search(r'"bands": \{.*?\n   \}', text, re.S)[0]
        edit(committed / "record.json", bands, '"bands": {}')
        assert list(render("/// figure | 01.growth\n///").iter("details")) == []


class TestADerivation:
    def test_comes_from_the_docstring_with_the_measured_error(self, render):
        (box,) = by_class(render("/// derivation | 01.square\n///"), "derivation")
        assert text_of(box[0]) == "The square, \\(y = x^2\\) checked, max. relative error 1.0e-12"
        (badge,) = by_class(box, "tg-badge")
        assert badge.get("class") == "tg-badge"
        steps = list(box.iter("li"))
        assert len(steps) == 2
        assert "\\bar x = 2 x \\bar y" in text_of(steps[1])

    def test_takes_another_title_and_more_text(self, render):
        page = render("/// derivation | 01.square\n    title: Squares\n\nMore.\n///")
        (box,) = by_class(page, "derivation")
        assert text_of(box[0]).startswith("Squares checked")
        assert box[-1].text == "More."

    def test_that_failed_says_so(self, render, committed, edit):
        edit(committed / "record.json", '"error": 1e-12', '"error": 0.1')
        (badge,) = by_class(render("/// derivation | 01.square\n///"), "tg-badge")
        assert badge.get("class") == "tg-badge failed"

    def test_that_is_gone_from_the_source_ends_the_build(self, render, toy, edit):
        edit(toy.entry(1).script, "Derivation:", "Proof:")
        with pytest.raises(
            PageError, match=r"derivation \| 01\.square: .*no `Derivation:` section"
        ):
            render("/// derivation | 01.square\n///")


def test_claims_stand_in_a_table_with_value_and_test(render):
    (block,) = by_class(render("/// claims | 01\n///"), "tg-claims")
    heading, row = [[text_of(cell) for cell in row] for row in block.iter("tr")]
    assert heading == ["Claim", "Measured", "Test"]
    assert row == ["No square is negative.", "0", "bool((squares >= 0).all())"]


def test_a_record_without_claims_has_nothing_to_show(render, committed, edit):
    text = (committed / "record.json").read_text()
    claims = re.search(r'"claims": \[.*?\n \]', text, re.S)[0]
    edit(committed / "record.json", claims, '"claims": []')
    with pytest.raises(PageError, match="01 has recorded no claims"):
        render("/// claims | 01\n///")


def test_a_text_is_shown_as_it_was_printed(render):
    (block,) = by_class(render("/// text | 01.trace\n///"), "tg-output")
    assert next(block.iter("code")).text == "0 0\n1 1\n2 4\n3 9\n4 16\n"


def test_a_table_is_shown_with_its_markdown(render):
    (block,) = by_class(render("/// table | 01.shapes\n///"), "tg-table")
    rows = [[text_of(cell) for cell in row] for row in block.iter("tr")]
    assert rows == [["tensor", "length", "mean"], ["\\(x\\)", "5", "2"]]


def test_a_stepper_wraps_its_figure_and_its_data(render, committed, edit):
    edit(committed / "walk.json", '"3"', '"</script>"')
    page = render("/// stepper | 01.walk\n    figure: 01.growth\n\nWalk it.\n///")
    (widget,) = by_class(page, "tg-stepper")
    assert widget[0].get("id") == "fig-growth"
    (script,) = widget.iter("script")
    assert script.get("type") == "application/json"
    assert script.text == '{"nodes": [{"id": "x", "value": "\\u003c/script>"}]}'
    assert widget[-1].text == "Walk it."


def test_downloads_are_listed_before_the_pages_own_links(render):
    page = render("/// downloads | 01\n\n- [More](https://example.org)\n///")
    (block,) = by_class(page, "tg-downloads")
    assert [(text_of(a), a.get("href")) for a in block.iter("a")] == [
        ("Script", "ch01_squares.py"),
        ("Notebook", "ch01_squares.ipynb"),
        ("Record (JSON)", "recorded/record.json"),
        ("More", "https://example.org"),
    ]
    assert list(block.iter("p")) == []


def test_a_gallery_offers_no_notebook(render, a_program):
    (block,) = by_class(render("/// downloads | 01\n///"), "tg-downloads")
    assert [text_of(a) for a in block.iter("a")] == ["Script", "Record (JSON)"]


def test_a_block_may_stand_in_a_list(render):
    page = render("- item\n\n    /// text | 01.clock\n    ///\n\nafter")
    (item,) = page.iter("li")
    assert by_class(item, "tg-output")


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("figure | 01.grown", "01 has recorded no figure 'grown'; its figures are: growth"),
        ("figure | growth", "'growth': give script and name, as in 05.loss"),
        ("text | 01.growth", "01 has recorded no text 'growth'; its texts are: trace, clock"),
        ("card | 07", "the book has no script '07'"),
        ("card", r"/// card \| .*: expected `/// card \| 05…`, options attrs, got none"),
        ("figure | 01.growth\n    wid: true", r"options attrs, wide, got {'wid': True}"),
    ],
)
def test_a_mistaken_block_ends_the_build(render, block, says):
    with pytest.raises(PageError, match=says):
        render(f"/// {block}\n///")


def test_a_script_that_never_ran_says_how_to_run_it(render, committed):
    (committed / "record.json").unlink()
    with pytest.raises(
        PageError, match="run `tg book run` for its script; `tg book run 1` makes it"
    ):
        render("/// card | 01\n///")


def test_a_file_that_is_gone_says_how_to_make_it(render, committed):
    (committed / "trace.txt").unlink()
    with pytest.raises(PageError, match=r"trace\.txt is missing: `tg book run 1` makes it"):
        render("/// text | 01.trace\n///")
