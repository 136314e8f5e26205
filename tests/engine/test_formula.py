"""Rules print the formulas that the book shows."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.engine.formula import TeX, tex_name

A, B, X = (TeX(name, 1.0) for name in ("a", "b", "x"))


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        (lambda: A + B + X, "a + b + x"),
        (lambda: A - (B + X), "a - (b + x)"),
        (lambda: (A + B) * X, r"(a + b) \odot x"),
        (lambda: -(A * B), r"-a \odot b"),
        (lambda: -A * B, r"(-a) \odot b"),
        (lambda: (A + B) ** 2, "(a + b)^{2}"),
        (lambda: (A**2) ** 3, "(a^{2})^{3}"),
        (lambda: A ** (B + 1), "a^{b + 1}"),
        (lambda: A / (B + 1), r"\frac{a}{b + 1}"),
        (lambda: -1 * A, r"(-1) \odot a"),
        (lambda: A * 0.5, r"a \odot 0.5"),
        (lambda: tg.tanh(A), r"\tanh a"),
        (lambda: tg.tanh(A + B), r"\tanh (a + b)"),
        (lambda: A * np.ones(2), r"a \odot \cdot"),
    ],
)
def test_parentheses_stand_where_they_are_needed_and_nowhere_else(formula, written):
    assert str(formula()) == written


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("x", "x"), ("xs[2]", "x_2"), ("W_x", "W_{x}"), ("condition", r"{\mathrm{condition}}")],
)
def test_inputs_have_symbols(name, symbol):
    assert tex_name(name) == symbol


def test_an_op_without_a_template_is_written_as_a_function():
    @tg.op
    def half_of(x, /):
        return x / 2

    try:
        assert repr(half_of(A)) == r"\operatorname{half\_of}(a)"
    finally:
        del tg.REGISTRY["half_of"]


def test_several_outputs_are_numbered():
    first, second = tg.unbind(TeX("x", np.ones(2)))
    assert (str(first)[-4:], str(second)[-4:]) == ("_{0}", "_{1}")
