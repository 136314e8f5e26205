r"""Batches of sequences of different lengths: padded, with lengths and a mask.

Example:
    >>> import numpy as np
    >>> batch = pad([np.array([5, 6, 7]), np.array([8])])
    >>> batch.values
    array([[5, 8],
           [6, 0],
           [7, 0]])
    >>> batch.lengths
    array([3, 1])
    >>> batch.mask
    array([[ True,  True],
           [ True, False],
           [ True, False]])
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PaddedBatch", "minibatches", "pad"]


@dataclass(frozen=True)
class PaddedBatch:
    """Sequences side by side, time first.

    Attributes:
        values: (T, B, …), T being the longest sequence's length.
        lengths: (B,), int64, each sequence's own length.
    """

    values: NDArray[Any]
    lengths: NDArray[np.int64]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(T, B), true where a step belongs to its sequence and is not padding."""
        return np.arange(len(self.values))[:, None] < self.lengths


def pad(sequences: Sequence[ArrayLike], value: float = 0, length: int | None = None) -> PaddedBatch:
    """Lay sequences of different lengths side by side, filling up with `value`.

    Args:
        sequences: B arrays of shapes (T_b, …) that agree after the first axis; T_b may be 0.
        value: What stands after a sequence's end.
        length: T, when it shall be more than the longest sequence's length.

    Raises:
        ValueError: If there are no sequences, their shapes disagree, or one is too long.
    """
    if not len(sequences):
        raise ValueError("got no sequences to pad; expected at least one")
    arrays = [np.asarray(sequence) for sequence in sequences]
    if any(a.ndim == 0 or a.shape[1:] != arrays[0].shape[1:] for a in arrays):
        shapes = ", ".join(str(a.shape) for a in arrays[:4])
        raise ValueError(
            f"sequences have shapes {shapes}; expected (T_b, …) that differ in the first axis only"
        )
    lengths = np.array([len(a) for a in arrays], dtype=np.int64)
    longest = int(lengths.max())
    if length is not None and length < longest:
        raise ValueError(f"length is {length}, but the longest sequence has {longest} steps")
    filled = [a for a in arrays if len(a)] or arrays
    values = np.full(
        (length or longest, len(arrays), *arrays[0].shape[1:]), value, np.result_type(*filled)
    )
    for b, array in enumerate(arrays):
        values[: len(array), b] = array
    return PaddedBatch(values, lengths)


def minibatches(
    count: int, size: int, rng: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Index arrays that visit `count` examples once, `size` at a time.

    Args:
        count: How many examples there are.
        size: How many go into a batch; the last batch may have fewer.
        rng: Shuffles the order; without it the order is 0, 1, 2, ….

    Raises:
        ValueError: If `size` is below 1.

    Example:
        >>> [batch.tolist() for batch in minibatches(5, 2)]
        [[0, 1], [2, 3], [4]]
    """
    if size < 1:
        raise ValueError(f"size is {size}; expected 1 or more examples a batch")
    order = np.arange(count) if rng is None else rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]
