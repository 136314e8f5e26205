import pytest

from tinygrad_rnn.book.bands import EXACT
from tinygrad_rnn.book.presentation import as_markdown, quantity, tables, thinned
from tinygrad_rnn.book.record import Table


@pytest.mark.parametrize(
    ("value", "unit", "spec", "text"),
    [
        (10_100, "", "", "10,100"),
        (2.412345, "bits", "", "2.412 bits"),
        (1e-12, "", "", "1e-12"),
        (2.412345, "", ".2f", "2.41"),
        ("never", "", "", "never"),
    ],
)
def test_a_quantity_is_written_as_a_person_would(value, unit, spec, text):
    assert quantity(value, unit, spec) == text


def test_numbers_are_aligned_to_the_right():
    table = Table(["name", "size"], [["x", 1], ["y", 1234]], EXACT)
    assert as_markdown(table).splitlines()[1] == "| --- | ---: |"


def test_series_of_one_length_stand_side_by_side():
    data = {"x": [1, 2], "y": [3, 4], "z": [5], "seed": 7}
    assert tables(data) == [
        ("", ["name", "value"], [["seed", 7]]),
        ("", ["x", "y"], [(1, 3), (2, 4)]),
        ("", ["z"], [(5,)]),
    ]


def test_groups_have_titles():
    data = {"lstm": {"step": [1], "loss": [2.0]}, "gru": {"step": [1], "loss": [3.0]}}
    assert tables(data) == [
        ("lstm", ["step", "loss"], [(1, 2.0)]),
        ("gru", ["step", "loss"], [(1, 3.0)]),
    ]


def test_a_matrix_has_a_table_of_its_own():
    assert tables({"h": [[1, 2], [3, 4]]}) == [("h", ["", "0", "1"], [[0, 1, 2], [1, 3, 4]])]


@pytest.mark.parametrize("big", [[[0] * 50], [[[1]]], [[]]])
def test_what_no_page_has_room_for_is_left_to_the_file(big):
    assert tables({"h": big}) == []


def test_long_series_are_thinned_from_the_first_to_the_last():
    rows = thinned(list(range(1000)))
    assert (len(rows), rows[0], rows[-1]) == (40, 0, 999)
    assert thinned([1, 2]) == [1, 2]
