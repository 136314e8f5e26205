r"""Dropout: in training, features are left out at random."""

from typing import Any

import numpy as np

from tinygrad_rnn.nn.arguments import check_probability
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.ops import dropout


class Dropout(Module):
    r"""Sets features to zero with probability `p` in training, and does nothing in use.

    Those that stay are divided by $1 - p$, so that the expected sum is the same in both modes
    (Srivastava et al. 2014, "inverted").

    Args:
        p: the probability, in [0, 1].
        seed: an integer, or the generator to draw from.

    Attributes:
        generator: the generator, of its own unless one was given.

    Raises:
        ValueError: if `p` is no probability.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> drop = nn.Dropout(0.5, seed=0)
        >>> drop(np.ones(6))
        array([2., 2., 2., 0., 0., 0.])
        >>> drop.eval()(np.ones(6))
        array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, seed: Seed = None) -> None:
        check_probability("Dropout", "p", p)
        self.p = p
        self.generator = np.random.default_rng(seed)

    def forward(self, x: Any) -> Any:
        """Drop features of `x`, of any shape, if in training."""
        return dropout(x, self.p, self.generator) if self.training else x

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
