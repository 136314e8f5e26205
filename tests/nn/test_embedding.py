import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def test_it_looks_up_rows():
    table = nn.Embedding(5, 3, seed=0)
    ids = np.array([[1, 4], [0, 1]])
    assert np.array_equal(table(ids).data, table.weight.data[ids])


def test_lists_and_tensors_of_ids_will_do():
    table = nn.Embedding(5, 3, seed=0)
    assert np.array_equal(table([1, 2]).data, table(tg.tensor([1, 2])).data)


def test_an_id_that_occurs_twice_learns_from_both_places():
    table = nn.Embedding(4, 2, seed=0)
    (table([1, 1, 3]) * np.array([[1], [10], [100]], "float32")).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [11, 11], [0, 0], [100, 100]]


@pytest.mark.parametrize("padding_idx", [1, -3])
def test_the_padding_row_starts_as_zeros_and_learns_nothing(padding_idx):
    table = nn.Embedding(4, 2, padding_idx=padding_idx, seed=0)
    assert (table.weight.data[1] == 0).all()
    assert (table.weight.data[[0, 2, 3]] != 0).all()
    table([0, 1, 1]).sum().backward()
    assert table.weight.grad.tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]


def test_first_values_are_normal_and_come_from_the_seed():
    weight = nn.Embedding(200, 100, seed=0).weight.data
    assert abs(weight.std() - 1) < 0.02
    assert np.array_equal(weight, nn.Embedding(200, 100, seed=0).weight.data)


def test_given_vectors_are_copied_and_frozen_unless_told_otherwise():
    vectors = np.arange(6.0).reshape(3, 2)
    table = nn.Embedding.from_pretrained(vectors)
    vectors[:] = 0
    assert table([2]).tolist() == [[4, 5]]
    assert not table.weight.requires_grad
    assert nn.Embedding.from_pretrained(vectors, freeze=False).weight.requires_grad
    assert nn.Embedding.from_pretrained(vectors, padding_idx=-1).padding_idx == 2
    with pytest.raises(tg.ShapeError, match=r"got vectors of shape \(3,\); expected \(V, D\)"):
        nn.Embedding.from_pretrained(np.zeros(3))


def test_given_vectors_may_be_cast_and_must_be_floats():
    assert nn.Embedding.from_pretrained(np.ones((3, 2)), dtype="float32").weight.dtype == "float32"
    assert nn.Embedding.from_pretrained([[1, 2]], dtype="float32")([0]).tolist() == [[1, 2]]
    with pytest.raises(
        tg.DtypeError, match="got vectors of dtype int64; expected floats: give dty"
    ):
        nn.Embedding.from_pretrained([[1, 2]])


def test_frozen_vectors_learn_once_they_are_told_to():
    table = nn.Embedding.from_pretrained(np.ones((3, 2)), padding_idx=0)
    assert not table([0, 1]).requires_grad
    table.requires_grad_()
    table([0, 1]).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0]]
    assert table.weight[0].tolist() == [1, 1]  # the padding row stays as given


def test_a_tied_output_scores_each_id_by_its_own_vector():
    table = nn.Embedding(5, 3, seed=0, dtype="float64")
    output = table.tied_output()
    h = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_allclose(output(h).data, h @ table.weight.data.T, rtol=1e-14)
    assert output.weight is table.weight
    assert (output.bias.data == 0).all()
    assert table.tied_output(bias=False).bias is None


def test_a_tied_table_learns_from_both_ends_and_is_saved_at_both_places():
    table = nn.Embedding(3, 2, seed=0)
    model = nn.Sequential(table, tg.tanh, table.tied_output(bias=False))
    assert list(model.state_dict()) == ["0.weight", "2.weight"]
    assert model.num_parameters() == 6
    h = tg.tanh(table([1])).data
    model([1])[0, 2].backward()
    from_input = table.weight.data[2] * (1 - h[0] ** 2)
    np.testing.assert_allclose(table.weight.grad.data, [[0, 0], from_input, h[0]], rtol=1e-6)


def test_ids_out_of_range_are_refused():
    with pytest.raises(IndexError, match="id 5 is not a row of the weight, which has 5"):
        nn.Embedding(5, 2)([0, 5])
    with pytest.raises(tg.DtypeError, match="expected integers"):
        nn.Embedding(5, 2)(np.array([0.5]))


def test_a_padding_id_out_of_range_is_refused():
    with pytest.raises(
        ValueError, match=r"got padding_idx=5 for 5 embeddings; expected one in \[-5"
    ):
        nn.Embedding(5, 2, padding_idx=5)


def test_the_repr_names_sizes_and_padding():
    assert repr(nn.Embedding(5, 2)) == "Embedding(5, 2)   10 parameters"
    assert repr(nn.Embedding(5, 2, 0)) == "Embedding(5, 2, padding_idx=0)   10 parameters"
