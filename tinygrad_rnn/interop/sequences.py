r"""Recurrent layers in `nn.Sequential`, as Keras has them: those that hand on outputs alone.

A recurrent layer returns its outputs and its final states; the next layer in a row wants one of
the two. `Outputs` hands on every step (`return_sequences=True` in Keras), `LastOutput` the end.
"""

from typing import Any

from tinygrad_rnn.engine.nesting import leaves
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.nn import AffineCell, Bidirectional, Module, Recurrent, Stacked
from tinygrad_rnn.nn.recurrent import RNNBase
from tinygrad_rnn.ops import concatenate

__all__ = ["LastOutput", "Outputs"]


class Outputs(Module):
    """A recurrent layer that returns its outputs and not its states.

    Args:
        layer: `nn.RNN`, `nn.LSTM`, `nn.GRU` or `nn.Recurrent`.

    Raises:
        InteropError: if it is no recurrent layer.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> tagger = nn.Sequential(
        ...     nn.Embedding(9, 4, seed=0),
        ...     Outputs(nn.GRU(4, 3, seed=1)),
        ...     nn.Linear(3, 2, seed=2),
        ... )
        >>> tagger(np.zeros((5, 1), int)).shape
        (5, 1, 2)
    """

    def __init__(self, layer: Any) -> None:
        if not isinstance(layer, RNNBase | Recurrent):
            raise InteropError(
                f"{type(self).__name__}: got {type(layer).__name__}; expected a recurrent layer: "
                "nn.RNN, nn.LSTM, nn.GRU or nn.Recurrent"
            )
        self.layer = layer

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        """The outputs at every step; see the layer."""
        output, _ = self.layer(input, hx, lengths=lengths)
        return output


class LastOutput(Outputs):
    """A recurrent layer that returns where it ends: (B, directions · size).

    That is the last step for the direction that reads forward, and the first for the other; with
    lengths, each sequence's own. A sequence of length 0 gives its initial state.

    Args:
        layer: `nn.RNN`, `nn.LSTM`, `nn.GRU`, or `nn.Recurrent` of bare cells.

    Raises:
        InteropError: if it is no recurrent layer or, at a call, its last cell is in a wrapper that
            changes what it shows.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> LastOutput(nn.LSTM(4, 3, bidirectional=True, seed=0))(np.ones((5, 2, 4), "f")).shape
        (2, 6)
    """

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        """The final states of the last layer; see the layer."""
        _, final = self.layer(input, hx, lengths=lengths)
        if isinstance(self.layer, Recurrent):
            return joined(ends(self.layer.cell, final))
        h = leaves(final)[0]
        count = len(self.layer.directions)
        return joined([h[k] for k in range(len(h) - count, len(h))])


def ends(cell: Any, carry: Any) -> list[Any]:
    """What a cell showed at its end, for each direction."""
    if isinstance(cell, Stacked):
        return ends(cell.cells[-1], carry[-1])
    if isinstance(cell, Bidirectional):
        return [*ends(cell.ahead, carry[0]), *ends(cell.back, carry[1])]
    if not isinstance(cell, AffineCell):
        raise InteropError(
            f"LastOutput: {type(cell).__name__} shows something else than its state; use Outputs, "
            "and take the last step"
        )
    return leaves(carry)[:1]


def joined(parts: list[Any]) -> Any:
    """One tensor of several that stand side by side."""
    return parts[0] if len(parts) == 1 else concatenate(parts, axis=-1)
