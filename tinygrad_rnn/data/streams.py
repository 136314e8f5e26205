r"""Streams for truncated backpropagation through time.

A text of N tokens is cut into B contiguous streams that are read side by side, T steps at a time.
Window k+1 starts exactly where window k ended, in each stream, so the state that the network
carries over from one window is the right one for the next (Williams and Peng, 1990,
doi:10.1162/neco.1990.2.4.490).

Example:
    >>> import numpy as np
    >>> stream = TextStream(np.arange(9), batch=2, steps=2)
    >>> for inputs, targets in stream:
    ...     print(inputs.T.tolist(), "->", targets.T.tolist())
    [[0, 1], [4, 5]] -> [[1, 2], [5, 6]]
    [[2, 3], [6, 7]] -> [[3, 4], [7, 8]]
"""

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.data.epochs import Epochs

__all__ = ["TextStream"]

Ids = NDArray[np.int64]


class TextStream(Epochs[tuple[Ids, Ids]]):
    r"""B contiguous streams over one text, read T steps at a time, resumable.

    Iterating yields the windows of one epoch that are left, and moves the position along. A reader
    should begin an epoch, `at_start`, from a fresh state.

    Args:
        ids: The text, shape (N,).
        batch: B, the number of streams; each has ⌊(N-1)/B⌋ steps, and what is left over at the
            end of the text is not read.
        steps: T, the length of a window.
        keep_last: Also yield the shorter window that may remain at the end of an epoch. Training
            drops it, so that all windows have one shape; evaluation keeps it.

    Attributes:
        epoch: How many times the text has been read.
        position: The next window's first step within each stream.

    Raises:
        ValueError: If the text is too short for one window.
    """

    def __init__(self, ids: Ids, batch: int, steps: int, *, keep_last: bool = False) -> None:
        if batch < 1 or steps < 1:
            raise ValueError(f"got batch={batch}, steps={steps}; expected both to be 1 or more")
        if ids.ndim != 1:
            raise ValueError(f"ids have shape {ids.shape}; expected one axis, (N,)")
        length = (len(ids) - 1) // batch
        if length < (1 if keep_last else steps):
            raise ValueError(
                f"{len(ids)} tokens in {batch} streams give {max(length, 0)} steps each, too few "
                f"for a window of {steps}; use a longer text, fewer streams or shorter windows"
            )
        super().__init__()
        self.batch, self.steps = batch, steps
        self._length = length if keep_last else length - length % steps
        # (length, B), C-contiguous: a window is then one block of memory.
        self._inputs = np.ascontiguousarray(ids[: batch * length].reshape(batch, length).T)
        self._targets = np.ascontiguousarray(ids[1 : batch * length + 1].reshape(batch, length).T)

    @property
    def windows(self) -> int:
        """How many windows an epoch has."""
        return -(-self._length // self.steps)

    def read(self) -> tuple[Ids, Ids]:
        """The next window, epoch after epoch without end.

        Returns:
            Inputs and targets, int64, (T, B) each; a target is its input's successor in the text.
        """
        window = slice(self.position, min(self.position + self.steps, self._length))
        self.go_on(window.stop, end=self._length)
        return self._inputs[window], self._targets[window]

    def check_position(self, position: int) -> None:
        """Refuse what is not the start of a window."""
        if position % self.steps or not 0 <= position < self._length:
            raise ValueError(
                f"position {position} starts no window of this stream, whose windows start at "
                f"multiples of {self.steps} below {self._length}; resume with the same text, "
                "batch and steps"
            )
