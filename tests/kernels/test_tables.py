"""A table says where arrays are, and a loop finds them there."""

import ctypes

import numpy as np
import pytest

from tinygrad_rnn.kernels.machine_code import in_python, machine_code, named
from tinygrad_rnn.kernels.tables import Table, address_of, compiled_with_table, numbers_of


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 3)),
        np.zeros((2, 3)).T,
        np.zeros((4, 6))[1::2, ::3],
        np.zeros((5, 1))[:, ::-1],
        np.broadcast_to(np.zeros(3), (2, 3)),
        np.zeros(0),
        np.frombuffer(b"\0" * 8),
    ],
    ids=["rows", "columns", "strided", "backwards", "read-only", "empty", "bytes"],
)
def test_the_address_of_an_array_is_numpys(x):
    assert address_of(x) == x.ctypes.data


def test_a_table_is_numbers_then_arrays():
    x, y = np.zeros((2, 3)), np.zeros(4, np.float32)
    table = Table(2, [x, y])
    table.begin_with(7, 8)
    assert table.numbers.tolist() == [7, 8, *numbers_of(x), *numbers_of(y)]
    z = np.ones((4, 6))[::2, ::2]
    table.replace(0, z)
    assert table.numbers.tolist() == [7, 8, z.ctypes.data, 2, 3, 96, 16, *numbers_of(y)]
    assert table.address == table.numbers.buffer_info()[0]


SOURCE = """
def scale(n, x, y):
    for i in range(n):
        for j in range(x.shape[1]):
            y[i] += FACTOR * x[i, j]
"""


def test_a_loop_makes_arrays_of_its_table_again(monkeypatch, tmp_path):
    pytest.importorskip("numba")
    from numba import types

    matrix, row = types.Array(types.float64, 2, "A"), types.Array(types.float32, 1, "C")

    def compiled():
        return compiled_with_table(SOURCE, "scale", {"FACTOR": 3.0}, 1, [matrix, row])

    scale = in_python(machine_code(named("scale", "float64"), compiled), ctypes.c_void_p)
    x, y = np.arange(24.0).reshape(4, 6)[::2, ::-2], np.ones(2, np.float32)
    table = Table(1, [x, y])
    table.begin_with(2)
    assert scale(table.address) == 0
    np.testing.assert_array_equal(y, 1 + 3 * x.sum(axis=1))
