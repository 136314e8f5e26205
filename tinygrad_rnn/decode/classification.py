r"""How well classes are told apart: confusion, accuracy, precision, recall and F1.

All come from one table, how often class i was taken for class j. For class i,

$$\text{precision} = \frac{C_{ii}}{\sum_j C_{ji}}, \qquad
\text{recall} = \frac{C_{ii}}{\sum_j C_{ij}}, \qquad
F_1 = \frac{2 C_{ii}}{\sum_j C_{ij} + \sum_j C_{ji}},$$

where the last is the harmonic mean of the first two. A class that was never predicted has precision
0, one that never occurs has recall 0; one that does neither has no score at all, NaN, and no part
in the macro mean.

Example:
    >>> scores = confusion([0, 0, 1, 2], [0, 1, 1, 1], names=["cat", "dog", "owl"])
    >>> print(scores)
          precision  recall     f1  support
    cat       1.000   0.500  0.667        2
    dog       0.333   1.000  0.500        1
    owl       0.000   0.000  0.000        1
    macro     0.444   0.500  0.389        4
    accuracy 0.500
    >>> scores.counts
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 1, 0]])
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Confusion", "confusion"]

Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each class was taken for each, and the scores that follow.

    Attributes:
        counts: (C, C), int64: row i, column j counts what is of class i and was taken for j.
        names: Of the classes, C.
    """

    counts: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """The fraction that was classified right."""
        return float(self.right.sum() / self.counts.sum())

    @property
    def right(self) -> NDArray[np.int64]:
        """How often each class was recognised, (C,)."""
        return self.counts.diagonal()

    @property
    def support(self) -> NDArray[np.int64]:
        """How often each class occurs, (C,)."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """How often each class was predicted, (C,)."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def precision(self) -> Scores:
        """By class, (C,): the fraction of what was taken for it that was of it."""
        return self._scored(self.right, self.predicted)

    @property
    def recall(self) -> Scores:
        """By class, (C,): the fraction of what was of it that was taken for it."""
        return self._scored(self.right, self.support)

    @property
    def f1(self) -> Scores:
        """By class, (C,): the harmonic mean of precision and recall."""
        return self._scored(2 * self.right, self.support + self.predicted)

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes, the rare counting as much as the frequent."""
        return float(np.nanmean(self.f1))

    def _scored(self, part: NDArray[np.int64], whole: NDArray[np.int64]) -> Scores:
        met = self.support + self.predicted > 0
        return np.where(met, part / np.maximum(whole, 1), np.nan)

    def __str__(self) -> str:
        columns = self.precision, self.recall, self.f1, self.support
        means = *(np.nanmean(column) for column in columns[:3]), self.support.sum()
        rows = [*zip(self.names, *columns, strict=True), ("macro", *means)]
        wide = max(len(str(name)) for name, *_ in rows)
        lines = [f"{'':{wide}}  precision  recall     f1  support"]
        lines += [f"{n:{wide}}  {p:9.3f}  {r:6.3f}  {f:5.3f}  {s:7}" for n, p, r, f, s in rows]
        return "\n".join([*lines, f"accuracy {self.accuracy:.3f}"])


def confusion(
    truth: ArrayLike, predicted: ArrayLike, *, names: Sequence[str] | int | None = None
) -> Confusion:
    """Compare predicted classes with the true ones.

    Args:
        truth: The true classes, integers from 0, of any shape.
        predicted: The predicted ones, of the same shape.
        names: Of the classes, or how many there are; by default one more than the greatest seen.

    Raises:
        ValueError: If shapes differ, nothing is given, or a class is no integer or has no name.
    """
    true, taken = np.asarray(truth), np.asarray(predicted)
    if true.shape != taken.shape or not true.size:
        raise ValueError(
            f"got true classes of shape {true.shape} and predicted ones of {taken.shape}; expected "
            "the same shape, with at least one"
        )
    if true.dtype.kind not in "iu" or taken.dtype.kind not in "iu":
        raise ValueError(
            f"got classes of dtypes {true.dtype} and {taken.dtype}; expected integers: take the "
            "argmax of scores, or look names up first"
        )
    lowest, highest = min(true.min(), taken.min()), max(true.max(), taken.max())
    if names is None:
        names = int(highest) + 1
    known = tuple(map(str, range(names) if isinstance(names, int) else names))
    if lowest < 0 or highest >= len(known):
        raise ValueError(
            f"got classes from {lowest} to {highest}; expected 0 to {len(known) - 1}, as there are "
            f"{len(known)} names"
        )
    C = len(known)
    places = true.ravel().astype(np.int64) * C + taken.ravel().astype(np.int64)
    return Confusion(np.bincount(places, minlength=C * C).reshape(C, C), known)
