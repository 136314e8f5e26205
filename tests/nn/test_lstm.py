"""The LSTM: its equations with each option, and its derivation.

Outputs and gradients without peepholes and coupling are compared with PyTorch's in
`test_goldens`.
"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.nn.recursions import (
    B,
    D,
    H,
    P,
    T,
    assert_close,
    assert_equal,
    carry_of,
    drawn,
    run,
    sigmoid,
    summed,
)
from tinygrad_rnn import nn

OPTIONS = [
    {},
    {"proj_size": P},
    {"peepholes": True},
    {"coupled": True},
    {"peepholes": True, "coupled": True},
    {"peepholes": True, "coupled": True, "proj_size": P, "bias": False},
]
all_options = pytest.mark.parametrize("options", OPTIONS, ids=str)


def gates_of(cell, x, h, c):
    """i, f, g, o and the new memory, by the equations."""
    a = x @ cell.weight_ih.data.T + h @ cell.weight_hh.data.T
    if cell.bias_ih is not None:
        a = a + cell.bias_ih.data + cell.bias_hh.data
    *a_i, a_f, g, a_o = np.split(a, 3 if cell.coupled else 4, axis=1)
    w_i, w_f, w_o = (peephole(w) for w in (cell.weight_ci, cell.weight_cf, cell.weight_co))
    f = sigmoid(a_f + w_f * c)
    i = 1 - f if cell.coupled else sigmoid(a_i[0] + w_i * c)
    g = np.tanh(g)
    c = f * c + i * g
    return i, f, g, sigmoid(a_o + w_o * c), c


def peephole(weight):
    return 0.0 if weight is None else weight.data


@all_options
def test_a_step_is_its_equations(options):
    cell = nn.LSTMCell(D, H, dtype="float64", seed=0, **options)
    x, (h, c) = drawn(B, D), carry_of(cell)
    *_, o, memory = gates_of(cell, x.data, h.data, c.data)
    state = o * np.tanh(memory)
    if cell.weight_hr is not None:
        state = state @ cell.weight_hr.data.T
    new_h, new_c = cell(x, (h, c))
    assert_close(new_c, memory)
    assert_close(new_h, state)


@all_options
def test_the_derivation_is_what_the_engine_computes(options):
    cell = nn.LSTMCell(D, H, dtype="float64", seed=0, **options)
    x, before, memory, _, cs, ys_bar, gradients = run(cell)
    W_ih, W_hh = cell.weight_ih.data, cell.weight_hh.data
    W_hr = np.eye(H) if cell.weight_hr is None else cell.weight_hr.data
    w_i, w_f, w_o = (peephole(w) for w in (cell.weight_ci, cell.weight_cf, cell.weight_co))
    blocks = 3 if cell.coupled else 4
    delta, deltas = np.zeros((B, blocks * H)), []
    later = np.zeros((B, H))  # what the step after says of the memory
    W_hr_bar, w_i_bar, w_f_bar, w_o_bar = np.zeros_like(W_hr), 0.0, 0.0, 0.0
    for t in range(T)[::-1]:
        i, f, g, o, _ = gates_of(cell, x[t], before[t], memory[t])
        shown = np.tanh(cs[t])
        h_bar = ys_bar[t] + delta @ W_hh
        W_hr_bar += h_bar.T @ (o * shown)
        m_bar = h_bar @ W_hr
        delta_o = m_bar * shown * o * (1 - o)
        c_bar = m_bar * o * (1 - shown**2) + w_o * delta_o + later
        delta_g = c_bar * i * (1 - g * g)
        if cell.coupled:
            delta_i, delta_f = 0.0, c_bar * (memory[t] - g) * f * (1 - f)
        else:
            delta_i, delta_f = c_bar * g * i * (1 - i), c_bar * memory[t] * f * (1 - f)
        later = f * c_bar + w_i * delta_i + w_f * delta_f
        w_i_bar = w_i_bar + np.sum(delta_i * memory[t], axis=0)
        w_f_bar = w_f_bar + np.sum(delta_f * memory[t], axis=0)
        w_o_bar = w_o_bar + np.sum(delta_o * cs[t], axis=0)
        rows = [delta_i, delta_f, delta_g, delta_o][cell.coupled :]
        delta = np.concatenate(rows, axis=1)
        deltas.insert(0, delta)
    recursion = {
        "weight_ih": summed(deltas, x),
        "weight_hh": summed(deltas, before),
        "bias_ih": sum(deltas).sum(0),
        "bias_hh": sum(deltas).sum(0),
        "weight_hr": W_hr_bar,
        "weight_ci": w_i_bar,
        "weight_cf": w_f_bar,
        "weight_co": w_o_bar,
        "x": np.stack(deltas) @ W_ih,
        "h_0": deltas[0] @ W_hh,
        "c_0": later,
    }
    present = {name for name, _ in cell.named_parameters()} | {"x", "h_0", "c_0"}
    assert_equal({name: g for name, g in recursion.items() if name in present}, gradients)


def test_the_parameters_are_in_pytorchs_order_and_those_of_options_after_them():
    def shapes(**options):
        return {name: p.shape for name, p in nn.LSTMCell(D, H, **options).named_parameters()}

    usual = {"weight_ih": (16, D), "weight_hh": (16, H), "bias_ih": (16,), "bias_hh": (16,)}
    three = {"weight_ih": (12, D), "weight_hh": (12, H), "bias_ih": (12,), "bias_hh": (12,)}
    ci, cf, co = ({f"weight_c{gate}": (H,)} for gate in "ifo")
    assert list(shapes(proj_size=P)) == [*usual, "weight_hr"]
    assert shapes(peepholes=True) == {**usual, **ci, **cf, **co}
    assert shapes(coupled=True) == three
    assert shapes(peepholes=True, coupled=True) == {**three, **cf, **co}


def test_peepholes_change_none_of_the_other_first_values():
    plain, seeing = nn.LSTMCell(D, H, seed=0), nn.LSTMCell(D, H, peepholes=True, seed=0)
    for name, p in plain.named_parameters():
        assert np.array_equal(p.data, getattr(seeing, name).data)
    assert (np.abs(seeing.weight_co.data) <= 1 / np.sqrt(H)).all()
    assert len({float(v) for v in seeing.weight_ci.data}) == H


@pytest.mark.parametrize("coupled", [False, True])
def test_the_forget_bias_is_the_sum_of_both_biases_of_the_forget_gate(coupled):
    cell = nn.LSTMCell(D, H, forget_bias=1.0, coupled=coupled, seed=0)
    plain = nn.LSTMCell(D, H, coupled=coupled, seed=0)
    total = cell.bias_ih.data + cell.bias_hh.data
    forget = np.arange(H) + (0 if coupled else H)
    rest = np.setdiff1d(np.arange(len(total)), forget)
    assert (total[forget] == 1).all()
    assert np.array_equal(total[rest], (plain.bias_ih.data + plain.bias_hh.data)[rest])
    assert np.array_equal(cell.weight_hh.data, plain.weight_hh.data)


def test_with_coupled_gates_the_memory_is_an_average_and_stays_in_bounds():
    cell = nn.LSTMCell(D, H, coupled=True, dtype="float64", seed=0)
    for p in cell.parameters():
        p.data[...] *= 20
    _, (_, c) = nn.Recurrent(cell)(10 * drawn(40, B, D).detach())
    assert np.abs(c.data).max() <= 1
    assert np.abs(c.data).max() > 0.9


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.LSTMCell(2, 4, proj_size=4), "got proj_size=4 and hidden_size=4; expected"),
        (lambda: nn.LSTMCell(2, 4, proj_size=-1), "got proj_size=-1 and hidden_size=4"),
        (lambda: nn.LSTMCell(2, 4, bias=False, forget_bias=1.0), "forget_bias=1.0 and bias=False"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("hx", "got"),
    [
        (np.zeros((B, H), "float32"), "(3, 4)"),
        ((np.zeros((B, H), "float32"), np.zeros((1, H), "float32")), "((3, 4), (1, 4))"),
    ],
)
def test_a_state_of_the_wrong_shape_is_refused(hx, got):
    with pytest.raises(tg.ShapeError) as caught:
        nn.LSTMCell(D, H)(np.ones((B, D), "float32"), hx)
    assert str(caught.value) == (
        f"LSTMCell: got hx of shape {got}; expected ((3, 4), (3, 4)): for each part of the carry "
        "the batch (3,) of the input, then the size of the part"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"proj_size": 3}, "LSTMCell(2, 4, proj_size=3)   124 parameters"),
        ({"peepholes": True}, "LSTMCell(2, 4, peepholes=True)   140 parameters"),
        (
            {"peepholes": True, "coupled": True},
            "LSTMCell(2, 4, peepholes=True, coupled=True)   104 parameters",
        ),
    ],
)
def test_the_repr_shows_sizes_and_unusual_options(options, text):
    assert repr(nn.LSTMCell(2, 4, **options)) == text
