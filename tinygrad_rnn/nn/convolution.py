r"""Convolutions: one small window of weights, slid over a sequence or an image."""

import math
from typing import Any, ClassVar

import numpy as np

from tinygrad_rnn.engine import Carrier, ShapeError, tensor
from tinygrad_rnn.nn.arguments import check_dtype, check_sizes, empty
from tinygrad_rnn.nn.init import Seed, uniform_
from tinygrad_rnn.nn.module import Module, Parameter
from tinygrad_rnn.ops import conv1d, conv2d, pad
from tinygrad_rnn.ops.conv import Extents, per_axis

LAYOUTS = {1: "L", 2: "H, W"}


class ConvBase(Module):
    """What `Conv1d` and `Conv2d` have in common.

    Raises:
        ValueError: if a size is less than 1, `groups` does not divide the channels, or `padding`
            is "same" with a stride.
        ShapeError: if an option has another number of axes than the layer.
    """

    rank: ClassVar[int]  # how many spatial axes there are
    convolve: ClassVar[Any]  # the op

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Extents,
        stride: Extents = 1,
        padding: Extents | str = 0,
        dilation: Extents = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        owner, rank = type(self).__name__, self.rank
        check_sizes(owner, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{owner}: got groups={groups} for {in_channels} channels in and {out_channels} "
                "out; expected a number that divides both"
            )
        self.kernel_size = per_axis(owner, "kernel_size", kernel_size, rank, 1)
        self.stride = per_axis(owner, "stride", stride, rank, 1)
        self.dilation = per_axis(owner, "dilation", dilation, rank, 1)
        self.groups, self.padding = groups, padding
        self.margins = self.both_ends(padding)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(empty(*shape, dtype=dtype))
        self.bias = Parameter(empty(out_channels, dtype=dtype)) if bias else None
        rng, bound = np.random.default_rng(seed), 1 / math.sqrt(math.prod(shape[1:]))
        for x in self.parameters():
            uniform_(x, -bound, bound, seed=rng)

    def both_ends(self, padding: Extents | str) -> tuple[tuple[int, int], ...]:
        """How many zeros go before and after the input along each spatial axis."""
        owner = type(self).__name__
        if padding == "valid":
            return ((0, 0),) * self.rank
        if padding == "same":
            if any(s > 1 for s in self.stride):
                raise ValueError(
                    f"{owner}: got padding='same' and stride={self.stride}; with a stride the "
                    "output cannot be as long as the input: give the padding as a number"
                )
            spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return tuple((span // 2, span - span // 2) for span in spans)
        if isinstance(padding, str):
            raise ValueError(f"{owner}: got padding={padding!r}; expected a number, 'same' or "
                             "'valid'")  # fmt: skip
        return tuple((n, n) for n in per_axis(owner, "padding", padding, self.rank, 0))

    def forward(self, input: Any) -> Any:
        """Convolve (N, C, …), or (C, …) for one sample, to the same with the channels that go out.

        Raises:
            ShapeError: if the axes or channels are others, or the window is wider than the input.
            DtypeError: if the input's dtype is not that of the weight.
        """
        x = input if isinstance(input, Carrier) else tensor(input)
        owner, channels = type(self).__name__, self.weight.shape[1] * self.groups
        lone = x.ndim == self.rank + 1
        if not (lone or x.ndim == self.rank + 2) or x.shape[-1 - self.rank] != channels:
            axes = LAYOUTS[self.rank]
            raise ShapeError(
                f"{owner}: got input of shape {x.shape}; expected (N, {channels}, {axes}), or "
                f"({channels}, {axes}) for one sample, with the {channels} channels that the layer "
                "was made for"
            )
        check_dtype(owner, x, self.weight, "input")
        x = x[None] if lone else x
        even = tuple(map(min, self.margins))
        beyond = [
            (before - n, after - n) for (before, after), n in zip(self.margins, even, strict=True)
        ]
        if any(map(any, beyond)):
            x = pad(x, ((0, 0), (0, 0), *beyond))
        y = self.convolve(x, self.weight, self.bias, self.stride, even, self.dilation, self.groups)
        return y[0] if lone else y

    def extra_repr(self) -> str:
        """Sizes, and options that are not as usual."""
        out, into = self.weight.shape[0], self.weight.shape[1] * self.groups
        usual = {"padding": 0, "dilation": (1,) * self.rank, "groups": 1}
        given = {name: getattr(self, name) for name in usual}
        return ", ".join(
            [
                f"{into}, {out}, kernel_size={self.kernel_size}, stride={self.stride}",
                *(f"{name}={x}" for name, x in given.items() if x != usual[name]),
                *(["bias=False"] if self.bias is None else []),
            ]
        )


class Conv1d(ConvBase):
    r"""Convolution over time, $y_{nop} = b_o + \sum_{ck} w_{ock}\, x_{n\,c\,(sp + dk)}$.

    Each output channel is one pattern of $K$ steps, compared with the input at every place. As in
    PyTorch the pattern is not flipped; weights and bias start evenly from
    $\pm 1/\sqrt{C K / \text{groups}}$. For its derivative see `tg.convolve`.

    Input and output have channels before time, (N, C, L); what `nn.Embedding` or a recurrent layer
    gives, (T, B, features), becomes that by `x.permute((1, 2, 0))`.

    Args:
        in_channels: channels of the input, C.
        out_channels: channels of the output, O.
        kernel_size: taps of the window, K.
        stride: distance between neighbouring places.
        padding: zeros added at each end; or "same", for an output as long as the input, of which
            an odd one goes to the end; or "valid", for none.
        dilation: distance between neighbouring taps.
        groups: the channels fall into so many groups, each with windows of its own.
        bias: whether there is a $b$.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        weight: $w$ (O, C / groups, K).
        bias: $b$ (O,), or None.

    Raises:
        ValueError: if a size is less than 1, `groups` does not divide the channels, or `padding`
            is "same" with a stride.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> layer = nn.Conv1d(3, 8, kernel_size=5, padding="same", seed=0)
        >>> layer(np.ones((2, 3, 20), "float32")).shape
        (2, 8, 20)
    """

    rank, convolve = 1, staticmethod(conv1d)


class Conv2d(ConvBase):
    r"""Convolution over images, (N, C, H, W) to (N, O, H', W').

    As `Conv1d`, with a window over two axes. Sizes and distances are one number for both, or a
    pair. Weights and bias start evenly from $\pm 1/\sqrt{C K_H K_W / \text{groups}}$, as in
    PyTorch.

    Args:
        in_channels: channels of the input, C.
        out_channels: channels of the output, O.
        kernel_size: taps of the window.
        stride: distance between neighbouring places.
        padding: zeros added at each end; or "same", for an output as large as the input; or
            "valid", for none.
        dilation: distance between neighbouring taps.
        groups: the channels fall into so many groups, each with windows of its own.
        bias: whether there is one.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        weight: (O, C / groups, K_H, K_W).
        bias: (O,), or None.

    Raises:
        ValueError: if a size is less than 1, `groups` does not divide the channels, or `padding`
            is "same" with a stride.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> layer = nn.Conv2d(1, 4, kernel_size=3, stride=2, padding=1, seed=0)
        >>> layer(np.ones((2, 1, 28, 28), "float32")).shape
        (2, 4, 14, 14)
    """

    rank, convolve = 2, staticmethod(conv2d)
