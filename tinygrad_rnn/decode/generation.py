r"""Generating a sequence: each drawn token is the next step's input, y⟨t⟩ = x⟨t+1⟩.

Example:
    A "model" over three tokens that always wants the successor:

    >>> import numpy as np
    >>> def step(carry, token):
    ...     return carry + 1, 9.0 * np.eye(3)[(token + 1) % 3]
    >>> rng = np.random.default_rng(0)
    >>> list(generate(step, 0, prompt=[1], length=4, sampler=Sampler(temperature=0), rng=rng))
    [2, 0, 1, 2]
"""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_rnn.decode.sampler import Sampler

__all__ = ["generate"]

Carry = TypeVar("Carry")


def generate(
    step: Callable[[Carry, int], tuple[Carry, ArrayLike]],
    carry: Carry,
    prompt: Iterable[int],
    length: int,
    sampler: Sampler,
    rng: np.random.Generator,
    stop: Container[int] = (),
) -> Iterator[int]:
    """Read a prompt, then draw tokens one by one, yielding each as soon as it is drawn.

    Args:
        step: `(carry, id) -> (carry, logits)`: the model at one time step, logits (V,).
        carry: The model's state before the prompt.
        prompt: At least one id to read first; it is not yielded.
        length: How many tokens to draw at most.
        sampler: How to draw.
        rng: Where chance comes from.
        stop: Ids that end the sequence when drawn; they are not yielded.

    Raises:
        ValueError: If the prompt is empty or the length negative.
    """
    prompt = [int(token) for token in prompt]
    if not prompt:
        raise ValueError("the prompt is empty; expected at least one token to start from")
    if length < 0:
        raise ValueError(f"length is {length}; expected 0 or more tokens to generate")
    # A generator function would keep these errors back until the first token is asked for.
    return _draw(step, carry, prompt, length, sampler, rng, stop)


def _draw(
    step: Callable[[Carry, int], tuple[Carry, ArrayLike]],
    carry: Carry,
    prompt: list[int],
    length: int,
    sampler: Sampler,
    rng: np.random.Generator,
    stop: Container[int],
) -> Iterator[int]:
    *history, token = prompt
    for read in history:
        carry, _ = step(carry, read)
    for _ in range(length):
        carry, logits = step(carry, token)
        token = int(sampler(logits, rng))
        if token in stop:
            return
        yield token
