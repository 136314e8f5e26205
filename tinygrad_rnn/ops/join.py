r"""Ops that put arrays together and take them apart: joining, splitting, padding, repeating.

Each element of $y$ is a copy of one element of an input, or a constant. So every rule finds what
came from an input in its place in the output, and adds up the cotangents of copies. What joins and
what splits are each other's derivatives.

An `axis` counts from the end where it is negative.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Misuse, Reals, ShapeError, composed, op
from tinygrad_rnn.ops.shape import broadcast_to, flatten, positions, unsqueeze

__all__ = [
    "concatenate",
    "pad",
    "repeat",
    "split",
    "stack",
    "tile",
    "unbind",
]

Array = Any
Shape = tuple[int, ...]


def unjoinable(names: Sequence[str], arrays: Sequence[Any]) -> str | None:
    """The first array that cannot be joined with the one before it, and why."""
    if not arrays:
        return "there is nothing to join: give a list of at least one array"
    first = np.shape(arrays[0])
    for name, x in zip(names, arrays, strict=True):
        if np.ndim(x) != len(first):
            return f"{names[0]} has {len(first)} axes and {name} has {np.ndim(x)}: unsqueeze one"
    return None


@op(
    samples=[
        Case(Reals(2), Reals(3)),
        Case(Reals(2, 3), Reals(2, 1), Reals(2, 0), axis=-1),
        Case(Reals(2, 3), axis=1),
        Case(Reals(0, 3), Reals(0, 3), axis=0),
    ],
    misuses=[
        Misuse((), ShapeError, "there is nothing to join"),
        Misuse((np.ones(2), np.ones((2, 2))), ShapeError, "xs[0] has 1 axes and xs[1] has 2"),
        Misuse((np.ones((2, 3)), np.ones((2, 4))), ShapeError, "along dimension 1"),
        Misuse((np.ones(2), np.ones(2)), ShapeError, "axis 1 is out of bounds", {"axis": 1}),
    ],
    tex=r"\operatorname{concatenate}(#xs)",
    diagnose=unjoinable,
)
def concatenate(*xs: Array, axis: int = 0) -> Array:
    r"""Arrays one after the other along an axis that they have.

    Takes one list of arrays; arrays one by one are fine too. Only their lengths along `axis` may
    differ.

    Derivation:
        The output is the inputs side by side, so each finds its cotangent in its own place. For
        two vectors of lengths 2 and 3, that is
        $$\bar x_0 = \bar y_{0:2}$$
        $$\bar x_1 = \bar y_{2:5}$$

    Raises:
        ShapeError: if there is no array, or the other lengths differ.

    Example:
        >>> concatenate([np.array([1, 2]), np.array([3])])
        array([1, 2, 3])
    """
    return np.concatenate(xs, axis)


@concatenate.defvjp
def concatenate_vjp(g: Any, y: Any, *xs: Any, i: int, axis: int) -> Any:
    before = (slice(None),) * (axis % g.ndim)
    start = sum(x.shape[axis] for x in xs[:i])
    return g[(*before, slice(start, start + xs[i].shape[axis]))]


def unstackable(names: Sequence[str], arrays: Sequence[Any]) -> str | None:
    """The first array whose shape is not that of the first."""
    if not arrays:
        return "there is nothing to join: give a list of at least one array"
    first = np.shape(arrays[0])
    for name, x in zip(names, arrays, strict=True):
        if np.shape(x) != first:
            return f"{names[0]} has shape {first} and {name} {np.shape(x)}; they must be equal"
    return None


@op(
    samples=[
        Case(Reals(3), Reals(3)),
        Case(Reals(2, 3), Reals(2, 3), axis=1),
        Case(Reals(2, 3), Reals(2, 3), axis=-1),
        Case(Reals(), Reals(), Reals()),
        Case(Reals(0), Reals(0)),
    ],
    misuses=[
        Misuse((), ShapeError, "there is nothing to join"),
        Misuse((np.ones(2), np.ones(3)), ShapeError, "xs[0] has shape (2,) and xs[1] (3,)"),
        Misuse((np.ones(2), np.ones(2)), ShapeError, "axis 2 is out of bounds", {"axis": 2}),
    ],
    tex=r"\operatorname{stack}(#xs)",
    diagnose=unstackable,
)
def stack(*xs: Array, axis: int = 0) -> Array:
    r"""Arrays of one shape, joined along a new axis.

    Takes one list of arrays; arrays one by one are fine too.

    Derivation:
        Input $i$ is slice $i$ of the output, and finds its cotangent there,
        $$\bar x_0 = \bar y_{0}$$
        $$\bar x_1 = \bar y_{1}$$

    Raises:
        ShapeError: if there is no array, or their shapes differ.

    Example:
        >>> stack([np.array([1, 2]), np.array([3, 4])], axis=1)
        array([[1, 3],
               [2, 4]])
    """
    return np.stack(xs, axis)


@stack.defvjp
def stack_vjp(g: Any, y: Any, *xs: Any, i: int, axis: int) -> Any:
    return g[(*(slice(None),) * (axis % g.ndim), i)]


@op(
    samples=[
        Case(Reals(4), sections=2),
        Case(Reals(2, 6), sections=3, axis=-1),
        Case(Reals(5, 2), sections=(1, 0, 4)),
        Case(Reals(0, 3), sections=2),
    ],
    misuses=[
        Misuse((np.ones(5),), ShapeError, "5 elements do not split into 2 equal", {"sections": 2}),
        Misuse((np.ones(5),), ShapeError, "add up to 4; expected 5", {"sections": (1, 3)}),
        Misuse((np.ones(5),), ShapeError, "0 sections make no sense", {"sections": 0}),
        Misuse((np.ones(4),), ShapeError, "got axis 1", {"sections": 2, "axis": 1}),
    ],
    method="split",
    bundles=True,
)
def split(x: Array, /, sections: int | Sequence[int], axis: int = 0) -> tuple[Array, ...]:
    r"""A tuple of the parts of `x` along an axis.

    `sections` is how many equal parts to make, as in NumPy, or the length of each part, as in
    PyTorch.

    Derivation:
        It undoes `concatenate`, so `concatenate` undoes it,
        $$\bar x = \operatorname{concatenate}(\bar y_{0}, \bar y_{1})$$

    Raises:
        ShapeError: if the parts do not add up to the length of that axis.

    Example:
        >>> split(np.arange(5), (2, 3))
        (array([0, 1]), array([2, 3, 4]))
        >>> split(np.arange(4), 2)
        (array([0, 1]), array([2, 3]))
    """
    x = np.asarray(x)
    (k,) = positions(axis, x.ndim, "split")
    ends = np.cumsum([0, *lengths_of(sections, x.shape[k])]).tolist()
    before = (slice(None),) * k
    return tuple(x[(*before, slice(*ends[i : i + 2]))] for i in range(len(ends) - 1))


split.defvjp(lambda g, y, x, sections, axis: concatenate(*g, axis=axis))


def lengths_of(sections: int | Sequence[int], length: int) -> Sequence[int]:
    """The lengths into which `split` cuts an axis.

    Raises:
        ValueError: if they do not add up to its length.
    """
    if isinstance(sections, int):
        if sections < 1:
            raise ValueError(f"{sections} sections make no sense; expected at least 1")
        if length % sections:
            raise ValueError(
                f"{length} elements do not split into {sections} equal sections; give the length "
                "of each, as in split(x, (2, 3))"
            )
        return (length // sections,) * sections
    if sum(sections) != length or any(n < 0 for n in sections):
        raise ValueError(
            f"the lengths {tuple(sections)} add up to {sum(sections)}; expected {length}, the "
            "length of the axis, without negative ones"
        )
    return sections


@op(
    samples=[
        Case(Reals(2, 3)),
        Case(Reals(2, 3), axis=-1),
        Case(Reals(3)),
        Case(Reals(2, 0)),
    ],
    misuses=[
        Misuse((np.ones(()),), ShapeError, "got axis 0 among 0 axes; there are none"),
        Misuse((np.ones((2, 3)),), ShapeError, "expected -2 to 1", {"axis": 2}),
    ],
    method="unbind",
    bundles=True,
)
def unbind(x: Array, /, axis: int = 0) -> tuple[Array, ...]:
    r"""A tuple of the slices of `x` along an axis, which they no longer have.

    Derivation:
        It undoes `stack`, so `stack` undoes it,
        $$\bar x = \operatorname{stack}(\bar y_{0}, \bar y_{1})$$

    Raises:
        ShapeError: if there is no such axis.

    Example:
        >>> unbind(np.array([[1, 2], [3, 4]]), axis=1)
        (array([1, 3]), array([2, 4]))
    """
    x = np.asarray(x)
    (k,) = positions(axis, x.ndim, "unbind")
    return tuple(np.moveaxis(x, k, 0))


unbind.defvjp(lambda g, y, x, axis: stack(*g, axis=axis))


@op(
    samples=[
        Case(Reals(3), width=(1, 2)),
        Case(Reals(2, 3), width=1, value=-1.0),
        Case(Reals(2, 3), width=((0, 1), (2, 0))),
        Case(Reals(), width=1),
        Case(Reals(0, 3), width=((2, 0), (0, 0))),
    ],
    misuses=[
        Misuse((np.ones(3),), ShapeError, "width -1 is negative", {"width": -1}),
        Misuse((np.ones(3),), ShapeError, "a pair for each of 1 axes", {"width": ((1, 1),) * 2}),
    ],
    tex=r"\operatorname{pad} #x",
    binds="function",
    method="pad",
)
def pad(x: Array, /, width: Any, value: float = 0.0) -> Array:
    r"""`x` framed by a constant.

    `width` is how many to put before and after: one number for everywhere, a pair
    `(before, after)` for every axis, or a pair for each axis.

    Derivation:
        The frame does not depend on $x$; what lies inside it is $x$ itself. For a vector of three
        with one element before it and two after, $y_{1:4} = x$, so
        $$\bar x = \bar y_{1:4}$$

    Raises:
        ShapeError: if a width is negative, or there is a pair too many or too few.

    Example:
        >>> pad(np.array([1, 2]), (1, 3))
        array([0, 1, 2, 0, 0, 0])
    """
    x = np.asarray(x)
    inside = frame(x.shape, width)
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, inside, strict=True))
    y = np.full(shape, value, x.dtype)
    y[interior(x.shape, inside)] = x
    return y


pad.defvjp(lambda g, y, x, width, value: g[interior(x.shape, frame(x.shape, width))])


def frame(shape: Shape, width: Any) -> list[tuple[int, int]]:
    """How many elements `pad` puts before and after, for each axis.

    Raises:
        ValueError: if a width is negative, or there is a pair too many or too few.
    """
    try:
        pairs: list[tuple[int, int]] = np.broadcast_to(width, (len(shape), 2)).tolist()
    except ValueError:
        raise ValueError(
            f"width {width} is no number, no pair, and no list of a pair for each of {len(shape)} "
            "axes"
        ) from None
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"width {width} is negative: to cut elements off, index with slices")
    return pairs


def interior(shape: Shape, pairs: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    """Where a padded array holds what was padded."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, pairs, strict=True))


@composed(samples=[Case(Reals(2, 3), repeats=2, axis=1), Case(Reals(2, 3), repeats=3),
                   Case(Reals(3), repeats=(0, 2, 1), axis=0), Case(Reals(0, 2), repeats=2, axis=0)],
          method="repeat")  # fmt: skip
def repeat(x: Array, repeats: int | Sequence[int], axis: int | None = None) -> Array:
    r"""Each element of an axis several times in a row; of all elements, flattened, for None.

    `repeats` is one number, or one for each element.

    Raises:
        ShapeError: if there is no such axis, or a list has another length than it.

    Example:
        >>> repeat(np.array([1, 2]), 2)
        array([1, 1, 2, 2])
        >>> repeat(np.array([1, 2]), (3, 1))
        array([1, 1, 1, 2])
    """
    if axis is None:
        x, axis = flatten(x), 0
    (k,) = positions(axis, x.ndim, "repeat")
    before, n, after = x.shape[:k], x.shape[k], x.shape[k + 1 :]
    if isinstance(repeats, int):
        copies = broadcast_to(unsqueeze(x, k + 1), (*before, n, repeats, *after))
        return copies.reshape((*before, n * repeats, *after))
    if len(repeats) != n:
        raise ShapeError(
            f"repeat: got {len(repeats)} repeats for axis {k} of x {x.dtype} {x.shape}, which has "
            f"length {n}; give one for each element, or one number"
        )
    return x[(*(slice(None),) * k, np.repeat(np.arange(n), repeats))]


@composed(samples=[Case(Reals(3), reps=2), Case(Reals(2, 3), reps=(2, 1)),
                   Case(Reals(3), reps=(2, 2)), Case(Reals(2, 3), reps=2)],
          method="tile")  # fmt: skip
def tile(x: Array, reps: int | Sequence[int]) -> Array:
    r"""`x` as a whole several times along each axis; missing axes or counts are 1.

    Example:
        >>> tile(np.array([1, 2]), 2)
        array([1, 2, 1, 2])
        >>> tile(np.array([1, 2]), (2, 1))
        array([[1, 2],
               [1, 2]])
    """
    counts = (reps,) if isinstance(reps, int) else tuple(reps)
    ndim = max(x.ndim, len(counts))
    shape = (1,) * (ndim - x.ndim) + tuple(x.shape)
    counts = (1,) * (ndim - len(counts)) + counts
    # Every axis gets another before it, along which to copy.
    paired = [m for pair in zip((1,) * ndim, shape, strict=True) for m in pair]
    copied = [m for pair in zip(counts, shape, strict=True) for m in pair]
    copies = broadcast_to(x.reshape(tuple(paired)), tuple(copied))
    return copies.reshape(tuple(c * n for c, n in zip(counts, shape, strict=True)))
