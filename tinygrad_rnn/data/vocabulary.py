r"""Vocabularies: tokens to integer ids and back.

A network reads integers. A `Vocabulary` assigns one to every token that it has counted often
enough, and hashes each other token to one of a fixed number of out-of-vocabulary buckets, so that
unseen text can be encoded too.

Example:
    >>> vocabulary = Vocabulary.from_tokens("hello")
    >>> vocabulary.tokens
    ('l', 'e', 'h', 'o')
    >>> ids = vocabulary.encode("hole")
    >>> ids
    array([2, 3, 0, 1])
    >>> "".join(vocabulary.decode(ids))
    'hole'
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.data.saving import read_json, write_json

__all__ = ["Vocabulary"]


class Vocabulary:
    r"""A one-to-one map between tokens and the ids 0 … V-1.

    The ids are laid out as specials, then out-of-vocabulary buckets, then the known tokens, so
    that the ids of specials and buckets do not depend on the text.

    Args:
        tokens: The known tokens, each once, in the order of their ids.
        oov_buckets: How many ids unknown tokens share. With 0, an unknown token is an error.
        specials: Names such as `"<pad>"` that take the first ids.

    Raises:
        ValueError: If a token is repeated, or `oov_buckets` is negative.

    Example:
        >>> vocabulary = Vocabulary(["the", "cat"], oov_buckets=1, specials=["<pad>"])
        >>> vocabulary.encode(["the", "dog"])
        array([2, 1])
        >>> vocabulary.decode([0, 1, 3])
        ['<pad>', '<oov0>', 'cat']
    """

    def __init__(
        self, tokens: Iterable[str], *, oov_buckets: int = 0, specials: Sequence[str] = ()
    ) -> None:
        if oov_buckets < 0:
            raise ValueError(f"oov_buckets is {oov_buckets}; expected 0 or more")
        self.tokens = tuple(tokens)
        self.oov_buckets = oov_buckets
        self.specials = tuple(specials)
        buckets = tuple(f"<oov{i}>" for i in range(oov_buckets))
        self._names = self.specials + buckets + self.tokens
        self._ids = {name: i for i, name in enumerate(self._names)}
        if len(self._ids) < len(self._names):
            repeated = [name for name, n in Counter(self._names).items() if n > 1]
            raise ValueError(
                f"{repeated[0]!r} occurs more than once among specials, buckets and tokens; "
                "a vocabulary needs each name once"
            )

    @classmethod
    def from_tokens(
        cls,
        tokens: Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        oov_buckets: int = 0,
        specials: Sequence[str] = (),
    ) -> Self:
        r"""Count the tokens of a text and keep the frequent ones, most frequent first.

        Equal counts are ordered by code point, so the same text always gives the same ids.

        Args:
            tokens: The text's tokens; a plain string counts as its characters.
            min_count: Keep tokens that occur at least this often.
            max_size: Keep at most this many names in all, specials and buckets included.
            oov_buckets: See the class.
            specials: See the class.

        Raises:
            ValueError: If `max_size` leaves no room for a token, or `min_count` is below 1.

        Example:
            >>> Vocabulary.from_tokens("hello", min_count=2, oov_buckets=1).tokens
            ('l',)
        """
        if min_count < 1:
            raise ValueError(f"min_count is {min_count}; expected 1 or more")
        counts = sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))
        kept = [token for token, n in counts if n >= min_count]
        if max_size is not None:
            room = max_size - len(specials) - oov_buckets
            if room < 1:
                raise ValueError(
                    f"max_size is {max_size}, but {len(specials)} specials and {oov_buckets} "
                    "out-of-vocabulary buckets take ids too; expected at least "
                    f"{max_size - room + 1}"
                )
            kept = kept[:room]
        return cls(kept, oov_buckets=oov_buckets, specials=specials)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self._names)

    def __repr__(self) -> str:
        return (
            f"Vocabulary({len(self.tokens)} tokens, {self.oov_buckets} out-of-vocabulary buckets, "
            f"{len(self.specials)} specials)"
        )

    def __getitem__(self, token: str) -> int:
        """The id of a token, a special or (by hash) an unknown token.

        Raises:
            KeyError: If the token is unknown and there are no buckets.
        """
        known = self._ids.get(token)
        if known is not None:
            return known
        if not self.oov_buckets:
            raise KeyError(
                f"{token!r} is not among the vocabulary's {len(self)} names and oov_buckets is 0; "
                "build the vocabulary with oov_buckets=1 or more to encode unseen tokens"
            )
        # --8<-- [start:bucket]
        # Python salts hash() anew in each process; a saved model needs the same bucket tomorrow.
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return len(self.specials) + int.from_bytes(digest, "little") % self.oov_buckets
        # --8<-- [end:bucket]

    def encode(self, tokens: Iterable[str], *, skip_unknown: bool = False) -> NDArray[np.int64]:
        """The ids of a sequence of tokens.

        Args:
            tokens: N tokens; a plain string counts as its characters.
            skip_unknown: Leave unknown tokens out, as word vectors are trained, rather than hash
                them to buckets or refuse them.

        Returns:
            int64 array of shape (N,), or shorter by what was left out.

        Raises:
            KeyError: If a token is unknown, there are no buckets, and it is not left out.

        Example:
            >>> Vocabulary(["the", "cat"]).encode(["the", "black", "cat"], skip_unknown=True)
            array([0, 1])
        """
        known = (token for token in tokens if token in self._ids) if skip_unknown else tokens
        return np.fromiter((self[token] for token in known), dtype=np.int64)

    def decode(self, ids: ArrayLike) -> list[str]:
        """The tokens of a sequence of ids; an out-of-vocabulary id gives its bucket's name.

        Args:
            ids: N integers in 0 … V-1.

        Raises:
            TypeError: If the ids are not integers.
            ValueError: If the ids are not one-dimensional, or one is outside 0 … V-1.
        """
        array = np.asarray(ids)
        refuse_foreign_ids(array, len(self))
        return [self._names[i] for i in array.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold, for a file or a checkpoint's metadata."""
        return {
            "tokens": list(self.tokens),
            "oov_buckets": self.oov_buckets,
            "specials": list(self.specials),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """The vocabulary that `to_dict` described.

        Raises:
            ValueError: If a part is missing or is not what it should be.
        """
        missing = {"tokens", "oov_buckets", "specials"} - set(saved)
        if missing:
            raise ValueError(f"a saved vocabulary lacks {', '.join(sorted(missing))}")
        for part in ("tokens", "specials"):
            if not isinstance(saved[part], list) or any(
                not isinstance(t, str) for t in saved[part]
            ):
                raise ValueError(f"a saved vocabulary's {part} are no list of strings")
        if not isinstance(saved["oov_buckets"], int):
            raise ValueError(f"a saved vocabulary's oov_buckets are {saved['oov_buckets']!r}")
        return cls(saved["tokens"], oov_buckets=saved["oov_buckets"], specials=saved["specials"])

    def save(self, path: str | Path) -> None:
        """Write a JSON file; `oov_buckets`, which say what becomes of unknown tokens, are in it."""
        write_json(path, "vocabulary", self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises:
            ValueError: If the file is not a saved vocabulary; it names the file.
        """
        saved = read_json(path, "vocabulary")
        try:
            return cls.from_dict(saved)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def refuse_foreign_ids(ids: NDArray[Any], size: int) -> None:
    """Refuse what is not a row of ids from 0 to `size - 1`."""
    if ids.ndim != 1:
        raise ValueError(
            f"ids have shape {ids.shape}; expected one axis, (N,). Decode a batch one sequence at "
            "a time"
        )
    if ids.size and not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"ids have dtype {ids.dtype}; expected integers")
    foreign = ids[(ids < 0) | (ids >= size)]
    if foreign.size:
        raise ValueError(f"id {foreign[0]} is outside 0 … {size - 1}, this vocabulary's ids")
