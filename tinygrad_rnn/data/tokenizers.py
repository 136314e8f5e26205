r"""Tokenizers: text to ids, and ids to text.

====================  =============================================  =====================
tokenizer             a token is                                     ids come from
====================  =============================================  =====================
`ByteTokenizer`       a byte of the UTF-8 form                       256 numbers, at once
`CharacterTokenizer`  a code point, or a cluster of them             `fit`, a vocabulary
`JamoTokenizer`       a code point, or a Hangul syllable's jamo      `fit`, a vocabulary
`WordTokenizer`       a run of letters, or a mark                    `fit`, a vocabulary
`BytePairTokenizer`   a run of bytes that occurs often               `train`, merges
====================  =============================================  =====================

All have `encode`, `decode`, `size`, `state_dict`, `save` and `load`; `Tokenizer.load` reads a file
of any of them.

Those with a vocabulary normalise to Unicode NFC first, so that the two encodings of a letter (for
instance a Hangul syllable and its separate jamo) become the same token. Normalise a whole text,
never its pieces: a cut between a letter and its mark would hide the pair from NFC. Bytes are those
of the text as it is.

Example:
    >>> CharacterTokenizer().split("한글")
    ['한', '글']
    >>> WordTokenizer().split("Don't panic: x_1 = 2.")
    ['Don', "'", 't', 'panic', ':', 'x_1', '=', '2', '.']
    >>> tokenizer = WordTokenizer().fit("the cat and the dog")
    >>> tokenizer.encode("the dog")
    array([0, 3])
    >>> tokenizer.decode([0, 2])
    'the cat'
"""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.data.letters import from_jamo, graphemes, to_jamo
from tinygrad_rnn.data.saving import Saved
from tinygrad_rnn.data.vocabulary import Vocabulary, refuse_foreign_ids

__all__ = [
    "ByteTokenizer",
    "CharacterTokenizer",
    "JamoTokenizer",
    "Tokenizer",
    "VocabularyTokenizer",
    "WordTokenizer",
]

Ids = NDArray[np.int64]


class Tokenizer(Saved, ABC):
    """From text to ids and back; what all tokenizers have in common."""

    family: ClassVar[str] = "tokenizer"

    @property
    @abstractmethod
    def size(self) -> int:
        """How many ids there are: they run from 0 to `size - 1`."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """The ids of a text, int64, (N,)."""

    @abstractmethod
    def decode(self, ids: ArrayLike) -> str:
        """The text of ids, (N,) integers.

        Raises:
            TypeError: If the ids are not integers.
            ValueError: If they have more than one axis, or one is outside 0 … `size - 1`.
        """


@dataclass(frozen=True)
class VocabularyTokenizer(Tokenizer):
    """Text is split into tokens, and a `Vocabulary` numbers them.

    `split` and `join` work at once. `encode` and `decode` need a vocabulary: that of a text by
    `fit`, or an existing one, `CharacterTokenizer(vocabulary=vocabulary)`.
    """

    vocabulary: Vocabulary | None = field(default=None, kw_only=True)

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The tokens of a text."""

    @abstractmethod
    def join(self, tokens: Iterable[str]) -> str:
        """The text of tokens."""

    def fit(
        self,
        texts: str | Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        oov_buckets: int = 0,
        specials: Sequence[str] = (),
    ) -> Self:
        """The same tokenizer with the vocabulary of a text, or of several.

        Args:
            texts: What to count, the training part alone.
            min_count: Keep tokens that occur at least this often.
            max_size: Keep at most this many ids in all.
            oov_buckets: How many ids unknown tokens share; with 0 they are errors.
            specials: Names such as `"<pad>"` that take the first ids.
        """
        texts = [texts] if isinstance(texts, str) else texts
        vocabulary = Vocabulary.from_tokens(
            (token for text in texts for token in self.split(text)),
            min_count=min_count,
            max_size=max_size,
            oov_buckets=oov_buckets,
            specials=specials,
        )
        return replace(self, vocabulary=vocabulary)

    @property
    def size(self) -> int:
        """How many ids the vocabulary has."""
        return len(self._fitted())

    def encode(self, text: str) -> Ids:
        """The ids of a text, int64, (N,).

        Raises:
            RuntimeError: If there is no vocabulary yet.
            KeyError: If a token is unknown and the vocabulary has no buckets.
        """
        return self._fitted().encode(self.split(text))

    def decode(self, ids: ArrayLike) -> str:
        """The text of ids, in which specials and buckets stand by their names.

        Raises:
            RuntimeError: If there is no vocabulary yet.
            TypeError: If the ids are not integers.
            ValueError: If they have more than one axis, or one is outside 0 … `size - 1`.
        """
        return self.join(self._fitted().decode(ids))

    def _fitted(self) -> Vocabulary:
        if self.vocabulary is None:
            name = type(self).__name__
            raise RuntimeError(
                f"this {name} has no vocabulary yet: get one with `{name}(…).fit(text)`, or give "
                f"one, `{name}(vocabulary=…)`"
            )
        return self.vocabulary

    @classmethod
    def revived(cls, values: dict[str, Any]) -> dict[str, Any]:
        """With a vocabulary in place of its dictionary."""
        saved = values["vocabulary"]
        return values | {"vocabulary": None if saved is None else Vocabulary.from_dict(saved)}


@dataclass(frozen=True)
class CharacterTokenizer(VocabularyTokenizer):
    """One token for each code point of the NFC form; nothing is lost.

    Args:
        clusters: One token for each of `graphemes` instead, so that a letter keeps its marks and an
            emoji its parts.
        vocabulary: See `VocabularyTokenizer`.

    Example:
        >>> CharacterTokenizer(clusters=True).split("हिन्दी")[0]
        'हि'
    """

    clusters: bool = False

    def split(self, text: str) -> list[str]:
        """The characters of a text."""
        text = unicodedata.normalize("NFC", text)
        return graphemes(text) if self.clusters else list(text)

    def join(self, tokens: Iterable[str]) -> str:
        """The text that the characters spell."""
        return "".join(tokens)


@dataclass(frozen=True)
class JamoTokenizer(VocabularyTokenizer):
    """Characters, but of a Hangul syllable its two or three jamo; nothing is lost.

    Example:
        >>> JamoTokenizer().join(JamoTokenizer().split("한글"))
        '한글'
        >>> len(JamoTokenizer().split("한글"))
        6
    """

    def split(self, text: str) -> list[str]:
        """The jamo, and the other characters, of a text."""
        return list(to_jamo(unicodedata.normalize("NFC", text)))

    def join(self, tokens: Iterable[str]) -> str:
        """The text that they spell, in syllables where jamo make some."""
        return from_jamo("".join(tokens))


@dataclass(frozen=True)
class WordTokenizer(VocabularyTokenizer):
    r"""One token for each run of letters, digits and underscores, and for each other mark.

    Args:
        lowercase: Fold case, so that "The" and "the" share an id.
        keep_space: Make each run of white space a token too, so that `join(split(text))` is the
            text; otherwise white space is dropped and `join` puts single spaces.
        vocabulary: See `VocabularyTokenizer`.

    Example:
        >>> WordTokenizer(lowercase=True).split("The end.")
        ['the', 'end', '.']
        >>> exact = WordTokenizer(keep_space=True)
        >>> exact.join(exact.split("if x:\n    pass"))
        'if x:\n    pass'
    """

    lowercase: bool = False
    keep_space: bool = False

    _WORD: ClassVar[re.Pattern[str]] = re.compile(r"\w+|[^\w\s]|\s+")

    def split(self, text: str) -> list[str]:
        """The words and marks of a text."""
        text = unicodedata.normalize("NFC", text)
        if self.lowercase:
            text = unicodedata.normalize("NFC", text.lower())
        tokens = found(self._WORD, text)
        return [token for token in tokens if self.keep_space or not token.isspace()]

    def join(self, tokens: Iterable[str]) -> str:
        """The text of the words, spaced by single blanks unless white space was kept."""
        return ("" if self.keep_space else " ").join(tokens)


@dataclass(frozen=True)
class ByteTokenizer(Tokenizer):
    r"""One token for each byte of the UTF-8 form; nothing is lost, and nothing is unknown.

    Args:
        specials: Names such as `"<end>"` that take the first ids. No text has them.

    Example:
        >>> ByteTokenizer().encode("é")
        array([195, 169])
        >>> ByteTokenizer(specials=["<end>"]).decode([66, 0])
        'A<end>'
    """

    specials: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", tuple(self.specials))
        if len(set(self.specials)) < len(self.specials):
            raise ValueError(f"specials are {self.specials}; expected each name once")

    @property
    def size(self) -> int:
        """256, and the specials."""
        return len(self.specials) + len(self.pieces())

    def pieces(self) -> Sequence[bytes]:
        """The bytes that each id behind the specials stands for."""
        return [bytes([value]) for value in range(256)]

    def encode(self, text: str) -> Ids:
        """The bytes of a text as ids, int64, (N,)."""
        return np.frombuffer(as_bytes(text), np.uint8).astype(np.int64) + len(self.specials)

    def decode(self, ids: ArrayLike) -> str:
        """The text of ids; bytes that are no UTF-8, such as half a letter, become U+FFFD.

        Raises:
            TypeError: If the ids are not integers.
            ValueError: If they have more than one axis, or one is outside 0 … `size - 1`.
        """
        array = np.asarray(ids)
        refuse_foreign_ids(array, self.size)
        names = [*map(as_bytes, self.specials), *self.pieces()]
        return as_text(b"".join(names[i] for i in array.tolist()))


def as_bytes(text: str) -> bytes:
    """UTF-8, in which lone surrogates, legal in Python's strings, are written like letters."""
    return text.encode("utf-8", "surrogatepass")


def as_text(content: bytes) -> str:
    """The text of `as_bytes`, and of any bytes with U+FFFD for what is not UTF-8."""
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return content.decode("utf-8", "replace")


def found(pattern: re.Pattern[str], text: str) -> list[str]:
    r"""What a pattern finds, where combining marks count as letters.

    Python's \w leaves them out, which would cut Hindi or Thai words at each vowel.
    """
    if text.isascii():
        return pattern.findall(text)
    # A stand-in of the same length lets the pattern see a letter there.
    seen = "".join("a" if unicodedata.category(c).startswith("M") else c for c in text)
    return [text[slice(*match.span())] for match in pattern.finditer(seen)]
