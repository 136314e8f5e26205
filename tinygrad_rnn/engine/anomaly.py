"""Watching for the first NaN or infinity, and saying where it came from."""

import linecache
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.errors import AnomalyError
from tinygrad_rnn.engine.operation import Operation, described


def watch_value(value: Any, op: Operation, arrays: Sequence[Any]) -> None:
    """Refuse a forward value that is not finite."""
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        operands = ", ".join(
            f"{name} {described(x)}" for name, x in zip(op.names(len(arrays)), arrays, strict=True)
        )
        raise AnomalyError(f"{op.name}: the value has {anomalies(value)}; computed from {operands}")


def watch_cotangent(g: Any, node: Any, i: int) -> None:
    """Refuse a cotangent that is not finite."""
    values = np.asarray(getattr(g, "data", g))
    if not np.isfinite(values).all():
        name = node.op.names(len(node.inputs))[i]
        raise AnomalyError(
            f"{node.op.name}: the cotangent of input {name!r} has {anomalies(values)}; the op ran "
            f"at {line_of(node)}"
        )


def anomalies(value: Any) -> str:
    """How many NaNs and infinities an array holds, and where the first one is."""
    where = np.argwhere(~np.isfinite(value))
    nans = int(np.isnan(value).sum())
    first = tuple(int(i) for i in where[0])
    return f"{nans} NaN and {len(where) - nans} inf among {np.size(value)}, the first at {first}"


def line_of(node: Any) -> str:
    """The file, line and text of the call that made a graph node."""
    if node.made_at is None:
        return "an unknown line"
    code, instruction = node.made_at
    first, *_ = list(code.co_positions())[instruction // 2]
    number = first or code.co_firstlineno
    text = linecache.getline(code.co_filename, number).strip()
    return f"{code.co_filename}:{number}" + (f" (`{text}`)" if text else "")
