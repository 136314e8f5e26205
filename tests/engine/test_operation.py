"""Declaring ops."""

import numpy as np
import pytest

import tinygrad_rnn as tg


@pytest.fixture(autouse=True)
def registry_as_it_was():
    before = dict(tg.REGISTRY)
    yield
    tg.REGISTRY.clear()
    tg.REGISTRY.update(before)


def test_an_op_declared_by_a_reader_works_everywhere_at_once():
    @tg.op(samples=[tg.Case(tg.Reals(4))], tex=r"#x \, \sigma(#x)")
    def swish(x, /):
        return x / (1 + np.exp(-x))

    swish.defvjp(lambda g, y, x: g * (tg.sigmoid(x) + y * (1 - tg.sigmoid(x))))
    assert tg.gradcheck(swish, order=2).largest_error < 1e-9
    assert tg.formulas_of(swish) == [r"\bar x = \bar y \odot (\sigma(x) + y \odot (1 - \sigma(x)))"]


def test_a_rule_may_be_declared_as_a_decorator():
    @tg.op
    def triple(x, /):
        return 3 * x

    @triple.defvjp
    def triple_vjp(g, y, x):
        return 3 * g

    assert tg.grad(triple)(1.0).item() == 3.0


def test_a_name_is_declared_once():
    with pytest.raises(ValueError, match=r"op 'tanh' is declared already in .*del tg.REGISTRY"):

        @tg.op
        def tanh(x, /):
            return x


def test_a_cell_of_a_notebook_may_declare_its_op_again():
    cell = "@tg.op\ndef again(x, /):\n    return {} * x\n"
    for factor in (2, 3):
        scope = {"__name__": "__main__", "tg": tg}
        exec(cell.format(factor), scope)
    assert tg.REGISTRY["again"] is scope["again"]
    assert scope["again"](np.ones(1)) == 3
    with pytest.raises(ValueError, match="op 'tanh' is declared already"):
        exec("@tg.op\ndef tanh(x, /):\n    return x\n", scope)


def test_a_method_is_not_overwritten():
    with pytest.raises(ValueError, match=r"tensors already have a method \.backward"):

        @tg.op(method="backward")
        def back(x, /):
            return x


def test_an_op_needs_an_input():
    with pytest.raises(ValueError, match=r"put a `/` after the parameters that are arrays"):

        @tg.op
        def inputless(x):
            return x


def test_there_is_a_rule_for_each_input():
    @tg.op
    def two(a, b, /):
        return a + b

    with pytest.raises(TypeError, match=r"got 1 rules for 2 inputs \(a, b\)"):
        two.defvjp(lambda g, y, a, b: g)


def test_arguments_are_bound_by_name_or_place_and_errors_show_the_signature():
    assert tg.leaky_relu(np.array([-1.0]), 0.5).tolist() == [-0.5]
    assert tg.leaky_relu(np.array([-1.0]), slope=0.5).tolist() == [-0.5]
    with pytest.raises(TypeError, match=r"leaky_relu\(x.*: .*unexpected keyword .*'slant'"):
        tg.leaky_relu(np.array([-1.0]), slant=0.5)


def test_a_failing_forward_names_the_op_and_its_operands():
    with pytest.raises(
        tg.ShapeError,
        match=r"mul: got a float32 \(2,\), b float64 \(3,\); this does not broadcast: axis -1 has "
        r"length 2 in a and 3 in b; make them equal, or one of them 1",
    ):
        tg.tensor([1.0, 2.0]) * np.ones(3)


def test_ops_on_arrays_give_arrays():
    assert type(tg.tanh(np.ones(2))) is np.ndarray


def test_an_input_may_have_a_default():
    @tg.op
    def shifted(x, by=1.0, /):
        return x + by

    shifted.defvjp(lambda g, y, x, by: g, lambda g, y, x, by: g)
    assert shifted(np.ones(1)).tolist() == [2.0]
    assert tg.grad(shifted)(1.0).item() == 1.0


def test_operands_and_samples_are_described_shortly():
    assert repr(tg.tanh) == "<op tanh>"
    assert repr(tg.Case(tg.Reals(2, 3), 2, axis=1)) == "(2, 3), 2, axis=1"
    assert repr(tg.Misuse((), ValueError, "says this")) == "says this"
    with pytest.raises(tg.DtypeError, match=r"tanh: got x str; "):
        tg.tanh("text")


def test_a_carrier_must_say_what_an_op_means_on_it():
    class Blank(tg.Carrier):
        pass

    with pytest.raises(NotImplementedError):
        tg.tanh(Blank())


def test_carriers_meet_in_either_order():
    x, formula = tg.tensor(1.0), tg.TeX("a", 1.0)
    assert str(formula * x)[0] == "a"
    assert isinstance(x * formula, tg.TeX)
