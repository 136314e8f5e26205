"""Adding where an index points, repeats and all: the adjoint of reading by index.

Reading is `np.take` and `np.take_along_axis`, which no loop improves on. `np.add.at`, which adds,
takes a hundred times as long as the loops here.

Indices may be negative, as in NumPy. A compiled loop would write beyond its array without a word,
so it too compares every index with the bounds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.dispatch import kernel

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]


@kernel(pays=lambda out, indices, updates: updates.size >= 2048, within=16, writes=(0,))
def scatter_add_rows(out: Array, indices: Indices, updates: Array, /) -> None:
    """Add each update to the row that its index names, in place; repeats accumulate in order.

    Args:
        out: `(V, D)`, written to.
        indices: `(n,)`, from `-V` to `V - 1`.
        updates: `(n, D)`.

    Raises:
        IndexError: If an index is out of bounds. Rows before it have been added.

    Example:
        >>> out = np.zeros((2, 1))
        >>> scatter_add_rows(out, np.array([1, 1, 0]), np.array([[1.0], [2.0], [4.0]]))
        >>> out.ravel()
        array([4., 3.])
    """
    np.add.at(out, indices, updates)


@scatter_add_rows.defloop
def _scatter_add_rows_loop(out: Array, indices: Indices, updates: Array) -> None:
    rows, width = out.shape
    for n in range(indices.size):
        row = indices[n] + rows if indices[n] < 0 else indices[n]
        if row < 0 or row >= rows:
            raise IndexError("an index names a row that the array does not have")
        for d in range(width):
            out[row, d] += updates[n, d]


@kernel(pays=lambda out, indices, updates: updates.size >= 2048, within=16, writes=(0,))
def scatter_add_along_rows(out: Array, indices: Indices, updates: Array, /) -> None:
    """Within each row, add each update where its index points, in place; repeats accumulate.

    The adjoint of `np.take_along_axis(out, indices, axis=1)`.

    Args:
        out: `(n, V)`, written to.
        indices: `(n, k)`, from `-V` to `V - 1`.
        updates: `(n, k)`.

    Raises:
        IndexError: If an index is out of bounds. What comes before it has been added.

    Example:
        >>> out = np.zeros((1, 3))
        >>> scatter_add_along_rows(out, np.array([[2, 2]]), np.array([[1.0, 5.0]]))
        >>> out
        array([[0., 0., 6.]])
    """
    np.add.at(out, (np.arange(len(out))[:, None], indices), updates)


@scatter_add_along_rows.defloop
def _scatter_add_along_rows_loop(out: Array, indices: Indices, updates: Array) -> None:
    rows, width = out.shape
    for n in range(rows):
        for k in range(indices.shape[1]):
            at = indices[n, k] + width if indices[n, k] < 0 else indices[n, k]
            if at < 0 or at >= width:
                raise IndexError("an index points beyond its row")
            out[n, at] += updates[n, k]
