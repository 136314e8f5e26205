"""What an op costs besides its arithmetic: chains of 150 ops on 8 x 8 arrays, there and back."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare, installed

LENGTH, SHAPE = 150, (8, 8)

CHAINS: dict[str, Callable[[Any, Any], Any]] = {
    "multiply by a constant": lambda y, c: y * c,
    "multiply by a leaf": lambda y, x: y * x,
    "tanh": lambda y, _: y.tanh(),
}


def group() -> Group:
    """Forward and backward of each chain against PyTorch eager, one thread."""
    comparisons = [
        Comparison(name, "PyTorch eager", "s/op", partial(measure, name), at_most=1.0)
        for name in CHAINS
    ]
    return Group(f"Chains of {LENGTH} ops on small arrays, forward and backward", comparisons)


def measure(name: str, effort: Effort) -> Outcome:
    """One chain on both sides."""
    torch = installed("torch")
    torch.set_num_threads(1)
    start = np.random.default_rng(0).uniform(0.5, 1.5, SHAPE).astype(np.float32)
    seed = np.ones(SHAPE, np.float32)
    leaf, link = name.endswith("leaf"), CHAINS[name]
    x = tg.tensor(start, requires_grad=True)
    x_torch = torch.tensor(start, requires_grad=True)
    other = x if leaf else tg.tensor(start)
    other_torch = x_torch if leaf else torch.tensor(start)
    return compare(
        lambda: chain(x, other, link).backward(seed),
        lambda: chain(x_torch, other_torch, link).backward(torch.from_numpy(seed)),
        effort,
        counts=(LENGTH, LENGTH),
    )


def chain(y: Any, other: Any, link: Callable[[Any, Any], Any]) -> Any:
    """`LENGTH` links, one after another."""
    for _ in range(LENGTH):
        y = link(y, other)
    return y
