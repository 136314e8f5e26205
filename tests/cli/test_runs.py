import json

import pytest

from tinygrad_rnn.cli import runs


@pytest.fixture
def two(tg, text, tiny):
    """Two runs in `runs`, that differ in their cell."""
    for cell in ("gru", "rnn"):
        assert tg("train", text, *tiny, "--cell", cell, "--run", f"runs/{cell}").exit_code == 0


@pytest.mark.usefixtures("two")
class TestTwoRuns:
    def test_are_listed_with_how_far_and_how_well(self, tg):
        lines = tg("runs", "list").stdout.splitlines()
        assert lines[0].split() == ["run", "step", "state", "best", "at", "step", "seconds"]
        for line, name in zip(lines[1:], ("gru", "rnn"), strict=True):
            cells = line.split()
            assert cells[:3] == [name, "12", "finished"]
            assert cells[4] == "held_out_bits"

    def test_are_listed_for_a_program(self, tg):
        listed = json.loads(tg("runs", "list", "--json").stdout)
        assert [run["name"] for run in listed] == ["gru", "rnn"]
        assert [run["settings"]["cell"] for run in listed] == ["gru", "rnn"]
        assert all(0 < run["best"] <= run["final"]["held_out_bits"] for run in listed)

    def test_are_compared_by_what_differs_and_what_came_of_it(self, tg):
        result = tg("runs", "compare", "gru", "runs/rnn")
        assert result.exit_code == 0, result.output
        rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()[1:]}
        assert result.stdout.split()[:2] == ["gru", "rnn"]
        assert rows["cell"] == ["gru", "rnn"]
        assert "hidden" not in rows
        assert rows["step"] == ["12", "12"]
        assert {"held_out_bits", "perplexity", "best"} <= set(rows)

    def test_are_compared_for_a_program(self, tg):
        compared = json.loads(tg("runs", "compare", "gru", "rnn", "--json").stdout)
        assert compared["differences"] == {"cell": ["gru", "rnn"]}
        assert [run["name"] for run in compared["runs"]] == ["gru", "rnn"]

    def test_of_one_name_go_by_their_paths(self, tg, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "runs" / "rnn").rename(tmp_path / "elsewhere" / "gru")
        result = tg("runs", "compare", "runs/gru", "elsewhere/gru")
        assert result.stdout.split()[:2] == ["runs/gru", "elsewhere/gru"]

    def test_are_drawn_into_one_figure(self, tg, tmp_path, journals_of_a_longer_run):
        result = tg("runs", "plot", "gru", "rnn", "--out", "curves/both.svg", "--x", "tokens")
        assert result.exit_code == 0, result.output
        assert result.stdout == "curves/both.svg\n"
        figure = (tmp_path / "curves" / "both.svg").read_text(encoding="utf-8")
        assert figure.startswith("<?xml") or "<svg" in figure
        assert "gru" in figure
        assert "rnn" in figure
        assert "held out" in figure

    @pytest.fixture
    def journals_of_a_longer_run(self, tmp_path):
        """Training entries, which come every twenty steps, for runs that had twelve."""
        for name in ("gru", "rnn"):
            with (tmp_path / "runs" / name / "journal.jsonl").open("a") as file:
                for step in (20, 40):
                    entry = {"step": step, "tokens": 10 * step, "bits": 100 / step}
                    file.write(json.dumps(entry) + "\n")


def test_an_empty_folder_has_no_runs(tg, tmp_path):
    (tmp_path / "runs").mkdir()
    result = tg("runs", "list")
    assert result.exit_code == 0
    assert "there are no runs in runs" in result.stderr
    assert json.loads(tg("runs", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["list", "nowhere"], 1, "there is no folder nowhere"),
        (["compare", "nowhere", "else"], 1, "nowhere is no run: it has no journal.jsonl"),
        (["compare", "one"], 2, "expected 2 or more runs, each once"),
        (["compare", "one", "one"], 2, "expected 2 or more runs, each once"),
        (["plot", "nowhere"], 1, "nowhere is no run"),
    ],
)
def test_what_cannot_be_done_is_explained(tg, arguments, code, complaint):
    result = tg("runs", *arguments)
    assert result.exit_code == code
    assert complaint in " ".join(result.stderr.replace("│", " ").split())


def test_a_name_means_a_folder_here_before_one_in_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    assert str(runs.folder_of("mine")) == "runs/mine"
    (tmp_path / "mine").mkdir()
    assert str(runs.folder_of("mine")) == "mine"
