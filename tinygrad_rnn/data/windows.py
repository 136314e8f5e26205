r"""Windows of a series, each with the steps that follow it.

`sliding_windows` cuts an array. `forecast_windows` is for forecasts: it knows of targets among the
channels, of inputs whose future is known, and of the part of a split that a window must lie in.

Example:
    >>> import numpy as np
    >>> inputs, targets = sliding_windows(np.arange(6), length=3)
    >>> inputs
    array([[0, 1, 2],
           [1, 2, 3],
           [2, 3, 4]])
    >>> targets
    array([[3],
           [4],
           [5]])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ForecastWindows", "forecast_windows", "sliding_windows"]

Array = NDArray[Any]


def sliding_windows(
    series: Array, length: int, horizon: int = 1, stride: int = 1
) -> tuple[Array, Array]:
    """All windows of a series, with the `horizon` steps after each.

    To keep held-out data unseen, split the series first and window each part by itself: windows
    that overlap a later cut would carry its far side into the training set.

    Args:
        series: Array of shape (N, …), time first.
        length: Steps in a window.
        horizon: Steps to predict after it; may be 0.
        stride: Steps between the starts of neighbouring windows.

    Returns:
        Inputs (W, length, …) and targets (W, horizon, …): read-only views of the series, with
        W = ⌊(N - length - horizon) / stride⌋ + 1.

    Raises:
        ValueError: If a size is out of range or no window fits.
    """
    if length < 1 or horizon < 0 or stride < 1:
        raise ValueError(
            f"got length={length}, horizon={horizon}, stride={stride}; expected length and stride "
            "of 1 or more and horizon of 0 or more"
        )
    if len(series) < length + horizon:
        raise ValueError(
            f"a series of {len(series)} steps has no window of {length} steps followed by "
            f"{horizon}; expected at least {length + horizon} steps"
        )
    view = np.lib.stride_tricks.sliding_window_view(series, length + horizon, axis=0)[::stride]
    windows = np.moveaxis(view, -1, 1)
    return windows[:, :length], windows[:, length:]


@dataclass(frozen=True)
class ForecastWindows:
    """W windows of a series, what is known ahead, and what to forecast.

    Attributes:
        past: (W, length, C + K), the series' channels and then the known inputs, before the
            origin.
        ahead: (W, horizon, K), the known inputs from the origin on; K may be 0.
        targets: (W, horizon, D), the channels to forecast, from the origin on.
        origins: (W,), int64: the step of the series at which each forecast begins.
    """

    past: Array
    ahead: Array
    targets: Array
    origins: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, indices: Any) -> "ForecastWindows":
        """Some of the windows: a slice, a mask, or indices such as `minibatches` gives.

        Example:
            >>> windows = forecast_windows(np.arange(6.0), length=2)
            >>> windows[[3, 0]].targets.ravel()
            array([5., 2.])
        """
        if np.ndim(indices) == 0 and not isinstance(indices, slice):
            raise TypeError(
                f"got windows[{indices!r}]; expected a slice or an array of indices, which keeps "
                f"the first axis: windows[[{indices!r}]]"
            )
        return ForecastWindows(
            self.past[indices], self.ahead[indices], self.targets[indices], self.origins[indices]
        )


def forecast_windows(
    series: ArrayLike,
    length: int,
    horizon: int = 1,
    *,
    stride: int = 1,
    targets: Sequence[int] | None = None,
    known: ArrayLike | None = None,
    within: slice | None = None,
) -> ForecastWindows:
    """All windows of a series or of one part of it, with what is to be forecast from each.

    A window and its horizon lie in the part together: no window straddles a split. What a model
    may read, `past` and `ahead`, holds nothing of the series from the origin on.

    Args:
        series: (N, C), or (N,) for one channel.
        length: Steps of the past in a window.
        horizon: Steps to forecast.
        stride: Steps between the starts of neighbouring windows.
        targets: Which channels to forecast, D of them; all, unless given.
        known: (N, K): inputs that are known ahead for each step of the series, such as the hour of
            the day, holidays, or a weather forecast. (N,) for K = 1.
        within: The part of the series to stay in, such as one of `chronological_split`.

    Returns:
        The windows; read-only views as far as NumPy can.

    Raises:
        ValueError: If shapes disagree, a size is out of range, or no window fits.

    Example:
        >>> demand, hour = np.arange(10.0, 16.0), np.arange(6.0)
        >>> windows = forecast_windows(demand, length=2, horizon=2, known=hour)
        >>> windows.past[0]
        array([[10.,  0.],
               [11.,  1.]])
        >>> windows.ahead[0].ravel(), windows.targets[0].ravel()
        (array([2., 3.]), array([12., 13.]))
        >>> windows.origins
        array([2, 3, 4])
    """
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; expected 1 or more steps to forecast")
    values = in_channels("series", series)
    inputs = values if known is None else joined(values, in_channels("known", known))
    start, stop = bounds(within, len(values))
    past, future = sliding_windows(inputs[start:stop], length, horizon, stride)
    C = values.shape[1]
    chosen = slice(0, C) if targets is None else refuse_absent(targets, C)
    origins = start + length + stride * np.arange(len(past))
    return ForecastWindows(past, future[..., C:], future[..., chosen], origins)


def in_channels(name: str, values: ArrayLike) -> Array:
    """(N, C) of (N, C) or (N,)."""
    array = np.asarray(values)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {array.shape}; expected (N, channels) or (N,)")
    return array[:, None] if array.ndim == 1 else array


def joined(series: Array, known: Array) -> Array:
    """The channels of both, step by step."""
    if len(series) != len(known):
        raise ValueError(
            f"the series has {len(series)} steps and what is known ahead has {len(known)}; "
            "expected one row for each step of the series"
        )
    return np.concatenate([series, known], axis=1)


def bounds(within: slice | None, steps: int) -> tuple[int, int]:
    """First step of a part and the one after its last."""
    start, stop, step = (within or slice(None)).indices(steps)
    if step != 1:
        raise ValueError(f"within is {within}; expected a part of the series without a step")
    return start, stop


def refuse_absent(targets: Sequence[int], channels: int) -> list[int]:
    """Channels, which there must be."""
    absent = [c for c in targets if not 0 <= c < channels]
    if absent or not targets:
        raise ValueError(
            f"targets are {list(targets)}; expected at least one of the channels 0 … {channels - 1}"
        )
    return list(targets)
