r"""Real text, each with its name, licence, citation and checksum.

`python_docs` is on every machine that has Python: the language reference that `help("while")`
prints. Its text changes with Python's version, so results quote the checksum.

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
import platform
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

__all__ = ["TextSource", "builtin_docstrings", "python_docs"]


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
