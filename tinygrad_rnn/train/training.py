r"""What changes while a model is trained, and one step of changing it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.nesting import mapped
from tinygrad_rnn.nn import Module
from tinygrad_rnn.optim import ReduceLROnPlateau, Schedule, clip_grad_norm
from tinygrad_rnn.train.listeners import Listener

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


class Steps(Protocol):
    """What training needs of an optimizer: one of `tinygrad_rnn.optim`, or `MasterWeights`."""

    @property
    def lr(self) -> float:
        """The learning rate."""

    @lr.setter
    def lr(self, value: float) -> None: ...

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def step(self) -> None:
        """Change the parameters by their gradients."""

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on."""

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
        accumulate: k, how many windows one step reads. Their gradients add up, each with its share
            of the predictions, to what a batch k times as large would give, in the memory of one.
        listeners: Those whose memory belongs to the training and is saved with it, such as
            `WeightAverage`. A state without theirs leaves them as they are.

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

    Raises:
        ValueError: If `accumulate` is less than 1.

    Example:
        Two windows of two numbers give the step that one window of four gives:

        >>> import numpy as np
        >>> from tinygrad_rnn import nn, optim
        >>> from tinygrad_rnn.data import TextStream
        >>> def trained(steps, accumulate):
        ...     w = nn.Parameter(np.zeros(()))
        ...     model = nn.Module()
        ...     model.w = w
        ...     stream = TextStream(np.arange(9), batch=1, steps=steps)
        ...     loss = lambda inputs, targets, carry: (((w - targets) ** 2.0).mean(), carry)
        ...     adam = optim.SGD(model.parameters(), lr=0.5)
        ...     Training(model, adam, stream, loss, accumulate=accumulate).advance(0)
        ...     return w.item()
        >>> trained(steps=4, accumulate=1), trained(steps=2, accumulate=2)
        (2.5, 2.5)
    """

    def __init__(
        self,
        model: Module,
        optimizer: Steps,
        stream: Stream,
        loss: Loss,
        *,
        schedule: Schedule | ReduceLROnPlateau | Callable[[float], float] | None = None,
        clip: float = math.inf,
        accumulate: int = 1,
        listeners: Sequence[Listener] = (),
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"got accumulate={accumulate}; expected 1 or more windows a step")
        self.model, self.optimizer, self.stream = model, optimizer, stream
        self.schedule = schedule
        self.listeners = list(listeners)
        self._loss, self._clip, self._accumulate = loss, clip, accumulate
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
        windows = [(self.stream.at_start, *self.stream.read()) for _ in range(self._accumulate)]
        tokens = sum(targets.size for _, _, targets in windows)
        self.loss = 0.0
        self.optimizer.zero_grad()
        for at_start, inputs, targets in windows:
            share = targets.size / tokens  # 1, unless a step reads several windows
            loss, carry = self._loss(inputs, targets, None if at_start else self.carry)
            self.loss += share * self._finite(loss.item())
            loss.backward(share)
            # The gradient stops at the window's edge (truncated BPTT); the state goes on.
            self.carry = mapped(Tensor.detach, carry)
        self.gradient_norm = clip_grad_norm(self.model.parameters(), self._clip)
        self.optimizer.step()
        # --8<-- [end:step]
        if isinstance(self.schedule, Schedule):
            self.schedule.step()
        self.recent_loss = 0.95 * self.recent_loss + 0.05 * self.loss if self.step else self.loss
        self.step += 1
        self.tokens += tokens

    def _named(self) -> dict[str, Listener]:
        """The listeners by what a checkpoint calls them."""
        kinds = [type(x).__name__ for x in self.listeners]
        return {
            kind if kinds.count(kind) == 1 else f"{kind} {kinds[:i].count(kind) + 1}": listener
            for i, (kind, listener) in enumerate(zip(kinds, self.listeners, strict=True))
        }

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {self.step + 1}: training diverged. Lower the "
                f"learning rate (it was {self.optimizer.lr:g}) or the clipping norm "
                f"({self._clip:g}), and start again or resume from the last checkpoint"
            )
        return loss

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
            "listeners": {
                name: state for name, x in self._named().items() if (state := x.state_dict())
            },
            "counters": {name: getattr(self, name) for name in COUNTERS},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ValueError: If it holds the memory of a listener that this training does not have.
        """
        # Checkpoints of the first version know no listeners.
        memories, listeners = state.get("listeners", {}), self._named()
        if unheard := set(memories) - set(listeners):
            raise ValueError(
                f"the state holds the memory of {', '.join(sorted(unheard))}, but the training's "
                f"listeners are {', '.join(listeners) or 'none'}: make it with the same listeners"
            )
        for name, memory in memories.items():
            listeners[name].load_state_dict(memory)
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
