r"""Indexing as in NumPy, `x[index]`, and `x.at[index]` to write to a copy.

Picking is linear: $y = E_I\,x$, where each row of the matrix $E_I$ has a single 1, in the column
that an entry of the index $I$ names. Its derivative is therefore $E_I^{\top}$, which adds: an
element that was picked twice collects two cotangents. So `getitem` picks and `getitem_adjoint`
adds, each the other's derivative, and the two give gradients of any order.

An index that an array does not have raises `IndexingError`, which names the index, the axis and
its length.
"""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, Case, DtypeError, Misuse, Reals, ShapeError, Tensor, op
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels import scatter
from tinygrad_rnn.ops.bounds import refuse_beyond, reworded
from tinygrad_rnn.ops.selection import where

__all__ = [
    "At",
    "Place",
    "getitem",
    "getitem_adjoint",
    "set_at",
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
