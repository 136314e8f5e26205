import json
import math

import pytest

from tinygrad_rnn.book.bands import Interval
from tinygrad_rnn.book.record import Claim, DerivationCheck, Metric, Record, as_json, replacing


def test_a_record_survives_its_file(committed):
    record = Record.read(committed)
    record.write(committed)
    assert Record.read(committed) == record


def test_a_record_names_its_files(committed):
    assert Record.read(committed).files() == {path.name for path in committed.iterdir()}


def test_a_missing_record_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `tg book run`"):
        Record.read(tmp_path)


def test_a_record_of_another_version_is_refused(committed, edit):
    edit(committed / "record.json", '"schema": 1', '"schema": 0')
    with pytest.raises(ValueError, match=r"record\.json has schema 0, not 1: record it anew"):
        Record.read(committed)


def test_problems_are_what_must_not_be_published():
    record = Record("01", "Title", "Question?", seed=0)
    record.metrics["fine"] = Metric(1.0, "", Interval(0, 2))
    record.metrics["loss"] = Metric(3.0, "", Interval(0, 2))
    record.claims += [Claim("Yes.", "", 1, "", True), Claim("No.", "", 7, "steps", False)]
    record.derivations["tanh"] = DerivationCheck("a.tanh", 1e-3, 1e-7)
    record.derivations["exp"] = DerivationCheck("a.exp", math.nan, 1e-7)
    assert list(record.problems()) == [
        ("metric", "loss", "3 is not in its band, 0 to 2"),
        ("claim", "No.", "does not hold: measured 7 steps"),
        ("derivation", "tanh", "relative error 1.0e-03 is above the bound 1e-07"),
        ("derivation", "exp", "relative error nan is above the bound 1e-07"),
    ]


def test_json_keeps_short_lists_on_one_line_and_strings_as_they_are():
    value = {"list": [1, 2.5, None], "nested": [[1, 2], ["[ a\n ]"]], "text": "[ x ]", "none": []}
    text = as_json(value)
    assert json.loads(text) == value
    assert '"list": [1, 2.5, null],\n' in text


def test_a_folder_is_replaced_whole_and_stale_files_go(tmp_path):
    folder = tmp_path / "deep" / "recorded"
    for content in ("first", "second"):
        with replacing(folder) as new:
            (new / f"{content}.txt").write_text(content)
    assert [path.name for path in folder.iterdir()] == ["second.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["recorded"]


def test_a_folder_stays_if_its_replacement_fails(tmp_path):
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "old.txt").touch()

    def fail():
        with replacing(folder) as new:
            (new / "half.txt").touch()
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert [path.name for path in folder.iterdir()] == ["old.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["recorded"]


def test_a_folder_stays_if_the_new_one_cannot_be_moved(tmp_path):
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "old.txt").touch()

    def fail():
        with replacing(folder) as new:
            new.rmdir()

    with pytest.raises(FileNotFoundError):
        fail()
    assert [path.name for path in folder.iterdir()] == ["old.txt"]
