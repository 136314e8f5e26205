r"""Files that Keras 3 wrote, read without Keras.

`.weights.h5` is an HDF5 file of weights by place. `.keras` is a zip file of such a file and the
model's config. Neither is run, and nothing outside of them is read.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinygrad_rnn.interop.states import InteropError

__all__ = ["read_keras_weights"]

Array = NDArray[Any]
Config = Mapping[str, Any]


def read_keras_weights(path: str | Path) -> dict[str, list[Array]]:
    """The weights in a `.weights.h5` or `.keras` file: for each place in the model, its list.

    Args:
        path: what `model.save_weights` or `model.save` wrote, with Keras 3.

    Returns:
        Lists as `get_weights()` gives them, by place: `layers/lstm/cell`, `layers/dense`, …

    Raises:
        InteropError: if the file is cut short, damaged or something else, or reads from others.
        FileNotFoundError: if there is no such file.
        ModuleNotFoundError: if h5py is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix != ".keras":
        return h5_weights(path, path)
    return h5_weights(path, io.BytesIO(member(path, "model.weights.h5")))


def saved(path: Path) -> tuple[Config, list[Array]]:
    """The config of a saved model, and its weights in the order of `get_weights()`."""
    if path.suffix != ".keras":
        raise InteropError(
            f"from_keras: got {path.name}; expected a .keras file, which says what the model is. "
            "For weights alone write the module, and use read_keras_weights and load_keras_weights"
        )
    stored = read_keras_weights(path)
    model: Config = json.loads(member(path, "config.json"))
    return model, list(in_order(model, "", stored))


def in_order(layer: Config, place: str, stored: Mapping[str, list[Array]]) -> Iterator[Array]:
    """The weights of a layer and all in it; places are numbered by class: `lstm`, `lstm_1`."""
    seen: dict[str, int] = {}
    for part in layer["config"].get("layers", []):
        kind = snake_case(part["class_name"])
        number = seen[kind] = seen.get(kind, -1) + 1
        below = f"layers/{kind}" + f"_{number}" * (number > 0)
        yield from in_order(part, f"{place}/{below}".lstrip("/"), stored)
    for end in ("", "cell", "forward_layer/cell", "backward_layer/cell"):
        yield from stored.get(f"{place}/{end}".strip("/"), [])


def snake_case(name: str) -> str:
    """A class's name as a place: SimpleRNN is simple_rnn."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z0-9])([A-Z])", r"\1\3_\2\4", name)
    return words.lower()


def member(path: Path, name: str) -> bytes:
    """One of the files in a `.keras` file."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise unreadable(path, error) from error


def h5_weights(path: Path, file: Any) -> dict[str, list[Array]]:
    """The lists of weights in an HDF5 file, by place."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'files of Keras need h5py: python -m pip install "tinygrad-rnn[interop]"'
        ) from error
    found: dict[str, dict[int, Array]] = {}

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.parent.name.endswith("/vars"):
            if node.external or node.is_virtual:  # such a file could show any other's content
                raise InteropError(f"{path}: {name} is in another file, which is not read")
            place, _, number = name.rpartition("/")
            numbered = found.setdefault(place.removesuffix("vars").rstrip("/"), {})
            numbered[int(number)] = node[()]

    try:
        with h5py.File(file, "r") as archive:
            archive.visititems(visit)
    except (OSError, ValueError, RuntimeError) as error:
        raise error if isinstance(error, InteropError) else unreadable(path, error) from error
    return {place: [w[k] for k in sorted(w)] for place, w in found.items()}


def unreadable(path: Path, error: Exception) -> InteropError:
    """What to say of a file that Keras 3 did not write."""
    return InteropError(
        f"{path} is not a complete file of Keras 3 ({error}); it was cut short, damaged or is "
        "something else: save it again with model.save or model.save_weights"
    )
