"""Every compiled loop computes what its NumPy reference does, within the bound it declares."""

import numpy as np
import pytest

from tests.kernels.layouts import read_only, spread_out
from tinygrad_rnn.kernels import (
    classification,
    elementary,
    lookups,
    optimizer,
    pooling,
    sampling,
    scatter,
)
from tinygrad_rnn.kernels.dispatch import KERNELS

MODULES = [classification, elementary, lookups, optimizer, pooling, sampling, scatter]
RATE = 0.01


def normal(*shape):
    return lambda rng: rng.standard_normal(shape) * 3


def positive(*shape):
    return lambda rng: rng.random(shape) + 0.5


def indices(low, high, *shape):
    return lambda rng: rng.integers(low, high, shape)


CLASSIFIED = [
    (normal(9, 37), indices(0, 37, 9), positive(9), positive(37), 0.0),
    (normal(9, 37), indices(0, 37, 9), positive(9), positive(37), 0.3),
    (normal(9, 6), indices(-9, -1, 9), lambda rng: np.zeros(9), positive(6), 0.1),
    (normal(0, 6), indices(0, 1, 0), positive(0), positive(6), 0.0),
    (normal(4, 0), indices(0, 1, 4), lambda rng: np.zeros(4), positive(0), 0.0),
]

# For each kernel its calls; an array is described by how it is drawn.
CALLS = {
    "softmax_rows": [(normal(5, 37),), (normal(3, 1),), (normal(0, 4),), (normal(4, 0),)],
    "log_softmax_rows": [(normal(5, 37),), (normal(3, 1),), (normal(0, 4),), (normal(4, 0),)],
    "cross_entropy_rows": CLASSIFIED,
    "cross_entropy_slopes": CLASSIFIED,
    "largest_met": [
        (normal(6, 20), indices(0, 20, 4, 7)),
        (lambda rng: rng.integers(0, 2, (6, 20)) * 1.0, indices(0, 20, 4, 7)),
        (lambda rng: np.where(rng.random((6, 20)) < 0.3, np.nan, 1.0), indices(0, 20, 4, 7)),
        (normal(0, 20), indices(0, 20, 4, 7)),
    ],
    "sigmoid": [(normal(3, 41),), (normal(0),), (lambda rng: np.array([-1e4, 1e4, 0, np.inf]),)],
    "erf": [(normal(3, 41),), (normal(0),), (lambda rng: np.array([-1e4, 1e4, 0, np.inf]),)],
    "sgd_step": [(normal(67), normal(67), RATE, 0.1), (normal(0), normal(0), RATE, 0.1)],
    "momentum_step": [
        (normal(67), normal(67), normal(67), RATE, 0.9, 0.5, 0.1, nesterov)
        for nesterov in (False, True)
    ],
    "adam_step": [
        (normal(n), normal(n), normal(n), positive(n), RATE, 0.9, 0.999, 0.3, 1e-8, 0.1, 0.99)
        for n in (67, 0)
    ],
    "rmsprop_step": [
        (normal(67), normal(67), positive(67), mean, velocity, RATE, 0.99, 1e-8, 0.1, 0.9)
        for mean in (None, lambda rng: rng.random(67) / 9)
        for velocity in (None, normal(67))
    ],
    "adagrad_step": [(normal(67), normal(67), positive(67), RATE, 1e-10, 0.1)],
    "sum_of_squares": [(normal(67),), (normal(0),)],
    "scatter_add_rows": [
        (normal(7, 5), indices(-7, 7, 30), normal(30, 5)),
        (normal(7, 5), indices(0, 1, 0), normal(0, 5)),
        (normal(7, 0), indices(0, 7, 30), normal(30, 0)),
    ],
    "draw_by_alias": [
        (lambda rng: rng.random(67), lambda rng: rng.random(9), indices(0, 9, 9)),
        (lambda rng: np.array([0.0, 1 - 2**-24]), lambda rng: np.ones(7), indices(0, 7, 7)),
        (normal(0), lambda rng: np.ones(1), indices(0, 1, 1)),
    ],
    "scatter_add_blocks": [
        (normal(7, 90), indices(-7, 7, 6, 5), normal(6, 80 * 5), 10, 0, 80),
        (normal(7, 90), indices(-7, 7, 6, 5), normal(6, 80 * 5), 0, 3, 70),
        (normal(7, 3), indices(0, 7, 6, 1), normal(6, 3), 0, 0, 3),
        (normal(7, 3), indices(0, 7, 0, 2), normal(0, 6), 0, 0, 3),
    ],
    "scatter_add_along_rows": [
        (normal(6, 5), indices(-5, 5, 6, 30), normal(6, 30)),
        (normal(0, 5), indices(0, 1, 0, 3), normal(0, 3)),
    ],
}


def drawn(call, dtype):
    """The arguments of a call, floats in the given dtype."""
    rng = np.random.default_rng(0)
    arrays = [a(rng) if callable(a) else a for a in call]
    return [
        a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays
    ]


def copies(args):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def assert_close(got, expected, within):
    assert type(got) is type(expected)
    if isinstance(expected, tuple):
        for one, other in zip(got, expected, strict=True):
            assert_close(one, other, within)
    elif isinstance(expected, np.ndarray | float) and np.asarray(expected).dtype.kind == "f":
        got, expected = np.asarray(got), np.asarray(expected)
        assert got.dtype == expected.dtype
        magnitude = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
        tolerance = within * np.finfo(expected.dtype).eps * magnitude
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
    else:
        np.testing.assert_array_equal(got, expected)


def assert_agrees(kernel, args, side, its_args=None):
    """It returns what the reference does, and leaves the same in the arrays that it writes to."""
    for_reference, for_loop = copies(args), copies(args) if its_args is None else its_args
    expected = kernel.reference(*for_reference)
    with np.errstate(all="ignore"):  # a compiled loop does not warn
        got = side(*for_loop)
    assert_close(got, expected, kernel.within)
    for i in kernel.writes:
        if isinstance(args[i], np.ndarray):
            assert_close(for_loop[i], for_reference[i], kernel.within)


def test_every_kernel_has_a_loop_of_its_own_and_is_tried_here():
    assert set(KERNELS) == set(CALLS)
    assert {k.loop.__module__ for k in KERNELS.values()} == {m.__name__ for m in MODULES}
    assert all(k.loop is not k.reference for k in KERNELS.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_the_loop_agrees_with_its_reference(name, dtype):
    for call in CALLS[name]:
        assert_agrees(KERNELS[name], drawn(call, dtype), KERNELS[name].compiled)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_the_loop_is_ordinary_python_and_means_the_same_without_numba(name, dtype):
    for call in CALLS[name]:
        assert_agrees(KERNELS[name], drawn(call, dtype), KERNELS[name].loop)


@pytest.mark.parametrize("layout", [spread_out, read_only])
@pytest.mark.parametrize("name", CALLS)
def test_the_loop_takes_inputs_of_any_layout(name, layout):
    kernel = KERNELS[name]
    args = drawn(CALLS[name][0], "float64")
    awkward = [
        layout(a) if isinstance(a, np.ndarray) and i not in kernel.writes else a
        for i, a in enumerate(copies(args))
    ]
    assert_agrees(kernel, args, kernel.compiled, awkward)


@pytest.mark.parametrize("name", CALLS)
def test_what_a_kernel_does_not_declare_to_write_it_leaves_alone(name):
    kernel = KERNELS[name]
    for side in (kernel.reference, kernel.compiled):
        before = drawn(CALLS[name][0], "float64")
        after = copies(before)
        side(*after)
        for i, (a, b) in enumerate(zip(before, after, strict=True)):
            if isinstance(a, np.ndarray):
                assert np.array_equal(a, b) == (i not in kernel.writes)
