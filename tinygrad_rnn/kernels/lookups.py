"""Gradients of looked-up rows, as a loop over time leaves them behind: block by block.

A module apart from `scatter`, since blocks are transposed by machine code, and ops that only add
rows up should not wait for all that it imports.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.dispatch import kernel
from tinygrad_rnn.kernels.transposed import to_rows

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]

ACROSS = 64  # columns at a time: of so many a table of some hundred rows stays near


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
