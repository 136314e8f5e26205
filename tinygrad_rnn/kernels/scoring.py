r"""Score classes at places, a slice of them at a time: the loops that `projected` runs.

In a slice each class is a row of a block, so that products are the packed ones of recurrent loops:

    >>> from tinygrad_rnn.kernels.packed import pack
    >>> x, w, b, ones = np.eye(2), np.zeros((3, 2)), np.zeros(3), np.ones(3)
    >>> scores, features, tops = np.empty(6), np.empty(4), np.empty((1, 2))
    >>> mass, losses = np.empty(2), np.empty(2)
    >>> panels = pack(w)
    >>> case = np.array([0, 2]), ones[:2], np.zeros(2), ones, panels.shape[2]
    >>> score(x, panels, b, *case, scores, features, tops, mass, losses)
    >>> losses
    array([1.09861229, 1.09861229])

`score` finds losses by a running maximum and sum (Milakov and Gimelshein, *Online normalizer
calculation for softmax*, 2018, arXiv:1805.02867), `slope` the gradients in scores and hidden
states, `add_gradients` those in weight and bias, and `run` all of them for some slices.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.classification import total
from tinygrad_rnn.kernels.compiling import inlined, jit, overloaded
from tinygrad_rnn.kernels.elementary import exp
from tinygrad_rnn.kernels.grams import add_gram
from tinygrad_rnn.kernels.packed import product, product_of
from tinygrad_rnn.kernels.transposed import to_features, to_rows

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]


def run(
    x: Array,
    forth: Array,
    back: Array,
    bias: Array,
    targets: Indices,
    hit: Array,
    spread: Array,
    weights: Array,
    step: int,
    scores: Array,
    features: Array,
    losses: Array,
    slopes: Array,
    block: Array,
    weight_slopes: Array,
    bias_slopes: Array,
) -> None:
    """Losses of some slices, and those gradients that there is room for.

    What `score` and `slope` take of one slice is given for `n` of them, slice after slice.

    Args:
        x: `(n, b, H)`.
        forth: The panels of the weight,
        back: and those of its transpose.
        bias: As for `score`.
        targets: `(n, b)`.
        hit: `(n, b)`.
        spread: `(n, b)`.
        weights: As for `score`.
        step: As for `score`.
        scores: `(n, V * b)`, written to, as are all below.
        features: `(n, H * b)`.
        losses: `(n, b)`.
        slopes: In the hidden states, `(n, b, H)`, or for no slice.
        block: The same of one slice, feature by feature, `(H * b,)`.
        weight_slopes: In the weight, `(V, H)`, or for no class,
        bias_slopes: and in the bias, `(V,)`.
    """
    b, V = x.shape[1], bias.size
    tops, mass = np.empty((-(-V // step), b), x.dtype), np.empty(b, x.dtype)
    for k in range(len(x)):
        case = targets[k], hit[k], spread[k], weights, step
        score(x[k], forth, bias, *case, scores[k], features[k], tops, mass, losses[k])
        if len(slopes):
            slope(scores[k], tops, mass, back, *case, block, slopes[k])
    if len(weight_slopes):
        weight_slopes[:], bias_slopes[:] = 0, 0
        add_gradients(scores, features, weight_slopes, bias_slopes, 0, V)


@inlined()
def add_bias(part: Array, bias: Array, top: Array, highest: Array) -> None:
    """Add the bias to the scores of some classes, and find what is highest, these or `top`."""
    n = highest.size
    for j in range(n):
        highest[j] = top[j]
    for v in range(bias.size):
        row, at = part[v * n : (v + 1) * n], bias[v]
        for j in range(n):
            z = row[j] + at
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
        mass: Sums of the exponentials, `(b,)`.
        losses: `(b,)`.
    """
    n, V, wide = len(x), bias.size, step // panels.shape[2]
    named, leaning, sums = np.zeros_like(mass), np.zeros_like(mass), np.empty_like(mass)
    top = np.full_like(mass, -np.finfo(mass.dtype).max)
    weighed = total(weights[:0])
    to_features(x, features)
    for j in range(n):
        mass[j] = 0
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
    block: Array,
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
        block: `(H * b,)`, written to.
        slopes: In the hidden states, `(b, H)`, written to.
    """
    n, V, everything = mass.size, weights.size, total(weights)
    scale = np.empty_like(mass)
    for k in range(len(tops)):
        first, last = k * step, min(V, (k + 1) * step)
        for j in range(n):
            faded = exp(tops[k, j] - tops[-1, j])
            scale[j] = faded * (hit[j] + spread[j] * everything) / mass[j]
        part = scores[first * n : last * n]
        for v in range(first, last):
            row, weight = part[(v - first) * n : (v - first + 1) * n], weights[v]
            for j in range(n):
                row[j] = row[j] * scale[j] - spread[j] * weight
        for j in range(n):
            if first <= targets[j] < last:
                part[(targets[j] - first) * n + j] -= hit[j]
        product_of(back, first, last, part, block, k > 0)
    to_rows(block, slopes)


def add_gradients(
    scores: Array, features: Array, weight: Array, bias: Array, start: int, stop: int
) -> None:
    """Add what a slice gives to rows `start` to `stop` of the weight's and the bias's gradient."""
    b = scores.shape[1] // bias.size
    add_gram(scores, features, weight, start, stop)
    for k in range(len(scores)):
        for v in range(start, stop):
            bias[v] += total(scores[k, v * b : (v + 1) * b])


def as_it_is(part: Callable[..., None]) -> None:
    """Let loops call a part for any types, and have it make arrays, as what is inlined may not."""
    overloaded(part)(lambda *kinds: part)


for part in (score, slope, add_gradients):
    as_it_is(part)


class Loops(NamedTuple):
    """The loops in Numba's hands."""

    run: Callable[..., None]
    add_gradients: Callable[..., None]


@functools.cache
def loops_for(dtype: str) -> Loops:
    """The loops for a dtype, compiled or from disk."""
    from numba import types

    kind, whole = getattr(types, dtype), types.int64
    row, matrix, cube = (types.Array(kind, ndim, "C") for ndim in (1, 2, 3))
    given = cube, cube, cube, row, types.Array(whole, 2, "C"), matrix, matrix, row, whole
    written = matrix, matrix, matrix, cube, row, matrix, row
    adding = matrix, matrix, matrix, row, whole, whole
    return Loops(
        jit(run, signature=types.void(*given, *written)),
        jit(add_gradients, signature=types.void(*adding)),
    )
