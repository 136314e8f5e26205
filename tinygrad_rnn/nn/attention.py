r"""Attention: a mean over a memory, weighed by how well each place answers a query.

$$\alpha_s = \frac{e^{a(q, m_s)}}{\sum_{s'} e^{a(q, m_{s'})}}, \qquad c = \sum_s \alpha_s m_s.$$

A *memory* has a vector $m_s$ for each place, such as an encoder's outputs, and $a$ scores how well
one answers the query $q$, such as a decoder's state:

===================  ==================================  ==========================
layer                score $a(q, m)$                     source
===================  ==================================  ==========================
`AdditiveAttention`  $v^\top \tanh(W q + U m + b)$       Bahdanau et al. 2015
`DotAttention`       $q^\top m$                          Luong et al. 2015, "dot"
`BilinearAttention`  $q^\top W m$                        Luong et al. 2015, "general"
===================  ==================================  ==========================

`Attentive` makes of any cell one that attends to a memory at every step.

**Masks.** Booleans, true where a place may be looked at. A query that may look nowhere gets weights
and a context of zeros, and passes no gradient: never NaN.
"""

import copy
import math
from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_rnn.engine import Carrier, DtypeError, ShapeError, tensor
from tinygrad_rnn.nn.arguments import as_input, check_dtype, check_lengths
from tinygrad_rnn.nn.cells import Carry, zeros
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.linear import Linear
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.wrappers import Wrapper
from tinygrad_rnn.ops import concatenate, softmax, tanh, where

LOWEST = -1e18  # below any score, but not -inf: a row of nothing else would become NaN


class Memory(NamedTuple):
    """What is attended to, made ready once for all queries.

    Attributes:
        values: (…, S, M), what contexts are made of.
        keys: (…, S, K), what queries are compared with.
        mask: (…, S) or (…, T, S) booleans, or None to look everywhere.
    """

    values: Any
    keys: Any
    mask: Any


class Attention(Module):
    """What all attention has in common. A subclass says how queries and memory are compared."""

    def keys(self, memory: Any) -> Any:
        """What of a memory (…, S, M) queries are compared with: what can be known before them."""
        return memory

    def scores(self, query: Any, keys: Any) -> Any:
        """The scores (…, T, S) of queries (…, T, Q) and keys (…, S, K)."""
        raise NotImplementedError(
            f"{type(self).__name__} compares nothing: define scores(self, query, keys)"
        )

    def forward(
        self, query: Any, memory: Any, mask: Any = None, lengths: Any = None
    ) -> tuple[Any, Any]:
        """Attend to a memory.

        Args:
            query: (…, Q), one for each memory, or (…, T, Q) for several.
            memory: (…, S, M), such as (B, S, M).
            mask: (…, S) booleans, or (…, T, S) for several queries: true where to look.
            lengths: (B,) integers, for a memory (B, S, M): how many places of each there are.

        Returns:
            The contexts, (…, M) or (…, T, M), and the weights, (…, S) or (…, T, S).

        Raises:
            ShapeError: if shapes do not fit each other or the layer.
            DtypeError: if a dtype does not fit the layer's, the mask is not of booleans or
                `lengths` are not integers.
        """
        return self.look(query, self.remember(memory, mask, lengths))

    def remember(self, memory: Any, mask: Any = None, lengths: Any = None) -> Memory:
        """A memory, ready to be looked at; for many queries, one after the other."""
        m = memory if isinstance(memory, Carrier) else tensor(memory)
        owner = type(self).__name__
        if m.ndim < 2:
            raise ShapeError(
                f"{owner}: got memory of shape {m.shape}; expected (…, S, M): a vector for each "
                "of S places"
            )
        marks = checked(owner, mask, m)
        if lengths is not None:
            check_lengths(owner, lengths, m.shape[-2], m.shape[:-2])
            alive = np.arange(m.shape[-2]) < np.asarray(lengths)[..., None]
            alive = alive[..., None, :] if np.ndim(marks) == m.ndim else alive
            marks = alive if marks is None else marks & alive
        return Memory(m, self.keys(m), marks)

    def look(self, query: Any, memory: Memory) -> tuple[Any, Any]:
        """The contexts and weights for queries, as `forward` gives them."""
        q = query if isinstance(query, Carrier) else tensor(query)
        m, keys, mask = memory
        lone = q.ndim == m.ndim - 1
        q = q[..., None, :] if lone else q
        if q.ndim != m.ndim or q.shape[:-2] != m.shape[:-2]:
            raise ShapeError(
                f"{type(self).__name__}: got query of shape {np.shape(query)} for a memory of "
                f"shape {m.shape}; expected {(*m.shape[:-2], 'Q')}, or {(*m.shape[:-2], 'T', 'Q')}"
                " for several queries"
            )
        if mask is not None and mask.ndim < m.ndim:
            mask = mask[..., None, :]
        weights = masked_softmax(self.scores(q, keys), mask)
        context = weights @ m
        return (context[..., 0, :], weights[..., 0, :]) if lone else (context, weights)


class AdditiveAttention(Attention):
    r"""Attention by a small network (Bahdanau, Cho & Bengio 2015, arXiv:1409.0473, appendix A.1.2).

    $$a(q, m) = v^\top \tanh(W q + U m + b).$$

    $U m$ is made once for a memory, so a query costs a product with $W$ and $S$ with $v$.

    Derivation:
        With $z_s = \tanh(W q + U m_s + b)$ and weights $\alpha$, a cotangent $\bar c$ of the
        context gives $\bar\alpha_s = m_s^\top \bar c$; by the softmax, the scores get
        $\bar a_s = \alpha_s (\bar\alpha_s - \sum_{s'} \alpha_{s'} \bar\alpha_{s'})$: a place is
        to gain if it answers better than the mean does. Below them
        $$\delta_s = (1 - z_s \odot z_s) \odot v\, \bar a_s, \qquad
          \bar q = W^\top \sum_s \delta_s, \qquad
          \bar m_s = \alpha_s \bar c + U^\top \delta_s.$$

    Args:
        query_size: length of a query, Q.
        memory_size: length of a vector of the memory, M.
        size: how many hidden units compare them, A.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        query: the map $W q + b$, a `Linear`,
        memory: $U m$,
        score: and $v^\top z$.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> attention = nn.AdditiveAttention(4, 6, 8, seed=0)
        >>> query, memory = np.ones((2, 4), "float32"), np.ones((2, 5, 6), "float32")
        >>> context, weights = attention(query, memory, lengths=[5, 2])
        >>> context.shape
        (2, 6)
        >>> weights.numpy().round(2)
        array([[0.2, 0.2, 0.2, 0.2, 0.2],
               [0.5, 0.5, 0. , 0. , 0. ]], dtype=float32)
    """

    def __init__(
        self, query_size: int, memory_size: int, size: int, *, dtype: Any = None, seed: Seed = None
    ) -> None:
        rng = np.random.default_rng(seed)
        self.query = Linear(query_size, size, dtype=dtype, seed=rng)
        self.memory = Linear(memory_size, size, bias=False, dtype=dtype, seed=rng)
        self.score = Linear(size, 1, bias=False, dtype=dtype, seed=rng)

    def keys(self, memory: Any) -> Any:
        """$U m$ for each place."""
        return self.memory(as_input("AdditiveAttention", memory, self.memory.weight, "memory"))

    def scores(self, query: Any, keys: Any) -> Any:
        """The network's answer for each query and place."""
        query = self.query(as_input("AdditiveAttention", query, self.query.weight, "query"))
        hidden = tanh(query[..., :, None, :] + keys[..., None, :, :])
        return self.score(hidden)[..., 0]


class DotAttention(Attention):
    r"""Attention by the product of query and memory, $a(q, m) = q^\top m$.

    Of queries and memories of one size (Luong, Pham & Manning 2015, arXiv:1508.04025, equation 8).
    Products of $M$ independent numbers of variance 1 have variance $M$, with which the softmax
    would soon choose a single place; `scaled` divides by $\sqrt M$ (Vaswani et al. 2017,
    arXiv:1706.03762, section 3.2.1).

    Derivation:
        As in `AdditiveAttention` the scores get $\bar a_s$; a product hands each factor the other,
        $$\bar q = \sum_s \bar a_s m_s, \qquad \bar m_s = \alpha_s \bar c + \bar a_s q,$$
        times $1 / \sqrt M$ for the scaled one.

    Args:
        scaled: whether scores are divided by the root of the query's size.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> memory = np.eye(3)[None]  # three places of one memory
        >>> context, weights = nn.DotAttention()(np.array([[0.0, 9.0, 0.0]]), memory)
        >>> weights.numpy().round(3)
        array([[0., 1., 0.]])
    """

    def __init__(self, scaled: bool = False) -> None:
        self.scaled = scaled

    def scores(self, query: Any, keys: Any) -> Any:
        """The products of queries and keys."""
        if query.shape[-1] != keys.shape[-1]:
            raise ShapeError(
                f"{type(self).__name__}: got queries of size {query.shape[-1]} for a memory of "
                f"size {keys.shape[-1]}; expected equal sizes: nn.BilinearAttention compares "
                "different ones"
            )
        check_dtype(type(self).__name__, query, keys, "query")
        query = query / math.sqrt(query.shape[-1]) if self.scaled else query
        return query @ keys.transpose(-1, -2)

    def extra_repr(self) -> str:
        """Whether it is scaled."""
        return "scaled=True" * self.scaled


class BilinearAttention(DotAttention):
    r"""Attention by a product through a matrix, $a(q, m) = q^\top W m$.

    Luong's "general" score, for queries and memories of different sizes. $W m$ is made once for a
    memory; what it is compared with is then a plain product, and so are the derivatives.

    Args:
        query_size: length of a query, Q.
        memory_size: length of a vector of the memory, M.
        scaled: whether scores are divided by $\sqrt Q$.
        dtype: of the parameters; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first weights are drawn from.

    Attributes:
        memory: the map $W m$, a `Linear`.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> attention = nn.BilinearAttention(4, 6, seed=0)
        >>> queries, memory = np.ones((2, 3, 4), "float32"), np.ones((2, 5, 6), "float32")
        >>> context, weights = attention(queries, memory)
        >>> context.shape, weights.shape
        ((2, 3, 6), (2, 3, 5))
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        scaled: bool = False,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        super().__init__(scaled)
        self.memory = Linear(memory_size, query_size, bias=False, dtype=dtype, seed=seed)

    def keys(self, memory: Any) -> Any:
        """$W m$ for each place."""
        return self.memory(as_input("BilinearAttention", memory, self.memory.weight, "memory"))


class Attentive(Wrapper):
    r"""A cell that attends to a memory at every step, and reads at the next what it found.

    $$(s_t, y_t) = \operatorname{cell}(s_{t-1}, [x_t, c_{t-1}]), \qquad
      c_t = \operatorname{attention}(y_t, m), \qquad \text{output } [y_t, c_t],$$

    with $c_0 = 0$. Looking with the new state, and feeding what was found to the next step, is
    Luong, Pham & Manning's order (arXiv:1508.04025, sections 3 and 3.3). The carry is $(s, c)$.

    The memory is not a part of the cell: `over` gives one that has it, with the same parameters.

    Args:
        cell: any cell, made for inputs of the size of $x$ and $c$ together.
        attention: what compares its output with the memory.

    Raises:
        TypeError: if `cell` is no `Cell`, or `attention` no `Attention`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> attention = nn.AdditiveAttention(4, 6, 8, seed=0)
        >>> cell = nn.Attentive(nn.GRUCell(3 + 6, 4, seed=1), attention)
        >>> memory, x = np.ones((2, 5, 6), "float32"), np.ones((7, 2, 3), "float32")
        >>> output, (state, context) = nn.Recurrent(cell.over(memory, lengths=[5, 2]))(x)
        >>> output.shape, state.shape, context.shape
        ((7, 2, 10), (2, 4), (2, 6))
    """

    memory: Memory | None = None

    def __init__(self, cell: Any, attention: Attention) -> None:
        super().__init__(cell)
        if not isinstance(attention, Attention):
            raise TypeError(
                f"Attentive: got {type(attention).__name__} for the attention; expected one such "
                "as nn.AdditiveAttention(query_size, memory_size, size)"
            )
        self.attention = attention

    def over(self, memory: Any, mask: Any = None, lengths: Any = None) -> Self:
        """This cell with a memory (B, S, M); arguments and errors are those of `Attention`."""
        bound = copy.copy(self)
        bound.memory = self.attention.remember(memory, mask, lengths)
        return bound

    @property
    def known(self) -> Memory:
        """The memory.

        Raises:
            RuntimeError: if there is none.
        """
        if self.memory is None:
            raise RuntimeError("Attentive has no memory to attend to: use cell.over(memory)")
        return self.memory

    def initial(self, *batch: int) -> Carry:
        """The carry of the cell inside, and a context of zeros."""
        return self.beginning(self.cell.initial(*batch), *batch)

    def beginning(self, state: Carry, *batch: int) -> Carry:
        """The carry for a state of the cell inside, when nothing has been looked at."""
        values = self.known.values
        return state, zeros(*batch, values.shape[-1], like=values)

    def project(self, x: Any, *noise: Any) -> Any:
        """The input and the noise: what the cell reads is only known with the context."""
        return x, noise

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step; `x` is the input and the noise of the cell inside."""
        (state, context), (x, noise) = carry, x
        read = self.cell.project(concatenate([x, context], axis=-1), *noise)
        state, y = self.cell.recur(state, read)
        context, _ = self.attention.look(y, self.known)
        return (state, context), concatenate([y, context], axis=-1)

    def weights(self, outputs: Any) -> Any:
        """Where it looked: the weights (T, B, S) behind outputs (T, B, …)."""
        memory = self.known
        y = outputs[..., : -memory.values.shape[-1]]
        _, weights = self.attention.look(y.transpose(0, 1), memory)
        return weights.transpose(0, 1)


def masked_softmax(scores: Any, mask: Any) -> Any:
    """The softmax of scores where a mask holds, and 0 elsewhere, even where it holds nowhere."""
    if mask is None:
        return softmax(scores)
    return where(mask, softmax(where(mask, scores, LOWEST)), 0.0)


def checked(owner: str, mask: Any, memory: Any) -> Any:
    """A mask as an array, or None.

    Raises:
        DtypeError: if it is not of booleans.
        ShapeError: if it is neither (…, S) nor (…, T, S) for a memory (…, S, M).
    """
    if mask is None:
        return None
    marks = np.asarray(mask)
    if marks.dtype.kind != "b":
        raise DtypeError(
            f"{owner}: got a mask of dtype {marks.dtype}; expected booleans, true where a place "
            "may be looked at"
        )
    *batch, S, _ = memory.shape
    for shape in ((*batch, S), (*batch, *marks.shape[-2:-1], S)):
        if marks.shape == shape:
            return marks
    raise ShapeError(
        f"{owner}: got a mask of shape {marks.shape} for a memory of shape {memory.shape}; "
        f"expected {(*batch, S)}, or {(*batch, 'T', S)} for T queries"
    )
