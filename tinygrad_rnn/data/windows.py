r"""Sliding windows over a series, each with the steps that follow it.

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

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sliding_windows"]


def sliding_windows(
    series: NDArray[Any], length: int, horizon: int = 1, stride: int = 1
) -> tuple[NDArray[Any], NDArray[Any]]:
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
