r"""Beam search: the likeliest sequences, looked for along several at once.

A greedy choice at each step may lead away from the likeliest sequence. A beam keeps the `width`
likeliest beginnings instead, extends each by every token, and keeps the likeliest of those.

Log-probabilities only fall as a sequence grows, so long ones need help against short ones. A
hypothesis of n tokens, the one that ends it included, is ranked by

$$\operatorname{score}(y) = \frac{\ln p(y)}{\operatorname{lp}(n)}, \qquad
\operatorname{lp}(n) = \Big(\frac{5 + n}{6}\Big)^{\alpha}.$$

Source: Wu et al. (2016), arXiv:1609.08144, section 7, without the coverage penalty.

When to stop:
    Everything that a search may still find goes on from a beginning that it keeps. If the likeliest
    of those has log-probability $\ell \le 0$, what goes on from any of them has at most $\ell$,
    since each further token adds a logarithm that is 0 or less, and at most L tokens. As lp grows
    with n, its score is at most $\ell / \operatorname{lp}(L)$. Once the last of the hypotheses to
    be returned scores this much, nothing can displace it, and the search stops: with the very
    result that it would have at the end.

Example:
    After 0, the likeliest token is 1, which leads to an even choice; 2 leads to a certainty:

    >>> import numpy as np
    >>> chances = np.array([[1e-9, 0.55, 0.45], [0.4, 0.3, 0.3], [1e-9, 1e-9, 1.0]])
    >>> def step(carry, tokens):
    ...     return carry, np.log(chances[tokens])
    >>> for width in (1, 2):
    ...     [[found]] = beam_search(step, None, [[0]], length=2, width=width)
    ...     print(found.tokens, round(np.exp(found.log_probability), 3))
    (1, 0) 0.22
    (2, 2) 0.45
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.decode.carries import BatchStep, picked, read_prompts, stepped
from tinygrad_rnn.decode.constraints import Constraint, constrained
from tinygrad_rnn.decode.filters import log_probabilities
from tinygrad_rnn.decode.generation import check_length

__all__ = ["Hypothesis", "beam_search", "length_penalty"]


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that a search has found.

    Attributes:
        tokens: Without the prompt, and without the token that ended it.
        log_probability: Of the tokens given the prompt, in nats, the end included.
        score: By which it is ranked, the log-probability over the length penalty.
        end: The token that ended it; None if it was cut at the greatest length.
    """

    tokens: tuple[int, ...]
    log_probability: float
    score: float
    end: int | None


def length_penalty(n: int, alpha: float) -> float:
    r"""By what the log-probability of n tokens is divided, $((5 + n) / 6)^\alpha$.

    Example:
        >>> length_penalty(1, 0.6), length_penalty(7, 1.0)
        (1.0, 2.0)
    """
    return float(((5 + n) / 6) ** alpha)


def beam_search(
    step: BatchStep,
    carry: Any,
    prompts: Sequence[Sequence[int]],
    *,
    length: int,
    width: int = 4,
    alpha: float = 0.0,
    best: int = 1,
    stop: Collection[int] = (),
    constraints: Sequence[Constraint] = (),
) -> list[list[Hypothesis]]:
    r"""The likeliest continuations of each prompt.

    At each step the beginnings of a prompt are extended by every token. Of the `width` likeliest
    extensions, those that end become hypotheses; the `width` likeliest that do not end are the
    next beginnings. Of equally likely ones, those of likelier beginnings come first, then those
    with lower ids; of equal scores, the one that was found first. With a width of 1 and no
    penalty this is the greedy choice.

    The step is called for all beginnings of all prompts at once, however many there are; a prompt
    whose search has ended leaves the batch. What a step needs to know of its source, such as what
    attention looks at, is a part of the carry.

    Args:
        step: `(carry, ids (N,)) -> (carry, logits (N, V))`, for any N.
        carry: A nest of arrays or tensors (B, …), the states before the prompts.
        prompts: B sequences of ids to go on from, none empty: often only a token for the start.
        length: How many tokens a hypothesis has at most, its end included.
        width: How many beginnings are kept.
        alpha: 0 ranks by probability; the larger, the longer the winners. Wu et al. use 0.6 to 0.7.
        best: How many hypotheses to return for each prompt.
        stop: Ids that end a sequence.
        constraints: Which tokens may come next. They do not change the probability of the others.

    Returns:
        For each prompt its `best` hypotheses, the best first; fewer where there are no more.

    Raises:
        ValueError: If a setting is out of range, a prompt is empty, the carry does not have B rows,
            or the constraints leave no sequence at all.

    Example:
        >>> from tinygrad_rnn.train import LanguageModel
        >>> model = LanguageModel(5, hidden=8, embedding=4, seed=0)
        >>> found = beam_search(model.batch_step, None, [[0], [3, 1]], length=6, best=2, stop=[0])
        >>> [len(hypotheses) for hypotheses in found]
        [2, 2]
    """
    check_length(length)
    check_settings(width, alpha, best)
    searches = [Search(p, length, width, alpha, best, stop) for p in read_prompts(prompts)]
    live = [search for search in searches if not search.over]
    while live:
        tokens = [token for search in live for token in search.tokens]
        carry, logits = stepped(step, carry, tokens)
        rows, start = [], 0
        for search in live:
            count = len(search.tokens)
            rows += [start + row for row in search.extend(logits[start:][:count], constraints)]
            start += count
        carry = picked(carry, rows, len(tokens))
        live = [search for search in live if not search.over]
    return [search.found for search in searches]


def check_settings(width: int, alpha: float, best: int) -> None:
    """Say what a search may be told.

    Raises:
        ValueError: If a setting is out of range.
    """
    if width < 1:
        raise ValueError(f"width is {width}; expected 1 or more beginnings to keep")
    if best < 1:
        raise ValueError(f"best is {best}; expected 1 or more hypotheses to return")
    if not 0 <= alpha < np.inf:
        raise ValueError(f"alpha is {alpha}; expected a finite number of 0 or more")


@dataclass
class Beginning:
    """What a search may go on from: the tokens after the prompt, and their log-probability."""

    tokens: tuple[int, ...] = ()
    log_probability: float = 0.0


@dataclass
class Search:
    """The search for one prompt.

    Attributes:
        prompt: What is read first.
        length: Greatest length of a hypothesis.
        width: How many beginnings are kept.
        alpha: Of the length penalty.
        best: How many hypotheses are wanted.
        stop: Ids that end a sequence.
        read: How much of the prompt has been read.
        kept: The beginnings, the likeliest first.
        found: The hypotheses, the best first.
    """

    prompt: list[int]
    length: int
    width: int
    alpha: float
    best: int
    stop: Collection[int]
    read: int = 0
    kept: list[Beginning] = field(default_factory=lambda: [Beginning()])
    found: list[Hypothesis] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.length:
            self.cut()

    @property
    def over(self) -> bool:
        """Whether there is nothing to go on from."""
        return not self.kept

    @property
    def tokens(self) -> list[int]:
        """What the step reads next, a token for each beginning."""
        if self.read < len(self.prompt):
            return [self.prompt[self.read]]
        return [beginning.tokens[-1] for beginning in self.kept]

    def extend(self, logits: NDArray[Any], constraints: Sequence[Constraint]) -> list[int]:
        """Take one more token; which row of the step's each new beginning goes on from."""
        self.read += 1
        if self.read < len(self.prompt):
            return [0]
        texts = [[*self.prompt, *beginning.tokens] for beginning in self.kept]
        chances = constrained(log_probabilities(logits), texts, constraints)
        before = [beginning.log_probability for beginning in self.kept]
        rows = self.keep(np.array(before)[:, None] + chances)
        if not self.kept and not self.found:
            raise ValueError(
                f"after {texts[0]} every token is ruled out by {list(constraints)}, and no "
                "hypothesis has been found; expected at least one: loosen the constraints"
            )
        if self.kept and len(self.kept[0].tokens) == self.length:
            self.cut()
        if self.settled():
            self.kept = []
        return rows if self.kept else []

    def keep(self, total: NDArray[np.float64]) -> list[int]:
        """Split extensions, by log-probability (rows, V), into hypotheses and beginnings."""
        rows: list[int] = []
        kept: list[Beginning] = []
        # So many that, even if all that can end are among them, enough are left to go on from.
        places = likeliest(total, self.width + len(total) * len(self.stop))
        for rank, (row, token) in enumerate(places):
            if len(kept) == self.width:
                break
            tokens, log_p = self.kept[row].tokens, float(total[row, token])
            if token not in self.stop:
                rows.append(row)
                kept.append(Beginning((*tokens, token), log_p))
            elif rank < self.width:
                self.add(tokens, log_p, token)
        self.kept = kept
        return rows

    def add(self, tokens: tuple[int, ...], log_probability: float, end: int | None) -> None:
        """Keep a hypothesis if it is among the best."""
        n = len(tokens) + (end is not None)
        score = log_probability / length_penalty(n, self.alpha)
        self.found.append(Hypothesis(tokens, log_probability, score, end))
        self.found.sort(key=lambda hypothesis: -hypothesis.score)
        del self.found[self.best :]

    def cut(self) -> None:
        """Make hypotheses of what is left."""
        for beginning in self.kept:
            self.add(beginning.tokens, beginning.log_probability, None)
        self.kept = []

    def settled(self) -> bool:
        """Whether nothing that goes on from a beginning can be among the best any more."""
        if not self.kept or len(self.found) < self.best:
            return False
        bound = self.kept[0].log_probability / length_penalty(self.length, self.alpha)
        return self.found[-1].score >= bound


def likeliest(total: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Places (row, column) of the greatest entries, the greatest first and equals in order.

    Args:
        total: (rows, V); minus infinity is never among them.
        count: How many places are wanted.
    """
    flat = total.ravel()
    least = np.partition(flat, -count)[-count] if count < flat.size else -np.inf
    (places,) = np.nonzero((flat >= least) & (flat > -np.inf))
    order = np.argsort(-flat[places], kind="stable")[:count]
    return [divmod(int(place), total.shape[1]) for place in places[order]]
