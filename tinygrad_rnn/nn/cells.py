r"""Recurrent cells: one time step of a recurrent network, written like its equations.

A cell maps a *carry*, the state that flows through time, and an input to the next carry and an
output. What it owes to the loop that drives it is the contract of `Cell`; `Recurrent(cell)` and
`tg.scan(cell.step, …)` run it over a sequence.

==========  ==========  ==============================================================
cell        carry       in one line
==========  ==========  ==============================================================
`RNNCell`   h           the new state is a squashed sum of the old one and the input
`LSTMCell`  (h, c)      gates decide what a memory cell keeps, takes in and shows
`GRUCell`   h           one gate both keeps and overwrites, another forgets
==========  ==========  ==============================================================

In equations, $x_t$ and $h_t$ are columns, for one sequence; in code they are the rows of arrays
(batch, features). $\sigma$ is the logistic function, $\odot$ the product of elements, $\bar v$
the gradient of the loss with respect to $v$, and $\bar y_t$ that part of it which comes from the
cell's output at step $t$ (and, at the last step, from whatever uses the final state).
"""

import math
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from tinygrad_rnn.engine import Carrier, ShapeError, Tensor, tensor
from tinygrad_rnn.engine.nesting import leaves, mapped, structure
from tinygrad_rnn.nn.arguments import as_input, check_dtype, check_sizes, empty
from tinygrad_rnn.nn.init import Seed, uniform_
from tinygrad_rnn.nn.linear import affine
from tinygrad_rnn.nn.module import Module, Parameter
from tinygrad_rnn.ops import relu, sigmoid, split, tanh

Carry = Any  # a tensor, or nested tuples, lists and dicts of tensors


class Cell(Module):
    r"""One time step of a recurrent network. Subclass it for a cell of your own.

    A cell defines two methods:

    - `initial(*batch)`: the carry before the first step, usually zeros of shape (*batch, H);
    - `recur(carry, x)`: the next carry and the output, `(carry, y)`.

    A cell whose input enters through a map that needs no state may put it into `project`; then
    `recur` is given `project(x)` for `x`. A loop can so project all time steps in one product.

    `cell(x, hx)` is one step the way PyTorch's cells take it: it returns the new carry.

    Example:
        A leaky average of the past, with a rate that can be learned:

        >>> import numpy as np
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn import nn
        >>> class Leaky(nn.Cell):
        ...     def __init__(self, size):
        ...         self.rate = nn.Parameter(np.full(size, 0.5))
        ...     def initial(self, *batch):
        ...         return tg.tensor(np.zeros((*batch, *self.rate.shape)))
        ...     def recur(self, h, x):
        ...         h = h + self.rate * (x - h)
        ...         return h, h
        >>> output, h = nn.Recurrent(Leaky(1))(np.ones((3, 1)))
        >>> output.numpy().ravel()
        array([0.5  , 0.75 , 0.875])
    """

    def initial(self, *batch: int) -> Carry:
        """The carry before the first step, for inputs of shape (*batch, features)."""
        raise NotImplementedError(
            f"{type(self).__name__} has no initial carry: define initial(self, *batch)"
        )

    def project(self, x: Any) -> Any:
        """What can be done to the input of one step, or of all at once, without the carry."""
        return x

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step from a projected input: (carry, x) to (carry, y)."""
        raise NotImplementedError(
            f"{type(self).__name__} has no recurrence: define recur(self, carry, x), which "
            "returns the pair (carry, y)"
        )

    def step(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step: (carry, x) to (carry, y). This is what `tg.scan` takes."""
        return self.recur(carry, self.project(x))

    def forward(self, input: Any, hx: Carry = None) -> Carry:
        """One step from `hx`, or from the initial carry; returns the new carry.

        Args:
            input: (batch, features), or (features,) for a single sequence.
            hx: a carry as `initial` gives it.

        Raises:
            ShapeError: if `input` or `hx` has another shape than the cell was made for.
            DtypeError: if one has another dtype than the cell.
        """
        x = input if isinstance(input, Carrier) else tensor(input)
        carry, _ = self.step(self.carry_from(hx, x.shape[:-1]), x)
        return carry

    def carry_from(self, hx: Carry, batch: tuple[int, ...]) -> Carry:
        """`hx` as a nest of tensors that fits a batch, or the initial carry if it is None.

        Raises:
            ShapeError: if its structure or a shape differs from the initial carry's.
            DtypeError: if a dtype does.
        """
        start = self.initial(*batch)
        if hx is None:
            return start
        carry = mapped(lambda s: s if isinstance(s, Carrier) else tensor(s), hx)
        got, expected = (mapped(lambda s: tuple(s.shape), nest) for nest in (carry, start))
        if structure(carry) != structure(start) or got != expected:
            raise ShapeError(
                f"{type(self).__name__}: got hx of shape {got}; expected {expected}: for each "
                f"part of the carry the batch {batch} of the input, then the size of the part"
            )
        for part, like in zip(leaves(carry), leaves(start), strict=True):
            check_dtype(type(self).__name__, part, like, "hx")
        return carry


class AffineCell(Cell):
    r"""A cell that sees input and state through two affine maps, as all the classic cells do.

    $a_t = W_{ih} x_t + b_{ih}$ and $W_{hh} h_{t-1} + b_{hh}$ have $kH$ rows: a block of `H` for
    each of the $k$ things that the cell computes. Names, order and shapes are PyTorch's, and so
    are the first values, drawn evenly from $\pm 1/\sqrt H$.

    Attributes:
        weight_ih: $W_{ih}$ (kH, I).
        weight_hh: $W_{hh}$ (kH, H).
        bias_ih: $b_{ih}$ (kH,), or None,
        bias_hh: and $b_{hh}$. Two biases where one would do, because cuDNN has two.
    """

    blocks: int  # the k above
    bias_ih: Any
    bias_hh: Any
    weight_hr: Any = None  # only an LSTM with a projection has one

    def __init__(
        self, input_size: int, hidden_size: int, state_size: int, bias: bool, dtype: Any
    ) -> None:
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        rows = self.blocks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, state_size, dtype=dtype))
        self.bias_ih = Parameter(empty(rows, dtype=dtype)) if bias else None
        self.bias_hh = Parameter(empty(rows, dtype=dtype)) if bias else None

    @classmethod
    def sharing(cls, **attributes: Any) -> Self:
        """A cell made of parameters that belong to something else, such as a layer of `LSTM`."""
        cell = cls.__new__(cls)
        vars(cell).update(attributes)  # not by setattr: the parameters keep their names
        return cell

    def reset_parameters(self, seed: Seed = None) -> None:
        """Draw all parameters anew, as PyTorch does."""
        rng, bound = np.random.default_rng(seed), 1 / math.sqrt(self.hidden_size)
        for x in self.parameters():
            uniform_(x, -bound, bound, seed=rng)

    @property
    def input_size(self) -> int:
        """How many features an input has."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """How many units the cell has."""
        return self.weight_hh.shape[0] // self.blocks

    def initial(self, *batch: int) -> Carry:
        """A state of zeros."""
        return zeros(*batch, self.hidden_size, like=self.weight_hh)

    def project(self, x: Any) -> Any:
        r"""$W_{ih} x + b_{ih} + b_{hh}$: all of the sum that needs no state."""
        x = as_input(type(self).__name__, x, self.weight_ih)
        bias = None if self.bias_ih is None else self.bias_ih + self.bias_hh
        return affine(x, self.weight_ih, bias)

    def extra_repr(self) -> str:
        """Sizes, and options that are not as usual."""
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias_ih is not None else f"{text}, bias=False"


class RNNCell(AffineCell):
    r"""The vanilla recurrent cell (Elman 1990, doi:10.1207/s15516709cog1402_1).

    $$h_t = \phi(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh}), \qquad y_t = h_t,$$

    where $\phi$ is tanh or the rectifier.

    Derivation:
        1. One unit, one step. For numbers, $h_t = \tanh a_t$ with $a_t = u x_t + w h_{t-1} + b$.
           Since $\tanh' = 1 - \tanh^2$,
           $$\frac{\partial h_t}{\partial h_{t-1}} = (1 - h_t^2)\, w.$$
        2. Two ways on. $h_t$ reaches the loss through its own output and through $a_{t+1}$, and
           the cotangents that come back add. With $\delta_t = \bar a_t$ and $\delta_{T+1} = 0$,
           $$\bar h_t = \bar y_t + w\, \delta_{t+1}, \qquad \delta_t = (1 - h_t^2)\, \bar h_t.$$
        3. Many units. tanh acts on each by itself, so $dh_t = (1 - h_t \odot h_t) \odot da_t$,
           while $da_{t+1} = W_{hh}\, dh_t$; a vjp multiplies by the transpose:
           $$\bar h_t = \bar y_t + W_{hh}^\top \delta_{t+1}, \qquad
             \delta_t = (1 - h_t \odot h_t) \odot \bar h_t.$$
           For another $\phi$ the factor is $\phi'(a_t)$: for the rectifier, $[h_t > 0]$.
        4. One set of weights in every step: their gradients add over time,
           $$\bar W_{hh} = \sum_t \delta_t h_{t-1}^\top, \qquad
             \bar W_{ih} = \sum_t \delta_t x_t^\top, \qquad
             \bar b_{ih} = \bar b_{hh} = \sum_t \delta_t,$$
           and the ends of the paths are $\bar x_t = W_{ih}^\top \delta_t$ and
           $\bar h_0 = W_{hh}^\top \delta_1$.
        5. Far apart. Step 3 repeated, from $t$ back to $s$:
           $$\frac{\partial h_t}{\partial h_s}
             = \prod_{k=t}^{s+1} \operatorname{diag}(1 - h_k \odot h_k)\, W_{hh},$$
           a product of $t - s$ factors, which vanishes or explodes with their norms.

    Args:
        input_size: length of an input, I.
        hidden_size: length of the state, H.
        bias: whether there are biases.
        nonlinearity: "tanh" or "relu".
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Raises:
        ValueError: if a size is less than 1, or the nonlinearity is another.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.RNNCell(3, 4, seed=0)
        >>> h = cell(np.ones((2, 3), "float32"))
        >>> h = cell(np.ones((2, 3), "float32"), h)
        >>> h.shape
        (2, 4)
    """

    blocks = 1
    nonlinearities = MappingProxyType({"tanh": tanh, "relu": relu})

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(input_size, hidden_size, hidden_size, bias, dtype)
        if nonlinearity not in self.nonlinearities:
            raise ValueError(
                f"RNNCell: got nonlinearity={nonlinearity!r}; expected 'tanh' or 'relu'"
            )
        self.nonlinearity = nonlinearity
        self.reset_parameters(seed)

    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        phi = self.nonlinearities[self.nonlinearity]
        h = phi(a + affine(h, self.weight_hh))
        return h, h

    def extra_repr(self) -> str:
        """Sizes and options."""
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity='relu'"


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
    The four blocks are stacked in the order i, f, g, o. With `proj_size` the state is the
    projection $h_t = W_{hr}(o_t \odot \tanh c_t)$ (Sak, Senior & Beaufays, arXiv:1402.1128).

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

    Args:
        input_size: length of an input, I.
        hidden_size: length of the memory, H.
        bias: whether there are biases.
        proj_size: length of the state, P < H; 0 for no projection.
        forget_bias: a first value for the forget gate's bias. 1 lets a new cell remember for
            longer (Gers et al. 2000; Jozefowicz, Zaremba & Sutskever 2015). None as in PyTorch.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        weight_hr: $W_{hr}$ (P, H), or None.

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

    blocks = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        proj_size: int = 0,
        forget_bias: float | None = None,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        if proj_size and not 0 < proj_size < hidden_size:
            raise ValueError(
                f"LSTMCell: got proj_size={proj_size} and hidden_size={hidden_size}; expected "
                "proj_size below hidden_size, since it is there to make the state smaller, or 0 "
                "for no projection"
            )
        super().__init__(input_size, hidden_size, proj_size or hidden_size, bias, dtype)
        if proj_size:
            self.weight_hr = Parameter(empty(proj_size, hidden_size, dtype=dtype))
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
        self.bias_ih.data[H : 2 * H], self.bias_hh.data[H : 2 * H] = value, 0.0

    def initial(self, *batch: int) -> Carry:
        """State and memory of zeros."""
        h = zeros(*batch, self.weight_hh.shape[1], like=self.weight_hh)
        return h, zeros(*batch, self.hidden_size, like=self.weight_hh)

    def recur(self, carry: Carry, a: Any) -> tuple[Carry, Any]:
        """One step; `a` is the projected input."""
        h, c = carry
        i, f, g, o = split(a + affine(h, self.weight_hh), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        if self.weight_hr is not None:
            h = affine(h, self.weight_hr)
        return (h, c), h

    def extra_repr(self) -> str:
        """Sizes and options."""
        text = super().extra_repr()
        return text if self.weight_hr is None else f"{text}, proj_size={len(self.weight_hr)}"


class GRUCell(AffineCell):
    r"""Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), in cuDNN's and PyTorch's form.

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
    the one into the other. *Where the reset acts*: here after the product, $r_t \odot (W_{hn}
    h_{t-1} + b_{hn})$, so that one product serves all three blocks; in Cho et al. before it,
    $W_{hn}(r_t \odot h_{t-1})$. No change of weights turns one into the other.

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
        >>> cell = nn.GRUCell(3, 4, seed=0)
        >>> h = cell(np.ones((2, 3), "float32"))
        >>> h = cell(np.ones((2, 3), "float32"), h)
        >>> h.shape
        (2, 4)
    """

    blocks = 3

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

    def project(self, x: Any) -> Any:
        r"""$W_{ih} x + b_{ih}$; the other bias stays behind, since $r$ scales a part of it."""
        x = as_input("GRUCell", x, self.weight_ih)
        return affine(x, self.weight_ih, self.bias_ih)

    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        a_r, a_z, a_n = split(a, 3, axis=-1)
        b_r, b_z, b_n = split(affine(h, self.weight_hh, self.bias_hh), 3, axis=-1)
        r = sigmoid(a_r + b_r)
        z = sigmoid(a_z + b_z)
        n = tanh(a_n + r * b_n)
        h = (1 - z) * n + z * h
        return h, h


def zeros(*shape: int, like: Tensor) -> Tensor:
    """A tensor of zeros in the dtype of another."""
    return Tensor(np.zeros(shape, like.dtype))
