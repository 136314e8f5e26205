"""What is made of weights before a loop, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.compiler.tracing import trace
from tinygrad_rnn.compiler.weights import Joined, Ready, make_ready, pull_back

rng = np.random.default_rng(0)
W, U, V, BIAS = (
    rng.normal(size=(4, 3)),
    rng.normal(size=(4, 2)),
    rng.normal(size=(3, 4)),
    rng.normal(size=4),
)


@given(st.data())
def test_a_joined_matrix_is_what_numpy_joins(data):
    numbers = st.integers(1, 4)
    heights, width = data.draw(st.lists(numbers, min_size=1, max_size=3)), data.draw(numbers)
    rows = [rng.normal(size=(n, width)) for n in heights]
    more = rng.normal(size=(sum(heights), data.draw(numbers)))
    joined = Joined.along(1, [Joined.along(0, rows), more])
    expected = np.hstack([np.vstack(rows), more])
    assert joined.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(joined), expected)
    np.testing.assert_array_equal(np.asarray(joined.T), expected.T)
    top, left = (data.draw(st.integers(0, n - 1)) for n in expected.shape)
    bottom = data.draw(st.integers(top + 1, expected.shape[0]))
    part = slice(top, bottom), slice(left, None)
    assert joined[part].shape == expected[part].shape
    np.testing.assert_array_equal(np.asarray(joined[part]), expected[part])


PROGRAMS = {
    "laid out": lambda w, u, v, b: tg.concatenate(w.T, v.reshape((3, 4)), b.reshape((1, 4)))[
        1:6, :3
    ],
    "nested": lambda w, u, v, b: tg.concatenate(tg.concatenate(w, u, axis=1), v.T, axis=1).T,
    "computed": lambda w, u, v, b: tg.tanh(tg.concatenate(w, u, axis=-1)) * b[:, None],
    "used twice": lambda w, u, v, b: tg.concatenate(w, w * 2.0, v.T, axis=1) + (b * b)[:, None],
    "several outputs": lambda w, u, v, b: (
        tg.split(tg.concatenate(w, u, axis=1), 5, axis=1)[1] * b[0]
    ),
    "a product": lambda w, u, v, b: tg.concatenate(w, u, axis=1).T @ tg.concatenate(w, u, axis=1),
}


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_lines_on_arrays_and_back_are_what_the_engine_makes_of_them(f):
    given = [tg.tensor(x, requires_grad=True) for x in (W, U, V, BIAS)]
    y = f(*given)
    g = rng.normal(size=y.shape)
    y.backward(g)
    program = trace(f, *given)
    values = dict(zip(program.inputs, (W, U, V, BIAS), strict=True))
    values.update(program.captured)
    lines = [Ready(line) for line in program.lines]
    make_ready(lines, values)
    np.testing.assert_allclose(np.asarray(values[program.outputs]), y.numpy(), rtol=1e-14)
    found = {program.outputs: g}
    reached = {z for line in program.lines for z in line.targets}
    pull_back(lines, values, found, {*program.inputs, *reached})
    for x, tensor in zip(program.inputs, given, strict=True):
        if tensor.grad is None:
            assert x not in found
        else:
            np.testing.assert_allclose(found[x], tensor.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_what_wants_no_gradient_gets_none():
    program = trace(lambda w, u: tg.concatenate(w, u, axis=1), W, U)
    w, u = program.inputs
    values = {w: W, u: U}
    lines = [Ready(line) for line in program.lines]
    make_ready(lines, values)
    found = {program.outputs: np.ones((4, 5))}
    pull_back(lines, values, found, {u})
    assert set(found) == {u}
