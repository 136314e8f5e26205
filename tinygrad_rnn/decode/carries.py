r"""A batch of states, as rows of a nest: choosing among them, and one step of all.

A carry is any nest of tuples, lists and dicts; each array or tensor in it has a row for each
sequence, so rows can be dropped, repeated and put in another order. None is an empty nest.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.engine import no_grad
from tinygrad_rnn.engine.nesting import leaves, mapped

BatchStep = Callable[[Any, NDArray[np.int64]], tuple[Any, Any]]
"""`(carry, ids (N,)) -> (carry, logits (N, V))`: a model at one time step of N sequences."""


def picked(carry: Any, rows: Sequence[int], N: int) -> Any:
    """The carry of some of N sequences, in the order of `rows`, which may name one repeatedly.

    Raises:
        ValueError: If the carry does not have N rows.
    """
    if list(rows) == list(range(N)):
        return carry
    check_rows(carry, N, "given")
    return mapped(lambda leaf: leaf[np.array(rows, dtype=np.int64)], carry)


def stepped(step: BatchStep, carry: Any, tokens: Sequence[int]) -> tuple[Any, NDArray[Any]]:
    """One step without a graph: the new carry, and logits (N, V) as an array.

    Raises:
        ValueError: If the carry or the logits do not have a row for each of the N tokens.
    """
    N = len(tokens)
    check_rows(carry, N, "given")
    with no_grad():
        carry, z = step(carry, np.array(tokens, dtype=np.int64))
    check_rows(carry, N, "returned")
    logits = np.asarray(z.data if hasattr(z, "requires_grad") else z)
    if logits.ndim != 2 or logits.shape[0] != N:
        raise ValueError(
            f"the step returned logits of shape {logits.shape} for {N} tokens; expected ({N}, V)"
        )
    return carry, logits


def check_rows(carry: Any, N: int, when: str) -> None:
    """Say which part of a carry does not have a row for each of N sequences.

    Raises:
        ValueError: If there is one.
    """
    for leaf in leaves(carry):
        shape = np.shape(leaf)
        if shape[:1] != (N,):
            raise ValueError(
                f"the carry that was {when} has a part of shape {shape}; expected ({N}, …), a row "
                "for each sequence. A layer's (num_layers, N, H) needs its axes swapped"
            )


def read_prompts(prompts: Sequence[Sequence[int]], what: str = "prompt") -> list[list[int]]:
    """Texts to begin with, as lists of ids.

    Raises:
        ValueError: If there is none, or one is empty.
    """
    texts = [[int(token) for token in prompt] for prompt in prompts]
    if not texts:
        raise ValueError(f"there are no {what}s; expected at least one")
    for i, text in enumerate(texts):
        if not text:
            raise ValueError(f"{what} {i} is empty; expected at least one token to start from")
    return texts
