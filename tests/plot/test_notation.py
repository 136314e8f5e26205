import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.plot.notation import (
    applied,
    brief,
    brief_cotangent,
    name_in_tex,
    number,
    split_name,
    symbol,
    value_in_tex,
    width_of,
)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.0, "3"),
        (-1.5, "−1.5"),
        (2 / 3, "0.667"),
        (1234.5, "1234"),
        (-98765.0, "−98765"),
        (1.5e9, "1.5e9"),
        (-2e-7, "−2e−7"),
        (np.float32(0.1), "0.1"),
        (np.inf, "∞"),
        (-np.inf, "−∞"),
        (np.nan, "nan"),
        (10**6, "1000000"),
        (np.int64(-4), "−4"),
        (True, "True"),
    ],
)
def test_a_number_has_three_digits_and_a_true_minus(x, text):
    assert number(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.array(2.0), "2"),
        (np.array([1.0, -2.0]), "[1, −2]"),
        (np.array([0.123, -4.56, 7.89]), "(3,)"),
        (np.ones((1, 1)), "(1, 1)"),
        (np.ones((0, 3)), "(0, 3)"),
        (np.ones(0), "(0,)"),
        (np.ones(1000), "(1000,)"),
        ((np.ones(2), np.ones(3)), "2 arrays"),
    ],
)
def test_long_arrays_are_abbreviated_to_their_shape(x, text):
    assert brief(x) == text


def test_a_long_cotangent_is_abbreviated_to_its_norm():
    assert brief_cotangent(np.full((3, 3), 2.0)) == "|∂| 6"
    assert brief_cotangent(np.array([1.0, 2.0])) == "∂ [1, 2]"
    assert brief_cotangent([None, np.ones(3)]) == "∂ 2 arrays"


@pytest.mark.parametrize(
    ("op", "operands", "text"),
    [
        ("mul", [None, None], "×"),
        ("mul", [None, "2"], "× 2"),
        ("sub", ["1", None], "1 −"),
        ("neg", [None], "−"),
        ("neg", ["a"], "−a"),
        ("tanh", [None], "tanh"),
        ("tanh", ["a"], "tanh(a)"),
        ("maximum", [None, "0"], "maximum(·, 0)"),
        ("sum", [None], "Σ"),
    ],
)
def test_ops_are_written_as_a_person_would(op, operands, text):
    assert applied(tg.REGISTRY[op], operands) == text


def test_an_op_without_a_symbol_has_its_name():
    assert symbol(tg.REGISTRY["cumsum"]) == "cumsum"


def test_only_one_letter_takes_a_subscript():
    assert split_name("W_xh") == ("W", "xh")
    assert split_name("weight_ih_l0") == ("weight_ih_l0", "")
    assert split_name("h") == ("h", "")


@pytest.mark.parametrize(
    ("name", "tex"),
    [
        ("x", "x"),
        ("W_xh", "W_{xh}"),
        ("loss", r"{\mathrm{loss}}"),
        ("손실", r"\text{손실}"),
        ("cell.weight_ih", r"\text{cell.weight\_ih}"),
        ("50%", r"\text{50\%}"),
    ],
)
def test_names_become_latex(name, tex):
    assert name_in_tex(name) == tex


@pytest.mark.parametrize(
    ("x", "tex"),
    [
        (-0.5, "-0.5"),
        (1.5e-9, r"1.5 \cdot 10^{-9}"),
        (-np.inf, r"-\infty"),
        (np.nan, r"\text{nan}"),
        (np.array([1.0, -2.0]), "[1, -2]"),
        (np.ones((2, 3)), "(2, 3)"),
        ((1, 2), r"\text{2 arrays}"),
    ],
)
def test_values_become_latex(x, tex):
    assert value_in_tex(x) == tex


def test_wide_characters_are_given_more_room():
    assert width_of("ill", 10) < width_of("abc", 10) < width_of("MWM", 10)
    assert width_of("한글", 10) == 20
    assert width_of("e\u0301", 10) == width_of("e", 10)
