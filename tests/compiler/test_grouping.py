"""Products with matrices that no cache holds, for groups of steps: the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_rnn as tg
from tests.compiler.comparing import equal_to_eager
from tests.compiler.random_cells import cells
from tinygrad_rnn import nn
from tinygrad_rnn.compiler import grouping
from tinygrad_rnn.compiler.grouping import STEPS
from tinygrad_rnn.compiler.preparing import remembered_plan
from tinygrad_rnn.compiler.stepping import remembered_trace
from tinygrad_rnn.engine.nesting import mapped

D, H, B = 5, 4, 9
CELLS = {
    "LSTM": nn.LSTMCell(D, H, dtype="float64", seed=0),
    "GRU": nn.GRUCell(D, H, dtype="float64", seed=0),
    "RNN": nn.RNNCell(D, H, dtype="float64", seed=0),
}


def forget_plans():
    remembered_plan.cache_clear()
    remembered_trace.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def any_matrix_is_large():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "LARGE", 0)
        forget_plans()
        yield
    forget_plans()


def start_of(cell, batch):
    return mapped(lambda s: s.data + 0.1, cell.initial(batch))


def sequence(steps, batch=B):
    return np.random.default_rng(steps).normal(size=(steps, batch, D))


@pytest.mark.parametrize("steps", [1, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS + 3])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_groups_of_steps_give_what_single_steps_do(name, reverse, steps):
    cell = CELLS[name]
    weights, start = dict(cell.named_parameters()), start_of(cell, B)
    equal_to_eager(cell.step, start, sequence(steps), weights, reverse=reverse)


def test_lengths_and_resets_are_heeded_in_groups():
    cell, steps = CELLS["LSTM"], 2 * STEPS + 3
    fresh = np.random.default_rng(0).random((steps, B)) < 0.1
    lengths = [0, 1, 2, STEPS - 1, STEPS, STEPS + 1, steps - 1, steps, steps]
    weights, start = dict(cell.named_parameters()), start_of(cell, B)
    equal_to_eager(cell.step, start, sequence(steps), weights, lengths=lengths, reset=fresh)


@pytest.mark.parametrize("constant", [(), ("xs",)])
def test_inputs_may_stand_after_the_state_and_there_may_be_two(constant):
    rng = np.random.default_rng(0)
    W = tg.tensor(rng.normal(size=(H + D + 2, H)), requires_grad=True)

    def step(h, xs):
        x, more = xs
        h = tg.tanh(tg.concatenate(h, x, more, axis=-1) @ W)
        return h, h

    given = sequence(STEPS + 3), rng.normal(size=(STEPS + 3, B, 2))
    equal_to_eager(step, np.zeros((B, H)), given, {"W": W}, constant=constant)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_loops_say_so(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    x = tg.tensor(sequence(2 * STEPS).astype("float32"), requires_grad=True)
    layer = nn.Recurrent(nn.LSTMCell(D, H, seed=0))
    with tg.backend(backend):
        with tg.eager():
            expected = tg.grad(lambda x: (layer(x)[0] ** 2).sum())(x)
        with tg.compiled():
            source = str(tg.explain(layer.cell, x))
            found = tg.grad(lambda x: (layer(x)[0] ** 2).sum())(x)
    assert "products(W, 0, 5, joined[s:end], z)" in source
    assert "products(W_3, 0, 16, d_z[s:end], d_x)" in source
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-4, atol=1e-5)


@settings(max_examples=120, derandomize=True, database=None)
@given(cells(most_lines=8))
def test_any_cell_in_groups_is_the_cell(cell):
    equal_to_eager(cell.step, cell.init, cell.xs, cell.weights, **cell.options)
