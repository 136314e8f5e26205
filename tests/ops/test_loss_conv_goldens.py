"""Losses, convolutions and poolings give what PyTorch gives, over grids of their options."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.generate_loss_conv_goldens import FILE, calls, differentiated, reals

CALLS = list(calls())
with np.load(FILE) as file:
    GOLDENS = dict(file)


def said(call):
    name, inputs, options = call
    return f"{name} {inputs['x'].shape} {options}"


def made(name, inputs):
    """The inputs as tensors, those that are differentiated asking for gradients."""
    wanted = differentiated(name, inputs)
    return {
        k: tg.tensor(x, requires_grad=k in wanted) if k in wanted else x for k, x in inputs.items()
    }


@pytest.mark.parametrize("i", range(len(CALLS)), ids=map(said, CALLS))
def test_options_mean_what_they_mean_in_pytorch(i):
    name, inputs, options = CALLS[i]
    f = getattr(tg, name)
    xs = made(name, inputs)
    y = f(*xs.values(), **options)
    close(y.data, GOLDENS[f"{i}/y"])
    y.backward(reals(*y.shape, seed=9))
    for k in differentiated(name, inputs):
        close(xs[k].grad.data, GOLDENS[f"{i}/{k}"])
    close(f(*inputs.values(), **options), y.data)


def close(ours, golden):
    np.testing.assert_allclose(ours, golden, rtol=1e-10, atol=1e-12)


def test_the_file_stays_small():
    assert FILE.stat().st_size < 200_000
