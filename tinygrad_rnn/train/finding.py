r"""A learning rate to start with, found in one short run.

Example:
    >>> import numpy as np
    >>> from tinygrad_rnn import optim
    >>> from tinygrad_rnn.data import TextStream
    >>> from tinygrad_rnn.train import LanguageModel, Training
    >>> ids = np.tile(np.arange(5), 60)
    >>> model = LanguageModel(5, hidden=8, embedding=4, seed=0)
    >>> adam = optim.Adam(model.parameters())
    >>> training = Training(model, adam, TextStream(ids, batch=4, steps=8), model.loss)
    >>> adam.lr = find_rate(training).suggestion
    >>> bool(1e-3 < adam.lr < 1)
    True
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.train.training import Training

__all__ = ["RateCurve", "find_rate"]

SMOOTHING = 0.9
HOPELESS = 4.0
"""The search ends where the loss is so many times the lowest before it."""


@dataclass(frozen=True)
class RateCurve:
    """How the loss went while the learning rate rose.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss from which that step started.
        smoothed: A running mean of the losses.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the smoothed loss was lowest.

        There steps begin to overshoot, so it is near the largest rate that trains at all; a tenth
        leaves room for the valleys that come later, which are narrower. Use it as the highest rate
        of a schedule. Of RNN, LSTM and GRU under Adam it met the best constant rate, searched in
        steps of three, within one such step; under plain SGD it was ten times too careful.

        Raises:
            ValueError: If the loss never fell.
        """
        k = int(self.smoothed.argmin())
        if k == 0:
            raise ValueError(
                f"find_rate: the loss never fell below that of the lowest rate, {self.rates[0]:g}; "
                "search from a lower rate, with more steps, or look for a fault in the loss"
            )
        return float(self.rates[k]) / 10


def find_rate(
    training: Training, *, lowest: float = 1e-6, highest: float = 10.0, steps: int = 100
) -> RateCurve:
    """Train for a moment while the learning rate rises, to see which it can bear.

    The rate grows by the same factor at each step, till the last step or till the loss has
    exploded. All groups of the optimizer get the same rate. Afterwards the training is as it was
    before, bit for bit: weights, optimizer, schedule, place in the text, random generators.

    Source: Smith, *Cyclical learning rates for training neural networks*, WACV 2017,
    arXiv:1506.01186, section 3.3, with a rate that grows by factors.

    Args:
        training: What would be trained.
        lowest: The first rate.
        highest: The last rate.
        steps: How many steps at most.

    Returns:
        The curve, and its `suggestion`.

    Raises:
        ValueError: If not 0 < lowest < highest, or there are less than 10 steps.
    """
    if not 0 < lowest < highest < math.inf or steps < 10:
        raise ValueError(
            f"find_rate: got lowest={lowest}, highest={highest}, steps={steps}; expected "
            "0 < lowest < highest and 10 steps or more"
        )
    state, schedule = training.state_dict(), training.schedule
    training.schedule = lambda progress: lowest * (highest / lowest) ** progress
    try:
        rates, losses = climb(training, steps)
    finally:
        training.schedule = schedule
        training.load_state_dict(state)
        training.optimizer.zero_grad()
    return RateCurve(np.array(rates), np.array(losses), running_mean(np.array(losses)))


def climb(training: Training, steps: int) -> tuple[list[float], list[float]]:
    """Rates and losses of a training whose rate rises, till it explodes."""
    rates: list[float] = []
    losses: list[float] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            try:
                training.advance(step / (steps - 1))
            except FloatingPointError:
                break
            rates.append(training.optimizer.lr)
            losses.append(training.loss)
            if training.loss > HOPELESS * min(losses):
                break
    return rates, losses


def running_mean(xs: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""$\sum_{i} \beta^i x_{t-i} / \sum_i \beta^i$, at each $t$."""
    means, mean = [], 0.0
    for n, x in enumerate(xs, start=1):
        mean += (1 - SMOOTHING) / (1 - SMOOTHING**n) * (x - mean)
        means.append(mean)
    return np.array(means)
