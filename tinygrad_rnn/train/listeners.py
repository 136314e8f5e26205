r"""What hears how training goes: something to do after each step, now and then, or at the end.

A listener is a class with the methods that it needs; the others do nothing. This one stops training
once the gradient has vanished:

    >>> class StopWhenFlat(Listener):
    ...     def step(self, training):
    ...         training.stopped = training.gradient_norm < 1e-6

What happens now and then needs no class: `Every(lambda run: print(run.loss), steps=100)`.

Give `fit` those that look on, such as a display. One with a memory that decides how training goes
on, or what is made of it, belongs to the `Training` itself, which saves and restores the memory.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_rnn.train.evaluation import Evaluation
    from tinygrad_rnn.train.training import Training

__all__ = ["Every", "Listener"]


class Listener:
    """The base of listeners; every method but `load_state_dict` may be left as it is."""

    def begin(self, training: "Training") -> None:
        """`fit` was called, for a new run or to go on with an old one."""

    def step(self, training: "Training") -> None:
        """A step has been taken."""

    def evaluated(self, training: "Training", result: "Evaluation") -> None:
        """`EarlyStopping` has evaluated the model on held-out data."""

    def finish(self, training: "Training") -> None:
        """Training has come to its end: once in a run's life, and not after an interruption."""

    def end(self, training: "Training") -> None:
        """`fit` is about to return or to raise: close what `begin` opened."""

    def state_dict(self) -> dict[str, Any]:
        """What is remembered, for a checkpoint; nothing by default."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember that again; to be defined together with `state_dict`."""
        raise NotImplementedError(
            f"{type(self).__name__} has a state_dict, but no load_state_dict(self, state)"
        )


class Every(Listener):
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
        action: "Callable[[Training], object]",
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

    def step(self, training: "Training") -> None:
        """Act, if it is time to."""
        if self.steps is not None:
            due = training.step % self.steps == 0
        else:
            due = training.seconds - self._last_second >= (self.seconds or 0)
        if due:
            self._act(training)

    def finish(self, training: "Training") -> None:
        """Act, unless this step has been acted on already, here or before a resume."""
        on_the_beat = self.steps is not None and training.step % self.steps == 0
        if not on_the_beat and training.step != self._last_step:
            self._act(training)

    def _act(self, training: "Training") -> None:
        self._last_step, self._last_second = training.step, training.seconds
        self.action(training)
