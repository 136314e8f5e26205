import json
import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import plot

NODE = {"id", "op", "label", "tex", "value", "cotangent", "parents", "layer"}
STEP = {"phase", "node", "text", "values", "cotangents", "contributions"}


def told(walk, phase):
    return [step["text"] for step in walk["steps"] if step["phase"] == phase]


def final(walk, what):
    """What the widget shows after the last step."""
    state = {}
    for step in walk["steps"]:
        state.update(step.get(what, {}))
    return state


@pytest.fixture
def walks(square_and_self, neuron, recurrent_network):
    return [
        plot.steps(square_and_self),
        plot.steps(neuron),
        plot.steps(recurrent_network, gradient=np.ones(3)),
    ]


def test_a_walk_is_json_in_the_widgets_schema(walks):
    for walk in walks:
        assert json.loads(json.dumps(walk, allow_nan=False)) == walk
        assert set(walk) == {"title", "nodes", "steps"}
        ids = [node["id"] for node in walk["nodes"]]
        assert len(set(ids)) == len(ids)
        assert all(set(node) <= NODE and set(node["parents"]) <= set(ids) for node in walk["nodes"])
        assert all(set(step) <= STEP and step["node"] in ids for step in walk["steps"])


def test_nodes_come_after_their_parents_and_in_a_later_layer(walks):
    for walk in walks:
        layers = {}
        for node in walk["nodes"]:
            assert all(layers[parent] < node["layer"] for parent in node["parents"])
            layers[node["id"]] = node["layer"]


def test_every_node_is_walked_forward_once_and_every_op_backward(walks):
    for walk in walks:
        phases = {
            phase: [s["node"] for s in walk["steps"] if s["phase"] == phase]
            for phase in ("forward", "backward")
        }
        assert sorted(phases["forward"]) == sorted(node["id"] for node in walk["nodes"])
        start, *visited = phases["backward"]
        assert start == visited[0]
        assert sorted(visited) == sorted(node["id"] for node in walk["nodes"] if "op" in node)


def test_after_the_last_step_every_cotangent_is_the_nodes_own(walks):
    for walk in walks:
        expected = {n["id"]: n["cotangent"] for n in walk["nodes"] if "cotangent" in n}
        assert final(walk, "cotangents") == expected


def test_each_parent_has_a_contribution(walks):
    for walk in walks:
        parents = {node["id"]: node["parents"] for node in walk["nodes"]}
        for step in walk["steps"]:
            if "contributions" in step:
                assert len(step["contributions"]) == len(parents[step["node"]])


def test_a_repeated_parent_is_listed_twice(square_and_self):
    walk = plot.steps(square_and_self)
    assert walk["nodes"][1]["parents"] == ["x", "x"]
    assert walk["steps"][-1]["contributions"] == ["3", "3"]


def test_a_sum_that_is_not_complete_says_so(square_and_self):
    sentences = told(plot.steps(square_and_self), "backward")
    assert [text.endswith("so far.") for text in sentences] == [False, True, False]


def test_numbers_are_put_into_the_formulas_of_scalars(neuron):
    assert r"\(a = w \cdot x = (-0.5) \cdot 1.5 = -0.75\)." in told(plot.steps(neuron), "forward")


def test_arrays_are_told_by_name_and_shape(recurrent_step):
    forward = told(plot.steps(recurrent_step), "forward")
    assert r"The input \(W_{x}\) has the shape \((3, 4)\)." in forward
    assert r"\(a = W_{x} x_{1}\), of shape \((3,)\)." in forward


def test_shared_weights_receive_a_share_from_every_step(recurrent_network):
    walk = plot.steps(recurrent_network, gradient=np.ones(3))
    received = [text for text in told(walk, "backward") if r"\(b\) receives" in text]
    assert ["2 shares in all so far." in text for text in received] == [True, False]
    assert "3 shares in all." in received[-1]


def test_a_given_gradient_is_named_as_the_beginning():
    x = tg.tensor([1.0, 2.0], requires_grad=True, name="x")
    walk = plot.steps(x * 2.0, gradient=np.array([1.0, -1.0]))
    assert told(walk, "backward")[0] == (
        r"Backward starts with the cotangent that was given, \(\bar y = [1, -1]\)."
    )


def test_what_receives_nothing_has_an_empty_contribution():
    x = tg.tensor([1.0, 2.0], requires_grad=True, name="x")
    walk = plot.steps((x * np.array([1.0, 0.0])).sum())
    assert walk["steps"][-1]["contributions"] == ["[1, 0]", ""]


def test_parts_of_a_split_are_told_apart():
    first, second = tg.split(tg.tensor([1.0, 2.0, 3.0], requires_grad=True, name="u"), [1, 2])
    walk = plot.steps(first.sum() * second.sum())
    assert {r"\(\bar a_{[0]} = \bar b\).", r"\(\bar a_{[1]} = \bar f\)."} <= set(
        told(walk, "backward")
    )
    assert final(walk, "cotangents")["u"] == "[5, 1, 1]"


def test_an_array_without_a_gradient_is_walked_forward_only(recurrent_step):
    assert not told(plot.steps(recurrent_step), "backward")


def test_the_title_is_the_outputs_formula_unless_told(neuron):
    assert plot.steps(neuron)["title"] == "y = tanh(c)"
    assert plot.steps(neuron, title="A neuron")["title"] == "A neuron"


def test_texts_have_balanced_mathematics(walks):
    for walk in walks:
        for step in walk["steps"]:
            plain = re.sub(r"\\\(.*?\\\)", "", step["text"])
            assert "\\" not in plain
            for formula in re.findall(r"\\\((.*?)\\\)", step["text"]):
                assert formula.count("{") == formula.count("}")
                assert formula.count("(") == formula.count(")")
