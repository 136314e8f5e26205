"""`gradcheck` finds what is wrong, and says where."""

import numpy as np
import pytest

import tinygrad_rnn as tg


@pytest.fixture
def wrong_square():
    @tg.op(samples=[tg.Case(tg.Reals(3))])
    def wrong_square(x, /):
        return x * x

    yield wrong_square
    del tg.REGISTRY["wrong_square"]


def test_a_right_rule_has_a_tiny_error():
    report = tg.gradcheck(tg.tanh, order=2)
    assert report.largest_error < 1e-9
    assert "largest relative error" in str(report)


def test_a_wrong_rule_is_named_with_input_index_and_both_values(wrong_square):
    wrong_square.defvjp(lambda g, y, x: g * x)
    x = np.array([0.0, 1.0, -3.0])
    with pytest.raises(
        tg.GradcheckError,
        match=r"wrong_square, input 0 of shape \(3,\), element \(2,\): the rule gives -?\d\.\d+ "
        r"and finite differences",
    ):
        tg.gradcheck(wrong_square, x)


def test_a_rule_that_is_right_once_and_wrong_twice_fails_at_order_two(wrong_square):
    wrong_square.defvjp(lambda g, y, x: g * 2 * (x.detach() if hasattr(x, "detach") else x))
    tg.gradcheck(wrong_square, order=1)
    with pytest.raises(tg.GradcheckError, match="the gradient of wrong_square"):
        tg.gradcheck(wrong_square, order=2)


def test_a_gradient_of_nan_fails(wrong_square):
    wrong_square.defvjp(lambda g, y, x: g * np.nan)
    with pytest.raises(tg.GradcheckError, match="nan"):
        tg.gradcheck(wrong_square)


def test_an_op_with_several_outputs_is_checked_by_its_samples():
    assert tg.gradcheck(tg.unbind, order=2).largest_error < 1e-8
