"""Graphs that several tests draw."""

import numpy as np
import pytest

import tinygrad_rnn as tg


def parameter(values, name=None):
    return tg.tensor(values, requires_grad=True, name=name)


@pytest.fixture
def square_and_self():
    """x * x + x at 3: x is used three times."""
    x = parameter(3.0, "x")
    return x * x + x


@pytest.fixture
def neuron():
    """tanh(w x + b)."""
    w, x, b = parameter(-0.5, "w"), parameter(1.5, "x"), parameter(0.25, "b")
    return tg.tanh(w * x + b)


def unrolled(steps):
    """The last state of a recurrent network, 3 units, 4 inputs."""
    rng = np.random.default_rng(0)
    W_x = parameter(rng.normal(size=(3, 4)), "W_x")
    W_h = parameter(rng.normal(size=(3, 3)), "W_h")
    b, h = parameter(rng.normal(size=3), "b"), parameter(np.zeros(3), "h_0")
    for t in range(1, steps + 1):
        h = tg.tanh(W_x @ tg.tensor(rng.normal(size=4), name=f"x_{t}") + W_h @ h + b)
        h.name = f"h_{t}"
    return h


@pytest.fixture
def recurrent_step():
    return unrolled(1)


@pytest.fixture
def recurrent_network():
    """Three steps: 22 nodes, 7 of them given."""
    return unrolled(3)
