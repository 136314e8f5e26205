"""Time two ways of doing one thing, side by side.

A machine's speed drifts; the ratio of two runs a moment apart does not. So both sides alternate
in one process, and what counts is the median of the paired ratios, with its quartiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np


@dataclass(frozen=True)
class Measured:
    """The outcome of one comparison; times are seconds per unit of work."""

    name: str
    peer: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    quartiles: tuple[float, float]
    at_most: float


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    peer: str,
    unit: str,
    count: int = 1,
    pairs: int = 41,
    at_most: float = 1.0,
) -> Measured:
    """Run both sides alternately and take medians.

    Args:
        name: what is measured.
        ours: our side.
        theirs: the peer's side, doing the same work.
        peer: who that is.
        unit: what one unit of work is called.
        count: units of work in one call.
        pairs: how many pairs to run, after three to warm up.
        at_most: the ratio ours / theirs to stay below.
    """
    for _ in range(3):
        ours(), theirs()
    times = np.array([(seconds(ours), seconds(theirs)) for _ in range(pairs)]) / count
    ratios = times[:, 0] / times[:, 1]
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    mine, other = np.median(times, axis=0)
    spread = (float(low), float(high))
    return Measured(name, peer, unit, float(mine), float(other), float(middle), spread, at_most)


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = perf_counter()
    run()
    return perf_counter() - start
