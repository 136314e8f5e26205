r"""Forecasts of several steps: the baselines to beat, and two ways to use a model.

Everything takes windows as `forecast_windows` gives them, `past` of shape (W, T, channels), and
returns forecasts of shape (W, horizon, channels).

- `persistence` and `seasonal_naive` repeat what was last. A model that does not beat them has
  learned nothing yet.
- `recursive_forecast` feeds a model of one step its own forecasts: one model for any horizon, whose
  errors add up.
- `direct_forecast` asks one model for each step ahead: no errors are fed back, and the models do
  not know of each other (Ben Taieb, Bontempi, Atiya and Sorjamaa 2012,
  doi:10.1016/j.eswa.2012.01.039).

Example:
    >>> import numpy as np
    >>> past = np.array([[[1.0], [2.0], [4.0]]])
    >>> persistence(past, horizon=2).ravel()
    array([4., 4.])
    >>> recursive_forecast(lambda past: 2 * past[:, -1], past, horizon=3).ravel()
    array([ 8., 16., 32.])
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Model", "direct_forecast", "persistence", "recursive_forecast", "seasonal_naive"]

Array = NDArray[Any]

Model = Callable[..., Any]
"""A fitted model: `model(past)`, or `model(past, known)` with the (W, K) inputs that are known for
the step to forecast. It returns that step, (W, D), as an array or a tensor."""


def persistence(past: ArrayLike, horizon: int) -> Array:
    """Tomorrow is as today: the last step of each window, repeated.

    Args:
        past: (W, T, …), the channels to forecast.
        horizon: Steps to forecast.

    Returns:
        (W, horizon, …).

    Raises:
        ValueError: If there is no step to repeat, or none to forecast.
    """
    return seasonal_naive(past, horizon, season=1)


def seasonal_naive(past: ArrayLike, horizon: int, season: int) -> Array:
    """Tomorrow is as a season ago: the last `season` steps of each window, repeated.

    Args:
        past: (W, T, …), the channels to forecast, T being at least a season.
        horizon: Steps to forecast.
        season: Steps in a season, such as 24 hours.

    Returns:
        (W, horizon, …).

    Raises:
        ValueError: If a window is shorter than a season, or a size is below 1.

    Example:
        >>> seasonal_naive(np.array([[9.0, 1.0, 2.0]]), horizon=3, season=2)
        array([[1., 2., 1.]])
    """
    windows = checked(past, horizon)
    if not 1 <= season <= windows.shape[1]:
        raise ValueError(
            f"season is {season}, and the windows have {windows.shape[1]} steps; expected a season "
            "of at least 1 step that fits into them: make the windows longer"
        )
    return windows[:, -season:][:, np.arange(horizon) % season]


def recursive_forecast(
    model: Model, past: ArrayLike, horizon: int, known: ArrayLike | None = None
) -> Array:
    """Forecast step by step: each forecast joins the past of the next, the oldest step leaves it.

    Args:
        model: Forecasts one step, all C channels of the series, from (W, T, C + K).
        past: (W, T, C + K), the channels of the series and then those known ahead.
        horizon: Steps to forecast.
        known: (W, horizon, K), the known inputs of the steps to forecast. If given, the model is
            called with those of its step too.

    Returns:
        (W, horizon, C), in the dtype of the windows.

    Raises:
        ValueError: If shapes disagree, in particular if the model forecasts fewer channels than
            it reads.

    Example:
        >>> past, known = np.zeros((1, 3, 2)), np.array([[[1.0], [5.0]]])
        >>> recursive_forecast(lambda past, now: past[:, -1, :1] + now, past, 2, known).ravel()
        array([1., 6.])
    """
    windows, inputs = checked(past, horizon), known_inputs(known, horizon)
    forecasts = []
    for h in range(horizon):
        now = () if inputs is None else (inputs[:, h],)
        forecast = np.asarray(model(windows, *now)).astype(windows.dtype)
        row = np.concatenate([forecast, *now], axis=-1)
        if row.shape != windows[:, 0].shape:
            raise ValueError(
                f"the model forecasts {forecast.shape} from windows of {windows.shape} with "
                f"{row.shape[-1] - forecast.shape[-1]} inputs known ahead; expected "
                f"{windows[:, 0].shape} in all, every channel that the next step reads: forecast "
                "all of them, or use direct_forecast"
            )
        windows = np.concatenate([windows[:, 1:], row[:, None].astype(windows.dtype)], axis=1)
        forecasts.append(forecast)
    return np.stack(forecasts, axis=1)


def direct_forecast(
    models: Sequence[Model], past: ArrayLike, known: ArrayLike | None = None
) -> Array:
    """Forecast every step from the past itself, by a model of its own.

    Args:
        models: One for each step ahead, in order; as many as the horizon.
        past: (W, T, channels).
        known: (W, horizon, K), the known inputs of the steps to forecast. If given, each model is
            called with those of its step too.

    Returns:
        (W, horizon, D).

    Raises:
        ValueError: If there are no models or shapes disagree.

    Example:
        >>> double, triple = (lambda past: 2 * past[:, -1]), (lambda past: 3 * past[:, -1])
        >>> direct_forecast([double, triple], np.ones((1, 4, 1))).ravel()
        array([2., 3.])
    """
    windows, inputs = checked(past, len(models)), known_inputs(known, len(models))
    steps = [() if inputs is None else (inputs[:, h],) for h in range(len(models))]
    forecasts = [np.asarray(f(windows, *now)) for f, now in zip(models, steps, strict=True)]
    return np.stack(forecasts, axis=1)


def checked(past: ArrayLike, horizon: int) -> Array:
    """Windows with at least one step to go by, for at least one to forecast."""
    windows = np.asarray(past)
    if windows.ndim < 2 or not windows.shape[1]:
        raise ValueError(f"past has shape {windows.shape}; expected (W, T, …) with T of 1 or more")
    if horizon < 1:
        raise ValueError(f"the horizon is {horizon}; expected 1 or more steps to forecast")
    return windows


def known_inputs(known: ArrayLike | None, horizon: int) -> Array | None:
    """What is known ahead for each step to forecast, if anything is."""
    if known is None:
        return None
    inputs = np.asarray(known)
    if inputs.ndim != 3 or inputs.shape[1] != horizon:
        raise ValueError(
            f"known has shape {inputs.shape}; expected (W, {horizon}, K), inputs for each of the "
            f"{horizon} steps to forecast"
        )
    return inputs if inputs.shape[2] else None
