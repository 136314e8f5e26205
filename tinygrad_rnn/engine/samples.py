"""Where an op is tried out: the sample inputs that its declaration carries.

A sample names a domain, not numbers, so a declaration costs nothing at import, and the same
sample serves in float32 and float64.

Example:
    >>> case = Case(Reals(2, 3), axis=1)
    >>> (x,), params = case.draw(np.random.default_rng(0))
    >>> x.shape, params
    ((2, 3), {'axis': 1})
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np


class Domain(ABC):
    """Arrays of one shape that an op is defined on."""

    shape: tuple[int, ...]

    @abstractmethod
    def draw(self, rng: "np.random.Generator", dtype: Any = np.float64) -> Any:
        """An array from this domain; only reals take the dtype."""

    def resized(self, *shape: int) -> Self:
        """The same domain in another shape."""
        other = object.__new__(type(self))
        vars(other).update(vars(self), shape=shape)
        return other


class Reals(Domain):
    """Reals, uniform in [low, high], off the points where a rule has a kink.

    Args:
        *shape: the shape.
        low: the least value.
        high: the greatest value.
        avoid: points to keep clear of,
        by: and by how much.
        distinct: whether all values are different by (high - low) / size, for ops that look for
            an extreme.
    """

    def __init__(
        self,
        *shape: int,
        low: float = -2.0,
        high: float = 2.0,
        avoid: Sequence[float] = (),
        by: float = 0.1,
        distinct: bool = False,
    ) -> None:
        self.shape, self.low, self.high = shape, low, high
        self.avoid, self.by, self.distinct = avoid, by, distinct

    def draw(self, rng: "np.random.Generator", dtype: Any = np.float64) -> Any:
        """An array from this domain."""
        if self.distinct:
            steps = np.linspace(self.low, self.high, int(np.prod(self.shape)))
            values = rng.permutation(steps).reshape(self.shape)
        else:
            values = rng.uniform(self.low, self.high, self.shape)
        for point in self.avoid:
            aside = np.where(values < point, point - self.by, point + self.by)
            values = np.where(np.abs(values - point) < self.by, aside, values)
        return np.asarray(values, dtype)


class Integers(Domain):
    """Integers, uniform in [low, high), as int64."""

    def __init__(self, *shape: int, low: int = 0, high: int = 3) -> None:
        self.shape, self.low, self.high = shape, low, high

    def draw(self, rng: "np.random.Generator", dtype: Any = np.float64) -> Any:
        """An array from this domain."""
        return np.asarray(rng.integers(self.low, self.high, self.shape))


class Booleans(Domain):
    """Fair coin flips."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def draw(self, rng: "np.random.Generator", dtype: Any = np.float64) -> Any:
        """An array from this domain."""
        return np.asarray(rng.random(self.shape) < 0.5)


class Case:
    """One way to call an op: a domain (or a ready value) per input, and static parameters."""

    def __init__(self, *inputs: Any, **params: Any) -> None:
        self.inputs, self.params = inputs, params

    def draw(
        self, rng: "np.random.Generator", dtype: Any = np.float64
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Concrete inputs and parameters."""
        return tuple(drawn(x, rng, dtype) for x in self.inputs), dict(self.params)

    def __repr__(self) -> str:
        inputs = (str(getattr(x, "shape", x)) for x in self.inputs)
        return ", ".join([*inputs, *(f"{k}={v!r}" for k, v in self.params.items())])


class Misuse(NamedTuple):
    """A call that must fail, and the words that its error must contain."""

    inputs: tuple[Any, ...]
    error: type[Exception]
    says: str
    params: Mapping[str, Any] = MappingProxyType({})

    def __repr__(self) -> str:
        return self.says


def drawn(x: Any, rng: "np.random.Generator", dtype: Any) -> Any:
    """An array of a domain; a ready value as it is, floats in the dtype asked for."""
    if isinstance(x, Domain):
        return x.draw(rng, dtype)
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return x.astype(dtype)
    return x
