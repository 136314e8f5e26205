r"""Tokenizers: text to tokens, and tokens to text.

Both normalise to Unicode NFC first, so that the two encodings of a letter (for instance a Hangul
syllable and its separate jamo) become the same token. Normalise a whole text, never its pieces: a
cut between a letter and its mark would hide the pair from NFC.

Example:
    >>> CharacterTokenizer().split("한글")
    ['한', '글']
    >>> WordTokenizer().split("Don't panic: x_1 = 2.")
    ['Don', "'", 't', 'panic', ':', 'x_1', '=', '2', '.']
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["CharacterTokenizer", "WordTokenizer"]


@dataclass(frozen=True)
class CharacterTokenizer:
    """One token for each code point of the NFC form; nothing is lost."""

    def split(self, text: str) -> list[str]:
        """The characters of a text."""
        return list(unicodedata.normalize("NFC", text))

    def join(self, tokens: Iterable[str]) -> str:
        """The text that the characters spell."""
        return "".join(tokens)


@dataclass(frozen=True)
class WordTokenizer:
    r"""One token for each run of letters, digits and underscores, and for each other mark.

    Args:
        lowercase: Fold case, so that "The" and "the" share an id.
        keep_space: Make each run of white space a token too, so that `join(split(text))` is the
            text; otherwise white space is dropped and `join` puts single spaces.

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
        spans = (match.span() for match in self._WORD.finditer(_marks_as_letters(text)))
        tokens = (text[start:stop] for start, stop in spans)
        return [token for token in tokens if self.keep_space or not token.isspace()]

    def join(self, tokens: Iterable[str]) -> str:
        """The text of the words, spaced by single blanks unless white space was kept."""
        return ("" if self.keep_space else " ").join(tokens)


def _marks_as_letters(text: str) -> str:
    # Python's \w leaves out combining marks, which would cut Hindi or Thai words at each vowel.
    # A stand-in of the same length lets the pattern see a letter there.
    if text.isascii():
        return text
    return "".join("a" if unicodedata.category(c).startswith("M") else c for c in text)
