r"""Real data, each source with licence, citation, size, checksums, columns and rows.

>>> from tinygrad_rnn import data
>>> columns = data.source("seattle-weather").read()
>>> columns["weather"][:3]
array(['drizzle', 'rain', 'rain'], dtype='<U7')

`SOURCES` is the table of all of them. `Source.get` brings a source to this machine, `Source.read`
reads it, `Source.verify` compares it with its record. What is fetched goes to `data_folder`, whole
or not at all, after its checksum was compared; nothing is ever unpickled. On the command line,
`tg data` does the same.
"""

from tinygrad_rnn.data.sources.cache import data_folder
from tinygrad_rnn.data.sources.catalogue import SOURCES, source
from tinygrad_rnn.data.sources.clients import Npm, Pip
from tinygrad_rnn.data.sources.failures import SourceError
from tinygrad_rnn.data.sources.integers import integer_lists
from tinygrad_rnn.data.sources.places import Archive, Installed, Place, Standard
from tinygrad_rnn.data.sources.records import Source, Verified
from tinygrad_rnn.data.sources.texts import (
    TextSource,
    builtin_docstrings,
    python_docs,
    python_sources,
    python_tokens,
)
from tinygrad_rnn.data.sources.unpacking import File
from tinygrad_rnn.data.sources.web import Progress, Url

__all__ = [
    "SOURCES",
    "Archive",
    "File",
    "Installed",
    "Npm",
    "Pip",
    "Place",
    "Progress",
    "Source",
    "SourceError",
    "Standard",
    "TextSource",
    "Url",
    "Verified",
    "builtin_docstrings",
    "data_folder",
    "integer_lists",
    "python_docs",
    "python_sources",
    "python_tokens",
    "source",
]
