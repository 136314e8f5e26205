import math
from dataclasses import replace

import pytest

from tinygrad_rnn.train import (
    Journal,
    TextExperiment,
    differences,
    find_runs,
    read_run,
    save_checkpoint,
)


@pytest.fixture
def runs(tmp_path, source, settings):
    """The folder of two finished runs of different cells."""
    for cell in ("gru", "rnn"):
        chosen = replace(settings, cell=cell, steps=20)
        TextExperiment(source, chosen, tmp_path / "runs" / "cells" / cell).run()
    return tmp_path / "runs"


def test_runs_are_found_at_any_depth(runs):
    found = find_runs(runs)
    assert [run.name for run in found] == ["cells/gru", "cells/rnn"]
    for run in found:
        assert run.finished
        assert run.step == 20
        assert run.metric == "held_out_bits"
        assert run.best == min(run.best, run.final["held_out_bits"])
        assert run.settings["text"] == "cats"


def test_what_differs_is_told_and_nothing_else(runs):
    assert differences(find_runs(runs)) == {"cell": ["gru", "rnn"]}


def test_a_setting_that_a_run_lacks_differs():
    class Lacking:
        settings = {"a": 1}  # noqa: RUF012

    class Having:
        settings = {"a": 1, "b": 2}  # noqa: RUF012

    assert differences([Lacking, Having]) == {"b": [None, 2]}


def test_a_journal_alone_is_a_run(tmp_path):
    journal = Journal(tmp_path / "mine" / "journal.jsonl")
    for step, loss in ((1, 3.0), (2, 1.0), (3, 2.0)):
        journal.write({"step": step, "loss": loss, "accuracy": step / 10})
    run = read_run(tmp_path / "mine")
    assert (run.name, run.metric, run.best, run.best_step) == ("mine", "loss", 1.0, 2)
    assert run.final == {"step": 3, "loss": 2.0, "accuracy": 0.3}
    assert run.settings == {}
    assert run.finished is None


def test_a_checkpoint_of_another_shape_tells_what_it_can(tmp_path):
    Journal(tmp_path / "journal.jsonl").write({"step": 1, "loss": 3.0})
    save_checkpoint(tmp_path / "checkpoint.safetensors", {"settings": {"hidden": 2}})
    run = read_run(tmp_path)
    assert run.settings == {"hidden": 2}
    assert run.finished is None


def test_a_run_that_has_not_begun_has_no_best(tmp_path):
    Journal(tmp_path / "journal.jsonl")
    run = read_run(tmp_path)
    assert math.isnan(run.best)
    assert (run.step, run.best_step) == (0, 0)


def test_what_is_no_run_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no run: it has no journal\.jsonl"):
        read_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        find_runs(tmp_path / "nothing")
