r"""What the stepper widget walks through: a graph's nodes, and its forward and backward steps.

The result is the JSON of the `tg-stepper` block on the site's page of components. Its formulas are
the ops' own: a node's is the op's template filled with the names of its operands, and a share's is
the derivative rule run on `TeX` carriers that bear them.

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

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Tensor, TeX
from tinygrad_rnn.engine.backward import PART
from tinygrad_rnn.engine.formula import written
from tinygrad_rnn.plot.layout import layered
from tinygrad_rnn.plot.notation import (
    applied,
    brief,
    brief_cotangent,
    constant,
    name_in_tex,
    value_in_tex,
)
from tinygrad_rnn.plot.replay import LIMIT, Node, Visit, backward_visits, nodes_of

LETTERS = "abcfjkmnpqrsuvwz"  # for what has no name


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
    walk = Walk(symbols_of(nodes), scalar=all(np.ndim(node.value) == 0 for node in nodes))
    return {
        "title": title or walk.label(nodes[-1]),
        "nodes": walk.placed(nodes),
        "steps": [walk.forward(node) for node in nodes]
        + walk.backward(nodes[-1], visits, given=gradient is not None),
    }


def symbols_of(nodes: list[Node]) -> dict[Node, str]:
    """A name for each node, no two the same: its own if it can have it, else a letter."""
    taken: set[str] = set()
    symbols = {}
    for node in nodes:
        if node.name and node.name not in taken:
            symbols[node] = node.name
            taken.add(node.name)
    free = iter([*LETTERS, *(f"v_{i}" for i in range(1, len(nodes) + 1))])
    if "y" not in taken:
        symbols.setdefault(nodes[-1], "y")
    for node in nodes:
        if node not in symbols:
            symbols[node] = next(letter for letter in free if letter not in taken)
    return symbols


@dataclass(frozen=True)
class Walk:
    """How a graph's steps are told.

    Attributes:
        symbols: each node's name.
        scalar: whether every value is a single number; numbers are then put into formulas.
    """

    symbols: dict[Node, str]
    scalar: bool

    def placed(self, nodes: list[Node]) -> list[dict[str, Any]]:
        """The nodes as JSON, by layer and then by place in it, so that few edges cross."""
        at = {node: i for i, node in enumerate(nodes)}
        edges = [(at[parent], at[node]) for node in nodes for parent in node.parents]
        layout = layered([(1.0, 1.0)] * len(nodes), edges)
        order = sorted(range(len(nodes)), key=lambda i: (layout.layers[i], layout.lanes[i]))
        return [{**self.node(nodes[i]), "layer": layout.layers[i]} for i in order]

    def node(self, node: Node) -> dict[str, Any]:
        """A node as JSON."""
        return {
            "id": self.symbols[node],
            **({"op": node.op.name} if node.op else {}),
            "label": self.label(node),
            "tex": " = ".join([self.name(node), *self.formula(node, numbers=False)]),
            "value": brief(node.value),
            **({} if node.cotangent is None else {"cotangent": self.amount(node.cotangent)}),
            "parents": [self.symbols[parent] for parent in node.parents],
        }

    def label(self, node: Node) -> str:
        """A node's name and what made it, in plain text."""
        if node.op is None or node.op is PART:
            return self.symbols[node]
        operands = [self.symbols[x] if isinstance(x, Node) else constant(x) for x in node.operands]
        return f"{self.symbols[node]} = {applied(node.op, operands)}"

    def forward(self, node: Node) -> dict[str, Any]:
        """The step that computes a node, or takes it as given."""
        value = value_in_tex(node.value)
        if node.op is None:
            text = rf"The input \({self.name(node)}\) is \({value}\)."
            if value.startswith("("):
                text = rf"The input \({self.name(node)}\) has the shape \({value}\)."
        elif value.startswith("("):
            text = rf"\({self.equation(node)}\), of shape \({value}\)."
        else:
            text = rf"\({self.equation(node, value)}\)."
        return {"phase": "forward", "node": self.symbols[node], "text": text}

    def equation(self, node: Node, *value: str) -> str:
        """A node's name, its formula, the formula with numbers, its value."""
        numbers = self.formula(node, numbers=True) if self.scalar else []
        return chained([self.name(node), *self.formula(node, numbers=False), *numbers, *value])

    def backward(self, output: Node, visits: list[Visit], *, given: bool) -> list[dict[str, Any]]:
        """The steps of the backward pass."""
        if not visits:
            return []
        y, seed = self.name(output), self.amount_in_tex(output.cotangent)
        start = rf"\(\bar {y} = \partial {y} / \partial {y} = {seed}\)"
        if given:
            start = rf"the cotangent that was given, \(\bar {y} = {seed}\)"
        told = [self.step(output, {output: output.cotangent}, f"Backward starts with {start}.")]
        running: dict[Node, Any] = {}
        for k, visit in enumerate(visits):
            later = {parent for other in visits[k + 1 :] for parent in other.node.parents}
            told.append(self.visit(visit, running, later))
        return told

    def visit(self, visit: Visit, running: dict[Node, Any], later: set[Node]) -> dict[str, Any]:
        """The step in which a node hands its cotangent on; `running` sums are brought forward."""
        received: dict[Node, list[tuple[Any, str]]] = {}
        formulas = self.share_formulas(visit)
        for parent, share, formula in zip(visit.node.parents, visit.shares, formulas, strict=True):
            if share is not None:
                received.setdefault(parent, []).append((share, formula))
        sentences = []
        for parent, shares in received.items():
            sentence = self.sentence(parent, shares, running.get(parent))
            sentences.append(sentence + (" so far." if parent in later else "."))
            for share, _ in shares:
                running[parent] = added(running.get(parent), share)
        now = {parent: running[parent] for parent in received}
        step = self.step(visit.node, now, " ".join(sentences))
        carried = ["" if share is None else self.amount(share) for share in visit.shares]
        return {**step, "contributions": carried}

    def step(self, node: Node, cotangents: dict[Node, Any], text: str) -> dict[str, Any]:
        """A backward step as JSON."""
        shown = {self.symbols[x]: self.amount(g) for x, g in cotangents.items()}
        return {
            "phase": "backward",
            "node": self.symbols[node],
            "cotangents": shown,
            "text": text,
        }

    def sentence(self, parent: Node, shares: list[tuple[Any, str]], before: Any) -> str:
        """What a parent receives, and what that makes of its cotangent."""
        name = self.name(parent)
        if before is None and len(shares) == 1:
            return rf"\(\bar {name} = {shares[0][1]}\)"
        what = " and ".join(rf"\({formula}\)" for _, formula in shares)
        terms = [*([] if before is None else [before]), *(share for share, _ in shares)]
        if not self.scalar:
            return rf"\({name}\) receives {what}, {count_in_words(len(terms))} in all"
        numbers = [self.amount_in_tex(term) for term in terms]
        signed = [numbers[0], *(f"({n})" if n.startswith("-") else n for n in numbers[1:])]
        total = self.amount_in_tex(sum(terms[1:], terms[0]))
        return rf"\({name}\) receives {what}, so \(\bar {name} = {' + '.join(signed)} = {total}\)"

    def formula(self, node: Node, *, numbers: bool) -> list[str]:
        """What the op of a node computes, in the names of its operands or in their numbers."""
        if node.op is None:
            return []
        if node.op is PART:
            return [rf"{self.name(node.parents[0])}_{{[{node.source.params['i']}]}}"]
        if node.op.replay is not None:
            return [rf"\operatorname{{checkpoint}}({self.name(node.parents[0])})"]
        result = TeX.apply(node.op, self.carriers(node, numbers=numbers), node.source.params)
        return [self.dotted(written(result[0] if isinstance(result, tuple) else result))]

    def share_formulas(self, visit: Visit) -> list[str]:
        """What each parent receives, as formula, formula with numbers, and number."""
        node = visit.node
        formulas: list[str] = []
        for i, operand in enumerate(node.operands):
            if not isinstance(operand, Node):
                continue
            share = visit.shares[len(formulas)]
            parts = [self.rule(node, i, numbers=False)] if share is not None else []
            if self.scalar and share is not None:
                parts += [self.rule(node, i, numbers=True), self.amount_in_tex(share)]
            formulas.append(chained(parts))
        return formulas

    def rule(self, node: Node, i: int, *, numbers: bool) -> str:
        """The derivative rule of input `i`, run on TeX."""
        source, op = node.source, node.source.op
        g: Any = self.cotangent(node, numbers=numbers)
        if op is PART or op.replay is not None:
            return written(g)
        y = TeX(self.name(node), node.value)
        if numbers:
            y = number_carrier(node.value)
        result = op.rule(i)(g, y, *self.carriers(node, numbers=numbers), **source.params)
        return self.dotted(written(result))

    def cotangent(self, node: Node, *, numbers: bool) -> Any:
        """A node's cotangent as a formula; those of a bundle's parts side by side."""
        if isinstance(node.cotangent, list):
            bar = rf"\bar {self.name(node)}"
            return tuple(TeX(f"{bar}_{{[{i}]}}", y) for i, y in enumerate(node.value))
        if numbers:
            return number_carrier(node.cotangent)
        return TeX(rf"\bar {self.name(node)}", node.cotangent)

    def carriers(self, node: Node, *, numbers: bool) -> tuple[Any, ...]:
        """A node's operands as formulas: their names or their numbers."""
        return tuple(
            (number_carrier(x.value) if numbers else TeX(self.name(x), x.value))
            if isinstance(x, Node)
            else x
            for x in node.operands
        )

    def name(self, node: Node) -> str:
        """A node's name as LaTeX."""
        return name_in_tex(self.symbols[node])

    def dotted(self, formula: str) -> str:
        r"""A formula; between single numbers the product is `\cdot`."""
        return formula.replace(r"\odot", r"\cdot") if self.scalar else formula

    def amount(self, g: Any) -> str:
        """A cotangent as text."""
        return brief_cotangent(g, sign="", norm="norm ")

    def amount_in_tex(self, g: Any) -> str:
        """A cotangent as LaTeX."""
        return value_in_tex(g) if brief(g) == self.amount(g) else rf"\text{{{self.amount(g)}}}"


def number_carrier(x: Any) -> TeX:
    """A number as a formula; a negative one is parenthesised like a sum."""
    text = value_in_tex(x)
    return TeX(text, x, binds="sum" if text.startswith("-") else "atom")


def chained(parts: list[str]) -> str:
    """Equal things with equality signs between them, without repeats."""
    kept = [part for i, part in enumerate(parts) if i == 0 or part != parts[i - 1]]
    return " = ".join(kept)


def added(total: Any, share: Any) -> Any:
    """A running sum that may not have begun."""
    return share if total is None else total + share


def count_in_words(n: int) -> str:
    """How many shares."""
    return {2: "two shares", 3: "three shares"}.get(n, f"{n} shares")
