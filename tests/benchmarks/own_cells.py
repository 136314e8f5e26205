"""Custom cells on our side: four of the library's own, and one as a textbook writes it."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_rnn as tg
from tests.benchmarks.sequences import Sizes, Work, work
from tinygrad_rnn import nn


class TextbookLSTM(nn.Cell):
    """An LSTM with a matrix and a bias for each gate, all of which read [h, x]."""

    def __init__(self, input_size: int, hidden_size: int, seed: int) -> None:
        rng, H = np.random.default_rng(seed), hidden_size

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(rng.standard_normal(shape, np.float32) / np.float32(H**0.5))

        self.W_f, self.W_i, self.W_c, self.W_o = (drawn(H, H + input_size) for _ in range(4))
        self.b_f, self.b_i, self.b_c, self.b_o = (drawn(H) for _ in range(4))

    def initial(self, *batch: int) -> Any:
        zeros = np.zeros((*batch, *self.b_f.shape), np.float32)
        return tg.tensor(zeros), tg.tensor(zeros)

    def recur(self, carry: Any, x: Any) -> tuple[Any, Any]:
        h, c = carry
        hx = tg.concatenate([h, x], axis=-1)
        f = tg.sigmoid(hx @ self.W_f.T + self.b_f)
        i = tg.sigmoid(hx @ self.W_i.T + self.b_i)
        g = tg.tanh(hx @ self.W_c.T + self.b_c)
        o = tg.sigmoid(hx @ self.W_o.T + self.b_o)
        c = f * c + i * g
        h = o * tg.tanh(c)
        return (h, c), h


CELLS: dict[str, Callable[[int, int], nn.Cell]] = {
    "peephole LSTM": lambda n, H: nn.LSTMCell(n, H, peepholes=True, seed=0),
    "LayerNorm LSTM": lambda n, H: nn.LayerNormalized(nn.LSTMCell(n, H, seed=0)),
    "minimal gated": lambda n, H: nn.MinimalGatedCell(n, H, seed=0),
    "coupled gates": lambda n, H: nn.LSTMCell(n, H, coupled=True, seed=0),
    "a matrix per gate": lambda n, H: TextbookLSTM(n, H, seed=0),
}


def made(name: str, sizes: Sizes) -> tuple[nn.Cell, Work]:
    """A cell and what it works on. Made anew, in any process, both are the same."""
    cell = CELLS[name](*sizes[2:])
    return cell, work(sizes, 1 if name == "minimal gated" else 2)
