r"""DLPack: one memory, several libraries.

A `tg.Tensor` offers its memory to any library that speaks DLPack: `torch.from_dlpack(x)` and
`jax.dlpack.from_dlpack(x)` take it. `from_dlpack` is the other direction. Nothing is copied.

Example:
    >>> import numpy as np
    >>> array = np.zeros(2, "float32")
    >>> x = from_dlpack(array)
    >>> array[0] = 1
    >>> x
    tensor([1., 0.])
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import DtypeError, GraphError, Tensor, tensor
from tinygrad_rnn.interop.states import InteropError

__all__ = ["aligned", "from_dlpack"]

CPU = 1  # DLPack's number for it
LINE = 64  # bytes: XLA shares memory only from multiples of this


def from_dlpack(x: Any) -> Tensor:
    """A tensor on the memory of another library's array, without a copy.

    What the other library writes is seen; after such a write call `mark_written`, if a graph
    already uses the tensor. Arrays of JAX are read-only, so `x[i] = v` refuses to write to them.

    Args:
        x: an array with `__dlpack__`, on the CPU, of a dtype that NumPy has.

    Raises:
        TypeError: if `x` does not speak DLPack.
        InteropError: if it is on another device, or its library does not give it away: a PyTorch
            tensor that requires grad, for one.
        DtypeError: if its dtype is no real number that NumPy has, such as bfloat16.
        GraphError: if it is a tensor of ours that requires grad.
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: got {type(x).__name__}, which has no __dlpack__; use tg.tensor, which "
            "copies"
        )
    device, number = x.__dlpack_device__()
    if device != CPU:
        raise InteropError(
            f"from_dlpack: got {type(x).__name__} on device {int(device)}:{number} (DLPack's "
            f"numbers); expected the CPU, {CPU}: bring it there first, in PyTorch with .cpu()"
        )
    try:
        array = np.from_dlpack(x)
    except BufferError as error:
        raise InteropError(f"from_dlpack: {type(x).__name__} is not given away: {error}") from error
    except GraphError:
        raise
    except RuntimeError as error:
        raise DtypeError(f"from_dlpack: got {dtype_of(x)}, which NumPy does not have") from error
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"from_dlpack: got {array.dtype}; expected real numbers or booleans")
    return Tensor(array)


def aligned(x: Any) -> Tensor:
    """A copy of `x` that begins at a multiple of 64 bytes, which JAX shares instead of copying.

    Example:
        >>> x = aligned([1.0, 2.0, 3.0])
        >>> x, x.data.ctypes.data % 64
        (tensor([1., 2., 3.]), 0)
    """
    values = tensor(x).data
    memory = np.empty(values.nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    array = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return Tensor(array)


def dtype_of(x: Any) -> str:
    """How an array of another library calls its dtype."""
    return str(getattr(x, "dtype", "a dtype"))
