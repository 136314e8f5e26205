"""How much of the machine's own matrix product an LSTM reaches, forward and backward."""

from functools import partial

import numpy as np

from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare
from tests.benchmarks.sequences import GRID, Sizes, ours, work, written
from tinygrad_rnn import nn

N = 2048
WIDE = [sizes for sizes in GRID if sizes[3] >= 256]


def group() -> Group:
    """The wide sizes of the grid."""
    comparisons = [
        Comparison(written(sizes), f"sgemm {N}³", "FLOP/s", partial(measure, sizes), at_least=0.9)
        for sizes in WIDE
    ]
    title = "nn.LSTM as a fraction of the machine's own best sgemm: (T, B, I, H), all cores"
    return Group(title, comparisons)


def measure(sizes: Sizes, effort: Effort) -> Outcome:
    """An LSTM and a large product by turns; the product counts with the best of its turns."""
    layer = nn.LSTM(*sizes[2:], seed=0)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, N, N), np.float32)
    out = np.empty_like(a)
    return compare(
        ours(layer, work(sizes, 2, 1)),
        lambda: np.matmul(a, b, out=out),
        effort,
        counts=(flops(sizes), 2 * N**3),
        best=True,
    )


def flops(sizes: Sizes) -> int:
    """Of an LSTM's matrix products: one forward, two backward, of four gates with [x, h]."""
    T, B, features, H = sizes
    return 3 * 2 * T * B * 4 * H * (features + H)
