r"""Recurrent layers: cells, run over sequences by `tg.scan`.

`RNN`, `LSTM` and `GRU` are PyTorch's layers, stacked and bidirectional, with its arguments,
parameter names and results; `Recurrent` runs any one cell.
"""

import warnings
from typing import Any, ClassVar

import numpy as np

from tinygrad_rnn.compiler import scans
from tinygrad_rnn.engine import Carrier, ShapeError, tensor
from tinygrad_rnn.engine.nesting import alike, leaves, mapped, rebuilt
from tinygrad_rnn.nn.arguments import (
    as_input,
    check_dtype,
    check_lengths,
    check_probability,
    check_reset,
    check_sizes,
)
from tinygrad_rnn.nn.cells import AffineCell, Carry, Cell, RNNCell
from tinygrad_rnn.nn.dropout import Dropout
from tinygrad_rnn.nn.embedding import Embedding, ids_for
from tinygrad_rnn.nn.gru import GRUCell
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.lstm import LSTMCell
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.wrappers import check_cell
from tinygrad_rnn.ops import concatenate, stack

# What a layer shares with its cells, by the names that these have there.
SHARED = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


class Recurrent(Module):
    """Any one cell, run over a sequence. With wrappers it is any network of cells.

    Args:
        cell: a `Cell`, bare or in wrappers.
        batch_first: whether batched input is (B, T, …) rather than (T, B, …).
        reverse: whether to read from the last step to the first; outputs stay in the order of
            the input.

    Raises:
        TypeError: if `cell` is no `Cell`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> layer = nn.Recurrent(nn.GRUCell(3, 4, seed=0))
        >>> output, h = layer(np.ones((5, 2, 3), "float32"))
        >>> output.shape, h.shape
        ((5, 2, 4), (2, 4))
    """

    def __init__(self, cell: Cell, batch_first: bool = False, reverse: bool = False) -> None:
        check_cell("Recurrent", cell)
        self.cell = cell
        self.batch_first, self.reverse = batch_first, reverse

    def forward(
        self,
        input: Any,
        hx: Carry = None,
        lengths: Any = None,
        reset: Any = None,
        embedding: Embedding | None = None,
    ) -> tuple[Any, Carry]:
        """Run the cell.

        Args:
            input: (T, B, features), or (B, T, features) if `batch_first`; (T, features) for one
                sequence.
            hx: the carry to start from; the cell's initial one by default.
            lengths: (B,) integers: how many steps of each sequence there are. Outputs beyond
                them are 0, and the carry is that of each sequence's own end.
            reset: booleans, (T, B), or (B, T) if `batch_first`: true at the first step of each
                document, for rows that hold several. No state passes from one to another.
            embedding: what to look the input up in, which is then ids without the last axis. The
                same as `layer(embedding(ids))`, and faster for a small vocabulary: its vectors are
                multiplied by the weights of inputs once, and not wherever they occur.

        Returns:
            The outputs, laid out as the input, and the last carry.

        Raises:
            ShapeError: if `input`, `hx`, `lengths` or `reset` do not fit each other or the cell.
            DtypeError: if a dtype does not fit the cell's, `lengths` are not integers or `reset`
                not booleans.
            TypeError: if `embedding` is no `Embedding`.
        """
        if embedding is not None:
            x = ids_for("Recurrent", input, embedding)
        else:
            x = input if isinstance(input, Carrier) else tensor(input)
        lead = x.ndim if embedding is not None else x.ndim - 1  # axes before features
        if lead < 1:
            raise ShapeError(
                f"Recurrent: got input of shape {x.shape}; expected (T, B, features), or "
                "(T, features) for one sequence; with an embedding (T, B), or (T,)"
            )
        swapped = self.batch_first and lead > 1
        x = time_first(x) if swapped else x
        batch = x.shape[1:lead]
        check_lengths("Recurrent", lengths, x.shape[0], batch)
        reset = check_reset("Recurrent", reset, x.shape[0], batch, swapped)
        carry = self.cell.carry_from(hx, batch)
        options = {"lengths": lengths, "reset": reset, "embedding": embedding}
        carry, output = self.cell.run(carry, x, reverse=self.reverse, **options)
        return mapped(lambda y: y.transpose(0, 1), output) if swapped else output, carry

    def extra_repr(self) -> str:
        """Options that are set."""
        options = ("batch_first", "reverse")
        return ", ".join(f"{name}=True" for name in options if getattr(self, name))


class RNNBase(Module):
    r"""What `RNN`, `LSTM` and `GRU` have in common: layers of cells, in one or two directions.

    Layer $l$ reads the outputs of layer $l - 1$, both directions side by side. The parameters of
    layer `l` bear the names of the cell's, with `_l0`, `_l1`, … and, for the second direction,
    `_reverse` after them, so a PyTorch state dict loads unchanged.

    Initial and final states are stacked as (layers · directions, B, size): layer 0 forward, layer
    0 reverse, layer 1 forward and so on.
    """

    cell_type: ClassVar[Any]  # the class of the cells

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        seed: Seed,
        **options: Any,
    ) -> None:
        owner = type(self).__name__
        check_sizes(owner, num_layers=num_layers)
        check_probability(owner, "dropout", dropout)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{owner}: got dropout={dropout} and num_layers=1; dropout acts between layers, "
                "so it has no effect",
                stacklevel=3,
            )
        self.num_layers, self.bidirectional = num_layers, bidirectional
        self.batch_first = batch_first
        rng = np.random.default_rng(seed)
        size = input_size
        for layer in range(num_layers):
            for reverse in self.directions:
                cell = self.cell_type(size, hidden_size, seed=rng, **options)
                self.adopt(cell, layer, reverse)
            size = cell.weight_hh.shape[1] * len(self.directions)
        self.dropout = Dropout(dropout, seed=rng.spawn(1)[0]) if dropout else None

    @property
    def directions(self) -> tuple[bool, ...]:
        """For each direction whether it is reversed."""
        return (False, True) if self.bidirectional else (False,)

    def adopt(self, cell: AffineCell, layer: int, reverse: bool) -> None:
        """Make a cell's parameters those of a layer."""
        for name, parameter in cell.named_parameters():
            parameter.name = name + suffix(layer, reverse)
            setattr(self, parameter.name, parameter)

    def cell(self, layer: int = 0, reverse: bool = False) -> AffineCell:
        """The cell of a layer and direction; it shares the layer's parameters.

        It takes the same steps as the layer does, one at a time: for sampling, say.

        Raises:
            IndexError: if there is no such layer or direction.
        """
        if not 0 <= layer < self.num_layers or reverse not in self.directions:
            raise IndexError(
                f"{type(self).__name__}: got layer={layer}, reverse={reverse}; this one has "
                f"{self.num_layers} layers in {len(self.directions)} direction(s)"
            )
        end, own = suffix(layer, reverse), vars(self)
        cell: AffineCell = self.cell_type.sharing(**{name: own.get(name + end) for name in SHARED})
        return cell

    def forward(
        self,
        input: Any,
        hx: Carry = None,
        lengths: Any = None,
        reset: Any = None,
        embedding: Embedding | None = None,
    ) -> tuple[Any, Carry]:
        """Run all layers over a batch of sequences, or one.

        Args:
            input: (T, B, I), or (B, T, I) if `batch_first`; (T, I) for one sequence.
            hx: initial states (layers · directions, B, size), without B for one sequence; for an
                LSTM the pair (h_0, c_0). Zeros by default.
            lengths: (B,) integers in [0, T], in any order: how many steps of each sequence there
                are. Outputs beyond them are 0, final states are those of each sequence's own
                end, where its backward direction also starts. A sequence of length 0 keeps its
                initial state.
            reset: booleans, (T, B), or (B, T) if `batch_first`: true at the first step of each
                document, for rows that hold several. There all layers start from the initial
                state again, each direction at its own end of the document.
            embedding: what the first layer is to look the input up in, which is then ids without
                the last axis. The same as `layer(embedding(ids))`, and faster for a small
                vocabulary: its vectors are multiplied by the weights of inputs once, and not
                wherever they occur.

        Returns:
            The last layer's outputs, (T, B, directions · size), laid out as the input, and the
            final states, shaped as the initial ones.

        Raises:
            ShapeError: if `input`, `hx`, `lengths` or `reset` do not fit each other or the layer.
            DtypeError: if a dtype is not that of the parameters, `lengths` are not integers or
                `reset` not booleans.
            TypeError: if `embedding` is no `Embedding`.
        """
        cells = [
            self.cell(k, reverse) for k in range(self.num_layers) for reverse in self.directions
        ]
        x, batched = self.read(input, cells[0], embedding)
        owner, batch = type(self).__name__, x.shape[1:2] if batched else ()
        check_lengths(owner, lengths, x.shape[0], batch)
        reset = check_reset(owner, reset, x.shape[0], batch, self.batch_first)
        starts = self.starts(hx, cells[0], x.shape[1], batched)
        stacked = leaves(starts[0])[0].ndim == 3
        options = {"lengths": lengths, "reset": reset, "stacked": stacked}
        todo = zip(cells, starts, strict=True)
        ends = []
        for layer in range(self.num_layers):
            x = self.dropout(x) if layer and self.dropout is not None else x
            options["embedding"] = None if layer else embedding
            found = scans(
                [
                    cell.scan(start, x, reverse=reverse, **options)
                    # Directions come first: when they end, no more is taken of what is to do.
                    for reverse, (cell, start) in zip(self.directions, todo, strict=False)
                ]
            )
            ends += [carry for carry, _ in found]
            outputs = [y for _, y in found]
            x = concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]
        final = ends[0] if stacked else mapped(piled, *ends)
        if not batched:
            return x[:, 0], mapped(lambda s: s[:, 0], final)
        return x.transpose(0, 1) if self.batch_first else x, final

    def read(self, input: Any, cell: AffineCell, embedding: Embedding | None) -> tuple[Any, bool]:
        """The input as (T, B, I), or ids as (T, B), and whether it had a batch axis."""
        owner = type(self).__name__
        if embedding is not None:
            return self.read_ids(ids_for(owner, input, embedding, cell.input_size))
        x = as_input(owner, input, cell.weight_ih)
        if x.ndim not in (2, 3):
            batched, size = "B, T" if self.batch_first else "T, B", x.shape[-1]
            raise ShapeError(
                f"{owner}: got input of shape {x.shape}, with {x.ndim} axes; expected "
                f"({batched}, {size}), or (T, {size}) for one sequence"
            )
        if x.ndim == 2:
            return x[:, None], False
        return time_first(x) if self.batch_first else x, True

    def read_ids(self, ids: Any) -> tuple[Any, bool]:
        """Ids as (T, B), and whether they had a batch axis."""
        if ids.ndim not in (1, 2):
            batched = "B, T" if self.batch_first else "T, B"
            raise ShapeError(
                f"{type(self).__name__}: got ids of shape {ids.shape}; expected ({batched}), or "
                "(T,) for one sequence"
            )
        if ids.ndim == 1:
            return ids[:, None], False
        return time_first(ids) if self.batch_first else ids, True

    def starts(self, hx: Carry, cell: AffineCell, B: int, batched: bool) -> list[Carry]:
        """The initial carry of each layer and direction; of a single one, stacked as it came.

        Raises:
            ShapeError: if `hx` has another structure or shape than the layer's states.
            DtypeError: if it has another dtype.
        """
        places, sizes = self.num_layers * len(self.directions), cell.sizes
        if hx is None:
            return [cell.initial(1, B)] if places == 1 else [cell.initial(B)] * places
        given = [s if isinstance(s, Carrier) else tensor(s) for s in leaves(hx)]
        states = rebuilt(hx, given)
        lead = (places, B) if batched else (places,)
        expected = [(*lead, size) for size in leaves(sizes)]
        if not alike(states, sizes) or [s.shape for s in given] != expected:
            axes = "layers · directions, batch, size" if batched else "layers · directions, size"
            got, asked = mapped(lambda s: tuple(s.shape), states), rebuilt(sizes, expected)
            raise ShapeError(
                f"{type(self).__name__}: got hx of shape {got}; expected {asked}: "
                f"({axes}), with {self.num_layers} layers and {len(self.directions)} direction(s)"
            )
        for s in given:
            check_dtype(type(self).__name__, s, cell.weight_hh, "hx")
        if batched and places == 1:
            return [states]
        return [
            mapped(lambda s, k=k: s[k] if batched else s[k : k + 1], states) for k in range(places)
        ]

    def extra_repr(self) -> str:
        """Sizes, and options that are not as usual."""
        usual = {"num_layers": 1, "batch_first": False, "bidirectional": False}
        given = {name: getattr(self, name) for name in usual}
        return ", ".join(
            [
                self.cell().extra_repr(),
                *(f"{name}={x}" for name, x in given.items() if x != usual[name]),
            ]
        )


def piled(*states: Any) -> Any:
    """States (B, size) as one tensor (layers · directions, B, size)."""
    return stack(list(states)) if len(states) > 1 else states[0].reshape((1, *states[0].shape))


class RNN(RNNBase):
    r"""Layers of vanilla recurrent cells; see `RNNCell` for the equations.

    Args:
        input_size: length of an input, I.
        hidden_size: length of the state, H.
        num_layers: how many layers are stacked.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether batched input and output are (B, T, …) rather than (T, B, …).
        dropout: probability with which outputs of all layers but the last are dropped in
            training.
        bidirectional: whether each layer also reads backward.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator for the first weights and the dropout.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> rnn = nn.RNN(3, 4, num_layers=2, bidirectional=True, seed=0)
        >>> output, h_n = rnn(np.ones((5, 2, 3), "float32"), lengths=[5, 0])
        >>> output.shape, h_n.shape
        ((5, 2, 8), (4, 2, 4))
    """

    cell_type = RNNCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(
            *(input_size, hidden_size, num_layers, batch_first, dropout, bidirectional, seed),
            nonlinearity=nonlinearity,
            bias=bias,
            dtype=dtype,
        )

    def cell(self, layer: int = 0, reverse: bool = False) -> AffineCell:
        """The cell of a layer and direction; it shares the layer's parameters."""
        cell = super().cell(layer, reverse)
        vars(cell).update(nonlinearity=self.nonlinearity)
        return cell


class LSTM(RNNBase):
    r"""Layers of long short-term memory; see `LSTMCell` for the equations.

    States are pairs (h, c) of (layers · directions, B, P or H) and (layers · directions, B, H).

    Args:
        input_size: length of an input, I.
        hidden_size: length of the memory, H.
        num_layers: how many layers are stacked.
        bias: whether there are biases.
        batch_first: whether batched input and output are (B, T, …) rather than (T, B, …).
        dropout: probability with which outputs of all layers but the last are dropped in
            training.
        bidirectional: whether each layer also reads backward.
        proj_size: length of the state, P < H; 0 for no projection.
        forget_bias: a first value for the forget gates' biases; None as in PyTorch.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator for the first weights and the dropout.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> lstm = nn.LSTM(3, 4, batch_first=True, seed=0)
        >>> output, (h_n, c_n) = lstm(np.ones((2, 5, 3), "float32"))
        >>> output.shape, h_n.shape, c_n.shape
        ((2, 5, 4), (1, 2, 4), (1, 2, 4))
        >>> output, (h_n, c_n) = lstm(np.ones((2, 5, 3), "float32"), (h_n, c_n))  # go on
    """

    cell_type = LSTMCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        forget_bias: float | None = None,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(
            *(input_size, hidden_size, num_layers, batch_first, dropout, bidirectional, seed),
            bias=bias,
            proj_size=proj_size,
            forget_bias=forget_bias,
            dtype=dtype,
        )


class GRU(RNNBase):
    r"""Layers of gated recurrent units; see `GRUCell` for the equations.

    Args:
        input_size: length of an input, I.
        hidden_size: length of the state, H.
        num_layers: how many layers are stacked.
        bias: whether there are biases.
        batch_first: whether batched input and output are (B, T, …) rather than (T, B, …).
        dropout: probability with which outputs of all layers but the last are dropped in
            training.
        bidirectional: whether each layer also reads backward.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator for the first weights and the dropout.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> gru = nn.GRU(3, 4, seed=0)
        >>> output, h_n = gru(np.ones((5, 3), "float32"))  # one sequence, without a batch
        >>> output.shape, h_n.shape
        ((5, 4), (1, 4))
    """

    cell_type = GRUCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(
            *(input_size, hidden_size, num_layers, batch_first, dropout, bidirectional, seed),
            bias=bias,
            dtype=dtype,
        )


def time_first(x: Any) -> Any:
    """(B, T, …) as (T, B, …)."""
    return x.swapaxes(0, 1) if isinstance(x, np.ndarray) else x.transpose(0, 1)


def suffix(layer: int, reverse: bool) -> str:
    """What follows a parameter's name in PyTorch: `_l0`, `_l1_reverse`."""
    return f"_l{layer}" + "_reverse" * reverse
