r"""How likely a model finds given texts: token by token, as a sum, and as a mean in bits.

$$\ln p(x_2, \dots, x_T \mid x_1) = \sum_{t=2}^T \ln p(x_t \mid x_{<t}).$$

Example:
    A fair coin gives each toss half a chance:

    >>> import numpy as np
    >>> def step(carry, tokens):
    ...     return carry, np.zeros((len(tokens), 2))
    >>> scored = text_log_probabilities(step, None, [[0, 1, 1, 0], [1, 1]])
    >>> [chances.round(3).tolist() for chances in scored]
    [[-0.693, -0.693, -0.693], [-0.693]]
    >>> surprise(scored).bits, surprise(scored).perplexity
    (1.0, 2.0)
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.decode.carries import BatchStep, picked, read_prompts, stepped
from tinygrad_rnn.decode.filters import log_probabilities
from tinygrad_rnn.train import Evaluation

__all__ = ["surprise", "text_log_probabilities", "token_log_probabilities"]

LogProbabilities = NDArray[np.float64]


def token_log_probabilities(logits: ArrayLike, ids: ArrayLike) -> LogProbabilities:
    """The log-probability of each token under the logits that were to predict it.

    Args:
        logits: (…, V).
        ids: (…), integers in [0, V).

    Returns:
        (…), float64, in nats, none above 0.

    Raises:
        ValueError: If the shapes do not fit, or an id is out of range.

    Example:
        >>> token_log_probabilities([[0.0, 0.0], [0.0, -np.inf]], [1, 0]).round(3)
        array([-0.693,  0.   ])
    """
    log_p, tokens = log_probabilities(logits), np.asarray(ids)
    V = log_p.shape[-1]
    if tokens.shape != log_p.shape[:-1] or tokens.dtype.kind not in "iu":
        raise ValueError(
            f"got ids of shape {tokens.shape} and dtype {tokens.dtype} for logits {log_p.shape}; "
            f"expected integers of shape {log_p.shape[:-1]}"
        )
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < V):
        raise ValueError(
            f"got ids from {tokens.min()} to {tokens.max()}; expected ids from 0 to {V - 1}, since "
            f"the logits have {V} classes"
        )
    return np.asarray(np.take_along_axis(log_p, tokens[..., None], axis=-1)[..., 0])


def text_log_probabilities(
    step: BatchStep, carry: Any, texts: Sequence[Sequence[int]]
) -> list[LogProbabilities]:
    """The log-probability of each token of each text, given those before it.

    The texts are read together, whatever their lengths; one that has ended leaves the batch.

    Args:
        step: `(carry, ids (N,)) -> (carry, logits (N, V))`, for any N up to B.
        carry: A nest of arrays or tensors (B, …), the states before the texts.
        texts: B sequences of ids. The first of each is read and not scored.

    Returns:
        For each text of T tokens T − 1 numbers, in nats; their sum is that of the text.

    Raises:
        ValueError: If a text is empty, the carry does not have B rows, or an id is out of range.
    """
    whole = read_prompts(texts, "text")
    scored: list[list[float]] = [[] for _ in whole]
    live, t = [b for b, text in enumerate(whole) if len(text) > 1], 0
    carry = picked(carry, live, len(whole))
    while live:
        carry, logits = stepped(step, carry, [whole[b][t] for b in live])
        t += 1
        chances = token_log_probabilities(logits, [whole[b][t] for b in live])
        for b, log_p in zip(live, chances.tolist(), strict=True):
            scored[b].append(log_p)
        kept = [row for row, b in enumerate(live) if len(whole[b]) > t + 1]
        carry, live = picked(carry, kept, len(live)), [live[row] for row in kept]
    return [np.array(chances, dtype=np.float64) for chances in scored]


def surprise(scored: Iterable[ArrayLike], units: int | None = None) -> Evaluation:
    """The mean surprise of scored texts, with `nats`, `bits` and `perplexity`.

    Args:
        scored: Log-probabilities of tokens, an array for each text.
        units: By how many to divide; by default by the tokens. Texts in words or pieces of them
            have fewer tokens than characters: give the number of characters, and `bits` is in
            bits per character, comparable with that of any other model.

    Raises:
        ValueError: If there is nothing to divide by.
    """
    chances = np.concatenate([np.zeros(0), *(np.ravel(s) for s in scored)])
    units = chances.size if units is None else units
    if units < 1:
        raise ValueError(f"got {units} tokens to divide by; expected 1 or more scored")
    return Evaluation(nats=float(-chances.sum()) / units, tokens=units)
