r"""Ops that move elements without changing them: reshaping, reordering axes, copying, joining.

Each element of $y$ is a copy of one element of $x$, or a constant, so every rule is the way back:
undo the move, and add up the cotangents of copies. `reshape`, `permute`, `broadcast_to`, `flip`,
`pad`, `concatenate` and `stack` have rules; the rest is made of them.

An `axis` counts from the end where it is negative.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine import (
    Carrier,
    Case,
    Misuse,
    Operation,
    Reals,
    ShapeError,
    composed,
    op,
)

__all__ = [
    "broadcast_to",
    "concatenate",
    "flatten",
    "flip",
    "moveaxis",
    "pad",
    "permute",
    "repeat",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "tile",
    "transpose",
    "unbind",
    "unsqueeze",
]

Array = Any
Shape = tuple[int, ...]
Axis = int | tuple[int, ...]


def positions(axis: Axis, ndim: int, caller: str) -> Shape:
    """The axes that `axis` names among `ndim`, counted from the front.

    Raises:
        ShapeError: on behalf of the caller, if there is no such axis, or it is named twice.
    """
    named = axis if isinstance(axis, tuple) else (axis,)
    for a in named:
        if not -ndim <= a < ndim:
            expected = f"expected {-ndim} to {ndim - 1}" if ndim else "there are none"
            raise ShapeError(f"{caller}: got axis {a} among {ndim} axes; {expected}")
    counted = tuple(a % ndim for a in named)
    if len(set(counted)) < len(counted):
        raise ShapeError(f"{caller}: got axis {axis} among {ndim} axes; name each of them once")
    return counted


@op(
    samples=[
        Case(Reals(2, 3), shape=(3, 2)),
        Case(Reals(2, 3), shape=-1),
        Case(Reals(2, 3, 4), shape=(2, -1)),
        Case(Reals(), shape=(1, 1)),
        Case(Reals(1), shape=()),
        Case(Reals(0, 3), shape=(3, 0)),
    ],
    misuses=[
        Misuse((np.ones((2, 3)),), ShapeError, "array of size 6 into shape (4,)", {"shape": (4,)}),
        Misuse((np.ones(3),), ShapeError, "only specify one unknown", {"shape": (-1, -1)}),
    ],
    tex=r"\operatorname{reshape}(#x, #shape)",
)
def reshape(x: Array, /, shape: int | Shape) -> Array:
    r"""The same elements, in row-major order, in another shape.

    One length may be $-1$, which stands for whatever is left. The method also takes the lengths
    one by one, `x.reshape(2, 3)`.

    Derivation:
        No element changes or meets another, so the cotangents go back to the old shape,
        $$\bar x = \operatorname{reshape}(\bar y, (2, 3))$$

    Raises:
        ShapeError: if the shape holds another number of elements.

    Example:
        >>> reshape(np.arange(6), (2, -1))
        array([[0, 1, 2],
               [3, 4, 5]])
    """
    return np.reshape(x, shape)


reshape.defvjp(lambda g, y, x, shape: g.reshape(x.shape))


@op(
    samples=[
        Case(Reals(2, 3), axes=(1, 0)),
        Case(Reals(2, 3, 4), axes=(2, 0, 1)),
        Case(Reals(2, 3, 4), axes=(-1, 0, -2)),
        Case(Reals(), axes=()),
        Case(Reals(0, 3), axes=(1, 0)),
    ],
    misuses=[
        Misuse((np.ones((2, 3)),), ShapeError, "(0,) is no order of 2 axes", {"axes": (0,)}),
        Misuse((np.ones((2, 3)),), ShapeError, "name each of 0 to 1 once", {"axes": (0, 0)}),
        Misuse((np.ones((2, 3)),), ShapeError, "(0, 2) is no order", {"axes": (0, 2)}),
    ],
    tex=r"#x^\top",
    binds="power",
)
def permute(x: Array, /, axes: Shape) -> Array:
    r"""The axes in another order: axis $k$ of $y$ is axis `axes[k]` of $x$.

    Exchanging the axes of a matrix is its transpose, and formulas write $x^\top$ for any order.

    Derivation:
        $y_{ji} = x_{ij}$, so $\bar x_{ij} = \bar y_{ji}$: the order that undoes this one,
        $$\bar x = \bar y^\top$$

    Raises:
        ShapeError: if `axes` does not name every axis once.

    Example:
        >>> permute(np.zeros((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)
    """
    try:
        return np.transpose(x, axes)
    except ValueError:
        ndim = np.ndim(x)
        raise ValueError(
            f"{axes} is no order of {ndim} axes; name each of 0 to {ndim - 1} once"
        ) from None


permute.defvjp(lambda g, y, x, axes: g.transpose(inverse(axes)))


def inverse(axes: Shape) -> Shape:
    """The order of axes that undoes an order of axes."""
    return tuple(sorted(range(len(axes)), key=lambda k: axes[k] % len(axes)))


@op(
    samples=[
        Case(Reals(3), shape=(2, 3)),
        Case(Reals(2, 1, 3), shape=(4, 2, 5, 3)),
        Case(Reals(), shape=(2, 2)),
        Case(Reals(2, 3), shape=(2, 3)),
        Case(Reals(1, 3), shape=(0, 3)),
    ],
    misuses=[
        Misuse((np.ones(3),), ShapeError, "does not broadcast to (2, 2)", {"shape": (2, 2)}),
        Misuse((np.ones((2, 3)),), ShapeError, "does not broadcast to (3,)", {"shape": (3,)}),
    ],
    tex=r"\operatorname{broadcast}(#x, #shape)",
    method="broadcast_to",
)
def broadcast_to(x: Array, /, shape: int | Shape) -> Array:
    r"""Copies of $x$ along new leading axes and along axes of length 1, up to a shape.

    The copies share memory, so the array that comes out is read-only.

    Derivation:
        Each copy sees its own cotangent; where an input was copied, the engine adds up the
        cotangents of its copies, as it does for every op that broadcasts:
        $$\bar x = \bar y$$

    Raises:
        ShapeError: if an axis, counted from the last, has neither length 1 nor the new length.

    Example:
        >>> broadcast_to(np.arange(3), (2, 3))
        array([[0, 1, 2],
               [0, 1, 2]])
    """
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"this does not broadcast to {shape}: counted from the last, each axis must have "
            "length 1 or the new length"
        ) from None


broadcast_to.defvjp(lambda g, y, x, shape: g)


@op(
    samples=[
        Case(Reals(2, 3), axis=1),
        Case(Reals(2, 3)),
        Case(Reals(2, 3, 4), axis=(0, -1)),
        Case(Reals()),
        Case(Reals(0, 3), axis=0),
    ],
    misuses=[Misuse((np.ones(3),), ShapeError, "axis 1 is out of bounds", {"axis": 1})],
    tex=r"\operatorname{flip} #x",
    binds="function",
    method="flip",
)
def flip(x: Array, /, axis: Axis | None = None) -> Array:
    r"""The elements in reverse order along an axis, some axes, or (None) all of them.

    Derivation:
        Reversing twice changes nothing, so the way back is the way there,
        $$\bar x = \operatorname{flip} \bar y$$

    Raises:
        ShapeError: if there is no such axis.

    Example:
        >>> flip(np.arange(3))
        array([2, 1, 0])
    """
    return np.flip(x, axis)


flip.defvjp(lambda g, y, x, axis: flip(g, axis))


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


@composed(samples=[Case(Reals(2, 3)), Case(Reals(2, 3, 4)), Case(Reals()), Case(Reals(0, 3))],
          method="transpose")  # fmt: skip
def transpose(x: Array, *axes: Any) -> Array:
    r"""The axes in another order: all reversed, two exchanged, or all in a given order.

    `transpose(x)` reverses the axes, as the property `x.T` does. `transpose(x, i, j)` exchanges
    two, as in PyTorch; `x.mT` exchanges the last two. `transpose(x, order)` takes a tuple, and
    more than two axes may come one by one, as in NumPy.

    Raises:
        ShapeError: if there is no such axis, or an order does not name every axis once.

    Example:
        >>> x = np.zeros((2, 3, 4))
        >>> transpose(x).shape, transpose(x, 0, 1).shape, transpose(x, (1, 2, 0)).shape
        ((4, 3, 2), (3, 2, 4), (3, 4, 2))
    """
    order = list(range(x.ndim))
    if len(axes) == 2:
        i, j = positions(axes, x.ndim, "transpose")
        order[i], order[j] = j, i
        return permute(x, tuple(order))
    if not axes:
        return permute(x, tuple(reversed(order)))
    return permute(x, tuple(axes[0] if len(axes) == 1 else axes))


@composed(samples=[Case(Reals(2, 3, 4), source=0, destination=-1),
                   Case(Reals(2, 3, 4), source=(0, 1), destination=(-1, 0))],
          method="moveaxis")  # fmt: skip
def moveaxis(x: Array, source: Axis, destination: Axis) -> Array:
    r"""Some axes put elsewhere; the others keep their order.

    Raises:
        ShapeError: if there is no such axis, or `destination` names more or fewer than `source`.

    Example:
        >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    origins, places = (
        positions(source, x.ndim, "moveaxis"),
        positions(destination, x.ndim, "moveaxis"),
    )
    if len(origins) != len(places):
        raise ShapeError(
            f"moveaxis: got source {source} and destination {destination}; expected as many of "
            "one as of the other"
        )
    order = [k for k in range(x.ndim) if k not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        order.insert(place, origin)
    return permute(x, tuple(order))


@composed(samples=[Case(Reals(2, 1, 3), axis=1), Case(Reals(1, 2, 1)), Case(Reals(1, 0), axis=-2)],
          method="squeeze")  # fmt: skip
def squeeze(x: Array, axis: Axis | None = None) -> Array:
    r"""`x` without an axis of length 1, several of them, or (None) all of them.

    Raises:
        ShapeError: if a named axis has another length, or there is no such axis.

    Example:
        >>> squeeze(np.zeros((1, 3, 1)), -1).shape
        (1, 3)
    """
    ones = tuple(k for k, n in enumerate(x.shape) if n == 1)
    dropped = ones if axis is None else positions(axis, x.ndim, "squeeze")
    for k in dropped:
        if x.shape[k] != 1:
            raise ShapeError(
                f"squeeze: axis {k} of x {x.dtype} {x.shape} has length {x.shape[k]}; only an "
                "axis of length 1 can go: index it, or reduce over it"
            )
    return x.reshape(tuple(n for k, n in enumerate(x.shape) if k not in dropped))


@composed(samples=[Case(Reals(2, 3), axis=1), Case(Reals(3), axis=(0, -1)), Case(Reals(), axis=0)],
          method="unsqueeze")  # fmt: skip
def unsqueeze(x: Array, axis: Axis) -> Array:
    r"""`x` with new axes of length 1, at these places in the output.

    Raises:
        ShapeError: if the output has no such axis.

    Example:
        >>> unsqueeze(np.zeros((2, 3)), -1).shape
        (2, 3, 1)
    """
    count = len(axis) if isinstance(axis, tuple) else 1
    new = positions(axis, x.ndim + count, "unsqueeze")
    lengths = iter(x.shape)
    return x.reshape(tuple(1 if k in new else next(lengths) for k in range(x.ndim + count)))


@composed(samples=[Case(Reals(2, 3, 4)), Case(Reals(2, 3, 4), start=1), Case(Reals())],
          method="flatten")  # fmt: skip
def flatten(x: Array, start: int = 0, end: int = -1) -> Array:
    r"""`x` with the axes from `start` to `end`, inclusive, as one; all of them unless told.

    Raises:
        ShapeError: if there is no such axis, or `end` comes before `start`.

    Example:
        >>> flatten(np.zeros((2, 3, 4)), 0, 1).shape
        (6, 4)
    """
    if not x.ndim:
        return x.reshape((1,))
    (first,), (last,) = positions(start, x.ndim, "flatten"), positions(end, x.ndim, "flatten")
    if last < first:
        raise ShapeError(f"flatten: got start {start} and end {end} among {x.ndim} axes; swap them")
    merged = math.prod(x.shape[first : last + 1])
    return x.reshape((*x.shape[:first], merged, *x.shape[last + 1 :]))


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


def reversed_axes(x: Carrier) -> Any:
    """The axes in reverse order, `x.T`: of a matrix, its transpose."""
    return x.permute(tuple(range(x.ndim))[::-1])


def matrix_transpose(x: Carrier) -> Any:
    """The last two axes exchanged, `x.mT`: the transpose of every matrix of a batch.

    Raises:
        ShapeError: if `x` has fewer than two axes.
    """
    if x.ndim < 2:
        raise ShapeError(
            f"mT: got shape {x.shape}; a matrix needs two axes: add one with unsqueeze"
        )
    return x.permute((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def spread(operation: Operation) -> Callable[..., Any]:
    """A method that takes a tuple, `x.reshape((2, 3))`, or what is in it, `x.reshape(2, 3)`."""
    (name,) = operation.static

    def method(self: Carrier, *values: Any) -> Any:
        given = values[0] if len(values) == 1 else values
        return self.apply(operation, (self,), {name: given})

    method.__name__, method.__doc__ = operation.name, operation.__doc__
    return method


for attribute, value in {
    "reshape": spread(reshape),
    "permute": spread(permute),
    "T": property(reversed_axes),
    "mT": property(matrix_transpose),
}.items():
    setattr(Carrier, attribute, value)
