r"""Softmax over the rows of a matrix, its logarithm, and the cross-entropy fused with it.

Every row is shifted by its largest entry first, so that no exponential overflows:

$$ p_c = \frac{e^{z_c - m}}{s}, \qquad s = \sum_k e^{z_k - m}, \qquad
   \log p_c = (z_c - m) - \log s, \qquad m = \max_k z_k. $$

One walk over a row computes the loss and the gradient that it will need, while the row is in the
cache.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.dispatch import inlined, kernel
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
def softmax_cross_entropy(
    z: Array,
    targets: Indices,
    row_weights: Array,
    class_weights: Array,
    smoothing: float,
    /,
) -> tuple[Array, Array]:
    r"""Each row's cross-entropy against its target class, and the gradient in the logits.

    With row weight $r$, class weights $w$, target $t$ and smoothing $\varepsilon$, the target
    distribution is $q_c = (1 - \varepsilon)[c = t] + \varepsilon / V$, and

    $$ \ell = -r \sum_c w_c\, q_c \log p_c, \qquad
       \frac{\partial \ell}{\partial z_c} = r \Big(p_c \sum_k w_k q_k - w_c\, q_c\Big). $$

    A row of weight 0 is not looked at, neither its logits nor its target: its loss and its gradient
    are 0. That is how rows are ignored.

    Args:
        z: `(N, V)`, the logits.
        targets: `(N,)`, from 0 to `V - 1` in rows that count.
        row_weights: `(N,)`, of the logits' dtype.
        class_weights: `(V,)`, of the logits' dtype.
        smoothing: Between 0 and 1.

    Returns:
        The losses `(N,)`, and their gradients in the logits `(N, V)`.

    Raises:
        IndexError: If the target of a row that counts is not a class.

    Example:
        >>> z, ones = np.zeros((1, 2)), np.ones(2)
        >>> softmax_cross_entropy(z, np.array([1]), ones[:1], ones, 0.0)
        (array([0.69314718]), array([[ 0.5, -0.5]]))
    """
    counts = row_weights != 0
    targets = np.where(counts, targets, 0)
    if ((targets < 0) | (targets >= z.shape[1])).any() and counts.any():
        raise IndexError("a target is not one of the classes")
    losses, gradient = np.zeros(len(z), z.dtype), np.zeros_like(z)
    r, t, rows = row_weights[counts], targets[counts], np.arange(counts.sum())
    log_p = log_softmax_rows.reference(z[counts])
    hit, spread = r * (1 - smoothing) * class_weights[t], smoothing / max(z.shape[1], 1)
    losses[counts] = -hit * log_p[rows, t]
    if smoothing:
        losses[counts] -= r * spread * (log_p * class_weights).sum(axis=1)
    mass = hit + r * spread * class_weights.sum()
    d = mass[:, None] * np.exp(log_p) - r[:, None] * spread * class_weights
    d[rows, t] -= hit
    gradient[counts] = d
    return losses, gradient


@softmax_cross_entropy.defloop
def _softmax_cross_entropy_loop(
    z: Array, targets: Indices, row_weights: Array, class_weights: Array, smoothing: Any
) -> tuple[Array, Array]:
    real = z.dtype.type
    losses, gradient = np.zeros(z.shape[0], z.dtype), np.zeros_like(z)
    spread = real(smoothing / max(z.shape[1], 1))
    all_classes = total(class_weights)
    for n in range(z.shape[0]):
        r, t = row_weights[n], targets[n]
        if r == 0:
            continue
        if t < 0 or t >= z.shape[1]:
            raise IndexError("a target is not one of the classes")
        d = gradient[n]
        m, s = shifted_exp(z[n], d)
        log_s = np.log(s)
        hit = r * real(1 - smoothing) * class_weights[t]
        losses[n] = -hit * ((z[n, t] - m) - log_s)
        if smoothing > 0:
            losses[n] -= r * spread * (weighted_total(z[n], class_weights, m) - all_classes * log_s)
        scale = (hit + r * spread * all_classes) / s
        for c in range(z.shape[1]):
            d[c] = d[c] * scale - r * spread * class_weights[c]
        d[t] -= hit
    return losses, gradient
