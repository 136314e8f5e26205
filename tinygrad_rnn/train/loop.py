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
from collections.abc import Callable, Sequence

from tinygrad_rnn.train.interruption import interrupt_held_back
from tinygrad_rnn.train.training import Training

__all__ = ["Every", "fit"]


class Every:
    """Does something now and then while training goes on, and once more at its end.

    Args:
        action: Called with the training.
        steps: Every so many steps, counted from the first, so that a resumed run keeps the beat.
        seconds: Every so many seconds of training time.

    Raises:
        ValueError: If not exactly one of `steps` and `seconds` is given, or it is not positive.
    """

    def __init__(
        self,
        action: Callable[[Training], object],
        *,
        steps: int | None = None,
        seconds: float | None = None,
    ) -> None:
        if (steps is None) == (seconds is None) or (steps or seconds or 0) <= 0:
            raise ValueError(
                f"got steps={steps}, seconds={seconds}; expected exactly one of them, above 0"
            )
        self.action = action
        self.steps = steps
        self.seconds = seconds
        self._last_step = -1
        self._last_second = 0.0

    def __call__(self, training: Training) -> None:
        """Act, if it is time to."""
        if self.steps is not None:
            due = training.step % self.steps == 0
        else:
            due = training.seconds - self._last_second >= (self.seconds or 0)
        if due:
            self._act(training)

    def finish(self, training: Training) -> None:
        """Act, unless this step has been acted on already, here or before a resume."""
        on_the_beat = self.steps is not None and training.step % self.steps == 0
        if not on_the_beat and training.step != self._last_step:
            self._act(training)

    def _act(self, training: Training) -> None:
        self._last_step, self._last_second = training.step, training.seconds
        self.action(training)


def fit(
    training: Training,
    *,
    steps: int,
    seconds: float = math.inf,
    listeners: Sequence[Every] = (),
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
        listeners: Called after each step: progress, journal, evaluation.
        save: Called after the listeners, at the very end, and when Ctrl-C is pressed.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once the step at hand is done and saved.
        FloatingPointError: If the loss is no longer finite.
    """
    started = time.monotonic() - training.seconds
    with interrupt_held_back() as interrupted:
        while not (training.stopped or interrupted()):
            progress = max(training.step / steps, training.seconds / seconds)
            if progress >= 1:
                break
            training.advance(progress)
            for listener in (*listeners, *([save] if save else [])):
                training.seconds = time.monotonic() - started
                listener(training)
            training.seconds = time.monotonic() - started
        # A run that was killed after its end and resumed has nothing left to do.
        if not interrupted() and training.finished_at != training.step:
            training.finished_at = training.step
            for listener in listeners:
                listener.finish(training)
        if save:
            save.action(training)
        if interrupted():
            raise KeyboardInterrupt
