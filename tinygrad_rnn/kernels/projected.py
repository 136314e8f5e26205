r"""The cross-entropy of classes scored by a matrix, and its gradients, without all the scores.

A language model ends with scores for each of $V$ words at each of $N$ places, $Z = X W^\top + b$.
As a whole they would be the largest array of a training step, written and read half a dozen times.
So take a block of places at a time: score it, turn the scores into slopes $S = \partial \ell /
\partial Z$ where they stand, and multiply these at once, while the processor still has them near,

$$ \bar X = S W, \qquad \bar W = S^\top X, \qquad \bar b = S^\top 1. $$

    >>> import numpy as np
    >>> w, b, ones = np.zeros((3, 2)), np.zeros(3), np.ones(3)
    >>> scored = Projected(np.eye(2), w, b, np.array([0, 2]), ones[:2], ones, smoothing=0.0)
    >>> found = projected_cross_entropy(scored, gradients=True)
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

BLOCK = 1 << 21  # scores that there may be at a time
WIDE = 256  # places in a slice: enough for the products, few enough to stay near
LANES = 16  # a slice is as wide as some vectors,
PIECES = 4  # and places make so many slices at least, for threads to share
NEAR = 1 << 15  # scores of a slice that the softmax takes at a time
WORTH = 1 << 22  # products from which the compiled loops pay


class Projected(NamedTuple):
    """Places, the matrix that scores classes at them, and which class is the case.

    Attributes:
        x: `(N, H)`, hidden states.
        weight: `(V, H)`, a row for each class.
        bias: `(V,)`.
        targets: `(N,)`, from 0 to `V - 1`.
        row_weights: `(N,)`, what each place counts; if nothing, its target may be anything.
        class_weights: `(V,)`.
        smoothing: Between 0 and 1; see `cross_entropy_rows`.
    """

    x: Array
    weight: Array
    bias: Array
    targets: Indices
    row_weights: Array
    class_weights: Array
    smoothing: float

    def at(self, places: Any) -> "Projected":
        """Some of the places."""
        return self._replace(
            x=self.x[places], targets=self.targets[places], row_weights=self.row_weights[places]
        )


class Found(NamedTuple):
    """Losses, and the gradients of their sum, which are None unless asked for.

    Attributes:
        losses: `(N,)`, one for each place.
        x: `(N, H)`, the gradient in the hidden states,
        weight: `(V, H)`, in the weight,
        bias: and `(V,)`, in the bias.
    """

    losses: Array
    x: Any = None
    weight: Any = None
    bias: Any = None


def projected_cross_entropy(p: Projected, gradients: bool) -> Found:
    r"""Losses of classes scored by $X W^\top + b$, with their gradients if these are wanted."""
    counts = np.flatnonzero(p.row_weights)
    if len(counts) == len(p.x):
        return (by_slices if suits_loops(p) else by_blocks)(p, gradients)
    found = projected_cross_entropy(p.at(counts), gradients)
    losses = np.zeros(len(p.x), p.x.dtype)
    losses[counts] = found.losses
    if not gradients:
        return Found(losses)
    x = np.zeros_like(p.x)
    x[counts] = found.x
    return found._replace(losses=losses, x=x)


def suits_loops(p: Projected) -> bool:
    """Whether compiled loops can compute it, and pay."""
    floats = p.x, p.weight, p.bias, p.row_weights, p.class_weights
    alike = all(a.dtype == p.x.dtype for a in floats) and p.x.dtype.char in "fd"
    return alike and p.x.size * len(p.weight) >= WORTH and current_backend() == "numba"


def by_blocks(p: Projected, gradients: bool) -> Found:
    """The definition, in NumPy."""
    found = Found(np.zeros(len(p.x), p.x.dtype))
    if gradients:
        found = Found(found.losses, *map(np.zeros_like, (p.x, p.weight, p.bias)))
    for places in ranges(0, len(p.x), max(1, BLOCK // max(1, len(p.weight)))):
        some = p.at(places)
        x, weight = some.x, some.weight
        case = some.targets, some.row_weights, some.class_weights, some.smoothing
        scores = x @ weight.T + some.bias
        found.losses[places] = cross_entropy_rows(scores, *case)
        if gradients:
            slopes = cross_entropy_slopes(scores, *case)
            found.x[places] = slopes @ weight
            found.weight[...] += slopes.T @ x
            found.bias[...] += slopes.sum(axis=0)
    return found


def ranges(first: int, last: int, size: int) -> list[slice]:
    """What lies between two numbers, in pieces of at most a size."""
    return [slice(at, min(at + size, last)) for at in range(first, last, size)]


def by_slices(p: Projected, gradients: bool) -> Found:
    """The same by compiled loops: threads share places, then the rows of the weight's gradient."""
    (N, H), V, threads = p.x.shape, len(p.weight), get_num_threads()
    room = partial(take, dtype=p.x.dtype)
    p = settled(p)
    found = Found(room((N,)))
    if gradients:
        found = Found(found.losses, room((N, H)), room((V, H)), room((V,)))
        found.weight[:], found.bias[:] = 0, 0
    wide = min(WIDE, -(-N // (PIECES * LANES)) * LANES)
    at_once = max(1, BLOCK // (V * wide * threads)) * threads
    panels = [
        pack(w, room(panels_shape(rows, columns, w.dtype)))
        for w, rows, columns in ((p.weight, V, H), (p.weight.T, H, V))
    ]
    for block in ranges(0, N, wide * at_once):
        slices = [Slice(p, s, panels, found) for s in ranges(block.start, block.stop, wide)]
        side_by_side([s.run for s in slices])
        if gradients:
            rows = ranges(0, V, -(-V // threads))
            side_by_side([partial(collect, slices, found, r.start, r.stop) for r in rows])
    return found


def settled(p: Projected) -> Projected:
    """The same, in arrays of the one kind that loops are compiled for."""

    def plain(a: Array) -> Array:
        return np.require(a, requirements=["C", "A", "W"])

    return p._replace(
        x=plain(p.x),
        weight=plain(p.weight),
        bias=plain(p.bias),
        targets=plain(p.targets.astype(np.int64, copy=False)),
        class_weights=plain(p.class_weights),
    )


class Slice:
    """Some places that one thread takes on, class by class and feature by feature.

    Attributes:
        scores: `(1, V * b)`, which become slopes,
        features: and `(1, H * b)`, of the hidden states.
    """

    def __init__(self, p: Projected, places: slice, panels: list[Array], found: Found) -> None:
        (V, H), b, dtype = p.weight.shape, places.stop - places.start, p.x.dtype
        self.p, self.panels = p.at(places), panels
        self.scores, self.features = take((1, V * b), dtype), take((1, H * b), dtype)
        self.losses = found.losses[places]
        self.slopes = None if found.x is None else found.x[places]

    def run(self) -> None:
        """Find losses, and slopes where there is room for them."""
        x, _, bias, targets, r, class_weights, smoothing = self.p
        b, V, dtype = len(x), bias.size, x.dtype
        loops, (forth, back) = loops_for(dtype.name), self.panels
        hit = r * dtype.type(1 - smoothing) * class_weights[targets]
        spread = r * dtype.type(smoothing / V)
        case = targets, hit, spread, class_weights
        high = forth.shape[2]
        step = max(1, NEAR // (b * high)) * high  # whole panels
        tops, mass = np.empty((-(-V // step), b), dtype), np.zeros(b, dtype)
        scores, features = self.scores[0], self.features[0]
        loops.score(x, forth, bias, *case, step, scores, features, tops, mass, self.losses)
        if self.slopes is not None:
            loops.slope(scores, tops, mass, back, *case, step, self.slopes)


def collect(slices: list[Slice], found: Found, start: int, stop: int) -> None:
    """Add to rows of the weight's and the bias's gradient what each slice gives."""
    add = loops_for(found.losses.dtype.name).add_gradients
    for s in slices:
        add(s.scores, s.features, found.weight, found.bias, start, stop)


@inlined()
def add_bias(part: Array, bias: Array, top: Array, highest: Array) -> None:
    """Add the bias to the scores of some classes, and find what is highest, these or `top`."""
    n = highest.size
    for j in range(n):
        highest[j] = top[j]
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
    for j in range(n):
        sums[j] = 0
    for v in range(part.size // n):
        row = part[v * n : (v + 1) * n]
        for j in range(n):
            e = exp(row[j] - highest[j])
            row[j] = e
            sums[j] += e


@inlined()
def lean(part: Array, weights: Array, highest: Array, leaning: Array) -> None:
    """Add the distances of all scores from the highest, weighed: what smoothing asks for."""
    n = highest.size
    for v in range(weights.size):
        row = part[v * n : (v + 1) * n]
        for j in range(n):
            leaning[j] += weights[v] * (row[j] - highest[j])


def score(
    x: Array,
    panels: Array,
    bias: Array,
    targets: Indices,
    hit: Array,
    spread: Array,
    weights: Array,
    step: int,
    scores: Array,
    features: Array,
    tops: Array,
    mass: Array,
    losses: Array,
) -> None:
    """Losses of a slice; its scores become exponentials, of distances from the highest so far.

    Args:
        x: `(b, H)`.
        panels: The weight's.
        bias: `(V,)`.
        targets: `(b,)`.
        hit: `(b,)`, what a target counts,
        spread: and what smoothing gives to every class, times
        weights: the weights of the classes, `(V,)`.
        step: How many classes to take at a time.
        scores: `(V * b,)`, written to, as are all below.
        features: `(H * b,)`.
        tops: The highest score so far, after each step, `(steps, b)`.
        mass: Sums of the exponentials, `(b,)`, zero before.
        losses: `(b,)`.
    """
    n, V, wide = len(x), bias.size, step // panels.shape[2]
    named, leaning, sums = np.zeros_like(mass), np.zeros_like(mass), np.empty_like(mass)
    top = np.full_like(mass, -np.finfo(mass.dtype).max)
    weighed = total(weights[:0])
    to_features(x, features)
    for k in range(len(tops)):
        first, last = k * step, min(V, (k + 1) * step)
        part, highest = scores[first * n : last * n], tops[k]
        product(panels[k * wide : (k + 1) * wide], features, part)
        add_bias(part, bias[first:last], top, highest)
        for j in range(n):
            if first <= targets[j] < last:
                named[j] = part[(targets[j] - first) * n + j]
        if spread[0] != 0:
            for j in range(n):
                leaning[j] += weighed * (top[j] - highest[j])
            lean(part, weights[first:last], highest, leaning)
            weighed += total(weights[first:last])
        exponentiate(part, highest, sums)
        for j in range(n):
            mass[j] = mass[j] * exp(top[j] - highest[j]) + sums[j]
            top[j] = highest[j]
    for j in range(n):
        log_mass = np.log(mass[j])
        log_named = (named[j] - top[j]) - log_mass
        losses[j] = -hit[j] * log_named - spread[j] * (leaning[j] - weighed * log_mass)


def slope(
    scores: Array,
    tops: Array,
    mass: Array,
    back: Array,
    targets: Indices,
    hit: Array,
    spread: Array,
    weights: Array,
    step: int,
    slopes: Array,
) -> None:
    """Slopes of a slice: those in the scores take the place of the exponentials.

    Args:
        scores: `(V * b,)`, written to; these and the next two are from `score`.
        tops: `(steps, b)`.
        mass: `(b,)`.
        back: The panels of the weight's transpose.
        targets: As in `score`, and so are the next four.
        hit: `(b,)`.
        spread: `(b,)`.
        weights: `(V,)`.
        step: How many classes have the same top.
        slopes: In the hidden states, `(b, H)`, written to.
    """
    n, everything = mass.size, total(weights)
    scale, block = np.empty_like(mass), np.empty(slopes.size, slopes.dtype)
    for v in range(weights.size):
        if v % step == 0:
            for j in range(n):
                faded = exp(tops[v // step, j] - tops[-1, j])
                scale[j] = faded * (hit[j] + spread[j] * everything) / mass[j]
        row = scores[v * n : (v + 1) * n]
        for j in range(n):
            row[j] = row[j] * scale[j] - spread[j] * weights[v]
    for j in range(n):
        scores[targets[j] * n + j] -= hit[j]
    product(back, scores, block)
    to_rows(block, slopes)


def add_gradients(
    scores: Array, features: Array, weight: Array, bias: Array, start: int, stop: int
) -> None:
    """Add what a slice gives to rows `start` to `stop` of the weight's and the bias's gradient."""
    n = scores.size // bias.size
    add_gram(scores, features, weight, start, stop)
    for v in range(start, stop):
        bias[v] += total(scores[0, v * n : (v + 1) * n])


class Loops(NamedTuple):
    """The loops in Numba's hands."""

    score: Callable[..., None]
    slope: Callable[..., None]
    add_gradients: Callable[..., None]


@functools.cache
def loops_for(dtype: str) -> Loops:
    """The loops for a dtype, compiled or from disk."""
    from numba import types

    kind, whole = getattr(types, dtype), types.int64
    row, matrix, panels = (types.Array(kind, ndim, "C") for ndim in (1, 2, 3))
    case = types.Array(whole, 1, "C"), row, row, row, whole
    scoring = matrix, panels, row, *case, row, row, matrix, row, row
    sloping = row, matrix, row, panels, *case, matrix
    adding = matrix, matrix, matrix, row, whole, whole
    return Loops(
        jit(score, signature=types.void(*scoring)),
        jit(slope, signature=types.void(*sloping)),
        jit(add_gradients, signature=types.void(*adding)),
    )
