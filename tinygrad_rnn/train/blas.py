r"""How many threads NumPy's matrix products run on."""

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

__all__ = ["blas_threads"]

# What OpenBLAS calls its functions, in NumPy's wheels of two generations and in a system's own.
NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")


@contextmanager
def blas_threads(count: int) -> Iterator[bool]:
    """Run NumPy's matrix products on so many threads, within a block.

    The products of a recurrent step are small: a second thread costs more than it brings, and on a
    machine that is busy with other work waiting for it costs several times the product. The number
    of threads can also change the last bit of a sum, so a fixed one keeps results the same on
    machines with more cores.

    Yields:
        Whether the threads are under control; with another BLAS than OpenBLAS they are not.

    Example:
        >>> import numpy as np
        >>> with blas_threads(1) as limited:
        ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    """
    get, set_ = _function("get_num_threads"), _function("set_num_threads")
    if get is None or set_ is None:
        yield False
        return
    before = get()
    set_(count)
    try:
        yield True
    finally:
        set_(before)


@functools.cache
def _function(name: str) -> Callable[..., int] | None:
    # The loader looks a name up in a library and in those that it was linked with.
    library = ctypes.CDLL(import_module("numpy._core._multiarray_umath").__file__)
    for pattern in NAMES:
        function: Callable[..., int] | None = getattr(library, pattern.format(name), None)
        if function is not None:
            return function
    return None
