"""Time two ways of doing one thing, side by side.

A machine's speed drifts; the ratio of two runs a moment apart does not. So both sides take turns
in one process, and what counts is the median of the paired ratios, with its quartiles.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter, sleep
from typing import Any

import numpy as np

Run = Callable[[], object]

REST = 0.01  # seconds between two turns


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        pairs: how many pairs of turns at most,
        seconds: and for how long at most; three pairs there are in any case, one if quick.
        turn: the least seconds of one side's turn, made of as many calls as that takes. A turn is
            long beside the moment for which the other side's threads still spin.
        patience: how many seconds a peer may take to compile.
        shrink: what the largest problems are divided by.
    """

    pairs: int = 41
    seconds: float = 10.0
    turn: float = 0.02
    patience: float = 60.0
    shrink: int = 1

    @property
    def least(self) -> int:
        """How many pairs there are in any case."""
        return min(3, self.pairs)


QUICK = Effort(pairs=1, seconds=1.0, turn=0.0, patience=5.0, shrink=10)


class UnavailableError(Exception):
    """A comparison cannot be made here; the message says why."""


class TooSlowError(UnavailableError):
    """A peer takes longer to get ready than we wait."""


@dataclass(frozen=True)
class Outcome:
    """What was measured.

    Attributes:
        ours: what a unit of work costs us, in seconds or bytes,
        theirs: and the peer. Both are medians.
        ratios: ours / theirs, pair by pair.
        note: what a reader should know, such as the setting that suited the peer best.
    """

    ours: float
    theirs: float
    ratios: list[float]
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """Something to measure against a peer.

    Attributes:
        name: what is measured.
        peer: who does the same work.
        unit: of the cost, such as "s/op" or "B/step"; "op/s" shows seconds as a rate.
        measure: measures it.
        at_least: the speed-up theirs / ours to reach; makes this a comparison of speed.
        at_most: the ratio ours / theirs to stay below; makes it one of cost.
    """

    name: str
    peer: str
    unit: str
    measure: Callable[[Effort], Outcome]
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Measured:
    """A comparison's outcome, for tables and files.

    Attributes:
        ratio: the speed-up if there is something to reach, else the cost, beside the peer's.
        quartiles: of the paired ratios.
        met: whether the ratio is on the right side of what was asked.
    """

    name: str
    peer: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    quartiles: tuple[float, float]
    at_least: float | None
    at_most: float | None
    met: bool
    pairs: int
    note: str


@dataclass(frozen=True)
class Skipped:
    """A comparison that could not be made, and why."""

    name: str
    peer: str
    reason: str


@dataclass(frozen=True)
class Group:
    """Comparisons that belong together.

    Attributes:
        title: what they are about.
        comparisons: in order.
        mean_at_least: for each peer the geometric mean of the speed-ups to reach.
    """

    title: str
    comparisons: Sequence[Comparison]
    mean_at_least: Mapping[str, float] = field(default_factory=dict)


def measured(comparison: Comparison, effort: Effort) -> Measured | Skipped:
    """Make a comparison, or say why it cannot be made."""
    c = comparison
    try:
        outcome = c.measure(effort)
    except UnavailableError as reason:
        return Skipped(c.name, c.peer, str(reason))
    costs = np.array(outcome.ratios)
    low, middle, high = np.quantile(costs if c.at_least is None else 1 / costs, (0.25, 0.5, 0.75))
    return Measured(
        c.name,
        c.peer,
        c.unit,
        outcome.ours,
        outcome.theirs,
        float(middle),
        (float(low), float(high)),
        c.at_least,
        c.at_most,
        met=bool(asked(c.at_least, 0.0) <= middle <= asked(c.at_most, math.inf)),
        pairs=costs.size,
        note=outcome.note,
    )


def asked(bound: float | None, otherwise: float) -> float:
    """A bound, or what stands for none."""
    return otherwise if bound is None else bound


def compare(
    ours: Run,
    theirs: Run,
    effort: Effort,
    *,
    counts: tuple[float, float] = (1, 1),
    best: bool = False,
    note: str = "",
) -> Outcome:
    """Let both sides take turns and compare what they cost.

    Args:
        ours: our side.
        theirs: the peer's side, doing the same work.
        effort: how long to measure.
        counts: units of work in one call of each side.
        best: whether the peer is held to its best turn of all, rather than to that of the pair;
            what other ways of counting would say is then noted.
        note: what to say about it.
    """
    ours(), theirs()  # the first call may compile, the second fills pools of memory
    calls = [max(1, math.ceil(effort.turn / seconds(run))) for run in (ours, theirs)]
    pairs: list[tuple[float, float]] = []
    start = perf_counter()
    while len(pairs) < effort.least or (
        len(pairs) < effort.pairs and perf_counter() - start < effort.seconds
    ):
        pairs.append((turn(ours, calls[0]), turn(theirs, calls[1])))
    times = np.array(pairs) / counts
    if best:
        by_turns = np.median(times[:, 1] / times[:, 0])
        by_best = times[:, 1].min() / times[:, 0].min()
        note = f"turn by turn {by_turns:.2f}, best turns of both {by_best:.2f}"
        times[:, 1] = times[:, 1].min()
    mine, other = np.median(times, axis=0)
    return Outcome(float(mine), float(other), (times[:, 0] / times[:, 1]).tolist(), note)


def installed(package: str) -> Any:
    """A peer's package.

    Raises:
        UnavailableError: if it is not installed.
    """
    try:
        return import_module(package)
    except ImportError:
        raise UnavailableError(f"{package} is not installed") from None


def turn(run: Run, calls: int) -> float:
    """How long one call takes in a turn that owes nothing to the one before.

    Threads of the other side, which may spin for a while when they have nothing to do, are left
    time to fall asleep, and a first call warms the caches.
    """
    sleep(REST)
    run()
    return seconds(run, calls)


def seconds(run: Run, calls: int = 1) -> float:
    """How long one call takes, in a turn of so many."""
    start = perf_counter()
    for _ in range(calls):
        run()
    return (perf_counter() - start) / calls


def geometric_mean(ratios: Iterable[float]) -> float:
    """The ratio that stands for several: that of a and of 1/a is 1."""
    return float(np.exp(np.mean(np.log(list(ratios)))))
