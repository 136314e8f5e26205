r"""Drawing the next token from a model's logits.

Example:
    >>> import numpy as np
    >>> logits = np.array([0.1, 3.0, 0.2])
    >>> greedy(logits)
    array(1)
    >>> sampler = Sampler(temperature=0.8, top_k=2)
    >>> [int(sampler(logits, np.random.default_rng(seed))) for seed in range(6)]
    [1, 1, 1, 1, 1, 1]
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.decode import filters

__all__ = ["Sampler", "categorical", "greedy", "quantile"]


def greedy(logits: ArrayLike) -> NDArray[np.int64]:
    """The likeliest token; of equals, the one with the lowest id.

    Args:
        logits: (…, V).

    Returns:
        Ids, int64, (…).
    """
    likeliest = filters.temperature(logits, 0)
    return np.asarray(likeliest.argmax(axis=-1), dtype=np.int64)


def categorical(logits: ArrayLike, rng: np.random.Generator) -> NDArray[np.int64]:
    r"""Draw from softmax(logits) by inverting its distribution function.

    One uniform number u in [0, 1) a row: the token drawn is the first whose cumulated probability
    exceeds u. A token with logit minus infinity adds nothing to it and is never drawn.

    Args:
        logits: (…, V).
        rng: Where the uniform numbers come from.

    Returns:
        Ids, int64, (…).

    Raises:
        TypeError: If `rng` is not a NumPy generator.
    """
    check_generator(rng)
    return quantile(logits, rng.random(np.shape(logits)[:-1]))


def quantile(logits: ArrayLike, u: ArrayLike) -> NDArray[np.int64]:
    """The tokens at which the distribution functions of softmax(logits) pass `u`.

    Args:
        logits: (…, V).
        u: Numbers in [0, 1), (…).

    Returns:
        Ids, int64, (…).

    Example:
        >>> quantile(np.log([0.5, 0.3, 0.2]), 0.6)
        array(1)
    """
    cumulated = np.cumsum(filters.probabilities(logits), axis=-1)
    # Rounding leaves the last entry a hair off 1; u must stay below it, or no token would exceed u.
    total = cumulated[..., -1:]
    passed = np.minimum(np.asarray(u)[..., None] * total, np.nextafter(total, 0))
    return np.asarray((cumulated <= passed).sum(axis=-1), dtype=np.int64)


def check_generator(rng: np.random.Generator) -> None:
    """Say what chance must come from.

    Raises:
        TypeError: If it is something else than a NumPy generator.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng is a {type(rng).__name__}; expected a NumPy generator, such as "
            "numpy.random.default_rng(seed)"
        )


@dataclass(frozen=True)
class Sampler:
    """Temperature, then top-k, then nucleus, then a draw.

    Args:
        temperature: 0 is greedy, 1 the model's own distribution.
        top_k: Draw among the k likeliest tokens only.
        top_p: Draw within the nucleus of this probability only.

    Raises:
        ValueError: If a setting is out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        # A bad setting should be reported where it is made, not at the first draw.
        self.filtered(np.zeros(1))

    def filtered(self, logits: ArrayLike) -> NDArray[np.float64]:
        """The logits (…, V) that the draw is made from."""
        z = filters.temperature(logits, self.temperature)
        if self.top_k is not None:
            z = filters.top_k(z, self.top_k)
        if self.top_p is not None:
            z = filters.nucleus(z, self.top_p)
        return z

    def __call__(self, logits: ArrayLike, rng: np.random.Generator) -> NDArray[np.int64]:
        """Ids (…) drawn for logits (…, V)."""
        return categorical(self.filtered(logits), rng)
