r"""Pooling: one number for each window, or for a whole sequence.

`MaxPool1d`, `MaxPool2d`, `AvgPool1d` and `AvgPool2d` are PyTorch's, on (N, C, L) and (N, C, H, W).
`GlobalMaxPool` and `GlobalAvgPool` fold a whole axis, such as time, and know of `lengths`.
"""

from typing import Any, ClassVar

import numpy as np

from tinygrad_rnn.engine import Carrier, ShapeError, tensor
from tinygrad_rnn.nn.arguments import check_lengths
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.ops import avg_pool, max, max_pool, mean, sum, where
from tinygrad_rnn.ops.conv import Extents, per_axis


class PoolBase(Module):
    """What pools over windows have in common.

    Raises:
        ShapeError: if an option has another number of axes than the layer, or is too small.
    """

    rank: ClassVar[int]  # how many spatial axes there are

    def __init__(
        self, kernel_size: Extents, stride: Extents | None = None, padding: Extents = 0
    ) -> None:
        owner, rank = type(self).__name__, self.rank
        self.kernel_size = per_axis(owner, "kernel_size", kernel_size, rank, 1)
        self.stride = (
            self.kernel_size if stride is None else per_axis(owner, "stride", stride, rank, 1)
        )
        self.padding = per_axis(owner, "padding", padding, rank, 0)

    def pool(self, x: Any) -> Any:
        """The pool of a batch."""
        raise NotImplementedError

    def forward(self, input: Any) -> Any:
        """Pool (N, C, …), or (C, …) for one sample.

        Raises:
            ShapeError: if the axes are others, the window is wider than the input, or the padding
                than half the window.
        """
        x = input if isinstance(input, Carrier) else tensor(input)
        if x.ndim == self.rank + 1:
            return self.pool(x[None])[0]
        if x.ndim != self.rank + 2:
            axes = "L" if self.rank == 1 else "H, W"
            raise ShapeError(
                f"{type(self).__name__}: got input of shape {x.shape}; expected (N, C, {axes}), or "
                f"(C, {axes}) for one sample"
            )
        return self.pool(x)

    def extra_repr(self) -> str:
        """The window, and how it slides."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPoolBase(PoolBase):
    """What `MaxPool1d` and `MaxPool2d` have in common."""

    def __init__(
        self,
        kernel_size: Extents,
        stride: Extents | None = None,
        padding: Extents = 0,
        dilation: Extents = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.dilation = per_axis(type(self).__name__, "dilation", dilation, self.rank, 1)

    def pool(self, x: Any) -> Any:
        """The largest of each window."""
        return max_pool(x, self.kernel_size, self.stride, self.padding, self.dilation)


class MaxPool1d(MaxPoolBase):
    """The largest of each window over time; of equals the first learns, as in PyTorch.

    Args:
        kernel_size: taps of the window.
        stride: distance between neighbouring windows; `kernel_size` unless given.
        padding: places added at each end, which never win; at most half the window.
        dilation: distance between neighbouring taps.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> nn.MaxPool1d(2)(np.array([[[1.0, 3.0, 2.0, 5.0]]])).numpy()
        array([[[3., 5.]]])
    """

    rank = 1


class MaxPool2d(MaxPoolBase):
    """The largest of each window over an image; numbers are for both axes, or a pair.

    Args:
        kernel_size: taps of the window.
        stride: distance between neighbouring windows; `kernel_size` unless given.
        padding: places added at each end, which never win; at most half the window.
        dilation: distance between neighbouring taps.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> nn.MaxPool2d(2)(np.ones((1, 3, 8, 6))).shape
        (1, 3, 4, 3)
    """

    rank = 2


class AvgPoolBase(PoolBase):
    """What `AvgPool1d` and `AvgPool2d` have in common."""

    def __init__(
        self,
        kernel_size: Extents,
        stride: Extents | None = None,
        padding: Extents = 0,
        *,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = count_include_pad

    def pool(self, x: Any) -> Any:
        """The mean of each window."""
        how = self.kernel_size, self.stride, self.padding
        y = avg_pool(x, *how)
        if self.count_include_pad or not any(self.padding):
            return y
        inside = avg_pool(np.ones((1, 1, *x.shape[2:]), x.dtype), *how)
        return y / inside  # the part of each window that is not padding


class AvgPool1d(AvgPoolBase):
    """The mean of each window over time.

    Args:
        kernel_size: taps of the window.
        stride: distance between neighbouring windows; `kernel_size` unless given.
        padding: zeros added at each end; at most half the window.
        count_include_pad: whether those zeros count in the mean.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> nn.AvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 6.0]]])).numpy()
        array([[[2., 4.]]])
    """

    rank = 1


class AvgPool2d(AvgPoolBase):
    """The mean of each window over an image; numbers are for both axes, or a pair.

    Args:
        kernel_size: taps of the window.
        stride: distance between neighbouring windows; `kernel_size` unless given.
        padding: zeros added at each end; at most half the window.
        count_include_pad: whether those zeros count in the mean.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> nn.AvgPool2d((2, 3))(np.ones((1, 3, 8, 6))).shape
        (1, 3, 4, 2)
    """

    rank = 2


class GlobalPool(Module):
    """What `GlobalMaxPool` and `GlobalAvgPool` have in common."""

    def __init__(self, axis: int | tuple[int, ...] = 0) -> None:
        self.axis = axis

    def fold(self, x: Any, alive: Any, n: Any) -> Any:
        """Fold what is alive; `n` numbers of it are."""
        raise NotImplementedError

    def whole(self, x: Any) -> Any:
        """Fold all of it."""
        raise NotImplementedError

    def forward(self, input: Any, lengths: Any = None) -> Any:
        """Fold the axis.

        Args:
            input: any shape that has it; with `lengths`, also a batch axis.
            lengths: (B,) integers: how much of the axis each sequence has. The rest is not looked
                at; a sequence of length 0 gives zeros.

        Raises:
            ShapeError: if there is no such axis, or `lengths` do not fit.
            DtypeError: if `lengths` are not integers.
        """
        x = input if isinstance(input, Carrier) else tensor(input)
        if lengths is None:
            return self.whole(x)
        owner = type(self).__name__
        if not isinstance(self.axis, int) or x.ndim < 2 or not -x.ndim <= self.axis < x.ndim:
            raise ShapeError(
                f"{owner}: got lengths, axis={self.axis} and an input of shape {x.shape}; expected "
                "one axis of time, and one for the batch"
            )
        time = self.axis % x.ndim
        batch = 0 if time else 1
        T, B = x.shape[time], x.shape[batch]
        check_lengths(owner, lengths, T, (B,))

        def along(axis: int, values: Any) -> Any:
            return values.reshape([-1 if k == axis else 1 for k in range(x.ndim)])

        n = along(batch, np.asarray(lengths))
        return self.fold(x, along(time, np.arange(T)) < n, n).squeeze(time)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"


class GlobalMaxPool(GlobalPool):
    """The largest number along an axis: over all steps of each sequence, for each feature.

    Keras calls it GlobalMaxPooling1D for `axis=1`, and GlobalMaxPooling2D for `axis=(2, 3)` of
    channels-first images. Equals share the gradient.

    Args:
        axis: the axis that is folded: 0 for (T, B, features), 1 for (B, T, features), 2 for
            (N, C, L), (2, 3) for (N, C, H, W). The batch is the first of the others.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> x = np.array([[[1.0], [1.0]], [[5.0], [7.0]]])  # two steps of two sequences
        >>> nn.GlobalMaxPool()(x, lengths=[2, 1]).numpy()
        array([[5.],
               [1.]])
    """

    def whole(self, x: Any) -> Any:
        """The largest of all."""
        return max(x, axis=self.axis)

    def fold(self, x: Any, alive: Any, n: Any) -> Any:
        """The largest of what is alive; 0 where nothing is."""
        return where(n > 0, max(where(alive, x, -np.inf), axis=self.axis, keepdims=True), 0.0)


class GlobalAvgPool(GlobalPool):
    """The mean along an axis: over all steps of each sequence, for each feature.

    Keras calls it GlobalAveragePooling1D for `axis=1`, and GlobalAveragePooling2D for
    `axis=(2, 3)` of channels-first images.

    Args:
        axis: the axis that is folded: 0 for (T, B, features), 1 for (B, T, features), 2 for
            (N, C, L), (2, 3) for (N, C, H, W). The batch is the first of the others.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> x = np.array([[[1.0], [1.0]], [[5.0], [7.0]]])  # two steps of two sequences
        >>> nn.GlobalAvgPool()(x, lengths=[2, 1]).numpy()
        array([[3.],
               [1.]])
    """

    def whole(self, x: Any) -> Any:
        """The mean of all."""
        return mean(x, axis=self.axis)

    def fold(self, x: Any, alive: Any, n: Any) -> Any:
        """The mean of what is alive; 0 where nothing is."""
        total = sum(where(alive, x, 0.0), axis=self.axis, keepdims=True)
        return total / np.maximum(n, 1).astype(x.dtype)
