import copy
import pickle

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


class Scale(nn.Module):
    def __init__(self, size=2):
        self.weight = nn.Parameter(np.ones(size, "float32"))
        self.steps = nn.Buffer(np.array(0))

    def forward(self, x):
        return x * self.weight


class Pair(nn.Module):
    def __init__(self):
        self.first = Scale()
        self.bias = nn.Parameter(np.zeros(2, "float32"))
        self.second = Scale(3)


def names(named):
    return [name for name, _ in named]


def test_parameters_are_found_by_path_own_ones_before_those_of_submodules():
    assert names(Pair().named_parameters()) == ["bias", "first.weight", "second.weight"]


def test_buffers_and_modules_are_found_by_path():
    assert names(Pair().named_buffers()) == ["first.steps", "second.steps"]
    assert names(Pair().named_modules()) == ["", "first", "second"]
    assert names(Pair().named_children()) == ["first", "second"]


def test_a_parameter_bears_the_path_at_which_it_was_found():
    model = nn.Sequential(Pair(), Scale())
    for path, parameter in model.named_parameters():
        assert parameter.name == path
    assert model[0].first.steps.name == "0.first.steps"


def test_a_parameter_named_by_hand_keeps_its_name():
    scale = Scale()
    scale.weight = nn.Parameter(np.ones(2), name="γ")
    assert nn.Sequential(scale)[0].weight.name == "γ"


def test_a_shared_parameter_counts_once_and_is_saved_at_both_places():
    model = Pair()
    model.second.weight = model.first.weight
    assert names(model.named_parameters()) == ["bias", "first.weight"]
    assert model.first.weight.name == "first.weight"
    assert model.num_parameters() == 4
    assert {"first.weight", "second.weight"} <= model.state_dict().keys()


def test_a_shared_module_is_walked_once():
    scale = Scale()
    model = nn.Sequential(scale, scale)
    assert names(model.named_modules()) == ["", "0"]
    assert model.num_parameters() == 2


def test_a_parameter_copies_its_data():
    values = np.zeros(2)
    parameter = nn.Parameter(values)
    values[0] = 1
    assert parameter.data[0] == 0


def test_a_parameter_of_python_floats_takes_the_default_dtype():
    assert nn.Parameter([1.0]).dtype == "float32"


def test_what_an_op_makes_of_a_parameter_is_a_plain_tensor():
    assert type(nn.Parameter([1.0]) * 2) is tg.Tensor


def test_a_module_without_forward_says_what_to_define():
    with pytest.raises(NotImplementedError, match=r"Pair does not say .* define forward"):
        Pair()(1.0)


def test_replacing_a_parameter_by_a_tensor_is_refused():
    model = Scale()
    with pytest.raises(TypeError, match=r"Scale\.weight is a Parameter; got Tensor\. Assign nn\.P"):
        model.weight = tg.tensor([1.0])
    model.weight = nn.Parameter([2.0])
    assert model.weight.data[0] == 2
    model.weight = None
    assert names(model.named_parameters()) == []


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_plain_list_of_modules_is_refused(kind):
    model = nn.Module()
    with pytest.raises(TypeError, match=r"Module\.cells: got a \w+ that holds a Module.*ModuleLi"):
        model.cells = kind([Scale()])


def test_a_dict_of_parameters_is_refused():
    model = nn.Module()
    with pytest.raises(TypeError, match=r"got a dict that holds a Parameter, which would not be"):
        model.weights = {"w": nn.Parameter([1.0])}
    model.sizes = [1, 2]


def test_a_state_dict_holds_copies():
    model = Scale()
    state = model.state_dict()
    state["weight"][:] = 5
    assert model.weight.data.tolist() == [1, 1]
    assert state["steps"].dtype == int


def test_a_state_dict_loads_into_parameters_and_buffers():
    model = Pair()
    state = {path: x + 3 for path, x in model.state_dict().items()}
    assert model.load_state_dict(state) == ([], [])
    assert model.first.steps.item() == 3
    for path, x in model.state_dict().items():
        assert np.array_equal(x, state[path])


def test_loading_casts_to_the_dtype_of_the_parameter():
    model = Scale()
    model.load_state_dict({"weight": np.array([1.5, 2.5], "float64"), "steps": np.array(1)})
    assert model.weight.dtype == "float32"
    assert model.weight.data.tolist() == [1.5, 2.5]


def test_loading_the_wrong_names_lists_all_of_them_with_the_nearest():
    state = Pair().state_dict()
    state["frist.weight"] = state.pop("first.weight")
    del state["bias"]
    with pytest.raises(nn.StateDictError) as caught:
        Pair().load_state_dict(state)
    assert str(caught.value) == (
        "load_state_dict of Pair; nothing was loaded:\n"
        "  missing bias (2,)\n"
        "  missing first.weight (2,) (nearest name: frist.weight)\n"
        "  unexpected frist.weight (2,) (nearest name: first.weight)\n"
        "  rename the keys, or pass strict=False to load only the names on both sides"
    )


def test_loading_the_wrong_shapes_lists_what_was_got_and_expected():
    state = Pair().state_dict()
    state["bias"] = np.zeros((2, 1))
    state["first.weight"] = np.array([1j, 2j])
    with pytest.raises(nn.StateDictError) as caught:
        Pair().load_state_dict(state, strict=False)
    assert str(caught.value) == (
        "load_state_dict of Pair; nothing was loaded:\n"
        "  mismatched bias: got float64 (2, 1), expected float32 (2,)\n"
        "  mismatched first.weight: got complex128 (2,), expected float32 (2,)\n"
        "  make the module with the sizes and options that the state dict was saved from"
    )


def test_a_load_that_fails_changes_nothing():
    model = Scale()
    with pytest.raises(nn.StateDictError):
        model.load_state_dict({"weight": np.zeros(2), "steps": np.zeros(2)})
    assert model.weight.data.tolist() == [1, 1]


def test_a_load_that_is_not_strict_takes_what_fits_and_tells_the_rest():
    model = Scale()
    missing, unexpected = model.load_state_dict({"weight": [2, 3], "w": [0]}, strict=False)
    assert (missing, unexpected) == (["steps"], ["w"])
    assert model.weight.data.tolist() == [2, 3]


def test_backward_after_a_load_refuses_the_overwritten_weights():
    model = Scale()
    y = (model(tg.tensor([1.0, 2.0], requires_grad=True)) ** 2).sum()
    model.load_state_dict({"weight": np.zeros(2), "steps": 0})
    with pytest.raises(tg.GraphError, match="'weight'"):
        y.backward()


def test_train_and_eval_reach_every_module():
    model = nn.Sequential(Pair())
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())


def test_apply_visits_children_before_parents():
    seen = []
    model = Pair()
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Scale", "Scale", "Pair"]


def test_freezing_stops_gradients_and_unfreezing_brings_them_back():
    model = Scale().requires_grad_(False)
    assert not model(tg.tensor([1.0, 2.0])).requires_grad
    assert model.requires_grad_()(tg.tensor([1.0, 2.0])).requires_grad


def test_zero_grad_forgets_gradients():
    model = Scale()
    model(tg.tensor([1.0, 2.0])).sum().backward()
    assert model.weight.grad.data.tolist() == [1, 2]
    model.zero_grad()
    assert model.weight.grad is None


def test_astype_converts_floats_and_leaves_counts_alone():
    model = Pair().astype("float64")
    assert {x.dtype.name for x in model.parameters()} == {"float64"}
    assert model.first.steps.dtype == int
    with pytest.raises(tg.DtypeError, match="got int32; expected a float dtype"):
        model.astype("int32")


def test_the_repr_is_a_tree_with_counts():
    assert repr(nn.Sequential(Pair(), nn.Linear(100, 20, seed=0))) == (
        "Sequential                                       2,027 parameters\n"
        "├─ 0: Pair                                           7\n"
        "│  ├─ first: Scale                                   2\n"
        "│  └─ second: Scale                                  3\n"
        "└─ 1: Linear(in_features=100, out_features=20)   2,020"
    )
    assert repr(nn.Sequential(Scale(1))).endswith("1")
    assert repr(Scale(1)) == "Scale   1 parameter"


def test_a_deep_copy_shares_nothing_but_keeps_sharing_inside():
    model = Pair()
    model.second.weight = model.first.weight
    twin = copy.deepcopy(model)
    twin.first.weight.data[:] = 7
    assert model.first.weight.data.tolist() == [1, 1]
    assert twin.second.weight is twin.first.weight
    assert isinstance(twin.bias, nn.Parameter)


def test_a_pickled_module_comes_back_with_its_parameters():
    model = pickle.loads(pickle.dumps(nn.Linear(3, 2, seed=0)))
    x = np.ones((1, 3), "float32")
    assert np.array_equal(model(x).data, nn.Linear(3, 2, seed=0)(x).data)
    assert all(p.requires_grad for p in model.parameters())


def test_sequential_applies_modules_and_functions_in_order():
    model = nn.Sequential(Scale(), lambda x: x + 1, Scale())
    model[0].weight.data[:] = 2
    model[-1].weight.data[:] = 10
    assert model(tg.tensor([1.0, 2.0])).tolist() == [30, 50]
    assert list(model.state_dict()) == ["0.weight", "0.steps", "2.weight", "2.steps"]


def test_a_module_list_can_be_walked_indexed_and_extended():
    layers = nn.ModuleList(Scale(n) for n in (1, 2))
    layers.append(Scale(3))
    assert len(layers) == 3
    assert [m.weight.size for m in layers] == [1, 2, 3]
    assert layers[-1] is layers[2]
    with pytest.raises(IndexError, match="ModuleList: got index 3 for 3 modules"):
        layers[3]


def test_generators_are_found_by_path():
    class Noisy(nn.Module):
        def __init__(self):
            self.rng = np.random.default_rng(0)

    model = nn.Sequential(Noisy(), Noisy())
    assert names(model.named_generators()) == ["0.rng", "1.rng"]
    assert names(model[0].named_generators()) == ["rng"]
