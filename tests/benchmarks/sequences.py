"""The work that every side of a comparison over sequences does, and our way of doing it.

A side is a function without arguments that runs forward and backward once. It returns the outputs
and all gradients, of the parameters, the input and the initial state, in this order; the tests
beside this file compare them with the peers'.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_rnn as tg
from tinygrad_rnn import nn

Array = NDArray[np.float32]
Sizes = tuple[int, int, int, int]  # T, B, I, H
Side = Callable[[], list[Any]]

GRID: tuple[Sizes, ...] = (
    (64, 32, 128, 128),
    (100, 64, 256, 256),
    (64, 32, 512, 512),
    (50, 1, 64, 64),
    (100, 16, 64, 64),
    (200, 128, 64, 256),
)


@dataclass(frozen=True)
class Work:
    """Numbers to work on.

    Attributes:
        x: the input (T, B, I).
        states: the parts of the initial state.
        seed: the cotangent of the outputs (T, B, H).
    """

    x: Array
    states: tuple[Array, ...]
    seed: Array


def work(sizes: Sizes, states: int, *lead: int) -> Work:
    """Draw numbers for `states` parts of a state, (*lead, B, H) each."""
    T, B, features, H = sizes
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    parts = tuple(normal(*lead, B, H) for _ in range(states))
    return Work(normal(T, B, features), parts, normal(T, B, H))


def ours(layer: nn.Module, work: Work) -> Side:
    """Our side: a layer that takes (input, state) and is kept from call to call."""
    x = tg.tensor(work.x, requires_grad=True)
    states = tuple(tg.tensor(s, requires_grad=True) for s in work.states)
    hx = states if len(states) > 1 else states[0]
    leaves = [*layer.parameters(), x, *states]

    def run() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        y, _ = layer(x, hx)
        y.backward(work.seed)
        return [y, *(leaf.grad for leaf in leaves)]

    return run


def written(sizes: Sizes) -> str:
    """Sizes T, B, I, H as a table shows them."""
    return ", ".join(map(str, sizes))
