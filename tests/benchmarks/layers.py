"""The standard layers, forward and backward with all gradients, next to PyTorch's fused ones."""

from functools import partial

from tests.benchmarks import pytorch
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare
from tests.benchmarks.sequences import GRID, Side, Sizes, ours, work, written
from tinygrad_rnn import nn

STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}
MEANS = {"RNN": 1.8, "GRU": 2.2, "LSTM": 1.3}
LEAST = {"LSTM": 1.1}


def group(kind: str) -> Group:
    """One kind of layer over the grid of sizes."""
    comparisons = [
        Comparison(
            written(sizes),
            "PyTorch",
            "s",
            partial(measure, kind, sizes),
            at_least=LEAST.get(kind, 0.0),
        )
        for sizes in GRID
    ]
    title = f"nn.{kind}, (T, B, I, H): forward, backward, all gradients, float32"
    return Group(title, comparisons, {"PyTorch": MEANS[kind]})


def measure(kind: str, sizes: Sizes, effort: Effort) -> Outcome:
    """One size on both sides."""
    mine, peer = sides(kind, sizes)
    theirs, note = pytorch.at_its_best({"": peer}, effort)
    return compare(mine, theirs, effort, note=note)


def sides(kind: str, sizes: Sizes) -> tuple[Side, Side]:
    """Ours and PyTorch's, with the same parameters and numbers."""
    layer = getattr(nn, kind)(*sizes[2:], seed=0)
    numbers = work(sizes, STATES[kind], 1)
    parameters = {name: p.numpy() for name, p in layer.named_parameters()}
    return ours(layer, numbers), pytorch.layer_side(pytorch.layer(kind, sizes, parameters), numbers)
