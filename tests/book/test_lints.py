from pathlib import Path

import pytest

from tinygrad_rnn.book.lints import faults


@pytest.fixture
def page(toy) -> Path:
    return toy.entry(1).page


@pytest.fixture
def script(toy) -> Path:
    return toy.entry(1).script


@pytest.fixture
def told(toy):
    return lambda: [str(fault) for fault in faults(toy)]


PAGE = "docs/chapters/01-squares/index.md"
SCRIPT = "tinygrad_rnn/book/ch01_squares.py"
RECORDED = "docs/chapters/01-squares/recorded"


def test_the_toy_keeps_every_rule(told):
    assert told() == []


class TestAPage:
    """Each mistake is told with its line, and nothing else is."""

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                'ch01_squares.py:trace"',
                f'ch01_squares.py:trace"\n--8<-- "{SCRIPT}:40:42"',
                f"{PAGE}:26: includes {SCRIPT}:40:42 by lines: give the region a name",
            ),
            (
                "/// text | 01.clock\n///",
                "/// text | 01.clock",
                f"{PAGE}:31: /// text is not closed: write /// under it",
            ),
            (
                "/// card | 01\n///",
                "/// card | 01\n///\n\n/// tabel | 01.shapes\n///",
                f"{PAGE}:9: no block is called 'tabel'; there are card, claims, derivation, "
                "downloads, figure, stepper, table, text",
            ),
            (
                "1. The derivation's first step.",
                "1. The step.\n\n```python\nx = 1\n```",
                f"{PAGE}:24: Python code is pasted: include a named region of the library or a "
                "script",
            ),
            (
                "guessing gives",
                "guessing 2.5 gives",
                f"{PAGE}:3: 2.5 is typed: quote what was recorded, as {{{{ 05.name }}}}, write it "
                "as math, or list it in the front matter under not-measured",
            ),
            (
                "# Squares",
                "# Square numbers",
                f"{PAGE}:1: is titled 'Square numbers', its script 'Squares'",
            ),
            (
                "# Squares",
                "---\nquestion: Why?\n---\n# Squares",
                f"{PAGE}:1: states its question, which is its script's to say: leave it out",
            ),
            ("/// card | 01\n///", "", f"{PAGE}:1: has no /// card | 01…"),
            ("!!! predict", "!!! note", f'{PAGE}:1: has no !!! predict "…"'),
            (
                '!!! exercise core "Square 3."',
                "",
                f"{PAGE}:1: has 1 of 2 exercises of level core: !!! exercise core",
            ),
            (
                "{ .python .tg-run }",
                "python",
                f"{PAGE}:1: has no code to run in the browser: ```{{ .python .tg-run }}",
            ),
            (
                "/// text | 01.clock\n///",
                "",
                f"{PAGE}:1: 01.clock is recorded but not shown: /// text | 01.clock",
            ),
            (
                "recorded/weights.json",
                "nothing",
                f"{PAGE}:1: 01.weights is exported, but no page uses weights.json",
            ),
        ],
    )
    def test_of_the_book(self, told, page, edit, old, new, says):
        edit(page, old, new)
        assert told() == [says]

    def test_may_say_what_decimals_come_from_elsewhere(self, told, page, edit):
        edit(page, "# Squares", "---\nnot-measured: [3.11]\n---\n# Squares")
        edit(page, "guessing gives", "Python 3.11 gives")
        assert told() == []

    def test_about_writing_may_show_code(self, told, toy):
        (toy.docs / "contributing").mkdir()
        (toy.docs / "contributing" / "index.md").write_text("```python\nx = 1.5\n```\n\n2.5\n")
        assert told() == []

    def test_with_a_baseline_quotes_it(self, told, page, edit):
        edit(page, "{{ 01.baseline }}", "nothing")
        assert told() == [f"{PAGE}:1: quotes no metric whose name contains 'baseline'"]

    def test_of_a_chapter_shows_code(self, told, page, edit):
        edit(page, "```{ .python }\n", "```text\n")
        edit(page, "```{ .python .tg-run }\n", "```text\n")
        assert told() == [
            f"{PAGE}:1: shows no code",
            f"{PAGE}:1: has no code to run in the browser: ```{{ .python .tg-run }}",
        ]

    def test_must_be_there(self, told, page):
        page.unlink()
        assert f"{SCRIPT}:1: has no page: write {PAGE}" in told()

    def test_must_have_a_record(self, told, committed):
        (committed / "record.json").unlink()
        assert told() == [f"{PAGE}:1: nothing is recorded: `tg book run 1`"]

    @pytest.mark.parametrize("options", ["", "\n    options:\n      show_source: false"])
    def test_of_reference_may_hide_source(self, told, toy, options):
        (toy.docs / "reference.md").write_text(f"::: tinygrad_rnn.book{options}\n")
        assert told() == []

    def test_of_reference_may_not_show_markers(self, told, toy):
        text = "# R\n\n::: tinygrad_rnn.book\n    options:\n      show_source: true\n"
        (toy.docs / "reference.md").write_text(text)
        assert told() == [
            "docs/reference.md:3: show_source must be off for tinygrad_rnn.book: its source holds "
            "region markers"
        ]


class TestARegion:
    def test_is_closed(self, told, script, edit):
        edit(script, "# --8<-- [end:square]\n", "")
        assert told() == [
            f"{SCRIPT}:23: region 'square' has a start without an end, or the reverse"
        ]

    def test_is_opened(self, told, script, edit):
        edit(script, "# --8<-- [start:square]\n", "")
        assert told() == [
            f"{SCRIPT}:34: region 'square' has a start without an end, or the reverse"
        ]

    def test_is_opened_once(self, told, script, edit):
        edit(script, "def square", "# --8<-- [start:square]\ndef square")
        assert told() == [
            f"{SCRIPT}:23: region 'square' has a start without an end, or the reverse",
            f"{SCRIPT}:1: 2 regions are called 'square'",
        ]

    def test_fits_on_a_page(self, told, script, edit):
        edit(script, "    return x * x", "    #\n" * 33 + "    return x * x")
        assert told() == [
            f"{SCRIPT}:23: region 'square' has 42 lines, more than a page shows: at most 40"
        ]

    def test_is_shown(self, told, script, edit):
        edit(script, "import numpy", "# --8<-- [start:x]\n# --8<-- [end:x]\nimport numpy")
        assert told() == [f"{SCRIPT}:7: no page includes region 'x'"]

    def test_of_the_library_need_not_be_shown(self, told, toy):
        module = toy.scripts.parent / "engine.py"
        module.write_text("# --8<-- [start:x]\n# --8<-- [end:x]\n")
        assert told() == []


class TestARecord:
    def test_is_of_the_code_as_it_is(self, told, script, edit):
        edit(script, "np.arange(5)", "np.arange(6)")
        assert told() == [
            f"{SCRIPT}:1: the code has changed since it was recorded: `tg book run 1`"
        ]

    def test_is_of_the_programs_as_they_are(self, told, a_program):
        assert told() == [
            f"{SCRIPT}:1: the code has changed since it was recorded: `tg book run 1`"
        ]

    def test_is_true(self, told, committed, edit):
        edit(committed / "record.json", '"holds": true', '"holds": false')
        assert told() == [
            f"{RECORDED}/record.json:1: claim No square is *negative*.: does not hold: measured 0"
        ]

    def test_is_complete_and_alone(self, told, committed):
        (committed / "trace.txt").rename(committed / "stray.txt")
        assert told() == [
            f"{RECORDED}/trace.txt:1: is missing: `tg book run 1`",
            f"{RECORDED}/stray.txt:1: is no part of the record: delete it",
        ]

    @pytest.mark.parametrize("what", ["data", "prerequisites"])
    def test_says_what_it_rests_on(self, told, committed, edit, what):
        import json

        record = json.loads((committed / "record.json").read_text())
        record[what] = []
        (committed / "record.json").write_text(json.dumps(record))
        assert told() == [f"{SCRIPT}:1: its Chapter has no {what}"]


def test_a_guide_needs_none_of_a_chapters_parts(toy, told, edit):
    script, page = toy.entry(1).script, toy.entry(1).page
    guide = script.with_name("guide_squares.py")
    guide.write_text(script.read_text().replace("ch01_squares", "guide_squares"))
    script.unlink()
    folder = toy.docs / "squares"
    page.parent.rename(folder)
    blocks = ("derivation | {}.square", "text | {}.trace", "text | {}.clock", "table | {}.shapes")
    shown = "".join(f"/// {block.format('squares')}\n///\n\n" for block in blocks)
    (folder / "index.md").write_text(
        f"# Squares\n\n{shown}/// stepper | squares.walk\n    figure: squares.growth\n///\n\n"
        '```python\n--8<-- "tinygrad_rnn/book/guide_squares.py:square"\n'
        '--8<-- "tinygrad_rnn/book/guide_squares.py:trace"\n```\n\nweights.json\n'
    )
    edit(folder / "recorded" / "record.json", '"key": "01"', '"key": "squares"')
    assert told() == []
