"""A live graph, read for drawing: its nodes, and the backward pass over them, step by step.

Nothing is changed: no `grad` is read or written, and nothing is freed. The engine itself computes
each node's shares, on a stand-in whose inputs are leaves, so what is drawn is what `backward`
does.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import numpy as np

from tinygrad_rnn.engine import GraphError, Operation, ShapeError, Tensor
from tinygrad_rnn.engine.anomaly import line_of
from tinygrad_rnn.engine.backward import PART, pull
from tinygrad_rnn.engine.tensors import Bundle, seed_cotangent

LIMIT = 60
MADE = (Tensor, Bundle)  # what an op makes: a tensor, or the node of several


@dataclass(eq=False)
class Node:
    """A tensor of the graph, or an array that one of its ops was given.

    Attributes:
        source: the tensor or array.
        operands: for each input of its op a node, or the plain number that was given.
        cotangent: the output's derivative with respect to it; None where there is none.
    """

    source: Any
    operands: list[Any] = field(default_factory=list)
    cotangent: Any = None

    @property
    def op(self) -> Operation | None:
        """The op that made it; None for a leaf."""
        return self.source.op if isinstance(self.source, MADE) else None

    @property
    def name(self) -> str:
        """Its name, or nothing."""
        return (isinstance(self.source, MADE) and self.source.name) or ""

    @property
    def value(self) -> Any:
        """Its values."""
        return self.source.data if isinstance(self.source, MADE) else self.source

    @property
    def differentiable(self) -> bool:
        """Whether it can have a cotangent."""
        return isinstance(self.source, MADE) and self.source.requires_grad

    @property
    def parents(self) -> list["Node"]:
        """The nodes among its operands, in order, a repeated one twice."""
        return [x for x in self.operands if isinstance(x, Node)]


@dataclass(frozen=True)
class Visit:
    """One step of the backward pass.

    Attributes:
        node: whose cotangent is complete and now passed on.
        shares: what each parent receives; None for one that receives nothing.
    """

    node: Node
    shares: list[Any]


def nodes_of(output: Tensor, limit: int = LIMIT) -> list[Node]:
    """The nodes of an output's graph, inputs before what uses them.

    Raises:
        TypeError: if the output is no tensor.
        GraphError: if a backward pass freed the graph.
        ValueError: if there are more than `limit` nodes.
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"plot: got {type(output).__name__}; expected the tensor to draw")
    found: dict[int, Node] = {}
    met: dict[int, list[Any]] = {}
    stack: list[Any] = [output]
    while stack:
        x = stack[-1]
        if id(x) not in met:
            met[id(x)] = operands_of(x)
            stack += [a for a in reversed(met[id(x)]) if drawn(a) and id(a) not in met]
        else:
            stack.pop()
            if id(x) not in found:
                operands = [found[id(a)] if drawn(a) else a for a in met[id(x)]]
                found[id(x)] = Node(x, operands)
    if len(found) > limit:
        raise ValueError(
            f"plot: this graph has {len(found):,} nodes and the limit is {limit:,}, beyond which "
            "a drawing is hard to read; draw a smaller example or an earlier tensor, or pass "
            f"limit={len(found)}"
        )
    return list(found.values())


def operands_of(x: Any) -> list[Any]:
    """What a tensor was made from: tensors, arrays and numbers."""
    if not isinstance(x, MADE) or x.op is None:
        return []
    if x.freed:
        raise GraphError(
            f"plot: the graph behind {x.op.name}, run at {line_of(x)}, was freed by backward; "
            "draw before backward, or call backward(retain_graph=True)"
        )
    if x.op.replay is not None:
        return [x.op.replay(x)]
    arrays = x.arrays or x.inputs
    return [
        given if isinstance(given, MADE) or np.ndim(array) == 0 else array
        for given, array in zip(x.inputs, arrays, strict=True)
    ]


def drawn(x: Any) -> bool:
    """Whether an operand is a box of its own; plain numbers are written beside the op."""
    return isinstance(x, MADE) or np.ndim(x) > 0


def backward_visits(nodes: list[Node], gradient: Any = None) -> list[Visit]:
    """Fill in every node's cotangent, in the engine's order, and tell the steps.

    Args:
        nodes: as `nodes_of` gives them, the output last.
        gradient: the output's cotangent; 1 for a scalar. Without it an array has none.

    Raises:
        ShapeError: if the gradient's shape is not the output's.
    """
    output = nodes[-1]
    if not output.differentiable or (gradient is None and np.size(output.value) != 1):
        return []
    output.cotangent = seed_of(output.source, gradient)
    youngest = [(-output.source.rank, output)]
    waiting = {output}
    visits = []
    while youngest:
        _, node = heappop(youngest)
        if node.op is None:
            continue
        visit = Visit(node, shares_of(node))
        visits.append(visit)
        for parent, share in zip(node.parents, visit.shares, strict=True):
            if share is not None:
                receive(parent, share, node)
                if parent not in waiting:
                    waiting.add(parent)
                    heappush(youngest, (-parent.source.rank, parent))
    return visits


def seed_of(output: Tensor, gradient: Any) -> Any:
    """The cotangent to start from, without a graph."""
    try:
        seed = seed_cotangent(output, gradient)
    except ShapeError as error:
        raise ShapeError(str(error).replace("backward", "plot", 1)) from None
    return seed.data if isinstance(seed, Tensor) else seed


def receive(parent: Node, share: Any, node: Node) -> None:
    """Add a share to a parent's cotangent; a bundle keeps those of its parts side by side."""
    if node.op is PART:
        parent.cotangent = parent.cotangent or [None] * len(parent.value)
        parent.cotangent[node.source.params["i"]] = share
    else:
        parent.cotangent = share if parent.cotangent is None else parent.cotangent + share


def shares_of(node: Node) -> list[Any]:
    """What each parent receives of a node's cotangent, as the engine computes it."""
    source = node.source
    if source.op is PART or source.op.replay is not None:
        return [node.cotangent]
    leaves = [stand_in_leaf(x) for x in source.inputs]
    stand_in = object.__new__(type(source))
    vars(stand_in).update(vars(source), inputs=tuple(leaves), keeps_grad=False)
    received: dict[int, Any] = {}

    def deposit(leaf: Tensor, g: Any, ours: bool) -> None:
        received[id(leaf)] = np.asarray(g)

    pull([(stand_in, node.cotangent)], deposit, retain_graph=True)
    return [
        received.get(id(leaf))
        for leaf, operand in zip(leaves, node.operands, strict=True)
        if isinstance(operand, Node)
    ]


def stand_in_leaf(x: Any) -> Any:
    """A leaf with an input's values, and its memory of when they were written."""
    if not isinstance(x, Tensor):
        return x
    leaf = Tensor(x.data, x.requires_grad)
    leaf.storage = x.storage
    return leaf
