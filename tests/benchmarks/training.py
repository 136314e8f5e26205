"""A whole training step of a language model, embedding to Adam, and its parts, beside PyTorch's."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks import pytorch
from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare, installed
from tinygrad_rnn import linear_cross_entropy, tensor
from tinygrad_rnn.optim import Adam, clip_grad_norm
from tinygrad_rnn.train import LanguageModel

T, B, E, H = 64, 32, 128, 256
VOCABULARIES = (100, 10_000)
RATE, LONGEST = 1e-3, 1.0

Step = Callable[[], Any]  # one training step; returns the loss


def group(what: str = "whole") -> Group:
    """Both vocabularies: the whole step; or its "parts", the loss with its gradients, and Adam."""
    if what == "parts":
        comparisons = [
            Comparison(
                f"{part}, vocabulary {V:,}",
                *("PyTorch", "s/step"),
                partial(parts, V, part),
                at_least=1.0,
            )
            for part in PARTS
            for V in VOCABULARIES
        ]
        return Group(f"Parts of a training step (T {T}, B {B}, LSTM {H})", comparisons)
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


def parts(V: int, part: str, effort: Effort) -> Outcome:
    """Both sides do one part of the step."""
    model = LanguageModel(V, cell="lstm", hidden=H, embedding=E, seed=0)
    ours, theirs = PARTS[part](model)
    return compare(ours, theirs, effort)


def projections(model: LanguageModel) -> tuple[Step, Step]:
    """The output layer with its cross-entropy, and the gradients of both."""
    torch = installed("torch")
    V = len(model.output.weight)
    hidden = np.random.default_rng(0).standard_normal((T * B, H)).astype("float32")
    _, targets = batch(V, T * B)
    x, arrays = tensor(hidden, requires_grad=True), [p.numpy() for p in model.output.parameters()]
    twin = [torch.tensor(a, requires_grad=True) for a in (hidden, *arrays)]
    answers = torch.tensor(targets)

    def ours() -> Any:
        loss = linear_cross_entropy(x, model.output.weight, targets, model.output.bias)
        for p in (x, *model.output.parameters()):
            p.grad = None
        loss.backward()

    def theirs() -> Any:
        for p in twin:
            p.grad = None
        scores = torch.nn.functional.linear(*twin)
        torch.nn.functional.cross_entropy(scores, answers).backward()

    return ours, theirs


def updates(model: LanguageModel) -> tuple[Step, Step]:
    """Clipping and Adam, of the same gradients over and over."""
    torch = installed("torch")
    adam, parameters = Adam(model.parameters(), lr=RATE), list(model.parameters())
    twin = list(torch_model(model).parameters())
    other = torch.optim.Adam(twin, lr=RATE, fused=True)
    for p, q in zip(parameters, twin, strict=True):
        p.grad, q.grad = tensor(p.numpy()), q.detach().clone()

    def ours() -> Any:
        clip_grad_norm(parameters, LONGEST)
        adam.step()

    def theirs() -> Any:
        torch.nn.utils.clip_grad_norm_(twin, LONGEST, foreach=True)
        other.step()

    return ours, theirs


PARTS = {"loss and its gradients": projections, "clip and Adam": updates}


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
