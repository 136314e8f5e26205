"""Modules and state dicts of PyTorch, both ways.

What PyTorch's layers compute is also in `tests/nn/goldens.npz`, for machines without it.
"""

from itertools import product

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.interop import (
    InteropError,
    from_torch,
    load_torch_state,
    to_torch,
    torch_state,
)

torch = pytest.importorskip("torch")

# Where PyTorch has no fast path it says so; warnings are errors here.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")

T, B, D, H = 4, 3, 5, 6
FLOAT32 = 2e-6  # sums of a few dozen terms around 1, added in another order


def recurrent(kind, layers, both, bias, batch_first, **options):
    layer = getattr(torch.nn, kind)
    return layer(D, H, layers, bias=bias, batch_first=batch_first, bidirectional=both, **options)


LAYERS = {
    **{
        f"{kind} {options}, {layers} layers, {both=}, {bias=}": (
            lambda k=kind, o=options, n=layers, d=both, b=bias: recurrent(k, n, d, b, n == 2, **o),
            (T, B, D),
        )
        for kind, options in [
            ("RNN", {}),
            ("RNN", {"nonlinearity": "relu"}),
            ("LSTM", {}),
            ("LSTM", {"proj_size": 2}),
            ("GRU", {}),
        ]
        for layers, both, bias in product((1, 2), (False, True), (False, True))
    },
    "Linear": (lambda: torch.nn.Linear(D, H), (B, D)),
    "Linear without bias": (lambda: torch.nn.Linear(D, H, bias=False), (B, D)),
    "Embedding": (lambda: torch.nn.Embedding(D, H, padding_idx=1), None),
    "LayerNorm": (lambda: torch.nn.LayerNorm((B, D), eps=1e-3), (T, B, D)),
    "LayerNorm without bias": (lambda: torch.nn.LayerNorm(D, bias=False), (B, D)),
    "LayerNorm without weights": (
        lambda: torch.nn.LayerNorm(D, elementwise_affine=False),
        (B, D),
    ),
    "RNNCell": (lambda: torch.nn.RNNCell(D, H, nonlinearity="relu"), (B, D)),
    "LSTMCell": (lambda: torch.nn.LSTMCell(D, H, bias=False), (B, D)),
    "GRUCell": (lambda: torch.nn.GRUCell(D, H), (B, D)),
    "Conv1d": (lambda: torch.nn.Conv1d(4, 6, 3, 2, 1, groups=2), (B, 4, 8)),
    "Conv2d": (lambda: torch.nn.Conv2d(2, 3, (1, 3), padding="same", bias=False), (B, 2, 5, 4)),
    "MaxPool1d": (lambda: torch.nn.MaxPool1d((2,), (1,), (1,), (1,)), (B, D, 6)),
    "AvgPool2d": (
        lambda: torch.nn.AvgPool2d((2, 2), (2, 2), (1, 0), count_include_pad=False),
        (B, D, 6, 4),
    ),
    "a row of layers": (
        lambda: torch.nn.Sequential(
            torch.nn.Linear(D, H),
            torch.nn.Tanh(),
            torch.nn.Dropout(0.3),
            torch.nn.Sequential(torch.nn.Linear(H, H), torch.nn.ReLU(), torch.nn.Sigmoid()),
        ).eval(),
        (B, D),
    ),
}


def flat(result):
    if not isinstance(result, tuple):
        return [result]
    return [leaf for part in result for leaf in flat(part)]


def answers_of(theirs, x):
    """Outputs, and gradients of their weighted sum, in PyTorch."""
    ys = flat(theirs(torch.from_numpy(x)))
    if any(y.requires_grad for y in ys):
        sum((y * weight(y.shape, torch.from_numpy)).sum() for y in ys).backward()
    return [y.detach().numpy() for y in ys], {
        path: p.grad.numpy() for path, p in theirs.named_parameters()
    }


def our_answers(ours, x):
    ys = flat(ours(x))
    if any(y.requires_grad for y in ys):
        sum((y * weight(y.shape, np.asarray)).sum() for y in ys).backward()
    return [y.detach().numpy() for y in ys], {
        path: p.grad.numpy() for path, p in ours.named_parameters()
    }


def weight(shape, make):
    return make(np.cos(np.arange(np.prod(shape))).reshape(tuple(shape)).astype("float32"))


def assert_close(ours, theirs):
    for got, expected in zip(ours[0], theirs[0], strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, atol=FLOAT32)
    assert ours[1].keys() == theirs[1].keys()
    for path, expected in theirs[1].items():
        np.testing.assert_allclose(ours[1][path], expected, rtol=1e-4, atol=2e-5, err_msg=path)


@pytest.fixture(params=LAYERS, scope="module")
def pair(request):
    """A module of PyTorch, and an input for it."""
    make, shape = LAYERS[request.param]
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.integers(0, D, (T, B)) if shape is None else rng.normal(size=shape).astype("float32")
    return make(), x


def test_a_module_from_pytorch_gives_the_same_outputs_and_gradients(pair):
    theirs, x = pair
    theirs.zero_grad()
    assert_close(our_answers(from_torch(theirs), x), answers_of(theirs, x))


def test_a_module_comes_back_from_pytorch_and_to_it_with_the_same_weights_and_options(pair):
    theirs, _ = pair
    back = to_torch(from_torch(theirs))
    assert str(back) == str(theirs)
    assert back.state_dict().keys() == theirs.state_dict().keys()
    for path, x in theirs.state_dict().items():
        assert torch.equal(back.state_dict()[path], x)


def test_a_module_of_ours_gives_the_same_in_pytorch():
    ours = nn.Sequential(nn.Linear(D, H, seed=0), tg.tanh, nn.Linear(H, 2, seed=1))
    x = np.ones((B, D), "float32")
    assert_close(our_answers(ours, x), answers_of(to_torch(ours), x))


def test_float64_stays_float64():
    ours = from_torch(torch.nn.GRU(D, H).double())
    assert {x.dtype for x in ours.parameters()} == {np.dtype("float64")}
    assert {x.dtype for x in to_torch(ours).parameters()} == {torch.float64}


def test_each_layer_keeps_its_own_dtype():
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).double())
    ours = from_torch(theirs)
    assert [layer.weight.dtype for layer in ours] == ["float32", "float64"]
    assert [layer.weight.dtype for layer in to_torch(ours)] == [torch.float32, torch.float64]


def test_what_is_shared_frozen_or_in_use_stays_so():
    table, output = torch.nn.Embedding(D, H), torch.nn.Linear(H, D)
    output.weight, output.bias.requires_grad = table.weight, False
    theirs = torch.nn.Sequential(table, output, torch.nn.Dropout(0.5)).eval()
    ours = from_torch(theirs)
    assert ours[1].weight is ours[0].weight
    assert not ours[1].bias.requires_grad
    assert not ours[2].training
    back = to_torch(ours)
    assert back[1].weight is back[0].weight
    assert not back[1].bias.requires_grad
    assert not back[2].training


def test_a_module_at_two_places_is_one_module():
    layer = torch.nn.Linear(D, D)
    ours = from_torch(torch.nn.Sequential(layer, layer))
    assert ours[0] is ours[1]
    back = to_torch(ours)
    assert back[0] is back[1]


def test_dropout_between_layers_goes_along():
    layer = from_torch(torch.nn.LSTM(D, H, 2, dropout=0.25))
    assert layer.dropout.p == 0.25
    assert to_torch(layer).dropout == 0.25


def test_weights_are_copies():
    theirs = torch.nn.Linear(2, 2)
    ours = from_torch(theirs)
    with torch.no_grad():
        theirs.weight.zero_()
    state = torch_state(ours)
    state["weight"].zero_()
    assert np.abs(ours.weight.numpy()).min() > 0


def test_a_state_dict_goes_both_ways():
    lstm = nn.LSTM(D, H, 2, bidirectional=True, proj_size=2, seed=0)
    theirs = torch.nn.LSTM(D, H, 2, bidirectional=True, proj_size=2)
    theirs.load_state_dict(torch_state(lstm))
    other = nn.LSTM(D, H, 2, bidirectional=True, proj_size=2, seed=1)
    load_torch_state(other, theirs.state_dict())
    for path, x in lstm.state_dict().items():
        assert (other.state_dict()[path] == x).all()


def test_keys_that_do_not_fit_are_all_named_and_nothing_is_loaded():
    layer = nn.Linear(3, 2, seed=0)
    before = layer.state_dict()
    state = {"wieght": torch.ones(2, 3), "bias": torch.ones(3)}
    with pytest.raises(nn.StateDictError) as caught:
        load_torch_state(layer, state)
    text = str(caught.value)
    assert "missing weight (2, 3) (nearest name: wieght)" in text
    assert "unexpected wieght (2, 3) (nearest name: weight)" in text
    assert "mismatched bias: got float32 (3,), expected float32 (2,)" in text
    for path, x in before.items():
        assert (layer.state_dict()[path] == x).all()


def test_names_on_one_side_only_are_told_when_not_strict():
    found = load_torch_state(nn.Linear(3, 2), {"weight": torch.ones(2, 3)}, strict=False)
    assert found == (["bias"], [])


def test_another_dtype_is_an_error_unless_told_to_cast():
    layer, state = nn.Linear(3, 2, bias=False), {"weight": torch.ones(2, 3).double()}
    with pytest.raises(nn.StateDictError, match="weight: got float64, expected float32"):
        load_torch_state(layer, state)
    load_torch_state(layer, state, cast=True)
    assert (layer.weight.numpy() == 1).all()
    with pytest.raises(nn.StateDictError, match="weight: got int64, expected float32"):
        load_torch_state(layer, {"weight": torch.ones(2, 3).long()}, cast=True)


def test_a_dtype_that_numpy_lacks_is_named_with_its_key():
    with pytest.raises(InteropError, match=r"weight: got torch.bfloat16, .* convert it first"):
        load_torch_state(nn.Linear(3, 2), {"weight": torch.ones(2, 3, dtype=torch.bfloat16)})


class Own(torch.nn.Module):
    pass


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Own(), "Own has no counterpart here"),
        (
            lambda: torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Bilinear(1, 1, 1)),
            "1: Bilinear has no counterpart here",
        ),
        (
            lambda: torch.nn.Sequential(torch.nn.Embedding(2, 2, max_norm=1.0)),
            "0: Embedding has max_norm=1.0, which there is no counterpart for; expected None",
        ),
        (lambda: torch.nn.Conv1d(1, 1, 1, padding_mode="circular"), "padding_mode='circular'"),
        (lambda: torch.nn.MaxPool1d(2, ceil_mode=True), "ceil_mode=True"),
    ],
)
def test_a_module_of_pytorch_without_counterpart_is_named(make, text):
    with pytest.raises(InteropError, match=text):
        from_torch(make())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.LSTMCell(2, 3, peepholes=True), "LSTMCell has peepholes"),
        (lambda: nn.LSTMCell(2, 3, coupled=True), "LSTMCell has coupled"),
        (lambda: nn.LSTMCell(2, 3, proj_size=2), "LSTMCell has proj_size"),
        (lambda: nn.Sequential(nn.GRUCell(2, 3, reset_after=False)), "0: GRUCell has reset_after="),
        (lambda: nn.MinimalGatedCell(2, 3), "MinimalGatedCell has no counterpart in PyTorch"),
        (lambda: nn.Sequential(tg.exp), "0: Operation has no counterpart in PyTorch"),
    ],
)
def test_a_module_of_ours_without_counterpart_is_named(make, text):
    with pytest.raises(InteropError, match=text):
        to_torch(make())
