r"""Long short-term memory, with the options that its literature added to it."""

from typing import Any

from tinygrad_rnn.nn.arguments import empty
from tinygrad_rnn.nn.cells import AffineCell, Carry
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.linear import affine
from tinygrad_rnn.nn.module import Parameter
from tinygrad_rnn.ops import sigmoid, split, tanh


class LSTMCell(AffineCell):
    r"""Long short-term memory (Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735).

    $$\begin{aligned}
    i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi}) && \text{input gate} \\
    f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}) && \text{forget gate} \\
    g_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg}) && \text{candidate} \\
    o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho}) && \text{output gate} \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t && \text{memory} \\
    h_t &= o_t \odot \tanh c_t, \qquad y_t = h_t
    \end{aligned}$$

    The forget gate came with Gers, Schmidhuber & Cummins 2000 (doi:10.1162/089976600300015015).
    The four blocks are stacked in the order i, f, g, o. Three options change an equation each:

    - `proj_size`: the state is the projection $h_t = W_{hr}(o_t \odot \tanh c_t)$ (Sak, Senior &
      Beaufays, arXiv:1402.1128).
    - `peepholes`: the gates also see the memory, each unit its own. Inside of $\sigma$ is added
      $w_{ci} \odot c_{t-1}$ for $i_t$, $w_{cf} \odot c_{t-1}$ for $f_t$ and $w_{co} \odot c_t$ for
      $o_t$ (Gers & Schmidhuber 2000, doi:10.1109/IJCNN.2000.861302).
    - `coupled`: $i_t = 1 - f_t$, so what is written takes the place of what is forgotten. There
      are then three blocks, f, g, o (Greff et al. 2017, doi:10.1109/TNNLS.2016.2582924).

    Derivation:
        1. One memory, one step. For numbers, $c_t = f_t c_{t-1} + i_t g_t$. Along the memory's
           own line, with the gates held,
           $$\frac{\partial c_t}{\partial c_{t-1}} = f_t:$$
           no weight and no $\tanh'$. Where $f_t = 1$ the gradient passes as it is.
        2. What is shown. For $h_t = o_t \tanh c_t$,
           $$\frac{\partial h_t}{\partial c_t} = o_t (1 - \tanh^2 c_t), \qquad
             \frac{\partial h_t}{\partial o_t} = \tanh c_t.$$
        3. Two ways on. $c_t$ reaches the loss through $h_t$ and through $c_{t+1}$; cotangents
           add, elementwise for many units. With $f_{T+1} \odot \bar c_{T+1} = 0$, unless the
           final memory is used,
           $$\bar c_t = \bar h_t \odot o_t \odot (1 - \tanh^2 c_t)
             + f_{t+1} \odot \bar c_{t+1}.$$
        4. Into the gates, by step 1's product and step 2, and through $\sigma' = \sigma(1-\sigma)$
           and $\tanh' = 1 - \tanh^2$:
           $$\begin{aligned}
           \delta^i_t &= \bar c_t \odot g_t \odot i_t \odot (1 - i_t), &
           \delta^f_t &= \bar c_t \odot c_{t-1} \odot f_t \odot (1 - f_t), \\
           \delta^g_t &= \bar c_t \odot i_t \odot (1 - g_t \odot g_t), &
           \delta^o_t &= \bar h_t \odot \tanh c_t \odot o_t \odot (1 - o_t).
           \end{aligned}$$
        5. Out of the gates. Stack the four into $\delta_t$, as the weights are stacked. $h_t$ is
           shown, and read by all gates of the next step:
           $$\bar h_t = \bar y_t + W_{hh}^\top \delta_{t+1}.$$
        6. One set of weights in every step: their gradients add over time,
           $$\bar W_{hh} = \sum_t \delta_t h_{t-1}^\top, \qquad
             \bar W_{ih} = \sum_t \delta_t x_t^\top, \qquad
             \bar b_{ih} = \bar b_{hh} = \sum_t \delta_t,$$
           and the ends of the paths are $\bar x_t = W_{ih}^\top \delta_t$,
           $\bar h_0 = W_{hh}^\top \delta_1$ and $\bar c_0 = f_1 \odot \bar c_1$.
        7. With a projection, $m_t = o_t \odot \tanh c_t$ takes the place of $h_t$ in steps 2 to
           4, with $\bar m_t = W_{hr}^\top \bar h_t$ and
           $\bar W_{hr} = \sum_t \bar h_t m_t^\top$.
        8. With peepholes there are more ways on for the memory. For numbers, step 1 becomes
           $$\frac{\partial c_t}{\partial c_{t-1}}
             = f_t + w_{cf}\, c_{t-1} f_t (1 - f_t) + w_{ci}\, g_t\, i_t (1 - i_t).$$
           For many units, $c_t$ is seen by the output gate of its own step and by the other two
           of the next, so to step 3 is added
           $$w_{co} \odot \delta^o_t + w_{ci} \odot \delta^i_{t+1} + w_{cf} \odot \delta^f_{t+1},$$
           and to $\bar c_0$ what the last two say at $t = 0$. The new weights' gradients are
           $$\bar w_{ci} = \sum_t \delta^i_t \odot c_{t-1}, \qquad
             \bar w_{cf} = \sum_t \delta^f_t \odot c_{t-1}, \qquad
             \bar w_{co} = \sum_t \delta^o_t \odot c_t.$$
        9. With coupled gates, $c_t = f_t c_{t-1} + (1 - f_t)\, g_t$ for numbers, so
           $\partial c_t / \partial f_t = c_{t-1} - g_t$. For many units
           $$\delta^f_t = \bar c_t \odot (c_{t-1} - g_t) \odot f_t \odot (1 - f_t),$$
           in $\delta^g_t$ stands $1 - f_t$ for $i_t$, and there is no $\delta^i_t$.

    Args:
        input_size: length of an input, I.
        hidden_size: length of the memory, H.
        bias: whether there are biases.
        proj_size: length of the state, P < H; 0 for no projection.
        forget_bias: a first value for the forget gate's bias. 1 lets a new cell remember for
            longer (Gers et al. 2000; Jozefowicz, Zaremba & Sutskever 2015). None as in PyTorch.
        peepholes: whether the gates see the memory.
        coupled: whether the input gate is what the forget gate leaves.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        weight_hr: $W_{hr}$ (P, H), or None.
        weight_ci: $w_{ci}$ (H,), or None without peepholes or with coupled gates,
        weight_cf: $w_{cf}$ (H,), or None without peepholes,
        weight_co: and $w_{co}$ (H,).

    Raises:
        ValueError: if a size is less than 1, `proj_size` is not less than `hidden_size`, or a
            cell without biases is given a forget bias.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.LSTMCell(3, 4, seed=0)
        >>> h, c = cell(np.ones((2, 3), "float32"))
        >>> h, c = cell(np.ones((2, 3), "float32"), (h, c))
        >>> h.shape, c.shape
        ((2, 4), (2, 4))
    """

    groups = (4,)
    coupled = False
    weight_ci: Any = None
    weight_cf: Any = None
    weight_co: Any = None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        proj_size: int = 0,
        forget_bias: float | None = None,
        peepholes: bool = False,
        coupled: bool = False,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        if proj_size and not 0 < proj_size < hidden_size:
            raise ValueError(
                f"LSTMCell: got proj_size={proj_size} and hidden_size={hidden_size}; expected "
                "proj_size below hidden_size, since it is there to make the state smaller, or 0 "
                "for no projection"
            )
        if coupled:
            self.coupled, self.groups = True, (3,)
        super().__init__(input_size, hidden_size, proj_size or hidden_size, bias, dtype)
        if proj_size:
            self.weight_hr = Parameter(empty(proj_size, hidden_size, dtype=dtype))
        if peepholes:
            self.weight_ci = None if coupled else Parameter(empty(hidden_size, dtype=dtype))
            self.weight_cf = Parameter(empty(hidden_size, dtype=dtype))
            self.weight_co = Parameter(empty(hidden_size, dtype=dtype))
        self.reset_parameters(seed)
        if forget_bias is not None:
            self.reset_forget_bias(forget_bias)

    def reset_forget_bias(self, value: float) -> None:
        """Set the forget gate's bias, the sum of its two halves."""
        if self.bias_ih is None:
            raise ValueError(
                f"LSTMCell: got forget_bias={value} and bias=False; leave out one of them"
            )
        H = self.hidden_size
        rows = slice(0, H) if self.coupled else slice(H, 2 * H)
        self.bias_ih.data[rows], self.bias_hh.data[rows] = value, 0.0

    @property
    def sizes(self) -> tuple[int, int]:
        """How long state and memory are; a projection makes the state shorter."""
        return self.weight_hh.shape[1], self.hidden_size

    def recur(self, carry: Carry, a: Any) -> tuple[Carry, Any]:
        """One step; `a` is the projected input."""
        h, c = carry
        *i, f, g, o = split(a + self.from_state(h), self.blocks, axis=-1)  # no i if coupled
        f = sigmoid(seeing(c, f, self.weight_cf))
        i = 1 - f if self.coupled else sigmoid(seeing(c, i[0], self.weight_ci))
        c = f * c + i * tanh(g)
        o = sigmoid(seeing(c, o, self.weight_co))
        h = o * tanh(self.shown(c))
        if self.weight_hr is not None:
            h = affine(h, self.weight_hr)
        return (h, c), h

    def extra_repr(self) -> str:
        """Sizes and options."""
        options = {
            "proj_size": 0 if self.weight_hr is None else len(self.weight_hr),
            "peepholes": self.weight_cf is not None,
            "coupled": self.coupled,
        }
        chosen = (f"{name}={value}" for name, value in options.items() if value)
        return ", ".join([super().extra_repr(), *chosen])


def seeing(c: Any, a: Any, w: Any) -> Any:
    """The sum `a` of a gate that sees the memory through a peephole, if there is one."""
    return a if w is None else a + w * c
