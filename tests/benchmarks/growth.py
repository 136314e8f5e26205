"""Whether cost stays linear: time for each step of each sequence, as T grows and as B grows."""

from functools import partial
from itertools import pairwise

from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare
from tests.benchmarks.sequences import Side, Sizes, ours, work
from tinygrad_rnn import nn

LENGTHS, NARROW = (1_000, 7_000, 50_000), (16, 64, 64)  # T; B, I, H
BATCHES, STEPS, WIDE = (16, 128, 1_024), 64, (128, 128)  # B; T; I, H


def group() -> Group:
    """Each size against the one before it: what is done more must not cost more each time."""
    comparisons = [
        Comparison(f"T {T:,}", f"T {less:,}", "s/step", partial(by_length, T, less), at_most=1.1)
        for less, T in pairwise(LENGTHS)
    ] + [
        Comparison(f"B {B:,}", f"B {less:,}", "s/step", partial(by_batch, B, less), at_most=1.1)
        for less, B in pairwise(BATCHES)
    ]
    title = "Growth of nn.LSTM, forward and backward: time for one step of one sequence"
    return Group(title, comparisons)


def by_length(T: int, less: int, effort: Effort) -> Outcome:
    """Sequences of length T, and shorter ones."""
    lengths = (T // effort.shrink, less // effort.shrink)
    return against_itself((lengths[0], *NARROW), (lengths[1], *NARROW), effort)


def by_batch(B: int, less: int, effort: Effort) -> Outcome:
    """B sequences, and fewer."""
    return against_itself((STEPS, B, *WIDE), (STEPS, less, *WIDE), effort)


def against_itself(sizes: Sizes, smaller: Sizes, effort: Effort) -> Outcome:
    """Two sizes of one layer, each per step and sequence."""
    counts = (sizes[0] * sizes[1], smaller[0] * smaller[1])
    return compare(side(sizes), side(smaller), effort, counts=counts)


def side(sizes: Sizes) -> Side:
    """A layer on a problem of some size."""
    return ours(nn.LSTM(*sizes[2:], seed=0), work(sizes, 2, 1))
