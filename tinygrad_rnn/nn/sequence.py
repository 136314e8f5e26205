r"""From vectors to sequences: a vector repeated, and a layer applied to every step."""

from typing import Any

from tinygrad_rnn.engine import Carrier, ShapeError, tensor
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.ops import broadcast_to


class RepeatVector(Module):
    """One vector for each sample, repeated as a sequence of `n` steps, as in Keras.

    Between an encoder that ends in a vector and a decoder that reads a sequence.

    Args:
        n: how many steps.
        batch_first: whether the result is (B, n, features), as Keras has it, rather than
            (n, B, features), as recurrent layers here read it unless told otherwise.

    Raises:
        ValueError: if `n` is less than 1.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> nn.RepeatVector(5)(np.ones((2, 3))).shape
        (2, 5, 3)
    """

    def __init__(self, n: int, batch_first: bool = True) -> None:
        check_sizes("RepeatVector", n=n)
        self.n, self.batch_first = n, batch_first

    def forward(self, input: Any) -> Any:
        """Repeat (B, features).

        Raises:
            ShapeError: if the input is no matrix.
        """
        x = input if isinstance(input, Carrier) else tensor(input)
        if x.ndim != 2:
            raise ShapeError(
                f"RepeatVector: got input of shape {x.shape}; expected (B, features), one vector "
                "for each sample"
            )
        B, features = x.shape
        if self.batch_first:
            return broadcast_to(x[:, None], (B, self.n, features))
        return broadcast_to(x, (self.n, B, features))

    def extra_repr(self) -> str:
        """How often, and the layout if it is not Keras's."""
        return f"{self.n}" + ("" if self.batch_first else ", batch_first=False")


class TimeDistributed(Module):
    """A layer applied to every step of a sequence, as in Keras.

    All steps of all sequences go through the layer as one batch, so it may be one that knows of
    no time, such as a `Conv2d` for each frame of a video. Time and batch may come in either order.

    Args:
        layer: a module, or a function of a tensor, of (batch, …).

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> frames = nn.TimeDistributed(nn.Conv2d(1, 4, 3, seed=0))
        >>> frames(np.ones((5, 2, 1, 8, 8), "float32")).shape
        (5, 2, 4, 6, 6)
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, input: Any) -> Any:
        """Apply the layer to (T, B, …), or (B, T, …).

        Raises:
            ShapeError: if the input has no axes for time and batch, or the layer's output does not
                begin with the batch that it was given.
        """
        x = input if isinstance(input, Carrier) else tensor(input)
        if x.ndim < 2:
            raise ShapeError(
                f"TimeDistributed: got input of shape {x.shape}; expected (T, B, …) or (B, T, …)"
            )
        lead, batch = x.shape[:2], x.shape[0] * x.shape[1]
        y = self.layer(x.reshape((batch, *x.shape[2:])))
        if y.shape[:1] != (batch,):
            raise ShapeError(
                f"TimeDistributed: the layer gave shape {y.shape} for a batch of {batch}; expected "
                f"({batch}, …), a result for each sample"
            )
        return y.reshape((*lead, *y.shape[1:]))
