"""What an op costs besides its arithmetic: chains of 150 ops on 8 x 8 arrays, there and back."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import tinygrad_rnn as tg
from tests.benchmarks.pairs import Measured, compare

LENGTH, SHAPE = 150, (8, 8)

CHAINS: dict[str, Callable[[Any, Any], Any]] = {
    "multiply by a constant": lambda y, c: y * c,
    "multiply by a leaf": lambda y, x: y * x,
    "tanh": lambda y, _: y.tanh(),
}


def measure() -> Iterator[Measured]:
    """Forward and backward of each chain against PyTorch eager, one thread."""
    torch.set_num_threads(1)
    start = np.random.default_rng(0).uniform(0.5, 1.5, SHAPE).astype(np.float32)
    seed = np.ones(SHAPE, np.float32)
    for name, link in CHAINS.items():
        x = tg.tensor(start, requires_grad=True)
        x_torch = torch.tensor(start, requires_grad=True)
        leaf = name.endswith("leaf")
        other = x if leaf else tg.tensor(start)
        other_torch = x_torch if leaf else torch.tensor(start)
        yield compare(
            f"eager chain: {name}",
            lambda x=x, o=other, link=link: chain(x, o, link).backward(seed),
            lambda x=x_torch, o=other_torch, link=link: chain(x, o, link).backward(
                torch.from_numpy(seed)
            ),
            peer="PyTorch eager",
            unit="op",
            count=LENGTH,
        )


def chain(y: Any, other: Any, link: Callable[[Any, Any], Any]) -> Any:
    """`LENGTH` links, one after another."""
    for _ in range(LENGTH):
        y = link(y, other)
    return y
