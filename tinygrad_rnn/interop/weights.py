r"""Weights in files that other tools read: safetensors and NumPy's `.npz`.

A file holds arrays by path, as in `Module.state_dict`, and nothing that could run. safetensors may
hold strings by name as well, its metadata. For a whole training run, see `train.save_checkpoint`.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> from tinygrad_rnn import nn
    >>> path = Path(tempfile.mkdtemp()) / "line.npz"
    >>> save_weights(path, nn.Linear(2, 1, seed=0))
    >>> load_weights(nn.Linear(2, 1), path)
    Unmatched(missing_keys=[], unexpected_keys=[])
    >>> {name: array.shape for name, array in read_weights(path).items()}
    {'weight': (1, 2), 'bias': (1,)}
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.interop.states import Arrays, InteropError, load
from tinygrad_rnn.nn import Module
from tinygrad_rnn.nn.module import Unmatched
from tinygrad_rnn.train.atomic import replace_file

__all__ = ["load_weights", "read_metadata", "read_weights", "save_weights"]

SUFFIXES = (".safetensors", ".npz")


def save_weights(
    path: str | Path,
    weights: Module | Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write weights at one stroke: the file is the old one or the new one, never a part.

    Args:
        path: ending in `.safetensors` or `.npz`.
        weights: a module, or arrays by name.
        metadata: strings by name; only safetensors has room for them.

    Raises:
        InteropError: if the ending is another, a value is no array of numbers, or metadata are
            not strings or would be lost.
        ModuleNotFoundError: if safetensors is not installed.
    """
    path = Path(path)
    suffix = suffix_of(path)
    state = weights.state_dict() if isinstance(weights, Module) else weights
    arrays = {name: dense(name, value) for name, value in state.items()}
    if suffix == ".npz":
        if metadata:
            raise InteropError(f"{path}: .npz has no room for metadata; save as .safetensors")
        replace_file(path, npz(arrays))
        return
    strings = dict(metadata or {})
    for key, value in strings.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise InteropError(
                f"metadata {key!r}: got {value!r}; expected strings: use str or json"
            )
    replace_file(path, safetensors().numpy.save(arrays, strings or None))


def load_weights(
    module: Module, path: str | Path, *, strict: bool = True, cast: bool = False
) -> Unmatched:
    """Overwrite a module's weights by those of a file: all of them, or none.

    Args:
        module: what to load into.
        path: ending in `.safetensors` or `.npz`.
        strict: whether every path must be on both sides.
        cast: whether floats may change their precision.

    Returns:
        The paths on one side only.

    Raises:
        StateDictError: naming every missing, unexpected or unfit key.
        InteropError: if the file is cut short, damaged or something else.
        FileNotFoundError: if there is none.
    """
    return load(module, read_weights(path), strict=strict, cast=cast)


def read_weights(path: str | Path) -> Arrays:
    """The arrays of a file by name. bfloat16, which NumPy does not have, becomes float32.

    Raises:
        InteropError: if the file is cut short, damaged or something else, or holds objects that
            could run when read.
        FileNotFoundError: if there is none.
        ModuleNotFoundError: if safetensors is not installed.
    """
    path = existing(path)
    return arrays_of_npz(path) if suffix_of(path) == ".npz" else opened(path)[0]


def read_metadata(path: str | Path) -> dict[str, str]:
    """The strings that a safetensors file holds beside its arrays.

    Raises:
        InteropError: if the file is cut short, damaged or something else.
        FileNotFoundError: if there is none.
        ModuleNotFoundError: if safetensors is not installed.
    """
    path = existing(path)
    return {} if suffix_of(path) == ".npz" else opened(path)[1]


def suffix_of(path: Path) -> str:
    """Which of the two formats."""
    if path.suffix not in SUFFIXES:
        raise InteropError(f"{path}: got the ending {path.suffix!r}; expected {SUFFIXES}")
    return path.suffix


def existing(path: str | Path) -> Path:
    """The path of a file that is there."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def dense(name: str, value: Any) -> NDArray[Any]:
    """An array of numbers in the order of its memory.

    safetensors 0.8 writes the memory of a transposed array as if it were not transposed.
    """
    array = np.array(value, order="C")
    if array.dtype.kind not in "fiub":
        raise InteropError(f"{name}: got {array.dtype}; expected an array of numbers or booleans")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def npz(arrays: Arrays) -> bytes:
    """A `.npz` file. Not by `np.savez`, which cannot take an array called "file"."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def arrays_of_npz(path: Path) -> Arrays:
    """The arrays of a `.npz` file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise unreadable(path, ".npz file of plain arrays", error) from error


def opened(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays and metadata of a safetensors file."""
    library = safetensors()
    try:
        with library.safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            kinds = {name: file.get_slice(name).get_dtype() for name in names}
            arrays = {name: file.get_tensor(name) for name in names if kinds[name] != "BF16"}
            metadata = dict(file.metadata() or {})
    except (library.SafetensorError, OSError, TypeError) as error:
        raise unreadable(path, "safetensors file of dtypes that NumPy has", error) from error
    halves = [name for name in names if kinds[name] == "BF16"]
    return {**arrays, **widened(path, halves)}, metadata


def widened(path: Path, names: list[str]) -> Arrays:
    """Arrays of bfloat16 as float32, whose upper half they are."""
    if not names:
        return {}
    content = path.read_bytes()
    views = dict(safetensors().deserialize(content))
    return {
        name: (np.frombuffer(views[name]["data"], "<u2").astype("<u4") << 16)
        .view("<f4")
        .reshape(views[name]["shape"])
        for name in names
    }


def unreadable(path: Path, expected: str, error: Exception) -> InteropError:
    """What to say of a file that is not what its name says."""
    return InteropError(
        f"{path} is not a complete {expected} ({error}); it was cut short, damaged or is something "
        "else: fetch or save it again"
    )


def safetensors() -> Any:
    """The library, if it is there."""
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'files of safetensors need it: python -m pip install "tinygrad-rnn[train]"'
        ) from error
    return safetensors
