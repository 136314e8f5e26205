"""Gradient descent, with momentum or without."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.kernels.optimizer import momentum_step, sgd_step
from tinygrad_rnn.optim.optimizer import Array, Memory, Optimizer, Options


class SGD(Optimizer):
    r"""Gradient descent, plain, with momentum, or with Nesterov's.

    Derivation:
        Of all steps of a given length, the one along $-g$ lowers a smooth loss most:
        $L(\theta + d) \approx L(\theta) + g^{\top} d$. With learning rate $\eta$ and weight decay
        $\lambda$, whose penalty $\tfrac{\lambda}{2} \lVert\theta\rVert^2$ adds
        $\lambda\theta$ to the gradient,
        $$ g_t = \nabla L(\theta_{t-1}) + \lambda\,\theta_{t-1}, \qquad
           \theta_t = \theta_{t-1} - \eta\, g_t. $$
        Momentum $\mu$ moves by a velocity that the gradients push and friction slows, so what they
        agree on adds up, to $1/(1 - \mu)$ of it, and what they dispute cancels:
        $$ v_1 = g_1, \qquad v_t = \mu\, v_{t-1} + (1 - \tau)\, g_t, \qquad
           \theta_t = \theta_{t-1} - \eta\, v_t. $$
        Nesterov's looks one step of the velocity ahead: the last equation moves by
        $g_t + \mu\, v_t$ instead of $v_t$.

    Source: Robbins and Monro, *A stochastic approximation method*, 1951; Polyak, *Some methods of
    speeding up the convergence of iteration methods*, 1964; in this form Sutskever et al., *On the
    importance of initialization and momentum in deep learning*, ICML 2013.

    Args:
        params: What to change; see `Optimizer`.
        lr: Learning rate $\eta$.
        momentum: $\mu$.
        dampening: $\tau$.
        weight_decay: $\lambda$.
        nesterov: Whether to look ahead, which needs momentum and no dampening.

    Raises:
        ValueError: If an option is out of its range, or Nesterov's lacks momentum.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import SGD
        >>> w = tg.tensor([3.0], requires_grad=True)
        >>> descent = SGD([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> descent.step()
        >>> w.item()
        1.5
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def _check_options(self, options: Options) -> None:
        super()._check_options(options)
        if options["nesterov"] and not (options["momentum"] > 0 and options["dampening"] == 0):
            raise ValueError(
                f"SGD: got nesterov=True with momentum={options['momentum']} and "
                f"dampening={options['dampening']}; expected momentum > 0 and dampening=0"
            )

    def update(self, p: Array, g: Array, memory: Memory, options: Options) -> None:
        """One step; the first sets the velocity to the gradient."""
        lr, decay, momentum = options["lr"], options["weight_decay"], options["momentum"]
        if momentum == 0:
            sgd_step(p, g, lr, decay)
            return
        dampening = options["dampening"] if memory else 0.0
        if not memory:
            memory["velocity"] = np.zeros_like(p)
        momentum_step(p, g, memory["velocity"], lr, momentum, dampening, decay, options["nesterov"])
