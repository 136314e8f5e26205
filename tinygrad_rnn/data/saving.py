r"""Small states in JSON files that say what they are: `Saved`, for things of several kinds.

A file begins with its format and version, so that a wrong file is refused by name:

    {"format": "tinygrad_rnn tokenizer", "version": 1, "kind": "WordTokenizer", …}

It is written beside its place and moved there, so that a crash leaves the old file whole.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from inspect import isabstract
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

__all__ = ["Saved", "read_json", "write_json"]

VERSION = 1


def write_json(path: str | Path, family: str, content: Mapping[str, Any]) -> None:
    """Write a file of a family, such as "tokenizer"; its folder must exist."""
    head = {"format": f"tinygrad_rnn {family}", "version": VERSION}
    text = json.dumps({**head, **content}, ensure_ascii=False, indent=1) + "\n"
    partial = Path(path).with_name(f".{Path(path).name}.partial")
    # Lone surrogates are legal in Python's strings, and in a vocabulary made of them.
    partial.write_bytes(text.encode("utf-8", "surrogatepass"))
    partial.replace(path)


def read_json(path: str | Path, family: str) -> dict[str, Any]:
    """Read what `write_json` wrote for this family.

    Raises:
        ValueError: If the file is not JSON, of another family, or of a newer version.
    """
    try:
        document = json.loads(Path(path).read_bytes().decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise ValueError(f"{path} is not a {family}'s JSON file: {error}") from error
    expected = f"tinygrad_rnn {family}"
    found = document.pop("format", None) if isinstance(document, dict) else None
    if found != expected:
        raise ValueError(
            f"{path} is not a {family}'s JSON file: got the format {found!r}; expected "
            f"{expected!r}, as `save` writes it"
        )
    version = document.pop("version", None)
    if version != VERSION:
        raise ValueError(
            f"{path} holds version {version!r} of its format, and this tinygrad_rnn reads version "
            f"{VERSION}: read it with the version of the library that wrote it, or a newer one"
        )
    return document  # type: ignore[no-any-return]


class Saved:
    """A dataclass of one of several kinds, each a subclass, that a JSON file can hold.

    `load` on the common base reads a file of any kind; on a subclass, of that kind and of those
    below it.
    """

    family: ClassVar[str]

    def state_dict(self) -> dict[str, Any]:
        """Its kind and fields, as JSON can hold them."""
        values = {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {"kind": type(self).__name__, **values}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """What `state_dict` described.

        Raises:
            ValueError: If the state is of another kind, or something is missing or damaged.
        """
        kinds = {kind.__name__: kind for kind in kinds_of(cls)}
        kind = kinds.get(str(state.get("kind")))
        if kind is None:
            raise ValueError(
                f"got the state of a {state.get('kind')}; expected {' or '.join(sorted(kinds))}"
            )
        names = {field.name for field in fields(kind)}
        if names != state.keys() - {"kind"}:
            raise ValueError(
                f"the state of a {kind.__name__} has {', '.join(sorted(names)) or 'no'} fields; "
                f"got {', '.join(sorted(state.keys() - {'kind'})) or 'none'}"
            )
        try:
            revived: Self = kind(**kind.revived({name: state[name] for name in names}))
        except (TypeError, AttributeError) as error:
            raise ValueError(f"the state of a {kind.__name__} is damaged: {error}") from error
        return revived

    @classmethod
    def revived(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fields as the class keeps them, from fields as JSON does."""
        return values

    def save(self, path: str | Path) -> None:
        """Write a JSON file."""
        write_json(path, self.family, self.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            ValueError: If the file holds something else, or is damaged; it names the file.
        """
        state = read_json(path, cls.family)
        try:
            return cls.from_state_dict(state)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def plain(value: Any) -> Any:
    """A field's value as JSON has it; an object says itself what it is."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return value.tolist() if isinstance(value, np.ndarray) else value


def kinds_of(cls: type[Any]) -> Iterator[type[Any]]:
    """A class and all classes below it, but for those that are only a base of others."""
    if not isabstract(cls):
        yield cls
    for below in cls.__subclasses__():
        yield from kinds_of(below)
