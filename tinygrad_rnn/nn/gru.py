r"""Gates that act on the state itself: the gated recurrent unit and its smallest relative."""

from typing import Any

from tinygrad_rnn.nn.arguments import as_input
from tinygrad_rnn.nn.cells import AffineCell
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.linear import shifted
from tinygrad_rnn.ops import sigmoid, split, tanh


class GRUCell(AffineCell):
    r"""Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), in both forms that are in use.

    $$\begin{aligned}
    r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) && \text{reset gate} \\
    z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) && \text{update gate} \\
    n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) &&
      \text{candidate} \\
    h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}, \qquad y_t = h_t
    \end{aligned}$$

    The three blocks are stacked in the order r, z, n.

    Two things differ between texts. *The meaning of z*: here, as in Cho et al., PyTorch and
    Keras, $z = 1$ keeps the old state; in Chung et al. 2014 (arXiv:1412.3555) and in Ng's course
    ($\Gamma_u$) it takes the new one, $h_t = (1 - z_t) \odot h_{t-1} + z_t \odot n_t$. Because
    $1 - \sigma(a) = \sigma(-a)$, changing the sign of the z rows of all weights and biases turns
    the one into the other. *Where the reset acts*: in cuDNN, and in PyTorch, after the product,
    $r_t \odot (W_{hn} h_{t-1} + b_{hn})$ as above, so that one product serves all three blocks. In
    Cho et al. before it: `reset_after=False` makes the candidate
    $$n_t = \tanh(W_{in} x_t + b_{in} + W_{hn} (r_t \odot h_{t-1}) + b_{hn}).$$
    No change of weights turns one into the other. Keras has both, under the same name.

    Derivation:
        1. One unit, one step. For numbers, $h_t = (1 - z_t)\, n_t + z_t h_{t-1}$. Along the
           state's own line, with gate and candidate held,
           $$\frac{\partial h_t}{\partial h_{t-1}} = z_t,$$
           as with the forget gate of an LSTM; what is kept and what is written sum to one.
        2. Into the candidate and the gates. With $b^n_t = W_{hn} h_{t-1} + b_{hn}$, the product
           that $r_t$ scales, elementwise for many units:
           $$\begin{aligned}
           \delta^n_t &= \bar h_t \odot (1 - z_t) \odot (1 - n_t \odot n_t), \\
           \delta^z_t &= \bar h_t \odot (h_{t-1} - n_t) \odot z_t \odot (1 - z_t), \\
           \delta^r_t &= \delta^n_t \odot b^n_t \odot r_t \odot (1 - r_t).
           \end{aligned}$$
        3. Two stacks. The input's product feels $\delta_t = (\delta^r_t, \delta^z_t,
           \delta^n_t)$; the state's product is scaled by $r_t$ in its last block, so it feels
           $$\varepsilon_t = (\delta^r_t,\; \delta^z_t,\; r_t \odot \delta^n_t).$$
        4. Three ways on. $h_t$ is shown, kept, and read by all blocks of the next step:
           $$\bar h_t = \bar y_t + z_{t+1} \odot \bar h_{t+1} + W_{hh}^\top \varepsilon_{t+1},$$
           where the last two terms are 0 at $t = T$.
        5. One set of weights in every step: their gradients add over time,
           $$\begin{aligned}
           \bar W_{hh} &= \sum_t \varepsilon_t h_{t-1}^\top, &
           \bar b_{hh} &= \sum_t \varepsilon_t, \\
           \bar W_{ih} &= \sum_t \delta_t x_t^\top, &
           \bar b_{ih} &= \sum_t \delta_t,
           \end{aligned}$$
           and the ends of the paths are $\bar x_t = W_{ih}^\top \delta_t$ and
           $\bar h_0 = z_1 \odot \bar h_1 + W_{hh}^\top \varepsilon_1$.
        6. With the reset before the product, $s_t = r_t h_{t-1}$ is what a candidate of one unit
           reads: $\bar s_t = w_{hn} \delta^n_t$, which goes to the gate as $\bar s_t h_{t-1}$ and
           to the state as $\bar s_t r_t$. For many units $\bar s_t = W_{hn}^\top \delta^n_t$ and
           $$\begin{aligned}
           \delta^r_t &= \bar s_t \odot h_{t-1} \odot r_t \odot (1 - r_t), \\
           \bar h_t &= \bar y_t + z_{t+1} \odot \bar h_{t+1} + r_{t+1} \odot \bar s_{t+1}
             + W_{hr}^\top \delta^r_{t+1} + W_{hz}^\top \delta^z_{t+1}.
           \end{aligned}$$
           Both products now feel $\delta_t$, but in its last block the state's is with $s_t$:
           $\bar W_{hn} = \sum_t \delta^n_t s_t^\top$.

    Args:
        input_size: length of an input, I.
        hidden_size: length of the state, H.
        bias: whether there are biases.
        reset_after: whether the reset gate acts after the product with the state, or before.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.GRUCell(3, 4, seed=0)
        >>> h = cell(np.ones((2, 3), "float32"))
        >>> h = cell(np.ones((2, 3), "float32"), h)
        >>> h.shape
        (2, 4)
    """

    groups = (2, 1)  # the gates, the candidate
    reset_after = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = True,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(input_size, hidden_size, hidden_size, bias, dtype)
        self.reset_after = reset_after
        self.reset_parameters(seed)

    def project(self, x: Any) -> Any:
        r"""$W_{ih} x$ and biases; $b_{hh}$ stays behind if $r$ scales a part of it."""
        if not self.reset_after:
            return super().project(x)
        x = as_input("GRUCell", x, self.weight_ih)
        return shifted(self.from_input(x), self.bias_ih)

    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        a_r, a_z, a_n = split(a, 3, axis=-1)
        if self.reset_after:
            b_r, b_z, b_n = split(shifted(self.from_state(h), self.bias_hh), 3, axis=-1)
        else:
            b_r, b_z = split(self.from_state(h, 0), 2, axis=-1)
        r = sigmoid(a_r + b_r)
        z = sigmoid(a_z + b_z)
        n = tanh(a_n + (r * b_n if self.reset_after else self.from_state(r * h, 1)))
        h = (1 - z) * n + z * h
        return h, h

    def extra_repr(self) -> str:
        """Sizes and options."""
        text = super().extra_repr()
        return text if self.reset_after else f"{text}, reset_after=False"


class MinimalGatedCell(AffineCell):
    r"""The minimal gated unit (Zhou, Wu, Zhang & Zhou 2016, arXiv:1603.09420).

    $$\begin{aligned}
    f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}) && \text{forget gate} \\
    n_t &= \tanh(W_{in} x_t + b_{in} + W_{hn} (f_t \odot h_{t-1}) + b_{hn}) &&
      \text{candidate} \\
    h_t &= (1 - f_t) \odot h_{t-1} + f_t \odot n_t, \qquad y_t = h_t
    \end{aligned}$$

    A `GRUCell(reset_after=False)` whose two gates are one: $r_t = f_t$ and $z_t = 1 - f_t$, with
    two thirds of the parameters. The two blocks are stacked in the order f, n.

    Derivation:
        1. One unit, one step. For numbers, $h_t = (1 - f_t)\, h_{t-1} + f_t n_t$. Along the
           state's own line, with gate and candidate held,
           $$\frac{\partial h_t}{\partial h_{t-1}} = 1 - f_t.$$
        2. What the candidate reads, $s_t = f_t h_{t-1}$, gets $\bar s_t = w_{hn} \delta^n_t$; for
           many units
           $$\delta^n_t = \bar h_t \odot f_t \odot (1 - n_t \odot n_t), \qquad
             \bar s_t = W_{hn}^\top \delta^n_t.$$
        3. One gate, two uses: it weighs old against new, and it scales what the candidate
           reads. Both cotangents add before they pass $\sigma' = \sigma (1 - \sigma)$:
           $$\delta^f_t = \big(\bar h_t \odot (n_t - h_{t-1}) + \bar s_t \odot h_{t-1}\big)
             \odot f_t \odot (1 - f_t).$$
        4. Four ways on. $h_t$ is shown, kept, read by the next candidate and by the next gate:
           $$\bar h_t = \bar y_t + (1 - f_{t+1}) \odot \bar h_{t+1} + f_{t+1} \odot \bar s_{t+1}
             + W_{hf}^\top \delta^f_{t+1},$$
           where all but the first are 0 at $t = T$; the same three at $t = 0$ are $\bar h_0$.
        5. One set of weights in every step: with $\delta_t = (\delta^f_t, \delta^n_t)$,
           $$\begin{aligned}
           \bar W_{hf} &= \sum_t \delta^f_t h_{t-1}^\top, &
           \bar W_{hn} &= \sum_t \delta^n_t s_t^\top, \\
           \bar W_{ih} &= \sum_t \delta_t x_t^\top, &
           \bar b_{ih} &= \bar b_{hh} = \sum_t \delta_t,
           \end{aligned}$$
           and $\bar x_t = W_{ih}^\top \delta_t$.

    Args:
        input_size: length of an input, I.
        hidden_size: length of the state, H.
        bias: whether there are biases.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.MinimalGatedCell(3, 4, seed=0)
        >>> h = cell(np.ones((2, 3), "float32"))
        >>> h = cell(np.ones((2, 3), "float32"), h)
        >>> h.shape
        (2, 4)
    """

    groups = (1, 1)  # the gate, the candidate

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(input_size, hidden_size, hidden_size, bias, dtype)
        self.reset_parameters(seed)

    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        a_f, a_n = split(a, 2, axis=-1)
        f = sigmoid(a_f + self.from_state(h, 0))
        n = tanh(a_n + self.from_state(f * h, 1))
        h = (1 - f) * h + f * n
        return h, h
