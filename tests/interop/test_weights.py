"""Weights in files: safetensors and `.npz`."""

import pickle
import sys

import numpy as np
import pytest

from tinygrad_rnn import nn
from tinygrad_rnn.interop import (
    InteropError,
    load_weights,
    read_metadata,
    read_weights,
    save_weights,
)

safetensors = pytest.importorskip("safetensors.numpy")

FORMATS = [".safetensors", ".npz"]


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    return tmp_path / f"weights{request.param}"


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name, x in a.items():
        assert x.dtype == b[name].dtype
        assert x.shape == b[name].shape
        assert (x == b[name]).all()


def test_a_module_goes_out_and_in(path):
    model = nn.LSTM(3, 4, 2, bidirectional=True, seed=0)
    save_weights(path, model)
    other = nn.LSTM(3, 4, 2, bidirectional=True, seed=1)
    assert load_weights(other, path) == ([], [])
    assert_equal(other.state_dict(), model.state_dict())
    x = np.ones((5, 2, 3), "float32")
    assert (other(x)[0].detach().numpy() == model(x)[0].detach().numpy()).all()


def test_any_arrays_of_numbers_go_out_and_in(path):
    arrays = {
        "file": np.arange(3),
        "a/b.c": np.float64([[1, 2], [3, 4]]).T,
        "scalar": np.array(2, "int8"),
        "empty": np.zeros((0, 3), "float16"),
        "mask": np.array([True, False]),
        "strided": np.arange(10, dtype=">f4")[::3],
    }
    save_weights(path, arrays)
    native = {k: v.astype(v.dtype.newbyteorder("=")) for k, v in arrays.items()}
    assert_equal(read_weights(path), native)


def test_other_tools_read_what_was_written_and_the_other_way_round(tmp_path):
    model = nn.Linear(3, 2, seed=0)
    save_weights(tmp_path / "a.safetensors", model)
    assert_equal(safetensors.load_file(tmp_path / "a.safetensors"), model.state_dict())
    save_weights(tmp_path / "a.npz", model)
    with np.load(tmp_path / "a.npz") as archive:
        assert_equal(dict(archive), model.state_dict())
    safetensors.save_file(model.state_dict(), tmp_path / "b.safetensors")
    np.savez_compressed(tmp_path / "b.npz", **model.state_dict())
    for name in ("b.safetensors", "b.npz"):
        assert_equal(read_weights(tmp_path / name), model.state_dict())


def test_metadata_go_along(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(path, nn.Linear(1, 1), {"licence": "CC0-1.0", "über": "값"})
    assert read_metadata(path) == {"licence": "CC0-1.0", "über": "값"}
    save_weights(path, nn.Linear(1, 1))
    assert read_metadata(path) == {}
    save_weights(tmp_path / "a.npz", nn.Linear(1, 1))
    assert read_metadata(tmp_path / "a.npz") == {}


def test_metadata_that_would_be_lost_or_changed_are_refused(tmp_path):
    with pytest.raises(InteropError, match=r"\.npz has no room for metadata; save as"):
        save_weights(tmp_path / "a.npz", nn.Linear(1, 1), {"a": "b"})
    with pytest.raises(InteropError, match="metadata 'epoch': got 3; expected strings"):
        save_weights(tmp_path / "a.safetensors", nn.Linear(1, 1), {"epoch": 3})


def test_bfloat16_is_read_as_float32(tmp_path):
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    x = torch.tensor([[1.0, -2.5, 3e30]], dtype=torch.bfloat16)
    save_file({"x": x, "y": torch.ones(2)}, tmp_path / "a.safetensors")
    found = read_weights(tmp_path / "a.safetensors")
    assert_equal(found, {"x": x.float().numpy(), "y": np.ones(2, "float32")})


def test_a_save_that_fails_leaves_the_old_file(path):
    save_weights(path, {"a": np.ones(2)})
    with pytest.raises(InteropError, match="b: got object; expected an array of numbers"):
        save_weights(path, {"a": np.zeros(2), "b": np.array([None])})
    assert_equal(read_weights(path), {"a": np.ones(2)})
    assert [x.name for x in path.parent.iterdir()] == [path.name]


def test_keys_that_do_not_fit_are_all_named_and_nothing_is_loaded(path):
    layer = nn.Linear(3, 2, seed=0)
    before = layer.state_dict()
    save_weights(path, {"wieght": before["weight"], "bias": np.ones(3, "float32")})
    with pytest.raises(nn.StateDictError) as caught:
        load_weights(layer, path)
    text = str(caught.value)
    assert "missing weight (2, 3) (nearest name: wieght)" in text
    assert "unexpected wieght (2, 3)" in text
    assert "mismatched bias: got float32 (3,), expected float32 (2,)" in text
    assert_equal(layer.state_dict(), before)


def test_another_dtype_is_an_error_unless_told_to_cast(path):
    layer = nn.Linear(3, 2, seed=0)
    save_weights(path, {k: v.astype("float64") for k, v in layer.state_dict().items()})
    with pytest.raises(nn.StateDictError, match="weight: got float64, expected float32") as caught:
        load_weights(nn.Linear(3, 2), path)
    assert "bias: got float64, expected float32" in str(caught.value)
    other = nn.Linear(3, 2, seed=1)
    load_weights(other, path, cast=True)
    assert_equal(other.state_dict(), layer.state_dict())


def test_names_on_one_side_only_are_told_when_not_strict(path):
    save_weights(path, {"bias": np.zeros(2, "float32"), "extra": np.zeros(1)})
    assert load_weights(nn.Linear(3, 2), path, strict=False) == (["weight"], ["extra"])


def test_a_file_that_is_not_there_is_named(path):
    for read in (read_weights, read_metadata, lambda p: load_weights(nn.Linear(1, 1), p)):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*weights"):
            read(path)


@pytest.mark.parametrize("keep", [0, 1, 7, 20, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_an_error(path, keep):
    save_weights(path, nn.Linear(30, 20))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(InteropError, match=r"is not a complete .* it was cut short, damaged or"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"hello, this is a text", pickle.dumps([1, 2])])
def test_a_file_of_something_else_is_an_error(path, content):
    path.write_bytes(content)
    with pytest.raises(InteropError, match="is not a complete"):
        read_weights(path)


def test_a_single_array_is_no_npz_file(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(2))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(InteropError, match=r"is not a complete \.npz file of plain arrays"):
        read_weights(tmp_path / "a.npz")


class Trap:
    """An object that would run something when read."""

    def __reduce__(self):
        return sys.exit, ("it ran",)


def test_objects_are_not_read_from_npz_files(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([Trap()], object))
    with pytest.raises(InteropError, match=r"plain arrays .*allow_pickle=False"):
        read_weights(tmp_path / "a.npz")


def test_another_ending_is_refused(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"")
    for act in (read_weights, lambda path: save_weights(path, {})):
        with pytest.raises(InteropError, match=r"got the ending '\.pt'; expected .*safetensors"):
            act(tmp_path / "a.pt")


def test_without_safetensors_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install .tinygrad-rnn\[train\]"):
        save_weights(tmp_path / "a.safetensors", {})
