"""What each time step adds to the peak of memory, forward and backward, next to PyTorch.

`python -m tests.benchmarks.memory ours|theirs KIND T` prints a process's peak in bytes. What a
step costs is the slope between T and 2 T, each in a process of its own, so that neither the
libraries themselves nor memory that was kept from an earlier run count.
"""

import resource
import sys
from functools import partial
from pathlib import Path

from tests.benchmarks.layers import STATES
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome
from tests.benchmarks.remote import printed
from tests.benchmarks.sequences import Sizes, ours, work
from tinygrad_rnn import nn

T, B, H = 400, 32, 256
REPETITIONS = 3


def group() -> Group:
    """The three standard layers."""
    comparisons = [
        Comparison(f"nn.{kind}", "PyTorch", "B/step", partial(measure, kind), at_most=1.0)
        for kind in STATES
    ]
    title = f"Peak memory of forward and backward, per step of T (B {B}, I and H {H}, float32)"
    return Group(title, comparisons)


def measure(kind: str, effort: Effort) -> Outcome:
    """Both slopes, a few times."""
    pairs = [
        (slope("ours", kind), slope("theirs", kind)) for _ in range(min(REPETITIONS, effort.pairs))
    ]
    mine, other = sorted(pairs)[len(pairs) // 2]
    return Outcome(mine, other, [a / b for a, b in pairs])


def slope(side: str, kind: str) -> float:
    """Bytes that a step adds to the peak."""
    once, twice = (float(printed("memory", side, kind, str(n))) for n in (T, 2 * T))
    return (twice - once) / T


def main(side: str, kind: str, length: int) -> None:
    """Run a short sequence, then a long one, and print the peak."""
    for steps in (8, length):
        run(side, kind, (steps, B, H, H))
    print(peak())


def run(side: str, kind: str, sizes: Sizes) -> None:
    """One forward and backward; only the side that is measured is imported."""
    numbers = work(sizes, STATES[kind], 1)
    if side == "ours":
        ours(getattr(nn, kind)(*sizes[2:], seed=0), numbers)()
        return
    from tests.benchmarks import pytorch

    pytorch.settings()[0].use()
    pytorch.layer_side(pytorch.layer(kind, sizes, None), numbers)()


def peak() -> int:
    """The most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike getrusage's, this peak does not begin with that of the process which started us.
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    _, side, kind, length = sys.argv
    main(side, kind, int(length))
