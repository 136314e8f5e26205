r"""One-hot vectors: an id as a point on an axis of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["one_hot"]


def one_hot(ids: ArrayLike, size: int, dtype: DTypeLike = np.float32) -> NDArray[np.floating]:
    r"""Replace each id $i$ by the unit vector $e_i$.

    Args:
        ids: Integers in 0 … size-1, any shape (…).
        size: V, the length of the vectors.
        dtype: Of the result.

    Returns:
        Array of shape (…, V), zero but for one 1 along the last axis.

    Raises:
        TypeError: If the ids are not integers.
        ValueError: If an id is outside 0 … size-1.

    Example:
        >>> one_hot([1, 0], size=3)
        array([[0., 1., 0.],
               [1., 0., 0.]], dtype=float32)
    """
    array = np.asarray(ids)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"ids have dtype {array.dtype}; expected integers")
    if array.size and not (array.min() >= 0 and array.max() < size):
        wrong = array[(array < 0) | (array >= size)][0]
        raise ValueError(f"id {wrong} is outside 0 … {size - 1}; one_hot was given size={size}")
    vectors = np.zeros((*array.shape, size), dtype)
    np.put_along_axis(vectors, array[..., None], 1, axis=-1)
    return vectors
