r"""Batches of sequences of similar length, so that little of a batch is padding.

Example:
    >>> import numpy as np
    >>> batches = BucketedBatches([9, 2, 8, 1, 3, 9], batch=2, seed=0)
    >>> for indices in batches:
    ...     print(batches.lengths[indices])
    [1 2]
    [3 8]
    [9 9]
    >>> batches.epoch, batches.at_start
    (1, True)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.data.epochs import Epochs

__all__ = ["BucketedBatches"]

Indices = NDArray[np.int64]


class BucketedBatches(Epochs[Indices]):
    r"""Index arrays that visit every sequence once an epoch, neighbours in length together.

    Each epoch shuffles all sequences, sorts them by length within pools of some batches, and
    visits the batches in a shuffled order. A larger pool pads less, a smaller one mixes more. The
    order depends on seed and epoch alone, so a stream resumed by `load_state_dict` goes on as it
    would have.

    Args:
        lengths: (N,), each sequence's length.
        batch: Sequences in a batch; the last of an epoch's pools may leave fewer.
        pool: Batches in a pool.
        seed: Of the order.

    Attributes:
        epoch: How many times all sequences have been visited.
        position: The next batch of this epoch.

    Raises:
        ValueError: If there are no sequences, or a size is below 1.
    """

    def __init__(self, lengths: ArrayLike, batch: int, *, pool: int = 50, seed: int = 0) -> None:
        self.lengths = np.asarray(lengths)
        if self.lengths.ndim != 1 or not self.lengths.size:
            raise ValueError(
                f"lengths have shape {self.lengths.shape}; expected (N,), at least one sequence"
            )
        if batch < 1 or pool < 1:
            raise ValueError(f"got batch={batch}, pool={pool}; expected both to be 1 or more")
        super().__init__()
        self.batch, self.pool, self.seed = batch, pool, seed
        self.shuffle()

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-self.lengths.size // self.batch)

    def read(self) -> Indices:
        """The next batch's indices, int64, epoch after epoch without end."""
        indices = self._order[self.position]
        self.go_on(self.position + 1, end=len(self))
        if self.at_start:
            self.shuffle()
        return indices

    def shuffle(self) -> None:
        """Set the order of this epoch."""
        self._order = self._batches(np.random.default_rng([self.seed, self.epoch]))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, of the same lengths, batch, pool and seed."""
        super().load_state_dict(state)
        self.shuffle()

    def check_position(self, position: int) -> None:
        """Refuse what is no batch."""
        if not 0 <= position < len(self):
            raise ValueError(
                f"position {position} is no batch of an epoch of {len(self)}; resume with the same "
                "lengths and batch"
            )

    def _batches(self, rng: np.random.Generator) -> list[Indices]:
        """All batches of an epoch, in order."""
        shuffled = rng.permutation(self.lengths.size)
        step = self.batch * self.pool
        pools = [shuffled[start : start + step] for start in range(0, shuffled.size, step)]
        sorted_pools = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        order = np.concatenate(sorted_pools)
        batches = [order[start : start + self.batch] for start in range(0, order.size, self.batch)]
        return [batches[i] for i in rng.permutation(len(batches))]
