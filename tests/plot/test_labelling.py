import itertools

import numpy as np
import pytest
from matplotlib.text import Text

from tinygrad_rnn import plot
from tinygrad_rnn.plot.labelling import crossing, free_places, label_points, through
from tinygrad_rnn.plot.style import measured_alike

EXTENT = (400.0, 300.0)


def scattered(count, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform([40, 30], [360, 270], (count, 2))
    return points, np.stack([rng.uniform(15, 60, count), np.full(count, 10.0)], axis=1)


def overlap(a, size_a, b, size_b):
    return bool(np.all(np.abs(a - b) < (size_a + size_b) / 2))


@pytest.mark.parametrize("count", [1, 2, 30, 120])
def test_no_two_labels_overlap(count):
    points, sizes = scattered(count)
    places = free_places(points, sizes, EXTENT)
    placed = np.flatnonzero(np.isfinite(places[:, 0]))
    assert len(placed) >= min(count, 30)
    for i, j in itertools.combinations(placed, 2):
        assert not overlap(places[i], sizes[i], places[j], sizes[j])


def test_no_label_covers_a_point_or_leaves_the_area():
    points, sizes = scattered(60)
    places = free_places(points, sizes, EXTENT)
    for place, size in zip(places, sizes, strict=True):
        if np.isfinite(place).all():
            assert not any(overlap(place, size, point, 0) for point in points)
            assert np.all(place - size / 2 >= 0)
            assert np.all(place + size / 2 <= EXTENT)


def test_what_is_taken_is_left_free():
    taken = np.array([[70.0, y] for y in range(0, 101, 4)])
    place = free_places([[50, 50]], [[30, 10]], (100, 100), taken=taken)[0]
    assert place[0] + 15 < 70


def test_a_lone_label_stands_right_of_its_point():
    place = free_places([[50, 50]], [[20, 10]], (100, 100))[0]
    assert place[1] == 50
    assert place[0] > 60


def test_labels_of_neighbours_lead_away_from_each_other():
    left, right = free_places([[50, 50], [56, 50]], [[20, 10], [20, 10]], (100, 100))
    assert left[0] < 40
    assert right[0] > 66


def test_a_label_without_room_is_left_out():
    points = np.full((40, 2), 50.0)
    places = free_places(points, np.tile([40.0, 10.0], (40, 1)), (100, 100))
    assert 1 <= np.isfinite(places[:, 0]).sum() < 40


def test_places_are_the_same_every_time():
    np.testing.assert_array_equal(
        free_places(*scattered(50), EXTENT), free_places(*scattered(50), EXTENT)
    )


def test_every_label_needs_a_size():
    with pytest.raises(ValueError, match="got 2 points and 1 sizes; expected a size for each"):
        free_places([[0, 0], [1, 1]], [[1, 1]], EXTENT)


def test_lines_that_share_an_end_do_not_cross():
    lines = np.array([[[0.0, 0.0], [2.0, 2.0]], [[0.0, 0.0], [2.0, 0.0]]])
    assert not crossing(lines[:1], lines[1:]).any()


def test_a_line_leads_through_a_box_in_its_way():
    line = np.array([[[0.0, 0.0], [10.0, 0.0]]])
    assert through(line, np.array([[5.0, 0.5], [5.0, 3.0]]), np.ones(2)).tolist() == [[True, False]]


def test_drawn_labels_do_not_overlap_as_they_are_drawn():
    points = np.random.default_rng(0).normal(size=(60, 2))
    labels = [f"단어 {i}" if i % 3 else f"word {i}" for i in range(60)]
    with plot.styled():
        axes = plot.new_figure(6.4, 5.0).add_subplot()
        axes.plot(*points.T, linestyle="", marker="o")
        missing = label_points(axes, points, labels)
    with measured_alike():
        axes.figure.draw_without_rendering()
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without its line
    assert len(boxes) == 60 - missing >= 30
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_label_far_from_its_point_has_a_line_to_it():
    points = np.concatenate([np.zeros((1, 2)), np.random.default_rng(0).normal(size=(40, 2)) * 0.1])
    with plot.styled():
        axes = plot.new_figure(4, 3).add_subplot()
        axes.plot(*points.T, linestyle="", marker="o")
        label_points(axes, points, ["middle"] + [""] * 40)
    (text,) = axes.texts
    assert np.hypot(*text.get_position()) > 15
    assert text.arrow_patch is not None
