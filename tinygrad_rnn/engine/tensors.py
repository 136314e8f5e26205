"""A tensor: an array that remembers where it came from.

A tensor is its own node of the computation graph. One that an op made keeps the op, its inputs
and its parameters; one that a person made is a *leaf*. Nothing points forward, so dropping the
last output frees the graph at once, without the cycle collector.

Every tensor in a graph has a *birth rank* from one clock. An op's output is always younger than
its inputs, so "youngest first" is a topological order of the backward pass. The same clock dates
writes: a value written after an op used it is a value that the op's rule may no longer trust.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType, MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.engine import modes
from tinygrad_rnn.engine.anomaly import watch_value
from tinygrad_rnn.engine.backward import PART, pull
from tinygrad_rnn.engine.errors import DtypeError, GraphError, ShapeError
from tinygrad_rnn.engine.operation import Carrier, Inputs, Operation, Params, described
from tinygrad_rnn.kernels.memory import copied

Array = NDArray[Any]

tick: Callable[[], int] = count(1).__next__
recording = modes.recording.get
watching = modes.watching.get
frame_at = sys._getframe  # a line of user code costs 0.1 µs to note, a traceback 20


class Storage:
    """What tensors that share memory have in common: when, and where, it was last written."""

    __slots__ = ("line", "written")

    def __init__(self) -> None:
        self.written = 0
        self.line = ""


class Tensor(Carrier):
    """An array that remembers where it came from.

    `Tensor(array)` shares the array's memory; `tg.tensor(data)` copies and is what to use.

    Args:
        data: the values; converted by `np.asarray`.
        requires_grad: whether gradients with respect to it are wanted.

    Raises:
        DtypeError: if gradients are wanted of something that is not a real float.

    Attributes:
        data: its values. Write to them through `x[i] = v`, or call `mark_written`.
        grad: a tensor of its shape, filled by `backward`; None until then.
        op: the op that made it, None for a leaf.
        inputs: what that op was applied to,
        params: and with which static parameters.
        rank: its birth rank.
        name: how graphs and errors call it.

    Example:
        >>> import tinygrad_rnn as tg
        >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4., 6.])
    """

    data: Array
    # Class attributes stand for what most tensors never change, so making one stays cheap.
    requires_grad: bool = False
    grad: "Tensor | None" = None
    op: Operation | None = None
    inputs: Inputs = ()
    arrays: Inputs = ()
    params: Params = MappingProxyType({})
    rank: int = 0
    name: str | None = None
    storage: Storage | None = None
    made_at: tuple[Any, int] | None = None
    keeps_grad: bool = False
    freed: bool = False

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        self.data = np.asarray(data)
        self.rank = tick()
        if name is not None:
            self.name = name
        if requires_grad:
            if self.data.dtype.kind != "f":
                raise DtypeError(
                    f"requires_grad=True: got {described(self.data)}; only float32 and float64 "
                    "have gradients: convert with dtype='float32'"
                )
            self.requires_grad = True

    @staticmethod
    def apply(op: Operation, inputs: Inputs, params: Params) -> Any:
        """Compute `op` and, where a gradient may be asked for, remember how."""
        arrays: list[Any] = []
        tracked = False
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x.data)
                tracked = tracked or x.requires_grad
            elif isinstance(x, Carrier):
                return x.apply(op, inputs, params)
            else:
                arrays.append(x if isinstance(x, NUMERIC) else as_array(x))
        try:
            data = op.forward(*arrays, **params)
        except Exception as error:
            raise op.explained(error, arrays) from None
        if op.bundles:
            return unbundled(op, inputs, tuple(arrays), params, data, tracked and recording())
        # --8<-- [start:remember]
        y = new(Tensor)
        y.data = data if type(data) is np.ndarray else np.asarray(data)
        if y.data.base is not None:
            share_storage(y, inputs)
        if tracked and recording() and op.differentiable:
            y.requires_grad = True
            y.op, y.inputs, y.arrays, y.params = op, inputs, tuple(arrays), params
            y.rank = tick()
            frame = frame_at(2)
            y.made_at = frame.f_code, frame.f_lasti
        if watching():
            watch_value(y.data, op, arrays)
        return y
        # --8<-- [end:remember]

    def backward(
        self,
        gradient: Any = None,
        *,
        create_graph: bool = False,
        retain_graph: bool = False,
    ) -> None:
        """Add this tensor's derivative with respect to every leaf to that leaf's `grad`.

        Args:
            gradient: the cotangent to start from, of this tensor's shape; 1 for a scalar.
            create_graph: make the gradients differentiable in turn.
            retain_graph: keep what is needed to come back a second time.

        Raises:
            GraphError: if there is no graph, it was freed, or a value it needs was overwritten.
            ShapeError: if `gradient` is missing for a non-scalar, or has another shape.
        """
        if not self.requires_grad:
            raise GraphError(
                "backward: this tensor has no graph; make the tensors that you want gradients of "
                "with requires_grad=True, and compute outside of tg.no_grad()"
            )
        seed = seed_cotangent(self, gradient)
        if create_graph and not isinstance(seed, Tensor):
            seed = Tensor(seed)
        pull([(self, seed)], accumulate, create_graph=create_graph, retain_graph=retain_graph)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The type of its elements."""
        return self.data.dtype

    @property
    def is_leaf(self) -> bool:
        """Whether no op made it."""
        return self.op is None

    def detach(self) -> "Tensor":
        """The same values, outside of the graph."""
        y = Tensor(self.data)
        self.storage = y.storage = self.storage or Storage()
        return y

    def numpy(self) -> Array:
        """The values as an array that shares memory, read-only while a graph needs them.

        A write through the array would go unseen by `backward`.
        """
        view = self.data.view()
        view.flags.writeable = view.flags.writeable and not self.requires_grad
        return view

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.size != 1:
            raise ValueError(
                f"item: got a tensor of shape {self.shape}, which has {self.size} elements; "
                "expected one: reduce it first, for example with .sum()"
            )
        return self.data.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.data.tolist()

    def retain_grad(self) -> "Tensor":
        """Have `backward` fill this interior tensor's `grad` as well."""
        self.keeps_grad = True
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Start (or stop) wanting gradients with respect to this leaf."""
        if self.op is not None:
            raise GraphError(
                f"requires_grad_: this tensor was made by {self.op.name}; only a leaf can be "
                "told: use .detach() first"
            )
        self.requires_grad = Tensor(self.data, requires_grad).requires_grad
        return self

    def mark_written(self) -> None:
        """Date a write to `data`, so that no backward trusts the value that was there before."""
        date_write(self, frame_at(1))

    def __setitem__(self, index: Any, value: Any) -> None:
        recorded = recording()
        if self.op is not None or (self.requires_grad and recorded):
            made = f"was made by {self.op.name}" if self.op else "requires grad"
            raise GraphError(
                f"x[i] = v would change a value that a graph may need: this tensor {made}. "
                "Write y = x.at[i].set(v), which has a gradient"
                + ("" if self.op else ", or write inside `with tg.no_grad():`")
            )
        if isinstance(value, Tensor) and value.requires_grad and recorded:
            raise GraphError(
                "x[i] = v would lose the gradient of v: write y = x.at[i].set(v), or assign "
                "v.detach()"
            )
        self.data[plain_index(index)] = value.data if isinstance(value, Tensor) else value
        date_write(self, frame_at(1))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len(): a tensor of shape () has no axis to count")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"a {self.dtype} tensor is no index; expected an integer dtype")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        text = np.array2string(self.data, separator=", ", prefix="tensor(")
        facts = []
        if self.dtype not in (np.float32, np.int64, np.bool_):
            facts.append(f"dtype={self.dtype}")
        if self.op is not None:
            facts.append(f"op={self.op.name}")
        elif self.requires_grad:
            facts.append("requires_grad=True")
        return f"tensor({', '.join([text, *facts])})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise GraphError(
                "np.asarray(x) would lose the graph of a tensor that requires grad: call "
                "x.detach().numpy(), or use the op of the same name in tinygrad_rnn"
            )
        return np.array(self.data, dtype, copy=copy)

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise GraphError("__dlpack__: this tensor requires grad: export x.detach()")
        return self.data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.data.__dlpack_device__()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if self.op is not None:
            refuse_copy(self.op)
        y = type(self)(self.data.copy())
        y.requires_grad, y.name = self.requires_grad, self.name
        memo[id(self)] = y
        return y

    def __reduce__(self) -> Any:
        if self.op is not None:
            refuse_copy(self.op)
        return type(self), (self.data, self.requires_grad, self.name)


new = Tensor.__new__
NUMERIC = (np.ndarray, float, int, np.generic, type(None))


def refuse_copy(op: Operation) -> NoReturn:
    """Copying or pickling a graph node would copy the whole graph, or tear it."""
    raise GraphError(f"a tensor made by {op.name} cannot be copied or pickled: .detach() it first")


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """A new leaf with a copy of `data`.

    Args:
        data: numbers, nested lists, an array or a tensor.
        dtype: the dtype; by default an array keeps its own, and Python floats take the default
            of `tg.default_dtype`, float32.
        requires_grad: whether gradients with respect to it are wanted.
        name: how graphs and errors call it.

    Raises:
        ShapeError: if the rows of nested lists have different lengths.
        DtypeError: if the data are not real numbers, or gradients of integers are wanted.

    Example:
        >>> import tinygrad_rnn as tg
        >>> tg.tensor([[1, 2], [3, 4]], dtype="float32")
        tensor([[1., 2.],
                [3., 4.]])
    """
    array = np.array(as_array(data.data if isinstance(data, Tensor) else data, dtype), dtype)
    return Tensor(array, requires_grad, name)


def as_array(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of real numbers, Python floats in `dtype` or the default dtype.

    Raises:
        ShapeError: for ragged nested lists.
        DtypeError: for anything that is not real numbers.
    """
    if isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
    else:
        try:
            array = np.asarray(unwrapped(data))
        except ValueError:
            raise ShapeError(
                "tensor: got nested lists whose rows have different lengths; pad them to one "
                "length, or pass them one by one"
            ) from None
        if array.dtype.kind == "f":
            array = array.astype(dtype or modes.float_dtype.get())
    if array.dtype.kind not in "fiub":
        raise DtypeError(
            f"tensor: got {described(array)} from {type(data).__name__}; expected real numbers "
            "or booleans"
        )
    return array


def unwrapped(data: Any) -> Any:
    """Nested lists with every tensor in them replaced by its values."""
    if isinstance(data, list | tuple):
        return [unwrapped(x) for x in data]
    return data.__array__() if isinstance(data, Tensor) else data


def plain_index(index: Any) -> Any:
    """An index with every tensor in it replaced by its values."""
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    return index.data if isinstance(index, Tensor) else index


class Bundle:
    """The node of an op that returns several arrays; each of its tensors is a `PART` of it."""

    requires_grad = True
    keeps_grad = freed = False
    storage = name = None

    def __init__(self, op: Operation, inputs: Inputs, arrays: Inputs, params: Params) -> None:
        self.op, self.inputs, self.arrays, self.params = op, inputs, arrays, params
        self.data: tuple[Array, ...] = ()
        self.rank = tick()
        frame = frame_at(4)
        self.made_at = frame.f_code, frame.f_lasti


def unbundled(
    op: Operation,
    inputs: Inputs,
    arrays: Inputs,
    params: Params,
    data: tuple[Array, ...],
    tracked: bool,
) -> tuple[Tensor, ...]:
    """The tensors of an op that returns several, all pointing back to one node."""
    ys = tuple(Tensor(y) for y in data)
    for y in ys:
        if y.data.base is not None:
            share_storage(y, inputs)
    if tracked:
        bundle = Bundle(op, inputs, arrays, params)
        bundle.data = data
        for i, y in enumerate(ys):
            y.requires_grad, y.op, y.inputs, y.params = True, PART, (bundle,), {"i": i}
            y.rank, y.made_at = tick(), bundle.made_at
    return ys


def seed_cotangent(y: Tensor, gradient: Any) -> Any:
    """The cotangent that a backward pass starts from, in the shape and dtype of its output.

    Raises:
        ShapeError: if it is missing for a non-scalar, or has another shape.
    """
    if gradient is None:
        if y.size != 1:
            raise ShapeError(
                f"backward: got an output of shape {y.shape}, whose derivative is not one "
                "gradient; pass backward(gradient) of that shape, or reduce it, for example with "
                ".sum()"
            )
        return np.ones(y.shape, y.dtype)
    given = gradient if isinstance(gradient, Tensor) else np.asarray(gradient)
    if given.shape != y.shape:
        raise ShapeError(
            f"backward: got a gradient of shape {given.shape} for an output of shape {y.shape}; "
            "they must be equal"
        )
    return given if given.dtype == y.dtype else given.astype(y.dtype)


# --8<-- [start:accumulate]
def accumulate(leaf: Tensor, g: Any, ours: bool) -> None:
    """Add a cotangent to a tensor's `grad`, which never shares memory with another's."""
    if leaf.grad is None:
        leaf.grad = g if isinstance(g, Tensor) else Tensor(g if ours else copied(g))
    elif isinstance(g, Tensor):
        leaf.grad = leaf.grad + g
    else:
        leaf.grad = Tensor(leaf.grad.data + g)


# --8<-- [end:accumulate]


def date_write(x: Tensor, writer: FrameType) -> None:
    """Date a write to a tensor's memory, and note the line that made it."""
    x.storage = storage = x.storage or Storage()
    storage.written = tick()
    storage.line = f"{writer.f_code.co_filename}:{writer.f_lineno}"


def share_storage(y: Tensor, inputs: Inputs) -> None:
    """Let a view and what it views date their writes together."""
    base = y.data.base
    for x in inputs:
        if isinstance(x, Tensor) and (base is x.data or base is x.data.base):
            x.storage = y.storage = x.storage or Storage()
