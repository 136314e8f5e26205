import sys

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn, plot

XS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def titles(figure):
    return [axes.get_title("left") for axes in figure.axes]


def test_the_gates_of_an_lstm_are_those_of_its_equations():
    cell = nn.LSTMCell(3, 4, seed=0)
    values = plot.step_values(cell, XS)
    h = np.concatenate([np.zeros((1, 4)), values["h"][:-1]])
    sums = (
        XS @ cell.weight_ih.numpy().T
        + h @ cell.weight_hh.numpy().T
        + (cell.bias_ih.numpy() + cell.bias_hh.numpy())
    )
    i, f, g, o = np.split(sums, 4, axis=1)
    for name, expected in {"i": sigmoid(i), "f": sigmoid(f), "o": sigmoid(o), "g": g}.items():
        np.testing.assert_allclose(values[name], expected, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(values["h"], values["o"] * np.tanh(values["c"]), atol=1e-6)


def test_the_gates_of_a_gru_are_those_of_its_equations():
    values = plot.step_values(nn.GRUCell(3, 4, seed=0), XS)
    h = np.concatenate([np.zeros((1, 4)), values["h"][:-1]])
    np.testing.assert_allclose(
        values["h"], (1 - values["z"]) * values["n"] + values["z"] * h, atol=1e-6
    )
    assert np.all((values["r"] > 0) & (values["r"] < 1))


def test_states_are_those_of_the_layer_the_cell_is_of():
    layer = nn.LSTM(3, 4, seed=0)
    output, _ = layer(XS)
    np.testing.assert_allclose(plot.step_values(layer.cell(0), XS)["h"], output.numpy(), atol=1e-6)


def test_a_start_can_be_given():
    cell = nn.RNNCell(3, 4, seed=0)
    whole = plot.step_values(cell, XS)["h"]
    rest = plot.step_values(cell, XS[2:], whole[1].astype("float32"))["h"]
    np.testing.assert_allclose(rest, whole[2:], atol=1e-6)


def test_a_cell_of_ones_own_gives_the_names_that_its_author_chose():
    class Leaky(nn.Cell):
        def __init__(self):
            self.rate = nn.Parameter(np.array([0.5], "float32"))

        def initial(self, *batch):
            return tg.tensor(np.zeros((*batch, 1), "float32"))

        def recur(self, level, x):
            inflow = self.rate * (x - level)
            level = level + inflow
            return level, level

    values = plot.step_values(Leaky(), np.ones((3, 1)))
    np.testing.assert_array_equal(values["inflow"].ravel(), [0.5, 0.25, 0.125])
    assert set(values) == {"inflow", "level", "x"}


def test_a_wrapped_cell_gives_its_own_gates_as_the_wrapper_changes_them():
    values = plot.step_values(nn.LayerNormalized(nn.GRUCell(3, 4, seed=0)), XS)
    assert values["z"].shape == (6, 4)


def test_cells_within_a_cell_are_numbered():
    stack = nn.Stacked(nn.GRUCell(3, 4, seed=0), nn.LSTMCell(4, 2, seed=1))
    values = plot.step_values(stack, XS)
    assert values["0.z"].shape == (6, 4)
    assert values["1.f"].shape == (6, 2)


def test_another_profiler_goes_on_afterwards():
    def profiler(frame, event, argument):
        pass

    sys.setprofile(profiler)
    try:
        plot.step_values(nn.RNNCell(3, 2, seed=0), XS)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


def test_nothing_is_left_behind_when_a_cell_fails():
    class Broken(nn.Cell):
        def initial(self, *batch):
            return tg.tensor(np.zeros((*batch, 1)))

        def recur(self, h, x):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        plot.step_values(Broken(), np.ones((2, 1)))
    assert sys.getprofile() is None


def test_a_layer_is_told_apart_from_its_cell():
    with pytest.raises(TypeError, match=r"got LSTM; expected a cell.*layer\.cell\(0\)"):
        plot.step_values(nn.LSTM(3, 4), XS)


def test_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"step_values: got xs \(6, 1, 3\); expected \(T, I\)"):
        plot.step_values(nn.GRUCell(3, 4), XS[:, None])


def test_panels_share_the_text_below_them():
    figure = plot.gate_heatmap(
        {"forget gate": np.ones((4, 3)), "memory": -np.ones((4, 2))}, "a 한\n"
    )
    assert titles(figure) == ["forget gate", "memory"]
    letters = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert letters == ["a", "␣", "한", "↵"]


def test_the_key_of_a_gate_begins_at_zero_and_that_of_a_state_below_it():
    figure = plot.gate_heatmap({"gate": np.full((3, 2), 0.5), "state": -np.ones((3, 2))}, "abc")
    keys = [axes.child_axes[0] for axes in figure.axes]
    shown = [[label.get_text() for label in key.get_yticklabels()] for key in keys]
    assert shown == [["1", "0.5", "0"], ["1", "0", "−1"]]


def test_a_memory_beyond_one_gets_a_scale_of_its_own():
    key = plot.gate_heatmap({"c": np.array([[-4.0], [2.0]])}, "ab").axes[0].child_axes[0]
    assert [label.get_text() for label in key.get_yticklabels()] == ["4", "0", "−4"]


def test_negative_tiles_are_smaller_so_that_not_their_hue_alone_tells_them():
    axes = plot.gate_heatmap({"h": np.array([[1.0], [-1.0]])}, "ab").axes[0]
    widths = {p.get_facecolor()[:3]: np.ptp(p.get_path().vertices[:, 0]) for p in axes.patches}
    small, large = sorted(widths.values())
    assert small < 0.9 * large


def test_long_words_stand_on_end_and_short_ones_do_not():
    def rotation(words):
        figure = plot.gate_heatmap({"h": np.ones((len(words), 1))}, words)
        return figure.axes[0].get_xticklabels()[0].get_rotation()

    assert rotation(["internationalization"] * 40) == 90
    assert rotation(["나는", "학교에", "간다"]) == 0


@pytest.mark.parametrize(
    ("values", "text", "message"),
    [
        ({}, "abc", "got 0 arrays over a text of 3"),
        ({"f": np.ones((121, 2))}, "x" * 121, "expected at least one, over 1 to 120 characters"),
        ({"f": np.ones((2, 3))}, "abc", r"got 'f' \(2, 3\) over a text of 3; expected \(3, H\)"),
        ({"f": np.ones(3)}, "abc", r"got 'f' \(3,\) over a text of 3; expected \(3, H\)"),
    ],
)
def test_what_cannot_stand_over_a_text_is_refused(values, text, message):
    with pytest.raises(ValueError, match=message):
        plot.gate_heatmap(values, text)
