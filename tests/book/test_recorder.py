import builtins
import json
import subprocess
import sys
import types

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.book.bands import Interval, Within
from tinygrad_rnn.book.recorder import RECORDING, Chapter, Recording
from tinygrad_rnn.data import TextSource


def a_chapter(key=5, **facts):
    return Chapter(key, title="hello", question="What tells l from o?", **facts)


def nothing(data):
    return '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@pytest.fixture
def recording(tmp_path):
    recording = Recording("05", "tinygrad_rnn.book.ch05_hello", tmp_path)
    token = RECORDING.set(recording)
    yield recording
    RECORDING.reset(token)


class TestAReader:
    """Someone who runs the script gets its results printed, and no files."""

    def test_reads_a_metric_with_its_band(self, capsys):
        assert a_chapter().metric("loss", 2.41234, band=(2.2, 2.6), unit="bits") == 2.41234
        assert capsys.readouterr().out == "loss = 2.412 bits (expected: 2.2 to 2.6)\n"

    def test_reads_an_output(self, capsys):
        chapter = a_chapter()
        chapter.text("trace", "1 2 3")
        with chapter.output("printed"):
            print("4 5 6")
        assert capsys.readouterr().out == "1 2 3\n4 5 6\n"

    def test_reads_a_table(self, capsys):
        a_chapter().table("shapes", ["tensor", "size"], [["$x_t$", 10_000]])
        assert capsys.readouterr().out == "| tensor | size |\n| --- | ---: |\n| $x_t$ | 10,000 |\n"

    def test_reads_whether_a_claim_held(self, capsys):
        chapter = a_chapter()
        chapter.claim("It learns.", holds=True, measured=3, unit="steps")
        chapter.claim("It forgets.", holds=False, measured="nothing")
        assert capsys.readouterr().out == "✓ It learns. (3 steps)\n✗ It forgets. (nothing)\n"

    def test_reads_a_caption(self, capsys):
        a_chapter().figure("loss", nothing, alt="A line.", caption="It falls.")
        assert capsys.readouterr().out == "figure loss: It falls.\n"

    def test_reads_the_shapes_of_an_export(self, capsys):
        a_chapter().export("weights", {"W": np.ones((2, 3))})
        assert capsys.readouterr().out == "export weights: W (2, 3)\n"

    def test_sees_a_figure_in_a_notebook(self, monkeypatch):
        shown = []
        display = types.SimpleNamespace(SVG=lambda svg: svg, display=shown.append)
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
        a_chapter().figure("loss", nothing, alt="A line.", caption="It falls.")
        assert "A line.</title>" in shown[0]


class TestARecording:
    def test_keeps_what_is_told(self, recording):
        chapter = a_chapter(seed=3, prerequisites=[4, "[NumPy](https://numpy.org)"])
        chapter.metric("parameters", np.int64(12))
        record = recording.chapter.record
        assert recording.chapter is chapter
        assert (record.key, record.title, record.seed) == ("05", "hello", 3)
        assert record.prerequisites == [4, "[NumPy](https://numpy.org)"]
        assert record.metrics["parameters"].value == 12
        assert type(record.metrics["parameters"].value) is int

    def test_keeps_where_data_come_from(self, recording):
        text = TextSource("docs", "abc", "PSF-2.0", "The Python docs.")
        chapter = a_chapter(data=[text, "noise, made by the script"])
        docs, noise = chapter.record.data
        assert (docs.name, docs.licence, docs.citation) == ("docs", "PSF-2.0", "The Python docs.")
        assert docs.sha256.startswith("ba7816bf")
        assert (noise.name, noise.sha256) == ("noise, made by the script", "")

    def test_writes_outputs_tables_and_exports(self, recording):
        chapter = a_chapter()
        chapter.text("trace", "one\n\n")
        chapter.table("shapes", ["x"], [[1]])
        chapter.export("weights", {"W": np.array([1.23456])}, digits=2)
        assert (recording.folder / "trace.txt").read_text() == "one\n"
        assert (recording.folder / "shapes.md").read_text().startswith("| x |")
        assert json.loads((recording.folder / "weights.json").read_text()) == {"W": [1.2]}

    def test_draws_a_figure_from_the_rounded_data(self, recording):
        seen = []

        def draw(data):
            seen.append(float(data["y"][0]))
            return nothing(data)

        a_chapter().figure("f", draw, data={"y": [1.23456]}, digits=2, alt="a", caption="c")
        assert seen == [1.2]
        assert json.loads((recording.folder / "f.json").read_text()) == {"y": [1.2]}

    def test_a_figure_without_data_has_no_data_file(self, recording):
        a_chapter().figure("f", nothing, alt="a", caption="c")
        assert [path.name for path in recording.folder.iterdir()] == ["f.svg"]

    def test_a_figure_has_a_band_for_each_series(self, recording):
        chapter = a_chapter()
        data = {"step": [0, 1], "loss": [1.0, 0.5]}
        chapter.figure("a", nothing, data=data, band={"loss": (0, 2)}, alt="a", caption="c")
        chapter.figure("b", nothing, data=data, band=Within(0.1), alt="a", caption="c")
        assert chapter.record.figures["a"].bands["loss"] == Interval(0, 2)
        assert chapter.record.figures["a"].bands["step"] == Within(1e-9, 1e-3)
        assert chapter.record.figures["b"].bands == {"step": Within(0.1), "loss": Within(0.1)}

    def test_draws_what_is_committed_again(self, recording, tmp_path):
        recording.committed = tmp_path / "committed"
        recording.committed.mkdir()
        (recording.committed / "f.json").write_text('{"y": [7]}')
        seen = []

        def draw(data):
            seen.append(int(data["y"][0]))
            return nothing(data)

        chapter = a_chapter()
        chapter.figure("f", draw, data={"y": [8]}, alt="a", caption="c")
        chapter.figure("new", draw, data={"y": [9]}, alt="a", caption="c")
        assert seen == [8, 7, 9]
        assert [path.name for path in recording.redrawn.iterdir()] == ["f.svg"]

    def test_leaves_out_a_drawing_that_committed_data_do_not_allow(self, recording, tmp_path):
        recording.committed = tmp_path / "committed"
        recording.committed.mkdir()
        (recording.committed / "f.json").write_text('{"x": [7]}')

        def draw(data):
            return nothing(data["y"])

        a_chapter().figure("f", draw, data={"y": [8]}, alt="a", caption="c")
        assert list(recording.redrawn.iterdir()) == []
        assert (recording.folder / "f.svg").exists()

    def test_keeps_the_test_of_a_claim_as_it_is_written(self, recording):
        loss, baseline = 2.4, 3.4
        elsewhere = {"holds": True, "measured": 1}
        chapter = a_chapter()
        chapter.claim("It beats the baseline.", holds=loss < baseline, measured=loss, unit="bits")
        chapter.claim("A test from elsewhere.", **elsewhere)
        assert [claim.test for claim in chapter.record.claims] == ["loss < baseline", ""]

    def test_needs_the_key_of_its_file_name(self, recording):
        with pytest.raises(ValueError, match=r"script of '05' makes Chapter\('06'\)"):
            a_chapter(6)

    def test_needs_one_chapter(self, recording):
        a_chapter()
        with pytest.raises(ValueError, match="makes two Chapters: one is enough"):
            a_chapter()


class TestADerivation:
    def test_of_an_op_is_checked_on_its_own_samples(self, recording, capsys):
        chapter = a_chapter()
        error = chapter.derivation(tg.tanh)
        check = chapter.record.derivations["tanh"]
        assert 0 < error == check.error < 1e-7
        assert check.path == "tinygrad_rnn.ops.activations.tanh"
        assert "derivation tanh: largest relative error" in capsys.readouterr().out

    def test_of_anything_else_is_checked_where_one_says(self, recording):
        class Doubling:
            def __call__(self, x):
                return x + x

        chapter = a_chapter()
        chapter.derivation(Doubling(), np.array([1.0, 2.0]))
        check = chapter.record.derivations["doubling"]
        assert check.holds
        assert check.path.endswith("Doubling")

    def test_can_be_checked_through_another_function(self, recording):
        chapter = a_chapter()
        chapter.derivation(np.linalg.norm, np.ones(2), using=lambda x: tg.sqrt((x * x).sum()))
        assert chapter.record.derivations["norm"].holds

    def test_in_the_script_itself_is_found_there(self, recording):
        def mine(x):
            return x

        mine.__module__, mine.__qualname__ = "__main__", "mine"
        chapter = a_chapter()
        chapter.derivation(mine, error=1e-9, name="my-own")
        check = chapter.record.derivations["my-own"]
        assert check.path == "tinygrad_rnn.book.ch05_hello.mine"
        assert check.error == 1e-9

    def test_that_is_wrong_stops_the_script(self, recording):
        @tg.op
        def wrongly_doubled(x, /):
            return x + x

        wrongly_doubled.defvjp(lambda g, y, x: g)
        del tg.REGISTRY["wrongly_doubled"]
        with pytest.raises(AssertionError, match="wrongly_doubled"):
            a_chapter().derivation(wrongly_doubled, np.ones(2))


class TestMistakes:
    @pytest.mark.parametrize("name", ["Loss", "bits per character", "", "1st", "a.b"])
    def test_a_name_is_a_word(self, name):
        with pytest.raises(ValueError, match="a name is a lower-case word"):
            a_chapter().metric(name, 1)

    def test_a_name_is_used_once(self):
        chapter = a_chapter()
        chapter.metric("loss", 1)
        with pytest.raises(ValueError, match="text 'loss': 05 has recorded that name already"):
            chapter.text("loss", "1")

    def test_a_page_cannot_quote_infinity(self):
        with pytest.raises(ValueError, match="metric 'loss' is inf: a page can quote only finite"):
            a_chapter().metric("loss", float("inf"), band=(0, 1))

    def test_a_float_needs_a_band(self):
        with pytest.raises(TypeError, match="metric 'loss' is a float"):
            a_chapter().metric("loss", 1.5)
        with pytest.raises(TypeError, match="a cell of table 't' is a float"):
            a_chapter().table("t", ["x"], [[1.5]])

    def test_a_row_has_as_many_cells_as_columns(self):
        with pytest.raises(ValueError, match=r"has 2 columns \(a, b\), but a row of 1: \[1\]"):
            a_chapter().table("t", ["a", "b"], [[1]])

    def test_a_bar_would_end_a_cell(self):
        with pytest.raises(ValueError, match=r"a `\|` ends a cell; write \\lvert in math"):
            a_chapter().table("t", ["a"], [["$|x|$"]])

    def test_a_figure_says_what_it_shows(self):
        with pytest.raises(ValueError, match="figure 'f' needs alt and caption"):
            a_chapter().figure("f", nothing, alt=" ", caption="c")

    def test_a_band_is_for_a_series_that_is_there(self):
        with pytest.raises(ValueError, match="a band for lost, but the data are named loss"):
            a_chapter().figure(
                "f", nothing, data={"loss": [1.0]}, band={"lost": (0, 1)}, alt="a", caption="c"
            )


def test_a_script_needs_nothing_but_numpy_to_speak():
    """A notebook or a browser may lack matplotlib, and everything that the site is built with."""
    heavy = "{'matplotlib', 'markdown', 'mkdocs', 'jupytext', 'rich', 'typer', 'yaml', 'numba'}"
    code = f"import sys, tinygrad_rnn.book; print(sorted({heavy} & sys.modules.keys()))"
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert outcome.stdout == "[]\n"
