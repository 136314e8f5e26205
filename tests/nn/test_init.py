import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

init = nn.init


def weight(*shape):
    return nn.Parameter(np.full(shape, np.nan, "float32"))


SEEDED = [
    init.uniform_,
    init.normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
]


@pytest.mark.parametrize("fill", SEEDED, ids=lambda f: f.__name__)
def test_the_same_seed_gives_the_same_values_in_place(fill):
    x = weight(4, 3)
    data = x.data
    assert fill(x, seed=1) is x
    assert x.data is data
    assert np.isfinite(data).all()
    assert np.array_equal(data, fill(weight(4, 3), seed=np.random.default_rng(1)).data)
    assert not np.array_equal(data, fill(weight(4, 3), seed=2).data)


@pytest.mark.parametrize("fill", SEEDED, ids=lambda f: f.__name__)
def test_one_generator_gives_different_values_in_turn(fill):
    rng = np.random.default_rng(0)
    assert not np.array_equal(fill(weight(4, 3), seed=rng).data, fill(weight(4, 3), seed=rng).data)


def test_values_are_spread_as_the_formulas_say():
    out, into = 300, 200
    spread = {
        "uniform_": np.sqrt(1 / 12),
        "normal_": 1.0,
        "xavier_uniform_": np.sqrt(2 / (into + out)),
        "xavier_normal_": np.sqrt(2 / (into + out)),
        "kaiming_uniform_": np.sqrt(2 / into),
        "kaiming_normal_": np.sqrt(2 / into),
        "orthogonal_": np.sqrt(1 / out),
    }
    for fill in SEEDED:
        x = fill(weight(out, into), seed=0)
        assert np.isclose(x.data.std(), spread[fill.__name__], rtol=0.02), fill


def test_bounds_and_gains_are_kept():
    assert np.abs(init.xavier_uniform_(weight(30, 20), gain=2.0, seed=0).data).max() < 2 * np.sqrt(
        6 / 50
    )
    x = init.kaiming_uniform_(weight(30, 20), a=np.sqrt(5), seed=0).data
    assert 0.9 / np.sqrt(20) < np.abs(x).max() < 1 / np.sqrt(20)
    x = init.uniform_(weight(1000), -3, 5, seed=0).data
    assert -3 <= x.min() < -2.9
    assert 4.9 < x.max() < 5


def test_the_kernel_of_a_convolution_counts_as_input():
    wide = init.kaiming_normal_(weight(50, 20, 10), seed=0)
    assert np.isclose(wide.data.std(), np.sqrt(2 / 200), rtol=0.02)


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (3, 2, 4)])
def test_orthogonal_rows_or_columns(shape):
    q = init.orthogonal_(weight(*shape), gain=2.0, seed=0).data.reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    assert np.allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_orthogonal_matrices_are_evenly_distributed():
    # Without the sign correction the first entry of Q would always be negative.
    signs = [np.sign(init.orthogonal_(weight(3, 3), seed=seed).data[0, 0]) for seed in range(40)]
    assert 8 < signs.count(1) < 32


def test_constants_ones_zeros_and_identity():
    assert (init.constant_(weight(2), 3.5).data == 3.5).all()
    assert (init.ones_(weight(2)).data == 1).all()
    assert (init.zeros_(weight(2)).data == 0).all()
    assert np.array_equal(init.eye_(weight(2, 3)).data, [[1, 0, 0], [0, 1, 0]])


def test_a_vector_has_no_fans():
    with pytest.raises(
        tg.ShapeError, match=r"xavier_uniform_: got shape \(3,\); expected a weight"
    ):
        init.xavier_uniform_(weight(3))
    with pytest.raises(tg.ShapeError, match=r"eye_: got shape \(2, 2, 2\); expected a matrix"):
        init.eye_(weight(2, 2, 2))


def test_filling_between_forward_and_backward_is_noticed():
    w = nn.Parameter([2.0])
    y = w * w
    init.zeros_(w)
    with pytest.raises(tg.GraphError, match="overwritten"):
        y.backward()


@pytest.mark.parametrize(
    "rnn",
    [
        nn.RNNCell(3, 4, nonlinearity="relu"),
        nn.RNN(3, 4, 2, "relu", bidirectional=True),
        nn.RNN(3, 4, nonlinearity="relu", bias=False),
    ],
    ids=repr,
)
def test_an_irnn_starts_from_the_identity(rnn):
    assert init.irnn_(rnn, 0.5, 0.01, seed=0) is rnn
    for name, x in rnn.named_parameters():
        if name.startswith("weight_ih"):
            assert 0.001 < x.data.std() < 0.02
        else:
            assert np.array_equal(x.data, np.eye(4) / 2 if "weight" in name else np.zeros(4))


def test_an_irnn_remembers_what_is_positive_and_so_does_its_gradient():
    rnn = init.irnn_(nn.RNN(3, 4, nonlinearity="relu"), seed=0)
    h = tg.tensor(np.arange(1, 5).reshape(1, 1, 4), dtype="float32", requires_grad=True)
    _, end = rnn(np.zeros((100, 1, 3), "float32"), h)
    end.sum().backward()
    assert np.array_equal(end.data, h.data)
    assert (h.grad.data == 1).all()


def test_the_seed_of_an_irnn_decides():
    first, same, other = (
        init.irnn_(nn.RNNCell(3, 4, nonlinearity="relu"), seed=seed).weight_ih.data
        for seed in (1, np.random.default_rng(1), 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_what_can_be_no_irnn_is_refused():
    with pytest.raises(ValueError, match=r"irnn_: got RNN with nonlinearity='tanh'; make it with "):
        init.irnn_(nn.RNN(3, 4))
    with pytest.raises(TypeError, match=r"irnn_: got GRUCell; expected nn\.RNNCell or nn\.RNN, wh"):
        init.irnn_(nn.GRUCell(3, 4))


@pytest.mark.parametrize("fill", [init.kaiming_uniform_, init.kaiming_normal_])
def test_the_mode_chooses_whose_size_is_kept(fill):
    for mode, n in (("fan_in", 100), ("fan_out", 400)):
        x = fill(weight(400, 100), mode=mode, seed=0)
        assert np.isclose(x.data.std(), np.sqrt(2 / n), rtol=0.02)
    with pytest.raises(ValueError, match=f"{fill.__name__}: got mode='fan'; expected 'fan_in' or"):
        fill(weight(4, 3), mode="fan")


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    assert np.isclose(init.calculate_gain(name), torch.nn.init.calculate_gain(name))


def test_a_leaky_rectifier_has_a_gain_for_its_slope():
    assert np.isclose(init.calculate_gain("leaky_relu", 1.0), 1)
    assert np.isclose(init.calculate_gain("leaky_relu", 0), init.calculate_gain("relu"))
    with pytest.raises(ValueError, match="calculate_gain: got 'swish'; expected one of linear, co"):
        init.calculate_gain("swish")


def forget_rows(layer, end):
    halves = (getattr(layer, f"bias_{side}{end}").data.reshape(4, -1) for side in ("ih", "hh"))
    return sum(halves)[1]


def test_every_lstm_below_gets_its_forget_bias():
    model = nn.Sequential(
        nn.LSTM(3, 4, num_layers=2, bidirectional=True, seed=0),
        nn.Recurrent(nn.Residual(nn.LSTMCell(8, 8, peepholes=True, seed=1))),
    )
    others = {path: x.data.copy() for path, x in model.named_parameters() if "bias" not in path}
    assert init.forget_bias_(model, 2.0) is model
    for end in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        assert (forget_rows(model[0], end) == 2).all()
    assert (forget_rows(model[1].cell.cell, "") == 2).all()
    now = dict(model.named_parameters())
    assert all(np.array_equal(now[path].data, x) for path, x in others.items())
    assert (model[0].bias_ih_l0.data[:4] != 2).all()


def test_coupled_gates_have_their_forget_bias_first():
    cell = init.forget_bias_(nn.LSTMCell(3, 4, coupled=True))
    assert (cell.bias_ih.data[:4] == 1).all()
    assert (cell.bias_hh.data[:4] == 0).all()


def test_a_forget_bias_written_between_forward_and_backward_is_noticed():
    cell = nn.LSTMCell(3, 4)
    y = (cell.bias_ih * cell.bias_ih).sum()
    init.forget_bias_(cell)
    with pytest.raises(tg.GraphError, match="overwritten"):
        y.backward()


def test_what_has_no_forget_gate_is_refused():
    with pytest.raises(
        TypeError, match=r"forget_bias_: got GRU; expected nn\.LSTM, nn\.LSTMCell or"
    ):
        init.forget_bias_(nn.GRU(3, 4))
    with pytest.raises(
        ValueError, match=r"got forget_bias=1\.0 and bias=False; leave out one of them"
    ):
        init.forget_bias_(nn.LSTM(3, 4, bias=False))
