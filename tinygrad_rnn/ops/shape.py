r"""Ops that move elements without changing them: other shapes, other orders of axes, copies.

Each element of $y$ is a copy of one element of $x$, so every rule is the way back: undo the move,
and add up the cotangents of copies. `reshape`, `permute`, `broadcast_to` and `flip` have rules; the
rest is made of them.

An `axis` counts from the end where it is negative.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, Case, Misuse, Operation, Reals, ShapeError, composed, op

__all__ = [
    "broadcast_to",
    "flatten",
    "flip",
    "moveaxis",
    "permute",
    "reshape",
    "squeeze",
    "transpose",
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
