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

In NumPy a block is a few calls. Compiled, a block is cut into slices, which threads share; the
loops over a slice are those of `scoring`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.classification import cross_entropy_rows, cross_entropy_slopes
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.memory import take
from tinygrad_rnn.kernels.packed import Packing, pack_all, panels_shape
from tinygrad_rnn.kernels.scoring import loops_for
from tinygrad_rnn.kernels.threads import get_num_threads, side_by_side

Array = NDArray[Any]
Indices = NDArray[np.integer[Any]]

BLOCK = 1 << 21  # scores that there may be at a time
WIDE = 256  # places in a slice: enough for the products, few enough to stay near
LANES = 16  # a slice is as wide as some vectors,
PIECES = 4  # and places make so many slices at least, for threads to share
HOME = 1 << 18  # bytes of a weight that stays near while places come by, narrower slices of them,
SHARES = 8  # in so many shares at a time
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
    """The same by compiled loops: threads share places, then the rows of the weight's gradient.

    A small weight has a gradient for each share of the places instead, and these are added up: so
    threads need not wait for each other, and find the slopes of their places still near.
    """
    (N, H), V, threads = p.x.shape, len(p.weight), get_num_threads()
    room = partial(take, dtype=p.x.dtype)
    found = Found(room((N,)))
    if gradients:
        found = Found(found.losses, room((N, H)), room((V, H)), room((V,)))
        found.weight[:], found.bias[:] = 0, 0
    work = Work(p, found)
    alone = work.is_small and gradients
    for slices in work.blocks(threads):
        shares = [Share(work, some) for some in work.shares(slices)]
        side_by_side([share.run for share in shares])
        if alone:
            for share in shares:
                found.weight[...] += share.weight
                found.bias[...] += share.bias
        elif gradients:
            rows = ranges(0, V, -(-V // threads))
            side_by_side([partial(collect, shares, found, r.start, r.stop) for r in rows])
    return found


class Work:
    """What all threads look at.

    Attributes:
        p: Arrays of the one kind that loops are compiled for.
        found: Where to write.
        panels: The weight's, and those of its transpose.
        hit: `(N,)`, what a target counts,
        spread: and what smoothing gives to every class, times its weight.
        is_small: Whether the weight stays near while places come by.
        wide: How many places a slice has.
    """

    def __init__(self, p: Projected, found: Found) -> None:
        dtype, (V, H) = p.x.dtype, p.weight.shape
        self.p, self.found = settled(p), found
        self.hit = p.row_weights * dtype.type(1 - p.smoothing) * p.class_weights[p.targets]
        self.spread = p.row_weights * dtype.type(p.smoothing / V)
        ways = (self.p.weight, V, H), (self.p.weight.T, H, V)
        self.panels = [take(panels_shape(*shape, dtype), dtype) for _, *shape in ways]
        pack_all(
            [
                Packing([(0, 0, w)], panels, rows)
                for (w, rows, _), panels in zip(ways, self.panels, strict=True)
            ]
        )
        self.is_small = p.weight.nbytes <= HOME
        most = WIDE // 2 if self.is_small else WIDE
        self.wide = min(most, -(-len(p.x) // (PIECES * LANES)) * LANES)

    def blocks(self, threads: int) -> Iterator[list[slice]]:
        """Slices, as many as there may be scores at a time.

        For a small weight the number of threads must make no difference: it decides about sums.
        """
        N, V = len(self.p.x), len(self.p.weight)
        wides = SHARES if self.is_small else max(1, BLOCK // (V * WIDE * threads)) * threads
        for block in ranges(0, N, wides * (WIDE // self.wide) * self.wide):
            yield ranges(block.start, block.stop, self.wide)

    def shares(self, slices: list[slice]) -> Iterator[list[slice]]:
        """Some slices for each task, all equally wide."""
        *_, last = slices
        even = len(slices) - (last.stop - last.start < self.wide)
        size = -(-even // SHARES) if self.is_small else 1
        for some in ranges(0, even, max(1, size)):
            yield slices[some]
        if even < len(slices):
            yield [last]


def settled(p: Projected) -> Projected:
    """The same, in arrays of the one kind that loops are compiled for."""

    def plain(a: Array) -> Array:
        return a if a.flags.carray else np.array(a, order="C")

    return p._replace(
        x=plain(p.x),
        weight=plain(p.weight),
        bias=plain(p.bias),
        targets=plain(p.targets.astype(np.int64, copy=False)),
        class_weights=plain(p.class_weights),
    )


class Share:
    """Slices that one thread takes on.

    Attributes:
        weight: Their gradient in a small weight, `(V, H)`,
        bias: and in the bias, `(V,)`.
        scores: For any other weight the slopes in the scores, class by class, `(n, V * b)`,
        features: and the hidden states, feature by feature, `(n, H * b)`.
    """

    weight: Array
    bias: Array
    scores: Array
    features: Array

    def __init__(self, work: Work, slices: list[slice]) -> None:
        self.work, self.count = work, len(slices)
        self.places = slice(slices[0].start, slices[-1].stop)

    def run(self) -> None:
        """Find losses, and gradients where there is room for them."""
        work, p, found = self.work, self.work.p, self.work.found
        (V, H), dtype, n = p.weight.shape, p.x.dtype, self.count
        x, targets, hit, spread, losses = map(
            self.cut, (p.x, p.targets, work.hit, work.spread, found.losses)
        )
        b, high = x.shape[1], work.panels[0].shape[2]
        step = max(1, NEAR // (b * high)) * high  # whole panels
        slopes = x[:0] if found.x is None else self.cut(found.x)
        alone = work.is_small and len(slopes) > 0
        self.weight, self.bias = (take((V * alone, *rest), dtype) for rest in ((H,), ()))
        scores, features = take((n, V * b), dtype), take((n, H * b), dtype)
        given = x, *work.panels, p.bias, targets, hit, spread, p.class_weights, step
        written = scores, features, losses, slopes, take((H * b,), dtype), self.weight, self.bias
        loops_for(dtype.name).run(*given, *written)
        if not work.is_small:
            self.scores, self.features = scores, features

    def cut(self, a: Array) -> Array:
        """What an array has for these places, slice by slice."""
        return a[self.places].reshape(self.count, -1, *a.shape[1:])


def collect(shares: list[Share], found: Found, start: int, stop: int) -> None:
    """Add to rows of the weight's and the bias's gradient what each slice gives."""
    add = loops_for(found.losses.dtype.name).add_gradients
    for s in shares:
        add(s.scores, s.features, found.weight, found.bias, start, stop)
