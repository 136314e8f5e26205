r"""Recurrent cells: one time step of a recurrent network, written like its equations.

A cell maps a *carry*, the state that flows through time, and an input to the next carry and an
output. What it owes to the loop that drives it is the contract of `Cell`; `Recurrent(cell)` runs
it over a sequence. The first cell is here, those with gates have modules of their own:

==================  ======  ================================================================
cell                carry   in one line
==================  ======  ================================================================
`RNNCell`           h       the new state is a squashed sum of the old one and the input
`LSTMCell`          (h, c)  gates decide what a memory cell keeps, takes in and shows
`GRUCell`           h       one gate both keeps and overwrites, another forgets
`MinimalGatedCell`  h       one gate does both
==================  ======  ================================================================

In equations, $x_t$ and $h_t$ are columns, for one sequence; in code they are the rows of arrays
(batch, features). $\sigma$ is the logistic function, $\odot$ the product of elements, $\bar v$
the gradient of the loss with respect to $v$, and $\bar y_t$ that part of it which comes from the
cell's output at step $t$ (and, at the last step, from whatever uses the final state).
"""

import math
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_rnn.compiler import Scan, Sym, scans
from tinygrad_rnn.engine import Carrier, GraphError, ShapeError, Tensor, tensor
from tinygrad_rnn.engine.nesting import leaves, mapped, structure
from tinygrad_rnn.nn.arguments import as_input, check_dtype, check_sizes, empty
from tinygrad_rnn.nn.embedding import Embedding
from tinygrad_rnn.nn.init import Seed, uniform_
from tinygrad_rnn.nn.linear import affine, shifted
from tinygrad_rnn.nn.module import Module, Parameter
from tinygrad_rnn.ops import relu, tanh

Carry = Any  # a tensor, or nested tuples, lists and dicts of tensors


class Cell(Module):
    r"""One time step of a recurrent network. Subclass it for a cell of your own.

    A cell defines two methods:

    - `initial(*batch)`: the carry before the first step, usually zeros of shape (*batch, H);
    - `recur(carry, x)`: the next carry and the output, `(carry, y)`. A pure function of carry,
      input and parameters, whose control flow does not depend on their values, so that a loop
      may trace it once.

    Two more are there for what need not, or must not, happen inside the loop:

    - `project(x)`: a map of the input that needs no state. `recur` is then given `project(x)` for
      `x`, and a loop projects all time steps in one product.
    - `noise(T, *batch)`: what is drawn for a sequence, as a tuple; `project(x, *noise)` gets it.

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

    def noise(self, T: int, *batch: int) -> tuple[Any, ...]:
        """What `T` steps of a batch draw before their loop: a tuple of nests of (T, *batch, …).

        It is empty for a cell that does not draw, so a wrapper may always pass it on.
        """
        return ()

    def project(self, x: Any) -> Any:
        """What is done to inputs (…, features) without the carry, for one step or for all."""
        return x

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step from a projected input: (carry, x) to (carry, y). This is what loops run."""
        raise NotImplementedError(
            f"{type(self).__name__} has no recurrence: define recur(self, carry, x), which "
            "returns the pair (carry, y)"
        )

    def step(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step, (carry, x) to (carry, y), as a sequence of its own: noise is drawn anew.

        Raises:
            GraphError: if it is traced and would draw, since what is traced is drawn only once.
        """
        first = leaves(x)[0]
        noise = mapped(lambda n: n[0], self.noise(1, *first.shape[:-1]))
        if isinstance(first, Sym) and leaves(noise):
            raise GraphError(
                f"{type(self).__name__}: step draws noise, so it cannot be traced. Give the loop "
                "cell.recur and cell.project(xs, *cell.noise(T, *batch)), as nn.Recurrent does"
            )
        return self.recur(carry, self.project(x, *noise))

    def run(self, carry: Carry, x: Any, **options: Any) -> tuple[Carry, Any]:
        """All steps of a sequence: `Recurrent(cell)` checks its arguments and then calls this.

        Args:
            carry: the carry before the first step that is taken.
            x: (T, *batch, features).
            **options: `lengths`, `reset`, `reverse` and `embedding`; see `scan`.

        Returns:
            The last carry, and the outputs (T, *batch, …) in the order of `x`.
        """
        return scans([self.scan(carry, x, **options)])[0]

    def scan(
        self,
        carry: Carry,
        x: Any,
        *,
        lengths: Any = None,
        reset: Any = None,
        reverse: bool = False,
        stacked: bool = False,
        embedding: Embedding | None = None,
    ) -> Scan:
        """What `run` runs, for those who run several at a time.

        Args:
            carry: the carry before the first step that is taken.
            x: (T, *batch, features).
            lengths: as in `tg.scan`.
            reset: (T, B) booleans, true where a new document begins. In reverse, a document is
                entered at its last step, which is where its successor's mark comes next.
            reverse: whether to go from the last step to the first.
            stacked: whether the carry has a first axis of length 1, as states of a layer have.
            embedding: a table, if `x` is ids (T, *batch): see `Recurrent`.
        """
        if reverse and reset is not None:
            reset = np.concatenate([reset[1:], np.zeros_like(reset[:1])])
        xs = x, self.noise(*(x.shape[:-1] if embedding is None else x.shape))
        owner = self if embedding is None else Reader(self, embedding)
        return Scan(recurred, carry, xs, lengths, reset, reverse, projected, owner, stacked)

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


class Reader(NamedTuple):
    """A cell that reads ids, each of which stands for a row of a table.

    Looking them up is a part of its step, so a loop may multiply a small table by the weights of
    inputs, instead of every row that it looks up.
    """

    cell: Cell
    embedding: Embedding

    def project(self, ids: Any, *noise: Any) -> Any:
        """What is done to the rows without the carry."""
        return self.cell.project(self.embedding(ids), *noise)

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step of the cell."""
        return self.cell.recur(carry, x)


def recurred(cell: Cell | Reader, carry: Carry, x: Any) -> tuple[Carry, Any]:
    """`recur` as a function of the cell, which loops trace with symbols for its tensors."""
    return cell.recur(carry, x)


def projected(cell: Cell | Reader, x: Any) -> Any:
    """`project` as a function of the cell; `x` is the input and what was drawn."""
    frames, noise = x
    return cell.project(frames, *noise)


class AffineCell(Cell):
    r"""A cell that sees input and state through two products, as all the classic cells do.

    $W_{ih} x_t + b_{ih}$ and $W_{hh} h_{t-1} + b_{hh}$ have $kH$ rows: a block of `H` for each of
    the $k$ things that the cell computes. Names, order and shapes are PyTorch's, and so are the
    first values, drawn evenly from $\pm 1/\sqrt H$.

    Both products, and what a memory shows, are methods, so that wrappers such as
    `LayerNormalized` can act inside the equations of any subclass whose `recur` calls them.

    Attributes:
        groups: how many blocks each product with a state makes: one number for a cell that
            multiplies only $h_{t-1}$.
        weight_ih: $W_{ih}$ (kH, I).
        weight_hh: $W_{hh}$ (kH, H).
        bias_ih: $b_{ih}$ (kH,), or None,
        bias_hh: and $b_{hh}$. Two biases where one would do, because cuDNN has two.
    """

    groups: tuple[int, ...]
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

    @property
    def blocks(self) -> int:
        """How many blocks of H rows there are, $k$."""
        return sum(self.groups)

    @property
    def sizes(self) -> Any:
        """How long each part of the carry is."""
        return self.hidden_size

    def initial(self, *batch: int) -> Carry:
        """A carry of zeros."""
        return mapped(lambda size: zeros(*batch, size, like=self.weight_hh), self.sizes)

    # --8<-- [start:project]
    def project(self, x: Any) -> Any:
        r"""$W_{ih} x + b_{ih} + b_{hh}$: all of the sum that needs no state."""
        x = as_input(type(self).__name__, x, self.weight_ih)
        bias = None if self.bias_ih is None else self.bias_ih + self.bias_hh
        return shifted(self.from_input(x), bias)

    # --8<-- [end:project]

    def from_input(self, x: Any) -> Any:
        r"""The input's product, $W_{ih} x$."""
        return affine(x, self.weight_ih)

    def from_state(self, h: Any, group: int | None = None) -> Any:
        r"""The state's product, $W_{hh} h$, or the rows of one of the `groups`."""
        if group is None:
            return affine(h, self.weight_hh)
        start = sum(self.groups[:group]) * self.hidden_size
        return affine(h, self.weight_hh[start : start + self.groups[group] * self.hidden_size])

    def shown(self, c: Any) -> Any:
        """What of a memory is shown: all of it."""
        return c

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
        nonlinearity: "tanh", or "relu", whose weights `init.irnn_` can start from the identity.
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

    groups = (1,)
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

    # --8<-- [start:vanilla]
    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        phi = self.nonlinearities[self.nonlinearity]
        h = phi(a + self.from_state(h))
        return h, h

    # --8<-- [end:vanilla]

    def extra_repr(self) -> str:
        """Sizes and options."""
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity='relu'"


def zeros(*shape: int, like: Tensor) -> Tensor:
    """A tensor of zeros in the dtype of another."""
    return Tensor(np.zeros(shape, like.dtype))
