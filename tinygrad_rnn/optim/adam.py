"""Adam, and AdamW, whose weight decay is no part of the gradient."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.kernels.optimizer import adam_steps
from tinygrad_rnn.optim.optimizer import Array, Memory, Move, Optimizer, Options


class Adam(Optimizer):
    r"""Adam: steps of about the learning rate in every coordinate, however the gradient is scaled.

    Derivation:
        Keep running means of the gradient and of its square,
        $$ m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t, \qquad
           v_t = \beta_2 v_{t-1} + (1 - \beta_2)\, g_t^2. $$
        Both start from 0 and so are too small at first. Unrolled,
        $m_t = (1 - \beta_1) \sum_{i \le t} \beta_1^{t-i} g_i$, whose weights add up to
        $1 - \beta_1^t$; dividing by that makes it a mean,
        $$ \hat m_t = \frac{m_t}{1 - \beta_1^t}, \qquad \hat v_t = \frac{v_t}{1 - \beta_2^t}. $$
        The ratio of the two has no unit: scale the loss, and it stays. So does the step,
        $$ \theta_t = \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}. $$
        Weight decay adds to the gradient, $g_t = \nabla L(\theta_{t-1}) + \lambda\,\theta_{t-1}$,
        and is scaled like it; `AdamW` decays by what it says.

    Source: Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015,
    arXiv:1412.6980, algorithm 1.

    Args:
        params: What to change; see `Optimizer`.
        lr: Learning rate $\eta$.
        betas: $\beta_1$ and $\beta_2$.
        eps: $\epsilon$, which bounds the step where gradients vanish.
        weight_decay: $\lambda$.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import Adam
        >>> w = tg.tensor([3.0, 300.0], requires_grad=True)
        >>> adam = Adam([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> adam.step()
        >>> w
        tensor([  2.75, 299.75], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, p: Array, g: Array, memory: Memory, options: Options) -> None:
        """One step of one parameter."""
        self.update_all([Move(p, g, memory, options)])

    def update_all(self, moves: Sequence[Move]) -> None:
        """One step of all parameters, in one pass over memory."""
        settings = []
        for p, _, memory, options in moves:
            if not memory:
                memory.update(step=0, mean=np.zeros_like(p), square=np.zeros_like(p))
            memory["step"] += 1
            settings.append(self._settings(memory["step"], options))
        ps, gs, memories, _ = zip(*moves, strict=True) if moves else ((), (), (), ())
        adam_steps(ps, gs, [m["mean"] for m in memories], [m["square"] for m in memories], settings)

    def _settings(self, t: int, options: Options) -> tuple[float, ...]:
        beta1, beta2 = options["betas"]
        step, correction = options["lr"] / (1 - beta1**t), math.sqrt(1 - beta2**t)
        return step, beta1, beta2, correction, options["eps"], *self._decays(options)

    def _decays(self, options: Options) -> tuple[float, float]:
        """What joins the gradient, and what weights are multiplied by."""
        return options["weight_decay"], 1.0


class AdamW(Adam):
    r"""Adam with decoupled weight decay.

    Derivation:
        Added to the gradient, as in `Adam`, the decay of a weight would be divided by
        $\sqrt{\hat v_t}$: weights with large gradients would decay least. So let weights decay on
        their own, before the step,
        $$ \theta_t = (1 - \eta\lambda)\,\theta_{t-1}
           - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}, $$
        with $\hat m_t$ and $\hat v_t$ as in `Adam`, of the gradient of the loss alone.

    Source: Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR 2019,
    arXiv:1711.05101, algorithm 2.

    Args:
        params: What to change; see `Optimizer`.
        lr: Learning rate $\eta$.
        betas: $\beta_1$ and $\beta_2$.
        eps: $\epsilon$.
        weight_decay: $\lambda$.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import AdamW
        >>> w = tg.tensor([2.0], requires_grad=True)
        >>> adam = AdamW([w], lr=0.5, weight_decay=0.5)
        >>> (w * w).sum().backward()
        >>> adam.step()
        >>> w.item()
        1.0
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def _decays(self, options: Options) -> tuple[float, float]:
        return 0.0, 1 - options["lr"] * options["weight_decay"]
