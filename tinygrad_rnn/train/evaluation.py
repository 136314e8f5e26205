r"""How good a model is on text that it was not trained on."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tinygrad_rnn.data import TextStream
from tinygrad_rnn.engine import no_grad
from tinygrad_rnn.nn import Module
from tinygrad_rnn.optim import ReduceLROnPlateau
from tinygrad_rnn.train.training import Loss, Training

__all__ = ["EarlyStopping", "Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    r"""The mean surprise of a text, $-\frac1N \sum_t \ln p(x_t \mid x_{<t})$.

    Attributes:
        nats: That mean, in units of ln e.
        tokens: N.

    Example:
        A coin toss is worth one bit, and as surprising as a choice among two:

        >>> import math
        >>> toss = Evaluation(nats=math.log(2), tokens=1000)
        >>> toss.bits, toss.perplexity
        (1.0, 2.0)
    """

    nats: float
    tokens: int

    @property
    def bits(self) -> float:
        """The mean in units of ln 2: bits per token (per character, in a character model)."""
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens a guess would be as hard, e to the nats."""
        return math.exp(self.nats)


def evaluate(model: Module, loss: Loss, stream: TextStream) -> Evaluation:
    """Read a stream once from its start, in evaluation mode and without a graph.

    Args:
        model: Switched to evaluation mode for the while.
        loss: As given to `Training`.
        stream: The held-out text; make it with `keep_last=True` to count all of it.
    """
    was_training = model.training
    stream.load_state_dict({"epoch": 0, "position": 0})
    nats, tokens, carry = 0.0, 0, None
    model.eval()
    try:
        with no_grad():
            for inputs, targets in stream:
                mean, carry = loss(inputs, targets, carry)
                nats += mean.item() * targets.size
                tokens += targets.size
    finally:
        model.train(was_training)
    return Evaluation(nats / tokens, tokens)


class EarlyStopping:
    """Evaluates, remembers the best, and stops training when it no longer improves.

    The memory is in the training, so a resumed run stops where an uninterrupted one would.

    Args:
        evaluation: Makes the held-out evaluation.
        patience: Stop after so many evaluations without a new best; by default never.
        on_evaluation: Called with the training and each evaluation, for a journal.
        on_best: Called with the training after each new best, to save it.
    """

    def __init__(
        self,
        evaluation: Callable[[], Evaluation],
        *,
        patience: float = math.inf,
        on_evaluation: Callable[[Training, Evaluation], object] = lambda training, result: None,
        on_best: Callable[[Training], object] = lambda training: None,
    ) -> None:
        if not patience >= 1:
            raise ValueError(f"patience is {patience}; expected 1 or more evaluations")
        self._evaluation, self._patience = evaluation, patience
        self._on_evaluation, self._on_best = on_evaluation, on_best

    def __call__(self, training: Training) -> None:
        """Evaluate once."""
        result = self._evaluation()
        self._on_evaluation(training, result)
        for listener in training.listeners:
            listener.evaluated(training, result)
        if isinstance(training.schedule, ReduceLROnPlateau):
            training.schedule.step(result.nats)
        if result.nats < training.best:
            training.best, training.best_step, training.stale = result.nats, training.step, 0
            self._on_best(training)
        else:
            training.stale += 1
            training.stopped = training.stale >= self._patience
