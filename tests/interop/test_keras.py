"""Layers, lists of weights and files of Keras.

`keras_goldens.npz` and `keras_model.keras` are what Keras said; `generate_keras_goldens.py` asks
it. The tests that run Keras itself are skipped where it is not.
"""

import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.interop import (
    InteropError,
    LastOutput,
    Outputs,
    from_keras,
    keras_weights,
    load_keras_weights,
    read_keras_weights,
)

HERE = Path(__file__).parent
FLOAT32 = 2e-6

with np.load(HERE / "keras_goldens.npz") as archive:
    ARRAYS = dict(archive)
CASES = json.loads(ARRAYS["index"].tobytes())


def title(case):
    config = case["config"]
    name = config["name"] + str(config.get("activation", ""))
    return f"{name}, {config.get('layer', case)['config'].get('reset_after', '')}"


def layer_of(case, **changes):
    """A stand-in for a Keras layer: what it says of itself."""
    k = CASES.index(case)
    weights = [ARRAYS[f"{k}.{i}"] for i in range(case["weights"])]
    says = {
        "get_config": lambda self: {**case["config"], **changes},
        "get_weights": lambda self: weights,
    }
    return type(case["class"], (), says)()


@pytest.fixture(params=["model.keras", "model.weights.h5"])
def path(request, tmp_path):
    """A file of the last case, in each form."""
    path = tmp_path / request.param
    saved = HERE / "keras_model.keras"
    with zipfile.ZipFile(saved) as archive:
        weights = archive.read("model.weights.h5")
    path.write_bytes(saved.read_bytes() if path.suffix == ".keras" else weights)
    return path


def named(kind, **options):
    """The golden of a kind of layer."""
    return next(
        case
        for case in CASES
        if case["class"] == kind and options.items() <= case["config"].items()
    )


def shown(module, x):
    y = module(x)
    return (y[0] if isinstance(y, tuple) else y).detach().numpy()


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_layer_from_keras_gives_what_it_gave_there(case):
    k = CASES.index(case)
    x, y = ARRAYS[f"{k}.x"], ARRAYS[f"{k}.y"]
    np.testing.assert_allclose(shown(from_keras(layer_of(case)).eval(), x), y, atol=FLOAT32)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_its_weights_go_back_to_keras_as_they_came(case):
    layer = layer_of(case)
    for ours, theirs in zip(keras_weights(from_keras(layer)), layer.get_weights(), strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()


def test_a_row_of_layers_has_our_layers_in_it():
    module = from_keras(layer_of(named("Sequential")))
    assert [type(part) for part in module] == [
        nn.Embedding,
        Outputs,
        nn.Dropout,
        Outputs,
        Outputs,
        LastOutput,
        nn.Sequential,
        nn.Linear,
    ]
    assert isinstance(module[1].layer, nn.LSTM)
    assert isinstance(module[3].layer.cell, nn.Bidirectional)
    assert module[6][1] is tg.relu


def test_two_biases_become_their_sum():
    lstm = nn.LSTM(2, 3, seed=0)
    *_, bias = keras_weights(lstm)
    assert (bias == lstm.bias_ih_l0.numpy() + lstm.bias_hh_l0.numpy()).all()


def test_layers_above_each_other_follow_each_other():
    deep = nn.GRU(2, 3, num_layers=2, bidirectional=True, seed=0)
    other = nn.GRU(2, 3, num_layers=2, bidirectional=True, seed=1)
    weights = keras_weights(deep)
    below, above = ([(size, 9), (3, 9), (2, 9)] for size in (2, 6))
    assert [w.shape for w in weights] == [*below, *below, *above, *above]
    load_keras_weights(other, weights)
    for path, x in deep.state_dict().items():
        assert (other.state_dict()[path] == x).all()


def test_weights_that_do_not_fit_are_all_named_and_nothing_is_loaded():
    model = nn.Sequential(nn.Embedding(5, 2), Outputs(nn.LSTM(2, 3, bidirectional=True)))
    before = model.state_dict()
    weights = keras_weights(model)
    weights[1] = weights[1].T
    weights[2] = weights[2].astype("float64")
    weights[5] = weights[5].astype("int64")
    with pytest.raises(nn.StateDictError) as caught:
        load_keras_weights(model, weights[:6])
    text = str(caught.value)
    assert (
        "weights[1], the kernel of 1.layer, l0: got float32 (12, 2), expected float32 (2," in text
    )
    assert "weights[2], the recurrent kernel of 1.layer, l0: got float64" in text
    assert "weights[5], the recurrent kernel of 1.layer, l0_reverse: got int64" in text
    assert "missing the bias of 1.layer, l0_reverse" in text
    for path, x in before.items():
        assert (model.state_dict()[path] == x).all()


def test_weights_that_are_too_many_are_named():
    layer = nn.Linear(2, 3)
    with pytest.raises(nn.StateDictError, match=r"unexpected weights\[2\]: float32 \(2, 3\)"):
        load_keras_weights(layer, [*keras_weights(layer), np.ones((2, 3), "float32")])


def test_floats_are_cast_when_told():
    layer = nn.Linear(2, 3)
    load_keras_weights(layer, [np.ones((2, 3)), np.zeros(3)], cast=True)
    assert layer.weight.dtype == np.float32
    assert (layer.weight.numpy() == 1).all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: nn.LSTM(2, 3, proj_size=2),
            "the module, l0: a cell with weight_hr is not in Keras",
        ),
        (lambda: nn.LSTMCell(2, 3, peepholes=True), "a cell with weight_cf is not in Keras"),
        (lambda: nn.LSTMCell(2, 3, coupled=True), "a cell with coupled gates is not in Keras"),
        (lambda: nn.Sequential(nn.MinimalGatedCell(2, 3)), "0: MinimalGatedCell is not in Keras"),
    ],
)
def test_a_module_that_keras_lacks_is_named(make, text):
    with pytest.raises(InteropError, match=text):
        keras_weights(make())


@pytest.mark.parametrize(
    ("case", "changes", "text"),
    [
        (named("LSTM"), {"go_backwards": True}, "lstm: LSTM has go_backwards=True"),
        (named("LSTM"), {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation='hard_s"),
        (named("LSTM"), {"activation": "relu"}, r"activation='relu' .* one of \['tanh'\]"),
        (named("LSTM"), {"dropout": 0.1}, "dropout=0.1"),
        (named("LSTM"), {"recurrent_dropout": 0.1}, "recurrent_dropout=0.1"),
        (named("GRU"), {"stateful": True}, "stateful=True"),
        (named("Embedding"), {"mask_zero": True}, "embedding: Embedding has mask_zero=True"),
        (named("Dense"), {"activation": "selu"}, "dense: Dense has activation='selu'"),
        (named("Bidirectional"), {"merge_mode": "sum"}, "merge_mode='sum'"),
    ],
)
def test_an_option_without_counterpart_is_named(case, changes, text):
    with pytest.raises(InteropError, match=text):
        from_keras(layer_of(case, **changes))


def test_a_layer_without_counterpart_is_named():
    layer = type("ConvLSTM2D", (), {"get_config": lambda _: {}, "get_weights": lambda _: []})()
    with pytest.raises(InteropError, match="ConvLSTM2D has no counterpart here"):
        from_keras(layer)


def test_directions_that_differ_are_refused():
    case = named("Bidirectional")
    config = case["config"]
    other = {**config["layer"], "config": {**config["layer"]["config"], "units": 9}}
    with pytest.raises(InteropError, match=r"backward_layer .* differs .* in units"):
        from_keras(layer_of(case, backward_layer=other))


def test_a_saved_model_is_read_without_keras():
    pytest.importorskip("h5py")
    k = len(CASES) - 1
    module = from_keras(HERE / "keras_model.keras").eval()
    np.testing.assert_allclose(shown(module, ARRAYS[f"{k}.x"]), ARRAYS[f"{k}.y"], atol=FLOAT32)


def test_the_weights_in_a_file_go_by_place(path):
    pytest.importorskip("h5py")
    found = read_keras_weights(path)
    case = named("Sequential")
    expected = layer_of(case).get_weights()
    assert (found["layers/embedding"][0] == expected[0]).all()
    place = "layers/bidirectional/backward_layer/cell"
    assert all((a == b).all() for a, b in zip(found[place], expected[4:7], strict=True))
    load_keras_weights(nn.LSTM(3, 4), found[place])


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (read_keras_weights, from_keras):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.keras"):
            read(tmp_path / "gone.keras")


def test_weights_alone_do_not_say_what_the_model_is():
    with pytest.raises(InteropError, match=r"expected a \.keras file, which says what the model"):
        from_keras(HERE / "model.weights.h5")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"hello"])
def test_a_damaged_file_is_an_error(path, damage):
    pytest.importorskip("h5py")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InteropError, match="is not a complete file of Keras 3"):
        read_keras_weights(path)


def test_a_zip_file_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(InteropError, match=r"model\.weights\.h5"):
        read_keras_weights(path)


def test_a_file_that_points_into_another_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8))
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        external = [(str(secret), 0, 8)]
        file.create_dataset("layers/dense/vars/0", (2,), "f4", external=external)
    with pytest.raises(InteropError, match="layers/dense/vars/0 is in another file"):
        read_keras_weights(tmp_path / "m.weights.h5")


@pytest.fixture(scope="module")
def keras():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
        return pytest.importorskip("keras")


@pytest.mark.filterwarnings("ignore")
def test_our_weights_give_the_same_in_keras(keras):
    ours = nn.Sequential(
        nn.Embedding(7, 3, seed=0),
        Outputs(nn.GRU(3, 4, batch_first=True, bidirectional=True, seed=1)),
        LastOutput(nn.LSTM(8, 4, batch_first=True, seed=2)),
        nn.Linear(4, 2, seed=3),
    )
    layers = keras.layers
    theirs = keras.Sequential(
        [
            layers.Embedding(7, 3),
            layers.Bidirectional(layers.GRU(4, return_sequences=True)),
            layers.LSTM(4),
            layers.Dense(2),
        ]
    )
    ids = np.random.default_rng(0).integers(0, 7, (2, 5))
    theirs(ids)
    theirs.set_weights(keras_weights(ours))
    expected = keras.ops.convert_to_numpy(theirs(ids))
    np.testing.assert_allclose(ours(ids).detach().numpy(), expected, atol=FLOAT32)
    np.testing.assert_allclose(shown(from_keras(theirs), ids), expected, atol=FLOAT32)


@pytest.mark.filterwarnings("ignore")
def test_a_layer_without_weights_is_told_to_be_built(keras):
    with pytest.raises(InteropError, match="this LSTM has no weights yet; call it once"):
        from_keras(keras.layers.LSTM(4))


def test_without_h5py_the_error_says_what_to_install(monkeypatch, path):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match="files of Keras need h5py"):
        read_keras_weights(path)
