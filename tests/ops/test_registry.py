"""Every op is tested because it is declared: this file names none of them."""

import doctest
import inspect
import re
import sys

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.kernels.layouts import read_only, reversed_strides, spread_out
from tinygrad_rnn.engine import COMPOSITIONS, REGISTRY, formulas_of

OPS = sorted(REGISTRY)
CALLS = [(name, i) for name in OPS for i in range(len(REGISTRY[name].samples))]
COMPOSED = [
    (name, i) for name in sorted(COMPOSITIONS) for i in range(len(COMPOSITIONS[name].samples))
]
MISUSES = [(name, i) for name in OPS for i in range(len(REGISTRY[name].misuses))]


def drawn(op, i, dtype=np.float64):
    inputs, params = op.samples[i].draw(np.random.default_rng(i), dtype)
    return inputs, {**op.defaults, **params}


def parts(y):
    return y if isinstance(y, tuple) else (y,)


def mixed(op, params):
    """The op with one output: the squares of several, added up with different weights."""
    if not op.bundles:
        return lambda *xs: op(*xs, **params)
    return lambda *xs: sum((k + 1.0) * (y * y).sum() for k, y in enumerate(op(*xs, **params)))


def is_float(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def tracked(inputs):
    return tuple(tg.tensor(x, requires_grad=True) if is_float(x) else x for x in inputs)


@pytest.mark.parametrize("name", OPS)
class TestDeclaration:
    def test_an_op_has_a_rule_or_says_that_it_has_none(self, name):
        op = REGISTRY[name]
        if op.differentiable:
            assert any(rule not in (None, op.undeclared) for rule in op.rules)
            assert op.undeclared not in op.rules

    def test_an_op_has_samples_and_an_executed_example_or_is_a_comparison(self, name):
        op = REGISTRY[name]
        assert op.samples
        assert ">>>" in op.__doc__ or not op.differentiable
        module = sys.modules[op.__module__]
        example = doctest.DocTestParser().get_doctest(op.__doc__, vars(module).copy(), name, "", 0)
        said = []
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        doctest.DocTestRunner(optionflags=flags).run(example, out=said.append)
        assert not said, "".join(said)

    def test_the_derivation_ends_in_the_formula_that_the_rule_computes(self, name):
        op = REGISTRY[name]
        if not op.differentiable:
            return
        derivation = re.search(r"Derivation:\n(.*?)(?:\n\n\s{0,4}\w+:\n|\Z)", op.__doc__, re.S)
        assert derivation, f"{name}'s docstring has no Derivation: section"
        displayed = {"".join(d.split()) for d in re.findall(r"\$\$(.*?)\$\$", derivation[1], re.S)}
        for formula in formulas_of(op):
            assert "".join(formula.split()) in displayed, f"the rule computes {formula}"


@pytest.mark.parametrize(("name", "i"), CALLS)
class TestSample:
    def test_it_computes_the_same_on_arrays_and_tensors(self, name, i):
        op = REGISTRY[name]
        inputs, params = drawn(op, i)
        expected = op(*inputs, **params)
        given = tuple(tg.Tensor(x) if isinstance(x, np.ndarray) else x for x in inputs)
        for y, e in zip(parts(op(*given, **params)), parts(expected), strict=True):
            np.testing.assert_array_equal(y.data, e)

    def test_its_gradients_agree_with_differences_to_second_order(self, name, i):
        op = REGISTRY[name]
        if op.differentiable:
            inputs, params = drawn(op, i)
            tg.gradcheck(mixed(op, params), *inputs, order=2)

    def test_float32_stays_float32(self, name, i):
        op = REGISTRY[name]
        inputs, params = drawn(op, i, np.float32)
        given = tracked(inputs)
        if op.differentiable and "dtype" not in params:
            assert all(y.dtype == np.float32 for y in parts(op(*given, **params)))
            mixed(op, params)(*given).sum().backward()
            for x, rule in zip(given, map(op.rule, range(len(given))), strict=True):
                if isinstance(x, tg.Tensor) and rule is not None:
                    assert x.grad.dtype == np.float32
                    assert x.grad.shape == x.shape

    def test_gradients_said_to_be_fresh_are_in_memory_that_nobody_else_has(self, name, i):
        op = REGISTRY[name]
        if not op.fresh:
            return
        inputs, params = drawn(op, i)
        y = op.compute(inputs, params)
        g = np.ones_like(y)
        others = [g, np.asarray(y), *(x for x in inputs if isinstance(x, np.ndarray))]
        for _ in range(2):  # nor what the rule has given before
            for k, x in enumerate(inputs):
                if is_float(x):
                    gx = np.asarray(op.rule(k)(g, y, *inputs, **params))
                    assert gx.flags.writeable
                    assert not any(np.shares_memory(gx, other) for other in others)
                    others.append(gx)

    def test_layout_in_memory_does_not_matter(self, name, i):
        op = REGISTRY[name]
        inputs, params = drawn(op, i)
        expected = op(*inputs, **params)
        for relaid in (reversed_strides, spread_out, read_only):
            given = tuple(relaid(x) if isinstance(x, np.ndarray) else x for x in inputs)
            for y, e in zip(parts(op(*given, **params)), parts(expected), strict=True):
                np.testing.assert_allclose(y, e, rtol=1e-13, atol=1e-13)

    def test_its_kernel_expression_is_its_forward_function(self, name, i):
        op = REGISTRY[name]
        if op.kernel is None:
            return
        inputs, params = drawn(op, i)
        scalar = inspect.cleandoc(op.kernel).format(**{n: n for n in op.input_names}, **params)
        function = eval(f"lambda {', '.join(op.input_names)}: {scalar}", SCALAR)
        fused = np.vectorize(function, otypes=[np.float64])
        if all(np.size(x) for x in inputs):
            np.testing.assert_allclose(fused(*inputs), op(*inputs, **params), rtol=1e-13)


@pytest.mark.parametrize(("name", "i"), MISUSES)
def test_misuse_raises_the_documented_words(name, i):
    op, misuse = REGISTRY[name], REGISTRY[name].misuses[i]
    for wrap in (lambda x: x, lambda x: tg.Tensor(x) if isinstance(x, np.ndarray) else x):
        with pytest.raises(misuse.error, match=re.escape(misuse.says)):
            op(*map(wrap, misuse.inputs), **misuse.params)


@pytest.mark.parametrize(("name", "i"), COMPOSED)
def test_a_composition_is_differentiable_twice_and_keeps_float32(name, i):
    composition = COMPOSITIONS[name]
    inputs, params = composition.samples[i].draw(np.random.default_rng(i))
    tg.gradcheck(lambda *xs: composition.function(*xs, **params), *inputs, order=2)
    given = (x.astype(np.float32) if is_float(x) else x for x in inputs)
    y = composition.function(*tracked(given), **params)
    assert y.dtype == np.float32


SCALAR = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sign": np.sign,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": REGISTRY["erf"].forward,
}
