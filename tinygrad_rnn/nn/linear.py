r"""Linear: an affine map of the last axis."""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.nn.arguments import as_input, check_sizes, empty
from tinygrad_rnn.nn.init import Seed, uniform_
from tinygrad_rnn.nn.module import Module, Parameter


def affine(x: Any, weight: Any, bias: Any = None) -> Any:
    r"""$x W^\top + b$ for `x` (…, in), `weight` (out, in) and `bias` (out,) or None."""
    return shifted(x @ weight.T, bias)


def shifted(y: Any, bias: Any = None) -> Any:
    r"""$y + b$, or $y$ if there is no bias."""
    return y if bias is None else y + bias


class Linear(Module):
    r"""An affine map of the last axis, $y = x W^\top + b$.

    Starts as in PyTorch: weights and bias evenly from $\pm 1/\sqrt{n_\text{in}}$.

    Args:
        in_features: length of the last axis of the input,
        out_features: and of the output.
        bias: whether there is a $b$.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        weight: $W$ (out, in).
        bias: $b$ (out,), or None.

    Raises:
        ValueError: if a size is less than 1.
        ShapeError: if the input's last axis is not `in_features` long.
        DtypeError: if the input's dtype is not that of the weight.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> layer = nn.Linear(3, 2, seed=0)
        >>> layer(np.ones((4, 3), "float32")).shape
        (4, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        rng, bound = np.random.default_rng(seed), 1 / math.sqrt(in_features)
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        self.bias = Parameter(empty(out_features, dtype=dtype)) if bias else None
        for x in self.parameters():
            uniform_(x, -bound, bound, seed=rng)

    def forward(self, x: Any) -> Any:
        """Map (…, in_features) to (…, out_features)."""
        return affine(as_input("Linear", x, self.weight), self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, and whether the bias is missing."""
        out_features, in_features = self.weight.shape
        text = f"in_features={in_features}, out_features={out_features}"
        return text if self.bias is not None else text + ", bias=False"
