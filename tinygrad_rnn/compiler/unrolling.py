"""A loop over time, op by op: what `scan` means, and what compiled loops are compared with."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, DtypeError, ShapeError, Tensor, no_grad
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt, structure
from tinygrad_rnn.ops import stack, unbind, where

Nest = Any  # a tensor, or nested tuples, lists and dicts of tensors
Step = Callable[[Nest, Nest], tuple[Nest, Nest]]


def unroll(
    step: Step, init: Nest, xs: Nest, alive: Any, fresh: Any, reverse: bool
) -> tuple[Nest, Nest]:
    """`scan`, op by op.

    Args:
        step: maps (carry, x) to (carry, y).
        init: the carry before the first step.
        xs: inputs with time as the first axis.
        alive: which sequences take part in which step, (T, B), or None for all,
        fresh: and where the carry is `init` again, or None.
        reverse: whether to run from the last step to the first.
    """
    T = time_steps(xs)
    if T == 0:
        return init, empty_outputs(step, init, xs)
    # --8<-- [start:loop]
    carry = init
    outputs: list[Nest] = []
    order = range(T - 1, -1, -1) if reverse else range(T)
    frames = list(time_slices(xs))
    for t in order:
        before = carry if fresh is None else choose(fresh[t], init, carry)
        result = step(before, frames[t])
        if not outputs:
            refuse_unlike(before, result)
        still, (carry, y) = carry, result
        if alive is not None and not alive[t].all():
            carry = choose(alive[t], carry, still)
            y = mapped(lambda leaf, t=t: where(column(alive[t], leaf), leaf, 0.0), y)
        outputs.append(y)
    return carry, stacked(outputs[::-1] if reverse else outputs)
    # --8<-- [end:loop]


def time_steps(xs: Nest) -> int:
    """T, the length of the first axis of every leaf."""
    lengths = {(x.shape if isinstance(x, Carrier) else np.shape(x))[:1] for x in leaves(xs)}
    if len(lengths) != 1 or lengths == {()}:
        shapes = ", ".join(str(np.shape(x)) for x in leaves(xs))
        raise ShapeError(
            f"scan: got xs of shape {shapes or 'none'}; expected the same number of time steps "
            "along the first axis of each"
        )
    return int(lengths.pop()[0])


def time_slices(xs: Nest) -> Iterator[Nest]:
    """The inputs of each step."""
    return (rebuilt(xs, frame) for frame in zip(*map(unbind, leaves(xs)), strict=True))


def stacked(outputs: list[Nest]) -> Nest:
    """A nest of sequences from a sequence of nests."""
    columns = zip(*map(leaves, outputs), strict=True)
    return rebuilt(outputs[0], (stack(list(column)) for column in columns))


def choose(mask: Any, a: Nest, b: Nest) -> Nest:
    """`a` for the sequences where the mask holds, `b` for the others."""
    return mapped(lambda x, y: where(column(mask, x), x, y), a, b)


def column(mask: Any, leaf: Any) -> Any:
    """A mask over the batch, shaped to broadcast over a leaf's other axes."""
    if not leaf.ndim or leaf.shape[0] != mask.shape[0]:
        raise ShapeError(
            f"scan: lengths or reset are for a batch of {mask.shape[0]}, and a carry or output "
            f"has shape {leaf.shape}; expected the batch as its first axis"
        )
    return mask.reshape(mask.shape + (1,) * (leaf.ndim - 1))


def alive_masks(lengths: Any, T: int) -> Any:
    """Which sequences take part in which step, (T, B)."""
    n = np.asarray(lengths)
    if n.dtype.kind not in "iu":
        raise DtypeError(f"scan: got lengths of dtype {n.dtype}; expected integers")
    if n.ndim != 1 or ((n < 0) | (n > T)).any():
        raise ShapeError(
            f"scan: got lengths {n.tolist()}; expected one per sequence, each in [0, {T}], where "
            f"{T} is the number of time steps"
        )
    return np.arange(T)[:, None] < n


def reset_masks(reset: Any, T: int) -> Any:
    """Where the carry starts again, (T, B)."""
    masks = np.asarray(reset)
    if masks.dtype.kind != "b":
        raise DtypeError(f"scan: got reset of dtype {masks.dtype}; expected booleans")
    if masks.ndim != 2 or masks.shape[0] != T:
        raise ShapeError(f"scan: got reset of shape {masks.shape}; expected ({T}, batch)")
    return masks


def refuse_unlike(before: Nest, result: Any) -> None:
    """Refuse a first step whose carry does not look the way it came in."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ShapeError(
            f"scan: the step returned {type(result).__name__}; expected a pair (carry, y)"
        )
    after = result[0]
    if structure(before) != structure(after):
        raise ShapeError(
            f"scan: the step got a carry {structure(before)} and returned {structure(after)}"
        )
    for old, new in zip(leaves(before), leaves(after), strict=True):
        if np.shape(old) != np.shape(new):
            raise ShapeError(
                f"scan: the step got a carry of shape {np.shape(old)} and returned "
                f"{np.shape(new)}; they must be equal, so that it can be applied again"
            )


def empty_outputs(step: Step, init: Nest, xs: Nest) -> Nest:
    """The outputs of no steps: shapes from one step on zeros, which is then forgotten."""
    with no_grad():
        zeros = mapped(lambda x: Tensor(np.zeros(x.shape[1:], x.dtype)), xs)
        _, y = step(init, zeros)
    return mapped(lambda leaf: Tensor(np.zeros((0, *leaf.shape), leaf.dtype)), y)
