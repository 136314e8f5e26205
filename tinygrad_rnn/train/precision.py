r"""Float32 and float64 together: checks in float64, and weights that remember small steps.

On a CPU float32 is twice as fast as float64, and its gradients are good to six digits: all that
training needs. Two things need more.

*Trust.* `rounding_errors` computes a loss and its gradients in both and says, parameter by
parameter, how far float32 is off. Where it is far off, the model cancels or overflows somewhere.

*Small steps.* A step of less than $6 \cdot 10^{-8}$ of a weight may be lost in float32, and less
than half of that always is, however often it is taken. `MasterWeights` lets the optimizer work on
float64 copies, whose roundings the model computes with (Micikevicius et al., 2018,
arXiv:1710.03740, section 3.1, for float32 behind float16). Few runs need it: Adam's steps are about
as large as its rate, so it is for rates that end far below $10^{-7}$, or plain gradient descent on
small gradients.

Half precision is not offered: NumPy converts each number to float32 and back, so it is slower.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.nn import Module
from tinygrad_rnn.optim import Optimizer

__all__ = ["MasterWeights", "float64_copy", "rounding_errors"]


def float64_copy(model: Module) -> Module:
    """A model of its own with the same weights, in float64, and equal random generators.

    Example:
        >>> from tinygrad_rnn import nn
        >>> float64_copy(nn.Linear(2, 3, seed=0)).weight.dtype
        dtype('float64')
    """
    return copy.deepcopy(model).astype(np.float64)


def rounding_errors(
    model: Module, loss: Callable[..., Tensor], *inputs: NDArray[Any]
) -> dict[str, float]:
    r"""How far float32 is from float64, for a loss and each gradient.

    Args:
        model: It is left as it is, with its gradients and generators.
        loss: From a model and inputs to a scalar; called with two copies of the model.
        inputs: Arrays; those of floats are given in each of the two dtypes.

    Returns:
        Relative errors $\lVert g_{32} - g_{64} \rVert / \lVert g_{64} \rVert$ by path, that of
        the loss under `"loss"`. Around 1e-6 is as good as it gets.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> x = np.random.default_rng(0).normal(size=(5, 8))
        >>> errors = rounding_errors(nn.Linear(8, 3, seed=0), lambda m, x: (m(x) ** 2.0).mean(), x)
        >>> sorted(errors), max(errors.values()) < 1e-5
        (['bias', 'loss', 'weight'], True)
    """
    losses, gradients = [], []
    for dtype in (np.float32, np.float64):
        twin = copy.deepcopy(model).astype(dtype)
        losses.append(loss(twin, *(x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs)))
        losses[-1].backward()
        gradients.append({k: p.grad for k, p in twin.named_parameters() if p.grad is not None})
    single, double = gradients
    errors = {path: relative_error(g, double[path]) for path, g in single.items()}
    return {"loss": relative_error(*losses), **errors}


def relative_error(x: Tensor, exact: Tensor) -> float:
    """The distance of one tensor from another, in parts of the other's length."""
    length = np.linalg.norm(exact.data)
    distance = np.linalg.norm(x.data.astype(np.float64) - exact.data)
    return float(distance / length) if length else float(distance)


class MasterWeights:
    """An optimizer that works on float64 copies of a model's parameters.

    It stands where an optimizer stands, in `Training` too. After each step the model's parameters
    are the roundings of the copies. A schedule takes hold of the `optimizer` inside.

    Args:
        model: Computes in float32.
        optimizer: Makes an optimizer of the parameters of the model that it is called with, a copy
            of this one in float64.

    Attributes:
        optimizer: That optimizer.

    Raises:
        ValueError: If the optimizer was made of other parameters than the copy's.

    Example:
        A thousand steps, each smaller than the last bit of 1:

        >>> import numpy as np
        >>> from tinygrad_rnn import nn, optim
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.load_state_dict({"weight": np.ones((1, 1))})
        >>> masters = MasterWeights(model, lambda m: optim.SGD(m.parameters(), lr=1e-8))
        >>> for _ in range(1000):
        ...     masters.zero_grad()
        ...     model(np.ones(1, "float32")).sum().backward()
        ...     masters.step()
        >>> round(1 - model.weight.item(), 7)
        1e-05
    """

    def __init__(self, model: Module, optimizer: Callable[[Any], Optimizer]) -> None:
        self._model, self._masters = model, float64_copy(model)
        self.optimizer = optimizer(self._masters)
        copies = {id(p) for p in self._masters.parameters()}
        if any(id(p) not in copies for group in self.param_groups for p in group["params"]):
            raise ValueError(
                "MasterWeights: the optimizer has parameters that are not the copy's; expected a "
                "function of the copy, such as lambda m: optim.Adam(m.parameters())"
            )

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of the optimizer inside."""
        return self.optimizer.param_groups

    @property
    def lr(self) -> float:
        """The learning rate of the first group. Setting it sets that of every group."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.optimizer.lr = value

    def zero_grad(self) -> None:
        """Forget the model's gradients."""
        self._model.zero_grad()

    def step(self) -> None:
        """Change the copies by the model's gradients, and round them into the model."""
        pairs = list(zip(self._model.parameters(), self._masters.parameters(), strict=True))
        for p, master in pairs:
            master.grad = None if p.grad is None else Tensor(p.grad.data.astype(np.float64))
        self.optimizer.step()
        for p, master in pairs:
            p.data[...] = master.data
            p.mark_written()

    def state_dict(self) -> dict[str, Any]:
        """The copies, and what the optimizer remembers of them."""
        return {"masters": self._masters.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the model's own weights are loaded by the model."""
        self._masters.load_state_dict(state["masters"])
        self.optimizer.load_state_dict(state["optimizer"])
