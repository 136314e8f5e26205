r"""Ctrl-C that waits for a good moment."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["interrupt_held_back"]


@contextmanager
def interrupt_held_back() -> Iterator[Callable[[], bool]]:
    """Let the step at hand finish before Ctrl-C ends the program.

    A keyboard interrupt in the middle of an optimizer's step would leave half of the weights
    updated. Within this block the first Ctrl-C is only remembered, for the loop to ask after; a
    second one interrupts at once. Outside of the main thread, which Python gives no signals, the
    block does nothing.

    Yields:
        A function that says whether Ctrl-C was pressed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def remember(number: int, frame: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, remember)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
