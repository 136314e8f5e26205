import numpy as np
import pytest
from matplotlib.colors import to_hex

from tinygrad_rnn import plot
from tinygrad_rnn.plot.confusions import percentage
from tinygrad_rnn.plot.heatmaps import PALE
from tinygrad_rnn.plot.palette import LIGHT

COUNTS = np.array([[90, 10, 0], [1, 399, 0], [0, 2, 8]])
NAMES = ["명사", "동사", "부사"]


def written(axes, row, column):
    return [
        t.get_text() for t in axes.texts if np.allclose(t.get_position(), (column, row), atol=0.3)
    ]


def inks(axes):
    return {
        tuple(np.rint(square[:4].mean(axis=0)).astype(int)[::-1]): (
            to_hex(patch.get_facecolor()),
            patch.get_alpha(),
        )
        for patch in axes.patches
        for square in patch.get_path().vertices.reshape(-1, 5, 2)
    }


def test_cells_hold_counts_over_shares_of_the_true_class():
    axes = plot.confusion_heatmap(COUNTS, NAMES).axes[0]
    assert written(axes, 0, 0) == ["90", "90 %"]
    assert written(axes, 1, 0) == ["1", "< 1 %"]
    assert written(axes, 2, 1) == ["2", "20 %"]
    assert written(axes, 0, 2) == ["0"]


@pytest.mark.parametrize(("show", "text"), [("counts", ["90"]), ("shares", ["90 %"])])
def test_cells_may_hold_one_of_the_two(show, text):
    assert written(plot.confusion_heatmap(COUNTS, NAMES, show=show).axes[0], 0, 0) == text


def test_right_answers_are_bold_and_framed_and_not_blue_alone():
    axes = plot.confusion_heatmap(COUNTS, NAMES).axes[0]
    bold = {text.get_text() for text in axes.texts if text.get_weight() == "bold"}
    assert bold == {"90", "90 %", "399", "100 %", "8", "80 %"}
    assert len(axes.lines) == 3


def test_ink_is_the_share_of_the_class_and_of_the_greatest_error():
    cells = inks(plot.confusion_heatmap(COUNTS, NAMES).axes[0])
    assert cells[2, 2] == (LIGHT.value, pytest.approx(0.8 * PALE, abs=0.01))
    assert cells[2, 1] == (LIGHT.ochre, pytest.approx(PALE))
    assert cells[0, 1] == (LIGHT.ochre, pytest.approx(PALE / 2))


def test_rows_tell_how_many_examples_there_are():
    texts = [text.get_text() for text in plot.confusion_heatmap(COUNTS, NAMES).axes[0].texts]
    assert [text for text in texts if text.startswith("of")] == ["of 100", "of 400", "of 10"]


def test_a_class_without_examples_is_empty():
    axes = plot.confusion_heatmap([[0, 0], [1, 3]], ["a", "b"]).axes[0]
    assert written(axes, 0, 0) == ["0"]


def test_many_classes_are_ink_with_a_key():
    figure = plot.confusion_heatmap(np.eye(13, dtype=int), [f"class {k}" for k in range(13)])
    assert not figure.axes[0].texts
    key = figure.axes[0].child_axes[0]
    assert [t.get_text() for t in key.get_yticklabels()] == ["100 %, right", "0 %", "2 %, wrong"]


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        (COUNTS[:2], {}, r"got counts \(2, 3\) and 3 names; expected \(3, 3\)"),
        (COUNTS / 100, {}, "whole and non-negative; expected how many examples there are"),
        (-COUNTS, {}, "whole and non-negative"),
        (
            COUNTS,
            {"show": "everything"},
            "got show='everything'; expected both or counts or shares",
        ),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(counts, options, message):
    with pytest.raises(ValueError, match=message):
        plot.confusion_heatmap(counts, NAMES, **options)


def test_a_share_that_rounds_to_nothing_is_not_called_nothing():
    assert [percentage(x) for x in (0.001, 0.0049, 0.01, 1.0)] == ["< 1 %", "< 1 %", "1 %", "100 %"]
