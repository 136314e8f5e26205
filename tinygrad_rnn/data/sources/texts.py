r"""Real text that is on every machine with Python, each with licence, citation and checksum.

`python_docs` is the language reference that `help("while")` prints, `python_sources` the code of
the standard library, `python_tokens` that code as tagged sequences. All of them change with
Python's version, so results quote the checksum.

Example:
    >>> docs = python_docs()
    >>> docs.licence
    'PSF-2.0'
    >>> len(docs.text) > 100_000
    True
"""

import builtins
import hashlib
import inspect
import itertools
import keyword
import platform
import sys
import sysconfig
import tokenize
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = [
    "TextSource",
    "builtin_docstrings",
    "python_docs",
    "python_sources",
    "python_tokens",
]

# Tests repeat themselves, tables of encodings are no code, and the topics are `python_docs`.
LEFT_OUT = {"__pycache__", "encodings", "idle_test", "pydoc_data", "test", "tests"}
SILENT = {
    *(tokenize.ENCODING, tokenize.ENDMARKER, tokenize.NEWLINE, tokenize.NL),
    *(tokenize.INDENT, tokenize.DEDENT),
}


@dataclass(frozen=True)
class TextSource:
    """A text and what one must know to use and cite it.

    Attributes:
        name: Short identifier.
        text: The text itself, in NFC.
        licence: SPDX identifier.
        citation: Who made it and where to find it.
    """

    name: str
    text: str
    licence: str
    citation: str

    @cached_property
    def sha256(self) -> str:
        """Checksum of the text in UTF-8, hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def __repr__(self) -> str:
        return (
            f"TextSource({self.name!r}, {len(self.text):,} characters, {self.licence}, "
            f"sha256 {self.sha256[:12]}…)"
        )


def python_docs() -> TextSource:
    """The standard library's documentation topics, `pydoc_data.topics`.

    Topics come in alphabetical order. A fifth of the original repeats itself (the page on `with`
    stands again inside the one on compound statements), which would put training text among
    the held-out text; each paragraph is kept only where it occurs first.

    Raises:
        ModuleNotFoundError: If this Python was installed without `pydoc_data`.
    """
    try:
        from pydoc_data.topics import topics
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this Python lacks pydoc_data, the text of its own documentation; install the full "
            "standard library, or use tinygrad_rnn.data.builtin_docstrings() instead"
        ) from error
    return TextSource(
        name="python-docs",
        text=_without_repeats(topics[name] for name in sorted(topics)),
        licence="PSF-2.0",
        citation=(
            "Python Software Foundation. The Python Language Reference and Library Reference, "
            f"topics of Python {platform.python_version()}. https://docs.python.org/3/"
        ),
    )


def builtin_docstrings() -> TextSource:
    """The docstrings of Python's builtins and of their methods: smaller, but always there."""
    objects = [getattr(builtins, name) for name in sorted(vars(builtins))]
    methods = [vars(o)[name] for o in objects if inspect.isclass(o) for name in sorted(vars(o))]
    docstrings = (inspect.getdoc(o) or "" for o in objects + methods if callable(o))
    return TextSource(
        name="python-builtins",
        text=_without_repeats(docstrings),
        licence="PSF-2.0",
        citation=(
            "Python Software Foundation. Docstrings of the builtins of Python "
            f"{platform.python_version()}. https://docs.python.org/3/library/functions.html"
        ),
    )


def python_sources() -> TextSource:
    """The code of the standard library, module after module in alphabetical order.

    Without its tests, its tables of encodings and its documentation topics: about 9 MB.

    Raises:
        FileNotFoundError: If this Python was installed without its sources.
    """
    modules = (path.read_bytes().decode("utf-8", "replace") for path in _library("**/*.py"))
    return TextSource(
        name="python-sources",
        text=unicodedata.normalize("NFC", "\n".join(modules)),
        licence="PSF-2.0",
        citation=(
            "Python Software Foundation. The standard library of Python "
            f"{platform.python_version()}, source code. https://github.com/python/cpython"
        ),
    )


def python_tokens(lines: int = 20_000) -> dict[str, list[list[str]]]:
    """Lines of the standard library as tagged sequences, as its own tokenizer sees them.

    Args:
        lines: How many logical lines, of the modules in alphabetical order; white space, empty
            lines and docstrings are left out.

    Returns:
        "tokens", for each line its tokens as text, and "tags", for each token one of KEYWORD,
        NAME, OP, NUMBER, STRING, COMMENT (and from Python 3.12 on the parts of f-strings).

    Raises:
        FileNotFoundError: If this Python was installed without its sources.

    Example:
        >>> tagged = python_tokens(lines=2)
        >>> list(zip(tagged["tokens"][0], tagged["tags"][0]))[:3]
        [('all_feature_names', 'NAME'), ('=', 'OP'), ('[', 'OP')]
    """
    pairs = list(itertools.islice(_tagged_lines(), lines))
    return {
        "tokens": [[token for token, _ in line] for line in pairs],
        "tags": [[tag for _, tag in line] for line in pairs],
    }


def _tagged_lines() -> Iterator[list[tuple[str, str]]]:
    for path in _library("*.py"):
        with path.open("rb") as file:
            line: list[tuple[str, str]] = []
            for token in tokenize.tokenize(file.readline):
                if token.type not in SILENT:
                    line.append((token.string, _tag(token)))
                elif token.type == tokenize.NEWLINE:
                    if [tag for _, tag in line] != ["STRING"]:
                        yield line
                    line = []


def _tag(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "KEYWORD"
    return tokenize.tok_name[token.type]


def _library(pattern: str) -> list[Path]:
    folder = Path(sysconfig.get_path("stdlib"))
    paths = sorted(path.relative_to(folder) for path in folder.glob(pattern))
    found = [
        folder / path
        for path in paths
        # What else lies in the folder, installed packages above all, is not Python's.
        if path.with_suffix("").parts[0] in sys.stdlib_module_names
        and not LEFT_OUT.intersection(path.parts)
    ]
    if not found:
        raise FileNotFoundError(
            f"this Python has no sources of the standard library in {folder}; install it with "
            "them, or use tinygrad_rnn.data.builtin_docstrings() instead"
        )
    return found


def _without_repeats(pages: Iterable[str]) -> str:
    seen: set[str] = set()
    kept = []
    for paragraph in (p for page in pages for p in page.strip("\n").split("\n\n")):
        words = " ".join(paragraph.split())
        # "Example:" may stand twice: too short to give anything away.
        if len(words) <= 20 or words not in seen:
            kept.append(paragraph)
        seen.add(words)
    return unicodedata.normalize("NFC", "\n\n".join(kept) + "\n")
