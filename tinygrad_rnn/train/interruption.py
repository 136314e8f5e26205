r"""Ctrl-C that waits for a good moment."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["interrupt_held_back"]

# What a person sends by Ctrl-C, and what schedulers and containers send before they kill.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupt_held_back() -> Iterator[Callable[[], bool]]:
    """Let the step at hand finish before Ctrl-C, or the signal to terminate, ends the program.

    An interrupt in the middle of an optimizer's step would leave half of the weights updated.
    Within this block the first signal is only remembered, for the loop to ask after, and acts when
    the block is left; a second one acts at once. Outside of the main thread, which Python gives no
    signals, the block does nothing; signals that the program ignores stay ignored.

    Yields:
        A function that says whether there was a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    # None stands for a handler that was not set from Python, and that Python cannot set again.
    left_alone = (None, signal.SIG_IGN)
    before = {s: signal.getsignal(s) for s in SIGNALS if signal.getsignal(s) not in left_alone}
    held: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def remember(number: int, frame: object) -> None:
        held.append(number)
        restore()

    for each in before:
        signal.signal(each, remember)
    try:
        yield lambda: bool(held)
    finally:
        restore()
    for number in held:
        signal.raise_signal(number)
