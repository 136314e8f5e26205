import builtins

import numpy as np
import pytest

from tinygrad_rnn import plot
from tinygrad_rnn.plot.palette import LIGHT

VECTORS = np.random.default_rng(0).normal(size=(30, 8)) * np.linspace(3, 0.3, 8)


def points_of(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_the_principal_plane_holds_the_most_variance():
    points, shares = plot.principal_plane(VECTORS)
    values = np.linalg.eigvalsh(np.cov(VECTORS.T))[::-1]
    np.testing.assert_allclose(points.var(axis=0, ddof=1), values[:2])
    np.testing.assert_allclose(shares, values[:2] / values.sum())


def test_the_plane_has_the_same_sides_whatever_the_signs_of_its_axes():
    mirrored = plot.principal_plane(VECTORS[:, ::-1])[0]
    np.testing.assert_allclose(mirrored, plot.principal_plane(VECTORS)[0], atol=1e-10)


def test_vectors_that_are_all_the_same_are_one_point():
    points, shares = plot.principal_plane(np.ones((3, 4)))
    np.testing.assert_array_equal(points, 0)
    np.testing.assert_array_equal(shares, 0)


def test_neighbours_stay_neighbours():
    groups = np.repeat([0, 1], 15)
    vectors = VECTORS + 40 * groups[:, None]
    points = plot.neighbour_plane(vectors, perplexity=5)
    distances = np.linalg.norm(points[:, None] - points, axis=-1) + 1e9 * np.eye(30)
    np.testing.assert_array_equal(groups[distances.argmin(axis=1)], groups)


def test_a_perplexity_that_asks_for_more_neighbours_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"got perplexity=30 and 30 vectors; expected 1 or more"):
        plot.neighbour_plane(VECTORS, perplexity=30)


def test_a_missing_scikit_learn_names_the_command_that_installs_it(monkeypatch):
    real_import = builtins.__import__

    def without_sklearn(name, *args, **kwargs):
        if name.split(".")[0] == "sklearn":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_sklearn)
    with pytest.raises(ImportError, match=r't-SNE.*pip install "tinygrad-rnn\[book\]"'):
        plot.neighbour_plane(VECTORS)


@pytest.mark.parametrize("vectors", [np.ones(3), np.ones((1, 3)), np.full((3, 3), np.nan)])
def test_what_spans_no_plane_is_refused(vectors):
    with pytest.raises(
        ValueError, match=r"principal_plane: got vectors .*expected finite \(N, D\)"
    ):
        plot.principal_plane(vectors)


def test_groups_have_a_colour_and_a_mark_each():
    points = VECTORS[:4, :2]
    lines = points_of(plot.embedding_map(points, list("abcd"), groups=["x", "y", "x", "y"]))
    np.testing.assert_array_equal(lines["x"].get_xydata(), points[::2])
    looks = {name: (line.get_color(), line.get_marker()) for name, line in lines.items()}
    assert looks == {"x": (LIGHT.value, "o"), "y": (LIGHT.cotangent, "s")}


def test_names_stand_in_ink_which_is_legible_in_every_group():
    figure = plot.embedding_map(VECTORS[:3, :2], ["왕", "queen", ""], groups=["a", "b", "c"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"왕", "queen"}
    assert {text.get_color() for text in figure.axes[0].texts} == {LIGHT.ink}


def test_a_unit_is_as_long_across_as_up():
    figure = plot.embedding_map(VECTORS[:, :2] * [10, 1], ["x"] * 30)
    figure.draw_without_rendering()
    (a, b), (c, d) = figure.axes[0].transData.transform([(0, 0), (1, 1)])
    assert c - a == pytest.approx(d - b, rel=0.01)


def test_names_without_room_are_counted():
    figure = plot.embedding_map(np.zeros((200, 2)), ["name"] * 200)
    written = len(figure.axes[0].texts)
    assert figure.axes[0].get_title("right") == f"{200 - written} of 200 names had no room"


def test_axes_tell_their_share_of_the_variance():
    axes = plot.embedding_map(VECTORS[:, :2], [""] * 30, shares=[0.51, 0.2]).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "first axis, 51 % of the variance",
        "second axis, 20 %",
    )


@pytest.mark.parametrize(
    ("points", "labels", "groups", "message"),
    [
        (VECTORS, ["x"] * 30, None, r"got points \(30, 8\); expected finite \(N, 2\): bring"),
        (VECTORS[:, :2], ["x"] * 3, None, "got 3 labels for 30 points"),
        (VECTORS[:, :2], ["x"] * 30, ["g"], "got 1 groups for 30 points"),
        (VECTORS[:6, :2], ["x"] * 6, list("abcdef"), "got 6 groups; expected 1 to 5"),
    ],
)
def test_what_makes_no_map_is_refused(points, labels, groups, message):
    with pytest.raises(ValueError, match=message):
        plot.embedding_map(points, labels, groups=groups)
