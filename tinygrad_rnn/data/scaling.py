r"""Scalers: each channel of a series brought to a common size, by what the training part shows.

A scaler is fitted on the training part alone. Its two numbers per channel, a shift and a scale,
then serve every other part, so nothing of the future reaches what a model reads:

    >>> import numpy as np
    >>> train, future = np.array([[1.0], [3.0]]), np.array([[5.0]])
    >>> scaler = StandardScaler().fit(train)
    >>> scaler.transform(future)
    array([[3.]])
    >>> scaler.inverse(scaler.transform(future))
    array([[5.]])

====================  ==================  =========================================
scaler                shift               scale
====================  ==================  =========================================
`StandardScaler`      mean                standard deviation
`MinMaxScaler`        least value         largest minus least
`RobustScaler`        median              third quartile minus first
====================  ==================  =========================================
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.data.saving import Saved

__all__ = ["MinMaxScaler", "RobustScaler", "Scaler", "StandardScaler"]

Array = NDArray[Any]


@dataclass(eq=False)
class Scaler(Saved, ABC):
    r"""$y = (x - \text{shift}) / \text{scale}$, channel by channel; the base of all scalers.

    A constant channel has no size to be divided by; its scale is 1. NaN stands for a missing
    value: it does not count in `fit` and stays NaN in `transform`.

    Attributes:
        shift: float64, (C,), or one number for a series without channels; None before `fit`.
        scale: Likewise.
    """

    family: ClassVar[str] = "scaler"
    shift: Array | None = field(default=None, kw_only=True)
    scale: Array | None = field(default=None, kw_only=True)

    def fit(self, series: ArrayLike) -> Self:
        """Measure a training part; what was measured before is forgotten.

        Args:
            series: (N,), one channel without an axis of its own, or (…, C).

        Returns:
            The scaler itself.

        Raises:
            ValueError: If a channel has no value, or one that is infinite.
        """
        values = np.asarray(series, dtype=np.float64)
        channels = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values
        refuse_unmeasurable(channels)
        shift, scale = self.measured(channels)
        constant = np.nanmin(channels, axis=0) == np.nanmax(channels, axis=0)
        scale = np.where(constant | (scale == 0), 1.0, scale)
        self.shift, self.scale = self.placed(np.asarray(shift), scale)
        return self

    @abstractmethod
    def measured(self, channels: Array) -> tuple[Array, Array]:
        """Shift and scale of (N, C) or (N,), ignoring NaN; a scale may be 0."""

    def placed(self, shift: Array, scale: Array) -> tuple[Array, Array]:
        """Shift and scale, changed for where the values are to lie."""
        return shift, scale

    def transform(self, values: ArrayLike, columns: Sequence[int] | None = None) -> Array:
        """Scale values, of the training part or any other.

        Args:
            values: (…, C); any shape if the scaler was fitted on a series without channels.
            columns: Which of the fitted channels these are, if not all in order.

        Returns:
            The same shape; floats keep their dtype, everything else becomes float32.

        Raises:
            RuntimeError: If nothing was fitted.
            ValueError: If the number of channels is not what was fitted.
        """
        array, shift, scale = self._met(values, columns)
        return as_floats((array - shift) / scale, array.dtype)

    def inverse(self, values: ArrayLike, columns: Sequence[int] | None = None) -> Array:
        """Undo `transform`: scaled values, such as a forecast, in the series' own unit.

        Args:
            values: As for `transform`.
            columns: As for `transform`; a forecast of one channel of many names it here.

        Returns:
            The same shape; floats keep their dtype, everything else becomes float32.

        Raises:
            RuntimeError: If nothing was fitted.
            ValueError: If the number of channels is not what was fitted.
        """
        array, shift, scale = self._met(values, columns)
        return as_floats(array * scale + shift, array.dtype)

    def _met(self, values: ArrayLike, columns: Sequence[int] | None) -> tuple[Array, Array, Array]:
        """Values with the shifts and scales of their channels."""
        if self.shift is None or self.scale is None:
            name = type(self).__name__
            raise RuntimeError(
                f"this {name} has not seen a series: fit it on the training part first, "
                f"`scaler = {name}().fit(train)`"
            )
        array = np.asarray(values)
        shift, scale = self.shift, self.scale
        if columns is not None:
            shift, scale = np.atleast_1d(shift)[list(columns)], np.atleast_1d(scale)[list(columns)]
        if shift.ndim and array.shape[-1:] != shift.shape:
            raise ValueError(
                f"got values of shape {array.shape}; expected (…, {shift.size}), one for each "
                "channel that was fitted: name the channels that these are with columns="
            )
        return array, shift, scale

    @classmethod
    def revived(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Lists as arrays."""
        fitted = {k: values[k] for k in ("shift", "scale") if values[k] is not None}
        return values | {k: np.array(v, dtype=np.float64) for k, v in fitted.items()}


@dataclass(eq=False)
class StandardScaler(Scaler):
    """Mean 0 and standard deviation 1 over the training part."""

    def measured(self, channels: Array) -> tuple[Array, Array]:
        """Mean and standard deviation."""
        return np.nanmean(channels, axis=0), np.nanstd(channels, axis=0)


@dataclass(eq=False)
class MinMaxScaler(Scaler):
    """From `low` to `high` over the training part; later values may lie outside.

    Args:
        low: Where the least value of the training part goes, and a constant channel.
        high: Where the largest goes.

    Raises:
        ValueError: If `low` is not below `high`.

    Example:
        >>> MinMaxScaler(-1, 1).fit([0.0, 10.0]).transform([0.0, 5.0, 20.0])
        array([-1.,  0.,  3.])
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"got low={self.low}, high={self.high}; expected low below high")

    def measured(self, channels: Array) -> tuple[Array, Array]:
        """Least value and range."""
        least = np.nanmin(channels, axis=0)
        return least, np.nanmax(channels, axis=0) - least

    def placed(self, shift: Array, scale: Array) -> tuple[Array, Array]:
        """So that the least value becomes `low` and the largest `high`."""
        scale = scale / (self.high - self.low)
        return shift - self.low * scale, scale


@dataclass(eq=False)
class RobustScaler(Scaler):
    """Median 0 and a distance of 1 between the quartiles: a few wild values change little."""

    def measured(self, channels: Array) -> tuple[Array, Array]:
        """Median and the distance between the quartiles."""
        first, median, third = np.nanquantile(channels, [0.25, 0.5, 0.75], axis=0)
        return median, third - first


def refuse_unmeasurable(channels: Array) -> None:
    """Refuse infinite values, and channels without any value."""
    if np.isinf(channels).any():
        raise ValueError(
            "got infinite values; expected finite ones, or NaN where a value is missing"
        )
    empty = np.flatnonzero(np.isnan(channels).all(axis=0))
    if empty.size:
        raise ValueError(
            f"channel {empty[0]} of {channels.shape} values has none that is not NaN; expected at "
            "least one: leave the channel out"
        )


def as_floats(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values in a float dtype, or in float32 where integers came in."""
    return values.astype(dtype if dtype.kind == "f" else np.float32)
