import json
import sys

import numpy as np
import pytest

from tinygrad_rnn.cli import training
from tinygrad_rnn.train import TextExperiment, load_checkpoint, read_journal


def test_training_leaves_a_folder_of_results(tg, text, tiny, tmp_path):
    result = tg("train", text, *tiny, "--run", "run")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint.safetensors", "best.safetensors", "journal.jsonl", "samples.txt"}
    assert "held-out text: " in result.stderr
    assert "12 steps in " in result.stderr


def test_the_folder_is_named_after_text_cell_and_size(tg, text, tiny, tmp_path):
    assert tg("train", text, *tiny, "--cell", "lstm").exit_code == 0
    assert (tmp_path / "runs" / "cats-lstm-8" / "checkpoint.safetensors").exists()


def test_json_is_all_that_standard_output_holds(tg, text, tiny):
    result = tg("train", text, *tiny, "--run", "run", "--json")
    summary = json.loads(result.stdout)
    assert summary["steps"] == 12
    assert summary["held_out_bits"] == pytest.approx(
        read_journal(summary["journal"])[-1]["held_out_bits"]
    )


def test_a_sample_goes_to_the_terminal_and_the_file(tg, text, tiny, tmp_path):
    result = tg("train", text, *tiny, "--run", "run")
    sample = (tmp_path / "run" / "samples.txt").read_text(encoding="utf-8")
    assert sample.startswith("--- step 12, ")
    assert "\nThe " in sample
    assert "… The " in result.stderr


def test_a_new_run_forgets_the_samples_of_the_last(tg, text, tiny, tmp_path):
    for _ in range(2):
        tg("train", text, *tiny, "--run", "run")
    assert (tmp_path / "run" / "samples.txt").read_text(encoding="utf-8").count("--- step") == 1


def test_a_finished_run_resumed_changes_nothing(tg, text, tiny, tmp_path):
    tg("train", text, *tiny, "--run", "run")
    before = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    result = tg("train", text, "--run", "run", "--resume")
    assert result.exit_code == 0
    assert "resuming after step 12" in result.stderr
    after = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert before["training"]["counters"]["step"] == after["training"]["counters"]["step"]
    assert before["settings"] == after["settings"]


def test_time_can_be_limited(tg, text, tiny, tmp_path):
    tg("train", text, *tiny, "--steps", 10**6, "--seconds", 0.3, "--run", "run")
    counters = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")["training"]["counters"]
    assert 0 < counters["step"] < 10**6


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no-such-file.txt"], "No such file"),
        (["cats.txt", "--resume", "--run", "empty"], "there is no checkpoint"),
        (["cats.txt", "--batch", 1000], "too few for a window of"),
        (["cats.txt", "--tied"], "a tied output needs embedding == hidden"),
        (["binary"], "can't decode"),
    ],
)
def test_what_cannot_be_done_is_explained_with_exit_code_1(
    tg, text, tmp_path, arguments, complaint
):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    result = tg("train", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("tg: ")
    assert complaint in result.stderr


def test_divergence_is_explained_with_exit_code_1(tg, text, tiny):
    with np.errstate(all="ignore"):
        result = tg("train", text, *tiny, "--rate", 1e30)
    assert result.exit_code == 1
    assert "ower the learning rate" in result.stderr or "lower its learning rate" in result.stderr


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(tg, text, tiny, monkeypatch):
    def interrupted(self, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(TextExperiment, "run", interrupted)
    result = tg("train", text, *tiny, "--run", "run")
    assert result.exit_code == 130
    assert f"tg train {text} --run run --resume" in result.stderr


def test_docs_are_pythons_documentation():
    assert training.source_of("docs").name == "python-docs"


def test_without_documentation_the_docstrings_serve_and_a_word_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert training.source_of("docs").name == "python-builtins"
    assert "going on with those" in capsys.readouterr().err
