"""Cells whose gates act on the state: their equations, derivations, and how they are related.

Outputs and gradients of the GRU with its reset after the product are compared with PyTorch's in
`test_goldens`.
"""

import numpy as np
import pytest

from tests.nn.recursions import (
    B,
    D,
    H,
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

both_resets = pytest.mark.parametrize("reset_after", [True, False])
biased = pytest.mark.parametrize("bias", [True, False])


def products(cell, x, h):
    """The blocks of W_ih x + b_ih and of W_hh h + b_hh."""
    b_ih, b_hh = (0.0 if b is None else b.data for b in (cell.bias_ih, cell.bias_hh))
    pair = x @ cell.weight_ih.data.T + b_ih, h @ cell.weight_hh.data.T + b_hh
    return [np.split(a, a.shape[1] // H, axis=1) for a in pair]


def gru(cell, x, h):
    """r, z, n and the new state, by the equations."""
    (a_r, a_z, a_n), (b_r, b_z, b_n) = products(cell, x, h)
    r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
    n = np.tanh(a_n + (r * b_n if cell.reset_after else products(cell, x, r * h)[1][2]))
    return r, z, n, (1 - z) * n + z * h


def minimal(cell, x, h):
    """f, n and the new state, by the equations."""
    (a_f, a_n), (b_f, _) = products(cell, x, h)
    f = sigmoid(a_f + b_f)
    n = np.tanh(a_n + products(cell, x, f * h)[1][1])
    return f, n, (1 - f) * h + f * n


@both_resets
@biased
def test_a_step_of_the_gru_is_its_equations(reset_after, bias):
    cell = nn.GRUCell(D, H, bias, reset_after=reset_after, dtype="float64", seed=0)
    x, h = drawn(B, D), carry_of(cell)
    assert_close(cell(x, h), gru(cell, x.data, h.data)[-1])


@biased
def test_a_step_of_the_minimal_gated_cell_is_its_equations(bias):
    cell = nn.MinimalGatedCell(D, H, bias, dtype="float64", seed=0)
    x, h = drawn(B, D), carry_of(cell)
    assert_close(cell(x, h), minimal(cell, x.data, h.data)[-1])


def test_the_derivation_of_the_gru_is_what_the_engine_computes():
    cell = nn.GRUCell(D, H, dtype="float64", seed=0)
    x, before, _, _, _, ys_bar, gradients = run(cell)
    W_ih, W_hh = cell.weight_ih.data, cell.weight_hh.data
    deltas, epsilons = [], []
    later = np.zeros((B, H))  # what comes back from the step after
    for t in range(T)[::-1]:
        r, z, n, _ = gru(cell, x[t], before[t])
        _, (_, _, b_n) = products(cell, x[t], before[t])
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


def test_the_derivation_with_the_reset_before_the_product_is_what_the_engine_computes():
    cell = nn.GRUCell(D, H, reset_after=False, dtype="float64", seed=0)
    x, before, _, _, _, ys_bar, gradients = run(cell)
    W_gates, W_n = cell.weight_hh.data[: 2 * H], cell.weight_hh.data[2 * H :]
    deltas, reads = [], []
    later = np.zeros((B, H))
    for t in range(T)[::-1]:
        r, z, n, _ = gru(cell, x[t], before[t])
        h_bar = ys_bar[t] + later
        d_n = h_bar * (1 - z) * (1 - n * n)
        d_z = h_bar * (before[t] - n) * z * (1 - z)
        s_bar = d_n @ W_n
        d_r = s_bar * before[t] * r * (1 - r)
        deltas.insert(0, np.concatenate([d_r, d_z, d_n], axis=1))
        reads.insert(0, r * before[t])
        later = z * h_bar + r * s_bar + deltas[0][:, : 2 * H] @ W_gates
    assert_equal(
        {
            "weight_ih": summed(deltas, x),
            "weight_hh": np.concatenate(
                [
                    summed([d[:, : 2 * H] for d in deltas], before),
                    summed([d[:, 2 * H :] for d in deltas], reads),
                ]
            ),
            "bias_ih": sum(deltas).sum(0),
            "bias_hh": sum(deltas).sum(0),
            "x": np.stack(deltas) @ cell.weight_ih.data,
            "h_0": later,
        },
        gradients,
    )


def test_the_derivation_of_the_minimal_gated_cell_is_what_the_engine_computes():
    cell = nn.MinimalGatedCell(D, H, dtype="float64", seed=0)
    x, before, _, _, _, ys_bar, gradients = run(cell)
    W_f, W_n = np.split(cell.weight_hh.data, 2)
    deltas, reads = [], []
    later = np.zeros((B, H))
    for t in range(T)[::-1]:
        f, n, _ = minimal(cell, x[t], before[t])
        h_bar = ys_bar[t] + later
        d_n = h_bar * f * (1 - n * n)
        s_bar = d_n @ W_n
        d_f = (h_bar * (n - before[t]) + s_bar * before[t]) * f * (1 - f)
        deltas.insert(0, np.concatenate([d_f, d_n], axis=1))
        reads.insert(0, f * before[t])
        later = (1 - f) * h_bar + f * s_bar + d_f @ W_f
    assert_equal(
        {
            "weight_ih": summed(deltas, x),
            "weight_hh": np.concatenate(
                [
                    summed([d[:, :H] for d in deltas], before),
                    summed([d[:, H:] for d in deltas], reads),
                ]
            ),
            "bias_ih": sum(deltas).sum(0),
            "bias_hh": sum(deltas).sum(0),
            "x": np.stack(deltas) @ cell.weight_ih.data,
            "h_0": later,
        },
        gradients,
    )


@both_resets
def test_the_other_convention_of_z_is_a_change_of_sign(reset_after):
    cell, twin = (
        nn.GRUCell(D, H, reset_after=reset_after, dtype="float64", seed=0) for _ in range(2)
    )
    for p in twin.parameters():
        p.data[H : 2 * H] *= -1
    x, h = drawn(B, D), drawn(B, H)
    _, z, n, _ = gru(cell, x.data, h.data)
    # The twin's z is 1 - z, so it weighs the two states the other way round.
    assert_close(twin(x, h), z * n + (1 - z) * h.data)


def test_where_the_reset_acts_matters_unless_it_lets_everything_through():
    after, before = (
        nn.GRUCell(D, H, reset_after=way, dtype="float64", seed=0) for way in (True, False)
    )
    x, h = drawn(B, D), drawn(B, H)
    assert np.abs(after(x, h).data - before(x, h).data).max() > 1e-3
    for cell in (after, before):
        cell.bias_ih.data[:H] = 100
    assert_close(after(x, h), before(x, h))


def test_the_minimal_gated_cell_is_a_gru_whose_two_gates_are_one():
    cell = nn.MinimalGatedCell(D, H, dtype="float64", seed=0)
    wide = nn.GRUCell(D, H, reset_after=False, dtype="float64")
    for p, q in zip(wide.parameters(), cell.parameters(), strict=True):
        f, n = np.split(q.data, 2)
        p.data[...] = np.concatenate([f, -f, n])
    x, h = drawn(B, D), drawn(B, H)
    assert_close(cell(x, h), wide(x, h))
    assert 3 * cell.num_parameters() == 2 * wide.num_parameters()


def test_the_repr_shows_sizes_and_unusual_options():
    assert repr(nn.GRUCell(2, 4, bias=False)) == "GRUCell(2, 4, bias=False)   72 parameters"
    assert repr(nn.GRUCell(2, 4, reset_after=False)).startswith("GRUCell(2, 4, reset_after=False) ")
    assert repr(nn.MinimalGatedCell(2, 4)) == "MinimalGatedCell(2, 4)   64 parameters"
