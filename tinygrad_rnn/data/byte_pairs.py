r"""Byte pairs: tokens between characters and words, learned from a text.

Start from bytes. Make the pair of neighbours that occurs most often a token of its own, and go on
with that text, until there are as many tokens as wanted (Gage 1994; Sennrich, Haddow and Birch
2016, doi:10.18653/v1/P16-1162). Frequent words become one token, rare ones a few, and any text at
all can be written, since its bytes can.

Example:
    >>> tokenizer = BytePairTokenizer.train("low lower lowest low low", size=260, min_count=2)
    >>> [tokenizer.decode([i]) for i in tokenizer.encode("slow lowly")]
    ['s', 'low', ' low', 'l', 'y']
    >>> tokenizer.decode(tokenizer.encode("한글 🙂"))
    '한글 🙂'
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from tinygrad_rnn.data.tokenizers import ByteTokenizer, Ids, as_bytes, found

__all__ = ["BytePairTokenizer"]

Pair = tuple[int, int]

# A word with the blank before it, a run of marks, or white space. The bound keeps scripts without
# blanks from making words whose length the time to merge grows with.
CHUNK = re.compile(r"\s{1,64}(?= \S)| ?\w{1,64}| ?[^\w\s]{1,64}|\s{1,64}")
REMEMBERED = 100_000


@dataclass(frozen=True)
class BytePairTokenizer(ByteTokenizer):
    """Bytes, and pairs of tokens that became tokens.

    Args:
        specials: Names such as `"<end>"` that take the first ids. No text has them.
        merges: Pairs in the order in which they were merged. Pair r became token 256 + r, and its
            parts are bytes or earlier tokens (specials not counted).

    Raises:
        ValueError: If a merge names a token that comes after it.
    """

    merges: Sequence[Pair] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "merges", tuple((int(a), int(b)) for a, b in self.merges))
        for r, (a, b) in enumerate(self.merges):
            if not (0 <= a < 256 + r and 0 <= b < 256 + r):
                raise ValueError(
                    f"merge {r} is of the tokens {a} and {b}; expected tokens from 0 to {255 + r}, "
                    "which exist before it"
                )

    @classmethod
    def train(
        cls,
        texts: str | Iterable[str],
        size: int,
        *,
        min_count: int = 2,
        specials: Sequence[str] = (),
    ) -> Self:
        """Learn merges from a text, or from several.

        Of pairs that occur equally often, the one with the lower tokens is merged first, so the
        same text always gives the same tokenizer. Pairs do not reach across words.

        Args:
            texts: What to count, the training part alone.
            size: How many ids there shall be in all; fewer if pairs run out.
            min_count: Merge only pairs that occur at least this often.
            specials: See the class.

        Raises:
            ValueError: If the bytes alone need more ids, or `min_count` is below 1.
        """
        bytes_and_specials = 256 + len(specials)
        if size < bytes_and_specials or min_count < 1:
            raise ValueError(
                f"got size={size}, min_count={min_count}; expected a size of at least "
                f"{bytes_and_specials}, for 256 bytes and {len(specials)} specials, and a "
                "min_count of 1 or more"
            )
        texts = [texts] if isinstance(texts, str) else texts
        words = Counter(chunk for text in texts for chunk in found(CHUNK, text))
        counts = PairCounts({as_bytes(word): n for word, n in words.items()})
        return cls(specials, list(counts.merges(size - bytes_and_specials, min_count)))

    def pieces(self) -> Sequence[bytes]:
        """The bytes that each id behind the specials stands for."""
        return self._pieces

    @cached_property
    def _pieces(self) -> list[bytes]:
        pieces = list(super().pieces())
        for a, b in self.merges:
            pieces.append(pieces[a] + pieces[b])
        return pieces

    def encode(self, text: str) -> Ids:
        """The ids of a text, int64, (N,): in each word, the earliest merges first."""
        ids: list[int] = []
        for word in found(CHUNK, text):
            ids += self._known.get(word) or self._remember(word)
        return np.array(ids, dtype=np.int64) + len(self.specials)

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        """The token that a pair becomes; the lower, the earlier."""
        return {pair: 256 + r for r, pair in enumerate(self.merges)}

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        """Words and their tokens: most words of a text have been seen before."""
        return {}

    def _remember(self, word: str) -> list[int]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        tokens = self._known[word] = self._merged(list(as_bytes(word)))
        return tokens

    def _merged(self, tokens: list[int]) -> list[int]:
        """One word's tokens, from its bytes."""
        never = 256 + len(self.merges)
        while len(tokens) > 1:
            made, pair = min((self._ranks.get(p, never), p) for p in pairwise(tokens))
            if made == never:
                break
            tokens = replaced(tokens, pair, made)
        return tokens

    def __getstate__(self) -> dict[str, Any]:
        """What to copy and pickle: not what can be computed again."""
        return {"specials": self.specials, "merges": self.merges}


class PairCounts:
    """How often each pair occurs in the words of a text, kept up to date from merge to merge.

    Only words that hold the merged pair are counted again, and a heap knows the commonest pair.
    Its entries are not changed but added anew, so an entry whose count is not the pair's is stale.
    """

    def __init__(self, words: dict[bytes, int]) -> None:
        self.words = [list(word) for word in words]
        self.often = list(words.values())
        self.counts: Counter[Pair] = Counter()
        self.where: defaultdict[Pair, set[int]] = defaultdict(set)
        for w in range(len(self.words)):
            self._count(w, 1)
        self.heap = [(-n, pair) for pair, n in self.counts.items()]
        heapq.heapify(self.heap)

    def merges(self, most: int, min_count: int) -> Iterator[Pair]:
        """Merge the commonest pair, again and again, and say which it was."""
        made = 256
        while self.heap and made < 256 + most:
            n, pair = heapq.heappop(self.heap)
            if -n < min_count:
                return
            if self.counts[pair] == -n:
                self._merge(pair, made)
                yield pair
                made += 1

    def _merge(self, pair: Pair, made: int) -> None:
        """Replace a pair by a token, and count what that changed."""
        changed: set[Pair] = set()
        for w in self.where.pop(pair):
            changed |= self._count(w, -1)
            self.words[w] = replaced(self.words[w], pair, made)
            changed |= self._count(w, 1)
        for other in changed:
            if self.counts[other] > 0:
                heapq.heappush(self.heap, (-self.counts[other], other))

    def _count(self, w: int, sign: int) -> set[Pair]:
        """Add or take away one word's pairs."""
        pairs = list(pairwise(self.words[w]))
        for pair in pairs:
            self.counts[pair] += sign * self.often[w]
            if sign > 0:
                self.where[pair].add(w)
        return set(pairs)


def replaced(tokens: list[int], pair: Pair, made: int) -> list[int]:
    """Tokens with each occurrence of a pair, from the left, made one."""
    out: list[int] = []
    last = len(tokens) - 1
    i = 0
    while i <= last:
        if i < last and tokens[i] == pair[0] and tokens[i + 1] == pair[1]:
            out.append(made)
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out
