r"""A language model: embedding, recurrent layers, and a score for each token that may come next.

$$p(x_1, \dots, x_T) = \prod_t p(x_t \mid x_{<t}), \qquad
p(x_{t+1} \mid x_{\le t}) = \operatorname{softmax}(W_{hy} h_t + b_y).$$

Example:
    >>> import numpy as np
    >>> model = LanguageModel(5, hidden=8, embedding=4, seed=0)
    >>> loss, carry = model.loss(np.array([[0], [1]]), np.array([[1], [2]]), None)
    >>> bool(1.3 < loss.item() < 1.9)  # about ln 5 = 1.61: it knows nothing yet
    True
    >>> carry, logits = model.step(None, 3)
    >>> logits.shape
    (5,)
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.compiler import scan
from tinygrad_rnn.engine import Tensor, no_grad, tensor
from tinygrad_rnn.ops import cross_entropy, cumsum, max, minimum, softmax, where

__all__ = ["CELLS", "LanguageModel"]

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}

Ids = NDArray[np.int64]


class LanguageModel(nn.Module):
    """Predicts each token of a text from those before it.

    Args:
        size: V, how many tokens there are.
        cell: Which recurrent layer.
        hidden: H, features of the hidden state.
        embedding: E, features of a token's vector.
        layers: How many recurrent layers lie on top of each other.
        dropout: Fraction of features dropped between layers and before the output.
        tied: Use the embedding's matrix for the output too (Press and Wolf, 2017,
            arXiv:1608.05859); needs E = H.
        seed: Where the first weights and dropout's masks come from.

    Raises:
        ValueError: If there is no such cell, or a tied model has E ≠ H.
    """

    def __init__(
        self,
        size: int,
        *,
        cell: Literal["rnn", "lstm", "gru"] = "gru",
        hidden: int = 128,
        embedding: int = 64,
        layers: int = 1,
        dropout: float = 0.0,
        tied: bool = False,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell is {cell!r}; expected one of {', '.join(CELLS)}")
        if tied and embedding != hidden:
            raise ValueError(
                f"a tied output needs embedding == hidden, got {embedding} and {hidden}; set "
                f"embedding={hidden}"
            )
        rng = np.random.default_rng(seed)
        self.embedding = nn.Embedding(size, embedding, seed=rng)
        self.recurrent = CELLS[cell](
            embedding, hidden, num_layers=layers, dropout=dropout if layers > 1 else 0.0, seed=rng
        )
        self.dropout = nn.Dropout(dropout, seed=rng)
        self.output = nn.Linear(hidden, size, seed=rng)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, ids: Ids, carry: Any = None) -> tuple[Tensor, Any]:
        """Scores for the token after each.

        Args:
            ids: (T, B), integers below V.
            carry: The recurrent state before the first; None for zeros.

        Returns:
            Logits (T, B, V), and the state after the last.
        """
        # --8<-- [start:forward]
        h, carry = self.recurrent(self.embedding(ids), carry)
        return self.output(self.dropout(h)), carry
        # --8<-- [end:forward]

    def loss(self, inputs: Ids, targets: Ids, carry: Any) -> tuple[Tensor, Any]:
        """The mean cross-entropy of the targets (T, B), in nats, and the state after the last."""
        logits, carry = self(inputs, carry)
        return cross_entropy(logits, targets), carry

    def write(
        self,
        prompt: Sequence[int],
        length: int,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        chunk: int = 256,
    ) -> Iterator[int]:
        """Go on from a prompt, drawing many tokens in one compiled loop.

        The draw is inside of the loop: a token is where the running sum of the probabilities
        passes a uniform number. `decode.generate` draws the same way, one step at a time, from
        probabilities in float64; where a running sum in float32 lands on the other side of a
        uniform number, the two differ.

        Args:
            prompt: Ids to read first, at least one; they are not yielded.
            length: How many tokens to draw.
            temperature: 0 is greedy, 1 the model's own distribution.
            rng: Where the uniform numbers come from, one a token.
            chunk: How many tokens a loop draws before they are yielded.

        Raises:
            ValueError: If the prompt is empty, or the length or temperature negative.

        Example:
            >>> model = LanguageModel(5, hidden=8, embedding=4, seed=0)
            >>> rng = np.random.default_rng(0)
            >>> len(list(model.write([0], 3, rng=rng)))
            3
        """
        if not len(prompt):
            raise ValueError("the prompt is empty; expected at least one token to start from")
        if length < 0 or temperature < 0:
            raise ValueError(
                f"got length={length} and temperature={temperature}; expected 0 or more"
            )
        return self.chunks([*prompt], length, temperature, rng, chunk)

    def chunks(
        self,
        prompt: list[int],
        length: int,
        temperature: float,
        rng: np.random.Generator,
        chunk: int,
    ) -> Iterator[int]:
        """The tokens of `write`, a loop's worth at a time."""
        cell = nn.Stacked(
            *(self.recurrent.cell(layer) for layer in range(self.recurrent.num_layers))
        )

        def step(carry: Any, u: Any) -> tuple[Any, Any]:
            state, token = carry
            state, h = cell.step(state, self.embedding(token))
            token = drawn(self.output(h), temperature, u)
            return (state, token), token

        read = np.array(prompt[:-1], np.int64)[:, None]
        with no_grad():
            state, _ = cell.run(cell.initial(1), self.embedding(read))
        carry = state, tensor(prompt[-1:])
        for start in range(0, length, chunk):
            u = rng.random((min(chunk, length - start), 1, 1)).astype(self.output.weight.dtype)
            with no_grad():
                carry, tokens = scan(step, carry, u)
            yield from tokens.data[:, 0].tolist()

    def step(self, carry: Any, token: int) -> tuple[Any, NDArray[np.floating]]:
        """One time step without a graph, for `tinygrad_rnn.decode.generate`.

        Returns:
            The state after the token, and the logits (V,) of the token after it.
        """
        with no_grad():
            logits, carry = self(np.array([[token]]), carry)
        return carry, logits.data[0, 0]


def drawn(logits: Any, temperature: float, u: Any) -> Any:
    """Ids (B,) of tokens drawn for logits (B, V) by uniform numbers (B, 1).

    A temperature of 0 gives the first of the likeliest: the running sum of "is the greatest"
    passes 0 there.
    """
    if temperature == 0:
        chances = where(logits == max(logits, axis=-1, keepdims=True), 1.0, 0.0 * logits)
        u = 0.0 * u
    else:
        chances = softmax(logits / temperature)
    running = cumsum(chances, axis=-1)
    # Rounding can leave the last running sum at u itself, which no token would pass.
    passed = (running <= u * running[:, -1:]).sum(axis=-1)
    return minimum(passed, logits.shape[-1] - 1)
