r"""Constraints: which tokens may come next, given the text so far.

- `Allowed`: only some tokens, the same ones always or by a function of the text.
- `Banned`: all but some tokens.
- `NoRepeat`: no sequence of n tokens twice.

A constraint takes logits (N, V) and the N texts that they go on from, and returns the logits with
minus infinity at each token that may not come next, and the others as they were. Any function that
does so is a constraint; `generate`, `generate_batch` and `beam_search` take a list of them.

Example:
    >>> import numpy as np
    >>> logits = np.zeros((1, 4))
    >>> constrained(logits, [[0, 1, 0]], [NoRepeat(2), Banned([3])])
    array([[  0., -inf,   0., -inf]])
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Allowed", "Banned", "Constraint", "NoRepeat", "constrained"]

Logits = NDArray[np.float64]
Texts = Sequence[Sequence[int]]
Constraint = Callable[[Logits, Texts], Logits]


def constrained(logits: ArrayLike, texts: Texts, constraints: Iterable[Constraint]) -> Logits:
    """Logits after all constraints.

    Args:
        logits: (N, V).
        texts: N sequences of ids, what has been read and drawn so far.
        constraints: Applied in order.

    Raises:
        ValueError: If a constraint returns another shape, or names a token that does not exist.
    """
    z = np.asarray(logits, dtype=np.float64)
    for constraint in constraints:
        ruled = np.asarray(constraint(z, texts), dtype=np.float64)
        if ruled.shape != z.shape:
            raise ValueError(
                f"{constraint!r} returned shape {ruled.shape} for logits {z.shape}; expected the "
                "same shape, with minus infinity at the tokens that may not come next"
            )
        z = ruled
    return z


class Allowed:
    """Only some tokens may come next.

    Args:
        tokens: Ids, or a mask of V booleans, or a function that maps the text so far to either.

    Example:
        Vowels (0 to 2) and consonants (3 to 5) by turns:

        >>> turns = Allowed(lambda text: [3, 4, 5] if text[-1] < 3 else [0, 1, 2])
        >>> turns(np.zeros((2, 6)), [[1], [1, 4]])
        array([[-inf, -inf, -inf,   0.,   0.,   0.],
               [  0.,   0.,   0., -inf, -inf, -inf]])
    """

    def __init__(self, tokens: ArrayLike | Callable[[Sequence[int]], ArrayLike]) -> None:
        self.tokens = tokens

    def __call__(self, logits: Logits, texts: Texts) -> Logits:
        """Logits (N, V) with minus infinity at all other tokens."""
        V = logits.shape[-1]
        if callable(self.tokens):
            allowed = np.array([mask(self.tokens(text), V) for text in texts])
        else:
            allowed = mask(self.tokens, V)
        return np.where(allowed, logits, -np.inf)

    def __repr__(self) -> str:
        return f"Allowed({self.tokens!r})"


class Banned:
    """Some tokens may never come next.

    Args:
        tokens: Ids, or a mask of V booleans.
    """

    def __init__(self, tokens: ArrayLike) -> None:
        self.tokens = tokens

    def __call__(self, logits: Logits, texts: Texts) -> Logits:
        """Logits (N, V) with minus infinity at the banned tokens."""
        return np.where(mask(self.tokens, logits.shape[-1]), -np.inf, logits)

    def __repr__(self) -> str:
        return f"Banned({self.tokens!r})"


class NoRepeat:
    """No n tokens in a row that are in the text already.

    The text is all that has been read and drawn, the prompt included.

    Args:
        n: 1 forbids every token to come twice, 2 every pair, and so on.

    Raises:
        ValueError: If n is below 1.
    """

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ValueError(f"NoRepeat is told n={n}; expected 1 or more tokens in a row")
        self.n = n

    def __call__(self, logits: Logits, texts: Texts) -> Logits:
        """Logits (N, V) with minus infinity at each token that would complete a repetition."""
        z = logits.copy()
        for row, text in zip(z, texts, strict=True):
            row[list(self.completions([*text]))] = -np.inf
        return z

    def completions(self, text: list[int]) -> Iterator[int]:
        """The tokens that once came after the text's last n − 1."""
        before = self.n - 1
        last = text[len(text) - before :]
        for i in range(len(text) - before):
            if text[i : i + before] == last:
                yield text[i + before]

    def __repr__(self) -> str:
        return f"NoRepeat({self.n})"


def mask(tokens: ArrayLike, V: int) -> NDArray[np.bool_]:
    """V booleans, true at the tokens, which are ids or such a mask.

    Raises:
        ValueError: If they are neither.
    """
    given = np.asarray(tokens)
    if given.dtype == bool and given.shape == (V,):
        return given
    ids = given.astype(np.int64) if given.size == 0 else given
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or not ((ids >= 0) & (ids < V)).all():
        raise ValueError(
            f"got tokens {tokens!r}; expected a list of ids from 0 to {V - 1}, or a mask of {V} "
            "booleans"
        )
    chosen = np.zeros(V, dtype=bool)
    chosen[ids] = True
    return chosen
