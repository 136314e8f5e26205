import numpy as np
import pytest

from tinygrad_rnn import plot
from tinygrad_rnn.plot.palette import LIGHT

WEIGHTS = np.array([[0.7, 0.2, 0.1], [0.004, 0.9, 0.096]])
SOURCE, TARGET = ["나는", "학교에", "간다"], ["I", "go"]


def names(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_source_runs_along_the_top_and_target_down_the_side():
    axes = plot.attention_map(WEIGHTS, SOURCE, TARGET).axes[0]
    assert names(axes.xaxis) == SOURCE
    assert names(axes.yaxis) == TARGET
    assert axes.xaxis.get_ticks_position() == "top"
    assert axes.yaxis_inverted()


def test_weights_are_written_in_hundredths_where_they_are_not_nothing():
    axes = plot.attention_map(WEIGHTS, SOURCE, TARGET).axes[0]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "70", (1, 0): "20", (2, 0): "10", (1, 1): "90", (2, 1): "10"}


def test_the_heaviest_weight_of_each_row_is_framed():
    axes = plot.attention_map(WEIGHTS, SOURCE, TARGET).axes[0]
    frames = [line for line in axes.lines if line.get_color() == LIGHT.ink]
    middles = [tuple(np.mean(frame.get_xydata()[:4], axis=0).round(6)) for frame in frames]
    assert middles == [(0, 0), (1, 1)]


def test_a_row_without_weight_has_no_frame():
    axes = plot.attention_map(np.zeros((2, 3)), SOURCE, TARGET).axes[0]
    assert not axes.lines
    assert not axes.texts


def test_many_weights_are_ink_with_a_key():
    axes = plot.attention_map(np.full((11, 10), 0.1), "x" * 10, "y" * 11).axes[0]
    assert not axes.texts
    assert names(axes.child_axes[0].yaxis) == ["100 %", "50 %", "0 %"]


def test_only_names_that_are_too_broad_are_slanted():
    def slant(source):
        axes = plot.attention_map(np.full((1, len(source)), 0.1), source, "y").axes[0]
        return axes.get_xticklabels()[0].get_rotation()

    assert slant(SOURCE) == 0
    assert slant(["internationalization"] * 8) == 45


def test_tokens_that_cannot_be_seen_are_made_visible():
    axes = plot.attention_map([[0.5, 0.5]], [" ", "\n"], ["a"]).axes[0]
    assert names(axes.xaxis) == ["␣", "↵"]


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"got weights \(2, 3\) for 3 target and 2 source tokens"):
        plot.attention_map(WEIGHTS, TARGET, SOURCE)


@pytest.mark.parametrize("weights", [[[2.0, -1.0]], [[0.5, np.nan]]])
def test_scores_are_told_from_weights(weights):
    with pytest.raises(ValueError, match="expected 0 to 1: take the softmax of scores first"):
        plot.attention_map(weights, ["a", "b"], ["c"])
