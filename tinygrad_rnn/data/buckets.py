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

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["BucketedBatches"]

Indices = NDArray[np.int64]


class BucketedBatches:
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
        self.batch, self.pool, self.seed = batch, pool, seed
        self.load_state_dict({"epoch": 0, "position": 0})

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-self.lengths.size // self.batch)

    @property
    def at_start(self) -> bool:
        """Whether the next batch opens an epoch."""
        return self.position == 0

    def read(self) -> Indices:
        """The next batch's indices, int64, epoch after epoch without end."""
        indices = self._order[self.position]
        self.position += 1
        if self.position == len(self):
            self.load_state_dict({"epoch": self.epoch + 1, "position": 0})
        return indices

    def __iter__(self) -> Iterator[Indices]:
        epoch = self.epoch
        while self.epoch == epoch:
            yield self.read()

    def state_dict(self) -> dict[str, int]:
        """Where reading stands, for a checkpoint."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, of the same lengths, batch, pool and seed.

        Raises:
            ValueError: If there is no such batch.
        """
        position = int(state["position"])
        if not 0 <= position < len(self):
            raise ValueError(
                f"position {position} is no batch of an epoch of {len(self)}; resume with the same "
                "lengths and batch"
            )
        self.epoch, self.position = int(state["epoch"]), position
        self._order = self._batches(np.random.default_rng([self.seed, self.epoch]))

    def _batches(self, rng: np.random.Generator) -> list[Indices]:
        """All batches of an epoch, in order."""
        shuffled = rng.permutation(self.lengths.size)
        step = self.batch * self.pool
        pools = [shuffled[start : start + step] for start in range(0, shuffled.size, step)]
        sorted_pools = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        order = np.concatenate(sorted_pools)
        batches = [order[start : start + self.batch] for start in range(0, order.size, self.batch)]
        return [batches[i] for i in rng.permutation(len(batches))]
