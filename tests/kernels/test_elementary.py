"""The elementary functions hold to the errors their module states, over every kind of number."""

import math
import platform
import re

import numpy as np
import pytest
from numba import float32

from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.elementary import (
    erf,
    erf_32,
    erf_64,
    exp,
    exp_32,
    exp_64,
    horner,
    sigmoid,
    sigmoid_32,
    sigmoid_64,
    tanh,
    tanh_32,
    tanh_64,
)

# A prime step meets every exponent and all kinds of mantissas. All of float32 was swept once, and
# the largest errors found were: exp 1.06, tanh 2.57, sigmoid 2.41, erf 0.50 ulp.
STEP_32 = 4099


def loop_over(f):
    """A loop that inlines `f`; not kept on disk, where Numba would not notice that `f` changed."""

    def loop(x):
        y = np.empty_like(x)
        for i in range(x.size):
            y[i] = f(x[i])
        return y

    return jit(loop, keep=False)


LOOPS = {f.__name__: loop_over(f) for f in (exp, tanh, sigmoid, erf)}


def exact_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def exact_erf(x):
    return np.array([math.erf(v) for v in x.tolist()], x.dtype)


EXACT = {"exp": np.exp, "tanh": np.tanh, "sigmoid": exact_sigmoid, "erf": exact_erf}

# What the module promises, and for erf in float64 the error of the C library that it is held to.
ULPS_32 = {"exp": 1.1, "tanh": 2.6, "sigmoid": 2.5, "erf": 0.51}
ULPS_64 = {"exp": 1.1, "tanh": 2.6, "sigmoid": 2.5, "erf": 1.5 + 1}

TINY = np.finfo(np.float32).tiny  # the least normal number

SOURCES = [exp_32, exp_64, tanh_32, tanh_64, sigmoid_32, sigmoid_64, erf_32, erf_64]

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1e-45, 88.73, -103.9])


def sweep_32():
    return np.arange(0, 2**32, STEP_32).astype(np.uint32).view(np.float32)


def sweep_64():
    rng = np.random.default_rng(0)
    anything = rng.integers(0, 2**64, 2**17, np.uint64).view(np.float64)
    return np.concatenate([anything, rng.uniform(-40, 40, 2**17), rng.standard_normal(2**17)])


@np.errstate(all="ignore")
def ulps(got, x, exact):
    """The largest distance from the truth, in units of its last place in the dtype of `got`."""
    truth = exact(x.astype(np.float64 if got.dtype == np.float32 else np.longdouble))
    rounded = truth.astype(got.dtype)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(rounded))
    finite = np.isfinite(rounded)
    unit = np.spacing(np.abs(rounded[finite])).astype(truth.dtype)
    return (np.abs(got[finite] - truth[finite]) / unit).max()


@pytest.mark.parametrize("name", LOOPS)
def test_float32_is_within_its_error_over_every_exponent(name):
    x = sweep_32()
    got = LOOPS[name](x)
    if name == "sigmoid":  # may give 0 instead of a number that is not normal
        with np.errstate(all="ignore"):
            truth = EXACT[name](x.astype(np.float64))
        small = truth < TINY
        assert (got[small] >= 0).all()
        assert (got[small] <= TINY).all()
        x, got = x[~small], got[~small]
    assert ulps(got, x, EXACT[name]) <= ULPS_32[name]


@pytest.mark.skipif(
    np.finfo(np.longdouble).eps == np.finfo(np.float64).eps,
    reason="nothing on this platform is more exact than float64",
)
@pytest.mark.parametrize("name", LOOPS)
def test_float64_is_within_its_error(name):
    x = sweep_64()
    assert ulps(LOOPS[name](x), x, EXACT[name]) <= ULPS_64[name]


@pytest.mark.parametrize("reference", [sigmoid.reference, erf.reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_references_are_as_exact(reference, dtype):
    x = sweep_32()[::7] if dtype == np.float32 else sweep_64()[::5]
    bounds = ULPS_32 if dtype == np.float32 else ULPS_64
    with np.errstate(all="ignore"):
        y = reference(x)
    assert ulps(y, x, EXACT[reference.__name__]) <= bounds[reference.__name__]


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_come_out_as_they_should(name, dtype):
    x = SPECIAL.astype(dtype)
    with np.errstate(all="ignore"):
        expected = EXACT[name](x.astype(np.float64)).astype(dtype)
    got = LOOPS[name](x)
    atol = TINY if (name, dtype) == ("sigmoid", np.float32) else 0
    np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps, atol=atol)
    np.testing.assert_array_equal(np.signbit(got[1:]), np.signbit(expected[1:]))


def test_odd_functions_are_odd_to_the_last_bit():
    x = np.linspace(0, 12, 4001)
    for name in ("tanh", "erf"):
        loop = LOOPS[name]
        np.testing.assert_array_equal(loop(-x), -loop(x))


def test_nothing_exceeds_its_range():
    x = np.linspace(-30, 30, 100_001, dtype=np.float32)
    assert np.abs(LOOPS["tanh"](x)).max() == 1
    assert np.abs(LOOPS["erf"](x)).max() == 1
    assert LOOPS["sigmoid"](x).max() == 1


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for x86 code")
@pytest.mark.parametrize("name", LOOPS)
def test_float32_loops_become_vector_instructions(name):
    LOOPS[name](np.zeros(1, np.float32))
    assembly = next(a for (x,), a in LOOPS[name].inspect_asm().items() if x.dtype == float32)
    packed = [line for line in assembly.splitlines() if re.search(r"v?(mul|div)p[sd]\s", line)]
    assert packed, f"{name}: no packed multiplication or division in the compiled loop"
    assert not re.search(rf"call\w*\s+\S*\b{name}f?\b", assembly), f"{name} calls libm"


@pytest.mark.parametrize("source", SOURCES, ids=lambda f: f.__name__)
def test_the_inlined_sources_are_ordinary_python(source):
    name, bits = source.__name__.split("_")
    dtype = np.dtype(f"float{bits}").type
    x = np.random.default_rng(0).uniform(-9, 9, 300).astype(dtype)
    x[:2] = 1000, -1000
    with np.errstate(over="ignore"):
        y = np.array([source(v) for v in x], dtype)
    bounds = ULPS_32 if bits == "32" else ULPS_64
    assert ulps(y, x, EXACT[name]) <= bounds[name] + 0.5  # no fused instructions here


def test_scalars_and_integers_are_numbers_too():
    assert erf(0.5) == math.erf(0.5)
    assert sigmoid(0) == 0.5
    np.testing.assert_array_equal(erf(np.array([0, 9])), [0.0, 1.0])
    assert erf(np.float32(0.5)).dtype == np.float32


def test_a_polynomial_is_that_of_its_coefficients():
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(horner(x, (1.0, -2.0, 0.5)), 1 - 2 * x + 0.5 * x**2)


def test_the_names_in_python_are_numpys():
    x = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(exp(x), np.exp(x))
    np.testing.assert_array_equal(tanh(x), np.tanh(x))
