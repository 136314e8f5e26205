"""How long a new cell's first call takes, in a fresh process, with empty caches and with full.

`python -m tests.benchmarks.first` is such a process: it prints the seconds of the first forward
and backward. What it imports before is not counted, Numba included.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

from tests.benchmarks.own_cells import made
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, seconds
from tests.benchmarks.remote import printed
from tests.benchmarks.sequences import GRID, ours
from tinygrad_rnn import nn

CACHES = ("NUMBA_CACHE_DIR", "TINYGRAD_RNN_CACHE")
CELL = "a matrix per gate"
REPETITIONS = 3


def group() -> Group:
    """The peer is the time that is allowed."""
    kinds: dict[str, tuple[Callable[[], float], float]] = {
        "empty cache": (cold, 5.0),
        "second process": (warm, 0.3),
    }
    comparisons = [
        Comparison(name, f"{allowed:g} s", "s", partial(measure, run, allowed), at_most=1.0)
        for name, (run, allowed) in kinds.items()
    ]
    return Group("First forward and backward of a new cell, imports not counted", comparisons)


def measure(run: Callable[[], float], allowed: float, effort: Effort) -> Outcome:
    """The same a few times, each with a cache of its own."""
    times = sorted(run() for _ in range(min(REPETITIONS, effort.pairs)))
    return Outcome(times[len(times) // 2], allowed, [time / allowed for time in times])


def cold() -> float:
    """Seconds of the first call of all."""
    with TemporaryDirectory() as folder:
        return in_process(folder)


def warm() -> float:
    """Seconds of the first call in the second process."""
    with TemporaryDirectory() as folder:
        in_process(folder)
        return in_process(folder)


def in_process(cache: str) -> float:
    """Seconds of a new process's first call."""
    return float(printed("first", **dict.fromkeys(CACHES, cache)))


def main() -> None:
    """Be such a process."""
    if importlib.util.find_spec("numba"):
        importlib.import_module("numba")
    cell, work = made(CELL, GRID[0])
    print(seconds(ours(nn.Recurrent(cell), work)))


if __name__ == "__main__":
    main()
