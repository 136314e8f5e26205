r"""Ops that pick by arrays of integers along one axis, and their adjoints, which add.

As in `index`, picking is $y = E_I\,x$ with a single 1 in each row of $E_I$, and its derivative
$E_I^{\top}$ adds up what came from one place. Every op that picks has a partner that adds:

=======================  ==========================  ====================
picks                    adds                        in user's words
=======================  ==========================  ====================
`take`, `embedding`      `take_adjoint`
`take_along_axis`        `take_along_axis_adjoint`   `scatter_add`
=======================  ==========================  ====================
"""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_rnn.engine import Case, DtypeError, Integers, Misuse, Reals, ShapeError, composed, op
from tinygrad_rnn.engine.modes import float_dtype
from tinygrad_rnn.engine.operation import described
from tinygrad_rnn.kernels import scatter
from tinygrad_rnn.ops.bounds import (
    integers,
    refuse_beyond,
    refuse_unknown,
    refuse_unknown_rows,
    reworded,
)
from tinygrad_rnn.ops.index import getitem
from tinygrad_rnn.ops.selection import ne, where

__all__ = [
    "embedding",
    "one_hot",
    "scatter_add",
    "take",
    "take_adjoint",
    "take_along_axis",
    "take_along_axis_adjoint",
]

Array = Any
Shape = tuple[int, ...]


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
    fresh=True,
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
        $$\overline{\mathrm{weight}} = E_I^{\top} \bar y$$

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
    refuse_unknown_rows(ids, rows)
    return np.take(weight, ids, axis=0)


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
    refuse_unknown("one_hot", ids, classes, "id", f"one of {classes} classes")
    vectors = np.zeros((*ids.shape, classes), dtype or float_dtype.get())
    np.put_along_axis(vectors, ids[..., None], 1, axis=-1)
    return vectors
