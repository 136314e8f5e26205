import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_rnn.train import (
    CheckpointError,
    load_checkpoint,
    read_description,
    save_checkpoint,
)

dtypes = st.sampled_from(["f4", "f8", "i4", "i8", "u8", "?", ">f4"])
arrays = dtypes.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0)))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
states = st.dictionaries(
    st.text().filter(lambda key: "." not in key),
    st.recursive(
        scalars | arrays,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(st.sampled_from(["a", "dict", "array", "tuple", "한"]), inner)
        ),
        max_leaves=8,
    ),
)


def assert_equal(a, b):
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        assert b.dtype == a.dtype.newbyteorder("=")
        assert b.shape == a.shape
        assert b.astype(a.dtype).tobytes() == a.tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b
        assert type(a) is type(b)


@given(states)
@settings(max_examples=60, deadline=None)
def test_a_state_comes_back_bit_for_bit(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("state") / "c.safetensors"
    save_checkpoint(path, state)
    assert_equal(state, load_checkpoint(path))


matrix = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize(
    "array",
    [
        matrix.T,
        matrix[:, ::2],
        matrix[::-1],
        matrix[:, 3],
        np.asfortranarray(matrix),
        np.broadcast_to(matrix[0], (3, 6)),
        np.moveaxis(matrix.reshape(2, 2, 6), -1, 0),
        np.array(3.5),
        np.zeros((0, 3)),
    ],
)
def test_arrays_of_any_layout_are_saved_by_value(tmp_path, array):
    save_checkpoint(tmp_path / "c", {"W": array})
    loaded = load_checkpoint(tmp_path / "c")["W"]
    assert loaded.shape == array.shape
    np.testing.assert_array_equal(loaded, array)
    assert loaded.flags.c_contiguous


def test_numpy_scalars_become_plain_numbers(tmp_path):
    save_checkpoint(tmp_path / "c", {"lr": np.float32(0.5), "n": np.int64(3)})
    assert load_checkpoint(tmp_path / "c") == {"lr": 0.5, "n": 3}


def test_the_weights_are_plain_safetensors_under_their_paths(tmp_path):
    save_checkpoint(tmp_path / "c", {"model": {"rnn.weight": matrix.T}, "carry": (matrix,)})
    tensors = safetensors.numpy.load_file(tmp_path / "c")
    assert sorted(tensors) == ["carry.0", "model.rnn.weight"]
    np.testing.assert_array_equal(tensors["model.rnn.weight"], matrix.T)


def test_a_generators_state_survives(tmp_path):
    for bits in (np.random.PCG64, np.random.MT19937, np.random.Philox):
        rng = np.random.Generator(bits(5))
        rng.random(3)
        save_checkpoint(tmp_path / "c", {"rng": rng.bit_generator.state})
        expected = rng.random(4)
        rng.bit_generator.state = load_checkpoint(tmp_path / "c")["rng"]
        np.testing.assert_array_equal(rng.random(4), expected)


@pytest.mark.parametrize("kept", [0, 4, 40, 300, -1])
def test_a_file_cut_short_is_refused(tmp_path, kept):
    save_checkpoint(tmp_path / "c", {"W": np.zeros(100), "note": "x" * 300})
    content = (tmp_path / "c").read_bytes()
    (tmp_path / "cut").write_bytes(content[:kept])
    with pytest.raises(CheckpointError, match=r"cut is not a complete checkpoint \(.*cut short"):
        load_checkpoint(tmp_path / "cut")


def test_a_flipped_bit_is_noticed(tmp_path):
    save_checkpoint(tmp_path / "c", {"W": np.ones(100)})
    content = bytearray((tmp_path / "c").read_bytes())
    content[-1] ^= 1
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(CheckpointError, match="was damaged after it was written"):
        load_checkpoint(tmp_path / "c")


def test_another_safetensors_file_is_no_checkpoint(tmp_path):
    safetensors.numpy.save_file({"W": matrix}, tmp_path / "other")
    with pytest.raises(CheckpointError, match="its format is None, expected 'tinygrad_rnn"):
        load_checkpoint(tmp_path / "other")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*nowhere"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {1: 2}}, "key 1 in a is not a string"),
        ({1: 2}, "key 1 in the state is not a string"),
        ({"a": {1, 2}}, "set is not JSON serializable"),
        ({"a.b": matrix, "a": {"b": matrix}}, r"two arrays of the state are both called 'a\.b'"),
    ],
)
def test_what_cannot_be_saved_is_explained_and_leaves_no_file(tmp_path, state, message):
    with pytest.raises(CheckpointError, match=message):
        save_checkpoint(tmp_path / "c", state)
    assert not list(tmp_path.iterdir())


def test_without_safetensors_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "tinygrad-rnn\[train\]"'):
        save_checkpoint(tmp_path / "c", {})


def test_the_metadata_is_readable_json(tmp_path):
    save_checkpoint(tmp_path / "c", {"step": 3, "name": "한글"})
    with safetensors.safe_open(tmp_path / "c", framework="numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["state"]) == {"dict": {"step": 3, "name": "한글"}}


@dataclass
class Shape:
    hidden: int
    layers: tuple[int, ...]


def test_a_dataclass_is_a_dict_of_its_fields(tmp_path):
    save_checkpoint(tmp_path / "c", {"settings": Shape(2, (3, 4))})
    assert load_checkpoint(tmp_path / "c") == {"settings": {"hidden": 2, "layers": (3, 4)}}


def test_a_description_has_none_for_each_array(tmp_path):
    state = {"settings": Shape(2, ()), "model": {"w": np.zeros(3)}, "steps": [1, np.ones(2)]}
    save_checkpoint(tmp_path / "c", state)
    assert read_description(tmp_path / "c") == {
        "settings": {"hidden": 2, "layers": ()},
        "model": {"w": None},
        "steps": [1, None],
    }


def test_what_has_no_description_is_refused(tmp_path):
    (tmp_path / "c").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="is not a complete checkpoint"):
        read_description(tmp_path / "c")
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        read_description(tmp_path / "d")
