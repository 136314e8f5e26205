import json
import shutil

import pytest

from tinygrad_rnn.book.comparison import deviations


@pytest.fixture
def told(committed, rerun):
    """What the checker says of the committed record."""
    return lambda: [str(deviation) for deviation in deviations(committed, rerun)]


@pytest.fixture
def change(committed):
    """Change a value of record.json, by its path."""

    def change(*path, to, file="record.json"):
        record = json.loads((committed / file).read_text())
        place = record
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to
        (committed / file).write_text(json.dumps(record))

    return change


def test_an_honest_record_has_no_deviations(told):
    assert told() == []


def test_a_tampered_metric_is_named(told, change):
    change("metrics", "largest", "value", to=17)
    assert told() == ["01 metric largest: re-run gave 16, recorded is 17, expected the same"]


def test_a_metric_may_move_within_its_band(told, change):
    change("metrics", "baseline", "value", to=2.05)
    assert told() == []
    change("metrics", "baseline", "value", to=2.2)
    assert told() == ["01 metric baseline: re-run gave 2, recorded is 2.2, expected ± 0.1"]


def test_a_widened_band_is_named(told, change):
    change("metrics", "mean", "band", to={"low": 0, "high": 99})
    assert told() == ["01 metric mean: the script expects 5 to 7, the record 0 to 99"]


def test_a_re_run_out_of_its_own_band_is_named_once(committed, rerun, edit):
    for folder in (committed, rerun):
        edit(folder / "record.json", '"low": 5.0', '"low": 6.5')
    (deviation,) = deviations(committed, rerun)
    assert str(deviation) == "01 metric mean: 6 is not in its band, 6.5 to 7"


def test_what_was_recorded_and_is_no_longer_made_is_named(told, change, committed):
    record = json.loads((committed / "record.json").read_text())
    record["metrics"]["old"] = record["metrics"].pop("largest")
    (committed / "record.json").write_text(json.dumps(record))
    assert told() == [
        "01 metric old: recorded, but the script no longer makes it",
        "01 metric largest: made by the script, but not recorded yet",
    ]


def test_a_changed_claim_is_named(told, change):
    change("claims", 0, "sentence", to="Some squares are negative.")
    assert told() == [
        "01 claim Some squares are negative.: recorded, but the script no longer makes it",
        "01 claim No square is *negative*.: made by the script, but not recorded yet",
    ]


def test_a_claim_that_ceased_to_hold_is_named(committed, rerun, edit):
    edit(rerun / "record.json", '"holds": true', '"holds": false')
    (deviation,) = deviations(committed, rerun)
    assert str(deviation) == "01 claim No square is *negative*.: does not hold: measured 0"


def test_a_text_is_compared_with_a_difference(told, committed):
    (committed / "trace.txt").write_text("0 0\n1 1\n2 5\n3 9\n4 16\n")
    (told_of,) = told()
    assert "01 text trace: re-run printed otherwise:" in told_of
    assert "-2 5\n+2 4" in told_of


def test_an_inexact_text_may_differ(told, committed):
    (committed / "clock.txt").write_text("tock\n")
    assert told() == []


def test_a_cell_is_named(told, change):
    change("tables", "shapes", "rows", 0, 1, to=6)
    assert told() == ["01 table shapes: row 1, length: re-run gave 5, recorded is 6"]


def test_a_table_of_another_form_is_named(told, change):
    change("tables", "shapes", "columns", to=["tensor", "size", "mean"])
    (told_of,) = told()
    assert "01 table shapes: re-run has columns ['tensor', 'length', 'mean'] and 1 rows" in told_of


def test_tampered_data_are_named_with_the_place(told, change):
    change("y", 3, to=11.0, file="growth.json")
    assert told() == [
        "01 figure growth: data 'y': at [3] re-run gave 9.25, recorded is 11, expected ± 0.5"
    ]


def test_integers_of_a_figure_have_no_band(told, change):
    change("x", 4, to=5, file="growth.json")
    assert "data 'x': at [4] re-run gave 4, recorded is 5" in told()[0]


def test_data_of_another_shape_are_named(told, change):
    change("y", to=[1.0, 2.0], file="growth.json")
    assert "data 'y': re-run has shape (5,), recorded is (2,)" in told()[0]


def test_data_under_another_name_are_named(told, committed):
    (committed / "growth.json").write_text('{"x": [0, 1, 2, 3, 4], "z": [1.0]}')
    shutil.copy(committed / "growth.svg", committed.parents[3] / "rerun" / "redrawn")
    assert told() == [
        "01 figure growth: data 'y' are only in the re-run",
        "01 figure growth: data 'z' are only in the record",
    ]


def test_a_tampered_picture_is_named(told, committed, edit):
    edit(committed / "growth.svg", "</svg>", "<g/></svg>")
    assert told() == [
        "01 figure growth: drawn again from growth.json, growth.svg is another picture"
    ]


def test_a_changed_caption_or_alternative_text_is_named(told, change):
    change("figures", "growth", "alt", to="A hyperbola.")
    change("figures", "growth", "caption", to="It *shrinks*.")
    assert told() == [
        "01 figure growth: the script's alt is not the recorded one",
        "01 figure growth: the script's caption is not the recorded one",
    ]


def test_an_inexact_picture_may_differ(told, committed, rerun, edit):
    edit(committed / "growth.svg", "</svg>", "<g/></svg>")
    for folder in (committed, rerun):
        record = json.loads((folder / "record.json").read_text())
        record["figures"]["growth"]["exact"] = False
        (folder / "record.json").write_text(json.dumps(record))
    assert told() == []


def test_exports_are_compared_by_shape(told, change):
    change("W", 0, 0, to=2.0, file="weights.json")
    assert told() == []
    change("exports", "weights", "shapes", "W", to=[3, 3])
    assert told() == [
        "01 export weights: re-run has shapes {'W': [2, 3]}, recorded are {'W': [3, 3]}"
    ]


def test_exact_exports_are_compared_whole(told, change):
    change("nodes", 0, "value", to="4", file="walk.json")
    assert told() == ["01 export walk: re-run gave other data"]


def test_what_the_script_states_is_compared(told, change):
    change("question", to="Why?")
    assert told() == [
        "01 chapter question: the script says 'How fast does `x * x` grow?', the record 'Why?'"
    ]


def test_missing_and_stray_files_are_named(told, committed):
    (committed / "trace.txt").rename(committed / "stray.txt")
    assert told()[-2:] == [
        "01 file trace.txt: the record names it, but it is not there",
        "01 file stray.txt: no part of the record: delete it",
    ]


def test_other_data_are_an_explanation_and_no_fault(committed, rerun, change):
    change("data", 0, "sha256", to="f00d")
    (deviation,) = deviations(committed, rerun)
    assert not deviation.fails
    assert deviation.as_dict() == {
        "key": "01",
        "kind": "data",
        "name": "the first five numbers, made by the script",
        "message": "the re-run read other data than the record was made from",
        "fails": False,
    }


def test_other_versions_explain_other_results_only(told, change):
    change("run", "versions", "numpy", to="1.0")
    assert told() == []
    change("metrics", "largest", "value", to=17)
    assert told()[1].startswith("01 version numpy: re-run with ")
