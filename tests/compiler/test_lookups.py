"""Rows that a loop looks up by number: values and gradients as of products with one-hot vectors."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.compiler.comparing import assert_close, compiled, equal_to_eager, gradients
from tinygrad_rnn import nn
from tinygrad_rnn.compiler.simplifying import SMALL
from tinygrad_rnn.engine.nesting import leaves, mapped

T, B, V, D, H = 6, 9, 7, 5, 4
CELLS = {
    "RNN": nn.RNNCell,
    "LSTM": nn.LSTMCell,
    "GRU": nn.GRUCell,
    "GRU, reset before": lambda *sizes, **k: nn.GRUCell(*sizes, reset_after=False, **k),
    "minimal gated": nn.MinimalGatedCell,
}
IDS = np.random.default_rng(0).integers(0, V, (T, B))
TABLE = tg.tensor(np.random.default_rng(1).normal(size=(V, D)), requires_grad=True)


def reading(cell, table=TABLE):
    """A step that looks its input up."""
    return lambda carry, ids: cell.step(carry, tg.embedding(table, ids))


def start_of(cell, batch=B):
    return mapped(lambda s: s.data + 0.1, cell.initial(batch))


def forward_loop(*scan):
    with tg.compiled(), tg.backend("numpy"):
        source = tg.explain(tg.scan, *scan).source
    return source.split("\ndef forward(")[1].split("\ndef backward(")[0]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_inputs_that_are_looked_up_are_multiplied_before_the_loop(name, reverse):
    cell = CELLS[name](D, H, dtype="float64", seed=0)
    weights = {"table": TABLE, **dict(cell.named_parameters())}
    equal_to_eager(reading(cell), start_of(cell), IDS, weights, reverse=reverse)
    loop = forward_loop(reading(cell), cell.initial(B), IDS)
    with_the_state = 2 if name in ("GRU, reset before", "minimal gated") else 1
    assert (loop.count("look_up("), loop.count("product(")) == (1, with_the_state)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_same_in_machine_code(backend):
    found = []
    for way in (tg.eager, lambda: compiled(backend)):
        table, layer = nn.Embedding(V, D, seed=0), nn.GRU(D, 33, seed=1)
        with way():
            y, h = layer(IDS, embedding=table)
            ((y * y).sum() + h.sum()).backward()
        parameters = {**dict(table.named_parameters()), **dict(layer.named_parameters())}
        found.append({"y": y.numpy(), **gradients(parameters)})
    assert_close(found[1], found[0], 1e-5)


def test_lengths_and_resets_are_heeded():
    cell = nn.LSTMCell(D, H, dtype="float64", seed=0)
    weights = {"table": TABLE, **dict(cell.named_parameters())}
    options = {"lengths": [0, 1, 2, 3, 4, 5, 6, 6, 6], "reset": IDS == 3}
    equal_to_eager(reading(cell), start_of(cell), IDS, weights, **options)


@pytest.mark.parametrize("batch", [1, 2, 7, 8])
def test_few_sequences_are_looked_up_too(batch):
    cell = nn.LSTMCell(D, H, dtype="float64", seed=0)
    weights = {"table": TABLE, **dict(cell.named_parameters())}
    equal_to_eager(reading(cell), start_of(cell, batch), IDS[:, :batch], weights)


def test_an_id_that_the_loop_makes_gives_its_row_a_gradient():
    w = tg.tensor(np.random.default_rng(2).normal(size=(D, V)), requires_grad=True)

    def speak(word, x):
        scores = tg.tanh(tg.embedding(TABLE, word) @ w + x)
        return (scores[:, 1:] > 0).sum(axis=-1), scores

    xs = np.random.default_rng(3).normal(size=(T, B, V))
    equal_to_eager(speak, np.zeros(B, np.int64), xs, {"table": TABLE, "w": w})


def test_several_ids_of_a_step_and_several_uses_of_a_table_add_up():
    w = tg.tensor(np.random.default_rng(2).normal(size=(D, D)), requires_grad=True)

    def step(h, ids):
        pair = tg.embedding(TABLE, ids)  # two ids for each sequence
        h = tg.tanh(h @ w + pair[:, 0] * pair[:, 1] + tg.embedding(TABLE, ids[:, 0]) @ w)
        return h, h

    pairs = np.random.default_rng(4).integers(0, V, (T, B, 2))
    equal_to_eager(step, np.zeros((B, D)), pairs, {"table": TABLE, "w": w})


def test_a_row_that_learns_nothing_is_left_to_what_is_before_the_loop():
    cell = nn.RNNCell(D, H, dtype="float64", seed=0)
    weights = {"table": TABLE, **dict(cell.named_parameters())}

    def step(h, ids):
        return cell.step(h, tg.embedding(TABLE, ids, padding_idx=2))

    equal_to_eager(step, start_of(cell), IDS, weights)
    assert "look_up(" not in forward_loop(step, cell.initial(B), IDS)


@pytest.mark.parametrize(("rows", "there"), [(SMALL, True), (SMALL + 1, False)])
def test_only_a_small_table_is_multiplied(rows, there):
    cell = nn.RNNCell(D, H, dtype="float64", seed=0)
    table = tg.tensor(np.random.default_rng(1).normal(size=(rows, D)), requires_grad=True)
    weights = {"table": table, **dict(cell.named_parameters())}
    equal_to_eager(reading(cell, table), start_of(cell), IDS, weights)
    assert ("look_up(" in forward_loop(reading(cell, table), cell.initial(B), IDS)) is there


@pytest.mark.parametrize("wrong", [-1, V])
def test_an_id_that_is_no_row_is_named(wrong):
    cell, ids = nn.RNNCell(D, H, dtype="float64", seed=0), IDS.copy()
    ids[3, 4] = wrong
    with compiled(), pytest.raises(IndexError, match=f"embedding: id {wrong} is not a row of the"):
        tg.scan(reading(cell), tg.tensor(np.zeros((B, H))), ids)


def test_second_derivatives_agree_with_finite_differences():
    cell = nn.RNNCell(D, 3, dtype="float64", seed=0)

    def loss(table, w):
        layer = nn.RNNCell.sharing(**{**vars(cell), "weight_ih": w})
        with compiled():
            h, ys = tg.scan(reading(layer, table), tg.tensor(np.zeros((8, 3))), IDS[:3, :8])
        return (h * h).sum() + tg.sin(ys).sum()

    assert tg.gradcheck(loss, TABLE.data, cell.weight_ih.data, order=2).largest_error < 1e-6


def test_symbols_are_looked_up_where_a_layer_is_a_part_of_a_step():
    table, layer = (
        nn.Embedding(V, D, dtype="float64", seed=0),
        nn.RNN(D, H, dtype="float64", seed=0),
    )

    def step(total, ids):
        y, _ = layer(ids, embedding=table)
        return total + y.sum(axis=0), total

    sentences = np.random.default_rng(5).integers(0, V, (3, T, B))
    with tg.eager():
        expected, _ = tg.scan(step, tg.tensor(np.zeros((B, H))), sentences)
    with compiled():
        found, _ = tg.scan(step, tg.tensor(np.zeros((B, H))), sentences)
    assert all(
        np.allclose(a.data, b.data) for a, b in zip(leaves(found), leaves(expected), strict=True)
    )


@pytest.mark.parametrize("frozen", ["table", "weights"])
def test_what_is_frozen_gets_no_gradient_and_the_rest_its_own(frozen):
    found = []
    for way in (tg.eager, compiled):
        table, layer = (nn.Embedding(V, D, dtype="float64", seed=0), nn.RNN(D, H, dtype="float64"))
        for k, x in enumerate(layer.parameters()):
            x.data[...] = np.random.default_rng(k).normal(size=x.shape)
        held = table.weight if frozen == "table" else layer.weight_ih_l0
        held.requires_grad_(False)
        with way():
            y, _ = layer(IDS, embedding=table)
            (y * y).sum().backward()
        assert held.grad is None
        others = {**dict(table.named_parameters()), **dict(layer.named_parameters())}
        found.append(gradients({name: x for name, x in others.items() if x is not held}))
    assert_close(found[1], found[0])


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_cotangents_that_are_no_numbers_add_up_in_silence(backend):
    table, layer = nn.Embedding(V, D, seed=0), nn.RNN(D, H, seed=1)
    with compiled(backend):
        y, _ = layer(IDS, embedding=table)
    y.backward(np.where(np.arange(B)[:, None] % 2, np.inf, -np.inf) * np.ones_like(y.data))
    assert np.isnan(table.weight.grad.data).any()


def overwrite(what):
    """Write to a tensor between a layer and its gradient."""
    table, layer = nn.Embedding(V, D, seed=0), nn.RNN(D, H, seed=1)
    y, _ = layer(IDS, embedding=table)
    with tg.no_grad():
        {"table": table.weight, "weights": layer.weight_ih_l0}[what][0] = 0
    y.sum().backward()


@pytest.mark.parametrize("way", [compiled, lambda: compiled("numba")])
@pytest.mark.parametrize("what", ["table", "weights"])
def test_what_is_overwritten_before_its_gradient_is_refused(way, what):
    with way(), pytest.raises(tg.GraphError, match=r"overwritten at .*test_lookups\.py:\d+"):
        overwrite(what)
