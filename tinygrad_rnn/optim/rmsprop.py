"""RMSprop: the gradient over its recent root mean square."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.kernels.optimizer import rmsprop_step
from tinygrad_rnn.optim.optimizer import Array, Memory, Optimizer, Options


class RMSprop(Optimizer):
    r"""RMSprop, which divides the gradient by its recent root mean square.

    Derivation:
        Adagrad's sum of squares only grows, and its steps only shrink. A running mean forgets:
        $$ v_t = \alpha\, v_{t-1} + (1 - \alpha)\, g_t^2, \qquad
           \theta_t = \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{v_t} + \epsilon}. $$
        Centred, it divides by the standard deviation, since $\operatorname{var} g =
        \overline{g^2} - \bar g^2$:
        $$ m_t = \alpha\, m_{t-1} + (1 - \alpha)\, g_t, \qquad
           \theta_t = \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{v_t - m_t^2} + \epsilon}. $$
        With momentum $\mu$ these quotients push a velocity, $u_t = \mu\, u_{t-1} + g_t/(\dots)$ and
        $\theta_t = \theta_{t-1} - \eta\, u_t$. Weight decay adds to the gradient,
        $g_t = \nabla L(\theta_{t-1}) + \lambda\,\theta_{t-1}$.

    Source: Tieleman and Hinton, *Neural networks for machine learning*, lecture 6.5, 2012; centred
    in Graves, *Generating sequences with recurrent neural networks*, 2013, arXiv:1308.0850,
    equations 38 to 41.

    Args:
        params: What to change; see `Optimizer`.
        lr: Learning rate $\eta$.
        alpha: How much of the mean is kept, $\alpha$.
        eps: $\epsilon$.
        weight_decay: $\lambda$.
        momentum: $\mu$.
        centered: Whether to divide by the standard deviation.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import RMSprop
        >>> w = tg.tensor([3.0], requires_grad=True)
        >>> rmsprop = RMSprop([w], lr=0.5, alpha=0.75, eps=0.0)
        >>> (w * w).sum().backward()
        >>> rmsprop.step()
        >>> w.item()
        2.0
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def update(self, p: Array, g: Array, memory: Memory, options: Options) -> None:
        """One step."""
        if not memory:
            memory["square"] = np.zeros_like(p)
            if options["centered"]:
                memory["mean"] = np.zeros_like(p)
            if options["momentum"] > 0:
                memory["velocity"] = np.zeros_like(p)
        rmsprop_step(
            p,
            g,
            memory["square"],
            memory.get("mean"),
            memory.get("velocity"),
            options["lr"],
            options["alpha"],
            options["eps"],
            options["weight_decay"],
            options["momentum"],
        )
