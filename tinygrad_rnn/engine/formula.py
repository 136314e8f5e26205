r"""Formulas that print themselves: run a rule on `TeX` carriers, and it writes what it computes.

An op's `tex` is a template in which `#x` stands for the input or parameter called `x`. A bare
`#x` is parenthesised when it binds more loosely than the op does; one in braces or parentheses of
its own, `{#x}` or `f(#x)`, is grouped already and never is.

Example:
    >>> import tinygrad_rnn as tg
    >>> a, b = TeX("a", 1.0), TeX("b", 2.0)
    >>> print(a * (b + 1))
    a \odot (b + 1)
    >>> print(formulas_of(tg.tanh)[0])
    \bar x = \bar y \odot (1 - y \odot y)
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.engine.operation import Carrier, Inputs, Operation, Params
from tinygrad_rnn.engine.samples import Case

# How tightly a formula holds together, from loosest to tightest.
BINDING = {"comparison": 0, "sum": 1, "product": 2, "function": 3, "power": 4, "atom": 5}
SLOT = re.compile(r"#(\w+)")
OPENING, CLOSING = ("{", "(", ","), ("}", ")", ",")


class TeX(Carrier):
    """A formula, with a sample value so that rules may ask for its shape.

    Args:
        formula: LaTeX, without dollars.
        value: a sample value.
        binds: how tightly the formula holds together, a key of `BINDING`.
    """

    requires_grad = False

    def __init__(self, formula: str, value: Any, binds: str = "atom") -> None:
        self.formula, self.value, self.binds = formula, np.asarray(value), binds
        self.shape, self.ndim = self.value.shape, self.value.ndim
        self.dtype, self.size = self.value.dtype, self.value.size

    @staticmethod
    def apply(op: Operation, inputs: Inputs, params: Params) -> Any:
        """Write the op's formula around those of its inputs."""
        values = [x.value if isinstance(x, TeX) else x for x in inputs]
        slots = {**params, **dict(zip(op.names(len(inputs)), inputs, strict=True))}
        if op.variadic:
            slots[op.input_names[-1]] = TeX(", ".join(map(written, inputs[op.fixed :])), 0.0)
        formula = fill(op.tex or default_template(op), slots, op.binds)
        value = op.compute(values, params)
        if op.bundles:
            return tuple(TeX(rf"{formula}_{{{i}}}", v) for i, v in enumerate(value))
        return TeX(formula, value, op.binds)

    def __str__(self) -> str:
        return self.formula

    __repr__ = __str__


def default_template(op: Operation) -> str:
    r"""How an op without a template is written: as a function, \operatorname{op}(x, …)."""
    name = op.name.replace("_", r"\_")
    return rf"\operatorname{{{name}}}({', '.join(f'#{n}' for n in op.input_names)})"


def fill(template: str, slots: Mapping[str, Any], binds: str) -> str:
    """A template with its slots filled, parenthesised where the formula would be misread."""
    first = True

    def put(match: re.Match[str]) -> str:
        nonlocal first
        x = slots[match[1]]
        start, end = match.span()
        before, after = template[:start].rstrip()[-1:], template[end : end + 1]
        grouped = before in OPENING and after in CLOSING
        level = BINDING[binding_of(x)]
        # The left operand of a - b - c needs no parentheses; the right one of a - (b - c) does,
        # and both do in a power, where two superscripts cannot stand side by side.
        equal = level == BINDING[binds] < BINDING["atom"]
        loose = level < BINDING[binds] or (equal and (not first or binds == "power"))
        first = False
        return f"({written(x)})" if loose and not grouped else written(x)

    return SLOT.sub(put, template)


def binding_of(x: Any) -> str:
    """How tightly an operand holds together; a negative number like a sum."""
    if isinstance(x, TeX):
        return x.binds
    return "sum" if isinstance(x, int | float) and x < 0 else "atom"


def written(x: Any) -> str:
    """An operand in a formula; numbers without a needless decimal point."""
    if isinstance(x, TeX):
        return x.formula
    if isinstance(x, float):
        return f"{x:g}".replace("inf", r"\infty")
    return r"\cdot" if isinstance(x, np.ndarray) and x.ndim else str(x)


def formulas_of(op: Operation, case: Case | None = None) -> list[str]:
    r"""What the op's rules compute, one `\bar x = …` for each differentiable input.

    Args:
        op: the op.
        case: the call to print it for; the first of its samples unless told.
    """
    inputs, params = (case or op.samples[0]).draw(np.random.default_rng(0))
    params = {**op.defaults, **params}
    names = op.names(len(inputs))
    carriers = tuple(
        TeX(tex_name(n), x) if isinstance(x, np.ndarray) else x
        for n, x in zip(names, inputs, strict=True)
    )
    value = op.compute(inputs, params)
    if op.bundles:
        y: Any = None
        g: Any = tuple(TeX(rf"\bar y_{{{i}}}", v) for i, v in enumerate(value))
    else:
        y, g = TeX("y", value), TeX(r"\bar y", value)
    lines = []
    for i, (name, x) in enumerate(zip(names, carriers, strict=True)):
        rule = op.rule(i) if op.differentiable else None
        if rule is not None and isinstance(x, TeX) and x.dtype.kind == "f":
            lines.append(f"{barred(tex_name(name))} = {written(rule(g, y, *carriers, **params))}")
    return lines


def barred(symbol: str) -> str:
    r"""The cotangent of a symbol; a bar as wide as the word where it is one."""
    return rf"\overline{symbol}" if symbol.startswith("{") else rf"\bar {symbol}"


def tex_name(name: str) -> str:
    r"""An input's symbol: `x`, `W_x`, `x_0` for `xs[0]`, words upright."""
    if match := re.fullmatch(r"(\w+?)s?\[(\d+)\]", name):
        return f"{match[1]}_{match[2]}"
    stem, _, subscript = name.partition("_")
    symbol = stem if len(stem) == 1 else rf"{{\mathrm{{{stem}}}}}"
    return f"{symbol}_{{{subscript}}}" if subscript else symbol
