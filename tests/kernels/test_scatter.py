"""Updates are added where indices point, repeats and negative indices included."""

import numpy as np
import pytest

from tinygrad_rnn.kernels.blocks import look_up
from tinygrad_rnn.kernels.lookups import scatter_add_blocks
from tinygrad_rnn.kernels.scatter import (
    scatter_add_along_rows,
    scatter_add_rows,
)

sides = pytest.mark.parametrize("side", ["reference", "compiled", "loop"])


@sides
def test_repeated_rows_accumulate(side):
    out = np.ones((3, 2))
    getattr(scatter_add_rows, side)(out, np.array([2, 0, 2]), np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(out, [[3, 4], [1, 1], [5, 7]])


@sides
def test_negative_indices_count_from_the_end(side):
    rows, columns = np.zeros((3, 1)), np.zeros((1, 3))
    getattr(scatter_add_rows, side)(rows, np.array([-1]), np.ones((1, 1)))
    getattr(scatter_add_along_rows, side)(columns, np.array([[-1]]), np.ones((1, 1)))
    np.testing.assert_array_equal(rows.ravel(), [0, 0, 1])
    np.testing.assert_array_equal(columns.ravel(), [0, 0, 1])


@sides
@pytest.mark.parametrize("index", [-4, 3])
def test_an_index_out_of_bounds_is_refused_and_memory_is_safe(side, index):
    with pytest.raises(IndexError):
        getattr(scatter_add_rows, side)(np.zeros((3, 1)), np.array([index]), np.ones((1, 1)))
    with pytest.raises(IndexError):
        getattr(scatter_add_along_rows, side)(
            np.zeros((1, 3)), np.array([[index]]), np.ones((1, 1))
        )
    with pytest.raises(IndexError):
        getattr(scatter_add_blocks, side)(
            np.zeros((3, 1)), np.array([[index]]), np.ones((1, 1)), 0, 0, 1
        )


@sides
def test_along_rows_it_is_the_adjoint_of_taking(side):
    rng = np.random.default_rng(0)
    x, g, indices = (
        rng.standard_normal((4, 7)),
        rng.standard_normal((4, 9)),
        rng.integers(-7, 7, (4, 9)),
    )
    taken = np.take_along_axis(x, indices, axis=1)
    added = np.zeros_like(x)
    getattr(scatter_add_along_rows, side)(added, indices, g)
    np.testing.assert_allclose((taken * g).sum(), (x * added).sum())


@sides
def test_of_blocks_it_is_the_adjoint_of_looking_up(side):
    rng = np.random.default_rng(1)
    table, g, ids = rng.normal(size=(4, 3)), rng.normal(size=(6, 3 * 5)), rng.integers(0, 4, (6, 5))
    rows = np.empty_like(g)
    for t in range(6):
        look_up(table, ids[t], rows[t], 1)
    added = np.zeros_like(table)
    getattr(scatter_add_blocks, side)(added, ids, g, 0, 0, 3)
    np.testing.assert_allclose((rows * g).sum(), (table * added).sum())
