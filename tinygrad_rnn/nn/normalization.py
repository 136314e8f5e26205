r"""Normalization: features brought to mean 0 and variance 1, between cells and inside."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Carrier, ShapeError, tensor
from tinygrad_rnn.nn.arguments import check_dtype, check_sizes, empty
from tinygrad_rnn.nn.init import ones_, zeros_
from tinygrad_rnn.nn.lstm import LSTMCell
from tinygrad_rnn.nn.module import Module, ModuleList, Parameter
from tinygrad_rnn.nn.wrappers import InnerWrapper
from tinygrad_rnn.ops import concatenate, layer_norm, split


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


class LayerNormalized(InnerWrapper):
    r"""A cell with layer normalisation inside, after each product (Ba et al., arXiv:1607.06450).

    Wherever the cell's equations have $W_{ih} x_t$ or $W_{hh} h_{t-1}$, they now have
    $\operatorname{LN}(W_{ih} x_t)$ and $\operatorname{LN}(W_{hh} h_{t-1})$, each with a gain of
    its own; an LSTM also shows $o_t \odot \tanh \operatorname{LN}(c_t)$. So the sums that the
    gates see stay in the same range at every step and for every weight, while what is carried is
    not touched.

    As in the paper, blocks of one product are normalised together: all four of an LSTM, the two
    gates of a GRU, and its candidate by itself. The $\beta$ of the paper's norms are the cell's
    own biases; only the memory's norm needs one.

    On the name: `LayerNorm` is the layer, which takes a tensor. This takes a cell and gives what
    the paper calls a layer-normalized LSTM, GRU or RNN; wrappers that act on a cell as a whole
    are named, like this one, for what the cell then is: `Stacked`, `Bidirectional`.

    Args:
        cell: an `AffineCell`, such as any of those here, or `VariationalDropout` around one.
        eps: added to each variance.

    Attributes:
        norms_ih: the norms of the input's product, one for each group of blocks,
        norms_hh: and those of the state's.
        norm_c: the norm of an LSTM's memory, or None.

    Raises:
        TypeError: if the cell has no products to act on.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.LayerNormalized(nn.LSTMCell(3, 4, forget_bias=1.0, seed=0))
        >>> output, (h, c) = nn.Recurrent(cell)(np.ones((5, 2, 3), "float32"))
        >>> output.shape
        (5, 2, 4)
    """

    def __init__(self, cell: Any, eps: float = 1e-5) -> None:
        super().__init__(cell)
        H, dtype = self.core.hidden_size, self.core.weight_hh.dtype

        def norms() -> ModuleList:
            sizes = (n * H for n in self.core.groups)
            return ModuleList(LayerNorm(n, eps, bias=False, dtype=dtype) for n in sizes)

        self.norms_ih, self.norms_hh = norms(), norms()
        has_memory = isinstance(self.core, LSTMCell)
        self.norm_c = LayerNorm(H, eps, dtype=dtype) if has_memory else None

    def from_input(self, x: Any) -> Any:
        """The input's product, normalised."""
        return each(self.norms_ih, super().from_input(x))

    def from_state(self, h: Any, group: int | None = None) -> Any:
        """The state's product, or one group of its rows, normalised."""
        a = super().from_state(h, group)
        return each(self.norms_hh, a) if group is None else self.norms_hh[group](a)

    def shown(self, c: Any) -> Any:
        """The memory, normalised."""
        c = super().shown(c)
        return c if self.norm_c is None else self.norm_c(c)


def each(norms: ModuleList, a: Any) -> Any:
    """Features cut into parts, each by its own norm, and put together again."""
    if len(norms) == 1:
        return norms[0](a)
    parts = split(a, [norm.weight.size for norm in norms], axis=-1)
    return concatenate([norm(part) for norm, part in zip(norms, parts, strict=True)], axis=-1)
