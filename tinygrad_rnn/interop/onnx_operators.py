r"""The operators of ONNX that `from_onnx` computes, each as a function of its inputs.

Inputs are tensors, or arrays for what shapes are made of; attributes are keyword arguments under
their ONNX names, so a function's signature says which are supported. The recurrent operators are in
`onnx_recurrence`.
"""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygrad_rnn.interop.onnx_recurrence import run
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.ops import (
    astype,
    broadcast_to,
    concatenate,
    elu,
    exp,
    layer_norm,
    leaky_relu,
    log,
    log_softmax,
    relu,
    reshape,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    squeeze,
    take,
    tanh,
    transpose,
    unsqueeze,
)

Operator = Callable[..., Any]


def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Any:
    r"""$\alpha a b + \beta c$."""
    y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return y if c is None else y + beta * c


def reshaped(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    """`x` in another shape, where 0 stands for a length of `x` and -1 for what is left."""
    lengths = np.asarray(shape).tolist()
    kept = [x.shape[k] if n == 0 and not allowzero else n for k, n in enumerate(lengths)]
    return reshape(x, tuple(kept))


def squeezed(x: Any, axes: Any = None) -> Any:
    """`x` without axes of length 1."""
    return squeeze(x, None if axes is None else tuple(np.asarray(axes).tolist()))


def unsqueezed(x: Any, axes: Any) -> Any:
    """`x` with new axes of length 1."""
    places = np.asarray(axes).tolist()
    rank = x.ndim + len(places)
    for axis in sorted(axis % rank for axis in places):
        x = unsqueeze(x, axis)
    return x


def sliced(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """`x` cut along some axes."""
    count = len(np.asarray(starts))
    index: list[Any] = [slice(None)] * x.ndim
    cuts = (np.arange(count) if axes is None else axes, starts, ends,
            np.ones(count, int) if steps is None else steps)  # fmt: skip
    for axis, start, end, step in zip(*(np.asarray(c).tolist() for c in cuts), strict=True):
        # In ONNX a number below every index means "to the front", which Python says by None.
        index[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return x[tuple(index)]


def split_up(x: Any, split: Any = None, *, axis: int = 0, num_outputs: int = 0) -> Any:
    """`x` in pieces along an axis, even ones unless told."""
    length = x.shape[axis]
    if split is None:
        size = -(-length // num_outputs)
        split = [size] * (num_outputs - 1) + [length - size * (num_outputs - 1)]
    ends = np.cumsum(split)
    index = (slice(None),) * (axis % x.ndim)
    return tuple(x[(*index, slice(end - n, end))] for n, end in zip(split, ends, strict=True))


def expanded(x: Any, shape: Any) -> Any:
    """`x` repeated to a shape, or to its own where that is longer."""
    return broadcast_to(x, np.broadcast_shapes(x.shape, tuple(np.asarray(shape).tolist())))


def constant(
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Any = None,
    value_int: int | None = None,
    value_ints: Any = None,
) -> Any:
    """The array that one of the attributes is."""
    floats = value_float if value_floats is None else value_floats
    ints = value_int if value_ints is None else value_ints
    if value is None:
        return np.array(ints, np.int64) if floats is None else np.array(floats, np.float32)
    return value


def filled(shape: Any, *, value: Any = None) -> Any:
    """An array of one number."""
    number = np.zeros(1, np.float32) if value is None else value
    return np.full(tuple(np.asarray(shape).tolist()), number[0], number.dtype)


def cast(x: Any, *, to: Any, saturate: int = 1) -> Any:
    """`x` in another dtype."""
    return astype(x, to)


def normalized(
    x: Any,
    scale: Any,
    bias: Any = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Any:
    """Layer normalisation of the axes from `axis` on."""
    return layer_norm(x, scale, bias, axes=x.ndim - axis % x.ndim, eps=epsilon)


def undropped(x: Any, ratio: Any = None, training_mode: Any = None, *, seed: int = 0) -> Any:
    """`x`, since a model that is read is in use."""
    if training_mode is not None and np.asarray(training_mode).any():
        raise InteropError("Dropout: got training_mode=True, which is not supported")
    return x


def shape_of(x: Any) -> Any:
    """The lengths of the axes."""
    return np.array(x.shape, np.int64)


OPERATORS: MappingProxyType[str, Operator] = MappingProxyType(
    {
        "Add": lambda a, b: a + b,
        "Cast": cast,
        "Concat": lambda *xs, axis: concatenate(list(xs), axis=axis),
        "Constant": constant,
        "ConstantOfShape": filled,
        "Div": lambda a, b: a / b,
        "Dropout": undropped,
        "Elu": lambda x, *, alpha=1.0: elu(x, alpha=alpha),
        "Exp": lambda x: exp(x),
        "Expand": expanded,
        "Gather": lambda x, ids, *, axis=0: take(x, ids, axis=axis),
        "Gemm": gemm,
        "Identity": lambda x: x,
        "LayerNormalization": normalized,
        "LeakyRelu": lambda x, *, alpha=0.01: leaky_relu(x, slope=alpha),
        "Log": lambda x: log(x),
        "LogSoftmax": lambda x, *, axis=-1: log_softmax(x, axis=axis),
        "MatMul": lambda a, b: a @ b,
        "Mul": lambda a, b: a * b,
        "Relu": lambda x: relu(x),
        "Reshape": reshaped,
        "Shape": shape_of,
        "Sigmoid": lambda x: sigmoid(x),
        "Slice": sliced,
        "Softmax": lambda x, *, axis=-1: softmax(x, axis=axis),
        "Softplus": lambda x: softplus(x),
        "Split": split_up,
        "Sqrt": lambda x: sqrt(x),
        "Squeeze": squeezed,
        "Sub": lambda a, b: a - b,
        "Tanh": lambda x: tanh(x),
        "Transpose": lambda x, *, perm=None: transpose(x, *(perm or range(x.ndim)[::-1])),
        "Unsqueeze": unsqueezed,
        **{name: partial(run, name) for name in ("GRU", "LSTM", "RNN")},
    }
)
