import re

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from tinygrad_rnn import plot
from tinygrad_rnn.plot.heatmaps import PALE, typeset
from tinygrad_rnn.plot.palette import DARK, LIGHT

STATES = np.tanh(np.random.default_rng(0).normal(size=(7, 5)))


def cells(axes, shape):
    """For each cell of a matrix its colour and strength; None where it is bare paper."""
    inks = {}
    for patch in axes.patches:
        path = patch.get_path()
        for square in path.vertices.reshape(-1, 5, 2):
            j, i = np.rint(square[:4].mean(axis=0)).astype(int)
            assert (i, j) not in inks
            inks[i, j] = to_hex(patch.get_facecolor()), patch.get_alpha()
    return {(i, j): inks.get((i, j)) for i in range(shape[0]) for j in range(shape[1])}


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_characters_stand_under_their_states():
    axes = plot.state_heatmap(STATES, "a b\n\t한c").axes[0]
    assert tick_labels(axes.xaxis) == ["a", "␣", "b", "↵", "⇥", "한", "c"]
    assert tick_labels(axes.yaxis) == ["0", "1", "2", "3", "4"]


def test_a_cell_is_as_strong_as_its_value_and_coloured_by_its_sign():
    m = np.array([[1.0, -0.5], [0.0, 0.25]])
    drawn = cells(plot.matrix_heatmap(m, numbers=False).axes[0], m.shape)
    assert drawn == {
        (0, 0): (LIGHT.value, 1.0),
        (0, 1): (LIGHT.ochre, 0.5),
        (1, 0): None,
        (1, 1): (LIGHT.value, 0.25),
    }


def test_states_are_drawn_time_to_the_right():
    states = np.zeros((4, 3))
    states[2, 1] = 1.0
    drawn = cells(plot.state_heatmap(states, "abcd").axes[0], (3, 4))
    assert [place for place, ink in drawn.items() if ink] == [(1, 2)]


def test_units_can_be_ordered_by_when_they_are_strongest():
    states = np.zeros((3, 3))
    states[[2, 0, 1], [0, 1, 2]] = [0.5, -1.0, 0.7]
    axes = plot.state_heatmap(states, "abc", by_peak=True).axes[0]
    assert tick_labels(axes.yaxis) == ["1", "2", "0"]
    assert [place for place, ink in cells(axes, (3, 3)).items() if ink] == [(0, 0), (1, 1), (2, 2)]


def test_a_limit_makes_figures_comparable():
    drawn = cells(plot.matrix_heatmap([[0.5]], limit=2.0, numbers=False).axes[0], (1, 1))
    assert drawn == {(0, 0): (LIGHT.value, 0.25)}


def test_what_exceeds_the_limit_is_full_ink():
    drawn = cells(plot.matrix_heatmap([[-9.0]], limit=2.0, numbers=False).axes[0], (1, 1))
    assert drawn == {(0, 0): (LIGHT.ochre, 1.0)}


@pytest.mark.parametrize("m", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.zeros((0, 2))])
def test_a_matrix_with_nothing_to_show_is_bare_paper(m):
    figure = plot.matrix_heatmap(m, numbers=False)
    assert not any(cells(figure.axes[0], m.shape).values())
    assert "<svg" in plot.as_svg(figure)


def test_the_key_says_what_full_ink_is():
    _, key = plot.state_heatmap(STATES, "abcdefg", limit=1.0).axes
    assert tick_labels(key.yaxis) == ["1", "0", "−1"]


def test_small_matrices_show_their_numbers_and_large_ones_a_key():
    small, large = plot.matrix_heatmap(np.eye(4)), plot.matrix_heatmap(np.eye(20))
    assert [len(figure.axes) for figure in (small, large)] == [1, 2]
    assert sorted(t.get_text() for t in small.axes[0].texts) == ["0"] * 12 + ["1"] * 4
    assert not large.axes[0].texts


def test_rows_and_columns_are_named():
    axes = plot.matrix_heatmap(np.eye(2), rows=["h", "e"], columns=["l", "o"]).axes[0]
    assert (tick_labels(axes.yaxis), tick_labels(axes.xaxis)) == (["h", "e"], ["l", "o"])


def test_a_vector_is_one_row():
    axes = plot.matrix_heatmap([0.1, 0.2, 0.7], columns=list("abc")).axes[0]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (2, 0)]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("role", ["value", "ochre"])
def test_numbers_are_legible_on_the_fullest_ink_under_them(palette, role):
    under = PALE * np.array(to_rgb(getattr(palette, role))) + (1 - PALE) * np.array(
        to_rgb(palette.paper)
    )
    light, dark = sorted([luminance(under), luminance(to_rgb(palette.ink))], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_cells_are_vectors_in_the_palettes_colours():
    svg = plot.as_svg(plot.state_heatmap(STATES, "abcdefg"))
    assert "<image" not in svg
    inks = set(re.findall(r"fill: (#[0-9a-f]{6}); opacity: (?:0|1)", svg))
    assert inks == {LIGHT.value, LIGHT.ochre}


def test_a_long_text_makes_a_file_of_moderate_size():
    states = np.tanh(np.random.default_rng(1).normal(size=(60, 24)))
    assert len(plot.as_svg(plot.state_heatmap(states, "x" * 60))) < 250_000


def test_a_text_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"got states \(7, 5\) for a text of 3 characters"):
        plot.state_heatmap(STATES, "abc")
    with pytest.raises(ValueError, match=r"expected \(7, H\), time first"):
        plot.state_heatmap(STATES[0], "abcdefg")


def test_names_of_the_wrong_number_are_refused():
    with pytest.raises(ValueError, match=r"got 3 names for axis 1 of a matrix \(2, 2\)"):
        plot.matrix_heatmap(np.eye(2), columns=list("abc"))


def test_more_than_two_axes_are_refused():
    with pytest.raises(ValueError, match=r"got an array \(1, 2, 3\); expected one or two axes"):
        plot.matrix_heatmap(np.ones((1, 2, 3)))


def test_a_text_stands_on_the_ink_of_a_unit():
    axes = plot.text_heatmap([1.0, -1.0, 0.0], "abc", width=3).axes[0]
    drawn = cells(axes, (1, 3))
    assert drawn == {(0, 0): (LIGHT.value, PALE), (0, 1): (LIGHT.ochre, PALE), (0, 2): None}
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]


def test_a_long_text_is_broken_into_lines_and_at_line_ends():
    assert typeset("ab\ncdef", 3) == (
        [(0, 0, 1), (0, 1, 1), (0, 2, 1), (1, 0, 1), (1, 1, 1), (1, 2, 1), (2, 0, 1)],
        3,
    )


def test_hangul_takes_two_columns_and_is_not_cut():
    assert typeset("a한글", 4)[0] == [(0, 0, 1), (0, 1, 2), (1, 0, 2)]


def test_values_of_another_length_than_the_text_are_refused():
    with pytest.raises(ValueError, match=r"got values \(2,\) for a text of 3 characters"):
        plot.text_heatmap([1.0, 2.0], "abc")
