"""Whether cost stays linear: time for each step of each sequence, as T grows and as B grows."""

from functools import partial

from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare
from tests.benchmarks.sequences import Side, Sizes, ours, work
from tinygrad_rnn import nn

LENGTHS, NARROW = (1_000, 7_000, 50_000), (16, 64, 64)  # T; B, I, H
BATCHES, STEPS, WIDE = (16, 128, 1_024), 64, (128, 128)  # B; T; I, H


def group() -> Group:
    """Each end of both ranges against the middle."""
    long = [(f"T {T:,}", T, LENGTHS[1]) for T in LENGTHS[::2]]
    many = [(f"B {B:,}", B, BATCHES[1]) for B in BATCHES[::2]]
    comparisons = [
        Comparison(name, f"T {middle:,}", "s/step", partial(by_length, T, middle), at_most=1.1)
        for name, T, middle in long
    ] + [
        Comparison(name, f"B {middle:,}", "s/step", partial(by_batch, B, middle), at_most=1.1)
        for name, B, middle in many
    ]
    title = "Growth of nn.LSTM, forward and backward: time for one step of one sequence"
    return Group(title, comparisons)


def by_length(T: int, middle: int, effort: Effort) -> Outcome:
    """Sequences of length T, and of middle length."""
    lengths = (T // effort.shrink, middle // effort.shrink)
    return against_itself((lengths[0], *NARROW), (lengths[1], *NARROW), effort)


def by_batch(B: int, middle: int, effort: Effort) -> Outcome:
    """B sequences, and a middle number of them."""
    return against_itself((STEPS, B, *WIDE), (STEPS, middle, *WIDE), effort)


def against_itself(sizes: Sizes, middle: Sizes, effort: Effort) -> Outcome:
    """Two sizes of one layer, each per step and sequence."""
    counts = (sizes[0] * sizes[1], middle[0] * middle[1])
    return compare(side(sizes), side(middle), effort, counts=counts)


def side(sizes: Sizes) -> Side:
    """A layer on a problem of some size."""
    return ours(nn.LSTM(*sizes[2:], seed=0), work(sizes, 2, 1))
