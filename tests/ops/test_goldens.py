"""Every op's samples give what PyTorch gives, values and gradients."""

from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.generate_goldens import FILE, NO_PEER, cotangent, drawn
from tinygrad_rnn.engine import REGISTRY

with np.load(FILE) as file:
    GOLDENS = dict(file)
COMPARED = sorted({(name, int(i)) for name, i, _ in (key.split("/") for key in GOLDENS)})


def test_every_op_is_compared_or_says_what_speaks_for_it():
    declared = {n for n, op in REGISTRY.items() if op.__module__.startswith("tinygrad_rnn.ops")}
    assert declared == {name for name, _ in COMPARED} | set(NO_PEER)
    assert not {name for name, _ in COMPARED} & set(NO_PEER)


@pytest.mark.parametrize(("name", "i"), COMPARED)
def test_an_op_agrees_with_pytorch(name, i):
    op = REGISTRY[name]
    inputs, params = drawn(op, i)
    xs = [
        tg.tensor(x, requires_grad=op.differentiable and x.dtype.kind == "f")
        if isinstance(x, np.ndarray)
        else x
        for x in inputs
    ]
    ys = op(*xs, **params)
    ys = ys if isinstance(ys, tuple) else (ys,)
    for k, y in enumerate(ys):
        close(y.data, GOLDENS[f"{name}/{i}/y{k}"])
    if op.differentiable:
        for y in ys:
            y.backward(cotangent(y.shape), retain_graph=True)
        floats = [x for x in xs if isinstance(x, tg.Tensor) and x.requires_grad]
        for k, x in enumerate(floats):
            g = np.zeros(x.shape) if x.grad is None else x.grad.data
            close(g, GOLDENS[f"{name}/{i}/g{k}"])


def close(ours, golden):
    np.testing.assert_allclose(ours, golden, rtol=1e-11, atol=1e-12)


def test_the_file_stays_small():
    assert Path(FILE).stat().st_size < 300_000
