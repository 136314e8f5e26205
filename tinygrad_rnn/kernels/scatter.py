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
from tinygrad_rnn.kernels.transposed import to_rows

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]

ACROSS = 64  # columns at a time: of so many a table of some hundred rows stays near


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


@kernel(pays=lambda out, indices, updates, first, start, stop: True, within=16, writes=(0,))
def scatter_add_blocks(
    out: Array, indices: Indices, updates: Array, first: int, start: int, stop: int, /
) -> None:
    """Add features of blocks to the rows that their indices name, in place.

    The adjoint of `blocks.look_up`, over all steps of a loop.

    Args:
        out: `(V, E)`, written to.
        indices: `(T, b)`, from `-V` to `V - 1`: of each step and sequence.
        updates: `(T, M * b)`: at each step M features, a row of b sequences for each.
        first: The column of `out` that the first of these features belongs to.
        start: The first feature to add,
        stop: and where to stop: threads may share the features.

    Raises:
        IndexError: If an index is out of bounds. What comes before it has been added.

    Example:
        >>> out = np.zeros((2, 2))
        >>> scatter_add_blocks(out, np.array([[1, 1]]), np.array([[1.0, 2.0, 4.0, 8.0]]), 0, 0, 2)
        >>> out
        array([[ 0.,  0.],
               [ 3., 12.]])
    """
    T, b = indices.shape
    rows = updates.reshape(T, updates.shape[1] // b, b)[:, start:stop].swapaxes(1, 2)
    np.add.at(out[:, first + start : first + stop], indices, rows)


@scatter_add_blocks.defloop
def _scatter_add_blocks_loop(
    out: Array, indices: Indices, updates: Array, first: int, start: int, stop: int
) -> None:
    V = len(out)
    T, b = indices.shape
    rows = np.empty((b, ACROSS), updates.dtype)
    for low in range(start, stop, ACROSS):
        wide = min(ACROSS, stop - low)
        for t in range(T):
            some = rows[:, :wide]
            to_rows(updates[t, low * b : (low + wide) * b], some)
            for j in range(b):
                row = indices[t, j] + V if indices[t, j] < 0 else indices[t, j]
                if row < 0 or row >= V:
                    raise IndexError("an index names a row that the array does not have")
                total, more = out[row, first + low : first + low + wide], some[j]
                for k in range(wide):
                    total[k] += more[k]
