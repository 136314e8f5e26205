import numpy as np
import pytest

from tinygrad_rnn import nn, optim
from tinygrad_rnn.train import LanguageModel, weight_decay_groups


def paths(model, groups):
    names = {id(p): path for path, p in model.named_parameters()}
    return [[names[id(p)] for p in group["params"]] for group in groups]


def test_matrices_decay_and_biases_do_not():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    groups = weight_decay_groups(model, 0.1)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    matrices = ["recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "output.weight"]
    biases = ["recurrent.bias_ih_l0", "recurrent.bias_hh_l0", "output.bias"]
    assert paths(model, groups) == [["embedding.weight", *matrices], biases]


def test_gains_of_norms_do_not_decay_whatever_their_shape():
    model = nn.Sequential(nn.Linear(4, 6, bias=False), nn.LayerNorm((2, 3)))
    assert paths(model, weight_decay_groups(model)) == [["0.weight"], ["1.weight", "1.bias"]]


def test_parts_may_be_exempt_and_a_tied_matrix_counts_by_its_first_place():
    model = LanguageModel(7, hidden=6, embedding=6, tied=True, seed=0)
    decayed, spared = paths(model, weight_decay_groups(model, exempt=["embedding"]))
    assert "embedding.weight" in spared
    assert len(decayed) + len(spared) == len(list(model.parameters()))


def test_a_group_without_parameters_is_left_out():
    assert len(weight_decay_groups(nn.Linear(2, 3, bias=False))) == 1
    assert len(weight_decay_groups(nn.Linear(2, 3), 0.0)) == 1


def test_an_optimizer_shrinks_the_matrices_alone():
    model = nn.Linear(2, 3, seed=0)
    before = model.state_dict()
    adam = optim.AdamW(weight_decay_groups(model, 0.5), lr=0.1)
    (0.0 * model(np.ones(2, "float32"))).sum().backward()
    adam.step()
    np.testing.assert_allclose(model.weight.data, 0.95 * before["weight"], rtol=1e-6)
    np.testing.assert_array_equal(model.bias.data, before["bias"])


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match=r"got -1; expected 0 <= weight_decay"):
        weight_decay_groups(nn.Linear(2, 3), -1)
    with pytest.raises(ValueError, match=r"no parameter is in 'wei'; there are weight, bias"):
        weight_decay_groups(nn.Linear(2, 3), exempt=["wei"])
