r"""What changes while a model is trained, and one step of changing it."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeGuard

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.nesting import mapped
from tinygrad_rnn.nn import Module
from tinygrad_rnn.optim import Optimizer, ReduceLROnPlateau, Schedule, clip_grad_norm

__all__ = ["Training"]

Loss = Callable[[Any, Any, Any], tuple[Tensor, Any]]
"""`(inputs, targets, carry) -> (mean loss, carry)`. Carry is the state that flows from one window
into the next, a nest of tensors, and None at the start of the text."""

COUNTERS = (
    *("step", "tokens", "seconds", "loss", "recent_loss", "gradient_norm"),
    *("best", "best_step", "stale", "stopped", "finished_at"),
)


class Stream(Protocol):
    """An endless, resumable sequence of pairs of inputs and targets."""

    @property
    def at_start(self) -> bool:
        """Whether the next pair has nothing to do with the one before."""

    def read(self) -> tuple[Any, Any]:
        """The next pair; targets are an array, whose size counts the predictions."""

    def state_dict(self) -> dict[str, Any]:
        """Where reading stands."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""


class Training:
    r"""A model with everything that its next step depends on.

    `state_dict` is complete: a training that loads it takes the same steps, bit for bit, as the
    one that it was taken from.

    Args:
        model: What is trained.
        optimizer: Changes the model's parameters.
        stream: Where windows of inputs and targets come from, such as a `TextStream`.
        loss: See `Loss`.
        schedule: Changes the learning rate. Either a schedule of `tinygrad_rnn.optim`, stepped
            after each step (or, `ReduceLROnPlateau`, by `EarlyStopping` after each evaluation); or
            a function from progress, which runs from 0 to 1, to the rate.
        clip: Largest allowed norm of the whole gradient.

    Attributes:
        step: Steps taken.
        tokens: Predictions made in them.
        seconds: Time they took, evaluations included.
        loss: The last step's loss, in nats.
        recent_loss: Its exponential average over the last twenty steps or so.
        gradient_norm: The last step's, before clipping.
        best: The lowest held-out loss so far, and `best_step` its step.
        stale: How many evaluations have passed since.
        stopped: Set by a listener to end training.
        finished_at: The step after which `fit` came to its end, -1 before.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        stream: Stream,
        loss: Loss,
        *,
        schedule: Schedule | ReduceLROnPlateau | Callable[[float], float] | None = None,
        clip: float = math.inf,
    ) -> None:
        self.model, self.optimizer, self.stream = model, optimizer, stream
        self.schedule = schedule
        self._loss, self._clip = loss, clip
        self.carry: Any = None
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.loss = self.recent_loss = self.gradient_norm = math.nan
        self.best, self.best_step, self.stale = math.inf, 0, 0
        self.stopped, self.finished_at = False, -1

    def advance(self, progress: float) -> None:
        """Take one step.

        Raises:
            FloatingPointError: If the loss is not finite; the weights are still those before.
        """
        if callable(self.schedule):
            self.optimizer.lr = self.schedule(progress)
        # --8<-- [start:step]
        if self.stream.at_start:
            self.carry = None
        inputs, targets = self.stream.read()
        loss, carry = self._loss(inputs, targets, self.carry)
        self.loss = loss.item()
        if not math.isfinite(self.loss):
            raise FloatingPointError(
                f"the loss is {self.loss} at step {self.step + 1}: training diverged. Lower the "
                f"learning rate (it was {self.optimizer.lr:g}) or the clipping norm "
                f"({self._clip:g}), and start again or resume from the last checkpoint"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.gradient_norm = clip_grad_norm(self.model.parameters(), self._clip)
        self.optimizer.step()
        if isinstance(self.schedule, Schedule):
            self.schedule.step()
        # The gradient stops at the window's edge (truncated BPTT); the state goes on.
        self.carry = mapped(Tensor.detach, carry)
        # --8<-- [end:step]
        self.recent_loss = 0.95 * self.recent_loss + 0.05 * self.loss if self.step else self.loss
        self.step += 1
        self.tokens += targets.size

    def report(self) -> dict[str, float]:
        """Where training stands, in numbers, for a journal."""
        return {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "loss": self.loss,
            "bits": self.loss / math.log(2),
            "gradient_norm": self.gradient_norm,
            "rate": self.optimizer.lr,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, for `save_checkpoint`."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if has_state(self.schedule) else None,
            "stream": self.stream.state_dict(),
            "rngs": {name: rng.bit_generator.state for name, rng in self.model.named_generators()},
            "carry": mapped(Tensor.numpy, self.carry),
            "counters": {name: getattr(self, name) for name in COUNTERS},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if has_state(self.schedule):
            self.schedule.load_state_dict(state["schedule"])
        self.stream.load_state_dict(state["stream"])
        for name, rng in self.model.named_generators():
            rng.bit_generator.state = state["rngs"][name]
        self.carry = mapped(Tensor, state["carry"])
        for name in COUNTERS:
            setattr(self, name, state["counters"][name])


def has_state(schedule: object) -> TypeGuard[Schedule | ReduceLROnPlateau]:
    """Whether a schedule remembers something; a function of progress does not."""
    return isinstance(schedule, Schedule | ReduceLROnPlateau)
