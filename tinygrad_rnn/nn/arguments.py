"""What layers ask of their arguments, and the errors that say so."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, DtypeError, ShapeError, Tensor, modes, tensor


def check_sizes(owner: str, **sizes: Any) -> None:
    """Refuse a size that is not a positive integer.

    Raises:
        ValueError: naming the layer, the size and what it got.
    """
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{owner}: got {name}={size!r}; expected an integer of 1 or more")


def check_probability(owner: str, name: str, p: float) -> None:
    """Refuse a probability outside of [0, 1].

    Raises:
        ValueError: naming the layer and what it got.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{owner}: got {name}={p!r}; expected a probability, in [0, 1]")


def empty(*shape: int, dtype: Any = None) -> Any:
    """An array to be filled, in the default float dtype unless told.

    Raises:
        DtypeError: if `dtype` is not a float.
    """
    chosen = np.dtype(modes.float_dtype.get() if dtype is None else dtype)
    if chosen.kind != "f":
        raise DtypeError(f"got dtype={chosen}; expected a float such as 'float32'")
    return np.empty(shape, chosen)


def as_input(owner: str, x: Any, weight: Tensor, name: str = "input") -> Any:
    """An input as a tensor that fits the last axis and the dtype of a weight (out, in).

    Raises:
        ShapeError: if its last axis has another length.
        DtypeError: if it has another dtype.
    """
    x = x if isinstance(x, Carrier) else tensor(x)
    size = weight.shape[-1]
    if not x.ndim or x.shape[-1] != size:
        raise ShapeError(
            f"{owner}: got {name} of shape {x.shape}; expected (…, {size}): the last axis holds "
            f"the {size} features that the layer was made for"
        )
    check_dtype(owner, x, weight, name)
    return x


def check_dtype(owner: str, x: Any, weight: Tensor, name: str) -> None:
    """Refuse an operand that would change the dtype of everything after it.

    Raises:
        DtypeError: saying how to convert which.
    """
    if x.dtype != weight.dtype:
        remedy = (
            f"convert it with .astype({str(weight.dtype)!r}), or the layer with "
            f".astype({str(x.dtype)!r})"
            if x.dtype.kind == "f"
            else "turn indices into vectors with nn.Embedding or tg.one_hot, and other numbers "
            f"with .astype({str(weight.dtype)!r})"
        )
        raise DtypeError(
            f"{owner}: got {name} of dtype {x.dtype}, and the layer's weights are "
            f"{weight.dtype}; {remedy}"
        )


def check_lengths(owner: str, lengths: Any, T: int, batch: tuple[int, ...]) -> None:
    """Refuse lengths that are not one integer in [0, T] for each sequence of the batch.

    Raises:
        DtypeError: if they are not integers.
        ShapeError: if there are too many or too few, or one is out of range.
    """
    if lengths is None:
        return
    n = np.asarray(lengths)
    if not batch:
        raise ShapeError(
            f"{owner}: got lengths and an input without a batch axis; cut the sequence instead, "
            "with input[:length]"
        )
    if n.dtype.kind not in "iu" and n.size:
        raise DtypeError(f"{owner}: got lengths of dtype {n.dtype}; expected integers")
    if n.shape != batch:
        raise ShapeError(
            f"{owner}: got lengths of shape {n.shape}; expected {batch}: one for each sequence "
            "along the input's batch axis"
        )
    outside = n[(n < 0) | (n > T)]
    if outside.size:
        raise ShapeError(
            f"{owner}: got lengths {n.tolist()}, of which {outside.tolist()} are out of range; "
            f"expected each in [0, {T}], since the input's time axis has {T} steps"
        )


def check_reset(
    owner: str, reset: Any, T: int, batch: tuple[int, ...], batch_first: bool = False
) -> Any:
    """Marks of where documents begin as an array (T, B), or None if there are none.

    Raises:
        DtypeError: if they are not booleans.
        ShapeError: if they are not one for each step of each sequence.
    """
    if reset is None:
        return None
    marks = np.asarray(reset)
    if not batch:
        raise ShapeError(
            f"{owner}: got reset and an input without a batch axis; give it one, with "
            "input[:, None]"
        )
    if marks.dtype.kind != "b":
        raise DtypeError(f"{owner}: got reset of dtype {marks.dtype}; expected booleans")
    expected = (*batch, T) if batch_first else (T, *batch)
    if marks.shape != expected:
        raise ShapeError(
            f"{owner}: got reset of shape {marks.shape}; expected {expected}: one mark for each "
            "step of each sequence, laid out as the input"
        )
    return marks.T if batch_first else marks
