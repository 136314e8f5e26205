r"""Read documents, tagged sentences and lists of words.

Every reader takes the paths of a source's files and the part that is asked for, and returns columns
with one entry for each document, sentence or question.
"""

import json
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.data.sources.failures import SourceError
from tinygrad_rnn.data.sources.integers import integer_lists
from tinygrad_rnn.data.sources.texts import TextSource

__all__ = [
    "read_analogies",
    "read_imdb",
    "read_numbered_reuters",
    "read_reuters",
    "read_shakespeare",
    "read_snippets",
    "read_tab",
    "read_tagged",
]

Columns = dict[str, Any]


def read_snippets(files: Mapping[str, Path], part: str) -> Columns:
    """Sentences of film reviews with the mean of at least twenty judgements."""
    [path] = files.values()
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines() if line]
    return {
        "text": [text.strip() for _, _, text in rows],
        "score": np.array([score for _, score, _ in rows]).astype("float32"),
    }


def read_reuters(files: Mapping[str, Path], part: str) -> Columns:
    """Reuters newswire of 1987: title, body, topics, places and date; empty where it has none."""
    [folder] = files.values()
    stories = [
        story
        for path in sorted(folder.glob("*.json"))
        for story in json.loads(path.read_text("utf-8"))
    ]
    stories.sort(key=lambda story: int(story["id"]))
    return {
        "title": [story.get("title", "").strip() for story in stories],
        "body": [story.get("body", "").strip() for story in stories],
        "topics": [story.get("topics", []) for story in stories],
        "places": [story.get("places", []) for story in stories],
        "date": [story["date"].strip() for story in stories],
        "id": np.array([int(story["id"]) for story in stories]),
    }


def read_tab(files: Mapping[str, Path], part: str) -> Columns:
    """Documents with one topic each, in lower case and without marks."""
    [path] = [path for name, path in files.items() if name.endswith(f"-{part}.tab")]
    heading, _types, _roles, *lines = path.read_text("utf-8").splitlines()
    if heading.split("\t") != ["Category", "Text"]:
        raise SourceError(f"{path} begins with {heading!r}; expected Category and Text")
    rows = [line.split("\t", 1) for line in lines if line.strip()]
    return {"text": [text.strip() for _, text in rows], "topic": [topic for topic, _ in rows]}


def read_tagged(files: Mapping[str, Path], part: str) -> Columns:
    """Sentences cut at white space, with a part of speech for each piece."""
    [path] = files.values()
    sentences = json.loads(path.read_text("utf-8"))
    return {
        "tokens": [text.split() for text, _ in sentences],
        "tags": [tags for _, tags in sentences],
    }


def read_analogies(files: Mapping[str, Path], part: str) -> Columns:
    """Questions "a is to b as c is to …?", the answer d, and the section that each is in."""
    [path] = files.values()
    section, rows = "", []
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        if line.startswith(":"):
            section = words[1]
        else:
            rows.append([section, *words])
    columns = map(list, zip(*rows, strict=True))
    return dict(zip(("section", "a", "b", "c", "d"), columns, strict=True))


def read_imdb(files: Mapping[str, Path], part: str) -> Columns:
    """Film reviews as numbers of words, with 1 for praise and 0 for blame; or the words."""
    if part == "words":
        return numbered_words(files["imdb_word_index.json"])
    return numbered_texts(files["imdb.npz"], f"x_{part}", f"y_{part}")


def read_numbered_reuters(files: Mapping[str, Path], part: str) -> Columns:
    """Newswire as numbers of words, with one of 46 topics; or the words."""
    if part == "words":
        return numbered_words(files["reuters_word_index.json"])
    return numbered_texts(files["reuters.npz"], "x", "y")


def numbered_texts(path: Path, texts: str, labels: str) -> Columns:
    """Lists of numbers with their labels, from two arrays of an `.npz` file."""
    with np.load(path, allow_pickle=False) as arrays:
        label = arrays[labels]
    return {"ids": integer_lists(path, texts), "label": label}


def numbered_words(path: Path) -> Columns:
    """Words with their numbers, 1 for the commonest."""
    words = sorted(json.loads(path.read_text("utf-8")).items(), key=itemgetter(1))
    return {"word": [word for word, _ in words], "id": np.array([number for _, number in words])}


def read_shakespeare(files: Mapping[str, Path], part: str) -> TextSource:
    """Plays of Shakespeare, one text."""
    [path] = files.values()
    return TextSource(
        name="tiny-shakespeare",
        text=path.read_text("utf-8"),
        licence="LicenseRef-public-domain",
        citation="William Shakespeare; gathered by A. Karpathy, char-rnn, 2015",
    )
