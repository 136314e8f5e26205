r"""The backward pass: carry cotangents from outputs to leaves, youngest node first.

For $y = f(a, b)$ the chain rule in reverse is

$$\bar a = \Big(\frac{\partial y}{\partial a}\Big)^{\!\top} \bar y, \qquad
  \bar b = \Big(\frac{\partial y}{\partial b}\Big)^{\!\top} \bar y,$$

one vjp per input. A tensor used twice receives two cotangents, and they add. A node may pass its
cotangent on only when all of them have come in: when every younger node is done. Birth ranks
give that order, a heap keeps it, and there is no recursion, so a chain of 100,000 ops is fine.
"""

from collections.abc import Callable, Collection, Iterable
from heapq import heappop, heappush
from typing import Any

import numpy as np

from tinygrad_rnn.engine import modes
from tinygrad_rnn.engine.anomaly import line_of, watch_cotangent
from tinygrad_rnn.engine.errors import GraphError, ShapeError
from tinygrad_rnn.engine.operation import Carrier, Inputs, Operation, Params

Node = Any  # a Tensor; this module is below `tensor`, and needs only its attributes
Deposit = Callable[[Node, Any, bool], None]


class Pending:
    """Cotangents that wait until all uses of their node have sent theirs.

    Args:
        in_place: whether sums may be added to, which cotangents with graphs of their own forbid.
    """

    def __init__(self, in_place: bool) -> None:
        self.in_place = in_place
        self.entries: dict[int, list[Any]] = {}  # birth rank -> node, cotangent, whether it is ours
        self.youngest: list[int] = []  # a heap of negated birth ranks

    # --8<-- [start:push]
    def push(self, node: Node, g: Any, ours: bool = False) -> None:
        """Add a cotangent to what its node has received so far; `ours` if nobody else has it."""
        rank = node.rank
        entry = self.entries.get(rank)
        if entry is None:
            self.entries[rank] = [node, g, ours and self.in_place]
            heappush(self.youngest, -rank)
        elif entry[2]:
            entry[1] += g
        else:  # g may belong to others, but their sum is ours, and takes what is still to come
            entry[1], entry[2] = entry[1] + g, self.in_place

    # --8<-- [end:push]

    def push_part(self, part: Node, g: Any) -> None:
        """Add the cotangent of one of the outputs of an op that has several."""
        (bundle,) = part.inputs
        if bundle.rank not in self.entries:
            self.push(bundle, [None] * len(bundle.data))
        self.entries[bundle.rank][1][part.params["i"]] = g

    def pop(self) -> tuple[Node, Any, bool]:
        """The youngest node, its whole cotangent, and whether that is ours."""
        node, g, ours = self.entries.pop(-heappop(self.youngest))
        return node, g, ours


def pull(
    seeds: Iterable[tuple[Node, Any]],
    deposit: Deposit,
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    stops: Collection[int] = (),
) -> None:
    """Carry cotangents back from `seeds`, handing those of leaves to `deposit`.

    Args:
        seeds: outputs, each with its cotangent.
        deposit: called with a leaf (or a stop, or a node that keeps its gradient), its whole
            cotangent, and whether that may be kept without a copy.
        create_graph: run the rules on tensors, so that cotangents have graphs of their own.
        retain_graph: do not free the values that were used.
        stops: birth ranks of the nodes to treat as leaves.

    Raises:
        GraphError: if a needed value was freed or overwritten.
    """
    pending = Pending(in_place=not create_graph)
    push, watch = pending.push, modes.watching.get()
    with modes.setting(modes.recording, create_graph):
        for node, g in seeds:
            push(node, g)
        # --8<-- [start:youngest]
        while pending.youngest:
            node, g, ours = pending.pop()
            op = node.op
            if op is None or node.rank in stops:
                deposit(node, g, ours)
                continue
            if node.keeps_grad:
                deposit(node, g, False)
            if node.freed:
                raise freed(node)
            # --8<-- [end:youngest]
            if op.replay is not None:
                push(op.replay(node), g)
                continue
            if op is PART:
                pending.push_part(node, g)
                continue
            if op.bundles and not op.gaps:
                g = filled(g, node)
            # --8<-- [start:rules]
            y, inputs = (node, node.inputs) if create_graph else (node.data, node.arrays)
            if overwritten(node):
                y, inputs = trusted(node, y, inputs)
            rules, fixed, params = op.rules, op.fixed, node.params
            for i, x in enumerate(node.inputs):
                if isinstance(x, Carrier) and x.requires_grad:
                    rule = rules[i] if i < fixed else op.rule(i)
                    if rule is not None:
                        gx = rule(g, y, *inputs, **params)
                        shape = x.data.shape
                        if gx.shape != shape or gx.dtype != x.data.dtype:
                            gx = settled(gx, shape, x.data.dtype, op, i)
                        if watch:
                            watch_cotangent(gx, node, i)
                        push(x, gx, op.fresh)
            if not (retain_graph or create_graph):
                node.freed, node.inputs, node.arrays = True, (), ()
            # --8<-- [end:rules]


def part(bundle: Any, /, i: int) -> Any:
    """One of the arrays of an op that returns several."""
    return bundle[i]


PART = Operation(part)  # never applied: `pull` knows what to do with it


def filled(gs: Iterable[Any], bundle: Node) -> tuple[Any, ...]:
    """The cotangents of a bundle's parts, zero for those that nothing depended on."""
    return tuple(np.zeros_like(y) if g is None else g for g, y in zip(gs, bundle.data, strict=True))


def overwritten(node: Node) -> bool:
    """Whether memory that a node's rules may read was written after its op had run."""
    rank, storage = node.rank, node.storage
    if storage is not None and storage.written > rank:
        return True
    for x in node.inputs:
        if isinstance(x, Carrier):
            storage = x.storage
            if storage is not None and storage.written > rank:
                return True
    return False


def trusted(node: Node, y: Any, inputs: Inputs) -> tuple[Any, Inputs]:
    """The output and inputs of a node, those that were overwritten replaced by `Overwritten`."""

    def stale(x: Any) -> bool:
        storage = x.storage if isinstance(x, Carrier) else None
        return storage is not None and storage.written > node.rank

    names = node.op.names(len(node.inputs))
    return Overwritten(node, node, "its own output") if stale(node) else y, tuple(
        Overwritten(x, node, f"its input {name!r}") if stale(x) else value
        for x, value, name in zip(node.inputs, inputs, names, strict=True)
    )


def settled(g: Any, shape: tuple[int, ...], dtype: Any, op: Operation, i: int) -> Any:
    r"""A cotangent in its input's shape and dtype: the one place where either is changed.

    Derivation:
        Broadcasting copies: $y_{kj} = x_j$ for every $k$. A value that was copied collects the
        cotangents of all its copies, so
        $$\bar x_j = \sum_k \bar y_{kj}.$$

    Raises:
        ShapeError: if no broadcasting of the input explains the cotangent's shape.
    """
    # --8<-- [start:settled]
    if g.shape != shape:
        extra = len(g.shape) - len(shape)
        if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
            raise ShapeError(
                f"{op.name}: the rule of input {op.names(i + 1)[i]!r} gave a cotangent of shape "
                f"{tuple(g.shape)} for an input of shape {shape}; expected that shape, or one "
                "that it broadcasts to"
            )
        copied = tuple(
            k for k, m in enumerate(g.shape) if k < extra or (shape[k - extra] == 1 and m != 1)
        )
        g = g.sum(axis=copied, keepdims=True).reshape(shape)
    return g if g.dtype == dtype else g.astype(dtype)
    # --8<-- [end:settled]


def freed(node: Node) -> GraphError:
    """A second backward came to values that the first one gave back."""
    return GraphError(
        f"backward: the values that {node.op.name} saved at {line_of(node)} were freed by an "
        "earlier backward; call that one with retain_graph=True, or compute the output again"
    )


class Overwritten(Carrier):
    """Stands for a value that is no longer there: its shape may be asked for, nothing else."""

    requires_grad = False

    def __init__(self, tensor: Node, node: Node, role: str) -> None:
        self.shape, self.ndim, self.size = tensor.shape, tensor.ndim, tensor.size
        self.dtype = tensor.dtype
        name = f" (tensor {tensor.name!r})" if tensor.name else ""
        self.message = (
            f"backward: {node.op.name}, run at {line_of(node)}, needs {role}{name} of shape "
            f"{tensor.shape}, which was overwritten at {tensor.storage.line}; write to a copy, "
            "use y = x.at[i].set(v), or write after backward"
        )

    @staticmethod
    def apply(op: Operation, inputs: Inputs, params: Params) -> Any:
        """Refuse."""
        raise next(GraphError(x.message) for x in inputs if isinstance(x, Overwritten))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise GraphError(self.message)

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise GraphError(self.message)

    def __getattr__(self, name: str) -> Any:
        raise GraphError(self.message)
