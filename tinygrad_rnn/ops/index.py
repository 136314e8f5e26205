r"""Ops that pick elements by index, and their adjoints, which add elements where an index points.

Picking is linear: $y = E_I\,x$, where each row of the matrix $E_I$ has a single 1, in the column
that an entry of the index $I$ names. Its derivative is therefore $E_I^{\top}$, which adds: an
element that was picked twice collects two cotangents. Every op that picks has a partner that adds,
each the other's derivative, so two rules give gradients of any order.

=======================  ==========================  ============================
picks                    adds                        in user's words
=======================  ==========================  ============================
`getitem`                `getitem_adjoint`           `x[index]`, `x.at[index].add(v)`
`take`, `embedding`      `take_adjoint`
`take_along_axis`        `take_along_axis_adjoint`   `scatter_add`
=======================  ==========================  ============================

An index that an array does not have raises `IndexingError`, which names the index, the axis and
its length.
"""

import math
import re
from typing import Any, NoReturn

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_rnn.engine import (
    Carrier,
    Case,
    DtypeError,
    Integers,
    Misuse,
    Reals,
    ShapeError,
    Tensor,
    composed,
    op,
)
from tinygrad_rnn.engine.modes import float_dtype
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels import scatter
from tinygrad_rnn.ops.selection import ne, where

__all__ = [
    "At",
    "IndexingError",
    "Place",
    "embedding",
    "getitem",
    "getitem_adjoint",
    "one_hot",
    "scatter_add",
    "set_at",
    "take",
    "take_adjoint",
    "take_along_axis",
    "take_along_axis_adjoint",
    "tril",
    "triu",
]

Array = Any
Shape = tuple[int, ...]

BASIC = frozenset({int, slice, type(None), type(...)})
"""What may stand in an index that gives a view."""


class Index(tuple[Any, ...]):
    """An index as a tuple, which prints as it was written between brackets.

    Example:
        >>> print(Index((slice(1, 3), ..., np.array([0, 0]))))
        1:3, ..., [0, 0]
    """

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(map(entry, self))


def entry(i: Any) -> str:
    """One entry of an index, as it is written between brackets."""
    if isinstance(i, slice):
        start, stop, step = ("" if n is None else n for n in (i.start, i.stop, i.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if i is ... else str(i.tolist() if isinstance(i, np.ndarray) else i)


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


@op(
    samples=[
        Case(Reals(3, 4), index=Index((slice(1, 3), 0))),
        Case(Reals(3, 4), index=-1),
        Case(Reals(3, 4), index=(..., None, slice(None, None, -2))),
        Case(Reals(3, 4), index=np.array([2, 0, 2, -1])),
        Case(Reals(3, 4), index=(np.array([[0], [2]]), np.array([1, 1, 3]))),
        Case(Reals(2, 3, 4), index=(np.array([1, 1]), slice(0, 2), np.array([0, 0]))),
        Case(Reals(3), index=np.array([True, False, True])),
        Case(Reals(0, 3), index=(slice(None), 1)),
        Case(Reals(), index=()),
    ],
    misuses=[
        Misuse(
            (np.ones((2, 3)),),
            IndexError,
            "x[index]: index 7 is out of range for axis 1 of shape (2, 3), which has length 3; "
            "use -3 to 2",
            {"index": (0, 7)},
        ),
        Misuse((np.ones((2, 3)),), ShapeError, "too many indices", {"index": (0, 0, 0)}),
        Misuse(
            (np.ones((2, 3)),),
            ShapeError,
            "boolean index",
            {"index": np.array([True, False, True])},
        ),
    ],
    tex="#x _{#index}",
    binds="power",
)
def getitem(x: Array, /, index: Any) -> Array:
    r"""The elements that an index picks, `x[index]`, with all of NumPy's ways to index.

    Integers, slices, `...` and None give a view; integer and boolean arrays (or integer tensors)
    copy. Arrays in the index of a tensor are copied too, so they may be written to later.

    Args:
        x: any shape.
        index: as in NumPy.

    Raises:
        IndexingError: naming the axis, its length and the index that it does not have.
        DtypeError: if the index holds anything but integers and booleans.

    Derivation:
        The elements picked are $y = E_I\,x$, with one 1 in each row of $E_I$. A linear map's
        cotangent goes back through its transpose, which adds each $\bar y_k$ to the place that it
        came from. For the index `[1:3, 0]`,
        $$\bar x = E_{1:3, 0}^{\top} \bar y$$

    Example:
        >>> import tinygrad_rnn as tg
        >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> x[[0, 2, 2]].sum().backward()
        >>> x.grad
        tensor([1., 0., 2.])
    """
    x = np.asarray(x)
    try:
        return x[index]
    except IndexError as error:
        raise reworded("x[index]", x.shape, error) from None


@getitem.defvjp
def getitem_vjp(g: Any, y: Any, x: Any, index: Any) -> Any:
    return getitem_adjoint(g, index=index, shape=x.shape)


@op(
    samples=[
        Case(Reals(2), index=Index((slice(1, 3), 0)), shape=(3, 4)),
        Case(Reals(4, 2), index=np.array([2, 0, 2, -1]), shape=(3, 2)),
        Case(Reals(2, 3), index=(np.array([[0], [2]]), np.array([1, 1, 3])), shape=(3, 4)),
        Case(Reals(2), index=np.array([True, False, True]), shape=(3,)),
        Case(Reals(), index=1, shape=(3,)),
        Case(Reals(3, 0), index=(), shape=(3, 0)),
    ],
    misuses=[
        Misuse(
            (np.ones(2),),
            IndexError,
            "x.at[index].add: index -4 is out of range for axis 0 of shape (3,), which has "
            "length 3; use -3 to 2",
            {"index": np.array([1, -4]), "shape": (3,)},
        ),
        Misuse((np.ones(2),), ShapeError, "broadcast", {"index": slice(0, 3), "shape": (3,)}),
    ],
    tex=r"E_{#index}^{\top} #v",
    binds="function",
)
def getitem_adjoint(v: Array, /, index: Any, shape: Shape) -> Array:
    r"""Zeros, with `v` added where an index points, $E_I^{\top} v$; the adjoint of `getitem`.

    Args:
        v: values that broadcast to the shape that `index` picks.
        index: as in NumPy; where it repeats, values accumulate.
        shape: of the result.

    Raises:
        IndexingError: if `shape` has no such index.

    Derivation:
        The transpose of a transpose is the map itself: each value is seen at the place that it was
        added to. For the index `[1:3, 0]`,
        $$\bar v = \bar y _{1:3, 0}$$

    Example:
        >>> getitem_adjoint(np.array([1.0, 5.0]), index=np.array([2, 2]), shape=(3,))
        array([0., 0., 6.])
    """
    v, index = np.asarray(v), index if isinstance(index, tuple) else (index,)
    y = np.zeros(shape, v.dtype)
    try:
        if may_repeat(index):
            accumulate(y, index, v)
        else:
            y[index] = v
    except IndexError as error:
        raise reworded("x.at[index].add", shape, error) from None
    return y


getitem_adjoint.defvjp(lambda g, y, v, index, shape: getitem(g, index=index))


def may_repeat(index: Any) -> bool:
    """Whether an index may name an element twice: only integer arrays can."""
    entries = index if isinstance(index, tuple) else (index,)
    return any(type(i) not in BASIC and np.asarray(i).dtype.kind != "b" for i in entries)


def accumulate(y: Array, index: tuple[Any, ...], v: Array) -> None:
    """Add `v` to `y` where `index` points: row by row if it names rows, else place by place."""
    ids, length = (np.asarray(index[0]), len(y)) if len(index) == 1 else (None, y.size)
    if ids is None:
        ids = np.arange(y.size).reshape(y.shape)[index]
    width = y.size // length if length else 0
    picked = (*ids.shape, *y.shape[1:]) if len(index) == 1 else ids.shape
    updates = np.broadcast_to(v, picked).reshape(ids.size, width)
    try:
        scatter.scatter_add_rows(y.reshape(length, width), ids.ravel(), updates)
    except IndexError:
        refuse_beyond("x.at[index].add", ids, 0, y.shape)


@op(
    samples=[
        Case(Reals(3, 4), Reals(2), index=Index((slice(1, 3), 0))),
        Case(Reals(3, 4), Reals(), index=1),
        Case(Reals(4), Reals(3), index=np.array([1, 3, 1])),
        Case(Reals(3), Reals(), index=np.array([True, False, True])),
        Case(Reals(2, 3), Reals(2, 1), index=(slice(None), np.array([0, 0, 2]))),
        Case(Reals(0, 2), Reals(2), index=slice(None)),
    ],
    misuses=[
        Misuse(
            (np.ones(3), np.ones(())),
            IndexError,
            "x.at[index].set: index 3 is out of range for axis 0 of shape (3,)",
            {"index": 3},
        ),
        Misuse((np.ones(3), np.ones(2)), ShapeError, "broadcast", {"index": slice(None)}),
    ],
    tex=r"#x \text{ with } #v \text{ at } {#index}",
    binds="comparison",
)
def set_at(x: Array, v: Array, /, index: Any) -> Array:
    r"""A copy of $x$ with $v$ written at an index; `x.at[index].set(v)`.

    Args:
        x: any shape.
        v: values that broadcast to the shape that `index` picks.
        index: as in NumPy; where it repeats, the last value stays.

    Raises:
        IndexingError: naming the axis, its length and the index that it does not have.

    Derivation:
        What was overwritten does not reach the output, everything else is copied; and each value
        written is seen where it stands (values that a repeated index overwrote get 0). For the
        index `[1:3, 0]`,
        $$\bar x = \bar y \text{ with } 0 \text{ at } {1:3, 0}$$
        $$\bar v = \bar y _{1:3, 0}$$

    Example:
        >>> set_at(np.zeros(3), 7.0, index=-1)
        array([0., 0., 7.])
    """
    y = np.array(x, np.result_type(x, v))
    try:
        y[index] = v
    except IndexError as error:
        raise reworded("x.at[index].set", y.shape, error) from None
    return y


def set_at_values_vjp(g: Any, y: Any, x: Any, v: Any, index: Any) -> Any:
    picked = getitem(g, index=index)
    return where(stays(index, g.shape), picked, 0.0) if may_repeat(index) else picked


set_at.defvjp(lambda g, y, x, v, index: set_at(g, 0.0, index=index), set_at_values_vjp)


def stays(index: Any, shape: Shape) -> Array:
    """Which of the values written at an index are not overwritten by a later one."""
    places = np.arange(math.prod(shape)).reshape(shape)[index]
    order = np.arange(places.size).reshape(places.shape)
    last = np.empty(math.prod(shape), np.intp)
    last[places] = order
    return last[places] == order


class At:
    """`x.at`, where an index is named to write to a copy of `x`."""

    __slots__ = ("x",)

    def __init__(self, x: Carrier) -> None:
        self.x = x

    def __getitem__(self, index: Any) -> "Place":
        return Place(self.x, fixed(index))


class Place:
    """`x.at[index]`: what may be done there, each giving a new tensor with a gradient.

    Example:
        >>> import tinygrad_rnn as tg
        >>> x = tg.tensor([1.0, 2.0, 3.0])
        >>> x.at[1].set(0.0)
        tensor([1., 0., 3.])
        >>> x.at[[0, 0]].add(10.0)
        tensor([21.,  2.,  3.])
    """

    __slots__ = ("index", "x")

    def __init__(self, x: Carrier, index: Any) -> None:
        self.x, self.index = x, index

    def set(self, v: Any) -> Any:
        """`x` with `v` at the index; where an index repeats, the last value stays."""
        return set_at(self.x, v, index=self.index)

    def add(self, v: Any) -> Any:
        """`x` with `v` added at the index; where an index repeats, values accumulate."""
        if not isinstance(v, Carrier):
            v = np.asarray(v, None if isinstance(v, np.ndarray) else self.x.dtype)
        return self.x + getitem_adjoint(v, index=self.index, shape=self.x.shape)


def fixed(index: Any) -> Index:
    """An index that no later write can change: tensors and arrays in it are copied."""
    if isinstance(index, tuple):
        return Index([i if type(i) in BASIC else copied(i) for i in index])
    return Index((index if type(index) in BASIC else copied(index),))


def copied(picks: Any) -> Any:
    """Integers or booleans in an index, as an array of its own; a single integer, as an int.

    Raises:
        DtypeError: if they are neither.
    """
    array = np.array(picks.data if isinstance(picks, Tensor) else picks)
    if isinstance(picks, list) and not array.size:
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        raise DtypeError(
            f"x[index]: got {described(array)} in the index; expected integers, slices, None, "
            "..., or booleans"
        )
    return array.item() if not array.ndim and array.dtype.kind != "b" else array


def subscript(x: Carrier, index: Any) -> Any:
    """`x[index]`."""
    return x.apply(getitem, (x,), {"index": fixed(index)})


# What method="__getitem__" would attach binds its arguments first, which takes longer than a view.
for attribute, value in {"__getitem__": subscript, "at": property(At)}.items():
    setattr(Carrier, attribute, value)


@op(
    samples=[
        Case(Reals(4, 2), Integers(3, high=4), axis=0),
        Case(Reals(2, 3, 2), np.array([[2, 0], [-1, 2]]), axis=1),
        Case(Reals(2, 3), Integers(2, 2, high=6)),
        Case(Reals(2, 3), 1, axis=-1),
        Case(Reals(3, 2), np.zeros(0, np.int64), axis=0),
        Case(Reals(3, 0), np.array([1]), axis=0),
    ],
    misuses=[
        Misuse(
            (np.ones((3, 2)), np.array([0, 5])),
            IndexError,
            "take: index 5 is out of range for axis 0 of shape (3, 2), which has length 3",
            {"axis": 0},
        ),
        Misuse((np.ones((0, 2)), np.array([0])), IndexError, "an empty axis", {"axis": 0}),
        Misuse((np.ones(3), np.ones(2)), DtypeError, "take: got indices float64 (2,); expected in"),
        Misuse((np.ones(3), np.ones(3, bool)), DtypeError, "to pick by a mask write x[mask]"),
        Misuse((np.ones(3), np.array([0])), ShapeError, "axis 1 is out of bounds", {"axis": 1}),
    ],
    tex="E_I #x",
    binds="function",
    method="take",
)
def take(x: Array, indices: Array, /, axis: int | None = None) -> Array:
    r"""The entries along one axis that indices $I$ name, as `np.take`.

    Args:
        x: any shape.
        indices: integers of any shape, which stands in the output in place of the axis.
        axis: which one; None picks from the flattened `x`.

    Raises:
        IndexingError: naming the index that the axis does not have.
        DtypeError: if `indices` are not integers.

    Derivation:
        Picking is the linear map $y = E_I\,x$, with one 1 in each row; its transpose adds,
        $$\bar x = E_I^{\top} \bar y$$

    Example:
        >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1, 0]), axis=0)
        array([[3., 4.],
               [3., 4.],
               [1., 2.]])
    """
    x, indices = np.asarray(x), integers("take", "indices", indices)
    if axis is None:
        x, axis = x.reshape(x.size), 0
    axis = normalize_axis_index(axis, x.ndim)
    try:
        return np.take(x, indices, axis)
    except IndexError:
        refuse_beyond("take", indices, axis, x.shape)


def take_vjp(g: Any, y: Any, x: Any, indices: Any, axis: int | None) -> Any:
    return take_adjoint(g, indices, axis=axis, shape=x.shape)


take.defvjp(take_vjp, None)


@op(
    samples=[
        Case(Reals(3, 2), Integers(3, high=4), axis=0, shape=(4, 2)),
        Case(Reals(2, 2, 2, 2), np.array([[2, 0], [-1, 2]]), axis=1, shape=(2, 3, 2)),
        Case(Reals(2), np.array([1, 1]), axis=None, shape=(2, 3)),
        Case(Reals(0, 2), np.zeros(0, np.int64), axis=0, shape=(3, 2)),
    ],
    misuses=[
        Misuse(
            (np.ones(1), np.array([5])),
            IndexError,
            "take_adjoint: index 5 is out of range for axis 0 of shape (3,)",
            {"axis": 0, "shape": (3,)},
        ),
    ],
    tex=r"E_I^{\top} #v",
    binds="function",
)
def take_adjoint(v: Array, indices: Array, /, axis: int | None, shape: Shape) -> Array:
    r"""Zeros, with entries of `v` added along an axis where indices point; the adjoint of `take`.

    Args:
        v: the shape that `take` gives.
        indices: integers of any shape; where one repeats, entries accumulate.
        axis: as in `take`.
        shape: of the result.

    Raises:
        IndexingError: naming the index that the axis does not have.

    Derivation:
        The transpose of a transpose is the map itself,
        $$\bar v = E_I \bar y$$

    Example:
        >>> take_adjoint(np.array([1.0, 5.0]), np.array([2, 2]), axis=0, shape=(3,))
        array([0., 0., 6.])
    """
    v, indices = np.asarray(v), integers("take_adjoint", "indices", indices)
    flat = (math.prod(shape),) if axis is None else shape
    axis = normalize_axis_index(axis or 0, len(flat))
    before, length, after = math.prod(flat[:axis]), flat[axis], math.prod(flat[axis + 1 :])
    rows = np.zeros((length, before * after), v.dtype)
    updates = v.reshape(before, indices.size, after).swapaxes(0, 1)
    try:
        scatter.scatter_add_rows(
            rows, indices.ravel(), updates.reshape(indices.size, before * after)
        )
    except IndexError:
        refuse_beyond("take_adjoint", indices, axis, flat)
    return rows.reshape(length, before, after).swapaxes(0, 1).reshape(shape)


take_adjoint.defvjp(lambda g, y, v, indices, axis, shape: take(g, indices, axis=axis), None)


@op(
    samples=[
        Case(Reals(2, 4), Integers(2, 3, high=4)),
        Case(Reals(3, 2), np.array([[2, 0], [-1, 2]]), axis=0),
        Case(Reals(1, 3), Integers(2, 2, high=3)),
        Case(Reals(2, 3), Integers(1, 2, high=3)),
        Case(Reals(0, 3), np.zeros((0, 2), np.int64)),
    ],
    misuses=[
        Misuse(
            (np.ones((2, 3)), np.array([[0], [4]])),
            IndexError,
            "take_along_axis: index 4 is out of range for axis 1 of shape (2, 3)",
        ),
        Misuse((np.ones((2, 3)), np.array([0])), ShapeError, "same number of dimensions"),
        Misuse((np.ones(2), np.ones(1)), DtypeError, "expected integers"),
    ],
    tex="E_I #x",
    binds="function",
    method="take_along_axis",
)
def take_along_axis(x: Array, indices: Array, /, axis: int = -1) -> Array:
    r"""Along one axis, each line's own picks: $y_{nk} = x_{n\,I_{nk}}$, as `np.take_along_axis`.

    Args:
        x: any shape.
        indices: integers; their shape is that of the output, broadcasting against `x` off the axis.
        axis: the axis along which they point.

    Raises:
        IndexingError: naming the index that the axis does not have.
        DtypeError: if `indices` are not integers.
        ShapeError: if `x` and `indices` differ in their number of axes.

    Derivation:
        Picking is the linear map $y = E_I\,x$, with one 1 in each row; its transpose adds,
        $$\bar x = E_I^{\top} \bar y$$

    Example:
        >>> x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> take_along_axis(x, np.array([[2], [0]]))
        array([[3.],
               [4.]])
    """
    x, indices = np.asarray(x), integers("take_along_axis", "indices", indices)
    axis = normalize_axis_index(axis, x.ndim)
    try:
        return np.take_along_axis(x, indices, axis)
    except IndexError as error:
        raise reworded("take_along_axis", x.shape, error) from None


def take_along_axis_vjp(g: Any, y: Any, x: Any, indices: Any, axis: int) -> Any:
    shape = list(g.shape)
    shape[axis] = x.shape[axis]
    return take_along_axis_adjoint(g, indices, axis=axis, shape=tuple(shape))


take_along_axis.defvjp(take_along_axis_vjp, None)


@op(
    samples=[
        Case(Reals(2, 3), Integers(2, 3, high=4), axis=1, shape=(2, 4)),
        Case(Reals(2, 2), np.array([[2, 0], [-1, 2]]), axis=0, shape=(3, 2)),
        Case(Reals(), Integers(2, 2, high=3), axis=-1, shape=(2, 3)),
        Case(Reals(0, 2), np.zeros((0, 2), np.int64), axis=1, shape=(0, 3)),
    ],
    misuses=[
        Misuse(
            (np.ones((2, 1)), np.array([[0], [4]])),
            IndexError,
            "scatter_add: index 4 is out of range for axis 1 of shape (2, 3)",
            {"axis": 1, "shape": (2, 3)},
        ),
        Misuse(
            (np.ones((3, 1)), np.zeros((3, 1), int)),
            ShapeError,
            "broadcast",
            {"axis": 1, "shape": (2, 3)},
        ),
    ],
    tex=r"E_I^{\top} #v",
    binds="function",
)
def take_along_axis_adjoint(v: Array, indices: Array, /, axis: int, shape: Shape) -> Array:
    r"""Zeros, with each line's own values added along an axis; the adjoint of `take_along_axis`.

    Args:
        v: values that broadcast to the shape of `indices`.
        indices: integers, as many axes as `shape`; where one repeats, values accumulate.
        axis: the axis along which they point.
        shape: of the result.

    Raises:
        IndexingError: naming the index that the axis does not have.

    Derivation:
        The transpose of a transpose is the map itself,
        $$\bar v = E_I \bar y$$

    Example:
        >>> take_along_axis_adjoint(np.ones((1, 2)), np.array([[2, 2]]), axis=1, shape=(1, 3))
        array([[0., 0., 2.]])
    """
    v, indices = np.asarray(v), integers("scatter_add", "indices", indices)
    axis = normalize_axis_index(axis, len(shape))
    lines = shape[:axis] + shape[axis + 1 :]
    count = np.broadcast_shapes(v.shape, indices.shape)[axis]
    met = (*shape[:axis], count, *shape[axis + 1 :])
    rows = np.zeros((math.prod(lines), shape[axis]), v.dtype)
    indices, updates = (
        np.moveaxis(np.broadcast_to(a, met), axis, -1).reshape(len(rows), count)
        for a in (indices, v)
    )
    try:
        scatter.scatter_add_along_rows(rows, indices, updates)
    except IndexError:
        refuse_beyond("scatter_add", indices, axis, shape)
    return np.moveaxis(rows.reshape(*lines, shape[axis]), -1, axis)


def take_along_axis_adjoint_vjp(
    g: Any, y: Any, v: Any, indices: Any, axis: int, shape: Shape
) -> Any:
    return take_along_axis(g, indices, axis=axis)


take_along_axis_adjoint.defvjp(take_along_axis_adjoint_vjp, None)


@composed(
    samples=[
        Case(Reals(2, 4), Integers(2, 3, high=4), Reals(2, 3)),
        Case(Reals(3, 2), np.array([[2, 0], [-1, 2]]), Reals(2, 2), axis=0),
        Case(Reals(2, 3), Integers(2, 2, high=3), Reals()),
    ],
    method="scatter_add",
)
def scatter_add(x: Any, indices: Any, updates: Any, axis: int = -1) -> Any:
    r"""$x$ with updates added along an axis: $y_{n\,I_{nk}} = x_{n\,I_{nk}} + u_{nk}$.

    Args:
        x: any shape.
        indices: integers, with as many axes as `x` and its lengths off the axis. Where an index
            repeats, updates accumulate.
        updates: values that broadcast to the shape of `indices`.
        axis: the axis along which the indices point.

    Raises:
        IndexingError: naming the index that the axis does not have.
        DtypeError: if `indices` are not integers.

    Example:
        >>> scatter_add(np.zeros((1, 3)), np.array([[2, 2]]), np.array([[1.0, 5.0]]))
        array([[0., 0., 6.]])
    """
    return x + take_along_axis_adjoint(updates, indices, axis=axis, shape=x.shape)


@op(
    samples=[
        Case(Reals(5, 2), Integers(2, 3, high=5)),
        Case(Reals(5, 2), np.array([0, 3, 3, 4]), padding_idx=1),
        Case(Reals(5, 2), 3),
        Case(Reals(5, 2), np.zeros((0, 3), np.int64)),
        Case(Reals(5, 0), np.array([1])),
    ],
    misuses=[
        Misuse(
            (np.ones((5, 2)), np.array([1, 5])),
            IndexError,
            "embedding: id 5 is not a row of the weight, which has 5; ids run from 0 to 4",
        ),
        Misuse((np.ones((5, 2)), np.array([-1])), IndexError, "embedding: id -1 is not a row"),
        Misuse((np.ones((5, 2)), np.ones(1)), DtypeError, "got ids float64 (1,); expected integ"),
        Misuse((np.ones(5), np.array([1])), ShapeError, "expected a weight of shape (V, D)"),
        Misuse(
            (np.ones((5, 2)), np.array([1])),
            ShapeError,
            "padding_idx=7 is not a row",
            {"padding_idx": 7},
        ),
    ],
    tex="E_I #weight",
    binds="function",
)
def embedding(weight: Array, ids: Array, /, padding_idx: int | None = None) -> Array:
    r"""The rows of a weight that ids $I$ name: a product with one-hot vectors, without making them.

    Args:
        weight: `(V, D)`.
        ids: integers from 0 to $V - 1$, of any shape (…).
        padding_idx: a row that learns nothing: its gradient is 0. It may be negative.

    Returns:
        `(…, D)`.

    Raises:
        IndexingError: naming an id that is not a row.
        DtypeError: if the ids are not integers.
        ShapeError: if the weight is not a matrix, or has no row `padding_idx`.

    Derivation:
        Stack the one-hot vectors of the ids as the rows of $E_I$; then $y = E_I W$. The transpose
        adds each row's cotangents up, over all places where its id stands (those of `padding_idx`
        are dropped first):
        $$\bar {\mathrm{weight}} = E_I^{\top} \bar y$$

    Example:
        >>> embedding(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0]))
        array([[3., 4.],
               [1., 2.]])
    """
    weight, ids = np.asarray(weight), integers("embedding", "ids", ids)
    if weight.ndim != 2:
        raise ShapeError(
            f"embedding: got weight {described(weight)}; expected a weight of shape (V, D)"
        )
    rows = len(weight)
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ShapeError(f"embedding: padding_idx={padding_idx} is not a row of {rows}")
    refuse_unknown("embedding", ids, rows, "a row of the weight, which has {0}; ids")
    return np.take(weight, ids, axis=0)


def refuse_unknown(call: str, ids: Array, count: int, of: str) -> None:
    """Name the first id that is not among `count` classes or rows."""
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        wrong = ids[(ids < 0) | (ids >= count)][0]
        raise IndexingError(
            f"{call}: id {wrong} is not {of.format(count)} run from 0 to {count - 1}"
        )


def embedding_vjp(g: Any, y: Any, weight: Any, ids: Any, padding_idx: int | None) -> Any:
    if padding_idx is not None:
        learns = ne(ids, padding_idx % weight.shape[0])
        g = where(getitem(learns, index=(..., None)), g, 0.0)
    return take_adjoint(g, ids, axis=0, shape=weight.shape)


embedding.defvjp(embedding_vjp, None)


@op(
    samples=[
        Case(Integers(2, 3), classes=3),
        Case(np.array(1), classes=2),
        Case(np.zeros((0,), np.int64), classes=4),
    ],
    misuses=[
        Misuse(
            (np.array([0, 3]),),
            IndexError,
            "one_hot: id 3 is not one of 3 classes; ids run from 0 to 2",
            {"classes": 3},
        ),
        Misuse((np.ones(2),), DtypeError, "one_hot: got ids float64 (2,)", {"classes": 3}),
    ],
    differentiable=False,
    method="one_hot",
)
def one_hot(ids: Array, /, classes: int, dtype: Any = None) -> Array:
    r"""Each id $i$ as the unit vector $e_i$; not differentiable.

    Args:
        ids: integers from 0 to `classes` - 1, of any shape (…).
        classes: the length of the vectors.
        dtype: of the result; that of `tg.default_dtype` unless told.

    Returns:
        `(…, classes)`.

    Raises:
        IndexingError: naming an id that is not a class.
        DtypeError: if the ids are not integers.

    Example:
        >>> one_hot(np.array([1, 0]), classes=3)
        array([[0., 1., 0.],
               [1., 0., 0.]], dtype=float32)
    """
    ids = integers("one_hot", "ids", ids)
    refuse_unknown("one_hot", ids, classes, "one of {0} classes; ids")
    vectors = np.zeros((*ids.shape, classes), dtype or float_dtype.get())
    np.put_along_axis(vectors, ids[..., None], 1, axis=-1)
    return vectors


TRIANGLES = [
    Case(Reals(3, 4)),
    Case(Reals(2, 3, 3), k=1),
    Case(Reals(3, 2), k=-1),
    Case(Reals(0, 3)),
]
FLAT = [Misuse((np.ones(3),), ShapeError, "expected at least 2 axes")]


@op(samples=TRIANGLES, misuses=FLAT, tex=r"\operatorname{tril} #x", binds="function", method="tril")
def tril(x: Array, /, k: int = 0) -> Array:
    r"""The lower triangle of the last two axes, zeros above it.

    Args:
        x: `(…, M, N)`.
        k: the last diagonal that is kept: 0 the main one, positive above it.

    Raises:
        ShapeError: if there are fewer than two axes.

    Derivation:
        An element is either copied or replaced by a constant, so its cotangent is either passed on
        or 0: the same triangle,
        $$\bar x = \operatorname{tril} \bar y$$

    Example:
        >>> tril(np.ones((2, 3)))
        array([[1., 0., 0.],
               [1., 1., 0.]])
    """
    return np.tril(matrices("tril", x), k)


tril.defvjp(lambda g, y, x, k: tril(g, k=k))


@op(samples=TRIANGLES, misuses=FLAT, tex=r"\operatorname{triu} #x", binds="function", method="triu")
def triu(x: Array, /, k: int = 0) -> Array:
    r"""The upper triangle of the last two axes, zeros below it.

    Args:
        x: `(…, M, N)`.
        k: the first diagonal that is kept: 0 the main one, positive above it.

    Raises:
        ShapeError: if there are fewer than two axes.

    Derivation:
        As for `tril`, an element is either copied or replaced by a constant,
        $$\bar x = \operatorname{triu} \bar y$$

    Example:
        >>> triu(np.ones((2, 3)), k=1)
        array([[0., 1., 1.],
               [0., 0., 1.]])
    """
    return np.triu(matrices("triu", x), k)


triu.defvjp(lambda g, y, x, k: triu(g, k=k))


def matrices(call: str, x: Array) -> Array:
    """`x`, refused unless its last two axes make matrices."""
    x = np.asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"{call}: got x {described(x)}; expected at least 2 axes, (…, M, N)")
    return x
