r"""Filters on logits: what to make likelier and what to rule out before a token is drawn.

Each takes logits of shape (…, V) and returns new ones of the same shape; minus infinity marks a
token that cannot be drawn. They compose in any order, since each returns what the next expects.

Example:
    >>> import numpy as np
    >>> logits = np.array([2.0, 1.0, 0.0])
    >>> top_k(logits, 2)
    array([  2.,   1., -inf])
    >>> probabilities(nucleus(temperature(logits, 0.5), 0.9)).round(3)
    array([0.881, 0.119, 0.   ])
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["log_probabilities", "nucleus", "probabilities", "temperature", "top_k"]

Logits = NDArray[np.float64]


def temperature(logits: ArrayLike, degree: float) -> Logits:
    r"""Divide the logits: below 1 the likely grow likelier, above 1 all draw level.

    As the degree falls to 0 the distribution closes in on the largest logit; 0 itself is allowed
    and means exactly that one (the first of equals), the greedy choice.

    Raises:
        ValueError: If the degree is negative or not finite.
    """
    if not 0 <= degree < np.inf:
        raise ValueError(f"temperature is {degree}; expected a finite number of 0 or more")
    z = _checked(logits)
    if degree == 0:
        return _keep(z, np.arange(z.shape[-1]) == z.argmax(axis=-1, keepdims=True))
    # Differences from the largest: at a tiny degree the others go to minus infinity, never to NaN.
    with np.errstate(over="ignore"):
        return np.asarray((z - z.max(axis=-1, keepdims=True)) / degree)


def top_k(logits: ArrayLike, k: int) -> Logits:
    """Keep the k likeliest tokens; of equals, those with the lower ids.

    Source: Fan, Lewis and Dauphin (2018), arXiv:1805.04833, section 5.4.

    Raises:
        ValueError: If k is below 1.
    """
    if k < 1:
        raise ValueError(f"top_k is {k}; expected 1 or more tokens to choose among")
    z = _checked(logits)
    return _keep(z, _rank(z) < k)


def nucleus(logits: ArrayLike, p: float) -> Logits:
    """Keep the smallest set of likeliest tokens that together have probability p or more.

    Source: Holtzman et al. (2020), arXiv:1904.09751, section 3.1.

    Raises:
        ValueError: If p is not in (0, 1].
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p is {p}; expected a probability above 0 and at most 1")
    z = _checked(logits)
    order = np.argsort(-z, axis=-1, kind="stable")
    descending = np.take_along_axis(probabilities(z), order, axis=-1)
    # A token is in the nucleus if those before it do not reach p yet; so the first always is.
    before = np.cumsum(descending, axis=-1) - descending
    return _keep(z, np.take_along_axis(before, _rank(z), axis=-1) < p)


def probabilities(logits: ArrayLike) -> Logits:
    r"""Softmax, $p_i = e^{z_i} / \sum_j e^{z_j}$, along the last axis, in float64."""
    z = _checked(logits)
    weights = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def log_probabilities(logits: ArrayLike) -> Logits:
    r"""Log-softmax, $\ln p_i = z_i - \ln \sum_j e^{z_j}$, along the last axis, in float64.

    Minus infinity where a probability is 0; never above 0, since the sum holds the term of the
    largest logit.
    """
    z = _checked(logits)
    z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


def _rank(z: Logits) -> NDArray[np.intp]:
    order = np.argsort(-z, axis=-1, kind="stable")
    return np.argsort(order, axis=-1)


def _keep(z: Logits, kept: NDArray[np.bool_]) -> Logits:
    return np.where(kept, z, -np.inf)


def _checked(logits: ArrayLike) -> Logits:
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(f"logits have shape {z.shape}; expected (…, V) with V of 1 or more")
    highest = z.max(axis=-1)
    if not np.isfinite(highest).all():
        raise ValueError(
            "logits hold NaN or +inf, or rule out every token; expected at least one finite logit "
            "in each row. A model that diverged in training gives NaN: lower its learning rate"
        )
    return z
