r"""Who does the arithmetic: NumPy everywhere, Numba's compiled loops where they pay.

A kernel takes arrays and gives arrays. Its definition is a function in NumPy; beside it stands a
loop that says the same for Numba to compile:

    >>> import numpy as np
    >>> from tinygrad_rnn.kernels.dispatch import KERNELS, backend, kernel
    >>> @kernel(pays=lambda x: x.size > 100_000, within=0)
    ... def square(x, /):
    ...     return x * x
    >>> @square.defloop
    ... def _square_loop(x):
    ...     y = np.empty(x.size, x.dtype)
    ...     for i in range(x.size):
    ...         y[i] = x[i] * x[i]
    ...     return y
    >>> square(np.arange(4.0))
    array([0., 1., 4., 9.])
    >>> del KERNELS["square"]

A call picks one of the two. It stays in NumPy inside `backend("numpy")`, when Numba is not
installed, when an array is of a kind that the loops are not made for, and when `pays` says that
the problem is too small. Numba is imported by the first call that pays: a short script never waits
for it.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, Literal, ParamSpec, TypeVar

import numpy as np

from tinygrad_rnn.kernels.compiling import jit

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

KERNELS: "dict[str, Kernel[..., Any]]" = {}
"""Every kernel by name. One test compares each compiled loop with its reference."""

LOOP_DTYPES = "fdilqp?"  # float32, float64, int32, int64 and bool, by their character codes

chosen: ContextVar[str | None] = ContextVar("backend", default=None)


@functools.cache
def numba_is_installed() -> bool:
    """Whether Numba could be imported; looked up once, without importing it."""
    return importlib.util.find_spec("numba") is not None


@contextmanager
def backend(name: Literal["numpy", "numba"]) -> Iterator[None]:
    """Choose who does the arithmetic, in this thread or coroutine only.

    Without it Numba is used where it pays, if it is installed. Usable as a context manager and as
    a decorator.

    Args:
        name: `"numpy"` for the references alone, `"numba"` for compiled loops where they pay.

    Raises:
        ValueError: If there is no backend of that name.
        ImportError: If Numba is asked for and not installed.

    Example:
        >>> import tinygrad_rnn as tg
        >>> with tg.backend("numpy"):
        ...     tg.tensor([1.0, 2.0]).sum().item()
        3.0
    """
    if name not in ("numpy", "numba"):
        raise ValueError(f"backend({name!r}): there is 'numpy' and there is 'numba'")
    if name == "numba" and not numba_is_installed():
        raise ImportError(
            "backend('numba') needs Numba, which is not installed: run "
            '`python -m pip install "tinygrad-rnn[compiled]"`, or use backend("numpy")'
        )
    token = chosen.set(name)
    try:
        yield
    finally:
        chosen.reset(token)


def current_backend() -> str:
    """The backend of the innermost `backend` block; without one, Numba if it is installed."""
    return chosen.get() or ("numba" if numba_is_installed() else "numpy")


class Kernel(Generic[P, R]):
    """One function from arrays to arrays: in NumPy, and as a loop for Numba.

    Attributes:
        reference: The definition, in NumPy.
        pays: Whether these arguments are enough work for the compiled loop.
        within: How far the two may differ: in units in the last place of the largest magnitude
            in a result.
        writes: Positions of the arguments that are written to.
        loop: The Python loop that Numba compiles.
    """

    def __init__(
        self,
        reference: Callable[P, R],
        pays: Callable[P, bool],
        within: float,
        writes: tuple[int, ...],
    ) -> None:
        functools.update_wrapper(self, reference)
        self.name = reference.__name__
        self.reference = reference
        self.pays = pays
        self.within = within
        self.writes = writes
        self.loop: Callable[..., Any] = reference
        KERNELS[self.name] = self

    def defloop(self, loop: F) -> F:
        """Declare the loop that Numba compiles. It stays an ordinary function."""
        self.loop = loop
        return loop

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute, by the loop if it pays and by the reference otherwise."""
        if self.pays(*args, **kwargs) and current_backend() == "numba" and self._suits(args):
            return self.compiled(*args, **kwargs)
        return self.reference(*args, **kwargs)

    def compiled(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute by the loop, however small the problem.

        Numba compiles a loop anew for every kind of array, so kinds are kept few: inputs that are
        strided, read-only or unaligned are copied. Floats arrive as float64; a loop over float32
        converts them first, else it would compute in float64.
        """
        settled = [
            np.array(a, order="C")
            if isinstance(a, np.ndarray) and not a.flags.carray and i not in self.writes
            else a
            for i, a in enumerate(args)
        ]
        result: R = self.dispatcher(*settled, **kwargs)
        return result

    @functools.cached_property
    def dispatcher(self) -> Callable[..., Any]:
        """The loop in Numba's hands; importing Numba happens here."""
        return jit(self.loop)

    def _suits(self, args: tuple[Any, ...]) -> bool:
        """Whether the loop is made for these arrays' dtypes and can write where it must."""
        return all(
            a.dtype.char in LOOP_DTYPES
            and a.dtype.isnative
            and (i not in self.writes or a.flags.carray)
            for i, a in enumerate(args)
            if isinstance(a, np.ndarray)
        )

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


def kernel(
    *, pays: Callable[..., bool], within: float, writes: tuple[int, ...] = ()
) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Declare a kernel by its NumPy reference; `Kernel` explains the arguments."""

    def declare(reference: Callable[P, R]) -> Kernel[P, R]:
        return Kernel(reference, pays, within, writes)

    return declare
