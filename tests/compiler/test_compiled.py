"""Compiled scans against their definitions, where something is special about step or sequence."""

import copy
import itertools
import re
from contextlib import contextmanager

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.compiler.comparing import (
    assert_close,
    both_ways,
    compiled,
    equal_to_eager,
    falls_back_to_eager,
    gradients,
    looking_for_overlaps,
    weighted_squares,
)
from tests.compiler.random_cells import COMBINING, ELEMENTWISE, MOVING, REDUCING
from tests.nn.recursions import T, carry_of, drawn
from tests.nn.test_cells import CELLS
from tests.nn.test_wrappers import LENGTHS, NETWORKS, STARTS, double
from tests.nn.test_wrappers import results as results_of_network
from tinygrad_rnn import nn
from tinygrad_rnn.compiler import Scan, scans
from tinygrad_rnn.engine.nesting import leaves, mapped

rng = np.random.default_rng(0)
B, H = 3, 4
XS, H0 = rng.normal(size=(T, B, H)), rng.normal(size=(B, H))
MEMORY = rng.normal(size=(B, 2, H))


def weight(*shape, seed=1):
    return tg.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


U, W, BIAS = weight(H, H), weight(H, H, seed=2), weight(H, seed=3)
WEIGHTS = {"U": U, "W": W, "bias": BIAS}


def cell(h, x):
    h = tg.tanh(x @ U + h @ W + BIAS)
    return h, h * 2


# What the library has.


def over_padded_documents(**options):
    """A run over a sequence with lengths and resets, which gives the last carry and the outputs."""
    return lambda cell, carry, x: nn.Recurrent(cell, **options)(x, carry, LENGTHS, reset=STARTS)[
        ::-1
    ]


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_cell_compiled_is_the_cell(make, bias, reverse):
    assert_network(lambda **k: make(bias=bias, **k), reverse=reverse)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("training", [True, False])
def test_a_wrapped_cell_compiled_is_the_wrapped_cell(make, training):
    assert_network(make, training=training, reverse=False)


def assert_network(make, training=True, **options):
    cell = double(make).train(training)
    twin, x, carry = copy.deepcopy(cell), drawn(T, B, 2), carry_of(cell)
    with tg.eager():
        expected = results_of_network(twin, over_padded_documents(**options), x, carry)
    with compiled() as loops:
        found = results_of_network(cell, over_padded_documents(**options), x, carry)
    assert loops.count
    assert_close(found, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.RNN(2, 3, num_layers=2, bidirectional=True, dtype="float64", seed=0),
        lambda: nn.LSTM(
            2, 4, num_layers=2, proj_size=3, bidirectional=True, dtype="float64", seed=0
        ),
        lambda: nn.GRU(2, 3, num_layers=2, batch_first=True, dtype="float64", seed=0),
    ],
)
def test_a_layer_compiled_is_the_layer(make):
    layer, x = make(), drawn(5, 5, 2)
    found = []
    for way in (tg.eager, compiled):
        with way():
            y, h = layer(x, None, [5, 0, 3, 1, 2])
            weighted_squares(h, y).backward()
        found.append({f"output {k}": s.data for k, s in enumerate((y, *leaves(h)))})
        found[-1] |= gradients({"x": x, **dict(layer.named_parameters())})
    assert_close(found[1], found[0])


# Every op alone.


def of_one_op(expression):
    """A step that shows what an op does to its state, and goes on with it where it can."""

    def step(carry, x):
        a, b = carry
        y = eval(expression, {"tg": tg, "a": a, "b": b})
        more = (y * y).sum(axis=tuple(range(1, y.ndim)), keepdims=True) if y.ndim > 1 else y * y
        more = more.reshape((a.shape[0], *(1,) * (a.ndim - 1)))
        return (tg.tanh(a + 0.1 * x + 0.01 * more), tg.sin(b * 2 + x)), y

    return step


WRITING = ["a.at[..., 0].set(a[..., -1])", "a.at[:, 0].set(0.0)"]


@pytest.mark.parametrize("expression", ELEMENTWISE + COMBINING + REDUCING + MOVING + WRITING)
@pytest.mark.parametrize("features", [(H,), (2, 3)], ids=str)
def test_an_op_compiled_is_the_op(expression, features):
    init = (rng.normal(size=(B, *features)), rng.normal(size=(B, *features)))
    equal_to_eager(of_one_op(expression), init, rng.normal(size=(2, B, *features)))


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 1e-310])


@pytest.mark.parametrize("expression", ELEMENTWISE + COMBINING)
def test_an_op_compiled_treats_nan_and_infinities_as_the_op_does(expression):
    a, b = (x.reshape(1, -1) for x in np.meshgrid(SPECIAL, SPECIAL))

    def step(carry, x):
        y = eval(expression, {"tg": tg, "a": carry[0], "b": carry[1]})
        return carry, y

    with np.errstate(all="ignore"):
        equal_to_eager(step, (a, b), np.zeros((1, 1)), only=[2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_what_is_not_finite_spreads_through_a_cell_as_it_does_op_by_op(make, value):
    cell = make(H, H, dtype="float64", seed=0)
    xs = XS.copy()
    xs[1, 0, 2] = value
    with np.errstate(all="ignore"):
        equal_to_eager(cell.step, arrays(cell.initial(B)), xs, dict(cell.named_parameters()))


def arrays(nest):
    return mapped(lambda s: s.data, nest)


# Sequences of every shape.


@pytest.mark.parametrize("sizes", [(1, 3, 4), (5, 1, 4), (5, 3, 1), (1, 1, 1), (4, 4, 4)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_time_batch_and_features_may_have_any_length(sizes, reverse):
    _, batch, width = sizes
    w = {"U": weight(width, width), "W": weight(width, width)}

    def step(h, x):
        h = tg.tanh(x @ w["U"] + h @ w["W"])
        return h, h

    xs = rng.normal(size=sizes)
    equal_to_eager(step, rng.normal(size=(batch, width)), xs, w, reverse=reverse)


def test_no_time_steps_give_the_initial_carry_and_no_outputs():
    with compiled():
        h, ys = tg.scan(cell, tg.tensor(H0), tg.tensor(XS[:0]))
    np.testing.assert_array_equal(h.data, H0)
    assert ys.shape == (0, B, H)


def test_a_batch_may_be_empty():
    with compiled():
        h, ys = tg.scan(cell, tg.tensor(H0[:0]), tg.tensor(XS[:, :0]))
    assert h.shape == (0, H)
    assert ys.shape == (T, 0, H)


@pytest.mark.parametrize("lengths", [[0, 0, 0], [0, T, 1], [T, T, T]], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_sequences_may_be_of_any_length(lengths, reverse):
    equal_to_eager(cell, H0, XS, WEIGHTS, lengths=lengths, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_reset_beyond_the_end_of_a_sequence_leaves_its_carry_alone(reverse):
    reset = np.ones((T, B), bool)
    equal_to_eager(cell, H0, XS, WEIGHTS, lengths=[0, 2, T], reset=reset, reverse=reverse)


@pytest.mark.parametrize("only", [[0], [1], [0, 1]], ids=["carry", "outputs", "both"])
@pytest.mark.parametrize("constant", [(), ("init",), ("xs",), ("init", "xs")], ids=str)
def test_a_loss_may_see_some_results_and_want_some_gradients(only, constant):
    equal_to_eager(cell, H0, XS, WEIGHTS, only=only, constant=constant)


@pytest.mark.parametrize("kept", range(3))
def test_parameters_that_want_no_gradient_get_none(kept):
    given = [w.detach() for w in WEIGHTS.values()]
    given[kept].requires_grad = True
    u, w, bias = given

    def step(h, x):
        h = tg.tanh(x @ u + h @ w + bias)
        return h, h

    with compiled() as loops:
        end, ys = tg.scan(step, tg.tensor(H0), tg.tensor(XS))
        weighted_squares(end, ys).backward()
    assert loops.count
    assert [x.grad is not None for x in given] == [i == kept for i in range(3)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.asfortranarray(XS),
        lambda: np.repeat(XS, 2, axis=2)[..., ::2],
        lambda: XS[::-1],
        lambda: np.broadcast_to(XS[0], XS.shape),
        lambda: np.broadcast_to(XS[:, :1], XS.shape),
        lambda: np.broadcast_to(XS[..., :1], XS.shape),
        lambda: XS.transpose(1, 0, 2).copy().transpose(1, 0, 2),
    ],
)
def test_sequences_may_lie_in_memory_in_any_way(make):
    xs = make()
    expected, found = [], []
    for way, kept in ((tg.eager, expected), (compiled, found)):
        with way():
            x = tg.Tensor(xs, requires_grad=True)
            h, ys = tg.scan(cell, tg.Tensor(H0), x)
            weighted_squares(h, ys).backward()
        kept += [h.data, ys.data, x.grad.data, *gradients(WEIGHTS).values()]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-11)


def test_inputs_may_be_arrays():
    with compiled() as loops:
        h, ys = tg.scan(cell, H0, XS)
    with tg.eager():
        expected = tg.scan(cell, H0, XS)
    assert loops.count
    np.testing.assert_allclose(h.data, expected[0].data, rtol=1e-12)
    np.testing.assert_allclose(ys.data, expected[1].data, rtol=1e-12)


def test_the_default_dtype_does_not_change_the_dtype_of_a_loop():
    for dtype in ("float32", "float64"):
        with tg.default_dtype(dtype):
            equal_to_eager(cell, H0, XS, WEIGHTS)


def test_outputs_stay_as_they_are_when_the_next_scan_runs():
    with compiled():
        first = tg.scan(cell, tg.tensor(H0), tg.tensor(XS))
        kept = [first[0].data.copy(), first[1].data.copy()]
        tg.scan(cell, tg.tensor(-H0), tg.tensor(-XS))
    np.testing.assert_array_equal(first[0].data, kept[0])
    np.testing.assert_array_equal(first[1].data, kept[1])


def test_one_plan_serves_all_lengths_of_time_and_all_weights():
    for steps in (1, 2, 5):
        fresh = {"W": weight(H, H, seed=steps)}
        equal_to_eager(lambda h, x, w=fresh["W"]: (tg.tanh(h @ w + x), h), H0, XS[:steps], fresh)


# Steps of every kind.

STEPS = {
    "a parameter used twice": lambda h, x: (tg.tanh(tg.tanh(h @ W) @ W + x @ W), h),
    "a parameter used twice side by side": lambda h, x: (tg.tanh(h @ W) * tg.tanh(x @ W), h @ W),
    "a bias used twice": lambda h, x: (tg.tanh(h @ W + BIAS) * BIAS, h + BIAS),
    "a matrix used as itself and transposed": lambda h, x: (tg.tanh(h @ W @ W.T + x), h),
    "a matrix used in a product and elementwise": lambda h, x: (tg.tanh(h @ W + x + W[0]), h),
    "the input is ignored": lambda h, x: (tg.tanh(h @ W), h),
    "the state is ignored": lambda h, x: (tg.tanh(x @ W), x),
    "the old state is the output": lambda h, x: (tg.tanh(h @ W + x), h),
    "nothing to learn": lambda h, x: (tg.tanh(h + x), h * x),
    "a carry that passes through": lambda h, x: (h, h * x),
    "a carry that passes through unseen": lambda h, x: (h, x),
    "the input becomes the carry": lambda h, x: (x, h),
    "an output that is the input": lambda h, x: (tg.tanh(h + x), x),
    "an output that is a parameter's": lambda h, x: (tg.tanh(h + x), BIAS + 0 * h),
    "an output twice": lambda h, x: (tg.tanh(h + x), (h, h)),
    "a carry that is also shown": lambda h, x: (h + x, h + x),
    "a part of a product": lambda h, x: (tg.tanh((h @ W)[:, ::-1] + x), (h @ W)[:, 1:3]),
    "one number for all": lambda h, x: (tg.tanh(h * BIAS[0] + x), h),
    "powers of a parameter": lambda h, x: (tg.tanh(h @ (W * W) + x @ tg.softmax(W)), h),
    "parts of a parameter": lambda h, x: (
        tg.concatenate(tg.tanh(h @ W[:, :2]), tg.tanh(x @ W[:, 2:]), axis=1),
        h @ W[:, 1:],
    ),
    "textbook gates": lambda h, x: textbook(h, x),
}


def textbook(h, x):
    z = tg.sigmoid(tg.concatenate(h, x, axis=1) @ BOTH)
    r = tg.sigmoid(tg.concatenate(h, x, axis=1) @ OTHER)
    n = tg.tanh(tg.concatenate(r * h, x, axis=1) @ BOTH)
    return z * h + (1 - z) * n, n


OPTIONS = {
    "as it is": {},
    "padded documents": {"lengths": [2, 0, T], "reset": STARTS},
    "inputs that want no gradient": {"constant": ("xs",), "reverse": True},
    "only parameters want gradients": {"constant": ("init", "xs")},
}
BOTH, OTHER = weight(2 * H, H, seed=4), weight(2 * H, H, seed=5)
LEARNED = {**WEIGHTS, "both": BOTH, "other": OTHER}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_step_compiled_is_the_step(step, options):
    equal_to_eager(step, H0, XS, LEARNED, **options)


def test_a_step_may_have_no_batch():
    def step(h, x):
        h = tg.tanh(W @ h + U @ x + BIAS)
        return h, (h, h @ W, (h * x).sum(), tg.softmax(h))

    equal_to_eager(step, H0[0], XS[:, 0], WEIGHTS)


def test_a_step_may_be_on_plain_numbers():
    equal_to_eager(lambda s, x: (tg.sin(s + x), s * x), np.array(0.5), XS[:, 0, 0])


def test_a_carry_may_hold_one_number_for_each_sequence():
    def step(carry, x):
        h, count = carry
        h = tg.tanh(h @ W + x * count[:, None])
        return (h, count + tg.sigmoid(h[:, 0])), count

    equal_to_eager(step, (H0, np.ones(B)), XS, WEIGHTS, lengths=[2, 0, T])


@pytest.mark.parametrize("batch", [B, 1])  # loops over rows go another way for one sequence
def test_a_carry_may_hold_a_memory_that_is_read_and_written(batch):
    def step(carry, x):
        h, memory = carry["h"], carry["memory"]
        scores = tg.softmax((memory @ h[:, :, None])[:, :, 0])
        read = (scores[:, None] @ memory)[:, 0]
        h = tg.tanh(h @ W + read @ U + x)
        memory = memory + scores[:, :, None] * (h[:, None] - memory)
        return {"h": h, "memory": memory}, read

    init = {"h": H0[:batch], "memory": MEMORY[:batch]}
    options = {"lengths": [2, 0, T][:batch], "reset": STARTS[:, :batch]}
    equal_to_eager(step, init, XS[:, :batch], WEIGHTS, **options)


@pytest.mark.parametrize("batch", [B, 1])
def test_a_value_of_few_rows_may_meet_one_of_many_from_the_left_and_from_the_right(batch):
    def step(h, x):
        pairs = h.reshape(batch, 2, H // 2)
        left, right = pairs.sum(axis=2, keepdims=True), pairs.sum(axis=1, keepdims=True)
        h = tg.tanh((pairs * left - right / 2).reshape(batch, H) + x @ W)
        return h, h - max(h)

    def max(h):
        return tg.max(h, axis=-1, keepdims=True)

    equal_to_eager(step, H0[:batch], XS[:, :batch], WEIGHTS)


def test_a_step_may_look_at_a_memory_that_stays_the_same():
    memory = weight(B, 2, H, seed=6)

    def step(h, x):
        scores = tg.softmax((memory @ h[:, :, None])[:, :, 0])
        h = tg.tanh(h @ W + (scores[:, None] @ memory)[:, 0] + x)
        return h, scores

    equal_to_eager(step, H0, XS, {"memory": memory, **WEIGHTS})


def test_integers_are_looked_up_and_booleans_choose():
    rng = np.random.default_rng(2)
    table = weight(5, H, seed=7)
    ids, masks = rng.integers(0, 5, (T, B)), rng.random((T, B, H)) < 0.5

    def step(h, x):
        new = tg.tanh(h @ W + tg.embedding(table, x["ids"]))
        h = tg.where(x["mask"], h, new)
        return h, new

    equal_to_eager(step, H0, {"ids": ids, "mask": masks}, {"table": table, **WEIGHTS})


def test_masks_of_a_whole_sequence_are_captured():
    mask = np.random.default_rng(2).random((B, H)) < 0.5
    equal_to_eager(lambda h, x: (tg.where(mask, h, tg.tanh(h @ W + x)), h), H0, XS, WEIGHTS)
    equal_to_eager(lambda h, x: (tg.tanh((h * mask) @ W + x), h), H0, XS, WEIGHTS)


def test_a_captured_tensor_of_the_batch_gets_its_gradient():
    context = weight(B, H, seed=8)
    equal_to_eager(
        lambda h, x: (tg.tanh(h @ W + x + context), h * context),
        H0,
        XS,
        {"context": context, "W": W},
    )


def test_an_initial_state_that_is_made_of_a_parameter_is_learned():
    start = weight(H, seed=9)
    found = []
    for way in (tg.eager, compiled):
        with way():
            init = tg.broadcast_to(start, (B, H)) * 2
            end, ys = tg.scan(cell, init, tg.tensor(XS), reset=STARTS)
            weighted_squares(end, ys).backward()
        found.append(gradients({"start": start, **WEIGHTS}))
    assert_close(found[1], found[0])


# Derivatives.


def total(h0, xs, u, w, bias):
    def step(h, x):
        h = tg.tanh(x @ u + h @ w + bias)
        return h, h * h

    h, ys = tg.scan(step, h0, xs, lengths=[2, 3])
    return (ys * ys).sum() + tg.sin(h).sum()


POINT = [H0[:2], XS[:3, :2], *(w.data for w in WEIGHTS.values())]


def test_gradients_agree_with_central_differences():
    with compiled() as loops:
        tg.gradcheck(total, *POINT)
    assert loops.count


def test_second_derivatives_agree_with_central_differences():
    with compiled() as loops:
        tg.gradcheck(total, *POINT, order=2)
    assert loops.count


@pytest.mark.parametrize("make", [nn.LSTMCell, nn.GRUCell])
def test_second_derivatives_of_a_cell_are_those_of_its_definition(make):
    cell = make(H, H, dtype="float64", seed=0)
    weights, options = dict(cell.named_parameters()), {"lengths": [2, 0, T], "reset": STARTS}
    equal_to_eager(cell.step, arrays(cell.initial(B)), XS, weights, twice=True, **options)


def test_a_graph_that_is_kept_can_be_gone_through_twice():
    with compiled() as loops:
        x = tg.tensor(XS, requires_grad=True)
        loss = weighted_squares(*tg.scan(cell, tg.tensor(H0), x))
        loss.backward(retain_graph=True)
        once = gradients({"x": x, **WEIGHTS})
        loss.backward()
        assert_close(gradients({"x": x, **WEIGHTS}), once)
    assert loops.count == 1


def test_every_gradient_is_in_memory_that_nobody_else_has():
    with compiled() as loops:
        layer = nn.LSTM(H, H, bidirectional=True, dtype="float64", seed=0)
        x, states = tg.tensor(XS, requires_grad=True), drawn_states(2, B, H)
        y, (h, c) = layer(x, states)
        loss = (y * y).sum() + h.sum() + c.sum()
        given = {"x": x, "h": states[0], "c": states[1], **dict(layer.named_parameters())}
        loss.backward(retain_graph=True)
        kept = gradients(given)
        once = {name: g.copy() for name, g in kept.items()}
        for one, other in itertools.combinations(kept.values(), 2):
            assert not np.shares_memory(one, other)
        for g in kept.values():
            g[...] = np.nan  # nobody computes with it
        loss.backward()
        assert_close(gradients(given), once)
    assert loops.count == 1


def drawn_states(*shape):
    return tuple(tg.tensor(rng.normal(size=shape), requires_grad=True) for _ in range(2))


def test_two_losses_of_one_scan_add_up():
    with compiled():
        x = tg.tensor(XS, requires_grad=True)
        h, ys = tg.scan(cell, tg.tensor(H0), x)
        h.sum().backward(retain_graph=True)
        (ys * ys).sum().backward()
        apart = gradients({"x": x, **WEIGHTS})
        h, ys = tg.scan(cell, tg.tensor(H0), x)
        (h.sum() + (ys * ys).sum()).backward()
        assert_close(gradients({"x": x, **WEIGHTS}), apart)


def test_a_graph_that_was_freed_says_so():
    with compiled() as loops:
        h, _ = tg.scan(cell, tg.tensor(H0), tg.tensor(XS))
        loss = h.sum()
        loss.backward()
        with pytest.raises(tg.GraphError, match="freed by an earlier backward"):
            loss.backward()
    gradients(WEIGHTS)
    assert loops.count


def test_nothing_is_recorded_where_nothing_is_to_be():
    with compiled() as loops:
        with tg.no_grad():
            h, ys = tg.scan(cell, tg.tensor(H0), tg.tensor(XS))
        assert not h.requires_grad
        assert not ys.requires_grad
        recorded, _ = tg.scan(cell, tg.tensor(H0), tg.tensor(XS))
    assert loops.count == 2
    assert recorded.requires_grad
    np.testing.assert_array_equal(h.data, recorded.data)


def test_a_detached_carry_stops_gradients():
    with compiled():
        x = tg.tensor(XS, requires_grad=True)
        h, _ = tg.scan(cell, tg.tensor(H0), x[:2])
        h, _ = tg.scan(cell, h.detach(), x[2:])
        h.sum().backward()
    gradients(WEIGHTS)
    assert not x.grad.data[:2].any()
    assert x.grad.data[2:].any()


@pytest.mark.parametrize("batch", [2, 16])
def test_arrays_that_cannot_be_written_are_read(batch):
    def locked(*shape, dtype="float64"):
        array = np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)
        array.flags.writeable = False
        return array

    u, w, b, table = (tg.Tensor(locked(*s), True) for s in ((20, 20), (20, 20), (20,), (5, 20)))
    ids = np.random.default_rng(0).integers(0, 5, (T, batch))
    ids.flags.writeable = False

    def step(h, x):
        h = tg.tanh(x[0] @ u + h @ w + b + tg.embedding(table, x[1]))
        return h, h

    found = []
    for way in (tg.eager, lambda: compiled("numba")):
        xs = tg.Tensor(locked(T, batch, 20), True)
        with way():
            _, y = tg.scan(step, tg.Tensor(locked(batch, 20)), (xs, ids))
        (y * y).sum().backward()
        found.append([y.numpy(), xs.grad.numpy(), *gradients({"u": u, "w": w, "b": b}).values()])
    for eager, loop in zip(*found, strict=True):
        np.testing.assert_allclose(loop, eager, rtol=1e-11, atol=1e-13)


# What a step, or its user, does wrong.


def overwrite(what):
    """Write to a tensor between a scan and its gradient."""
    given = {
        "weight": tg.tensor(W.data, requires_grad=True),
        "mask": tg.tensor(np.ones((T, B, H), bool)),
        "x": tg.tensor(XS),
    }
    w = given["weight"]

    def step(h, x):
        h = tg.where(x["mask"], tg.tanh(h @ w + x["x"] * h), h)
        return h, h

    h, _ = tg.scan(step, tg.tensor(H0), {"mask": given["mask"], "x": given["x"]})
    with tg.no_grad():
        given[what][0] = 0
    h.sum().backward()


@pytest.mark.parametrize("way", [tg.eager, compiled])
@pytest.mark.parametrize("what", ["weight", "mask", "x"])
def test_a_value_that_is_overwritten_before_its_gradient_is_refused(way, what):
    with way(), pytest.raises(tg.GraphError, match=r"overwritten at .*test_compiled\.py:\d+"):
        overwrite(what)


def raises(h, x):
    raise RuntimeError("the step has a fault of its own")


WRONG = {
    "raises": (raises, RuntimeError, "a fault of its own"),
    "another shape": (lambda h, x: (h[:, :2], h), tg.ShapeError, "returned (3, 2)"),
    "another structure": (lambda h, x: ((h, h), h), tg.ShapeError, "returned ('*', '*')"),
    "no pair": (lambda h, x: h, tg.ShapeError, "expected a pair (carry, y)"),
    "shapes that do not fit": (lambda h, x: (h @ W[:2], h), tg.ShapeError, "matmul: got"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_step_is_refused_in_the_same_words_compiled_or_not(wrong):
    step, error, text = wrong
    said = []
    for way in (tg.eager, compiled):
        with way(), pytest.raises(error, match=re.escape(text)) as caught:
            tg.scan(step, tg.tensor(H0), tg.tensor(XS))
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_carry_that_changes_its_dtype_runs_op_by_op():
    falls_back_to_eager(lambda h, x: (h * x, h), H0.astype("float32"), XS)


# Steps for which there is no loop.

NO_LOOP = {
    "einsum": lambda h, x: (h + 0.1 * tg.einsum("bi,bj->bj", h, x), x),
    "writing a constant": lambda h, x: (h.at[:, 0].set(1.0) + x, h),
    "a place in all of the batch": lambda h, x: (h + x, h * h.argmax()),
    "a loss over classes": lambda h, x: (
        h + x,
        tg.cross_entropy(h, np.array([0, 1, 2]), reduction="none"),
    ),
    "indices in an array": lambda h, x: (h[:, np.array([3, 2, 1, 0])] + x, h),
    "the same indices twice": lambda h, x: (tg.take(h, np.array([0, 0, 1, 1]), axis=1) + x, h),
    "padding with ones": lambda h, x: (h + x, tg.pad(h, ((0, 0), (1, 1)), value=1.0)),
    "half precision": lambda h, x: (h + x, h.astype("float16")),
    "a branch": lambda h, x: (h - x, h) if h.data.sum() > 0 else (h + x, h),
    "a branch on a tensor": lambda h, x: (h - x, h) if h.sum() > 0 else (h + x, h),
    "a branch on a row": lambda h, x: (h - x, h) if h[:1, 0] > 0 else (h + x, h),
    "a number": lambda h, x: (h * float(h.data.max()), x),
    "an item": lambda h, x: (h * tg.sigmoid(h.sum()).item(), x),
    "a detached state": lambda h, x: (tg.tanh(h.detach() + x), h),
    "a state whose gradient is not recorded": lambda h, x: (h * unrecorded(h) + x, h),
    "a gradient within a step": lambda h, x: (h - 0.1 * tg.grad(energy)(h, x), h),
}


def unrecorded(h):
    with tg.no_grad():
        return tg.tanh(h)


def energy(h, x):
    return (h * h * x).sum()


@pytest.mark.parametrize("step", NO_LOOP.values(), ids=NO_LOOP)
@pytest.mark.parametrize("options", [{}, {"reverse": True, "lengths": [2, 0, T]}], ids=str)
def test_a_step_without_a_loop_runs_op_by_op(step, options):
    falls_back_to_eager(step, H0, XS, **options)


def test_an_output_may_be_a_number_that_is_always_the_same():
    falls_back_to_eager(lambda h, x: (h + x, 2.0), H0, XS)


def test_why_there_is_no_loop_is_said():
    said = "op by op: loops do not have the op einsum"
    with compiled(), pytest.warns(RuntimeWarning, match=said):
        tg.scan(lambda h, x: (h, tg.einsum("bi->b", h)), tg.tensor(H0), tg.tensor(XS))


# Steps that mix the sequences of a batch: the batch is one more axis of features then.

MIXING = {
    "a mean over the batch": lambda h, x: (tg.tanh(h - h.mean(axis=0) + x), h),
    "the batch turned round": lambda h, x: (h[::-1] + x, h),
    "each from its neighbour": lambda h, x: (tg.concatenate(h[1:], x[:1]), h),
    "similarities": lambda h, x: (tg.tanh(h @ h.T @ x), h @ h.T),
    "a sum over everything": lambda h, x: (h * tg.sigmoid(h.sum()), h),
    "a transposed output": lambda h, x: (h + x, h.T),
    "a flat output": lambda h, x: (h + x, h.reshape(-1)),
    "one of the batch": lambda h, x: (h + h[1] * x, h[0]),
    "one of the inputs": lambda h, x: (tg.tanh(h + x[0]), h),
}


@pytest.mark.parametrize("step", MIXING.values(), ids=MIXING)
def test_a_step_may_mix_the_sequences_of_a_batch(step):
    expected, found, _ = both_ways(step, H0, XS, {})
    assert_close(found, expected)


# Steps that are not functions of their inputs.


@contextmanager
def told_apart():
    """See that a step is not taken for a function of its inputs."""
    not_one = "op by op: the step does something else each time"
    with compiled() as loops, pytest.warns(RuntimeWarning, match=not_one):
        yield
    assert not loops.count


def test_a_step_that_draws_draws_anew_at_every_time():
    generator = np.random.default_rng(0)

    def step(h, x):
        return h, tg.dropout(h, 0.5, generator)

    with told_apart():
        _, ys = tg.scan(step, tg.tensor(np.ones((2, 50))), tg.tensor(np.zeros((4, 2, 50))))
    assert len({frame.tobytes() for frame in ys.data == 0}) == 4


def test_a_step_that_draws_numbers_of_its_own_does_not_repeat_them():
    generator = np.random.default_rng(0)

    def step(h, x):
        return h + generator.normal(size=h.shape), h

    with told_apart():
        _, ys = tg.scan(step, tg.tensor(H0), tg.tensor(XS))
    assert len({noise.tobytes() for noise in np.diff(ys.data, axis=0)}) == T - 1


def test_a_step_that_counts_goes_on_counting():
    count = itertools.count()

    def step(h, x):
        return h, x * 0 + next(count)

    with told_apart():
        _, ys = tg.scan(step, tg.tensor(np.zeros(1)), tg.tensor(np.zeros((4, 1))))
    assert np.diff(ys.data[:, 0]).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("value", "written"),
    [(2.0, "f64(2)"), (0.5, "f64(0.5)"), (-(2.0**80), "f64(-1.2089258196146292e+24)")],
)
def test_a_constant_is_written_as_what_every_compiler_reads(value, written):
    report = tg.explain(
        tg.scan, lambda h, x: (h * value + x,) * 2, np.ones((2, 3)), np.ones((4, 2, 3))
    )
    assert written in report.source


FOUND = {
    "a place": lambda h, x: (h + x, h.argmax(axis=1)),
    "the least": lambda h, x: (h + x, (h * x).argmin(axis=-1, keepdims=True)),
    "a class": lambda h, x: (h + tg.one_hot(h.argmax(axis=1), H, dtype="float64"), x),
    "a place that is shared": lambda h, x: (h + x, tg.maximum(h, 0.0).argmax(axis=1)),
    "no number": lambda h, x: (h, tg.log(h).argmax(axis=1)),
}


@pytest.mark.parametrize("step", FOUND.values(), ids=FOUND)
@np.errstate(invalid="ignore")
def test_places_are_found_in_a_loop_too(step):
    equal_to_eager(step, H0, XS, only=[0])


# Several at a time.


def two_ways(seed):
    """A layer's two directions, over the same inputs, and what they are made of."""
    rng = np.random.default_rng(seed)
    w, u = (tg.tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 4), (4, 4)))
    x = tg.tensor(rng.normal(size=(5, 2, 3)), requires_grad=True)
    h = tg.tensor(rng.normal(size=(2, 4)), requires_grad=True)

    def step(h, x):
        h = tg.tanh(x @ w + h @ u)
        return h, h

    pair = [Scan(step, h, x, lengths=[5, 3]), Scan(step, h, x, lengths=[5, 3], reverse=True)]
    return pair, (w, u, x, h)


def gradients_of(pair, given):
    """What both scans give, and the gradients of a loss that reads all of it."""
    (h, y), (g, z) = pair
    loss = (h * y[0]).sum() + (g * z * z).sum()
    loss.backward(create_graph=True)
    first = [x.grad for x in given]
    for x in given:
        x.grad = None
    sum((d * d).sum() for d in first).backward()
    return [h, y, g, z, *first, *(x.grad for x in given)]


def test_scans_that_run_together_give_what_each_gives_alone():
    with compiled() as loops:
        pair, given = two_ways(0)
        together = gradients_of(scans(pair), given)
        assert loops.count == 1
    with tg.eager():
        pair, given = two_ways(0)
        alone = gradients_of([scans([each])[0] for each in pair], given)
    for got, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(got.data, expected.data, rtol=1e-12, atol=1e-13)


def test_of_scans_that_run_together_those_without_a_loop_run_op_by_op():
    pair, _ = two_ways(0)
    strange = Scan(lambda h, x: (h, tg.einsum("bi,bj->bij", h, h)), pair[0].init, pair[0].xs)
    with compiled() as loops:
        with pytest.warns(RuntimeWarning, match="loops do not have the op einsum"):
            (_, y), (_, z) = scans([strange, pair[1]])
        assert loops.count == 1
    with tg.eager():
        (_, y_), (_, z_) = scans([strange, pair[1]])
    np.testing.assert_allclose(y.data, y_.data, rtol=1e-12)
    np.testing.assert_allclose(z.data, z_.data, rtol=1e-12)


def test_both_directions_of_a_layer_run_together():
    x = np.random.default_rng(0).normal(size=(5, 2, 3))
    layers = nn.LSTM(3, 4, num_layers=2, bidirectional=True, dtype="float64", seed=0)
    cells = nn.Bidirectional(*(nn.GRUCell(3, 4, dtype="float64", seed=k) for k in (0, 1)))
    for network, count in ((layers, 2), (nn.Recurrent(cells), 1)):
        with compiled() as loops:
            y, _ = network(tg.tensor(x))
        assert loops.count == count
        with tg.eager():
            expected, _ = network(tg.tensor(x))
        np.testing.assert_allclose(y.data, expected.data, rtol=1e-12)


def speaking(h, w, table):
    """A step that reads the id that it wrote before."""

    def step(carry, u):
        h, word = carry
        h = tg.tanh(tg.embedding(table, word) @ w + h)
        return (h, (h > u).sum(axis=-1)), h

    return step, (h, np.zeros(len(h), np.int64))


@pytest.mark.parametrize(("rows", "products"), [(512, 0), (513, 1)])
def test_a_small_table_is_multiplied_before_the_loop(rows, products):
    rng = np.random.default_rng(0)
    w, table = (tg.tensor(rng.normal(size=shape)) for shape in ((3, 4), (rows, 3)))
    step, start = speaking(rng.normal(size=(2, 4)), w, table)
    us = rng.normal(size=(6, 2, 4))
    with tg.no_grad(), tg.compiled(), tg.backend("numpy"):
        _, hs = tg.scan(step, start, us)
        source = tg.explain(tg.scan, step, start, us).source
    with tg.eager():
        _, expected = tg.scan(step, start, us)
    np.testing.assert_allclose(hs.data, expected.data, rtol=1e-12)
    assert source.split("\ndef forward(")[1].count("product(") == products


def test_a_loop_that_writes_to_what_it_reads_is_noticed():
    source = "def forward_1(x, y):\n    y[:] = x\ndef forward(x):\n    forward_1(x[1:], x[:-1])\n"
    loops = looking_for_overlaps(source)
    x = np.arange(3.0)
    loops.forward_1(x[:1], x[1:2])
    with pytest.raises(AssertionError, match="'y', 'x'"):
        loops.forward(x)
