r"""Words and their neighbours: what word vectors are trained on, drawn by the block.

Skip-gram predicts each neighbour of a word from the word, CBOW the word from its neighbours; both
tell the true word from a few drawn at random (Mikolov, Sutskever, Chen, Corrado and Dean 2013,
arXiv:1310.4546). The streams here give arrays for some two thousand words of text at once, and what
they give depends on the seed and the place in the text alone, so a stream resumed by
`load_state_dict` goes on as it would have.

Example:
    >>> import numpy as np
    >>> sentences = [np.array([0, 1, 2]), np.array([3, 1])]
    >>> stream = SkipGramStream(sentences, window=1, negatives=2, sample=None)
    >>> block = stream.read()
    >>> list(zip(block.centers.tolist(), block.contexts.tolist()))
    [(0, 1), (1, 0), (1, 2), (2, 1), (3, 1), (1, 3)]
    >>> block.negatives.shape
    (6, 2)
"""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.data.epochs import Epochs
from tinygrad_rnn.kernels.sampling import alias_table, draw_by_alias

__all__ = [
    "CBOWBlock",
    "CBOWStream",
    "NegativeSampler",
    "PairStream",
    "SkipGramBlock",
    "SkipGramStream",
    "keep_probabilities",
]

Ids = NDArray[np.int64]
Block = TypeVar("Block")


def keep_probabilities(counts: ArrayLike, sample: float = 1e-3) -> NDArray[np.float64]:
    r"""How likely each occurrence of a word is kept, so that frequent words are read less often.

    $\min(1, \sqrt{s/f} + s/f)$ for a word that makes up the fraction $f$ of the text, as in the
    authors' program; the paper has $\sqrt{s/f}$ alone.

    Args:
        counts: (V,), how often each word occurs.
        sample: $s$, the fraction from about which words are thinned.

    Returns:
        (V,), float64, from 0 to 1; 1 for words that do not occur.

    Raises:
        ValueError: Unless `sample` is positive.

    Example:
        >>> keep_probabilities([9900, 100], sample=0.01).round(3)
        array([0.111, 1.   ])
    """
    if not sample > 0:
        raise ValueError(f"sample is {sample}; expected a positive fraction, or no subsampling")
    array = np.asarray(counts, dtype=np.float64)
    with np.errstate(divide="ignore"):
        ratio = sample * array.sum() / array
    keep: NDArray[np.float64] = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return keep


class NegativeSampler:
    r"""Draws words as often as their counts to some power say: $p_v \propto n_v^{3/4}$.

    Args:
        counts: (V,), how often each word occurs; at least two words do.
        power: 1 draws as the text does, 0 all words that occur alike.

    Raises:
        ValueError: If fewer than two words occur, or a count is negative.

    Example:
        >>> sampler = NegativeSampler([8, 1, 0], power=1 / 3)
        >>> sampler.probabilities.round(3)
        array([0.667, 0.333, 0.   ])
        >>> sampler.draw(np.random.default_rng(0), 5)
        array([0, 0, 0, 0, 1])
    """

    def __init__(self, counts: ArrayLike, power: float = 0.75) -> None:
        array = np.asarray(counts, dtype=np.float64)
        if array.ndim != 1 or (array < 0).any() or (array > 0).sum() < 2:
            raise ValueError(
                f"got counts of shape {array.shape}, {(array > 0).sum()} of them above 0; expected "
                "(V,), none negative, of which at least two words occur"
            )
        weights = np.where(array > 0, np.maximum(array, 1e-300) ** power, 0.0)
        self.probabilities = weights / weights.sum()
        self._table = alias_table(self.probabilities)

    def draw(self, rng: np.random.Generator, count: int) -> Ids:
        """Words, int64, (count,)."""
        return draw_by_alias(rng.random(count), *self._table)

    def draw_others(self, rng: np.random.Generator, targets: Ids, negatives: int) -> Ids:
        """For each target some words that are not the target.

        Args:
            rng: Where chance comes from.
            targets: (P,).
            negatives: k, how many for each.

        Returns:
            int64, (P, k).
        """
        drawn = self.draw(rng, targets.size * negatives).reshape(targets.size, negatives)
        rows, columns = np.nonzero(drawn == targets[:, None])
        while rows.size:
            drawn[rows, columns] = fresh = self.draw(rng, rows.size)
            again = fresh == targets[rows]
            rows, columns = rows[again], columns[again]
        return drawn


class SkipGramBlock(NamedTuple):
    """P pairs of a word and one of its neighbours.

    Attributes:
        centers: (P,), int64, words to predict from.
        contexts: (P,), int64, the neighbours to predict.
        negatives: (P, k), int64, words that are not that neighbour.
    """

    centers: Ids
    contexts: Ids
    negatives: Ids


class CBOWBlock(NamedTuple):
    """P words, each with all its neighbours.

    Attributes:
        contexts: (P, 2 window), int64, neighbours to predict from, 0 where there is none.
        mask: (P, 2 window), true where there is one; at least one in each row.
        centers: (P,), int64, the words to predict.
        negatives: (P, k), int64, words that are not the one to predict.
    """

    contexts: Ids
    mask: NDArray[np.bool_]
    centers: Ids
    negatives: Ids


class Neighbourhood(NamedTuple):
    """What is left of a block of text, and how far each word may see.

    Attributes:
        ids: (n,), the words that were kept.
        left: (n,), how many words to the left are in reach.
        right: (n,), how many to the right.
    """

    ids: Ids
    left: Ids
    right: Ids


class PairStream(Epochs[Block]):
    r"""Blocks of training examples from sentences, resumable; the base of both streams.

    A word's neighbours are the words of its sentence within a distance that is drawn for each word
    from 1 … window, so that near words count more. Frequent words are left out at random before
    that. Blocks end where sentences do, and cut those that are longer than a block. A block may be
    empty, if hardly a word was kept.

    Args:
        sentences: Arrays of ids, (n,) each; one array, if the text has no sentences.
        window: The farthest that a neighbour may be.
        negatives: k, how many words to draw for each true one.
        sample: See `keep_probabilities`; None keeps every word.
        power: See `NegativeSampler`.
        block: Words of text in a block; blocks are a little shorter, to end with a sentence.
        seed: Of everything that is drawn.

    Attributes:
        epoch: How many times the text has been read.
        position: The next block of this epoch.
        counts: (V,), how often each id occurs in the text.

    Raises:
        ValueError: If a size is below 1, an id is negative, or fewer than two words occur.
    """

    def __init__(
        self,
        sentences: Sequence[Ids] | Ids,
        *,
        window: int = 5,
        negatives: int = 5,
        sample: float | None = 1e-3,
        power: float = 0.75,
        block: int = 2000,
        seed: int = 0,
    ) -> None:
        if min(window, negatives, block) < 1:
            raise ValueError(
                f"got window={window}, negatives={negatives}, block={block}; expected all to be 1 "
                "or more"
            )
        super().__init__()
        arrays = [sentences] if isinstance(sentences, np.ndarray) else list(sentences)
        self._ids = laid_end_to_end(arrays)
        self._starts = pieces([len(a) for a in arrays], block)
        self._blocks = groups(self._starts, block)
        self.window, self.negatives, self.seed = window, negatives, seed
        self.counts = np.bincount(self._ids)
        self._keep = None if sample is None else keep_probabilities(self.counts, sample)
        self._sampler = NegativeSampler(self.counts, power)

    def __len__(self) -> int:
        """How many blocks an epoch has."""
        return len(self._blocks) - 1

    def read(self) -> Block:
        """The next block, epoch after epoch without end."""
        rng = np.random.default_rng([self.seed, self.epoch, self.position])
        first, last = self._blocks[self.position : self.position + 2]
        near = self._neighbourhood(rng, self._starts[first : last + 1])
        self.go_on(self.position + 1, end=len(self))
        return self._drawn(rng, near)

    def check_position(self, position: int) -> None:
        """Refuse what is no block."""
        if not 0 <= position < len(self):
            raise ValueError(
                f"position {position} is no block of an epoch of {len(self)}; resume with the same "
                "sentences and block"
            )

    def _neighbourhood(self, rng: np.random.Generator, starts: Ids) -> Neighbourhood:
        """Thin the words between the first and the last start, and draw how far each sees."""
        ids = self._ids[starts[0] : starts[-1]]
        edges = starts - starts[0]
        if self._keep is not None:
            kept = rng.random(ids.size) < self._keep[ids]
            edges = np.concatenate([[0], np.cumsum(kept)])[edges]
            ids = ids[kept]
        lengths = np.diff(edges)
        places, reach = np.arange(ids.size), rng.integers(1, self.window + 1, ids.size)
        left = np.minimum(reach, places - np.repeat(edges[:-1], lengths))
        right = np.minimum(reach, np.repeat(edges[1:], lengths) - 1 - places)
        return Neighbourhood(ids, left, right)

    @abstractmethod
    def _drawn(self, rng: np.random.Generator, near: Neighbourhood) -> Block:
        """The examples of a neighbourhood, with their negatives."""


class SkipGramStream(PairStream[SkipGramBlock]):
    """Pairs of a word and a neighbour, word after word, neighbours from left to right."""

    def _drawn(self, rng: np.random.Generator, near: Neighbourhood) -> SkipGramBlock:
        ids, left, right = near
        reached = left + right
        ends = np.cumsum(reached)
        centers = np.repeat(np.arange(ids.size), reached)
        # The k-th pair of a word is with the k-th word from its left end, itself passed over.
        first = np.arange(ids.size) - left - (ends - reached)
        places = np.repeat(first, reached) + np.arange(centers.size)
        places += places >= centers
        contexts = ids[places]
        negatives = self._sampler.draw_others(rng, contexts, self.negatives)
        return SkipGramBlock(ids[centers], contexts, negatives)


class CBOWStream(PairStream[CBOWBlock]):
    """Words with all their neighbours; words without one are left out."""

    def _drawn(self, rng: np.random.Generator, near: Neighbourhood) -> CBOWBlock:
        seeing = np.flatnonzero(near.left + near.right)
        left, right = near.left[seeing, None], near.right[seeing, None]
        offsets = np.delete(np.arange(-self.window, self.window + 1), self.window)
        mask = (-left <= offsets) & (offsets <= right)
        places = np.where(mask, seeing[:, None] + offsets, 0)
        contexts = np.where(mask, near.ids[places], 0)
        centers = near.ids[seeing]
        negatives = self._sampler.draw_others(rng, centers, self.negatives)
        return CBOWBlock(contexts, mask, centers, negatives)


def laid_end_to_end(sentences: Sequence[Ids]) -> Ids:
    """All words of a text, (N,), int64."""
    if any(np.ndim(sentence) != 1 for sentence in sentences):
        raise ValueError("a sentence has more than one axis; expected arrays of ids, (n,) each")
    ids = np.concatenate([np.zeros(0, np.int64), *sentences])
    if not np.issubdtype(ids.dtype, np.integer) or (ids.size and ids.min() < 0):
        raise ValueError(
            f"sentences have dtype {ids.dtype} and least value {ids.min()}; expected ids, integers "
            "from 0: leave unknown words out with Vocabulary.encode(…, skip_unknown=True)"
        )
    return ids.astype(np.int64)


def pieces(lengths: Sequence[int], longest: int) -> Ids:
    """Where sentences start, cut where they are too long; and where the last ends."""
    ends = np.cumsum([0, *lengths])
    starts = [np.arange(start, stop, longest) for start, stop in pairwise(ends)]
    return np.concatenate([*starts, ends[-1:]]).astype(np.int64)


def groups(starts: Ids, words: int) -> list[int]:
    """Which pieces begin a block of at most so many words; and the number of pieces."""
    found, stop = [0], len(starts) - 1
    while found[-1] < stop:
        limit = starts[found[-1]] + words
        found.append(int(np.searchsorted(starts, limit, side="right")) - 1)
    return found
