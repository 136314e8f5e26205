r"""From one sequence to another: an encoder reads, a decoder writes.

$$p(w_1, \dots, w_T \mid x) = \prod_t p(w_t \mid w_{<t}, x)$$

(Sutskever, Vinyals & Le 2014, arXiv:1409.3215; Cho et al. 2014, arXiv:1406.1078). An `Encoder` of
ids, or any module of one's own, gives a memory and a last state; a `Decoder` starts from the state,
attends to the memory if it has attention, and scores each next id. `EncoderDecoder` is the two.

    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> rng = np.random.default_rng(0)
    >>> encoder = nn.Encoder(nn.Embedding(9, 4, seed=rng), nn.GRU(4, 8, seed=rng))
    >>> cell = nn.GRUCell(4 + 8, 8, seed=rng)  # reads the last id's vector and the context
    >>> output = nn.Linear(8 + 8, 7, seed=rng)  # reads the cell's output and the context
    >>> decoder = nn.Decoder(nn.Embedding(7, 4, seed=rng), cell, output, nn.DotAttention())
    >>> model = nn.EncoderDecoder(encoder, decoder)

    Trained with `inputs` that begin with a start id, and the same ids one step earlier as targets:

    >>> source, inputs = np.ones((5, 2), int), np.ones((3, 2), int)
    >>> model(source, inputs, lengths=[5, 4]).shape
    (3, 2, 7)
    >>> texts = model.generate(source, start=1, end=0, length=6, lengths=[5, 4])
    >>> len(texts)
    2

Everything is time-first: ids (T, B).
"""

from typing import Any

import numpy as np

from tinygrad_rnn.compiler import scan
from tinygrad_rnn.engine import Carrier, DtypeError, ShapeError, Tensor, no_grad, tensor
from tinygrad_rnn.engine.nesting import mapped
from tinygrad_rnn.nn.arguments import check_probability, check_sizes
from tinygrad_rnn.nn.attention import Attention, Attentive
from tinygrad_rnn.nn.cells import Carry, Cell
from tinygrad_rnn.nn.embedding import Embedding
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.recurrent import Recurrent, RNNBase
from tinygrad_rnn.nn.wrappers import check_cell
from tinygrad_rnn.ops import concatenate, cumsum, max, minimum, where

CHUNK = 32  # steps that generation takes before it looks whether all sequences have ended


class Encoder(Module):
    """Reads ids: an embedding, and a recurrent layer over it.

    Args:
        embedding: from ids to vectors.
        recurrent: `RNN`, `LSTM`, `GRU` or `Recurrent`, time-first.

    Raises:
        TypeError: if `recurrent` is none of these.
        ValueError: if it is batch-first.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> both = nn.GRU(4, 8, bidirectional=True, seed=1)
        >>> encoder = nn.Encoder(nn.Embedding(9, 4, seed=0), both)
        >>> memory, state = encoder(np.ones((5, 2), int), lengths=[5, 3])
        >>> memory.shape, state.shape
        ((5, 2, 16), (2, 16))
    """

    def __init__(self, embedding: Embedding, recurrent: Any) -> None:
        if not isinstance(recurrent, RNNBase | Recurrent):
            raise TypeError(
                f"Encoder: got {type(recurrent).__name__}; expected nn.RNN, nn.LSTM, nn.GRU, or a "
                "cell in nn.Recurrent(cell)"
            )
        if recurrent.batch_first:
            raise ValueError(
                "Encoder: got a layer with batch_first=True; ids here are (T, B): leave it out"
            )
        self.embedding, self.recurrent = embedding, recurrent

    def forward(self, ids: Any, lengths: Any = None) -> tuple[Any, Carry]:
        """Read ids (S, B).

        Returns:
            The outputs (S, B, features), and the last state as a cell would carry it: of `RNN`,
            `LSTM` and `GRU`, both directions side by side, and several layers as in `Stacked`.
        """
        memory, last = self.recurrent(ids, lengths=lengths, embedding=self.embedding)
        if isinstance(self.recurrent, Recurrent):
            return memory, last
        sides = len(self.recurrent.directions)
        layers = tuple(
            mapped(lambda s, k=k: concatenate([s[k + d] for d in range(sides)], axis=-1), last)
            for k in range(0, sides * self.recurrent.num_layers, sides)
        )
        return memory, layers if len(layers) > 1 else layers[0]


class Decoder(Module):
    r"""Writes ids, one after the other: each is scored from all before it.

    $$(s_t, y_t) = \operatorname{cell}(s_{t-1}, e(w_{t-1})), \qquad
      p(w_t) = \operatorname{softmax} \operatorname{output}(y_t),$$

    where $e(w)$ is an id's vector. With attention the cell reads $[e(w_{t-1}), c_{t-1}]$ and
    `output` reads $[y_t, c_t]$; see `Attentive`.

    What is $w_{t-1}$ in training? With *teacher forcing* the true id. In use it is the decoder's
    own guess, whose errors it has then never seen. *Scheduled sampling* (Bengio et al. 2015,
    arXiv:1506.03099) tosses a coin for each step and sequence: the true id with probability
    $\epsilon$, otherwise the likeliest by the scores of the step before. $\epsilon$ starts at 1
    and falls as training goes on: after $i$ updates it is $k / (k + e^{i/k})$, for instance.
    A guess passes no gradient. Noise that a cell draws is the same for guesses and scores.

    Args:
        embedding: from ids to vectors.
        cell: any cell.
        output: from outputs to scores of ids: `Linear`, or any module or function.
        attention: how to look at a memory; None for a decoder that only has the state it starts
            from.
        seed: an integer, or the generator that coins are tossed with.

    Attributes:
        generator: the generator, of its own unless one was given.

    Raises:
        TypeError: if `cell` is no `Cell`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell, output = nn.GRUCell(4 + 6, 8, seed=0), nn.Linear(8 + 6, 7, seed=1)
        >>> attention = nn.AdditiveAttention(8, 6, 5, seed=2)
        >>> decoder = nn.Decoder(nn.Embedding(7, 4, seed=3), cell, output, attention)
        >>> decoder(np.ones((3, 2), int), memory=np.ones((5, 2, 6), "float32")).shape
        (3, 2, 7)
    """

    def __init__(
        self,
        embedding: Embedding,
        cell: Cell,
        output: Any,
        attention: Attention | None = None,
        *,
        seed: Seed = None,
    ) -> None:
        check_cell("Decoder", cell)
        self.embedding, self.output = embedding, output
        self.cell = cell if attention is None else Attentive(cell, attention)
        self.generator = np.random.default_rng(seed)

    def forward(
        self,
        inputs: Any,
        state: Carry = None,
        memory: Any = None,
        lengths: Any = None,
        teacher_forcing: float = 1.0,
    ) -> Any:
        """Score what comes after each of the inputs.

        Args:
            inputs: (T, B) ids; the first are read in any case.
            state: what the cell starts from; its own start if None.
            memory: (S, B, M), what attention looks at.
            lengths: (B,), how many places of each memory there are.
            teacher_forcing: the probability with which an input is read rather than the guess.

        Returns:
            Scores (T, B, V).

        Raises:
            ShapeError: if the inputs are no (T, B), or the state does not fit the cell.
            DtypeError: if the inputs are not integers.
            ValueError: if `teacher_forcing` is no probability.
            TypeError: if there is a memory and no attention, or attention and no memory.
        """
        check_probability("Decoder", "teacher_forcing", teacher_forcing)
        ids = checked_ids(inputs)
        cell, carry = self.begin(ids.shape[1], state, memory, lengths)
        if teacher_forcing == 1:
            _, y = cell.run(carry, self.embedding(ids))
            return self.output(y)
        noise = cell.noise(*ids.shape)
        ids = self.sampled(cell, carry, ids, noise, teacher_forcing)
        _, y = scan(noisy(cell), carry, (self.embedding(ids), noise))
        return self.output(y)

    def sampled(
        self, cell: Cell, carry: Carry, ids: Any, noise: Any, teacher_forcing: float
    ) -> Any:
        """What is read at each step (T, B): an input, or the guess of the step before.

        Guesses pass no gradient. So they are made first, in a loop that needs none and that
        compiles, and the scores are then those for inputs that are known.
        """
        truth = self.generator.random(ids.shape) < teacher_forcing
        truth[:1] = True

        def step(before: Carry, x: Any) -> tuple[Carry, Any]:
            (carry, guess), (given, true, noise) = before, x
            read = where(true, given, guess)
            carry, y = noisy(cell)(carry, (self.embedding(read), noise))
            return (carry, likeliest(self.output(y))), read

        with no_grad():
            _, read = scan(step, (carry, tensor(ids[0])), (ids, truth, noise))
        return read

    def begin(
        self, batch: int, state: Carry = None, memory: Any = None, lengths: Any = None
    ) -> tuple[Any, Carry]:
        """The cell, over the memory if it attends to one, and its first carry.

        To go step by step, as a beam search does, give them to `step`.
        """
        attends = isinstance(self.cell, Attentive)
        if attends == (memory is None):
            raise TypeError(
                "Decoder: got attention and no memory; give it one (S, B, M)"
                if attends
                else "Decoder: got a memory and no attention to look at it with; make the decoder "
                "with attention=, or leave the memory out"
            )
        if not isinstance(self.cell, Attentive):
            return self.cell, self.cell.carry_from(state, (batch,))
        m = memory if isinstance(memory, Carrier) else tensor(memory)
        cell = self.cell.over(m.transpose(0, 1), lengths=lengths)
        return cell, cell.beginning(cell.cell.carry_from(state, (batch,)), batch)

    def step(self, cell: Cell, carry: Carry, ids: Any) -> tuple[Carry, Any]:
        """One step: from a carry and ids (B,) to the next carry and scores (B, V)."""
        carry, y = cell.step(carry, self.embedding(ids))
        return carry, self.output(y)

    def alignment(
        self, inputs: Any, state: Carry = None, memory: Any = None, lengths: Any = None
    ) -> Any:
        """Where the decoder looks as it reads the inputs (T, B): weights (T, B, S).

        Raises:
            TypeError: if the decoder has no attention.
        """
        if not isinstance(self.cell, Attentive):
            raise TypeError("Decoder: this one has no attention, so it looks nowhere")
        ids = checked_ids(inputs)
        cell, carry = self.begin(ids.shape[1], state, memory, lengths)
        _, outputs = cell.run(carry, self.embedding(ids))
        return cell.weights(outputs)

    def generate(
        self,
        batch: int,
        state: Carry = None,
        memory: Any = None,
        lengths: Any = None,
        *,
        start: int,
        end: int,
        length: int,
    ) -> list[list[int]]:
        """The likeliest id at each step, read by the next, for each of a batch until its end.

        Call `eval()` before, unless dropout is wanted. No graph is recorded.

        Args:
            batch: how many sequences.
            state: as in `forward`, and so are
            memory: and
            lengths: what they start from.
            start: the id that is read first; it is not in the result.
            end: the id that ends a sequence; it is not in the result either.
            length: how many ids a sequence has at most.

        Returns:
            A list of ids for each sequence.

        Raises:
            ValueError: if `length` is less than 1, or `start` or `end` is no id.
        """
        check_sizes("Decoder", length=length)
        for name, token in (("start", start), ("end", end)):
            if not 0 <= token < len(self.embedding.weight):
                raise ValueError(
                    f"Decoder: got {name}={token}; expected one of the "
                    f"{len(self.embedding.weight)} ids of its embedding"
                )
        with no_grad():
            cell, carry = self.begin(batch, state, memory, lengths)
            written = self.follow(cell, carry, np.full(batch, start), end, length)
        ends = np.argmax(np.vstack([written, np.full((1, batch), end)]) == end, axis=0)
        return [column[:n].tolist() for column, n in zip(written.T, ends, strict=True)]

    def follow(self, cell: Cell, carry: Carry, start: Any, end: int, length: int) -> Any:
        """Ids (T, B) with T ≤ `length`, in which `end` follows upon `end`."""

        def step(before: Carry, x: Any) -> tuple[Carry, Any]:
            (carry, ids, ended), (_, noise) = before, x
            carry, y = noisy(cell)(carry, (self.embedding(ids), noise))
            ids = where(ended, end, likeliest(self.output(y)))
            return (carry, ids, ids == end), ids

        before = carry, tensor(start), tensor(np.zeros(start.shape, bool))
        chunks: list[Any] = []
        for done in range(0, length, CHUNK):
            steps = min(CHUNK, length - done)
            frames = np.arange(steps), cell.noise(steps, len(start))
            before, ids = scan(step, before, frames)
            chunks.append(ids.data)
            if before[2].data.all():
                break
        return np.concatenate(chunks)


class EncoderDecoder(Module):
    r"""An encoder that reads, and a decoder that writes from what it read.

    Args:
        encoder: `Encoder`, or any module that gives a memory (S, B, M), or None, and a state; it is
            called with the source, and with `lengths` if there are any.
        decoder: what writes.
        bridge: a module or function from the encoder's last state to the decoder's first, such as
            `nn.Sequential(nn.Linear(2 * H, H), tg.tanh)` from both directions of a GRU to one;
            None if it fits as it is.

    Raises:
        TypeError: if `decoder` is no `Decoder`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> encoder = nn.Encoder(nn.Embedding(9, 4, seed=0), nn.LSTM(4, 8, seed=1))
        >>> cell, output = nn.LSTMCell(4, 8, seed=2), nn.Linear(8, 7, seed=3)
        >>> decoder = nn.Decoder(nn.Embedding(7, 4, seed=4), cell, output, seed=5)
        >>> model = nn.EncoderDecoder(encoder, decoder)
        >>> source, inputs = np.ones((5, 2), int), np.ones((3, 2), int)
        >>> model(source, inputs, teacher_forcing=0.5).shape
        (3, 2, 7)
    """

    def __init__(self, encoder: Module, decoder: Decoder, bridge: Any = None) -> None:
        if not isinstance(decoder, Decoder):
            raise TypeError(
                f"EncoderDecoder: got {type(decoder).__name__} for the decoder; expected nn.Decoder"
            )
        self.encoder, self.decoder, self.bridge = encoder, decoder, bridge

    def forward(
        self, source: Any, inputs: Any, lengths: Any = None, teacher_forcing: float = 1.0
    ) -> Any:
        """Score what comes after each of the inputs.

        Args:
            source: what the encoder reads: ids (S, B).
            inputs: (T, B) ids that the decoder reads, a start id first.
            lengths: (B,), how long each source is.
            teacher_forcing: the probability with which an input is read rather than the decoder's
                own guess; see `Decoder`.

        Returns:
            Scores (T, B, V).
        """
        state, memory = self.encode(source, lengths)
        return self.decoder(inputs, state, memory, lengths, teacher_forcing)

    def encode(self, source: Any, lengths: Any = None) -> tuple[Carry, Any]:
        """The state that the decoder starts from, and the memory that it attends to, if it does."""
        memory, state = (
            self.encoder(source) if lengths is None else self.encoder(source, lengths=lengths)
        )
        state = state if self.bridge is None else self.bridge(state)
        return state, memory if isinstance(self.decoder.cell, Attentive) else None

    def generate(
        self, source: Any, *, start: int, end: int, length: int, lengths: Any = None
    ) -> list[list[int]]:
        """The decoder's likeliest ids for each source; see `Decoder.generate`."""
        with no_grad():
            state, memory = self.encode(source, lengths)
        batch = np.shape(source)[1]
        limits = {"start": start, "end": end, "length": length}
        return self.decoder.generate(batch, state, memory, lengths, **limits)

    def alignment(self, source: Any, inputs: Any, lengths: Any = None) -> Any:
        """Where the decoder looks as it reads the inputs: weights (T, B, S), for a picture.

        Raises:
            TypeError: if the decoder has no attention.
        """
        state, memory = self.encode(source, lengths)
        return self.decoder.alignment(inputs, state, memory, lengths)


def noisy(cell: Cell) -> Any:
    """The step of a cell from a pair: what it reads, and the noise for it, drawn before."""
    return lambda carry, x: cell.recur(carry, cell.project(x[0], *x[1]))


def checked_ids(inputs: Any) -> Any:
    """Ids (T, B), as an array or what carries one.

    Raises:
        ShapeError: if they have other axes, or there are none.
        DtypeError: if they are not integers.
    """
    known = not isinstance(inputs, Carrier) or isinstance(inputs, Tensor)
    ids = np.asarray(inputs) if known else inputs
    if ids.ndim != 2 or not len(ids):
        raise ShapeError(
            f"Decoder: got inputs of shape {ids.shape}; expected ids (T, B) for one step or more"
        )
    if ids.dtype.kind not in "iu":
        raise DtypeError(f"Decoder: got inputs of dtype {ids.dtype}; expected integers")
    return ids.astype(np.int64) if known else ids


def likeliest(scores: Any) -> Any:
    """The first of the greatest of each row (B, V), as ids (B,).

    That is `argmax`, in ops that a compiled loop has: the running count of "is the greatest" is 0
    at the places before it.
    """
    greatest = (scores == max(scores, axis=-1, keepdims=True)).astype(scores.dtype)
    before = (cumsum(greatest, axis=-1) == 0.0).sum(axis=-1)
    return minimum(before, scores.shape[-1] - 1)  # where there is NaN, nothing is the greatest
