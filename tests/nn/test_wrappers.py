"""Wrappers: whatever is nested in whatever, a loop over it obeys the same laws."""

import copy
from itertools import pairwise

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
    assert_traceable,
    carry_of,
    drawn,
    gradcheck,
)
from tinygrad_rnn import nn
from tinygrad_rnn.engine.nesting import leaves, mapped


def everything(**k):
    """Each wrapper once, around cells of four kinds."""
    low = nn.Bidirectional(nn.GRUCell(D, H, **k), nn.MinimalGatedCell(D, H, **k))
    inside = nn.VariationalDropout(nn.LayerNormalized(nn.LSTMCell(2 * H, H, **k)), seed=1)
    high = nn.Projection(nn.Zoneout(inside, (0.2, 0.5), seed=2), nn.Linear(H, D, **k))
    return nn.LearnedInitial(nn.Residual(nn.Stacked(low, high)))


STEPPED = {
    "learned initial": lambda **k: nn.LearnedInitial(nn.LSTMCell(D, H, **k)),
    "residual": lambda **k: nn.Residual(nn.GRUCell(D, D, **k)),
    "projection": lambda **k: nn.Projection(
        nn.LSTMCell(D, H, peepholes=True, **k), nn.Linear(H, P, **k)
    ),
    "stacked": lambda **k: nn.Stacked(
        nn.GRUCell(D, H, reset_after=False, **k), nn.LSTMCell(H, P, **k)
    ),
    "dropout in an LSTM": lambda **k: nn.VariationalDropout(nn.LSTMCell(D, H, **k), seed=1),
    "dropout in a GRU": lambda **k: nn.VariationalDropout(
        nn.GRUCell(D, H, reset_after=False, **k), 0.5, 0.5, seed=1
    ),
    "zoneout": lambda **k: nn.Zoneout(nn.LSTMCell(D, H, **k), (0.3, 0.6), seed=1),
    "normalized RNN": lambda **k: nn.LayerNormalized(nn.RNNCell(D, H, **k), eps=0.1),
    "normalized LSTM": lambda **k: nn.LayerNormalized(nn.LSTMCell(D, H, **k), eps=0.1),
    "normalized GRU": lambda **k: nn.LayerNormalized(nn.GRUCell(D, H, **k), eps=0.1),
    "normalized minimal": lambda **k: nn.LayerNormalized(nn.MinimalGatedCell(D, H, **k), eps=0.1),
    "stack of noisy cells": lambda **k: nn.Stacked(
        nn.Zoneout(nn.VariationalDropout(nn.GRUCell(D, H, **k), seed=1), 0.4, seed=2),
        nn.Residual(nn.VariationalDropout(nn.RNNCell(H, H, **k), seed=3)),
    ),
}
NETWORKS = {
    **STEPPED,
    "bidirectional": lambda **k: nn.Bidirectional(nn.LSTMCell(D, H, **k), nn.GRUCell(D, P, **k)),
    "everything": everything,
}
stepped = pytest.mark.parametrize("make", STEPPED.values(), ids=STEPPED)
all_networks = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)

LENGTHS = [3, 0, 5]
STARTS = np.zeros((T, B), bool)
STARTS[[0, 2, 1], [0, 0, 2]] = True


def double(make):
    cell = make(dtype="float64", seed=0)
    rng = np.random.default_rng(8)
    for p in cell.parameters():  # away from ones and zeros, where much is equal by chance
        p.data[...] += rng.normal(size=p.shape) / 4
    return cell


def results(cell, loop, x, carry):
    """Outputs, last carry, and the gradients of everything."""
    end, output = loop(cell, carry, x)
    loss = sum((k + 1.0) * (s * s * s).sum() for k, s in enumerate((*leaves(end), output)))
    loss.backward()
    given = {"x": x} | {f"carry {k}": s for k, s in enumerate(leaves(carry))}
    given |= dict(cell.named_parameters())
    found = {"output": output.data} | {f"end {k}": s.data for k, s in enumerate(leaves(end))}
    for name, s in given.items():
        found[f"gradient of {name}"] = np.zeros(s.shape) if s.grad is None else s.grad.data
        s.grad = None
    return found


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert_close(a[name], b[name], name)


@stepped
@pytest.mark.parametrize("reverse", [False, True])
def test_a_sequence_at_once_is_one_step_after_the_other(make, reverse):
    def step_by_step(cell, carry, x):
        marks = np.roll(STARTS, -1, axis=0) if reverse else STARTS
        xs = cell.project(x, *cell.noise(T, B))
        return tg.scan(cell.recur, carry, xs, lengths=LENGTHS, reset=marks, reverse=reverse)

    def at_once(cell, carry, x):
        return cell.run(carry, x, lengths=LENGTHS, reset=STARTS, reverse=reverse)

    cell = double(make)
    x, carry, twin = drawn(T, B, D), carry_of(cell), copy.deepcopy(cell)
    assert_same(results(cell, at_once, x, carry), results(twin, step_by_step, x, carry))


@all_networks
def test_a_padded_batch_is_each_sequence_alone(make):
    cell = double(make).eval()
    x, carry = drawn(T, B, D), carry_of(cell)
    output, end = nn.Recurrent(cell)(x, carry, LENGTHS)
    for b, n in enumerate(LENGTHS):
        start = mapped(lambda s, b=b: s[b : b + 1], carry)
        alone, last = nn.Recurrent(cell)(x[:n, b : b + 1], start)
        assert_close(output.data[:n, b : b + 1], alone)
        assert (output.data[n:, b] == 0).all()
        for whole, own in zip(leaves(end), leaves(last), strict=True):
            assert_close(whole.data[b : b + 1], own)


@all_networks
@pytest.mark.parametrize("reverse", [False, True])
def test_documents_in_one_row_are_each_document_alone(make, reverse):
    cell = double(make).eval()
    layer = nn.Recurrent(cell, reverse=reverse)
    x, carry = drawn(T, B, D), carry_of(cell)
    output, _ = layer(x, carry, reset=STARTS)
    for b in range(B):
        borders = [0, *(t for t in range(1, T) if STARTS[t, b]), T]
        start = mapped(lambda s, b=b: s[b : b + 1], carry)
        for first, last in pairwise(borders):
            alone, _ = layer(x[first:last, b : b + 1], start)
            assert_close(output.data[first:last, b : b + 1], alone, f"{first} to {last} of {b}")


@all_networks
def test_first_and_second_derivatives_agree_with_finite_differences(make):
    marks = np.array([[False, False], [False, True]])
    gradcheck(double(make), lengths=[1, 2], reset=marks)


@stepped
@pytest.mark.parametrize("training", [True, False])
def test_a_step_is_a_program_of_ops_that_a_compiler_can_read(make, training):
    assert_traceable(make(seed=0).train(training))


@all_networks
def test_float32_stays_float32(make):
    for training in (True, False):
        cell = make(seed=0).train(training)
        output, end = nn.Recurrent(cell)(np.ones((T, B, D), "float32"), lengths=LENGTHS)
        sum((s * s).sum() for s in (output, *leaves(end))).backward()
        tensors = (output, *leaves(end), *(p.grad for p in cell.parameters()))
        assert {str(s.dtype) for s in tensors} == {"float32"}


@all_networks
@pytest.mark.parametrize("batch", [(), (1,), (0,)], ids=str)
@pytest.mark.parametrize("steps", [0, 1])
def test_sequences_may_be_short_alone_or_missing(make, batch, steps):
    cell = double(make)
    carry = carry_of(cell, batch)
    output, end = nn.Recurrent(cell)(np.ones((steps, *batch, D)), carry)
    assert output.shape[:-1] == (steps, *batch)
    for a, b in zip(leaves(carry), leaves(end), strict=True):
        assert a.shape == b.shape
        assert steps or np.array_equal(a.data, b.data)


@all_networks
def test_sequences_without_steps_keep_their_carry_and_pass_its_gradient(make):
    cell = double(make)
    carry = carry_of(cell)
    output, end = nn.Recurrent(cell)(drawn(T, B, D), carry, lengths=[0] * B)
    assert (output.data == 0).all()
    sum((s * s).sum() for s in leaves(end)).backward()
    for start, last in zip(leaves(carry), leaves(end), strict=True):
        assert np.array_equal(start.data, last.data)
        assert_close(start.grad, 2 * start.data)


def test_one_unit_is_enough():
    cell = nn.Zoneout(nn.LayerNormalized(nn.VariationalDropout(nn.LSTMCell(1, 1, seed=0))))
    both = nn.Bidirectional(nn.Residual(cell), nn.GRUCell(1, 1, reset_after=False, seed=0))
    output, _ = nn.Recurrent(both)(np.ones((3, 1, 1), "float32"))
    assert output.shape == (3, 1, 2)
    assert np.isfinite(output.data).all()


@all_networks
def test_the_weights_of_a_network_are_saved_and_loaded_by_their_places(make):
    cell, other = double(make).eval(), make(dtype="float64", seed=5).eval()
    x = drawn(T, B, D)
    assert not np.array_equal(nn.Recurrent(cell)(x)[0].data, nn.Recurrent(other)(x)[0].data)
    other.load_state_dict(cell.state_dict())
    assert np.array_equal(nn.Recurrent(cell)(x)[0].data, nn.Recurrent(other)(x)[0].data)


# One wrapper at a time.


def test_a_learned_start_is_used_until_another_carry_is_given():
    cell = nn.LearnedInitial(nn.LSTMCell(D, H, dtype="float64", seed=0))
    cell.initial_0.data[...] = 0.5
    cell.initial_1.data[...] = -0.5
    x = drawn(T, B, D)
    start = (np.full((B, H), 0.5), np.full((B, H), -0.5))
    assert_close(nn.Recurrent(cell)(x)[0], nn.Recurrent(cell.cell)(x, start)[0])
    zeros = tuple(np.zeros((B, H)) for _ in range(2))
    assert_close(nn.Recurrent(cell)(x, zeros)[0], nn.Recurrent(cell.cell)(x)[0])
    assert_close(cell(x[0])[0], cell.cell(x[0], start)[0])


def test_a_learned_start_begins_as_what_the_cell_inside_begins_with():
    class Counting(nn.Cell):
        def initial(self, *batch):
            return {"n": tg.tensor(np.ones((*batch, D))), "more": [tg.tensor(np.zeros(batch))]}

    start = nn.LearnedInitial(Counting()).initial(B, 1)
    assert np.array_equal(start["n"].data, np.ones((B, 1, D)))
    assert np.array_equal(start["more"][0].data, np.zeros((B, 1)))


def test_a_learned_start_gets_the_gradient_of_every_sequence_that_starts_from_it():
    cell = nn.LearnedInitial(nn.RNNCell(D, H, dtype="float64", seed=0))
    x, marks = drawn(T, B, D), np.zeros((T, B), bool)
    marks[2, 0] = True  # so the first row starts from it twice, and the others once
    nn.Recurrent(cell)(x, reset=marks)[0].sum().backward()
    starts = []
    for document in (x[:2, :1], x[2:, :1], x[:, 1:2], x[:, 2:]):
        starts.append(tg.tensor(np.zeros((1, H)), requires_grad=True))
        nn.Recurrent(cell.cell)(document, starts[-1])[0].sum().backward()
    assert_close(cell.initial_0.grad, sum(start.grad.data[0] for start in starts))


def test_residual_adds_the_input_and_projection_maps_the_output():
    x = drawn(T, B, H)
    gru, linear = nn.GRUCell(H, H, dtype="float64"), nn.Linear(H, P, dtype="float64")
    plain, end = nn.Recurrent(gru)(x)
    added, same = nn.Recurrent(nn.Residual(gru))(x)
    assert_close(added, x.data + plain.data)
    assert_close(same, end)
    shorter, same = nn.Recurrent(nn.Projection(gru, linear))(x)
    assert_close(shorter, linear(plain))
    assert_close(same, end)


def test_a_projection_may_be_a_plain_function():
    cell = nn.Projection(nn.GRUCell(D, H, seed=0), tg.tanh)
    h, y = cell.step(cell.initial(B), drawn(B, D).astype("float32"))
    assert np.array_equal(y.data, np.tanh(h.data))


def test_stacked_cells_read_each_other():
    low, high = nn.GRUCell(D, H, dtype="float64"), nn.LSTMCell(H, P, dtype="float64")
    x = drawn(T, B, D)
    output, (h, pair) = nn.Recurrent(nn.Stacked(low, high))(x, lengths=LENGTHS)
    between, h_alone = nn.Recurrent(low)(x, lengths=LENGTHS)
    above, pair_alone = nn.Recurrent(high)(between, lengths=LENGTHS)
    assert_close(output, above)
    for a, b in zip((h, *pair), (h_alone, *pair_alone), strict=True):
        assert_close(a, b)


def test_a_stack_of_bidirectional_cells_is_the_layer_of_that_name():
    layer = nn.GRU(D, H, num_layers=2, bidirectional=True, dtype="float64", seed=0)
    cells = [
        nn.Bidirectional(layer.cell(k), layer.cell(k, reverse=True))
        for k in range(layer.num_layers)
    ]
    x = drawn(T, B, D)
    output, h_n = layer(x, lengths=LENGTHS, reset=STARTS)
    same, ends = nn.Recurrent(nn.Stacked(*cells))(x, lengths=LENGTHS, reset=STARTS)
    assert_close(output, same)
    assert_close(h_n, np.stack([h.data for h in leaves(ends)]))


def test_the_second_direction_hears_the_future_and_the_first_does_not():
    cell = nn.Bidirectional(nn.GRUCell(D, H, dtype="float64"), nn.GRUCell(D, H, dtype="float64"))
    x = drawn(T, B, D)
    ahead, back = np.split(nn.Recurrent(cell)(x)[0].data, 2, axis=-1)
    x.data[3:] = 0
    changed_ahead, changed_back = np.split(nn.Recurrent(cell)(x)[0].data, 2, axis=-1)
    assert np.array_equal(ahead[:3], changed_ahead[:3])
    assert (back[:3] != changed_back[:3]).all()


def test_a_cell_of_ones_own_is_wrapped_like_any_other():
    class Sum(nn.Cell):
        def initial(self, *batch):
            return tg.tensor(np.zeros((*batch, D)))

        def recur(self, total, x):
            total = total + x
            return total, total

    x = drawn(T, B, D)
    cell = nn.Residual(nn.Stacked(nn.LearnedInitial(Sum()), nn.Zoneout(Sum(), 0.0)))
    twice = x.data.cumsum(0).cumsum(0)
    assert_close(nn.Recurrent(cell)(x)[0], x.data + twice)
    assert_close(cell(x[0])[1], x.data[0])


def test_a_wrapper_of_ones_own_passes_on_what_it_does_not_change():
    class Loud(nn.Wrapper):
        def recur(self, carry, x):
            carry, y = super().recur(carry, x)
            return carry, 2 * y

    x, inside = drawn(T, B, D), nn.VariationalDropout(nn.LSTMCell(D, H, dtype="float64"), seed=0)
    quiet, _ = nn.Recurrent(copy.deepcopy(inside))(x)
    assert_close(nn.Recurrent(Loud(inside))(x)[0], 2 * quiet.data)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: nn.Residual(nn.Linear(2, 2)),
            TypeError,
            "Residual: got Linear; expected a cell: subclass nn.Cell, or use tg.scan for a plain "
            "step function",
        ),
        (
            lambda: nn.Stacked(nn.GRUCell(2, 2), nn.GRUCell),
            TypeError,
            "Stacked: got the class GRUCell; expected a cell: make one, as in GRUCell(…)",
        ),
        (
            lambda: nn.Stacked(),
            ValueError,
            "Stacked: got no cells; expected one or more, the lowest first",
        ),
        (
            lambda: nn.Bidirectional(nn.GRUCell(2, 2), None),
            TypeError,
            "Bidirectional: got NoneType; expected a cell: subclass nn.Cell, or use tg.scan for a "
            "plain step function",
        ),
        (
            lambda: nn.Recurrent(nn.Residual(nn.GRUCell(3, 4)))(np.ones((5, 2, 3), "float32")),
            tg.ShapeError,
            "Residual: got an input with 3 features and an output with 4, which cannot be added; "
            "map the output with nn.Residual(nn.Projection(cell, nn.Linear(4, 3)))",
        ),
        (
            lambda: nn.Bidirectional(nn.GRUCell(3, 4), nn.GRUCell(3, 4))(np.ones((2, 3))),
            TypeError,
            "Bidirectional has no single step, since its second cell begins at the end. Give a "
            "whole sequence to nn.Recurrent(cell); wrappers that act on each step, such as "
            "Zoneout, go around each of the two cells",
        ),
        (
            lambda: nn.LayerNormalized(nn.Residual(nn.GRUCell(3, 3))),
            TypeError,
            "LayerNormalized: got Residual; expected a cell with products to act on, such as "
            "nn.LSTMCell or another subclass of nn.AffineCell. Other wrappers go around it: "
            "nn.Residual(nn.LayerNormalized(cell))",
        ),
        (
            lambda: nn.Recurrent(nn.Stacked(nn.GRUCell(3, 4), nn.GRUCell(5, 4)))(
                np.ones((5, 2, 3), "float32")
            ),
            tg.ShapeError,
            "GRUCell: got input of shape (5, 2, 4); expected (…, 5): the last axis holds the 5 "
            "features that the layer was made for",
        ),
        (
            lambda: nn.Recurrent(nn.Stacked(nn.GRUCell(3, 4), nn.LSTMCell(4, 4)))(
                np.ones((5, 2, 3), "float32"), np.zeros((2, 4), "float32")
            ),
            tg.ShapeError,
            "Stacked: got hx of shape (2, 4); expected ((2, 4), ((2, 4), (2, 4))): for each part "
            "of the carry the batch (2,) of the input, then the size of the part",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_remedy(call, error, says):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == says


def test_the_repr_is_the_tree():
    cell = nn.Residual(nn.Zoneout(nn.VariationalDropout(nn.GRUCell(2, 2)), 0.5))
    assert repr(cell) == (
        "Residual                                                     36 parameters\n"
        "└─ cell: Zoneout(p=0.5)                                      36\n"
        "   └─ cell: VariationalDropout(p_input=0.25, p_state=0.25)   36\n"
        "      └─ cell: GRUCell(2, 2)                                 36"
    )
