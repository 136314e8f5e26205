r"""What the stepper widget walks through: a graph's nodes, and its forward and backward steps.

The result is the JSON of the `tg-stepper` block on the site's page of components. Its formulas are
the ops' own; see `formulas`.

Example:
    >>> import tinygrad_rnn as tg
    >>> x = tg.tensor(3.0, requires_grad=True, name="x")
    >>> walk = steps(x * x + x)
    >>> [node["tex"] for node in walk["nodes"]]
    ['x', 'a = x \\cdot x', 'y = a + x']
    >>> for step in walk["steps"]:  # doctest: +ELLIPSIS
    ...     print(step["text"])
    The input \(x\) is \(3\).
    \(a = x \cdot x = 3 \cdot 3 = 9\).
    \(y = a + x = 9 + 3 = 12\).
    Backward starts with \(\bar y = \partial y / \partial y = 1\).
    \(\bar a = \bar y = 1\). \(\bar x = \bar y = 1\) so far.
    \(x\) receives \(\bar a \cdot x = 1 \cdot 3 = 3\) and ..., so \(\bar x = 1 + 3 + 3 = 7\).
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.backward import PART
from tinygrad_rnn.plot.formulas import Formulas, added_up, equated, symbols_of
from tinygrad_rnn.plot.layout import layered
from tinygrad_rnn.plot.notation import applied, brief, brief_cotangent, constant, value_in_tex
from tinygrad_rnn.plot.replay import LIMIT, Node, Visit, backward_visits, nodes_of

Step = dict[str, Any]


def steps(
    output: Tensor, *, gradient: Any = None, title: str | None = None, limit: int = LIMIT
) -> dict[str, Any]:
    r"""A walk forward and backward through the graph of a tensor, for JSON.

    Args:
        output: the tensor, usually a scalar. What has no name is given a letter, the output y.
        gradient: its cotangent; 1 for a scalar. An array without one is walked forward only.
        title: one line for the drawing's accessible name; the output's formula unless told.
        limit: the greatest number of nodes.

    Returns:
        `title`, `nodes` by layer, and `steps`, as the page on components describes them.

    Raises:
        GraphError: if a backward pass freed the graph.
        ValueError: if there are more than `limit` nodes.
        ShapeError: if the gradient's shape is not the output's.
    """
    nodes = nodes_of(output, limit)
    visits = backward_visits(nodes, gradient)
    formulas = Formulas(symbols_of(nodes), all(np.ndim(node.value) == 0 for node in nodes))
    return {
        "title": title or label(nodes[-1], formulas),
        "nodes": placed(nodes, formulas),
        "steps": [forward_step(node, formulas) for node in nodes]
        + backward_steps(nodes[-1], visits, formulas, given=gradient is not None),
    }


def placed(nodes: list[Node], formulas: Formulas) -> list[dict[str, Any]]:
    """The nodes as JSON, by layer and then by place in it, so that few edges cross."""
    at = {node: i for i, node in enumerate(nodes)}
    edges = [(at[parent], at[node]) for node in nodes for parent in node.parents]
    layout = layered([(1.0, 1.0)] * len(nodes), edges)
    order = sorted(range(len(nodes)), key=lambda i: (layout.layers[i], layout.lanes[i]))
    return [{**described(nodes[i], formulas), "layer": layout.layers[i]} for i in order]


def described(node: Node, formulas: Formulas) -> dict[str, Any]:
    """A node as JSON."""
    symbols = formulas.symbols
    tex = formulas.name(node)
    if node.op:
        tex += " = " + formulas.forward(node, numbers=False)
    return {
        "id": symbols[node],
        **({"op": node.op.name} if node.op else {}),
        "label": label(node, formulas),
        "tex": tex,
        "value": brief(node.value),
        **({} if node.cotangent is None else {"cotangent": amount(node.cotangent)}),
        "parents": [symbols[parent] for parent in node.parents],
    }


def label(node: Node, formulas: Formulas) -> str:
    """A node's name and what made it, in plain text."""
    symbols = formulas.symbols
    if node.op is None or node.op is PART:
        return symbols[node]
    operands = [symbols[x] if isinstance(x, Node) else constant(x) for x in node.operands]
    return f"{symbols[node]} = {applied(node.op, operands)}"


def amount(g: Any) -> str:
    """A cotangent in plain text."""
    return brief_cotangent(g, sign="", norm="norm ")


def forward_step(node: Node, formulas: Formulas) -> Step:
    """The step that computes a node, or takes it as given."""
    name, value = formulas.name(node), value_in_tex(node.value)
    is_shape = value.startswith("(")
    if node.op is None:
        text = rf"The input \({name}\) {'has the shape' if is_shape else 'is'} \({value}\)."
    elif is_shape:
        text = rf"\({name} = {formulas.value(node)}\), of shape \({value}\)."
    else:
        text = rf"\({equated([name, formulas.value(node), value])}\)."
    return {"phase": "forward", "node": formulas.symbols[node], "text": text}


def backward_steps(
    output: Node, visits: list[Visit], formulas: Formulas, *, given: bool
) -> list[Step]:
    """The steps of the backward pass."""
    if not visits:
        return []
    y, seed = formulas.name(output), formulas.amount(output.cotangent)
    start = rf"\(\bar {y} = \partial {y} / \partial {y} = {seed}\)"
    if given:
        start = rf"the cotangent that was given, \(\bar {y} = {seed}\)"
    now = {output: output.cotangent}
    told = [backward_step(output, now, f"Backward starts with {start}.", formulas)]
    running: dict[Node, list[Any]] = {}
    for k, visit in enumerate(visits):
        later = {parent for other in visits[k + 1 :] for parent in other.node.parents}
        step = handing_on(visit, running, later, formulas)
        told.append({**step, "contributions": [*map(contribution, visit.shares)]})
    return told


def backward_step(node: Node, cotangents: dict[Node, Any], text: str, formulas: Formulas) -> Step:
    """A backward step as JSON."""
    shown = {formulas.symbols[x]: amount(g) for x, g in cotangents.items()}
    return {
        "phase": "backward",
        "node": formulas.symbols[node],
        "cotangents": shown,
        "text": text,
    }


def contribution(share: Any) -> str:
    """What an edge carries back, nothing if it carries nothing."""
    return "" if share is None else amount(share)


def handing_on(
    visit: Visit, running: dict[Node, list[Any]], later: set[Node], formulas: Formulas
) -> Step:
    """The step in which a node hands its cotangent on.

    Args:
        visit: the node, and what it hands on.
        running: the shares that each node has received so far; brought forward.
        later: the nodes that will receive more.
        formulas: how to write them.
    """
    node = visit.node
    if node.op is PART:
        (bundle,) = node.parents
        part = rf"{formulas.bar(bundle)}_{{[{node.source.params['i']}]}}"
        text = rf"\({part} = {formulas.bar(node)}\)."
        return backward_step(node, {bundle: bundle.cotangent}, text, formulas)
    received: dict[Node, list[str]] = {}
    inputs = [i for i, x in enumerate(node.operands) if isinstance(x, Node)]
    for i, parent, share in zip(inputs, node.parents, visit.shares, strict=True):
        if share is not None:
            running.setdefault(parent, []).append(share)
            received.setdefault(parent, []).append(formulas.share(node, i, share))
    sentences = [
        sentence(parent, written, running[parent], formulas)
        + (" so far." if parent in later else ".")
        for parent, written in received.items()
    ]
    now = {parent: sum(running[parent]) for parent in received}
    return backward_step(node, now, " ".join(sentences), formulas)


def sentence(parent: Node, new: list[str], shares: list[Any], formulas: Formulas) -> str:
    """What a parent receives, and what that makes of its cotangent.

    Args:
        parent: who receives.
        new: the formulas of what is new.
        shares: all that it has received, old and new.
        formulas: how to write them.
    """
    if len(shares) == 1:
        return rf"\({equated([formulas.bar(parent), *new])}\)"
    what = " and ".join(rf"\({formula}\)" for formula in new)
    receives = rf"\({formulas.name(parent)}\) receives {what}"
    if not formulas.scalar:
        return f"{receives}, {len(shares)} shares in all"
    old, fresh = sum(shares[: -len(new)]), shares[-len(new) :]
    terms = [
        formulas.amount(np.asarray(g)) for g in ([old, *fresh] if len(shares) > len(new) else fresh)
    ]
    total = formulas.amount(np.asarray(sum(shares)))
    return rf"{receives}, so \({formulas.bar(parent)} = {added_up(terms)} = {total}\)"
