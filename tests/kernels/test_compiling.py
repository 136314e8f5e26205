"""What a loop calls by name is there before the loop is."""

import numpy as np
import pytest

from tinygrad_rnn.kernels import compiling
from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.packed import multiplying, pack, product

pytest.importorskip("numba")


def calls_product(panels, x, c):
    product(panels, x, c)


def calls_one_that_calls(panels, x, c):
    calls_product(panels, x, c)


def enclosing(f):
    def calls_what_it_encloses(panels, x, c):
        f(panels, x, c)

    return calls_what_it_encloses


@pytest.mark.parametrize(
    "loop",
    [
        calls_product,
        calls_one_that_calls,
        enclosing(calls_product),
        enclosing(enclosing(calls_product)),
    ],
)
def test_machine_code_is_found_however_deep_it_is_called(loop):
    assert compiling._links_of(loop) == {multiplying}


def test_a_loop_without_machine_code_waits_for_none():
    assert compiling._links_of(np.add) == set()
    assert compiling._links_of(enclosing(len)) == set()


def test_a_loop_that_calls_machine_code_runs():
    inner = jit(calls_product, keep=False)
    outer = jit(enclosing(inner), keep=False)
    A, x, c = np.arange(6.0).reshape(3, 2), np.array([1.0, 10.0]), np.empty(3)
    outer(pack(A), x, c)
    np.testing.assert_array_equal(c, A @ x)
