r"""How good a forecast is, in numbers that can be compared between series.

All three take any shapes that agree, and average over everything. `pinball` is made of ops: of
tensors it is a tensor, a loss to descend.

Example:
    >>> import numpy as np
    >>> training, target = np.array([1.0, 3.0, 2.0, 4.0]), np.array([5.0, 3.0])
    >>> round(mase(np.array([4.0, 4.0]), target, training), 3)
    0.6
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.ops import maximum, mean, reshape

__all__ = ["mase", "pinball", "smape"]


def mase(prediction: ArrayLike, target: ArrayLike, training: ArrayLike, season: int = 1) -> float:
    r"""Mean absolute scaled error: 1 is as good as the seasonal-naive forecast of the next step.

    $$\operatorname{mean} |y - \hat y| \Big/ \operatorname{mean}_t |x_t - x_{t-m}|$$
    The scale comes from the training part $x$ alone, for each channel by itself (Hyndman and
    Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001).

    Args:
        prediction: $\hat y$, (…, C), or any shape if the training part has no channels.
        target: $y$, of the same shape.
        training: $x$, (N, C) or (N,).
        season: $m$, steps in a season; 1 compares with persistence.

    Raises:
        ValueError: If shapes disagree, the training part is not longer than a season, or does
            not change from season to season, which leaves nothing to compare with.
    """
    error = np.abs(difference("mase", prediction, target))
    past = np.asarray(training, dtype=np.float64)
    if past.ndim not in (1, 2) or past.shape[1:] not in ((), error.shape[-1:]):
        raise ValueError(
            f"mase: got a training part of shape {past.shape} for forecasts of shape "
            f"{error.shape}; expected (N,), or (N, C) with their channels"
        )
    if not 1 <= season < len(past):
        raise ValueError(
            f"mase: got season={season} and a training part of {len(past)} steps; expected a "
            "season of 1 or more and a longer training part"
        )
    scale = np.abs(past[season:] - past[:-season]).mean(axis=0)
    if not np.all(scale > 0):
        raise ValueError(
            f"mase: the training part repeats itself every {season} steps exactly in a channel, so "
            "the naive forecast is perfect; expected one that changes: use another measure"
        )
    return float(np.mean(error / scale))


def smape(prediction: ArrayLike, target: ArrayLike) -> float:
    r"""Symmetric mean absolute percentage error, as a fraction from 0 to 2.

    $2 |y - \hat y| / (|y| + |\hat y|)$, which counts as 0 where both are 0: the form of the M3 and
    M4 competitions, there in per cent (Makridakis and Hibon 2000,
    doi:10.1016/S0169-2070(00)00057-1).

    Args:
        prediction: $\hat y$, any shape.
        target: $y$, of the same shape.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> smape(np.array([110.0, 0.0]), np.array([90.0, 0.0]))
        0.1
    """
    error = np.abs(difference("smape", prediction, target))
    size = np.abs(np.asarray(prediction, np.float64)) + np.abs(np.asarray(target, np.float64))
    return float(np.mean(2 * error / np.where(size == 0, 1.0, size)))


def pinball(prediction: Any, target: Any, quantiles: Sequence[float]) -> Any:
    r"""Pinball loss of forecast quantiles; the quantiles themselves make its mean least.

    With the error $e = y - \hat y_q$ it is $\max(q e, (q - 1) e)$: too low costs $q$ a unit, too
    high $1 - q$ (Koenker and Bassett 1978, doi:10.2307/1913643). For $q = \frac12$ it is half the
    absolute error. Of arrays it is a metric, of tensors a differentiable loss.

    Args:
        prediction: $\hat y$, (…, Q), one for each quantile, array or tensor.
        target: $y$, (…).
        quantiles: Q levels $q$ strictly between 0 and 1.

    Returns:
        The mean over everything, a number or a tensor of shape ().

    Raises:
        ValueError: If the shapes disagree, or a level is not between 0 and 1.

    Example:
        >>> round(float(pinball(np.array([[1.0, 4.0]]), np.array([3.0]), [0.25, 0.75])), 3)
        0.375
        >>> import tinygrad_rnn as tg
        >>> forecast = tg.tensor([[1.0, 4.0]], requires_grad=True)
        >>> pinball(forecast, tg.tensor([3.0]), [0.25, 0.75]).backward()
        >>> forecast.grad
        tensor([[-0.125,  0.125]])
    """
    levels = np.asarray(quantiles, dtype=np.float64)
    if levels.ndim != 1 or not np.all((levels > 0) & (levels < 1)):
        raise ValueError(f"pinball: got quantiles={quantiles!r}; expected levels between 0 and 1")
    if np.shape(prediction) != (*np.shape(target), levels.size):
        raise ValueError(
            f"pinball: got a prediction of shape {np.shape(prediction)} and a target of shape "
            f"{np.shape(target)}; expected the target's shape and one axis more, for the "
            f"{levels.size} quantiles"
        )
    error = reshape(target, (*np.shape(target), 1)) - prediction
    weights = levels.astype(error.dtype)
    return mean(maximum(weights * error, (weights - 1) * error))


def difference(call: str, prediction: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Forecast minus target in float64; shapes must agree, lest a mean be taken over all pairs."""
    if np.shape(prediction) != np.shape(target):
        raise ValueError(
            f"{call}: got a prediction of shape {np.shape(prediction)} and a target of shape "
            f"{np.shape(target)}; expected equal shapes"
        )
    return np.asarray(prediction, np.float64) - np.asarray(target, np.float64)
