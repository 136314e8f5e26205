r"""From a batch of rows to blocks of features, and back.

A layer's input has a row of features per sequence, `(batch, features)`; inside a compiled loop
each feature is a block of its own, `(features, batch)`, flat. `to_features` and `to_rows` go from
one to the other, for one time step or for all of them:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> block = np.empty(6)
    >>> to_features(x, block)
    >>> block
    array([1., 4., 2., 5., 3., 6.])

In Python they are NumPy's assignments. In a compiled loop floats move through registers, four
columns by eight rows at a time.
"""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import overloaded
from tinygrad_rnn.kernels.machine_code import ObjectCode, declare, named
from tinygrad_rnn.kernels.tiles import tile_of

Array = NDArray[Any]


def to_features(src: Array, dst: Array) -> None:
    """Write a batch's rows as blocks of features.

    Args:
        src: A batch `(b, F)`, or one per step `(T, b, F)`; each row contiguous.
        dst: The blocks, contiguous `(F * b,)`, or one per step `(T, F * b)`; written to.

    Example:
        >>> import numpy as np
        >>> blocks = np.empty((2, 4))
        >>> to_features(np.arange(8.0).reshape(2, 2, 2), blocks)
        >>> blocks
        array([[0., 2., 1., 3.],
               [4., 6., 5., 7.]])
    """
    *steps, b, F = src.shape
    dst.reshape(*steps, F, b)[...] = src.swapaxes(-1, -2)


def to_rows(src: Array, dst: Array) -> None:
    """Write blocks of features as a batch's rows.

    Args:
        src: The blocks, contiguous `(F * b,)`, or one per step `(T, F * b)`.
        dst: A batch `(b, F)`, or one per step `(T, b, F)`; each row contiguous; written to.

    Example:
        >>> import numpy as np
        >>> rows = np.empty((2, 3))
        >>> to_rows(np.array([1.0, 4.0, 2.0, 5.0, 3.0, 6.0]), rows)
        >>> rows
        array([[1., 2., 3.],
               [4., 5., 6.]])
    """
    *steps, b, F = dst.shape
    dst[...] = src.reshape(*steps, F, b).swapaxes(-1, -2)


def transposing(dtype: str) -> str:
    """The name of the machine code of transposes, with as many lanes as suit this processor."""
    lanes = min(8, tile_of(dtype).lanes)

    def compiled() -> ObjectCode:
        from tinygrad_rnn.kernels.microkernels import transpose_by

        return transpose_by(lanes, dtype)

    return declare(named("transpose", dtype, lanes), compiled)


@overloaded(to_features, link=transposing)
def _to_features(src: Any, dst: Any) -> Callable[..., None]:
    if src.ndim == 3:
        return each_step(to_features)
    if not has_kernel(src, dst):
        return features_one_by_one
    from tinygrad_rnn.kernels.instructions import address, call

    transpose = transposing(str(src.dtype))

    def by_blocks(src: Array, dst: Array) -> None:
        b, F = src.shape
        step = src.strides[0] // src.itemsize
        call(transpose, address(src, 0), step, address(dst, 0), b, b, F)

    return by_blocks


@overloaded(to_rows, link=transposing)
def _to_rows(src: Any, dst: Any) -> Callable[..., None]:
    if dst.ndim == 3:
        return each_step(to_rows)
    if not has_kernel(src, dst):
        return rows_one_by_one
    from tinygrad_rnn.kernels.instructions import address, call

    transpose = transposing(str(src.dtype))

    def by_blocks(src: Array, dst: Array) -> None:
        b, F = dst.shape
        step = dst.strides[0] // dst.itemsize
        call(transpose, address(src, 0), b, address(dst, 0), step, F, b)

    return by_blocks


def has_kernel(src: Any, dst: Any) -> bool:
    """Whether vector instructions move numbers of this dtype; given Numba's types."""
    return src.dtype == dst.dtype and str(src.dtype) in ("float32", "float64")


def each_step(of_one_step: Callable[..., None]) -> Callable[..., None]:
    """The loop over time steps."""

    def of_all_steps(src: Array, dst: Array) -> None:
        for t in range(len(src)):
            of_one_step(src[t], dst[t])

    return of_all_steps


def features_one_by_one(src: Array, dst: Array) -> None:
    """`to_features` for other dtypes."""
    b, F = src.shape
    for i in range(F):
        for j in range(b):
            dst[i * b + j] = src[j, i]


def rows_one_by_one(src: Array, dst: Array) -> None:
    """`to_rows` for other dtypes."""
    b, F = dst.shape
    for j in range(b):
        for i in range(F):
            dst[j, i] = src[i * b + j]
