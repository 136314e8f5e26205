r"""The formulas of a live graph, in the names of its tensors or in their numbers.

A node's formula is its op's template filled with its operands. A share's formula is the op's
derivative rule, run on `TeX` carriers that bear those names: the very rule that `backward` runs.
"""

from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.engine import TeX
from tinygrad_rnn.engine.backward import PART
from tinygrad_rnn.engine.formula import written
from tinygrad_rnn.plot.notation import brief, brief_cotangent, name_in_tex, value_in_tex
from tinygrad_rnn.plot.replay import Node

LETTERS = "abcfjkmnpqrsuvwz"  # for what has no name


def symbols_of(nodes: list[Node]) -> dict[Node, str]:
    """A name for each node, no two the same: its own if it can have it, else a letter.

    An output without a name is called y.
    """
    symbols: dict[Node, str] = {}
    for node in nodes:
        if node.name and node.name not in symbols.values():
            symbols[node] = node.name
    taken = set(symbols.values())
    if "y" not in taken:
        symbols.setdefault(nodes[-1], "y")
    letters = [*LETTERS, *(f"v_{i}" for i in range(1, len(nodes) + 1))]
    free = iter([letter for letter in letters if letter not in taken])
    return {node: symbols.get(node) or next(free) for node in nodes}


@dataclass(frozen=True)
class Formulas:
    r"""How one graph's formulas are written.

    Attributes:
        symbols: each node's name.
        scalar: whether every value is a single number. Formulas are then given with numbers too,
            and a product is written `\cdot`.
    """

    symbols: dict[Node, str]
    scalar: bool

    def name(self, node: Node) -> str:
        """A node's name."""
        return name_in_tex(self.symbols[node])

    def bar(self, node: Node) -> str:
        """A cotangent's name."""
        return rf"\bar {self.name(node)}"

    def value(self, node: Node) -> str:
        """A node's formula in names, then in numbers, as equal things: x · x = 3 · 3."""
        both = [False, True] if self.scalar else [False]
        return equated([self.forward(node, numbers=numbers) for numbers in both])

    def share(self, node: Node, i: int, share: Any) -> str:
        """What input `i` of a node receives: in names, in numbers, and in all."""
        if not self.scalar:
            return self.backward(node, i, numbers=False)
        both = [self.backward(node, i, numbers=numbers) for numbers in (False, True)]
        return equated([*both, self.amount(share)])

    def amount(self, g: Any) -> str:
        """A cotangent's value."""
        text = brief_cotangent(g, sign="", norm="norm ")
        return value_in_tex(g) if text == brief(g) else rf"\text{{{text}}}"

    def forward(self, node: Node, *, numbers: bool) -> str:
        """What the op of a node computes; nothing for a leaf."""
        op, source = node.op, node.source
        if op is None:
            return ""
        if op is PART:
            return rf"{self.name(node.parents[0])}_{{[{source.params['i']}]}}"
        if op.replay is not None:
            (kept,) = self.operands(node, numbers=numbers)
            return rf"\operatorname{{checkpoint}}({written(kept)})"
        result = TeX.apply(op, self.operands(node, numbers=numbers), source.params)
        if op.bundles:
            return written(result[0]).removesuffix("_{0}")
        return self.multiplied(written(result))

    def backward(self, node: Node, i: int, *, numbers: bool) -> str:
        """The derivative rule of input `i`; a checkpoint hands on what it received."""
        op, source = node.source.op, node.source
        g = self.cotangent(node, numbers=numbers)
        if op.replay is not None:
            return written(g)
        y = None if op.bundles else self.carrier(node, numbers=numbers)
        result = op.rule(i)(g, y, *self.operands(node, numbers=numbers), **source.params)
        return self.multiplied(written(result))

    def cotangent(self, node: Node, *, numbers: bool) -> Any:
        """A node's cotangent; those of a bundle's parts side by side."""
        if isinstance(node.value, tuple):
            return tuple(TeX(rf"{self.bar(node)}_{{[{i}]}}", y) for i, y in enumerate(node.value))
        return in_numbers(node.cotangent) if numbers else TeX(self.bar(node), node.cotangent)

    def operands(self, node: Node, *, numbers: bool) -> tuple[Any, ...]:
        """What a node's op was given."""
        return tuple(
            self.carrier(x, numbers=numbers) if isinstance(x, Node) else x for x in node.operands
        )

    def carrier(self, node: Node, *, numbers: bool) -> TeX:
        """A node as an operand."""
        return in_numbers(node.value) if numbers else TeX(self.name(node), node.value)

    def multiplied(self, formula: str) -> str:
        r"""A formula with the sign of its products: there are no elements in a single number."""
        return formula.replace(r"\odot", r"\cdot") if self.scalar else formula


def in_numbers(x: Any) -> TeX:
    """A number as an operand; a negative one is parenthesised like a sum."""
    text = value_in_tex(x)
    return TeX(text, x, binds="sum" if text.startswith("-") else "atom")


def equated(parts: list[str]) -> str:
    """Equal things with equality signs between them, without repeats.

    Example:
        >>> equated(["a + x", "9 + 3", "12", "12"])
        'a + x = 9 + 3 = 12'
    """
    kept = [part for i, part in enumerate(parts) if i == 0 or part != parts[i - 1]]
    return " = ".join(kept)


def added_up(terms: list[str]) -> str:
    """A sum of numbers, negative ones in parentheses.

    Example:
        >>> added_up(["1", "-3", "3"])
        '1 + (-3) + 3'
    """
    first, *rest = terms
    return " + ".join([first, *(f"({term})" if term.startswith("-") else term for term in rest)])
