r"""The greatest and the least element along axes, and where they are.

`axis` and `keepdims` are as in `reduce`. An extreme is a copy of the element that attains it, which
gets its cotangent; several that tie share it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, DtypeError, Misuse, Reals, op
from tinygrad_rnn.ops.reduce import (
    NO_AXIS,
    UNDEFINED,
    Axis,
    folding,
    greatest,
    kept,
    least,
    refuse_nothing,
)

__all__ = [
    "argmax",
    "argmin",
    "max",
    "min",
]

Array = Any


def extreme_vjp(g: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """The rule of `max` and `min`: the elements that attain the extreme share its cotangent."""
    return shared(kept(g, x, axis, keepdims), x == kept(y, x, axis, keepdims), axis)


def shared(g: Any, attained: Any, axis: Axis) -> Any:
    """A cotangent, in even parts for the elements that attain an extreme."""
    attained = attained.astype(g.dtype)
    return g / attained.sum(axis=axis, keepdims=True) * attained


def extreme(fold: Callable[..., Array], x: Array, axis: Axis, keepdims: bool) -> Array:
    """A fold that has no value on no elements.

    Raises:
        ValueError: if there are none.
    """
    x = np.asarray(x)
    refuse_nothing(x, axis)
    return fold(x, axis=axis, keepdims=keepdims)


@op(
    samples=folding(Reals(distinct=True)),
    misuses=[NO_AXIS, UNDEFINED],
    tex=r"\max #x",
    binds="function",
    method="max",
)
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""Greatest element; NaN if there is one.

    Derivation:
        The output is a copy of the element that attains the maximum, which gets the whole
        cotangent. Several that tie share it evenly, so that what arrives still adds up to
        $\bar y$:
        $$\bar x = \frac{\bar y}{\sum [x = y]} \odot [x = y]$$

    Raises:
        ShapeError: if there is no such axis, or no element.

    Example:
        >>> max(np.array([[1, 5], [3, 4]]), axis=0)
        array([3, 5])
    """
    return extreme(greatest, x, axis, keepdims)


max.defvjp(extreme_vjp)


@op(
    samples=folding(Reals(distinct=True)),
    misuses=[NO_AXIS, UNDEFINED],
    tex=r"\min #x",
    binds="function",
    method="min",
)
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""Least element; NaN if there is one.

    Derivation:
        As for `max`: a copy of the element that attains the minimum, an even share for a tie,
        $$\bar x = \frac{\bar y}{\sum [x = y]} \odot [x = y]$$

    Raises:
        ShapeError: if there is no such axis, or no element.

    Example:
        >>> min(np.array([[1, 5], [3, 4]]), axis=0)
        array([1, 4])
    """
    return extreme(least, x, axis, keepdims)


min.defvjp(extreme_vjp)


PLACED = [Case(Reals(2, 3, distinct=True)), Case(Reals(2, 3, distinct=True), axis=-1)]
SEVERAL = Misuse((np.ones((2, 3)),), DtypeError, "one axis, or None", {"axis": (0, 1)})
UNPLACED = [NO_AXIS, UNDEFINED, SEVERAL]


@op(samples=PLACED, misuses=UNPLACED, method="argmax", differentiable=False)
def argmax(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the greatest element is along an axis; the first of several, or the first NaN.

    For None, its place among all elements in row-major order.

    Raises:
        ShapeError: if there is no such axis, or no element.
        DtypeError: if `axis` is a tuple.

    Example:
        >>> argmax(np.array([[1, 5], [3, 4]]), axis=0)
        array([1, 0])
    """
    return place(np.argmax, x, axis, keepdims)


@op(samples=PLACED, misuses=UNPLACED, method="argmin", differentiable=False)
def argmin(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the least element is along an axis; the first of several, or the first NaN.

    For None, its place among all elements in row-major order.

    Raises:
        ShapeError: if there is no such axis, or no element.
        DtypeError: if `axis` is a tuple.

    Example:
        >>> argmin(np.array([[1, 5], [3, 4]]), axis=0)
        array([0, 1])
    """
    return place(np.argmin, x, axis, keepdims)


def place(search: Callable[..., Array], x: Array, axis: Any, keepdims: bool) -> Array:
    """What a search finds along one axis.

    Raises:
        TypeError: if there are several axes.
    """
    x = np.asarray(x)
    if isinstance(axis, tuple):
        raise TypeError(f"got axis {axis}; expected one axis, or None for all elements in a row")
    refuse_nothing(x, axis)
    return search(x, axis, keepdims=keepdims)
