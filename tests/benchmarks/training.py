"""A whole training step of a language model: embedding to Adam, next to PyTorch's."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks import pytorch
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare, installed
from tinygrad_rnn.optim import Adam, clip_grad_norm
from tinygrad_rnn.train import LanguageModel

T, B, E, H = 64, 32, 128, 256
VOCABULARIES = (100, 10_000)
RATE, LONGEST = 1e-3, 1.0

Step = Callable[[], Any]  # one training step; returns the loss


def group() -> Group:
    """Both vocabularies."""
    comparisons = [
        Comparison(f"vocabulary {V:,}", "PyTorch", "s/step", partial(measure, V), at_least=1.3)
        for V in VOCABULARIES
    ]
    title = (
        f"A training step (T {T}, B {B}, embedding {E}, LSTM {H}): forward, cross-entropy, "
        "backward, clip, Adam"
    )
    return Group(title, comparisons, {"PyTorch": 1.3})


def measure(V: int, effort: Effort) -> Outcome:
    """Both sides train on the same batch, over and over."""
    model = LanguageModel(V, cell="lstm", hidden=H, embedding=E, seed=0)
    inputs, targets = batch(V, T, B)
    ways = {
        f"{kind} Adam": torch_step(torch_model(model), inputs, targets, kind)
        for kind in ("fused", "foreach")
    }
    theirs, note = pytorch.at_its_best(ways, effort)
    return compare(our_step(model, inputs, targets), theirs, effort, note=note)


def batch(V: int, *shape: int) -> tuple[Any, Any]:
    """Ids and the ids that follow."""
    rng = np.random.default_rng(0)
    return rng.integers(V, size=shape), rng.integers(V, size=shape)


def our_step(model: LanguageModel, inputs: Any, targets: Any) -> Step:
    """Ours, the way that the library's own loop does it."""
    adam = Adam(model.parameters(), lr=RATE)

    def step() -> Any:
        adam.zero_grad()
        loss, _ = model.loss(inputs, targets, None)
        loss.backward()
        clip_grad_norm(model.parameters(), LONGEST)
        adam.step()
        return loss

    return step


def torch_model(model: LanguageModel) -> Any:
    """The same model in PyTorch, with a copy of the parameters."""
    torch = installed("torch")
    V, width = model.embedding.weight.shape
    hidden = model.output.weight.shape[1]
    twin = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(V, width),
            "recurrent": torch.nn.LSTM(width, hidden),
            "output": torch.nn.Linear(hidden, V),
        }
    )
    numbers = {name: torch.tensor(p.numpy()) for name, p in model.named_parameters()}
    twin.load_state_dict(copy.deepcopy(numbers))
    return twin


def torch_step(model: Any, inputs: Any, targets: Any, adam: str) -> Step:
    """PyTorch's, with one of its fast kinds of Adam, fused or foreach."""
    torch = installed("torch")
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=RATE, **{adam: True})
    inputs, targets = torch.tensor(inputs), torch.tensor(targets).flatten()

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        h, _ = model["recurrent"](model["embedding"](inputs))
        logits = model["output"](h).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, LONGEST, foreach=True)
        optimizer.step()
        return loss

    return step
