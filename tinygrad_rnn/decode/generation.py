r"""Generating sequences: each drawn token is the next step's input, y⟨t⟩ = x⟨t+1⟩.

Example:
    A "model" over three tokens that always wants the successor:

    >>> import numpy as np
    >>> def step(carry, token):
    ...     return carry + 1, 9.0 * np.eye(3)[(token + 1) % 3]
    >>> rng = np.random.default_rng(0)
    >>> list(generate(step, 0, prompt=[1], length=4, sampler=Sampler(temperature=0), rng=rng))
    [2, 0, 1, 2]

    The same for three sequences at once, each to its own end:

    >>> steps = np.zeros(3)
    >>> generate_batch(step, steps, [[1], [0, 1, 2], [2]], 4, Sampler(temperature=0), rng, stop=[1])
    [[2, 0], [0], [0]]
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.decode.carries import BatchStep, picked, read_prompts, stepped
from tinygrad_rnn.decode.constraints import Constraint, Texts, constrained
from tinygrad_rnn.decode.sampler import Sampler, check_generator, quantile

__all__ = ["generate", "generate_batch"]

Carry = TypeVar("Carry")
Step = Callable[[Carry, int], tuple[Carry, ArrayLike]]


def generate(
    step: Step[Carry],
    carry: Carry,
    prompt: Iterable[int],
    length: int,
    sampler: Sampler,
    rng: np.random.Generator,
    stop: Container[int] = (),
    constraints: Sequence[Constraint] = (),
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
        constraints: Which tokens may be drawn, see `tinygrad_rnn.decode.constraints`.

    Raises:
        ValueError: If the prompt is empty or the length negative; later, if the constraints rule
            out every token.
    """
    prompt = [int(token) for token in prompt]
    if not prompt:
        raise ValueError("the prompt is empty; expected at least one token to start from")
    check_length(length)
    # A generator function would keep these errors back until the first token is asked for.
    return _draw(step, carry, prompt, length, sampler, rng, stop, constraints)


def _draw(
    step: Step[Carry],
    carry: Carry,
    prompt: list[int],
    length: int,
    sampler: Sampler,
    rng: np.random.Generator,
    stop: Container[int],
    constraints: Sequence[Constraint],
) -> Iterator[int]:
    *history, token = text = [*prompt]
    for read in history:
        carry, _ = step(carry, read)
    for _ in range(length):
        carry, logits = step(carry, token)
        if constraints:
            logits = possible(np.asarray(logits)[None], [text], constraints)[0]
        token = int(sampler(logits, rng))
        if token in stop:
            return
        text.append(token)
        yield token


def generate_batch(
    step: BatchStep,
    carry: Any,
    prompts: Sequence[Sequence[int]],
    length: int,
    sampler: Sampler,
    rng: np.random.Generator,
    stop: Container[int] = (),
    constraints: Sequence[Constraint] = (),
) -> list[list[int]]:
    """Go on from many prompts at once, of any lengths, each to its own end.

    The sequences go in step from their first tokens: one reads its prompt while another, with a
    shorter one, draws already, and one that has ended leaves the batch. So nothing is padded, and
    no state ever sees a token that is not its own.

    Each sequence draws from a generator of its own, `rng.spawn(B)[b]`. What it draws therefore
    does not depend on what else is in the batch: it is what `generate` draws with that generator.

    Args:
        step: `(carry, ids (N,)) -> (carry, logits (N, V))`, for any N up to B.
        carry: A nest of arrays or tensors (B, …), the states before the prompts.
        prompts: B sequences of ids, none empty.
        length: How many tokens to draw at most for each.
        sampler: How to draw.
        rng: Where chance comes from; a seed is needed for the spawning.
        stop: Ids that end a sequence when drawn.
        constraints: Which tokens may be drawn.

    Returns:
        For each prompt the ids drawn, without the one that ended it.

    Raises:
        ValueError: If a prompt is empty, the length is negative, the carry does not have B rows,
            or the constraints rule out every token.
    """
    texts = read_prompts(prompts)
    check_length(length)
    check_generator(rng)
    chances = rng.spawn(len(texts))
    starts = [len(text) for text in texts]
    live, t = list(range(len(texts))) if length else [], 0
    while live:
        carry, logits = stepped(step, carry, [texts[b][t] for b in live])
        t += 1
        ended = set()
        due = [row for row, b in enumerate(live) if len(texts[b]) == t]
        if due:
            drawing = [live[row] for row in due]
            z = possible(logits[due], [texts[b] for b in drawing], constraints)
            u = [chances[b].random() for b in drawing]
            for b, token in zip(drawing, quantile(sampler.filtered(z), u).tolist(), strict=True):
                if token in stop:
                    ended.add(b)
                else:
                    texts[b].append(token)
        ended |= {b for b in live if len(texts[b]) == starts[b] + length}
        kept = [row for row, b in enumerate(live) if b not in ended]
        carry, live = picked(carry, kept, len(live)), [live[row] for row in kept]
    return [text[start:] for text, start in zip(texts, starts, strict=True)]


def possible(logits: ArrayLike, texts: Texts, constraints: Sequence[Constraint]) -> NDArray[Any]:
    """Logits (N, V) under constraints, at least one of them finite in each row.

    Raises:
        ValueError: If there is a text that cannot go on.
    """
    z = constrained(logits, texts, constraints)
    stuck = np.flatnonzero((z == -np.inf).all(axis=-1))
    if stuck.size and constraints:
        text = [int(token) for token in texts[stuck[0]]]
        raise ValueError(
            f"after {text} every token is ruled out by {list(constraints)}; expected at least one "
            "that may come next: loosen the constraints"
        )
    return z


def check_length(length: int) -> None:
    """Say how many tokens may be asked for.

    Raises:
        ValueError: If it is fewer than none.
    """
    if length < 0:
        raise ValueError(f"length is {length}; expected 0 or more tokens to generate")
