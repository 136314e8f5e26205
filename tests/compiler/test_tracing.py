"""Programs traced from functions compute what the functions do."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.compiler import trace
from tinygrad_rnn.engine import REGISTRY, GraphError

OPS = sorted(n for n, op in REGISTRY.items() if op.samples)


@pytest.mark.parametrize("name", OPS)
def test_a_traced_op_computes_what_the_op_does(name):
    op = REGISTRY[name]
    inputs, params = op.samples[0].draw(np.random.default_rng(0))
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    program = trace(lambda *xs: op(*merged(inputs, xs), **params), *arrays)
    same(program(*arrays), op(*inputs, **params))


@pytest.mark.parametrize("name", [n for n in OPS if REGISTRY[n].differentiable])
def test_a_traced_rule_computes_what_the_rule_does(name):
    op = REGISTRY[name]
    inputs, params = op.samples[0].draw(np.random.default_rng(0))
    params = {**op.defaults, **params}
    y = op(*inputs, **params)
    g = tuple(v + 1.0 for v in y) if op.bundles else y + 1.0
    gs = g if op.bundles else (g,)
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    for i, x in enumerate(inputs):
        rule = op.rule(i)
        if rule is None or not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            continue

        def run(*values, rule=rule):
            cotangents, value, *xs = values[: len(gs)], values[len(gs)], *values[len(gs) + 1 :]
            cotangent = cotangents if op.bundles else cotangents[0]
            return rule(cotangent, value, *merged(inputs, xs), **params)

        given = (*gs, gs[0] if op.bundles else y, *arrays)
        same(trace(run, *given)(*given), run(*given))


def merged(inputs, values):
    supply = iter(values)
    return [next(supply) if isinstance(x, np.ndarray) else x for x in inputs]


def same(a, b):
    for x, y in zip(
        a if isinstance(a, tuple) else (a,), b if isinstance(b, tuple) else (b,), strict=True
    ):
        # A rule may take sums in another order on arrays than on symbols.
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-15)


def test_a_common_subexpression_is_computed_once():
    program = trace(lambda x: (x * x).tanh() + (x * x), np.ones(3))
    assert [line.op.name for line in program.lines] == ["mul", "tanh", "add"]


def test_a_captured_tensor_becomes_a_value_of_the_program():
    w = tg.tensor([2.0, 3.0], name="w")
    program = trace(lambda x: x * w + w, np.ones(2, np.float32))
    assert [str(name) for name in program.captured] == ["w"]
    w[0] = 10.0
    np.testing.assert_array_equal(program(np.ones(2, np.float32)), [20.0, 6.0])


def test_every_value_knows_its_shape_and_dtype():
    program = trace(lambda x, w: (x @ w).tanh(), np.ones((2, 3), np.float32), np.ones((3, 4)))
    (line,) = [line for line in program.lines if line.op.name == "tanh"]
    assert line.targets[0].shape == (2, 4)
    assert line.targets[0].dtype == np.float64


def test_a_shape_error_is_found_while_tracing():
    with pytest.raises(tg.ShapeError, match="add: got"):
        trace(lambda x, y: x + y, np.ones(2), np.ones(3))


def test_a_function_that_asks_for_a_graph_has_no_program():
    with pytest.raises(GraphError, match="asks whether x0 requires grad cannot be traced"):
        trace(lambda x: x if x.requires_grad else -x, np.ones(3))


def test_a_program_prints_as_one_would_write_it():
    text = str(trace(lambda x: x.tanh() * 2, np.ones(3)))
    assert text.splitlines()[0] == "x0: float64 (3,)"
    assert text.splitlines()[1].startswith("v0 = tanh(x0)")
    assert text.splitlines()[-1] == "return v1"
