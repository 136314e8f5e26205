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
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.compiler import Scan, eager, scans
from tinygrad_rnn.engine import Tensor, no_grad, tensor
from tinygrad_rnn.ops import cumsum, exp, linear_cross_entropy, max, where

__all__ = ["CELLS", "RANKED", "LanguageModel"]

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}

RANKED = 256
"""The largest vocabulary that `LanguageModel.write` ranks: every token is compared with every."""

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
        h, carry = self.recurrent(inputs, carry, embedding=self.embedding)
        last = self.output
        return linear_cross_entropy(self.dropout(h), last.weight, targets, last.bias), carry

    def write(
        self,
        prompt: Sequence[int],
        length: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        rng: np.random.Generator,
        chunk: int = 256,
    ) -> Iterator[int]:
        """Go on from a prompt, drawing many tokens in one compiled loop, without dropout.

        The draw is inside of the loop: a token is where the running sum of the probabilities
        passes a uniform number. `decode.generate` with a `decode.Sampler` of the same settings
        draws the same way, one step at a time. Both draw in float64, but a loop and a single step
        may round the logits differently: the tokens differ where a running sum lands on the other
        side of a uniform number, or of `top_p`, for that.

        Args:
            prompt: Ids to read first, at least one; they are not yielded.
            length: How many tokens to draw.
            temperature: 0 is greedy, 1 the model's own distribution.
            top_k: Draw among the k likeliest tokens only.
            top_p: Draw within the nucleus of this probability only.
            rng: Where the uniform numbers come from, one a token.
            chunk: How many tokens a loop draws before they are yielded.

        Raises:
            ValueError: If the prompt is empty, a setting is out of range, or `top_k` or `top_p` is
                asked of a model with more than `RANKED` tokens; later, if the logits are NaN.

        Example:
            >>> model = LanguageModel(5, hidden=8, embedding=4, seed=0)
            >>> rng = np.random.default_rng(0)
            >>> len(list(model.write([0], 3, top_k=2, rng=rng)))
            3
        """
        if not len(prompt):
            raise ValueError("the prompt is empty; expected at least one token to start from")
        if length < 0 or chunk < 1:
            raise ValueError(f"got length={length} and chunk={chunk}; expected 0 and 1 or more")
        draw = Draw(temperature, top_k, top_p, size=len(self.output.weight))
        return self.chunks([*prompt], length, draw, rng, chunk)

    def chunks(
        self, prompt: list[int], length: int, draw: "Draw", rng: np.random.Generator, chunk: int
    ) -> Iterator[int]:
        """The tokens of `write`, a loop's worth at a time."""
        writer = Writer(self, draw)
        carry = self.read(prompt[:-1]), tensor(prompt[-1:])
        for start in range(0, length, chunk):
            u = rng.random((min(chunk, length - start), 1, 1))
            with no_grad():
                one = Scan(Writer.step, carry, np.minimum(u, BELOW_1), owner=writer)
                ((carry, (tokens, totals)),) = scans([one])
            if not np.isfinite(totals.data).all():
                raise ValueError(
                    "logits hold NaN or +inf; expected finite ones. A model that diverged in "
                    "training gives NaN: lower its learning rate"
                )
            yield from tokens.data[:, 0].tolist()

    def cells(self) -> list[nn.Cell]:
        """The recurrent layers as cells, with the same weights, for a step at a time."""
        return [self.recurrent.cell(layer) for layer in range(self.recurrent.num_layers)]

    def read(self, tokens: Sequence[int]) -> Any:
        """The carry of `advance`, of one sequence, after some tokens."""
        cells = self.cells()
        carry = tuple(cell.initial(1) for cell in cells)
        if tokens:
            with no_grad():
                carry, _ = nn.Stacked(*cells).run(
                    carry, self.embedding(np.array(tokens, np.int64)[:, None])
                )
        return carry

    def advance(self, carry: Any, tokens: Any) -> tuple[Any, Any]:
        """One time step of ids (B,): the next carry, and logits (B, V). It can be traced."""
        carry, h = nn.Stacked(*self.cells()).step(carry, self.embedding(tokens))
        return carry, self.output(h)

    def step(self, carry: Any, token: int) -> tuple[Any, NDArray[np.floating]]:
        """One time step without a graph, for `tinygrad_rnn.decode.generate`.

        Returns:
            The state after the token, and the logits (V,) of the token after it.
        """
        # Tracing would take longer than the step.
        with no_grad(), eager():
            logits, carry = self(np.array([[token]]), carry)
        return carry, logits.data[0, 0]

    def batch_step(self, carry: Any, tokens: Ids) -> tuple[Any, NDArray[np.floating]]:
        """One time step of a batch, without a graph and without dropout.

        For `generate_batch`, `beam_search` and `text_log_probabilities` of `tinygrad_rnn.decode`.

        Args:
            carry: What this returned for the tokens before; None at the start. Its arrays have
                the batch first, unlike those of `forward`.
            tokens: (B,), integers below V.

        Returns:
            The state after the tokens, and the logits (B, V) of the tokens after them.
        """
        with no_grad():
            carry = nn.Stacked(*self.cells()).initial(len(tokens)) if carry is None else carry
            carry, logits = self.advance(carry, tokens)
        return carry, logits.data


BELOW_1 = 1 - 2.0**-52  # a product with this is less than the other factor, however it is rounded


class Draw(nn.Module):
    """How `LanguageModel.write` draws: on logits and a uniform number, in ops, for a compiled loop.

    Settings are values that the loop reads, so that one loop serves for all of them.

    Args:
        temperature: 0 is greedy, 1 the model's own distribution.
        top_k: Draw among the k likeliest tokens only.
        top_p: Draw within the nucleus of this probability only.
        size: How many tokens there are.

    Raises:
        ValueError: If a setting is out of range, or there are too many tokens to rank.
    """

    def __init__(
        self, temperature: float, top_k: int | None, top_p: float | None, size: int
    ) -> None:
        if not 0 <= temperature < np.inf:
            raise ValueError(f"temperature is {temperature}; expected a finite number of 0 or more")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}; expected 1 or more tokens to choose among")
        if top_p is not None and not 0 < top_p <= 1:
            raise ValueError(f"top_p is {top_p}; expected a probability above 0 and at most 1")
        self.greedy = temperature == 0
        self.filtered = not self.greedy and (top_k is not None or top_p is not None)
        if self.filtered and size > RANKED:
            raise ValueError(
                f"top_k and top_p rank the tokens, and there are {size}; expected at most {RANKED} "
                "in a compiled loop: use decode.generate(model.step, …) with a decode.Sampler"
            )
        self.temperature = tensor(np.float64(temperature))
        self.k = tensor(np.float64(size if top_k is None else top_k))
        self.p = tensor(np.float64(2 if top_p is None else top_p))
        self.earlier = tensor(np.tri(size, k=-1).T[None]) if self.filtered else None

    def forward(self, logits: Any, u: Any) -> tuple[Any, Any]:
        """Ids (B,) for logits (B, V) and uniform numbers (B, 1), and a sum that is finite.

        It is not if the logits hold NaN or plus infinity.
        """
        z = logits.astype(np.float64)
        z = z - max(z, axis=-1, keepdims=True)
        if self.greedy:
            weights, u = where(z == 0, 1.0, where(z == z, 0.0, z)), u * 0.0  # NaN stays
        else:
            weights = exp(z / self.temperature)
        if self.filtered:
            weights = self.kept(z, weights)
        running = cumsum(weights, axis=-1)
        total = running[:, -1:]
        return (running <= u * total).sum(axis=-1), total

    def kept(self, z: Any, weights: Any) -> Any:
        """The weights (B, V), 0 for all but the k likeliest, and but the nucleus among those."""
        B, V = z.shape
        one, other = z.reshape(B, 1, V), z.reshape(B, V, 1)
        # Of equals, those with lower ids come first.
        ahead = where(other > one, 1.0, where(other == one, self.earlier, 0.0))
        weights = where(ahead.sum(axis=1) < self.k, weights, 0.0)
        before = (ahead * weights.reshape(B, V, 1)).sum(axis=1)
        return where(before < self.p * weights.sum(axis=-1, keepdims=True), weights, 0.0)


class Writer(NamedTuple):
    """A model and how it draws, so that a loop is traced once for all texts that it writes.

    It is no module, which would take the model in and name its parameters anew.
    """

    model: LanguageModel
    draw: Draw

    def step(self, carry: Any, u: Any) -> tuple[Any, Any]:
        """A token from the one before, and the sum that tells whether the logits are finite."""
        state, logits = self.model.advance(*carry)
        token, total = self.draw(logits, u)
        return (state, token), (token, total)
