"""Cells: that their derivations hold, that they can be differentiated twice, and what they refuse.

Outputs and gradients are compared with PyTorch's in `test_goldens`.
"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

T, B, D, H, P = 5, 3, 2, 4, 3

CELLS = {
    "RNN tanh": lambda **k: nn.RNNCell(D, H, **k),
    "RNN relu": lambda **k: nn.RNNCell(D, H, nonlinearity="relu", **k),
    "LSTM": lambda **k: nn.LSTMCell(D, H, **k),
    "LSTM projected": lambda **k: nn.LSTMCell(D, H, proj_size=P, **k),
    "GRU": lambda **k: nn.GRUCell(D, H, **k),
}
all_cells = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def drawn(*shape, seed=3):
    return tg.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def carry_of(cell, batch=B, seed=4):
    """A carry that is not zero."""
    start = cell.initial(batch)
    parts = tuple(drawn(*s.shape, seed=seed + k) for k, s in enumerate(flat(start)))
    return parts if isinstance(start, tuple) else parts[0]


def flat(carry):
    return carry if isinstance(carry, tuple) else (carry,)


def run(cell):
    """A loss over a sequence, with everything that its derivation speaks of."""
    rng = np.random.default_rng(5)
    x, carry = drawn(T, B, D), carry_of(cell)
    start, hs, cs = flat(carry), [], []
    ys_bar = rng.normal(size=(T, B, flat(carry)[0].shape[1]))
    loss = tg.tensor(0.0, dtype="float64")
    for t in range(T):
        carry, y = cell.step(carry, x[t])
        loss = loss + (y * ys_bar[t]).sum()
        hs.append(flat(carry)[0].data)
        cs.append(flat(carry)[-1].data)
    loss.backward()
    gradients = {name: p.grad.data for name, p in cell.named_parameters()}
    gradients["x"] = x.grad.data
    gradients |= {f"{name}_0": s.grad.data for name, s in zip("hc", start, strict=False)}
    before, memory = [start[0].data, *hs[:-1]], [start[-1].data, *cs[:-1]]
    return x.data, before, memory, hs, cs, ys_bar, gradients


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def assert_equal(recursion, engine):
    assert recursion.keys() == engine.keys()
    for name, value in recursion.items():
        np.testing.assert_allclose(value, engine[name], rtol=1e-11, atol=1e-12, err_msg=name)


def summed(deltas, others):
    """The sum over time of outer products."""
    return sum(d.T @ v for d, v in zip(deltas, others, strict=True))


def test_the_derivation_of_the_vanilla_cell_is_what_the_engine_computes():
    cell = nn.RNNCell(D, H, dtype="float64", seed=0)
    x, before, _, hs, _, ys_bar, gradients = run(cell)
    W_ih, W_hh = cell.weight_ih.data, cell.weight_hh.data
    delta, deltas = np.zeros((B, H)), []
    for h, y_bar in zip(hs[::-1], ys_bar[::-1], strict=True):
        h_bar = y_bar + delta @ W_hh
        delta = (1 - h * h) * h_bar
        deltas.insert(0, delta)
    assert_equal(
        {
            "weight_ih": summed(deltas, x),
            "weight_hh": summed(deltas, before),
            "bias_ih": sum(deltas).sum(0),
            "bias_hh": sum(deltas).sum(0),
            "x": np.stack(deltas) @ W_ih,
            "h_0": deltas[0] @ W_hh,
        },
        gradients,
    )


@pytest.mark.parametrize("proj_size", [0, P])
def test_the_derivation_of_the_lstm_is_what_the_engine_computes(proj_size):
    cell = nn.LSTMCell(D, H, proj_size=proj_size, dtype="float64", seed=0)
    x, before, memory, _, cs, ys_bar, gradients = run(cell)
    W_ih, W_hh = cell.weight_ih.data, cell.weight_hh.data
    W_hr = np.eye(H) if cell.weight_hr is None else cell.weight_hr.data
    delta, deltas = np.zeros((B, 4 * H)), []
    kept = np.zeros((B, H))  # f ⊙ c̄ of the step after
    W_hr_bar = np.zeros_like(W_hr)
    for t in range(T)[::-1]:
        a = x[t] @ W_ih.T + before[t] @ W_hh.T + cell.bias_ih.data + cell.bias_hh.data
        i, f, g, o = np.split(a, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        shown = np.tanh(cs[t])
        h_bar = ys_bar[t] + delta @ W_hh
        W_hr_bar += h_bar.T @ (o * shown)
        m_bar = h_bar @ W_hr
        c_bar = m_bar * o * (1 - shown**2) + kept
        kept = f * c_bar
        delta = np.concatenate(
            [
                c_bar * g * i * (1 - i),
                c_bar * memory[t] * f * (1 - f),
                c_bar * i * (1 - g * g),
                m_bar * shown * o * (1 - o),
            ],
            axis=1,
        )
        deltas.insert(0, delta)
    recursion = {
        "weight_ih": summed(deltas, x),
        "weight_hh": summed(deltas, before),
        "bias_ih": sum(deltas).sum(0),
        "bias_hh": sum(deltas).sum(0),
        "x": np.stack(deltas) @ W_ih,
        "h_0": deltas[0] @ W_hh,
        "c_0": kept,
    }
    if proj_size:
        recursion["weight_hr"] = W_hr_bar
    assert_equal(recursion, gradients)


def test_the_derivation_of_the_gru_is_what_the_engine_computes():
    cell = nn.GRUCell(D, H, dtype="float64", seed=0)
    x, before, _, _, _, ys_bar, gradients = run(cell)
    W_ih, W_hh = cell.weight_ih.data, cell.weight_hh.data
    deltas, epsilons = [], []
    later = np.zeros((B, H))  # what comes back from the step after
    for t in range(T)[::-1]:
        a_r, a_z, a_n = np.split(x[t] @ W_ih.T + cell.bias_ih.data, 3, axis=1)
        b_r, b_z, b_n = np.split(before[t] @ W_hh.T + cell.bias_hh.data, 3, axis=1)
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        n = np.tanh(a_n + r * b_n)
        h_bar = ys_bar[t] + later
        d_n = h_bar * (1 - z) * (1 - n * n)
        d_z = h_bar * (before[t] - n) * z * (1 - z)
        d_r = d_n * b_n * r * (1 - r)
        deltas.insert(0, np.concatenate([d_r, d_z, d_n], axis=1))
        epsilons.insert(0, np.concatenate([d_r, d_z, r * d_n], axis=1))
        later = z * h_bar + epsilons[0] @ W_hh
    assert_equal(
        {
            "weight_ih": summed(deltas, x),
            "weight_hh": summed(epsilons, before),
            "bias_ih": sum(deltas).sum(0),
            "bias_hh": sum(epsilons).sum(0),
            "x": np.stack(deltas) @ W_ih,
            "h_0": later,
        },
        gradients,
    )


def test_the_other_convention_of_z_is_a_change_of_sign():
    cell = nn.GRUCell(D, H, dtype="float64", seed=0)
    twin = nn.GRUCell(D, H, dtype="float64", seed=0)
    for p in twin.parameters():
        p.data[H : 2 * H] *= -1
    h, x = drawn(B, H).detach(), drawn(B, D).detach()
    # By the docstring: the twin's z is 1 - z, so it weighs the two states the other way round.
    kept = h.data
    a = x.data @ cell.weight_ih.data.T + cell.bias_ih.data
    b = h.data @ cell.weight_hh.data.T + cell.bias_hh.data
    r, z = sigmoid(a[:, :H] + b[:, :H]), sigmoid(a[:, H : 2 * H] + b[:, H : 2 * H])
    written = np.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
    np.testing.assert_allclose(twin(x, h).data, z * written + (1 - z) * kept, rtol=1e-13)
    np.testing.assert_allclose(cell(x, h).data, (1 - z) * written + z * kept, rtol=1e-13)


@all_cells
@pytest.mark.parametrize("bias", [True, False])
def test_first_and_second_derivatives_agree_with_finite_differences(make, bias):
    cell = make(bias=bias, dtype="float64", seed=1)
    names, weights = zip(*cell.named_parameters(), strict=True)
    options = {"nonlinearity": cell.nonlinearity} if isinstance(cell, nn.RNNCell) else {}

    def two_steps(x, *rest):
        carry, parameters = rest[: len(start)], rest[len(start) :]
        missing = {"bias_ih": None, "bias_hh": None}
        bound = dict(zip(names, parameters, strict=True))
        twin = type(cell).sharing(**{**missing, **bound}, **options)
        state = carry if len(carry) > 1 else carry[0]
        state = twin(x[1], twin(x[0], state))
        return sum((s * s * s).sum() for s in flat(state))

    start = [s.data for s in flat(carry_of(cell, batch=2))]
    inputs = np.random.default_rng(6).normal(size=(2, 2, D))
    tg.gradcheck(two_steps, inputs, *start, *(w.data for w in weights), order=2)


@all_cells
def test_step_is_recur_of_the_projected_input(make):
    cell = make(seed=0)
    x = np.ones((B, D), "float32")
    carry = cell.initial(B)
    one, y = cell.step(carry, x)
    two, _ = cell.recur(carry, cell.project(x))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(flat(one), flat(two), strict=True))
    assert np.array_equal(y.data, flat(one)[0].data)


@all_cells
def test_without_a_state_a_cell_starts_from_zeros(make):
    cell = make(seed=0)
    x = np.ones((B, D), "float32")
    for a, b in zip(flat(cell(x)), flat(cell(x, cell.initial(B))), strict=True):
        assert np.array_equal(a.data, b.data)
        assert a.dtype == "float32"


@all_cells
def test_one_sequence_needs_no_batch_axis(make):
    cell = make(seed=0)
    x = np.ones(D, "float32")
    for one, many in zip(flat(cell(x)), flat(cell(x[None])), strict=True):
        np.testing.assert_allclose(one.data, many.data[0], rtol=1e-6)


@all_cells
def test_the_same_seed_gives_the_same_cell_within_the_bounds_of_pytorch(make):
    first, second = make(seed=7), make(seed=np.random.default_rng(7))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert np.array_equal(a.data, b.data)
        assert np.abs(a.data).max() <= 1 / np.sqrt(H)
    assert not np.array_equal(first.weight_hh.data, make(seed=8).weight_hh.data)


def test_the_parameters_are_in_pytorchs_order():
    names = [name for name, _ in nn.LSTMCell(D, H, proj_size=P).named_parameters()]
    assert names == ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]


def test_the_forget_bias_is_the_sum_of_both_biases_of_the_forget_gate():
    cell = nn.LSTMCell(D, H, forget_bias=1.0, seed=0)
    plain = nn.LSTMCell(D, H, seed=0)
    total = cell.bias_ih.data + cell.bias_hh.data
    assert (total[H : 2 * H] == 1).all()
    rest = np.r_[:H, 2 * H : 4 * H]
    assert np.array_equal(total[rest], (plain.bias_ih.data + plain.bias_hh.data)[rest])
    assert np.array_equal(cell.weight_hh.data, plain.weight_hh.data)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.RNNCell(0, 4), "RNNCell: got input_size=0; expected an integer of 1 or more"),
        (lambda: nn.GRUCell(2, 4.0), "GRUCell: got hidden_size=4.0; expected an integer"),
        (lambda: nn.RNNCell(2, 4, nonlinearity="sin"), "got nonlinearity='sin'; expected 'tanh'"),
        (lambda: nn.LSTMCell(2, 4, proj_size=4), "got proj_size=4 and hidden_size=4; expected"),
        (lambda: nn.LSTMCell(2, 4, proj_size=-1), "got proj_size=-1 and hidden_size=4"),
        (lambda: nn.LSTMCell(2, 4, bias=False, forget_bias=1.0), "forget_bias=1.0 and bias=False"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert says in str(caught.value)


def test_an_integer_dtype_is_refused():
    with pytest.raises(tg.DtypeError, match="got dtype=int64; expected a float"):
        nn.GRUCell(2, 4, dtype="int64")


def test_an_input_of_the_wrong_size_is_refused():
    with pytest.raises(tg.ShapeError) as caught:
        nn.LSTMCell(D, H)(np.ones((B, 7), "float32"))
    assert str(caught.value) == (
        "LSTMCell: got input of shape (3, 7); expected (…, 2): the last axis holds the 2 features "
        "that the layer was made for"
    )


def test_an_input_of_the_wrong_dtype_is_refused_with_the_remedy():
    with pytest.raises(tg.DtypeError) as caught:
        nn.LSTMCell(D, H)(np.ones((B, D)))
    assert str(caught.value) == (
        "LSTMCell: got input of dtype float64, and the layer's weights are float32; convert it "
        "with .astype('float32'), or the layer with .astype('float64')"
    )
    with pytest.raises(tg.DtypeError, match=r"turn indices into vectors with nn\.Embedding"):
        nn.GRUCell(D, H)(np.ones((B, D), int))


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


def test_a_state_of_the_wrong_dtype_is_refused():
    with pytest.raises(tg.DtypeError, match="RNNCell: got hx of dtype float64, and the layer's"):
        nn.RNNCell(D, H)(np.ones((B, D), "float32"), np.zeros((B, H)))


def test_a_cell_without_its_two_methods_says_which_to_define():
    with pytest.raises(NotImplementedError, match=r"Cell has no initial carry: define initial\(se"):
        nn.Cell()(np.ones(2))
    with pytest.raises(NotImplementedError, match=r"Cell has no recurrence: define recur\(self, c"):
        nn.Cell().step(None, np.ones(2))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (nn.RNNCell(2, 4), "RNNCell(2, 4)   32 parameters"),
        (nn.RNNCell(2, 4, False, "relu"), "RNNCell(2, 4, bias=False, nonlinearity='relu')   24"),
        (nn.LSTMCell(2, 4, proj_size=3), "LSTMCell(2, 4, proj_size=3)   124 parameters"),
        (nn.GRUCell(2, 4, bias=False), "GRUCell(2, 4, bias=False)   72 parameters"),
    ],
)
def test_the_repr_shows_sizes_and_unusual_options(cell, text):
    assert repr(cell).startswith(text)
