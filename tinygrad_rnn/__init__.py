"""tinygrad_rnn: a micro autograd for NumPy arrays, and recurrent networks made of it.

    >>> import tinygrad_rnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])

Importing it imports NumPy and nothing else; Numba, SciPy and Matplotlib load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.engine import *
from tinygrad_rnn.engine import __all__ as _engine_names
from tinygrad_rnn.kernels.dispatch import backend
from tinygrad_rnn.ops import *
from tinygrad_rnn.ops import __all__ as _op_names

if TYPE_CHECKING:
    from tinygrad_rnn.compiler import *

__version__ = "0.1.0"

# What loads when it is first asked for: packages, as `tg.nn`, and the loop over time.
PACKAGES = ("compiler", "data", "decode", "interop", "nn", "optim", "plot", "train")

SCANNING = ("compiled", "eager", "explain", "get_num_threads", "scan", "set_num_threads")

__all__ = [*_engine_names, *_op_names, *PACKAGES, *SCANNING, "backend"]


def __getattr__(name: str) -> Any:
    """A package, or the loop over time, on first use."""
    if name in PACKAGES:
        return import_module(f"tinygrad_rnn.{name}")
    if name in SCANNING:
        return getattr(import_module("tinygrad_rnn.compiler"), name)
    raise AttributeError(f"module 'tinygrad_rnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
