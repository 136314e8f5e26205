r"""Read word vectors."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.data.sources.failures import SourceError

__all__ = ["read_glove"]

LISTS = re.compile(rb'"dimensions":(\d+),"words":(\[.*?\]),"vectors":\{"', re.DOTALL)
ENTRY = re.compile(rb'":\[([^\]]*)\]')


def read_glove(files: Mapping[str, Path], part: str) -> dict[str, Any]:
    """Words, the commonest first, and the vector of each.

    The file is JSON of 300 MB. Read as such, its 34 million numbers would be as many objects; so
    each vector is found by its brackets, and its text read into the array at once.
    """
    [path] = files.values()
    text = path.read_bytes()
    lists = LISTS.search(text)
    if lists is None:
        raise SourceError(f"{path} has no list of words with their vectors")
    words = json.loads(lists[2])
    entries = ENTRY.finditer(text, lists.end() - 1)
    vectors = np.loadtxt(
        (entry[1].decode("ascii") for entry in entries),
        np.float32,
        delimiter=",",
        comments=None,
        usecols=range(int(lists[1])),  # then come the vector's length and its place in the list
        max_rows=len(words),  # then comes a vector for all other words
    )
    return {"word": words, "vector": vectors}
