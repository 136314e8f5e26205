"""Adagrad: the gradient over the root of all its squares so far."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.kernels.optimizer import adagrad_step
from tinygrad_rnn.optim.optimizer import Array, Memory, Optimizer, Options


class Adagrad(Optimizer):
    r"""Adagrad, whose rate falls fastest where the gradients have been largest.

    Derivation:
        A word that is rarely seen should learn more from each sight of it than a frequent one. Let
        every coordinate's rate fall with the gradients that it has met,
        $$ s_t = s_{t-1} + g_t^2, \qquad
           \theta_t = \theta_{t-1}
           - \frac{\eta}{1 + (t - 1)\,\gamma}\, \frac{g_t}{\sqrt{s_t} + \epsilon}, $$
        with $\gamma = 0$ in the paper: then the rate falls like $1/\sqrt t$ under steady gradients,
        which for convex losses gives a regret of order $\sqrt T$. Weight decay adds to the
        gradient, $g_t = \nabla L(\theta_{t-1}) + \lambda\,\theta_{t-1}$.

    Source: Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and
    stochastic optimization*, JMLR 12, 2011, equation 1 with the diagonal matrix.

    Args:
        params: What to change; see `Optimizer`.
        lr: Learning rate $\eta$.
        lr_decay: $\gamma$.
        weight_decay: $\lambda$.
        initial_accumulator_value: $s_0$.
        eps: $\epsilon$.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import Adagrad
        >>> w = tg.tensor([3.0], requires_grad=True)
        >>> adagrad = Adagrad([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> adagrad.step()
        >>> w.item()
        2.5
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def update(self, p: Array, g: Array, memory: Memory, options: Options) -> None:
        """One step."""
        if not memory:
            memory.update(step=0, total=np.full_like(p, options["initial_accumulator_value"]))
        lr = options["lr"] / (1 + memory["step"] * options["lr_decay"])
        memory["step"] += 1
        adagrad_step(p, g, memory["total"], lr, options["eps"], options["weight_decay"])
