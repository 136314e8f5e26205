r"""Normalization: features brought to mean 0 and variance 1."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, ShapeError, tensor
from tinygrad_rnn.nn.arguments import check_dtype, check_sizes, empty
from tinygrad_rnn.nn.init import ones_, zeros_
from tinygrad_rnn.nn.module import Module, Parameter
from tinygrad_rnn.ops import layer_norm


class LayerNorm(Module):
    r"""Layer normalisation (Ba, Kiros & Hinton, arXiv:1607.06450).

    $$y = \gamma \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta,$$

    with mean $\mu$ and variance $\sigma^2$ of each example's own features, so it acts the same in
    training and in use, and on every time step of a sequence.

    Args:
        normalized_shape: the shape of one example's features: the last axes of the input.
        eps: $\epsilon$.
        elementwise_affine: whether there is a $\gamma$ (and, with `bias`, a $\beta$).
        bias: whether there is a $\beta$.
        dtype: of the parameters; that of `tg.default_dtype` unless told.

    Attributes:
        weight: $\gamma$, ones at first, or None.
        bias: $\beta$, zeros at first, or None.

    Raises:
        ValueError: if a size is less than 1.
        ShapeError: if the input does not end in `normalized_shape`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> nn.LayerNorm(4)(np.array([[1, 2, 3, 4]], "float32")).numpy().round(2)
        array([[-1.34, -0.45,  0.45,  1.34]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        shape = tuple(np.atleast_1d(normalized_shape).tolist())
        check_sizes("LayerNorm", **{f"normalized_shape[{k}]": n for k, n in enumerate(shape)})
        self.normalized_shape, self.eps = shape, eps
        self.weight = self.bias = None
        if elementwise_affine:
            self.weight = ones_(Parameter(empty(*shape, dtype=dtype)))
            self.bias = zeros_(Parameter(empty(*shape, dtype=dtype))) if bias else None

    def forward(self, x: Any) -> Any:
        """Normalise (…, *normalized_shape)."""
        x = x if isinstance(x, Carrier) else tensor(x)
        axes = len(self.normalized_shape)
        if x.shape[max(0, x.ndim - axes) :] != self.normalized_shape:
            raise ShapeError(
                f"LayerNorm: got input of shape {x.shape}; its last {axes} axes must have the "
                f"shape that the layer was made for, {self.normalized_shape}"
            )
        if self.weight is not None:
            check_dtype("LayerNorm", x, self.weight, "input")
        return layer_norm(x, self.weight, self.bias, axes=axes, eps=self.eps)

    def extra_repr(self) -> str:
        """The shape, and options that are not as usual."""
        text = str(self.normalized_shape)
        if self.weight is None:
            return f"{text}, elementwise_affine=False"
        return text if self.bias is not None else f"{text}, bias=False"
