r"""Read pictures: handwritten digits, and emoji with their names in two languages.

Every reader takes the paths of a source's files and the part that is asked for, and returns columns
with one entry for each picture.
"""

import gzip
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.data.sources.failures import SourceError

__all__ = ["read_digits", "read_mnist", "read_openmoji"]

Columns = dict[str, Any]

MNIST_FILES = {"train": "train", "test": "t10k"}
VARIATION = "\N{VARIATION SELECTOR-16}"


def read_digits(files: Mapping[str, Path], part: str) -> Columns:
    """Handwritten digits of 8 × 8 points, from 0 (white) to 16."""
    [path] = files.values()
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return {"image": rows[:, :-1].reshape(-1, 8, 8), "label": rows[:, -1]}


def read_mnist(files: Mapping[str, Path], part: str) -> Columns:
    """Handwritten digits of 28 × 28 points, from 0 (white) to 255."""
    name = MNIST_FILES[part]
    return {
        "image": idx_array(files[f"{name}-images-idx3-ubyte"]),
        "label": idx_array(files[f"{name}-labels-idx1-ubyte"]),
    }


def idx_array(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of bytes: two zeros, type 8, rank, big-endian sizes, bytes."""
    content = path.read_bytes()
    zeros, kind, rank = struct.unpack_from(">HBB", content)
    if (zeros, kind) != (0, 8):
        raise SourceError(f"{path} is not an IDX file of bytes")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_openmoji(files: Mapping[str, Path], part: str) -> Columns:
    """Emoji with a picture as SVG text and a name in English and in Korean."""
    english, korean = (names_in(files[f"names-{code}.json"]) for code in ("en", "ko"))
    emoji = json.loads(files["openmoji.json"].read_text("utf-8"))
    # CLDR leaves out the sign that asks for a colour picture.
    plain = [each["emoji"].replace(VARIATION, "") for each in emoji]
    kept = [
        (each, key)
        for each, key in zip(emoji, plain, strict=True)
        if key in english and key in korean
    ]
    return {
        "emoji": [each["emoji"] for each, _ in kept],
        "english": [english[key] for _, key in kept],
        "korean": [korean[key] for _, key in kept],
        "group": [each["group"] for each, _ in kept],
        "subgroup": [each["subgroups"] for each, _ in kept],
        "svg": [(files["svg"] / f"{each['hexcode']}.svg").read_text("utf-8") for each, _ in kept],
    }


def names_in(path: Path) -> dict[str, str]:
    """The short name of each character, from CLDR's annotations of one language."""
    annotations = json.loads(path.read_text("utf-8"))["annotations"]["annotations"]
    return {key: each["tts"][0] for key, each in annotations.items() if "tts" in each}
