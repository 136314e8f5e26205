r"""The average of a model's weights along its training, which is often better than the last ones.

Late in training the weights wander around a valley of the loss; their average lies nearer to its
floor (Polyak and Juditsky, 1992, doi:10.1137/0330046). Keep one, evaluate it and save it.

Example:
    >>> import numpy as np
    >>> from tinygrad_rnn import optim
    >>> from tinygrad_rnn.data import TextStream
    >>> from tinygrad_rnn.train import LanguageModel, evaluate, fit
    >>> ids = np.random.default_rng(0).integers(0, 5, size=400)
    >>> model = LanguageModel(5, hidden=8, embedding=4, seed=0)
    >>> adam, stream = optim.Adam(model.parameters(), lr=0.1), TextStream(ids, batch=4, steps=8)
    >>> average = WeightAverage(model, decay=0.99)
    >>> fit(Training(model, adam, stream, model.loss, listeners=[average]), steps=60)
    >>> news = TextStream(np.random.default_rng(1).integers(0, 5, size=400), batch=4, steps=8)
    >>> last = evaluate(model, model.loss, news)
    >>> with average.applied():
    ...     mean = evaluate(model, model.loss, news)
    >>> mean.nats < last.nats  # it has learned less of a noise that there is nothing to learn from
    True
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.nn import Module
from tinygrad_rnn.train.listeners import Listener
from tinygrad_rnn.train.training import Training

__all__ = ["WeightAverage"]


class WeightAverage(Listener):
    r"""An exponential moving average (EMA) of a model's parameters.

    Derivation:
        Weights that are $i$ steps old count $\beta^i$, so that the average after $n$ steps is
        $$ \bar\theta_n = \frac{\sum_{i<n} \beta^i\, \theta_{n-i}}{\sum_{i<n} \beta^i}. $$
        The sum below is $(1 - \beta^n) / (1 - \beta)$. Take the newest weights out of both sums:
        $$ \bar\theta_n = \bar\theta_{n-1} + \frac{1 - \beta}{1 - \beta^n}\,
           (\theta_n - \bar\theta_{n-1}). $$
        The first average is the first weights; those from before training count nothing.

    It is kept in float64: in float32 it would stop where a thousandth of the distance to the
    weights is less than their last bit.

    Args:
        model: Whose parameters are averaged; buffers are not.
        decay: $\beta$. The average reaches back about $1/(1 - \beta)$ steps.

    Attributes:
        steps: n, how many weights were averaged.

    Raises:
        ValueError: If `decay` is not in [0, 1).

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> model = nn.Linear(1, 1, bias=False)
        >>> average = WeightAverage(model, decay=0.5)
        >>> for w in (3.0, 6.0):
        ...     _ = model.load_state_dict({"weight": np.array([[w]])})
        ...     average.update()
        >>> average.weights()["weight"], model.weight.item()
        (array([[5.]], dtype=float32), 6.0)
    """

    def __init__(self, model: Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"WeightAverage: got decay={decay}; expected 0 <= decay < 1")
        self.steps = 0
        self._model, self._decay = model, decay
        self._means: dict[str, NDArray[np.float64]] = {
            path: p.data.astype(np.float64) for path, p in model.named_parameters()
        }

    def step(self, training: Training) -> None:
        """Take the new weights in."""
        self.update()

    def update(self) -> None:
        """Take the model's weights in, as they are now."""
        self.steps += 1
        share = (1 - self._decay) / (1 - self._decay**self.steps)
        for path, p in self._model.named_parameters():
            self._means[path] += share * (p.data - self._means[path])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have its average weights in a block, and its own after it, bit for bit."""
        own = self._model.state_dict()
        self._model.load_state_dict(self._means, strict=False)
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def weights(self) -> dict[str, NDArray[Any]]:
        """A state dict of the model with the average weights."""
        with self.applied():
            return self._model.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """The average, and how many weights are in it."""
        return {"steps": self.steps, "means": {k: v.copy() for k, v in self._means.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the average that `state_dict` gave.

        Raises:
            ValueError: If it is of another model.
        """
        given = {path: mean.shape for path, mean in state["means"].items()}
        expected = {path: mean.shape for path, mean in self._means.items()}
        if given != expected:
            raise ValueError(
                f"WeightAverage: the state is of parameters {given}; expected {expected}: make the "
                "model as it was when the state was saved"
            )
        self.steps = state["steps"]
        self._means = {path: np.array(mean, np.float64) for path, mean in state["means"].items()}
