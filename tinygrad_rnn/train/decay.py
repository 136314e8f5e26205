r"""Which parameters weight decay is for."""

from collections.abc import Sequence
from typing import Any

from tinygrad_rnn import nn

__all__ = ["weight_decay_groups"]


def weight_decay_groups(
    model: nn.Module, weight_decay: float = 1e-2, *, exempt: Sequence[str] = ()
) -> list[dict[str, Any]]:
    r"""A model's parameters in two groups, for an optimizer: matrices decay, all else does not.

    Decay keeps a product $W x$ from growing. A bias only shifts and a norm's gain only scales what
    was brought to one size before; pulling them to zero costs accuracy and prevents nothing
    (Goodfellow et al., 2016, section 7.1).

    Args:
        model: Its parameters are all in one of the groups, shared ones once.
        weight_decay: $\lambda$ of the first group; use it with `optim.AdamW`, or `optim.SGD`.
        exempt: Parts of the model that shall not decay either, by path, such as `"embedding"`: at
            each step decay also shrinks the vectors of tokens that the step did not meet.

    Returns:
        One or two dicts with `"params"` and `"weight_decay"`; a group without parameters is left
        out.

    Raises:
        ValueError: If `weight_decay` is negative, or the model has no part of that path.

    Example:
        >>> from tinygrad_rnn import nn, optim
        >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.LayerNorm(8), nn.Linear(8, 2, seed=1))
        >>> optim.AdamW(weight_decay_groups(model, 0.1), lr=1e-3)
        AdamW(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.1, parameters=2;
              lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, parameters=4)
    """
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay_groups: got {weight_decay}; expected 0 <= weight_decay")
    parameters = dict(model.named_parameters())
    for part in exempt:
        if not any(within(path, part) for path in parameters):
            raise ValueError(
                f"weight_decay_groups: no parameter is in {part!r}; there are "
                f"{', '.join(parameters)}"
            )
    gains = {id(p) for norm in norms(model) for p in norm.parameters()}
    groups: dict[float, list[nn.Parameter]] = {weight_decay: [], 0.0: []}
    for path, p in parameters.items():
        spared = p.ndim < 2 or id(p) in gains or any(within(path, part) for part in exempt)
        groups[0.0 if spared else weight_decay].append(p)
    return [{"params": ps, "weight_decay": rate} for rate, ps in groups.items() if ps]


def norms(model: nn.Module) -> list[nn.Module]:
    """The layers whose matrices, if they have any, are gains."""
    return [module for module in model.modules() if isinstance(module, nn.LayerNorm)]


def within(path: str, part: str) -> bool:
    """Whether a parameter is a part of the model, or in it."""
    return path == part or path.startswith(f"{part}.")
