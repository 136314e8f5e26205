r"""Data: from text and series to arrays that a network reads.

- `Vocabulary`, `CharacterTokenizer`, `WordTokenizer`, `one_hot`: text to ids, and back.
- `contiguous_split`: training and held-out parts that do not touch.
- `TextStream`: windows for truncated backpropagation through time, in order and resumable.
- `sliding_windows`: windows of a series with the steps that follow.
- `pad`, `PaddedBatch`, `minibatches`: sequences of different lengths, side by side.
- `TextSource`, `python_docs`, `builtin_docstrings`: real text with licence and checksum.
"""

from tinygrad_rnn.data.batches import PaddedBatch, minibatches, pad
from tinygrad_rnn.data.sources import TextSource, builtin_docstrings, python_docs
from tinygrad_rnn.data.splits import contiguous_split
from tinygrad_rnn.data.streams import TextStream
from tinygrad_rnn.data.tokenizers import CharacterTokenizer, WordTokenizer
from tinygrad_rnn.data.vocabulary import Vocabulary
from tinygrad_rnn.data.windows import sliding_windows
from tinygrad_rnn.ops import one_hot

__all__ = [
    "CharacterTokenizer",
    "PaddedBatch",
    "TextSource",
    "TextStream",
    "Vocabulary",
    "WordTokenizer",
    "builtin_docstrings",
    "contiguous_split",
    "minibatches",
    "one_hot",
    "pad",
    "python_docs",
    "sliding_windows",
]
