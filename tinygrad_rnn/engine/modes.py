"""Settings of the moment: whether a graph is recorded, whether anomalies are watched for.

They live in context variables, so each thread and each coroutine has its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinygrad_rnn.engine.errors import DtypeError

recording: ContextVar[bool] = ContextVar("recording", default=True)
watching: ContextVar[bool] = ContextVar("watching", default=False)
float_dtype: ContextVar[str] = ContextVar("float_dtype", default="float32")


@contextmanager
def setting(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    """Give a context variable a value inside a `with` block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording a graph, in this thread or coroutine only.

    Usable as a context manager and as a decorator.

    Example:
        >>> import tinygrad_rnn as tg
        >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> with tg.no_grad():
        ...     y = w * 3
        >>> y.requires_grad
        False
    """
    with setting(recording, False):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record a graph again inside a `no_grad` block."""
    with setting(recording, True):
        yield


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the first NaN or infinity, and name the op and the line that made it.

    Every forward value and every cotangent is looked at, so this is for finding a fault, not
    for training.

    Raises:
        AnomalyError: at the op whose value or cotangent is not finite.

    Example:
        >>> import tinygrad_rnn as tg
        >>> x = tg.tensor([0.0], requires_grad=True)
        >>> with tg.detect_anomaly():
        ...     tg.sqrt(x).sum().backward()
        Traceback (most recent call last):
            ...
        tinygrad_rnn.engine.errors.AnomalyError: sqrt: the cotangent of input 'x' has ...
    """
    with setting(watching, True), np.errstate(all="ignore"):
        yield


@contextmanager
def default_dtype(dtype: Any) -> Iterator[None]:
    """Choose the dtype that Python floats take in `tg.tensor` (float32 unless told).

    Raises:
        DtypeError: if `dtype` is not a real floating dtype.

    Example:
        >>> import tinygrad_rnn as tg
        >>> with tg.default_dtype("float64"):
        ...     tg.tensor([1.0]).dtype
        dtype('float64')
    """
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise DtypeError(f"default_dtype: got {chosen}; expected a float such as 'float64'")
    with setting(float_dtype, chosen.name):
        yield
