import json

import numpy as np
import pytest

from tinygrad_rnn import plot
from tinygrad_rnn.plot.curves import smoothed, thousands
from tinygrad_rnn.plot.palette import LIGHT

JOURNAL = [
    {"step": 10, "tokens": 1000, "seconds": 1.0, "loss": 4.0, "bits": 6.0},
    {"step": 20, "tokens": 2000, "seconds": 3.0, "loss": 3.0, "bits": 4.0},
    {"step": 20, "held_out_bits": 4.5},
    {"step": 30, "tokens": 3000, "seconds": 4.0, "loss": 2.0, "bits": 3.0},
    {"step": 25, "held_out_bits": 3.5},
]


def lines(figure):
    """The lines that hold data."""
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) != 2]


def labels(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def heights(figure):
    """Where each label is, in pixels from the bottom."""
    figure.draw_without_rendering()
    return sorted(text.get_window_extent().y0 for text in figure.axes[0].texts)


def test_evaluations_are_placed_between_training_entries():
    held_out = plot.loss_series(JOURNAL)["held_out"]
    np.testing.assert_array_equal(held_out["x"], [2000, 2500])
    np.testing.assert_array_equal(held_out["y"], [4.5, 3.5])


def test_a_curve_runs_over_characters_or_seconds():
    train, _ = lines(plot.loss_curve([*JOURNAL, {"step": 40, "held_out_bits": 3.1}], "seconds"))
    np.testing.assert_array_equal(train.get_xdata(), [1, 3, 4])
    assert plot.loss_curve(JOURNAL).axes[0].get_xlabel() == "characters"
    assert plot.loss_curve(JOURNAL, "seconds").axes[0].get_xlabel() == "seconds"


def test_a_journal_is_read_from_its_file(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in JOURNAL))
    assert plot.as_svg(plot.loss_curve(path)) == plot.as_svg(plot.loss_curve(JOURNAL))


def test_a_curve_is_drawn_from_recorded_data():
    series = plot.loss_series(JOURNAL)
    recorded = json.loads(
        json.dumps({k: {a: list(v) for a, v in s.items()} for k, s in series.items()})
    )
    assert plot.as_svg(plot.loss_curve(recorded)) == plot.as_svg(plot.loss_curve(JOURNAL))


def test_a_journal_without_evaluations_has_one_curve():
    figure = plot.loss_curve([entry for entry in JOURNAL if "bits" in entry])
    assert labels(figure) == ["training 3.00"]


def test_lines_are_labelled_where_they_end():
    figure = plot.loss_curve(JOURNAL, baselines={"uniform": 6.6})
    assert labels(figure) == ["uniform 6.60", "training 3.00", "held out 3.50"]
    assert figure.axes[0].get_legend() is None


def test_labels_of_equal_values_do_not_overlap():
    baselines = {"unigram": 3.1, "bigram": 3.1, "trigram": 3.0}
    places = heights(plot.loss_curve(JOURNAL, baselines=baselines))
    assert min(np.diff(places)) > 10


def test_held_out_is_told_by_dashes_and_dots_too():
    _, held_out = lines(plot.loss_curve([*JOURNAL, {"step": 28, "held_out_bits": 3.3}]))
    assert held_out.get_marker() == "o"
    assert held_out.get_linestyle() != "-"
    assert held_out.get_color() == LIGHT.cotangent


def test_smoothing_keeps_what_was_measured_behind_it():
    measured, mean, *_ = plot.loss_curve(JOURNAL, smoothing=0.5).axes[0].lines
    np.testing.assert_array_equal(measured.get_ydata(), [6, 4, 3])
    np.testing.assert_allclose(mean.get_ydata(), smoothed([6, 4, 3], 0.5))
    assert measured.get_alpha() < 0.5


def test_smoothing_is_a_weighted_mean_over_past_and_future():
    ys = np.random.default_rng(0).normal(size=12)
    t = np.arange(12)
    weights = 0.7 ** np.abs(t[:, None] - t)
    np.testing.assert_allclose(smoothed(ys, 0.7), weights @ ys / weights.sum(axis=1))


def test_smoothing_leaves_a_constant_alone():
    np.testing.assert_allclose(smoothed(np.full(9, 2.5), 0.9), 2.5)


def test_no_smoothing_is_the_data():
    np.testing.assert_array_equal(smoothed([1.0, 5.0, 2.0], 0.0), [1, 5, 2])


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"loss_curve: got smoothing=.*; expected 0 up to"):
        plot.loss_curve(JOURNAL, smoothing=smoothing)


def test_a_journal_without_the_asked_loss_says_what_it_holds():
    with pytest.raises(ValueError, match=r"both 'tokens' and 'nats'.*hold bits, .*tokens: name"):
        plot.loss_series(JOURNAL, train="nats")
    with pytest.raises(ValueError, match="hold nothing"):
        plot.loss_series([])


def test_ticks_count_in_thousands():
    assert [thousands(x) for x in (0, 999, 1500, 2e6, -3000)] == [
        "0",
        "999",
        "1.5 k",
        "2 M",
        "-3 k",
    ]


def test_gradients_by_lag_have_a_logarithmic_axis_and_a_line_each():
    figure = plot.gradient_by_lag({"tanh": 0.5 ** np.arange(20), "identity": np.ones(20)})
    assert figure.axes[0].get_yscale() == "log"
    assert labels(figure) == ["tanh", "identity"]
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(styles) == 2


def test_gradients_that_vanish_are_left_out():
    figure = plot.gradient_by_lag({"relu": [1.0, 0.5, 0.0, 0.0], "dead": [0.0, 0.0]})
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), [1, 0.5, np.nan, np.nan])
    assert labels(figure) == ["relu"]
    assert "<svg" in plot.as_svg(figure)


def test_lines_that_could_not_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="got 6 curves; expected 1 to 5"):
        plot.gradient_by_lag({str(i): [1.0] for i in range(6)})
    with pytest.raises(ValueError, match="got 0 curves"):
        plot.gradient_by_lag({})


RUNS = {"rnn": [4.0, 3.0, 2.5], "lstm": {"x": [10, 20, 40], "y": [4.0, 2.5, 2.0]}}


def drawn(figure):
    """The lines of runs, but not what was measured behind a mean."""
    return [line for line in figure.axes[0].lines if line.get_alpha() is None]


def test_runs_are_drawn_over_steps_or_given_places():
    rnn, lstm = drawn(plot.loss_curves(RUNS))
    np.testing.assert_array_equal(rnn.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(lstm.get_xdata(), [10, 20, 40])


def test_runs_differ_in_colour_and_mark():
    looks = {(line.get_color(), line.get_marker()) for line in drawn(plot.loss_curves(RUNS))}
    assert looks == {(LIGHT.value, "o"), (LIGHT.cotangent, "s")}


def test_runs_are_named_in_ink_with_their_last_mean():
    figure = plot.loss_curves(RUNS, baselines={"bigrams": 3.3})
    assert labels(figure) == ["bigrams 3.30", "rnn 2.50", "lstm 2.00"]
    assert {text.get_color() for text in figure.axes[0].texts[1:]} == {LIGHT.ink}


def test_a_smoothed_run_keeps_what_was_measured_behind_it():
    faint, strong = plot.loss_curves({"rnn": [4.0, 3.0, 2.5]}, smoothing=0.5).axes[0].lines
    np.testing.assert_array_equal(faint.get_ydata(), [4, 3, 2.5])
    np.testing.assert_allclose(strong.get_ydata(), smoothed([4, 3, 2.5], 0.5))
    assert faint.get_alpha() < 0.5 < strong.get_linewidth()


def test_held_out_losses_are_dashed_with_hollow_marks_in_their_runs_colour():
    held_out = {"lstm": {"x": [20, 40], "y": [2.9, 2.4]}}
    *_, line = drawn(plot.loss_curves(RUNS, held_out=held_out))
    assert line.get_color() == LIGHT.cotangent
    assert line.get_linestyle() == "--"
    assert line.get_markerfacecolor() == LIGHT.paper


def test_losses_that_are_not_finite_are_left_out():
    (line,) = drawn(plot.loss_curves({"diverged": [4.0, np.nan, 3.0, np.inf]}))
    np.testing.assert_array_equal(line.get_xydata(), [[1, 4], [3, 3]])


def test_names_of_runs_that_end_alike_do_not_overlap():
    places = heights(plot.loss_curves({f"run {k}": [3.0, 2.0 + 0.001 * k] for k in range(5)}))
    assert min(np.diff(places)) > 10


def test_names_do_not_overlap_in_a_small_panel_either():
    with plot.styled():
        figure = plot.new_figure(6.0, 5.0)
        axes = figure.subplots(3, 1)
    plot.loss_curves({f"run {k}": [3.0, 2.0] for k in range(3)}, axes=axes[1])
    figure.draw_without_rendering()
    places = sorted(text.get_window_extent().y0 for text in axes[1].texts)
    assert min(np.diff(places)) > 10


@pytest.mark.parametrize(
    ("runs", "options", "message"),
    [
        ({}, {}, "loss_curves: got 0 runs; expected 1 to 5"),
        ({"a": [[1.0]]}, {}, r"got losses \(1, 1\) at places \(1,\) for 'a'; expected two vectors"),
        ({"a": {"x": [1], "y": [1, 2]}}, {}, r"got losses \(2,\) at places \(1,\) for 'a'"),
        ({"a": [np.nan]}, {}, "with at least one finite loss"),
        ({"a": [1.0]}, {"held_out": {"b": [1.0]}}, "got held-out losses of b; expected only names"),
        ({"a": [1.0]}, {"smoothing": 1.0}, "loss_curves: got smoothing=1.0; expected 0 up to"),
    ],
)
def test_what_are_no_runs_is_refused(runs, options, message):
    with pytest.raises(ValueError, match=message):
        plot.loss_curves(runs, **options)
