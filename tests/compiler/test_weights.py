"""What is made of weights before a loop, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.compiler.tracing import trace
from tinygrad_rnn.compiler.weights import Ready, patchworks

rng = np.random.default_rng(0)
W, U, V, BIAS = (
    rng.normal(size=(4, 3)),
    rng.normal(size=(4, 2)),
    rng.normal(size=(3, 4)),
    rng.normal(size=4),
)


def put_together(parts, shape):
    """The matrix that parts cover."""
    whole = np.full(shape, np.nan)
    for row, column, part in parts:
        rest = whole[row : row + part.shape[0], column : column + part.shape[1]]
        assert np.isnan(rest).all()  # no number is said twice
        rest[...] = part
    return whole


@given(st.data())
def test_patches_are_what_numpy_joins_turns_and_cuts(data):
    numbers = st.integers(1, 4)
    heights, width = data.draw(st.lists(numbers, min_size=1, max_size=3)), data.draw(numbers)
    rows = [rng.normal(size=(n, width)) for n in heights]
    more = rng.normal(size=(data.draw(numbers), sum(heights)))
    top, left = (data.draw(st.integers(0, n)) for n in (sum(heights), width + len(more)))
    bottom = data.draw(st.integers(top, sum(heights) + 1))

    def f(lib, *rows, more):
        return lib.concatenate([lib.concatenate(rows, axis=0), more.T], axis=1)[top:bottom, left:]

    expected = f(np, *rows, more=more)
    program = trace(lambda more, *rows: f(tg, *rows, more=more).T, more, *rows)
    values = dict(zip(program.inputs, [more, *rows], strict=True))
    matrix = patchworks(program.lines)[program.outputs]
    assert matrix.shape == expected.shape[::-1]
    np.testing.assert_array_equal(put_together(matrix.parts(values), matrix.shape), expected.T)
    np.testing.assert_array_equal(put_together(matrix.T.parts(values), expected.shape), expected)


PROGRAMS = {
    "laid out": lambda w, u, v, b: tg.concatenate(w.T, v.reshape((3, 4)), b.reshape((1, 4)))[
        1:6, :3
    ],
    "nested": lambda w, u, v, b: tg.concatenate(tg.concatenate(w, u, axis=1), v.T, axis=1).T,
    "twice in one": lambda w, u, v, b: tg.concatenate(w, v.T[1:], w[:2, ::1], axis=0),
    "with a step": lambda w, u, v, b: tg.concatenate(w[::2], v.T[:, :3], axis=0),
    "computed": lambda w, u, v, b: tg.tanh(tg.concatenate(w, u, axis=-1)) * b[:, None],
    "used twice": lambda w, u, v, b: tg.concatenate(w, w * 2.0, v.T, axis=1) + (b * b)[:, None],
    "several outputs": lambda w, u, v, b: (
        tg.split(tg.concatenate(w, u, axis=1), 5, axis=1)[1] * b[0]
    ),
    "a product": lambda w, u, v, b: tg.concatenate(w, u, axis=1).T @ tg.concatenate(w, u, axis=1),
}


@pytest.mark.parametrize("as_panels", [True, False], ids=["multiplied by", "read"])
@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_lines_on_arrays_and_back_are_what_the_engine_makes_of_them(f, as_panels):
    given = [tg.tensor(x, requires_grad=True) for x in (W, U, V, BIAS)]
    y = f(*given)
    g = rng.normal(size=y.shape)
    y.backward(g)
    program = trace(f, *given)
    out = program.outputs
    values = dict(zip(program.inputs, (W, U, V, BIAS), strict=True))
    values.update(program.captured)
    ready = Ready(program.lines, {out} if as_panels else (), () if as_panels else {out})
    ready.compute(values)
    made = put_together(ready.matrices[out].parts(values), out.shape) if as_panels else values[out]
    np.testing.assert_allclose(made, y.numpy(), rtol=1e-14)
    found = {out: g}
    reached = {z for line in program.lines for z in line.targets}
    ready.pull_back(values, found, {*program.inputs, *reached})
    for x, tensor in zip(program.inputs, given, strict=True):
        if tensor.grad is None:
            assert x not in found
        else:
            bar = found.get(x, np.zeros(x.shape))  # what was cut off is not heard of
            np.testing.assert_allclose(bar, tensor.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_what_wants_no_gradient_gets_none():
    program = trace(lambda w, u: tg.concatenate(w, u, axis=1), W, U)
    _, u = program.inputs
    for ready in (
        Ready(program.lines, {program.outputs}, ()),
        Ready(program.lines, (), {program.outputs}),
    ):
        values = dict(zip(program.inputs, (W, U), strict=True))
        ready.compute(values)
        found = {program.outputs: np.ones((4, 5))}
        ready.pull_back(values, found, {u})
        assert set(found) == {u}


def test_lines_that_only_arrange_do_not_run():
    program = trace(
        lambda w, v, b: (
            tg.concatenate(
                tg.concatenate(w * 2.0, v.T, axis=1), b[:3].reshape((1, 3)), b[None, :3], axis=0
            ).T
        ),
        *(W[:, :2], V[:1], BIAS),
    )
    ready = Ready(program.lines, {program.outputs}, ())
    assert [line.op.name for line in ready.computed] == ["mul", "getitem", "getitem"]
