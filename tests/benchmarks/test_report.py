"""What is made of the numbers once they are measured."""

import json
import xml.etree.ElementTree as ET
from io import StringIO

import pytest
from rich.console import Console

from tests.benchmarks import pairs
from tests.benchmarks.pairs import (
    QUICK,
    Comparison,
    Effort,
    Measured,
    Outcome,
    Skipped,
    UnavailableError,
    compare,
    geometric_mean,
    measured,
)
from tests.benchmarks.picture import svg
from tests.benchmarks.report import Results, quantity, show
from tests.benchmarks.roofline import flops


def outcome(*ratios):
    return lambda effort: Outcome(1.0, 2.0, list(ratios))


def speed(*ratios, at_least, peer="peer"):
    return measured(Comparison("x", peer, "s", outcome(*ratios), at_least=at_least), QUICK)


def test_a_speed_up_is_the_peers_time_over_ours():
    m = speed(0.25, 0.5, 1.0, at_least=2)
    assert isinstance(m, Measured)
    assert (m.ratio, m.quartiles, m.met) == (2.0, (1.5, 3.0), True)


def test_a_cost_is_ours_over_the_peers():
    m = measured(Comparison("x", "peer", "B", outcome(0.5, 1.2, 3.0), at_most=1.0), QUICK)
    assert isinstance(m, Measured)
    assert (m.ratio, m.met) == (1.2, False)


def test_what_cannot_be_measured_says_why():
    def measure(effort):
        raise UnavailableError("no compiler")

    assert measured(Comparison("x", "p", "s", measure), QUICK) == Skipped("x", "p", "no compiler")


EFFORT = Effort(pairs=3, seconds=0, turn=0)


def test_a_peer_at_its_best_is_compared_with_each_of_our_turns(monkeypatch):
    times = iter([2.0, 1.5, 4.0, 1.0, 5.0, 2.0])  # ours and the peer's, by turns
    monkeypatch.setattr(pairs, "turn", lambda run, calls: next(times))
    result = compare(list, list, EFFORT, best=True)
    assert result.ratios == [2.0, 4.0, 5.0]
    assert (result.ours, result.theirs) == (4.0, 1.0)
    assert result.note == "turn by turn 0.40, best turns of both 0.50"


def test_sides_take_turns():
    calls = []
    result = compare(lambda: calls.append("ours"), lambda: calls.append("theirs"), QUICK)
    # To compile, to see how long a turn is, and one pair of turns that begin with a call more.
    assert calls == ["ours", "theirs"] * 2 + ["ours"] * 2 + ["theirs"] * 2
    assert len(result.ratios) == 1


def test_a_mean_of_speed_ups_is_geometric():
    assert geometric_mean([0.5, 8.0]) == pytest.approx(2.0)


def test_means_are_taken_for_each_peer():
    rows = [
        speed(0.5, at_least=0.0, peer="A"),
        speed(0.125, at_least=0.0, peer="A"),
        speed(1.0, at_least=0.0, peer="B"),
        Skipped("x", "A", "no compiler"),
    ]
    means = list(Results("title", rows, {"A": 4.5, "B": 0.5, "C": 1.0}).means())
    assert means == [("A", pytest.approx(4.0), 4.5, False), ("B", 1.0, 0.5, True)]


@pytest.mark.parametrize(
    ("cost", "unit", "text"),
    [
        (4.2e-6, "s/op", "4.20 µs/op"),
        (0.9999, "s", "1.00 s"),
        (5e-6, "char/s", "200 kchar/s"),
        (262_144, "B/step", "262 kB/step"),
        (1 / 61e9, "FLOP/s", "61.0 GFLOP/s"),
    ],
)
def test_quantities_have_three_digits_and_a_prefix(cost, unit, text):
    assert quantity(cost, unit) == text


def test_every_comparison_is_shown_and_every_mean():
    rows = [speed(0.5, at_least=3.0), speed(0.25, at_least=3.0), Skipped("y", "it", "no compiler")]
    page = Console(width=80, file=StringIO())
    show(Results("the title", rows, {"peer": 1.0}), page)
    text = page.file.getvalue()
    for words in ("the title", "2.00 ✗", "4.00 ✓", "2.83 ✓", "y · it: no compiler"):
        assert words in text


def test_results_survive_a_file():
    data = Results("t", [speed(0.5, at_least=0.0)], {"peer": 1.0}).as_data()
    again = json.loads(json.dumps(data))
    assert again["means"] == [{"peer": "peer", "mean": 2.0, "at_least": 1.0, "met": True}]
    assert again["measured"][0]["quartiles"] == [2.0, 2.0]


def test_the_picture_shows_every_speed_up_in_the_pages_colours():
    results = Results("title", [speed(0.5, at_least=1.3), speed(0.4, at_least=1.3)], {})
    picture = svg({"lstm": results.as_data()})
    assert "var(--tg-value" in picture
    texts = [element.text for element in ET.fromstring(picture).iter() if element.text]
    assert {"title", "2.00", "2.50"} <= set(texts)
    assert picture == svg({"lstm": results.as_data()})


def test_a_picture_needs_a_speed_up():
    with pytest.raises(ValueError, match="add lstm"):
        svg({"memory": {"title": "t", "measured": []}})


def test_an_lstms_products_are_counted():
    T, B, features, H = 2, 3, 5, 7
    forward = sum(2 * 4 * H * (features + H) for _ in range(T * B))
    assert flops((T, B, features, H)) == 3 * forward
