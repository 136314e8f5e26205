import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.plot.replay import backward_visits, nodes_of


def cotangents(output, gradient=None):
    nodes = nodes_of(output)
    backward_visits(nodes, gradient)
    return {node.name: node.cotangent for node in nodes if node.name}


def test_inputs_come_before_what_uses_them(recurrent_network):
    nodes = nodes_of(recurrent_network)
    place = {node: i for i, node in enumerate(nodes)}
    assert len(nodes) == 22
    assert nodes[-1].source is recurrent_network
    assert all(place[parent] < place[node] for node in nodes for parent in node.parents)


def test_a_tensor_used_three_times_is_one_node(square_and_self):
    x, square, output = nodes_of(square_and_self)
    assert square.parents == [x, x]
    assert output.parents == [square, x]


def test_plain_numbers_are_operands_and_arrays_are_nodes():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    scaled = nodes_of(x * 2.0)
    assert [type(operand).__name__ for operand in scaled[-1].operands] == ["Node", "float"]
    shifted = nodes_of(x + np.array([1.0, 1.0]))
    assert len(shifted) == 3
    assert not shifted[1].differentiable


def test_a_leaf_is_a_graph_of_one_node():
    (node,) = nodes_of(tg.tensor(1.0))
    assert (node.op, node.parents, backward_visits([node])) == (None, [], [])


def test_replayed_cotangents_are_those_of_backward(recurrent_network):
    seed = np.array([1.0, -2.0, 0.5])
    replayed = cotangents(recurrent_network, seed)
    leaves = [n.source for n in nodes_of(recurrent_network) if n.op is None and n.differentiable]
    recurrent_network.backward(seed)
    assert len(leaves) == 4
    for leaf in leaves:
        np.testing.assert_allclose(replayed[leaf.name], leaf.grad.numpy(), rtol=1e-12)


def test_interior_cotangents_are_those_that_backward_would_retain(recurrent_network):
    replayed = cotangents(recurrent_network, np.ones(3))
    nodes = {node.name: node.source for node in nodes_of(recurrent_network)}
    middle = nodes["h_2"].retain_grad()
    recurrent_network.backward(np.ones(3))
    np.testing.assert_allclose(replayed["h_2"], middle.grad.numpy(), rtol=1e-12)


def test_replaying_changes_nothing(square_and_self):
    x = nodes_of(square_and_self)[0].source
    x.grad = tg.tensor(100.0)
    for _ in range(2):
        assert cotangents(square_and_self)["x"] == 7
    assert x.grad.item() == 100
    square_and_self.backward()
    assert x.grad.item() == 107


def test_each_use_of_a_tensor_has_its_own_share(square_and_self):
    first, second = backward_visits(nodes_of(square_and_self))
    assert first.shares == [1, 1]
    assert second.shares == [3, 3]


def test_a_share_has_its_parents_shape():
    x = tg.tensor(np.ones((2, 3)), requires_grad=True, name="x")
    b = tg.tensor(np.ones(3), requires_grad=True, name="b")
    _, visit = backward_visits(nodes_of((x + b).sum()))
    assert [share.shape for share in visit.shares] == [(2, 3), (3,)]


def test_nodes_are_visited_in_the_order_of_backward():
    x = tg.tensor(0.5, requires_grad=True)
    early = tg.exp(x)
    late = tg.tanh(x)
    visits = backward_visits(nodes_of(early * late))
    assert [visit.node.op.name for visit in visits] == ["mul", "tanh", "exp"]


def test_what_is_not_differentiable_receives_nothing():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (visit,) = backward_visits(nodes_of(x * np.array([1.0, 0.0])), np.ones(2))
    assert visit.shares[1] is None


def test_an_array_without_a_gradient_has_no_cotangents(recurrent_step):
    assert set(map(type, cotangents(recurrent_step).values())) == {type(None)}


def test_a_tensor_may_be_given_as_gradient():
    x = tg.tensor([1.0, 2.0], requires_grad=True, name="x")
    given = tg.tensor([3.0, 4.0])
    np.testing.assert_array_equal(cotangents(x * 2.0, given)["x"], [6, 8])


def test_parts_of_a_split_hand_their_cotangents_to_the_split():
    x = tg.tensor([1.0, 2.0, 3.0, 5.0], requires_grad=True, name="x")
    a, b = tg.split(x, 2)
    product = (a * b).sum()
    replayed = cotangents(product)["x"]
    product.backward()
    np.testing.assert_array_equal(replayed, x.grad.numpy())


def test_a_part_that_nothing_uses_receives_nothing():
    x = tg.tensor([1.0, 2.0, 3.0, 5.0], requires_grad=True, name="x")
    a, _ = tg.split(x, 2)
    np.testing.assert_array_equal(cotangents(a.sum())["x"], [1, 1, 0, 0])


def test_a_checkpoint_is_opened():
    x = tg.tensor(0.5, requires_grad=True, name="x")
    w = tg.tensor(2.0, requires_grad=True, name="w")
    y = tg.checkpoint(lambda x: tg.tanh(x * w) * w, x)
    nodes = nodes_of(y)
    assert [n.op.name for n in nodes if n.op] == ["mul", "tanh", "mul", "checkpoint"]
    replayed = cotangents(y)
    y.backward()
    assert replayed["x"] == pytest.approx(x.grad.item())
    assert replayed["w"] == pytest.approx(w.grad.item())


def test_a_freed_graph_says_how_to_draw_it(neuron):
    neuron.backward()
    with pytest.raises(tg.GraphError, match=r"tanh, run at .*conftest.*retain_graph=True"):
        nodes_of(neuron)


def test_a_retained_graph_can_be_read_again(neuron):
    neuron.backward(retain_graph=True)
    assert len(nodes_of(neuron)) == 6


def test_too_large_a_graph_names_the_limit_and_its_own_size():
    x = tg.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(3000):  # deep enough that recursion would fail
        y = y * 1.0
    with pytest.raises(ValueError, match=r"has 3,001 nodes and the limit is 60.*limit=3001"):
        nodes_of(y)


def test_only_a_tensor_has_a_graph():
    with pytest.raises(TypeError, match="plot: got ndarray; expected the tensor to draw"):
        nodes_of(np.ones(2))


def test_a_gradient_of_another_shape_is_refused(recurrent_step):
    with pytest.raises(tg.ShapeError, match=r"^plot: got a gradient of shape \(2,\)"):
        backward_visits(nodes_of(recurrent_step), np.ones(2))


def test_a_value_that_was_overwritten_is_refused():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with tg.no_grad():
        x[0] = 5.0
    with pytest.raises(tg.GraphError, match="overwritten"):
        backward_visits(nodes_of(y))
