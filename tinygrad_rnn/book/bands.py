"""How far a re-run may land from what a page says.

Training gives other last digits on another processor, so a recorded number comes with a band:

>>> Interval(2.2, 2.6).admits(2.41, recorded=2.38)
True
>>> Within(0.02).admits(2.41, recorded=2.38)
False
>>> Within(relative=0.1).admits([90.0, 120.0], recorded=[100.0, 100.0])
False

A script writes an interval as a pair, `band=(2.2, 2.6)`. What can only come out one way, a count
or a truth value, needs no band.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Interval:
    """Every value lies in [low, high], whatever was recorded."""

    low: float
    high: float

    def admits(self, values: Any, recorded: Any) -> bool:
        """Whether all of `values` lie in the interval."""
        values = np.asarray(values, float)
        return bool(np.all((self.low <= values) & (values <= self.high)))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Within:
    """Every value is within `absolute + relative · |recorded|` of what was recorded.

    A NaN admits a NaN in its place: a gradient that explodes has to explode again.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def admits(self, values: Any, recorded: Any) -> bool:
        """Whether all of `values` are that close to `recorded`, in the same shape."""
        values, recorded = np.asarray(values, float), np.asarray(recorded, float)
        return values.shape == recorded.shape and np.allclose(
            values, recorded, rtol=self.relative, atol=self.absolute, equal_nan=True
        )

    def __str__(self) -> str:
        parts = [f"{self.absolute:g}"] * (self.absolute > 0)
        parts += [f"{100 * self.relative:g} %"] * (self.relative > 0)
        return "± " + " ± ".join(parts) if parts else "the same"


Band = Interval | Within
EXACT = Within()


def band_of(given: "Band | tuple[float, float] | None", values: Any, what: str) -> Band:
    """The band that a script means: as it wrote it, or exact where that can hold.

    Raises:
        TypeError: if floats come without a band, or the band is neither a pair nor a band.
        ValueError: if the pair is upside down.
    """
    match given:
        case Interval() | Within():
            return given
        case (low, high):
            if not low <= high:
                raise ValueError(f"{what}: the band ({low}, {high}) is empty; give (low, high)")
            return Interval(float(low), float(high))
        case None if np.asarray(values).dtype.kind in "biu":
            return EXACT
        case None:
            raise TypeError(
                f"{what} is a float, which a re-run on another processor does not give to the "
                "last digit: say what it must land in, as band=(2.2, 2.6) or band=Within(0.02)"
            )
    raise TypeError(f"{what}: got band={given!r}; expected (low, high), Interval or Within")


def band_from_json(fields: dict[str, float]) -> Band:
    """A band from the fields that `dataclasses.asdict` wrote."""
    return Interval(**fields) if "low" in fields else Within(**fields)
