import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.plot.formulas import Formulas, symbols_of
from tinygrad_rnn.plot.replay import backward_visits, nodes_of


def formulas_of_graph(output, gradient=None):
    nodes = nodes_of(output)
    visits = backward_visits(nodes, gradient)
    scalar = all(np.ndim(node.value) == 0 for node in nodes)
    return nodes, visits, Formulas(symbols_of(nodes), scalar)


def test_named_tensors_keep_their_names_and_others_get_letters(neuron):
    assert list(symbols_of(nodes_of(neuron)).values()) == ["w", "x", "a", "b", "c", "y"]


def test_a_name_that_is_taken_is_not_given_again():
    a, b = (tg.tensor(v, requires_grad=True, name="a") for v in (1.0, 2.0))
    assert list(symbols_of(nodes_of(a * b)).values()) == ["a", "b", "y"]


def test_an_output_whose_letter_is_taken_gets_another():
    y = tg.tensor(1.0, requires_grad=True, name="y")
    assert list(symbols_of(nodes_of(y * 2.0)).values()) == ["y", "a"]


def test_there_are_names_for_any_number_of_tensors():
    y = tg.tensor(1.0, requires_grad=True)
    for _ in range(40):
        y = y * 1.5
    symbols = list(symbols_of(nodes_of(y)).values())
    assert len(set(symbols)) == 41
    assert symbols[-1] == "y"


def test_a_scalars_formula_is_given_with_numbers(neuron):
    nodes, _, formulas = formulas_of_graph(neuron)
    assert formulas.value(nodes[2]) == r"w \cdot x = (-0.5) \cdot 1.5"
    assert formulas.value(nodes[5]) == r"\tanh c = \tanh (-0.5)"


def test_an_arrays_formula_is_given_in_names(recurrent_step):
    nodes, _, formulas = formulas_of_graph(recurrent_step)
    product = next(node for node in nodes if node.op)
    assert formulas.value(product) == "W_{x} x_{1}"


def test_a_shares_formula_is_the_rule_that_backward_runs(neuron):
    _, visits, formulas = formulas_of_graph(neuron)
    tanh = visits[0]
    assert formulas.share(tanh.node, 0, tanh.shares[0]) == (
        r"\bar y \cdot (1 - y \cdot y) = 1 \cdot (1 - (-0.462) \cdot (-0.462)) = 0.786"
    )


def test_an_arrays_share_is_given_in_names(recurrent_step):
    _, visits, formulas = formulas_of_graph(recurrent_step, np.ones(3))
    tanh = visits[0]
    name = formulas.share(tanh.node, 0, tanh.shares[0])
    assert name == r"\bar h_{1} \odot (1 - h_{1} \odot h_{1})"


def test_a_new_op_is_written_without_being_told_how():
    @tg.op(samples=[tg.Case(tg.Reals(3))])
    def cube(x, /):
        return x * x * x

    try:
        cube.defvjp(lambda g, y, x: 3 * g * x * x)
        _, (visit,), formulas = formulas_of_graph(
            cube(tg.tensor(2.0, requires_grad=True, name="x"))
        )
        assert formulas.value(visit.node) == r"\operatorname{cube}(x) = \operatorname{cube}(2)"
        assert formulas.share(visit.node, 0, visit.shares[0]).endswith(
            r"= 3 \cdot 1 \cdot 2 \cdot 2 = 12"
        )
    finally:
        del tg.REGISTRY["cube"]


def test_parts_are_numbered():
    first, second = tg.split(tg.tensor([1.0, 2.0], requires_grad=True, name="u"), 2)
    nodes, visits, formulas = formulas_of_graph((first * second).sum())
    assert formulas.value(nodes[1]) == r"\operatorname{split}(u)"
    assert [formulas.value(node) for node in nodes if node.parents == [nodes[1]]] == [
        "a_{[0]}",
        "a_{[1]}",
    ]
    bundle = visits[-1]
    assert formulas.share(bundle.node, 0, bundle.shares[0]) == (
        r"\operatorname{concatenate}(\bar a_{[0]}, \bar a_{[1]})"
    )


def test_a_checkpoint_hands_on_what_it_receives():
    x = tg.tensor(0.5, requires_grad=True, name="x")
    _, (visit, _), formulas = formulas_of_graph(tg.checkpoint(tg.tanh, x))
    assert formulas.value(visit.node) == (
        r"\operatorname{checkpoint}(a) = \operatorname{checkpoint}(0.462)"
    )
    assert formulas.share(visit.node, 0, visit.shares[0]) == r"\bar y = 1"


@pytest.mark.parametrize(
    ("g", "tex"),
    [
        (np.array(-0.5), "-0.5"),
        (np.array([1.0, 2.0]), "[1, 2]"),
        (np.full((2, 2), 2.0), r"\text{norm 4}"),
    ],
)
def test_amounts_are_numbers_elements_or_norms(g, tex):
    assert Formulas({}, scalar=False).amount(g) == tex
