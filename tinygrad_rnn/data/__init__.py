r"""Data: from text and series to arrays that a network reads.

Text:

- `CharacterTokenizer`, `JamoTokenizer`, `WordTokenizer`, `ByteTokenizer`, `BytePairTokenizer`: text
  to ids and back, saved and loaded (`Tokenizer.load`); `Vocabulary`, `one_hot`.
- `to_jamo`, `from_jamo`, `graphemes`: letters as their readers know them.
- `Epochs`: the base of streams, which never end and are resumable.
- `TextStream`: windows for truncated backpropagation through time, in order and resumable.
- `SkipGramStream`, `CBOWStream`: words and their neighbours, with `NegativeSampler` and
  `keep_probabilities`.
- `pad`, `PaddedBatch`, `minibatches`, `BucketedBatches`: sequences of different lengths.

Series:

- `contiguous_split`, `chronological_split`, `walk_forward`: held-out parts that lie after what is
  trained on.
- `StandardScaler`, `MinMaxScaler`, `RobustScaler`: fitted on the training part, undone on
  forecasts.
- `sliding_windows`, `forecast_windows`: windows of a series with the steps that follow.
- `persistence`, `seasonal_naive`, `recursive_forecast`, `direct_forecast`: baselines, and models of
  one step made to forecast many.
- `mase`, `smape`, `pinball`: how good a forecast is.

Sources:

- `source`, `SOURCES`, `Source`: real data by name, fetched, checked and read.
- `TextSource`, `python_docs`, `python_sources`, `python_tokens`, `builtin_docstrings`: text that is
  on every machine with Python.
"""

from tinygrad_rnn.data.accuracy import mase, pinball, smape
from tinygrad_rnn.data.batches import PaddedBatch, minibatches, pad
from tinygrad_rnn.data.buckets import BucketedBatches
from tinygrad_rnn.data.byte_pairs import BytePairTokenizer
from tinygrad_rnn.data.epochs import Epochs
from tinygrad_rnn.data.forecasts import (
    Model,
    direct_forecast,
    persistence,
    recursive_forecast,
    seasonal_naive,
)
from tinygrad_rnn.data.letters import from_jamo, graphemes, to_jamo
from tinygrad_rnn.data.pairs import (
    CBOWBlock,
    CBOWStream,
    NegativeSampler,
    PairStream,
    SkipGramBlock,
    SkipGramStream,
    keep_probabilities,
)
from tinygrad_rnn.data.saving import Saved
from tinygrad_rnn.data.scaling import MinMaxScaler, RobustScaler, Scaler, StandardScaler
from tinygrad_rnn.data.sources import (
    SOURCES,
    Source,
    SourceError,
    TextSource,
    builtin_docstrings,
    data_folder,
    python_docs,
    python_sources,
    python_tokens,
    source,
)
from tinygrad_rnn.data.splits import (
    Fold,
    Parts,
    chronological_split,
    contiguous_split,
    walk_forward,
)
from tinygrad_rnn.data.streams import TextStream
from tinygrad_rnn.data.tokenizers import (
    ByteTokenizer,
    CharacterTokenizer,
    JamoTokenizer,
    Tokenizer,
    VocabularyTokenizer,
    WordTokenizer,
)
from tinygrad_rnn.data.vocabulary import Vocabulary
from tinygrad_rnn.data.windows import ForecastWindows, forecast_windows, sliding_windows
from tinygrad_rnn.ops import one_hot

__all__ = [
    "SOURCES",
    "BucketedBatches",
    "BytePairTokenizer",
    "ByteTokenizer",
    "CBOWBlock",
    "CBOWStream",
    "CharacterTokenizer",
    "Epochs",
    "Fold",
    "ForecastWindows",
    "JamoTokenizer",
    "MinMaxScaler",
    "Model",
    "NegativeSampler",
    "PaddedBatch",
    "PairStream",
    "Parts",
    "RobustScaler",
    "Saved",
    "Scaler",
    "SkipGramBlock",
    "SkipGramStream",
    "Source",
    "SourceError",
    "StandardScaler",
    "TextSource",
    "TextStream",
    "Tokenizer",
    "Vocabulary",
    "VocabularyTokenizer",
    "WordTokenizer",
    "builtin_docstrings",
    "chronological_split",
    "contiguous_split",
    "data_folder",
    "direct_forecast",
    "forecast_windows",
    "from_jamo",
    "graphemes",
    "keep_probabilities",
    "mase",
    "minibatches",
    "one_hot",
    "pad",
    "persistence",
    "pinball",
    "python_docs",
    "python_sources",
    "python_tokens",
    "recursive_forecast",
    "seasonal_naive",
    "sliding_windows",
    "smape",
    "source",
    "to_jamo",
    "walk_forward",
]
