"""Characters per second: sampling one sequence from an LSTM, next to PyTorch's loop."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks import pytorch
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare, installed
from tests.benchmarks.training import torch_model
from tinygrad_rnn.train import LanguageModel

V, E, LENGTH = 100, 64, 200
WIDTHS = (128, 256)

TorchStep = Callable[[Any, Any], tuple[Any, Any]]  # (carry, id) to (carry, logits)


def group() -> Group:
    """Models of two widths."""
    comparisons = [
        Comparison(f"LSTM {H}", "PyTorch", "char/s", partial(measure, H), at_least=8.0)
        for H in WIDTHS
    ]
    title = f"Generation, one sequence, vocabulary {V}: embedding, LSTMCell, projection, a draw"
    return Group(title, comparisons, {"PyTorch": 8.0})


def measure(H: int, effort: Effort) -> Outcome:
    """Both sides write `LENGTH` characters in a call."""
    model = LanguageModel(V, cell="lstm", hidden=H, embedding=E, seed=0)
    peer = torch_model(model)
    theirs, note = pytorch.at_its_best({"": lambda: torch_text(peer, LENGTH)}, effort)
    counts = (LENGTH, LENGTH)
    return compare(lambda: our_text(model, LENGTH), theirs, effort, counts=counts, note=note)


def our_text(model: LanguageModel, length: int) -> list[int]:
    """Ids, drawn by the fastest way that the library offers in public."""
    rng = np.random.default_rng(0)
    return list(model.write([0], length, rng=rng))


def torch_text(model: Any, length: int) -> list[int]:
    """Ids, drawn in inference mode."""
    torch = installed("torch")
    with torch.inference_mode():
        step, (h, c) = torch_step(model)
        token, drawn = torch.zeros(1, dtype=torch.int64), []
        for _ in range(length):
            (h, c), logits = step((h, c), token)
            token = torch.multinomial(torch.softmax(logits, -1), 1)[0]
            drawn.append(token.item())
    return drawn


def torch_step(model: Any) -> tuple[TorchStep, Any]:
    """One step of PyTorch's model by an LSTMCell with the layer's parameters, and a first carry."""
    torch = installed("torch")
    layer = model["recurrent"]
    # Made without memory of its own: it gets the layer's.
    cell = torch.nn.LSTMCell(layer.input_size, layer.hidden_size, device="meta")
    for name, parameter in layer.named_parameters():
        setattr(cell, name.removesuffix("_l0"), parameter)
    zeros = torch.zeros(1, layer.hidden_size)

    def step(carry: Any, token: Any) -> tuple[Any, Any]:
        carry = cell(model["embedding"](token), carry)
        return carry, model["output"](carry[0])

    return step, (zeros, zeros)
