r"""Keeping a gradient from throwing the parameters far away.

On the wall of a loss the gradient is thousands of times what it is elsewhere, and one step along it
undoes an hour of training. Scaling the whole gradient down to a length keeps its direction.

Source: Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*,
ICML 2013, arXiv:1211.5063, algorithm 1.
"""

import functools
import math
import sys
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.kernels.memory import pool
from tinygrad_rnn.kernels.optimizer import scale_all, sums_of_squares


def clip_grad_norm(
    params: Iterable[Any], max_norm: float, error_if_nonfinite: bool = False
) -> float:
    r"""Scale all gradients so that together they are no longer than `max_norm`.

    With $\lVert g \rVert = \sqrt{\sum_i g_i^2}$ over every entry of every gradient,
    $$ g \leftarrow g \cdot \min\!\Big(1, \frac{c}{\lVert g \rVert + 10^{-6}}\Big). $$
    Where the norm is infinite or NaN the gradients are left as they are. A gradient that somebody
    else refers to, in a variable or in a graph, is not written to: the parameter gets a new one.

    Args:
        params: Tensors; those without a gradient are passed over.
        max_norm: $c$; infinity to only measure.
        error_if_nonfinite: Whether an infinite norm or NaN is an error.

    Returns:
        The norm before clipping.

    Raises:
        ValueError: If `max_norm` is negative or NaN.
        FloatingPointError: If the norm is not finite and that is to be an error.

    Example:
        >>> import tinygrad_rnn as tg
        >>> w = tg.tensor([3.0, 4.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> clip_grad_norm([w], max_norm=5.0)
        10.0
        >>> w.grad.numpy().round(3)
        array([3., 4.], dtype=float32)
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: got max_norm={max_norm}; expected 0 <= max_norm")
    params = [p for p in _several(params) if p.grad is not None]
    squares = sums_of_squares([p.grad.data.reshape(-1) for p in params])
    norm = math.sqrt(sum(squares))
    if error_if_nonfinite and not math.isfinite(norm):
        worst = next(i for i, s in enumerate(squares) if not math.isfinite(s))
        name = getattr(params[worst], "name", None)
        raise FloatingPointError(
            f"clip_grad_norm: the norm of the gradients is {norm}. The first that is not finite is "
            f"number {worst}{f' ({name})' if name else ''}, of shape {params[worst].data.shape}; "
            "tg.detect_anomaly() finds the op that made it"
        )
    scale = max_norm / (norm + 1e-6)
    if scale < 1 and math.isfinite(norm):
        _scale(params, scale)
    return norm


def clip_grad_value(params: Iterable[Any], clip_value: float) -> None:
    """Bring every entry of every gradient between `-clip_value` and `clip_value`.

    It changes the gradient's direction; `clip_grad_norm` keeps it.

    Args:
        params: Tensors; those without a gradient are passed over.
        clip_value: The largest magnitude.

    Raises:
        ValueError: If `clip_value` is negative or NaN.

    Example:
        >>> import tinygrad_rnn as tg
        >>> w = tg.tensor([0.25, -4.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> clip_grad_value([w], 1.0)
        >>> w.grad
        tensor([ 0.5, -1. ])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value: got clip_value={clip_value}; expected 0 <= clip_value")
    for p in _several(params):
        if p.grad is not None:
            p.grad = Tensor(np.clip(p.grad.data, -clip_value, clip_value))


def _scale(params: list[Any], factor: float) -> None:
    """Give all parameters shorter gradients, without new memory where nobody could tell."""
    hidden: list[Any] = []
    seen: list[Any] = []
    for p in params:
        (hidden if _is_hidden(p) else seen).append(p)
    for p in seen:
        p.grad = Tensor(p.grad.data * factor)
    scale_all([p.grad.data.reshape(-1) for p in hidden], factor)


def _is_hidden(p: Any) -> bool:
    """Whether a gradient is known to its parameter alone: no graph, view or variable has it."""
    if _references(p) != _references_of_one():
        return False
    g = p.grad
    alone = g.data.base is None or pool().has_lent_to(g.data)
    return alone and g.op is None and bool(g.data.flags.carray)


def _references(p: Any) -> tuple[int, int]:
    """How many refer to a gradient, and how many to its numbers."""
    return sys.getrefcount(p.grad), sys.getrefcount(p.grad.data)


@functools.cache
def _references_of_one() -> tuple[int, int]:
    """As many as refer to a gradient that only its parameter has; that depends on the Python."""
    return _references(SimpleNamespace(grad=Tensor(np.zeros(2))))


def _several(params: Any) -> list[Any]:
    """One tensor is one parameter, not the sequence of its rows."""
    return [params] if isinstance(params, Tensor) else list(params)
