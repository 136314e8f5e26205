"""Words per second: the pair streams of `tg.data`, next to gensim's Word2Vec.

The two sides do not do the same. Ours makes arrays: subsampled words, pairs, negatives. Gensim also
trains on them, in one compiled worker that a second thread feeds, and gives no pairs alone; with
vectors of 4 numbers it has little else to compute, with 100 numbers it is a usual training.
What is asked is that the stream would not hold back a training as fast as gensim's.

Settings are the same: window 5, 5 negatives by counts to the power 3/4, subsampling at 1e-3.
Gensim shares one reduced window per word as we do, and draws negatives per pair; a negative that is
the target it skips, where we draw another. Words are counted before subsampling, on both sides.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare, installed
from tinygrad_rnn.data import (
    CBOWStream,
    PairStream,
    SkipGramStream,
    Vocabulary,
    WordTokenizer,
    python_docs,
)

STREAMS: dict[str, type[PairStream[Any]]] = {"skip-gram": SkipGramStream, "CBOW": CBOWStream}
WIDTHS = (100, 4)
MIN_COUNT = 2

Sentences = Sequence[Sequence[str]]


def group() -> Group:
    """Both models, against a usual training and against one of the smallest vectors."""
    comparisons = [
        Comparison(
            f"{name}: pairs and\n5 negatives, no training",
            f"gensim trains, {width}-d",
            "word/s",
            partial(measure, name, width),
            at_least=1.0 if width == max(WIDTHS) else 0.0,
        )
        for name in STREAMS
        for width in WIDTHS
    ]
    return Group("Word pairs, window 5: our stream, and gensim's Word2Vec training", comparisons)


def measure(name: str, width: int, effort: Effort) -> Outcome:
    """Both sides read the text once in a call."""
    word2vec = installed("gensim.models.word2vec")
    words = sentences(effort.shrink)
    count = sum(map(len, words))
    vocabulary = Vocabulary.from_tokens((w for s in words for w in s), min_count=MIN_COUNT)
    ids = [vocabulary.encode(sentence, skip_unknown=True) for sentence in words]
    stream = STREAMS[name](ids, window=5, negatives=5, sample=1e-3)
    model = word2vec.Word2Vec(
        vector_size=width,
        window=5,
        negative=5,
        sample=1e-3,
        min_count=MIN_COUNT,
        workers=1,
        sg=name == "skip-gram",
    )
    model.build_vocab(words)

    def train() -> None:
        model.train(words, total_examples=len(words), epochs=1)

    note = f"{count:,} words, 1 worker"
    return compare(lambda: read(stream), train, effort, counts=(count, count), note=note)


def read(stream: PairStream[Any]) -> int:
    """An epoch of blocks; the number of examples."""
    return sum(len(block.centers) for block in stream)


def sentences(shrink: int) -> Sentences:
    """The words of the library's text, in lines that are as long as sentences."""
    tokens = np.array(WordTokenizer(lowercase=True).split(python_docs().text))
    tokens = tokens[: tokens.size // shrink]
    return [line.tolist() for line in np.array_split(tokens, max(1, tokens.size // 25))]
