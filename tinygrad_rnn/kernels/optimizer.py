r"""One step of each optimizer on one array, in place, and the sum of squares that clipping needs.

The arrays of a call have the same shape and dtype: the parameters `p`, the gradient `g`, and what
the optimizer remembers. The equations stand with the optimizers in `optim`; here they become one
pass over memory instead of a dozen. `adam_steps`, `sums_of_squares` and `scale_all` make that pass
over all parameters of a model in one call.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import inlined
from tinygrad_rnn.kernels.dispatch import kernel
from tinygrad_rnn.kernels.many import go_over, numbers_at, part_of, tables

Array = NDArray[Any]

LARGE = 8192  # entries, from which the loops pay
MANY, MANY_MORE = 1 << 15, 1 << 18  # in all arrays, from which a table pays: steps, and one product


def is_large(p: Array, *rest: Any) -> bool:
    """Whether one pass over memory is worth importing Numba for."""
    return p.size >= LARGE


@kernel(pays=is_large, within=4, writes=(0,))
def sgd_step(p: Array, g: Array, lr: float, decay: float, /) -> None:
    """Gradient descent, `p -= lr (g + decay p)`.

    Example:
        >>> p = np.array([1.0])
        >>> sgd_step(p, np.array([2.0]), 0.25, 0.0)
        >>> p
        array([0.5])
    """
    p -= lr * (g + decay * p)


@sgd_step.defloop
def _sgd_step_loop(p: Array, g: Array, lr: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, decay = real(lr), real(decay)
    for i in range(p.size):
        p[i] -= lr * (g[i] + decay * p[i])


@kernel(pays=is_large, within=4, writes=(0, 2))
def momentum_step(
    p: Array,
    g: Array,
    velocity: Array,
    lr: float,
    momentum: float,
    dampening: float,
    decay: float,
    nesterov: bool,
    /,
) -> None:
    """Gradient descent with momentum, plain or Nesterov's.

    Example:
        >>> p, v = np.array([1.0]), np.array([1.0])
        >>> momentum_step(p, np.array([2.0]), v, 0.25, 0.5, 0.0, 0.0, False)
        >>> p, v
        (array([0.375]), array([2.5]))
    """
    g = g + decay * p
    velocity *= momentum
    velocity += (1 - dampening) * g
    p -= lr * (g + momentum * velocity if nesterov else velocity)


@momentum_step.defloop
def _momentum_step_loop(
    p: Array,
    g: Array,
    velocity: Array,
    lr: Any,
    momentum: Any,
    dampening: Any,
    decay: Any,
    nesterov: bool,
) -> None:
    real = p.dtype.type
    lr, momentum, fresh, decay = real(lr), real(momentum), real(1 - dampening), real(decay)
    for i in range(p.size):
        slope = g[i] + decay * p[i]
        v = momentum * velocity[i] + fresh * slope
        velocity[i] = v
        p[i] -= lr * (slope + momentum * v if nesterov else v)


@kernel(pays=is_large, within=8, writes=(0, 2, 3))
def adam_step(
    p: Array,
    g: Array,
    mean: Array,
    square: Array,
    step: float,
    beta1: float,
    beta2: float,
    correction: float,
    eps: float,
    decay: float,
    shrink: float,
    /,
) -> None:
    r"""Adam and AdamW.

    Args:
        p: The parameters, written to.
        g: Their gradient.
        mean: Running mean of the gradient, written to.
        square: Running mean of its square, written to.
        step: $\\eta/(1 - \\beta_1^t)$.
        beta1: How much of `mean` is kept.
        beta2: How much of `square` is kept.
        correction: $\\sqrt{1 - \\beta_2^t}$.
        eps: Added to the root.
        decay: Weight decay that joins the gradient, as in Adam.
        shrink: Factor on the parameters, as in AdamW.

    Example:
        >>> p, m, s = np.array([1.0]), np.array([0.0]), np.array([0.0])
        >>> adam_step(p, np.array([2.0]), m, s, 0.2, 0.5, 0.75, 0.5, 0.0, 0.0, 1.0)
        >>> p, m, s
        (array([0.9]), array([1.]), array([1.]))
    """
    p *= shrink
    g = g + decay * p
    mean += (1 - beta1) * (g - mean)
    square *= beta2
    square += (1 - beta2) * (g * g)
    p -= step * (mean / (np.sqrt(square) / correction + eps))


@inlined()
def adapt(
    p: Array,
    g: Array,
    mean: Array,
    square: Array,
    step: Any,
    beta1: Any,
    beta2: Any,
    correction: Any,
    eps: Any,
    decay: Any,
    shrink: Any,
) -> None:
    """What compiled loops know as `adam_step`."""
    real = p.dtype.type
    fresh1, beta2, fresh2 = real(1 - beta1), real(beta2), real(1 - beta2)
    step, correction, eps = real(step), real(correction), real(eps)
    decay, shrink = real(decay), real(shrink)
    for i in range(p.size):
        at = p[i] * shrink
        slope = g[i] + decay * at
        m = mean[i] + fresh1 * (slope - mean[i])
        s = beta2 * square[i] + fresh2 * (slope * slope)
        mean[i], square[i] = m, s
        p[i] = at - step * (m / (np.sqrt(s) / correction + eps))


@adam_step.defloop
def _adam_step_loop(
    p: Array,
    g: Array,
    mean: Array,
    square: Array,
    step: Any,
    beta1: Any,
    beta2: Any,
    correction: Any,
    eps: Any,
    decay: Any,
    shrink: Any,
) -> None:
    adapt(p, g, mean, square, step, beta1, beta2, correction, eps, decay, shrink)


def adam_steps(
    ps: Sequence[Array],
    gs: Sequence[Array],
    means: Sequence[Array],
    squares: Sequence[Array],
    settings: Sequence[Sequence[float]],
) -> None:
    """`adam_step` for many parameters in one pass over memory, shared by threads.

    Args:
        ps: The parameters, flat.
        gs: Their gradients,
        means: running means,
        squares: and running means of squares.
        settings: For each what `adam_step` takes after these, from `step` to `shrink`.

    Example:
        >>> p, m, s = np.array([1.0]), np.array([0.0]), np.array([0.0])
        >>> adam_steps([p], [np.array([2.0])], [m], [s], [(0.2, 0.5, 0.75, 0.5, 0.0, 0.0, 1.0)])
        >>> p
        array([0.9])
    """
    for places, table in tables(ps, gs, means, squares, worth=MANY):
        if table is None:
            for k in places:
                adam_step(ps[k], gs[k], means[k], squares[k], *settings[k])
        else:
            options = np.array([settings[k] for k in places], np.float64)
            go_over(_adam_pass, table, [options] * len(table.pieces))


def _adam_pass(
    addresses: Array, begins: Array, settings: Array, like: Array, first: int, last: int
) -> None:
    for k in range(len(addresses)):
        start, stop = part_of(begins, k, first, last)
        if start < stop:
            p = numbers_at(addresses[k, 0], start, stop, like)
            g = numbers_at(addresses[k, 1], start, stop, like)
            mean = numbers_at(addresses[k, 2], start, stop, like)
            square = numbers_at(addresses[k, 3], start, stop, like)
            adapt(
                p,
                g,
                mean,
                square,
                *(settings[k, 0], settings[k, 1], settings[k, 2], settings[k, 3]),
                *(settings[k, 4], settings[k, 5], settings[k, 6]),
            )


@kernel(pays=is_large, within=64, writes=(0, 2, 3, 4))
def rmsprop_step(
    p: Array,
    g: Array,
    square: Array,
    mean: Array | None,
    velocity: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    decay: float,
    momentum: float,
    /,
) -> None:
    """RMSprop; centred if it is given a `mean`, with momentum if it is given a `velocity`.

    Example:
        >>> p, s = np.array([1.0]), np.array([0.0])
        >>> rmsprop_step(p, np.array([2.0]), s, None, None, 0.5, 0.75, 0.0, 0.0, 0.0)
        >>> p, s
        (array([0.]), array([1.]))
    """
    g = g + decay * p
    square *= alpha
    square += (1 - alpha) * (g * g)
    variance = square
    if mean is not None:
        mean += (1 - alpha) * (g - mean)
        variance = square - mean * mean
    g = g / (np.sqrt(variance) + eps)
    if velocity is not None:
        velocity *= momentum
        velocity += g
        g = velocity
    p -= lr * g


@rmsprop_step.defloop
def _rmsprop_step_loop(
    p: Array,
    g: Array,
    square: Array,
    mean: Array | None,
    velocity: Array | None,
    lr: Any,
    alpha: Any,
    eps: Any,
    decay: Any,
    momentum: Any,
) -> None:
    real = p.dtype.type
    lr, alpha, fresh, eps = real(lr), real(alpha), real(1 - alpha), real(eps)
    decay, momentum = real(decay), real(momentum)
    for i in range(p.size):
        slope = g[i] + decay * p[i]
        variance = alpha * square[i] + fresh * (slope * slope)
        square[i] = variance
        if mean is not None:
            mean[i] += fresh * (slope - mean[i])
            variance -= mean[i] * mean[i]
        move = slope / (np.sqrt(variance) + eps)
        if velocity is not None:
            velocity[i] = momentum * velocity[i] + move
            move = velocity[i]
        p[i] -= lr * move


@kernel(pays=is_large, within=4, writes=(0, 2))
def adagrad_step(p: Array, g: Array, total: Array, lr: float, eps: float, decay: float, /) -> None:
    """Adagrad.

    Example:
        >>> p, s = np.array([1.0]), np.array([0.0])
        >>> adagrad_step(p, np.array([2.0]), s, 0.5, 0.0, 0.0)
        >>> p, s
        (array([0.5]), array([4.]))
    """
    g = g + decay * p
    total += g * g
    p -= lr * (g / (np.sqrt(total) + eps))


@adagrad_step.defloop
def _adagrad_step_loop(p: Array, g: Array, total: Array, lr: Any, eps: Any, decay: Any) -> None:
    real = p.dtype.type
    lr, eps, decay = real(lr), real(eps), real(decay)
    for i in range(p.size):
        slope = g[i] + decay * p[i]
        s = total[i] + slope * slope
        total[i] = s
        p[i] -= lr * (slope / (np.sqrt(s) + eps))


@inlined(reassociate=True)
def squares(x: Array) -> float:
    """The sum of squares in float64, in whatever order is fastest."""
    s = 0.0
    for i in range(x.size):
        s += np.float64(x[i]) * np.float64(x[i])
    return s


@kernel(pays=is_large, within=4)
def sum_of_squares(x: Array, /) -> float:
    """The sum of squares, added up in float64: no float32 gradient overflows it.

    Example:
        >>> sum_of_squares(np.array([3.0, 4.0]))
        25.0
    """
    wide = x.astype(np.float64, copy=False).reshape(-1)
    return float(wide @ wide)


@sum_of_squares.defloop
def _sum_of_squares_loop(x: Array) -> float:
    return float(squares(x))


def sums_of_squares(arrays: Sequence[Array]) -> list[float]:
    """`sum_of_squares` of many flat arrays in one pass over memory, shared by threads.

    Example:
        >>> sums_of_squares([np.array([3.0, 4.0]), np.array([1.0])])
        [25.0, 1.0]
    """
    sums = [0.0] * len(arrays)
    for places, table in tables(arrays, worth=MANY_MORE):
        if table is None:
            found = [sum_of_squares(arrays[k]) for k in places]
        else:
            parts = [np.zeros((len(places), 1)) for _ in table.pieces]
            go_over(_squares_pass, table, parts)
            found = np.sum(parts, axis=0)[:, 0].tolist()
        for k, s in zip(places, found, strict=True):
            sums[k] = s
    return sums


def _squares_pass(
    addresses: Array, begins: Array, sums: Array, like: Array, first: int, last: int
) -> None:
    for k in range(len(addresses)):
        start, stop = part_of(begins, k, first, last)
        if start < stop:
            sums[k, 0] += squares(numbers_at(addresses[k, 0], start, stop, like))


def scale_all(arrays: Sequence[Array], factor: float) -> None:
    """Multiply many flat arrays by a number, in place, in one pass over memory shared by threads.

    Example:
        >>> a, b = np.array([1.0, 2.0]), np.array([3.0])
        >>> scale_all([a, b], 0.5)
        >>> a, b
        (array([0.5, 1. ]), array([1.5]))
    """
    for places, table in tables(arrays, worth=MANY_MORE):
        if table is None:
            for k in places:
                arrays[k][...] *= arrays[k].dtype.type(factor)
        else:
            go_over(_scale_pass, table, [np.array([[factor]])] * len(table.pieces))


def _scale_pass(
    addresses: Array, begins: Array, factor: Array, like: Array, first: int, last: int
) -> None:
    real = like.dtype.type(factor[0, 0])
    for k in range(len(addresses)):
        start, stop = part_of(begins, k, first, last)
        if start < stop:
            x = numbers_at(addresses[k, 0], start, stop, like)
            for i in range(stop - start):
                x[i] *= real
