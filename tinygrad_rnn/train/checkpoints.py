r"""Checkpoints: a tree of states in one file, complete or not there at all.

A state is what JSON can hold (dicts with string keys, lists, numbers, strings, None) plus tuples,
NumPy arrays and dataclasses, which are written as dicts of their fields. Arrays become the tensors
of a safetensors file, each named by its path in the tree; everything else goes, as JSON, into that
file's metadata. Weights and the state that belongs to them so travel in one file and can never come
from two different steps.

Any reader of safetensors opens the weights: `safetensors.torch.load_file(path)` does.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.train.atomic import replace_file

__all__ = ["CheckpointError", "load_checkpoint", "read_description", "save_checkpoint"]

FORMAT = "tinygrad_rnn checkpoint 1"

Arrays = dict[str, NDArray[Any]]


class CheckpointError(ValueError):
    """A file that is no complete checkpoint, or a state that cannot be one."""


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state so that the file is always a complete checkpoint, this one or the last.

    Raises:
        CheckpointError: If the state holds something else than the module describes.
        ModuleNotFoundError: If safetensors is not installed.
    """
    arrays: Arrays = {}
    try:
        skeleton = json.dumps(_taken_apart(state, (), arrays), ensure_ascii=False)
    except TypeError as error:
        raise CheckpointError(f"a checkpoint cannot hold this state: {error}") from error
    metadata = {"format": FORMAT, "state": skeleton, "sha256": _checksum(arrays)}
    replace_file(path, _safetensors().numpy.save(arrays, metadata))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read the state that `save_checkpoint` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is cut short, damaged or something else.
        ModuleNotFoundError: If safetensors is not installed.
    """
    metadata, arrays = _read(Path(path))
    if metadata["sha256"] != _checksum(arrays):
        raise CheckpointError(
            f"{path} was damaged after it was written: its arrays do not have the checksum that "
            "was saved with them; go back to another checkpoint"
        )
    state: dict[str, Any] = _put_together(json.loads(metadata["state"]), arrays)
    return state


def read_description(path: str | Path) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote, with None for each array: quick, whatever its size.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is no checkpoint.
        ModuleNotFoundError: If safetensors is not installed.

    Example:
        >>> import tempfile, numpy as np
        >>> path = tempfile.mkdtemp() + "/c.safetensors"
        >>> save_checkpoint(path, {"settings": {"hidden": 2}, "weight": np.zeros(2)})
        >>> read_description(path)
        {'settings': {'hidden': 2}, 'weight': None}
    """
    metadata, _ = _read(Path(path), arrays=False)
    state: dict[str, Any] = _put_together(json.loads(metadata["state"]), {})
    return state


def _read(path: Path, *, arrays: bool = True) -> tuple[dict[str, str], Arrays]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    metadata, content = _opened(path, arrays)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a checkpoint that this version reads: its "
            f"format is {metadata.get('format')!r}, expected {FORMAT!r}"
        )
    return metadata, content


def _opened(path: Path, arrays: bool) -> tuple[dict[str, str], Arrays]:
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = file.keys() if arrays else ()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a complete checkpoint ({error}); it was cut short, damaged or is "
            "something else. Checkpoints are replaced as a whole, so look for how it was copied"
        ) from error


def _taken_apart(node: Any, path: tuple[str, ...], arrays: Arrays) -> Any:
    # A leaf array is replaced by {"array": name}, a tuple by {"tuple": items}, a dict by
    # {"dict": items}, so that no key of the state can be taken for one of these marks.
    if isinstance(node, np.ndarray):
        name = ".".join(path)
        if name in arrays:
            raise CheckpointError(f"two arrays of the state are both called {name!r}")
        arrays[name] = _dense(node)
        return {"array": name}
    if isinstance(node, np.generic):
        return node.item()
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = dataclasses.fields(node)
        node = {field.name: getattr(node, field.name) for field in fields}
    if isinstance(node, tuple | list):
        items = [_taken_apart(item, (*path, str(i)), arrays) for i, item in enumerate(node)]
        return {"tuple": items} if isinstance(node, tuple) else items
    if isinstance(node, Mapping):
        for key in node:
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} in {'.'.join(path) or 'the state'} is not a string")
        return {"dict": {k: _taken_apart(v, (*path, k), arrays) for k, v in node.items()}}
    return node


def _put_together(node: Any, arrays: Arrays) -> Any:
    if isinstance(node, list):
        return [_put_together(item, arrays) for item in node]
    if not isinstance(node, dict):
        return node
    if "array" in node:
        return arrays.get(node["array"])
    if "tuple" in node:
        return tuple(_put_together(item, arrays) for item in node["tuple"])
    return {key: _put_together(value, arrays) for key, value in node["dict"].items()}


def _dense(array: NDArray[Any]) -> NDArray[Any]:
    # safetensors 0.8 writes the memory of a strided or transposed array as if it were C-contiguous,
    # without a word. (ascontiguousarray would turn shape () into (1,).)
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'checkpoints need safetensors: python -m pip install "tinygrad-rnn[train]"'
        ) from error
    return safetensors
