r"""How drawings write numbers, arrays, ops and names: short, and the same everywhere.

Example:
    >>> import numpy as np
    >>> number(-0.123456), number(12.0), number(3.2e-7)
    ('−0.123', '12', '3.2e−7')
    >>> brief(np.array([1.0, 2.5])), brief(np.ones((4, 3)))
    ('[1, 2.5]', '(4, 3)')
"""

import re
import unicodedata
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Operation
from tinygrad_rnn.engine.formula import tex_name

ROOM = 14  # characters that an array may take before its shape stands for it

SYMBOLS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "neg": "−",
    "pow": "^",
    "matmul": "@",
    "eq": "=",
    "ne": "≠",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "sum": "Σ",
    "prod": "Π",
    "sqrt": "√",
    "sigmoid": "σ",
    "transpose": "ᵀ",
}
INFIX = {"add", "sub", "mul", "div", "pow", "matmul", "eq", "ne", "lt", "le", "gt", "ge"}


def number(x: Any) -> str:
    """A number in three significant digits, with a true minus sign."""
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, int | np.integer):
        text = str(x)
    else:
        text = f"{x:.0f}" if 1e3 <= abs(x) < 1e5 else f"{x:.3g}"
    text = re.sub(r"e([+-])0*", lambda match: "e" + match[1].replace("+", ""), text)
    text = text.replace("inf", "∞").replace("-", "−")
    return "0" if text == "−0" else text


def brief(x: Any) -> str:
    """An array's elements if they are few, else its shape."""
    if isinstance(x, tuple | list):
        return f"{len(x)} arrays"
    array = np.asarray(x)
    if array.ndim == 0:
        return number(array[()])
    if array.ndim == 1 and 0 < array.size <= ROOM // 3:
        text = f"[{', '.join(map(number, array))}]"
        if len(text) <= ROOM:
            return text
    return str(array.shape)


def brief_cotangent(x: Any, *, sign: str = "∂ ", norm: str = "|∂| ") -> str:
    """A cotangent as `brief`, but its norm where that would give its value's shape again."""
    text = brief(x)
    if isinstance(x, np.ndarray) and x.ndim and text == str(x.shape):
        return norm + number(float(np.linalg.norm(x)))
    return sign + text


def symbol(op: Operation) -> str:
    """How a person would write the op: `×`, `+`, `tanh`."""
    return SYMBOLS.get(op.name, op.name)


def applied(op: Operation, operands: list[str | None]) -> str:
    """An op's symbol with those operands that are written out; None where an arrow arrives.

    Example:
        >>> import tinygrad_rnn as tg
        >>> applied(tg.REGISTRY["sub"], ["1", None]), applied(tg.REGISTRY["mul"], ["a", "b"])
        ('1 −', 'a × b')
    """
    if op.name in INFIX and len(operands) == 2:
        left, right = operands
        return " ".join(part for part in (left, symbol(op), right) if part)
    if op.name == "neg" and operands[0]:
        return f"−{operands[0]}"
    if not any(operands):
        return symbol(op)
    return f"{symbol(op)}({', '.join(operand or '·' for operand in operands)})"


def constant(x: Any) -> str | None:
    """A plain number among an op's operands, as text."""
    return None if x is None else number(np.asarray(x)[()])


def split_name(name: str) -> tuple[str, str]:
    """A name and its subscript: `W_x` is W with subscript x; words are left as they are."""
    stem, _, subscript = name.partition("_")
    return (stem, subscript) if len(stem) == 1 and subscript else (name, "")


def name_in_tex(name: str) -> str:
    r"""A name as LaTeX: `W_{x}`, `{\mathrm{loss}}`, and whatever is no identifier as text."""
    if re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        return tex_name(name)
    escaped = re.sub(r"([#$%&_{}])", r"\\\1", name.replace("\\", " "))
    return rf"\text{{{escaped}}}"


def value_in_tex(x: Any) -> str:
    r"""A value as LaTeX: a number, few elements, or a shape.

    Example:
        >>> value_in_tex(-2e-7)
        '-2 \\cdot 10^{-7}'
    """
    text = brief(x)
    if text.endswith("arrays"):
        return rf"\text{{{text}}}"
    text = text.replace("−", "-").replace("∞", r"\infty").replace("nan", r"\text{nan}")
    return re.sub(r"e(-?\d+)", r" \\cdot 10^{\1}", text)


NARROW = frozenset("iljtfrI.,:;|'!()[]{} ")
WIDE = frozenset("mwMW@%—…")


def width_of(text: str, size: float) -> float:
    """About how wide a text is, on the generous side: the reader's font is not known."""
    return size * sum(map(advance, text))


def advance(character: str) -> float:
    """About how wide a character is, in units of its size."""
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if unicodedata.combining(character):
        return 0.0
    return 0.36 if character in NARROW else 0.92 if character in WIDE else 0.64
