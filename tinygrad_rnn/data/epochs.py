r"""Reading that never ends: epoch after epoch, and resumable at any place.

Example:
    A stream says what is read at a position, and whether a position is one:

    >>> class Letters(Epochs[str]):
    ...     def read(self):
    ...         letter = "abc"[self.position]
    ...         self.go_on(self.position + 1, end=3)
    ...         return letter
    >>> letters = Letters()
    >>> list(letters), letters.read(), letters.state_dict()
    (['a', 'b', 'c'], 'a', {'epoch': 1, 'position': 1})
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

__all__ = ["Epochs"]

Item = TypeVar("Item")


class Epochs(ABC, Generic[Item]):
    """The base of streams. Iterating yields what is left of one epoch, and moves along.

    Attributes:
        epoch: How many times everything has been read.
        position: Where reading stands within this epoch.
    """

    def __init__(self) -> None:
        self.epoch, self.position = 0, 0

    @property
    def at_start(self) -> bool:
        """Whether what is read next opens an epoch."""
        return self.position == 0

    @abstractmethod
    def read(self) -> Item:
        """What comes next, epoch after epoch without end."""

    def go_on(self, position: int, *, end: int) -> None:
        """Move to a position, which at the end is the first of the next epoch."""
        if position >= end:
            self.epoch, position = self.epoch + 1, 0
        self.position = position

    def __iter__(self) -> Iterator[Item]:
        epoch = self.epoch
        while self.epoch == epoch:
            yield self.read()

    def state_dict(self) -> dict[str, int]:
        """Where reading stands, for a checkpoint."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, of the same data, sizes and seed.

        Raises:
            ValueError: If there is no such position.
        """
        position = int(state["position"])
        self.check_position(position)
        self.epoch, self.position = int(state["epoch"]), position

    def check_position(self, position: int) -> None:
        """Say what is wrong with a position, if something is.

        Raises:
            ValueError: If there is no such position.
        """
