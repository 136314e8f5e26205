r"""The training loop.

Example:
    A number that learns to be 3, with a line every two steps:

    >>> import numpy as np, tinygrad_rnn as tg
    >>> from tinygrad_rnn import nn, optim
    >>> from tinygrad_rnn.data import TextStream
    >>> class Guess(nn.Module):
    ...     def __init__(self):
    ...         self.w = nn.Parameter(np.zeros(()))
    >>> model = Guess()
    >>> threes = TextStream(np.full(100, 3), batch=1, steps=1)
    >>> def loss(inputs, targets, carry):
    ...     return ((model.w - targets) ** 2.0).mean(), carry
    >>> training = Training(model, optim.SGD(model.parameters(), lr=0.4), threes, loss)
    >>> show = Every(lambda run: print(run.step, round(run.loss, 3)), steps=2)
    >>> fit(training, steps=6, listeners=[show])
    2 0.36
    4 0.001
    6 0.0
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tinygrad_rnn.train.interruption import interrupt_held_back
from tinygrad_rnn.train.listeners import Every, Listener
from tinygrad_rnn.train.training import Training

__all__ = ["fit"]


def fit(
    training: Training,
    *,
    steps: int,
    seconds: float = math.inf,
    listeners: Sequence[Listener] = (),
    save: Every | None = None,
) -> None:
    """Train until the steps or the seconds are used up, or a listener sets `training.stopped`.

    Steps and seconds count from the very start, also in a run that was resumed. With steps alone
    the result depends on nothing but the seed; with a limit in seconds the schedule follows the
    clock, so that the learning rate has come down when time is up, on any machine.

    Args:
        training: What is trained; its state moves on in place.
        steps: How many steps to take at most.
        seconds: How much time to take at most.
        listeners: Look on: progress, journal, evaluation. They hear of each step after the
            training's own listeners.
        save: Called after the listeners, at the very end, and when Ctrl-C is pressed.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once the step at hand is done and saved; the signal to
            terminate, which schedulers and containers send, ends the process as late.
        FloatingPointError: If the loss is no longer finite.
        ValueError: If a listener given here has a memory, which would not be saved.
    """
    refuse_memory(listeners)
    started = time.monotonic() - training.seconds
    with interrupt_held_back() as interrupted, listening(training, listeners):
        while not (training.stopped or interrupted()):
            progress = max(training.step / steps, training.seconds / seconds)
            if progress >= 1:
                break
            training.advance(progress)
            for listener in (*training.listeners, *([save] if save else [])):
                training.seconds = time.monotonic() - started
                listener.step(training)
            training.seconds = time.monotonic() - started
        # A run that was killed after its end and resumed has nothing left to do.
        if not interrupted() and training.finished_at != training.step:
            training.finished_at = training.step
            for listener in training.listeners:
                listener.finish(training)
        if save:
            save.action(training)


@contextmanager
def listening(training: Training, listeners: Sequence[Listener]) -> Iterator[None]:
    """Let more listeners hear of a training in a block, and tell all that it begins and ends."""
    own, training.listeners = training.listeners, [*training.listeners, *listeners]
    try:
        with ExitStack() as ends:
            for listener in training.listeners:
                listener.begin(training)
                ends.callback(listener.end, training)
            yield
    finally:
        training.listeners = own


def refuse_memory(listeners: Sequence[Listener]) -> None:
    """Refuse listeners whose memory no checkpoint would hold."""
    for listener in listeners:
        if listener.state_dict():
            raise ValueError(
                f"fit: {type(listener).__name__} has a memory, which is saved only with the "
                "training's own listeners: give it to Training(…, listeners=[…])"
            )
