import json

import pytest

from tinygrad_rnn.train.journal import Journal, read_journal


def test_entries_are_lines_of_json_in_order(tmp_path):
    journal = Journal(tmp_path / "run" / "journal.jsonl")
    journal.write({"step": 1, "loss": 2.5})
    journal.write({"step": 2, "sample": "한글\n"})
    lines = journal.path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == read_journal(journal.path)
    assert read_journal(journal.path) == [
        {"step": 1, "loss": 2.5},
        {"step": 2, "sample": "한글\n"},
    ]


def test_a_fresh_run_starts_a_fresh_journal(tmp_path):
    Journal(tmp_path / "j").write({"step": 1, "loss": 1.0})
    Journal(tmp_path / "j")
    assert read_journal(tmp_path / "j") == []


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path):
    journal = Journal(tmp_path / "j")
    for step in range(5):
        journal.write({"step": step, "loss": 1.0})
    Journal(tmp_path / "j", after=2).write({"step": 3, "loss": 0.5})
    assert [(e["step"], e["loss"]) for e in read_journal(tmp_path / "j")] == [
        *((0, 1.0), (1, 1.0), (2, 1.0)),
        (3, 0.5),
    ]


def test_a_step_taken_again_is_not_written_again(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.write({"step": 4, "loss": 1.0, "seconds": 3.0})
    again = Journal(tmp_path / "j", after=4)
    again.write({"step": 4, "loss": 1.0, "seconds": 9.0})
    again.write({"step": 4, "held_out_bits": 1.0})
    assert len(read_journal(journal.path)) == 2


def test_an_entry_must_say_its_step(tmp_path):
    with pytest.raises(KeyError, match="needs its step; got loss, bits"):
        Journal(tmp_path / "j").write({"loss": 1.0, "bits": 1.4})


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.write({"step": 1, "loss": 1.0})
    with journal.path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert [e["step"] for e in read_journal(journal.path)] == [1]
    Journal(journal.path, after=1).write({"step": 2, "loss": 1.0})
    assert [e["step"] for e in read_journal(journal.path)] == [1, 2]
