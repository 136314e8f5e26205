"""Layer normalisation between cells, compared with PyTorch in `test_goldens`, and inside."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.nn.recursions import B, D, H, T, assert_close, carry_of, drawn, sigmoid
from tinygrad_rnn import nn


def test_each_example_gets_mean_zero_and_variance_one():
    y = nn.LayerNorm((3, 4), dtype="float64")(np.random.default_rng(0).normal(5, 3, (6, 3, 4))).data
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(y.var((1, 2)), 1, rtol=1e-4)


def test_it_can_be_differentiated_twice():
    layer = nn.LayerNorm(4, dtype="float64")
    nn.init.normal_(layer.weight, seed=0)
    tg.gradcheck(layer, np.random.default_rng(0).normal(size=(3, 4)), order=2)


def test_an_input_that_does_not_fit_is_refused():
    for layer in (nn.LayerNorm(4), nn.LayerNorm(4, elementwise_affine=False)):
        with pytest.raises(tg.ShapeError) as caught:
            layer(np.ones((4, 3), "float32"))
        assert str(caught.value) == (
            "LayerNorm: got input of shape (4, 3); its last 1 axes must have the shape that the "
            "layer was made for, (4,)"
        )
    with pytest.raises(tg.ShapeError, match=r"got input of shape \(\)"):
        nn.LayerNorm(4)(1.0)
    with pytest.raises(tg.DtypeError, match="LayerNorm: got input of dtype float64"):
        nn.LayerNorm(4)(np.ones((3, 4)))


def test_sizes_must_be_positive():
    with pytest.raises(
        ValueError, match=r"LayerNorm: got normalized_shape\[1\]=0; expected an int"
    ):
        nn.LayerNorm((2, 0))


def test_the_repr_shows_shape_and_options():
    assert repr(nn.LayerNorm((2, 3))) == "LayerNorm((2, 3))   12 parameters"
    assert repr(nn.LayerNorm(2, bias=False)) == "LayerNorm((2,), bias=False)   2 parameters"
    plain = nn.LayerNorm(2, elementwise_affine=False)
    assert repr(plain) == "LayerNorm((2,), elementwise_affine=False)   0 parameters"


# Inside a cell: the equations of Ba, Kiros & Hinton's appendix, and of its section 5 for the RNN.


def normalized(a, gain, bias=0.0):
    deviations = a - a.mean(-1, keepdims=True)
    return gain * deviations / np.sqrt((deviations**2).mean(-1, keepdims=True) + 1e-5) + bias


def shaken(cell):
    """A layer-normalized cell whose gains are not all one."""
    cell = nn.LayerNormalized(cell)
    rng = np.random.default_rng(9)
    for p in cell.parameters():
        p.data[...] += rng.normal(size=p.shape) / 2
    gains = [[n.weight.data for n in norms] for norms in (cell.norms_ih, cell.norms_hh)]
    return cell, cell.cell, *gains


def test_a_layer_normalized_rnn_is_its_equations():
    cell, core, (gain_x,), (gain_h,) = shaken(nn.RNNCell(D, H, dtype="float64", seed=0))
    x, h = drawn(B, D), carry_of(cell)
    a = normalized(x.data @ core.weight_ih.data.T, gain_x)
    b = normalized(h.data @ core.weight_hh.data.T, gain_h)
    assert_close(cell(x, h), np.tanh(a + b + core.bias_ih.data + core.bias_hh.data))


def test_a_layer_normalized_lstm_is_its_equations():
    cell, core, (gain_x,), (gain_h,) = shaken(nn.LSTMCell(D, H, dtype="float64", seed=0))
    x, (h, c) = drawn(B, D), carry_of(cell)
    a = normalized(x.data @ core.weight_ih.data.T, gain_x)
    b = normalized(h.data @ core.weight_hh.data.T, gain_h)
    i, f, g, o = np.split(a + b + core.bias_ih.data + core.bias_hh.data, 4, axis=1)
    memory = sigmoid(f) * c.data + sigmoid(i) * np.tanh(g)
    shown = normalized(memory, cell.norm_c.weight.data, cell.norm_c.bias.data)
    new_h, new_c = cell(x, (h, c))
    assert_close(new_c, memory)
    assert_close(new_h, sigmoid(o) * np.tanh(shown))


def test_a_layer_normalized_gru_is_its_equations():
    cell, core, gains_x, gains_h = shaken(nn.GRUCell(D, H, dtype="float64", seed=0))
    x, h = drawn(B, D), carry_of(cell)
    a = x.data @ core.weight_ih.data.T
    b = h.data @ core.weight_hh.data.T
    gates = normalized(a[:, : 2 * H], gains_x[0]) + normalized(b[:, : 2 * H], gains_h[0])
    b_ih, b_hh = core.bias_ih.data, core.bias_hh.data
    r, z = np.split(sigmoid(gates + b_ih[: 2 * H] + b_hh[: 2 * H]), 2, axis=1)
    n = normalized(a[:, 2 * H :], gains_x[1]) + b_ih[2 * H :]
    n = np.tanh(n + r * (normalized(b[:, 2 * H :], gains_h[1]) + b_hh[2 * H :]))
    assert_close(cell(x, h), (1 - z) * n + z * h.data)


def test_with_the_reset_before_the_product_the_product_is_normalized_after_it():
    cell, core, gains_x, gains_h = shaken(
        nn.GRUCell(D, H, bias=False, reset_after=False, dtype="float64", seed=0)
    )
    x, h = drawn(B, D), carry_of(cell)
    a, (W_gates, W_n) = x.data @ core.weight_ih.data.T, np.split(core.weight_hh.data, [2 * H])
    gates = normalized(a[:, : 2 * H], gains_x[0]) + normalized(h.data @ W_gates.T, gains_h[0])
    r, z = np.split(sigmoid(gates), 2, axis=1)
    read = normalized((r * h.data) @ W_n.T, gains_h[1])
    n = np.tanh(normalized(a[:, 2 * H :], gains_x[1]) + read)
    assert_close(cell(x, h), (1 - z) * n + z * h.data)


class LayerNormLSTM(nn.Cell):
    """The same LSTM, as somebody might write it who has never heard of the wrapper."""

    def __init__(self, like):
        core = like.core
        self.W_x, self.W_h = core.weight_ih, core.weight_hh
        self.b = nn.Parameter(core.bias_ih.data + core.bias_hh.data)
        self.of_x, self.of_h, self.of_c = like.norms_ih[0], like.norms_hh[0], like.norm_c

    def initial(self, *batch):
        return (tg.tensor(np.zeros((*batch, H))),) * 2

    def recur(self, carry, x):
        h, c = carry
        a = self.of_x(x @ self.W_x.T) + self.of_h(h @ self.W_h.T) + self.b
        i, f, g, o = tg.split(a, 4, axis=-1)
        c = tg.sigmoid(f) * c + tg.sigmoid(i) * tg.tanh(g)
        h = tg.sigmoid(o) * tg.tanh(self.of_c(c))
        return (h, c), h


def test_the_wrapper_and_a_cell_of_ones_own_learn_the_same():
    wrapped, *_ = shaken(nn.LSTMCell(D, H, dtype="float64", seed=0))
    own = LayerNormLSTM(wrapped)
    found = []
    for cell in (wrapped, own):
        x, carry = drawn(T, B, D), carry_of(cell)
        output, _ = nn.Recurrent(cell)(x, carry, lengths=[5, 0, 2])
        (output**3.0).sum().backward()
        weights = (own.W_x, own.W_h, own.of_x.weight, own.of_h.weight, own.of_c.bias)
        found.append([output.data, *(s.grad.data for s in (x, *carry, *weights))])
        cell.zero_grad()
    for a, b in zip(*found, strict=True):
        assert_close(a, b)


def test_the_scale_of_a_weight_does_not_matter():
    cell = nn.LayerNormalized(nn.GRUCell(D, H, bias=False, dtype="float64", seed=0), eps=0.0)
    x = drawn(T, B, D)
    before, _ = nn.Recurrent(cell)(x, carry_of(cell))
    cell.cell.weight_hh.data[...] *= 100
    cell.cell.weight_ih.data[...] /= 7
    after, _ = nn.Recurrent(cell)(x, carry_of(cell))
    np.testing.assert_allclose(before.data, after.data, rtol=1e-9)


def test_dropout_and_normalization_may_be_wrapped_in_either_order():
    outputs = []
    for make in (
        lambda lstm: nn.LayerNormalized(nn.VariationalDropout(lstm, 0.5, 0.5, seed=1)),
        lambda lstm: nn.VariationalDropout(nn.LayerNormalized(lstm), 0.5, 0.5, seed=1),
    ):
        cell = make(nn.LSTMCell(D, H, dtype="float64", seed=0))
        outputs.append(nn.Recurrent(cell)(drawn(T, B, D))[0].data)
        assert not np.array_equal(outputs[-1], nn.Recurrent(cell.eval())(drawn(T, B, D))[0].data)
    assert_close(*outputs)


def test_a_cell_without_a_memory_has_no_norm_for_it():
    cell = nn.LayerNormalized(nn.MinimalGatedCell(D, H), eps=0.1)
    assert cell.norm_c is None
    assert [name for name, _ in cell.named_parameters()][-4:] == [
        *("norms_ih.0.weight", "norms_ih.1.weight"),
        *("norms_hh.0.weight", "norms_hh.1.weight"),
    ]
    assert {norm.eps for norms in (cell.norms_ih, cell.norms_hh) for norm in norms} == {0.1}
