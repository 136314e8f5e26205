r"""Softmax over the rows of a matrix, its logarithm, and the cross-entropy fused with it.

Every row is shifted by its largest entry first, so that no exponential overflows:

$$ p_c = \frac{e^{z_c - m}}{s}, \qquad s = \sum_k e^{z_k - m}, \qquad
   \log p_c = (z_c - m) - \log s, \qquad m = \max_k z_k. $$

A loop walks over a row several times while it is in the cache, and over the matrix once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import inlined
from tinygrad_rnn.kernels.dispatch import kernel
from tinygrad_rnn.kernels.elementary import exp

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]

LARGE = 8192  # entries, from which the loops pay


@inlined()
def largest(row: Array) -> Any:
    """The largest entry of a row; NaN is left to the exponentials.

    Four searches run side by side, since each step of one has to wait for the step before.
    """
    m0 = m1 = m2 = m3 = row.dtype.type(-np.inf)
    fours = row.size // 4 * 4
    for c in range(0, fours, 4):
        m0 = row[c] if row[c] > m0 else m0
        m1 = row[c + 1] if row[c + 1] > m1 else m1
        m2 = row[c + 2] if row[c + 2] > m2 else m2
        m3 = row[c + 3] if row[c + 3] > m3 else m3
    for c in range(fours, row.size):
        m0 = row[c] if row[c] > m0 else m0
    return max(m0, m1, m2, m3)


@inlined(reassociate=True)
def total(row: Array) -> Any:
    """The sum of a row, in whatever order is fastest."""
    s = row.dtype.type(0)
    for c in range(row.size):
        s += row[c]
    return s


@inlined(reassociate=True)
def weighted_total(row: Array, weights: Array, m: Any) -> Any:
    r"""$\sum_c w_c (z_c - m)$, in whatever order is fastest."""
    s = row.dtype.type(0)
    for c in range(row.size):
        s += weights[c] * (row[c] - m)
    return s


@inlined(reassociate=True)
def exp_total(row: Array, m: Any) -> Any:
    r"""$\sum_c e^{z_c - m}$, in whatever order is fastest."""
    s = row.dtype.type(0)
    for c in range(row.size):
        s += exp(row[c] - m)
    return s


@inlined()
def shifted_exp(row: Array, out: Array) -> Any:
    """Write $e^{z - m}$; return $m$ and the sum."""
    m = largest(row)
    for c in range(row.size):
        out[c] = exp(row[c] - m)
    return m, total(out)


@kernel(pays=lambda z: z.size >= LARGE, within=16)
def softmax_rows(z: Array, /) -> Array:
    r"""Each row's probabilities, $p_c = e^{z_c} / \sum_k e^{z_k}$.

    Args:
        z: `(N, V)`.

    Returns:
        `(N, V)`, whose rows sum to 1.

    Example:
        >>> softmax_rows(np.array([[1000.0, 1000.0]]))
        array([[0.5, 0.5]])
    """
    p: Array = np.exp(z - z.max(axis=1, keepdims=True, initial=-np.inf))
    p /= p.sum(axis=1, keepdims=True)
    return p


@softmax_rows.defloop
def _softmax_rows_loop(z: Array) -> Array:
    p = np.empty_like(z)
    for n in range(z.shape[0]):
        _, s = shifted_exp(z[n], p[n])
        scale = z.dtype.type(1) / s
        for c in range(z.shape[1]):
            p[n, c] *= scale
    return p


@kernel(pays=lambda z: z.size >= LARGE, within=16)
def log_softmax_rows(z: Array, /) -> Array:
    r"""The logarithm of each row's probabilities, $z_c - \log \sum_k e^{z_k}$.

    Args:
        z: `(N, V)`.

    Returns:
        `(N, V)`.

    Example:
        >>> log_softmax_rows(np.array([[0.0, 1000.0]]))
        array([[-1000.,     0.]])
    """
    if not z.size:
        return z.copy()
    shifted = z - z.max(axis=1, keepdims=True)
    y: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return y


@log_softmax_rows.defloop
def _log_softmax_rows_loop(z: Array) -> Array:
    y = np.empty_like(z)
    for n in range(z.shape[0]):
        m, s = shifted_exp(z[n], y[n])
        log_s = np.log(s)
        for c in range(z.shape[1]):
            y[n, c] = (z[n, c] - m) - log_s
    return y


@kernel(pays=lambda z, *rest: z.size >= LARGE, within=32)
def cross_entropy_rows(
    z: Array,
    targets: Indices,
    row_weights: Array,
    class_weights: Array,
    smoothing: float,
    /,
) -> Array:
    r"""Each row's cross-entropy against its target class.

    With row weight $r$, class weights $w$, target $t$ and smoothing $\varepsilon$, the target
    distribution is $q_c = (1 - \varepsilon)[c = t] + \varepsilon / V$, and

    $$ \ell = -r \sum_c w_c\, q_c \log p_c. $$

    A row of weight 0 is not looked at, neither its logits nor its target: its loss is 0. That is
    how rows are ignored.

    Args:
        z: `(N, V)`, the logits.
        targets: `(N,)`, from 0 to `V - 1` in rows that count.
        row_weights: `(N,)`, of the logits' dtype.
        class_weights: `(V,)`, of the logits' dtype.
        smoothing: Between 0 and 1.

    Returns:
        The losses, `(N,)`.

    Raises:
        IndexError: If the target of a row that counts is not a class.

    Example:
        >>> z, ones = np.zeros((1, 2)), np.ones(2)
        >>> cross_entropy_rows(z, np.array([1]), ones[:1], ones, 0.0)
        array([0.69314718])
    """
    losses = np.zeros(len(z), z.dtype)
    counts, t, hit, spread = shares(z, targets, row_weights, class_weights, smoothing)
    log_p = log_softmax_rows.reference(z[counts])
    losses[counts] = -hit * log_p[np.arange(t.size), t]
    if smoothing:
        losses[counts] -= spread * (log_p * class_weights).sum(axis=1)
    return losses


def shares(
    z: Array, targets: Indices, row_weights: Array, class_weights: Array, smoothing: float
) -> tuple[Array, Indices, Array, Array]:
    r"""Which rows count, their targets, $r\,(1 - \varepsilon)\,w_t$ and $r\,\varepsilon / V$."""
    counts = row_weights != 0
    t, r = targets[counts], row_weights[counts]
    if ((t < 0) | (t >= z.shape[1])).any():
        raise IndexError("a target is not one of the classes")
    return counts, t, r * (1 - smoothing) * class_weights[t], r * (smoothing / max(z.shape[1], 1))


@inlined()
def share(
    n: int, z: Array, targets: Indices, row_weights: Array, class_weights: Array, smoothing: Any
) -> Any:
    """As `shares`, of one row that counts."""
    real, t, r = z.dtype.type, targets[n], row_weights[n]
    if t < 0 or t >= z.shape[1]:
        raise IndexError("a target is not one of the classes")
    return t, r * real(1 - smoothing) * class_weights[t], r * real(smoothing / z.shape[1])


@cross_entropy_rows.defloop
def _cross_entropy_rows_loop(
    z: Array, targets: Indices, row_weights: Array, class_weights: Array, smoothing: Any
) -> Array:
    losses = np.zeros(z.shape[0], z.dtype)
    all_classes = total(class_weights)
    for n in range(z.shape[0]):
        if row_weights[n] != 0:
            t, hit, spread = share(n, z, targets, row_weights, class_weights, smoothing)
            m = largest(z[n])
            log_s = np.log(exp_total(z[n], m))
            losses[n] = -hit * ((z[n, t] - m) - log_s)
            if smoothing > 0:
                log_p = weighted_total(z[n], class_weights, m) - all_classes * log_s
                losses[n] -= spread * log_p
    return losses


@kernel(pays=lambda z, *rest: z.size >= LARGE, within=32)
def cross_entropy_slopes(
    z: Array,
    targets: Indices,
    row_weights: Array,
    class_weights: Array,
    smoothing: float,
    /,
) -> Array:
    r"""The gradients of `cross_entropy_rows` in the logits; the arguments are the same.

    $$ \frac{\partial \ell}{\partial z_c} = r \Big(p_c \sum_k w_k q_k - w_c\, q_c\Big). $$

    Returns:
        `(N, V)`, 0 in rows that do not count.

    Raises:
        IndexError: If the target of a row that counts is not a class.

    Example:
        >>> z, ones = np.zeros((1, 2)), np.ones(2)
        >>> cross_entropy_slopes(z, np.array([1]), ones[:1], ones, 0.0)
        array([[ 0.5, -0.5]])
    """
    slopes = np.zeros_like(z)
    counts, t, hit, spread = shares(z, targets, row_weights, class_weights, smoothing)
    mass = hit + spread * class_weights.sum()
    d = mass[:, None] * softmax_rows.reference(z[counts]) - spread[:, None] * class_weights
    d[np.arange(t.size), t] -= hit
    slopes[counts] = d
    return slopes


@cross_entropy_slopes.defloop
def _cross_entropy_slopes_loop(
    z: Array, targets: Indices, row_weights: Array, class_weights: Array, smoothing: Any
) -> Array:
    slopes = np.empty_like(z)
    all_classes = total(class_weights)
    for n in range(z.shape[0]):
        if row_weights[n] == 0:
            slopes[n] = 0
            continue
        t, hit, spread = share(n, z, targets, row_weights, class_weights, smoothing)
        _, s = shifted_exp(z[n], slopes[n])
        scale = (hit + spread * all_classes) / s
        for c in range(z.shape[1]):
            slopes[n, c] = slopes[n, c] * scale - spread * class_weights[c]
        slopes[n, t] -= hit
    return slopes
