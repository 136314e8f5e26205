"""How scans run: compiled where that pays, unless they are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tinygrad_rnn.engine.modes import setting

way: ContextVar[str] = ContextVar("way", default="auto")
listener: ContextVar[Any] = ContextVar("listener", default=None)  # hears of every scan


@contextmanager
def eager() -> Iterator[None]:
    """Run every scan op by op, in this thread or coroutine: the definition, for comparison.

    Example:
        >>> import tinygrad_rnn as tg
        >>> with tg.eager():
        ...     total, _ = tg.scan(lambda s, x: (s + x, s), tg.tensor(0.0), tg.tensor([1.0, 2.0]))
        >>> total
        tensor(3.)
    """
    with setting(way, "eager"):
        yield


@contextmanager
def compiled() -> Iterator[None]:
    """Run every scan compiled, however small, if there is a loop for its step.

    Example:
        >>> import tinygrad_rnn as tg
        >>> with tg.compiled(), tg.backend("numpy"):
        ...     total, _ = tg.scan(lambda s, x: (s + x, s), tg.tensor(0.0), tg.tensor([1.0, 2.0]))
        >>> total
        tensor(3.)
    """
    with setting(way, "compiled"):
        yield
