"""Tensors to differentiate by."""

import numpy as np

import tinygrad_rnn as tg


def leaf(x, dtype=np.float64):
    return tg.tensor(x, dtype=dtype, requires_grad=True)
