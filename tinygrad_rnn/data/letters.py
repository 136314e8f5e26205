r"""Letters as readers know them: Hangul syllables and their jamo, and clusters of code points.

A Hangul syllable is a block of two or three jamo, and Unicode computes one from the others (The
Unicode Standard, section 3.12). With $L$, $V$ and $T$ the numbers of the leading consonant, the
vowel and the trailing consonant (0 for none) among 19, 21 and 28,
$$S = \mathrm{AC00}_{16} + (21 L + V) \cdot 28 + T.$$

Example:
    >>> [hex(ord(jamo)) for jamo in to_jamo("글")]
    ['0x1100', '0x1173', '0x11af']
    >>> from_jamo(to_jamo("한글 hangul"))
    '한글 hangul'
    >>> graphemes("é👍🏽")
    ['é', '👍🏽']
"""

import re
import unicodedata

__all__ = ["from_jamo", "graphemes", "to_jamo"]

LEADING, VOWEL, TRAILING, SYLLABLE = 0x1100, 0x1161, 0x11A7, 0xAC00
VOWELS, TRAILINGS = 21, 28

SYLLABLES = re.compile("[\uac00-\ud7a3]")
# A leading consonant and a vowel, or a syllable; then perhaps a trailing consonant.
PARTS = re.compile(
    "([\u1100-\u1112])([\u1161-\u1175])([\u11a8-\u11c2])?|([\uac00-\ud7a3])([\u11a8-\u11c2])"
)


def to_jamo(text: str) -> str:
    r"""Take every Hangul syllable apart into two or three conjoining jamo (U+1100 and on).

    Everything else stays, the letters of a keyboard (ㅋ, U+314B) too. The vocabulary shrinks from
    11,172 syllables to 67 jamo, and the text grows to two or three times its length.

    Example:
        >>> len(to_jamo("값"))
        3
    """
    return SYLLABLES.sub(lambda match: taken_apart(match[0]), text)


def taken_apart(syllable: str) -> str:
    """The jamo of one syllable."""
    rest, trailing = divmod(ord(syllable) - SYLLABLE, TRAILINGS)
    leading, vowel = divmod(rest, VOWELS)
    jamo = chr(LEADING + leading) + chr(VOWEL + vowel)
    return jamo + chr(TRAILING + trailing) if trailing else jamo


def from_jamo(text: str) -> str:
    r"""Compose conjoining jamo into syllables, as Unicode's normal form C does.

    `from_jamo(to_jamo(text))` is `text` for every text in NFC, and jamo that make no syllable stay
    as they are.

    Example:
        >>> from_jamo("\u1112\u1161\u11ab \u1112")
        '한 ᄒ'
    """
    return PARTS.sub(put_together, text)


def put_together(match: re.Match[str]) -> str:
    """The syllable of a match of `PARTS`."""
    leading, vowel, trailing, syllable, added = match.groups()
    if syllable is not None:
        # A syllable that has a trailing consonant takes no second one.
        closed = (ord(syllable) - SYLLABLE) % TRAILINGS
        return match[0] if closed else chr(ord(syllable) + ord(added) - TRAILING)
    pair = (ord(leading) - LEADING) * VOWELS + ord(vowel) - VOWEL
    final = ord(trailing) - TRAILING if trailing else 0
    return chr(SYLLABLE + pair * TRAILINGS + final)


def graphemes(text: str) -> list[str]:
    r"""Cut a text into what readers call characters: a letter with its marks, an emoji, a syllable.

    These are Unicode's extended grapheme clusters (UAX #29) as far as the standard library's
    tables tell them: letters with combining marks, conjoining jamo, flags, emoji with skin tones
    and joined emoji, and CR LF. Conjuncts of Indic scripts are cut where their letters are (rules
    9b and 9c need tables that Python does not have).

    Returns:
        Clusters that give the text when joined.

    Example:
        >>> graphemes("नि🇰🇷\r\n")
        ['नि', '🇰🇷', '\r\n']
    """
    clusters: list[str] = []
    for character in text:
        if clusters and continues(clusters[-1], character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


JOINER = "\u200d"
FLAG_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")
# Marks by another name: vowels of Thai and Lao, skin tones, the tags of subdivisions' flags,
# half-width voicing marks.
EXTENDING = re.compile(
    "[\u0e33\u0eb3\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\uff9e\uff9f]"
)
# Emoji that are not of the category So.
PICTURES = re.compile("[\u203c\u2049\u2194-\u21aa\u25fb-\u25fe\u2b05-\u2b55\u3030\u303d]")


def continues(cluster: str, character: str) -> bool:
    """Whether a character belongs to the cluster before it."""
    if cluster == "\r" and character == "\n":
        return True
    if is_control(cluster[-1]) or is_control(character):
        return False
    if EXTENDING.match(character) or unicodedata.category(character) in ("Mn", "Mc", "Me"):
        return True
    if FLAG_LETTER.match(character):
        return FLAG_LETTER.fullmatch(cluster) is not None
    if is_picture(character):
        return cluster[-1] == JOINER and is_picture(cluster[0])
    return joins_jamo(hangul_type(cluster[-1]), hangul_type(character))


def is_control(character: str) -> bool:
    """Whether nothing attaches to it: control and format characters, separators, surrogates."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and not (
        EXTENDING.match(character)
    )


def is_picture(character: str) -> bool:
    """Whether it is an emoji, or a symbol that might be one."""
    return unicodedata.category(character) == "So" or PICTURES.match(character) is not None


def hangul_type(character: str) -> str:
    """What a character may be in a Hangul syllable: L, V, T, LV, LVT, or nothing, ""."""
    if "\uac00" <= character <= "\ud7a3":
        return "LVT" if (ord(character) - SYLLABLE) % TRAILINGS else "LV"
    ranges = {
        "L": (("\u1100", "\u115f"), ("\ua960", "\ua97c")),
        "V": (("\u1160", "\u11a7"), ("\ud7b0", "\ud7c6")),
        "T": (("\u11a8", "\u11ff"), ("\ud7cb", "\ud7fb")),
    }
    for name, spans in ranges.items():
        if any(first <= character <= last for first, last in spans):
            return name
    return ""


def joins_jamo(before: str, after: str) -> bool:
    """Whether two parts of Hangul belong to one syllable."""
    followers = {"L": "L V LV LVT", "V": "V T", "LV": "V T", "T": "T", "LVT": "T"}
    return after != "" and after in followers.get(before, "").split()
