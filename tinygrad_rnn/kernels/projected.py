r"""The cross-entropy of classes scored by a matrix, and its gradients, without all the scores.

A language model ends with scores for each of $V$ words at each of $N$ places, $Z = X W^\top + b$.
As a whole they would be the largest array of a training step, written and read half a dozen times.
So take a block of places at a time: score it, turn the scores into slopes $S = \partial \ell /
\partial Z$ where they stand, and multiply these at once, while the processor still has them near,

$$ \bar X = S W, \qquad \bar W = S^\top X, \qquad \bar b = S^\top 1. $$

    >>> import numpy as np
    >>> x, w, ones = np.eye(2), np.zeros((3, 2)), np.ones(3)
    >>> found = projected_cross_entropy(x, w, None, np.array([0, 2]), ones[:2], ones, 0.0, True)
    >>> found.losses
    array([1.09861229, 1.09861229])
    >>> found.bias.round(2)
    array([-0.33,  0.67, -0.33])

In NumPy a block is a few calls. Compiled, a block is cut into slices, which threads share. In a
slice each class is a row: products are the packed ones of recurrent loops, and the softmax runs
over a part of the classes at a time, by a running maximum and sum (Milakov and Gimelshein, *Online
normalizer calculation for softmax*, 2018, arXiv:1805.02867).
"""

import functools
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.classification import cross_entropy_rows, cross_entropy_slopes, total
from tinygrad_rnn.kernels.compiling import inlined, jit
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.elementary import exp
from tinygrad_rnn.kernels.packed import add_gram, pack, panels_shape, product
from tinygrad_rnn.kernels.resources import get_num_threads, side_by_side, take
from tinygrad_rnn.kernels.transposed import to_features, to_rows

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]

BLOCK = 1 << 22  # scores that there may be at a time
WIDE = 128  # places in a slice: enough for the products, few enough to stay near
LANES = 16  # a slice is not made narrower than a vector
NEAR = 1 << 15  # scores of a slice that the softmax takes at a time
WORTH = 1 << 22  # products from which the compiled loops pay


class Found(NamedTuple):
    """Losses, and the gradients of their sum, which are None unless asked for.

    Attributes:
        losses: `(N,)`, one for each place.
        hidden: `(N, H)`, the gradient in the hidden states,
        weight: `(V, H)`, in the weight,
        bias: and `(V,)`, in the bias.
    """

    losses: Array
    hidden: Any = None
    weight: Any = None
    bias: Any = None


def projected_cross_entropy(
    x: Array,
    weight: Array,
    bias: Array | None,
    targets: Indices,
    row_weights: Array,
    class_weights: Array,
    smoothing: float,
    gradients: bool,
) -> Found:
    r"""Losses of classes scored by $X W^\top + b$, and their gradients.

    A place of weight 0 is not looked at, and its target may be anything.

    Args:
        x: `(N, H)`, hidden states.
        weight: `(V, H)`, a row for each class.
        bias: `(V,)`, or None.
        targets: `(N,)`, from 0 to `V - 1`.
        row_weights: `(N,)`, what each place counts.
        class_weights: `(V,)`.
        smoothing: Between 0 and 1; see `cross_entropy_rows`.
        gradients: Whether to find them too.
    """
    V = len(weight)
    bias = np.zeros(V, weight.dtype) if bias is None else bias
    arrays = x, weight, bias, row_weights, class_weights
    alike = all(a.dtype == x.dtype for a in arrays) and x.dtype.char in "fd"
    compiled = alike and x.size * V >= WORTH and current_backend() == "numba"
    compute = by_slices if compiled else by_blocks
    counts = np.flatnonzero(row_weights)
    if len(counts) == len(x):
        return compute(x, weight, bias, targets, row_weights, class_weights, smoothing, gradients)
    case = targets[counts], row_weights[counts], class_weights, smoothing
    found = compute(x[counts], weight, bias, *case, gradients)
    losses, hidden = np.zeros(len(x), x.dtype), np.zeros_like(x) if gradients else None
    losses[counts] = found.losses
    if hidden is not None:
        hidden[counts] = found.hidden
    return found._replace(losses=losses, hidden=hidden)


def ranges(first: int, last: int, size: int) -> list[slice]:
    """What lies between two numbers, in pieces of at most a size."""
    return [slice(at, min(at + size, last)) for at in range(first, last, size)]


def by_blocks(
    x: Array,
    weight: Array,
    bias: Array,
    targets: Indices,
    row_weights: Array,
    class_weights: Array,
    smoothing: float,
    gradients: bool,
) -> Found:
    """The definition, in NumPy."""
    losses = np.zeros(len(x), x.dtype)
    hidden, of_weight, of_bias = np.zeros_like(x), np.zeros_like(weight), np.zeros_like(bias)
    for rows in ranges(0, len(x), max(1, BLOCK // max(1, len(weight)))):
        scores = x[rows] @ weight.T + bias
        case = targets[rows], row_weights[rows], class_weights, smoothing
        losses[rows] = cross_entropy_rows(scores, *case)
        if gradients:
            slopes = cross_entropy_slopes(scores, *case)
            hidden[rows] = slopes @ weight
            of_weight += slopes.T @ x[rows]
            of_bias += slopes.sum(axis=0)
    return Found(losses, hidden, of_weight, of_bias) if gradients else Found(losses)


def by_slices(
    x: Array,
    weight: Array,
    bias: Array,
    targets: Indices,
    row_weights: Array,
    class_weights: Array,
    smoothing: float,
    gradients: bool,
) -> Found:
    """The same by compiled loops: threads share places, then the rows of the weight's gradient."""
    (N, H), V, dtype, threads = x.shape, len(weight), x.dtype, get_num_threads()
    wide = min(WIDE, -(-N // (threads * LANES)) * LANES)
    at_once = max(1, BLOCK // (V * wide * threads)) * threads
    score, collect = compiled_loops(dtype.name)
    x, t = np.ascontiguousarray(x), targets.astype(np.int64, copy=False)
    losses, hidden = take((N,), dtype), take((N, H) if gradients else (0, H), dtype)
    of_weight, of_bias = take((V, H), dtype), take((V,), dtype)
    of_weight[:], of_bias[:] = 0, 0
    panels = packed(weight), packed(weight.T)
    fixed = [np.ascontiguousarray(a) for a in (bias, class_weights)]
    for block in ranges(0, N, wide * at_once):
        jobs, products = [], []
        for s in ranges(block.start, block.stop, wide):
            b = s.stop - s.start
            scores, features = take((1, V * b), dtype), take((1, H * b), dtype)
            case = t[s], row_weights[s], *fixed, smoothing
            room = scores[0], features[0], losses[s], hidden[s]
            jobs.append(partial(score, x[s], *panels, *case, *room))
            products.append((scores, features))
        side_by_side(jobs)
        if gradients:
            shares = [
                partial(collect_all, collect, products, of_weight, of_bias, *share)
                for share in itertools.pairwise(V * k // threads for k in range(threads + 1))
            ]
            side_by_side(shares)
    return Found(losses, hidden, of_weight, of_bias) if gradients else Found(losses)


def packed(a: Array) -> Array:
    """The panels of a matrix, in memory that is used again."""
    return pack(a, take(panels_shape(*a.shape, a.dtype), a.dtype))


def collect_all(
    collect: Any,
    products: list[tuple[Array, Array]],
    of_weight: Array,
    of_bias: Array,
    start: int,
    stop: int,
) -> None:
    """Add to some rows of the weight's and the bias's gradient what each slice gives."""
    for scores, features in products:
        collect(scores, features, of_weight, of_bias, start, stop)


@inlined()
def add_bias(part: Array, bias: Array, highest: Array) -> None:
    """Add the bias to scores of some classes, and find each place's highest."""
    n = highest.size
    for v in range(bias.size):
        row = part[v * n : (v + 1) * n]
        for j in range(n):
            z = row[j] + bias[v]
            row[j] = z
            highest[j] = z if z > highest[j] else highest[j]


@inlined()
def exponentiate(part: Array, highest: Array, sums: Array) -> None:
    """Turn scores into exponentials, and sum these over the classes."""
    n = highest.size
    sums[:] = 0
    for v in range(part.size // n):
        row = part[v * n : (v + 1) * n]
        for j in range(n):
            e = exp(row[j] - highest[j])
            row[j] = e
            sums[j] += e


@inlined()
def lean(part: Array, weights: Array, highest: Array, leaning: Array) -> None:
    """Add what smoothing weighs, the distances of all scores from the highest."""
    n = highest.size
    for v in range(weights.size):
        row = part[v * n : (v + 1) * n]
        for j in range(n):
            leaning[j] += weights[v] * (row[j] - highest[j])


@inlined()
def rescale(part: Array, weights: Array, scale: Array, spread: Array) -> None:
    """Turn exponentials into slopes, but for the targets' share."""
    n = scale.size
    for v in range(weights.size):
        row = part[v * n : (v + 1) * n]
        for j in range(n):
            row[j] = row[j] * scale[j] - spread[j] * weights[v]


def score_slice(
    x: Array,
    panels: Array,
    back: Array,
    targets: Indices,
    row_weights: Array,
    bias: Array,
    class_weights: Array,
    smoothing: float,
    scores: Array,
    features: Array,
    losses: Array,
    hidden: Array,
) -> None:
    """Losses of a slice, `(n, H)`; its scores become slopes, unless there is no room for `hidden`.

    Classes are taken a part at a time. In each part exponentials are of distances from the highest
    score so far, `tops`; what came before fades as that rises.
    """
    real, n, V = x.dtype.type, len(x), bias.size
    to_features(x, features)
    wide = max(1, NEAR // (n * panels.shape[2]))  # panels in a part
    step = wide * panels.shape[2]
    parts = -(-V // step)
    tops = np.empty((parts, n), x.dtype)
    top, mass = np.full(n, -np.finfo(x.dtype).max, x.dtype), np.zeros(n, x.dtype)
    named, leaning, sums = np.zeros(n, x.dtype), np.zeros(n, x.dtype), np.zeros(n, x.dtype)
    weighed = real(0)
    for k in range(parts):
        first, last = k * step, min(V, (k + 1) * step)
        part, highest = scores[first * n : last * n], tops[k]
        product(panels[k * wide : (k + 1) * wide], features, part)
        highest[:] = top
        add_bias(part, bias[first:last], highest)
        for j in range(n):
            if first <= targets[j] < last:
                named[j] = part[(targets[j] - first) * n + j]
        if smoothing > 0:
            for j in range(n):
                leaning[j] += weighed * (top[j] - highest[j])
            lean(part, class_weights[first:last], highest, leaning)
            weighed += total(class_weights[first:last])
        exponentiate(part, highest, sums)
        for j in range(n):
            mass[j] = mass[j] * exp(top[j] - highest[j]) + sums[j]
            top[j] = highest[j]
    ...
