"""Cells: that their derivations hold, that they can be differentiated twice, and what they refuse.

Outputs and gradients are compared with PyTorch's in `test_goldens`.
"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.nn.recursions import (
    B,
    D,
    H,
    P,
    assert_equal,
    assert_traceable,
    carry_of,
    gradcheck,
    run,
    summed,
)
from tinygrad_rnn import nn
from tinygrad_rnn.compiler import trace

CELLS = {
    "RNN tanh": lambda **k: nn.RNNCell(D, H, **k),
    "RNN relu": lambda **k: nn.RNNCell(D, H, nonlinearity="relu", **k),
    "LSTM": lambda **k: nn.LSTMCell(D, H, **k),
    "LSTM projected": lambda **k: nn.LSTMCell(D, H, proj_size=P, **k),
    "LSTM with peepholes": lambda **k: nn.LSTMCell(D, H, peepholes=True, **k),
    "LSTM coupled": lambda **k: nn.LSTMCell(D, H, coupled=True, **k),
    "LSTM coupled with peepholes": lambda **k: nn.LSTMCell(D, H, coupled=True, peepholes=True, **k),
    "GRU": lambda **k: nn.GRUCell(D, H, **k),
    "GRU reset before": lambda **k: nn.GRUCell(D, H, reset_after=False, **k),
    "minimal gated": lambda **k: nn.MinimalGatedCell(D, H, **k),
}
all_cells = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def flat(carry):
    return carry if isinstance(carry, tuple) else (carry,)


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


@all_cells
@pytest.mark.parametrize("bias", [True, False])
def test_first_and_second_derivatives_agree_with_finite_differences(make, bias):
    gradcheck(make(bias=bias, dtype="float64", seed=1), lengths=[2, 1])


@all_cells
def test_a_step_is_a_program_of_ops_that_a_compiler_can_read(make):
    assert_traceable(make(seed=0))


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


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.RNNCell(0, 4), "RNNCell: got input_size=0; expected an integer of 1 or more"),
        (lambda: nn.GRUCell(2, 4.0), "GRUCell: got hidden_size=4.0; expected an integer"),
        (lambda: nn.RNNCell(2, 4, nonlinearity="sin"), "got nonlinearity='sin'; expected 'tanh'"),
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
    ],
)
def test_the_repr_shows_sizes_and_unusual_options(cell, text):
    assert repr(cell).startswith(text)


@all_cells
@pytest.mark.parametrize("batch", [(), (1,), (0,)], ids=str)
@pytest.mark.parametrize("steps", [0, 1])
def test_sequences_may_be_short_alone_or_missing(make, batch, steps):
    cell = make(dtype="float64", seed=0)
    carry = carry_of(cell, batch)
    output, end = nn.Recurrent(cell)(np.ones((steps, *batch, D)), carry)
    assert output.shape == (steps, *batch, flat(end)[0].shape[-1])
    expected = cell(np.ones((*batch, D)), carry) if steps else carry
    for a, b in zip(flat(expected), flat(end), strict=True):
        assert np.array_equal(a.data, b.data)


class Noisy(nn.Cell):
    """Adds noise to what it sees, drawn as the contract of `Cell` has it."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def initial(self, *batch):
        return tg.tensor(np.zeros((*batch, D)))

    def noise(self, T, *batch):
        return (tg.tensor(self.generator.normal(size=(T, *batch, D))),)

    def project(self, x, noise):
        return x + noise

    def recur(self, h, x):
        h = 0.5 * h + x
        return h, h


def test_noise_is_drawn_once_for_a_sequence_and_anew_for_a_step_by_itself():
    rng, cell = np.random.default_rng(0), Noisy(0)
    _, h = nn.Recurrent(cell)(np.zeros((2, B, D)))
    first, second = rng.normal(size=(2, B, D))
    np.testing.assert_allclose(h.data, 0.5 * first + second)
    for _ in range(2):
        np.testing.assert_allclose(cell(np.zeros((B, D))).data, rng.normal(size=(B, D)))


def test_a_step_that_draws_is_not_traced():
    with pytest.raises(tg.GraphError, match="Noisy: step draws noise, so it cannot be traced"):
        trace(Noisy(0).step, np.zeros((B, D)), np.zeros((B, D)))
