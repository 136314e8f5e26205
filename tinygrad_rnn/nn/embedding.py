r"""Embedding: a vector for each id, learned."""

from typing import Any, Self

from tinygrad_rnn.engine import ShapeError
from tinygrad_rnn.nn.arguments import check_sizes, empty
from tinygrad_rnn.nn.init import Seed, normal_
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
        cls, vectors: Any, freeze: bool = True, padding_idx: int | None = None
    ) -> Self:
        """An embedding that starts from given vectors (V, D), frozen unless told otherwise.

        Raises:
            ShapeError: if `vectors` is not a matrix.
        """
        weight = Parameter(vectors, requires_grad=not freeze)
        if weight.ndim != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: got vectors of shape {weight.shape}; expected (V, D), "
                "a row for each id"
            )
        table = cls.__new__(cls)
        table.padding_idx = row_of(padding_idx, len(weight))
        table.weight = weight
        return table

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
