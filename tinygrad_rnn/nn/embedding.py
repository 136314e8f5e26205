r"""Embedding: a vector for each id, learned."""

from typing import Any, Self

import numpy as np

from tinygrad_rnn.engine import Carrier, DtypeError, ShapeError, Tensor, tensor
from tinygrad_rnn.nn.arguments import check_sizes, empty
from tinygrad_rnn.nn.init import Seed, normal_, zeros_
from tinygrad_rnn.nn.linear import Linear
from tinygrad_rnn.nn.module import Module, Parameter
from tinygrad_rnn.ops import embedding


class Embedding(Module):
    r"""A table of vectors, one for each id.

    To look up row $i$ of a table $W$ is to multiply it by a one-hot vector, $e_i^\top W$, without
    the multiplications. Starts as in PyTorch: all numbers from a standard normal distribution.

    Args:
        num_embeddings: how many ids there are, V.
        embedding_dim: length of each vector, D.
        padding_idx: an id that stands for "nothing here": its vector starts as zeros and is never
            learned. It may be negative, counting from the end.
        dtype: of the table; that of `tg.default_dtype` unless told.
        seed: an integer or a generator that the first vectors are drawn from.

    Attributes:
        weight: the table (V, D).

    Raises:
        ValueError: if a size is less than 1, or `padding_idx` is not an id.

    Example:
        >>> from tinygrad_rnn import nn
        >>> table = nn.Embedding(10, 4, padding_idx=0, seed=0)
        >>> table([[1, 2, 0], [3, 0, 0]]).shape
        (2, 3, 4)

        A recurrent layer that is given a small table looks up faster than what comes before it:

        >>> letters, lstm = nn.Embedding(26, 4, seed=0), nn.LSTM(4, 8, seed=1)
        >>> output, _ = lstm([[7, 24], [8, 14]], embedding=letters)  # (T, B)
        >>> output.shape
        (2, 2, 8)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
        seed: Seed = None,
    ) -> None:
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.padding_idx = row_of(padding_idx, num_embeddings)
        weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype))
        self.weight = normal_(weight, seed=seed)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls,
        vectors: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> Self:
        """An embedding that starts from given vectors.

        Args:
            vectors: (V, D), one for each id; they are copied.
            freeze: whether they are to stay as they are; `requires_grad_()` lets them learn later.
            padding_idx: an id that is never learned. Its vector stays as given.
            dtype: of the table; that of the vectors unless told.

        Raises:
            ShapeError: if `vectors` is not a matrix.
            DtypeError: if they are not floats.

        Example:
            >>> from tinygrad_rnn import nn
            >>> nn.Embedding.from_pretrained([[0.0, 0.0], [0.5, 1.0]])([1, 1]).tolist()
            [[0.5, 1.0], [0.5, 1.0]]
        """
        data = tensor(vectors, dtype)
        if data.ndim != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: got vectors of shape {data.shape}; expected (V, D), "
                "a row for each id"
            )
        if data.dtype.kind != "f":
            raise DtypeError(
                f"Embedding.from_pretrained: got vectors of dtype {data.dtype}; expected floats: "
                "give dtype='float32'"
            )
        table = cls.__new__(cls)
        table.padding_idx = row_of(padding_idx, len(data))
        table.weight = Parameter(data, requires_grad=not freeze)
        return table

    def tied_output(self, bias: bool = True) -> Linear:
        r"""A layer that scores every id by this table, $y = h\,W^\top + b$.

        One set of vectors for what is read and what is written (Press & Wolf 2017,
        arXiv:1608.05859): the table collects gradients from both ends. As an output, the padding
        id learns like any other.

        Args:
            bias: whether there is a $b$, zeros at first.

        Returns:
            A `Linear` from D features to V scores, whose weight is this table's.

        Example:
            >>> from tinygrad_rnn import nn
            >>> table = nn.Embedding(10, 4, seed=0)
            >>> nn.Sequential(table, nn.GRU(4, 4), table.tied_output(bias=False)).num_parameters()
            160
        """
        V, D = self.weight.shape
        output = Linear(D, V, bias, dtype=self.weight.dtype)
        output.weight = self.weight
        if output.bias is not None:
            zeros_(output.bias)
        return output

    def forward(self, ids: Any) -> Any:
        """Look up ids of any shape (…); the result is (…, D).

        Raises:
            IndexError: if an id is not in [0, V).
            DtypeError: if the ids are not integers.
        """
        return embedding(self.weight, ids, padding_idx=self.padding_idx)

    def extra_repr(self) -> str:
        """Sizes and the padding id."""
        V, D = self.weight.shape
        return f"{V}, {D}" + (f", padding_idx={self.padding_idx}" * (self.padding_idx is not None))


def row_of(padding_idx: int | None, rows: int) -> int | None:
    """The padding id, counted from the front.

    Raises:
        ValueError: if there is no such row.
    """
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(
            f"Embedding: got padding_idx={padding_idx} for {rows} embeddings; expected one in "
            f"[{-rows}, {rows - 1}], or None"
        )
    return None if padding_idx is None else padding_idx % rows


def ids_for(owner: str, ids: Any, embedding: Any, size: int | None = None) -> Any:
    """Ids that a layer is given to look up itself.

    Args:
        owner: the layer.
        ids: the ids.
        embedding: what it is to look them up in.
        size: how many features of an input the layer was made for, if it says so.

    Raises:
        TypeError: if `embedding` is no `Embedding`.
        ShapeError: if its vectors have another length.
        DtypeError: if the ids are not integers.
    """
    if not isinstance(embedding, Embedding):
        raise TypeError(
            f"{owner}: got embedding={type(embedding).__name__}; expected an nn.Embedding, in "
            "which the layer looks up the ids that it reads"
        )
    V, D = embedding.weight.shape
    if size not in (D, None):
        raise ShapeError(
            f"{owner}: got an embedding of shape ({V}, {D}); expected (V, {size}): a vector has "
            f"the {size} features that the layer was made for"
        )
    if isinstance(ids, Carrier) and not isinstance(ids, Tensor):
        return ids
    numbers = ids.data if isinstance(ids, Tensor) else np.asarray(ids)
    if numbers.dtype.kind not in "iu":
        raise DtypeError(
            f"{owner}: got input of dtype {numbers.dtype} with an embedding; expected ids, which "
            "are integers, or features and no embedding"
        )
    return numbers.astype(np.int64, copy=False)
