"""Refusing indices that an array does not have: which one, on which axis, of what length."""

import re
from typing import Any, NoReturn

import numpy as np

from tinygrad_rnn.engine import DtypeError, ShapeError
from tinygrad_rnn.engine.operation import described

Array = Any
Shape = tuple[int, ...]

BEYOND = re.compile(r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)")


class IndexingError(ShapeError, IndexError):
    """An index that an array does not have; an `IndexError`, as for any Python sequence."""


def beyond(call: str, index: int, axis: int, shape: Shape) -> IndexingError:
    """An index outside of its axis, in words."""
    n = shape[axis]
    return IndexingError(
        f"{call}: index {index} is out of range for axis {axis} of shape {shape}, which has length "
        f"{n}; " + (f"use {-n} to {n - 1}" if n else "an empty axis has no index")
    )


def reworded(call: str, shape: Shape, error: IndexError) -> IndexingError:
    """NumPy's complaint about an index, with the shape that it was used on."""
    if found := BEYOND.search(str(error)):
        index, axis, _ = map(int, found.groups())
        return beyond(call, index, axis, shape)
    return IndexingError(f"{call}: got shape {shape}; {error}")


def refuse_beyond(call: str, indices: Array, axis: int, shape: Shape) -> NoReturn:
    """Name the first of `indices` that the axis does not have."""
    n = shape[axis]
    raise beyond(call, indices[(indices < -n) | (indices >= n)][0], axis, shape)


def integers(call: str, name: str, indices: Array) -> Array:
    """`indices` as an array, refused unless they are integers."""
    array = np.asarray(indices)
    if array.dtype.kind not in "iu":
        advice = "; to pick by a mask write x[mask]" if array.dtype.kind == "b" else ""
        raise DtypeError(f"{call}: got {name} {described(array)}; expected integers{advice}")
    return array


def refuse_unknown_rows(ids: Array, rows: int) -> None:
    """Name the first of some ids that is not a row of an embedding's weight."""
    refuse_unknown("embedding", ids, rows, "id", f"a row of the weight, which has {rows}")


def refuse_unknown(
    call: str, ids: Array, count: int, noun: str, among: str, ignored: int | None = None
) -> None:
    """Name the first of some ids that is not among `count` rows or classes, nor ignored."""
    if not ids.size or (ids.min() >= 0 and ids.max() < count):
        return
    wrong, others = (ids < 0) | (ids >= count), ""
    if ignored is not None:
        wrong, others = wrong & (ids != ignored), f", or are ignore_index={ignored}"
    if wrong.any():
        raise IndexingError(
            f"{call}: {noun} {ids[wrong][0]} is not {among}; {noun}s run from 0 to {count - 1}"
            f"{others}"
        )
