"""PyTorch at its best: its layers, and the setting in which it is fastest."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.benchmarks.pairs import Effort, Run, installed, seconds
from tests.benchmarks.sequences import Side, Sizes, Work


@dataclass(frozen=True)
class Setting:
    """What may be set for a whole process."""

    onednn: bool
    threads: int

    def use(self) -> None:
        """Set it."""
        torch = installed("torch")
        torch.set_num_threads(self.threads)
        torch.backends.mkldnn.set_flags(self.onednn)

    def __str__(self) -> str:
        return f"{'oneDNN' if self.onednn else 'native'}, threads: {self.threads}"


def settings() -> list[Setting]:
    """All cores or one, with and without oneDNN: what is best depends on sizes."""
    threads = dict.fromkeys((os.cpu_count() or 1, 1))
    return [Setting(*choice) for choice in product((True, False), threads)]


def at_its_best(ways: Mapping[str, Run], effort: Effort) -> tuple[Run, str]:
    """The fastest of several ways in its fastest setting, which is left set, and their names."""
    trials = effort.least
    best, chosen = float("inf"), (next(iter(ways)), settings()[0])
    for setting, (name, run) in product(settings(), ways.items()):
        setting.use()
        run()
        time = min(seconds(run) for _ in range(trials))
        if time < best:
            best, chosen = time, (name, setting)
    name, setting = chosen
    setting.use()
    return ways[name], ", ".join(filter(None, (name, str(setting))))


def layer(kind: str, sizes: Sizes, parameters: Mapping[str, Any] | None) -> Any:
    """PyTorch's layer of a kind, RNN, LSTM or GRU, with given parameters or its own."""
    torch = installed("torch")
    made = getattr(torch.nn, kind)(*sizes[2:])
    if parameters is not None:
        made.load_state_dict({name: torch.tensor(array) for name, array in parameters.items()})
    return made


def layer_side(layer: Any, work: Work) -> Side:
    """Forward and backward of a layer."""
    named = dict(layer.named_parameters())
    return side(lambda p, x, states: layer(x, states)[0], named, work, unwrap=True)


def side(
    forward: Callable[..., Any], parameters: Mapping[str, Any], work: Work, unwrap: bool = False
) -> Side:
    """Forward and backward of a function of parameters, input and states.

    Args:
        forward: gives the outputs.
        parameters: by name, tensors that require gradients.
        work: what to work on.
        unwrap: whether a state of one part is given as itself, not as a tuple.
    """
    torch = installed("torch")
    x = torch.tensor(work.x, requires_grad=True)
    states = tuple(torch.tensor(s, requires_grad=True) for s in work.states)
    seed = torch.tensor(work.seed)
    hx = states[0] if unwrap and len(states) == 1 else states
    leaves = [*parameters.values(), x, *states]

    def run() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        y = forward(parameters, x, hx)
        y.backward(seed)
        return [y, *(leaf.grad for leaf in leaves)]

    return run
