"""What loops over time do to blocks besides products and elementwise arithmetic.

A block is a value of a batch of `b` sequences, feature by feature: a flat array in which feature
`r` of sequence `j` stands at `r * b + j`. In Python these are NumPy's; compiled loops run the
sources below them, whose innermost loops go along sequences: along features, where there is but one
sequence.

    >>> import numpy as np
    >>> y = np.empty(2)
    >>> sum_rows(np.array([1.0, 10.0, 2.0, 20.0]), y, 1)  # two features of two sequences
    >>> y
    array([ 3., 30.])
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import inlined
from tinygrad_rnn.kernels.elementary import maximum

Array = NDArray[Any]


def copy(x: Array, y: Array) -> None:
    """Write a block to another.

    An assignment says the same. Of it Numba compiles the words of its error too, for seconds.
    """
    y[:] = x


@inlined(copy)
def _copy(x: Array, y: Array) -> None:
    for k in range(y.size):
        y[k] = x[k]


def sum_rows(x: Array, y: Array, outer: int) -> None:
    """Write sums of rows: `x` (outer, n, rest) summed along n.

    Args:
        x: a block,
        y: and the block of sums, (outer, rest); written to.
        outer: how many groups of rows are summed.
    """
    y[:] = x.reshape(outer, -1, y.size // max(outer, 1)).sum(axis=1).ravel()


@inlined(sum_rows)
def _sum_rows(x: Array, y: Array, outer: int) -> None:
    wide = y.size // outer
    n = x.size // y.size
    if wide == 1:
        sum_numbers(x, y, n)
        return
    for o in range(outer):
        group, total = x[o * n * wide : (o + 1) * n * wide], y[o * wide : (o + 1) * wide]
        total[:] = 0
        for m in range(0, n - n % 4, 4):  # four rows at once: each sum waits for the one before
            rows = group[m * wide : (m + 4) * wide]
            for j in range(wide):
                two, more = rows[j] + rows[wide + j], rows[2 * wide + j] + rows[3 * wide + j]
                total[j] += two + more
        for m in range(n - n % 4, n):
            for j in range(wide):
                total[j] += group[m * wide + j]


@inlined()
def sum_numbers(x: Array, y: Array, n: int) -> None:
    """`sum_rows` of rows that are single numbers, `n` in each group."""
    for o in range(y.size):
        group = x[o * n : (o + 1) * n]
        y[o] = 0
        total = y[o]
        for m in range(0, n - n % 4, 4):
            total += (group[m] + group[m + 1]) + (group[m + 2] + group[m + 3])
        for m in range(n - n % 4, n):
            total += group[m]
        y[o] = total


def max_rows(x: Array, y: Array, outer: int) -> None:
    """Write maxima of rows, NaN where there is one; otherwise `sum_rows`."""
    y[:] = x.reshape(outer, -1, y.size // outer).max(axis=1).ravel()


@inlined(max_rows)
def _max_rows(x: Array, y: Array, outer: int) -> None:
    wide = y.size // outer
    n = x.size // y.size
    if wide == 1:
        max_of_numbers(x, y, n)
        return
    for o in range(outer):
        best = y[o * wide : (o + 1) * wide]
        copy(x[o * n * wide : (o * n + 1) * wide], best)
        for m in range(1, n):
            row = x[(o * n + m) * wide : (o * n + m + 1) * wide]
            for j in range(wide):
                best[j] = best[j] if best[j] > row[j] or best[j] != best[j] else row[j]


@inlined()
def max_of_numbers(x: Array, y: Array, n: int) -> None:
    """`max_rows` of rows that are single numbers, `n` in each group."""
    for o in range(y.size):
        group = x[o * n : (o + 1) * n]
        a = b = c = d = group[0]  # four at once: each maximum waits for the one before
        for m in range(0, n - n % 4, 4):
            a, b = maximum(a, group[m]), maximum(b, group[m + 1])
            c, d = maximum(c, group[m + 2]), maximum(d, group[m + 3])
        for m in range(n - n % 4, n):
            a = maximum(a, group[m])
        y[o] = maximum(maximum(a, b), maximum(c, d))


def cumsum_rows(x: Array, y: Array, outer: int, n: int) -> None:
    """Write running sums of `n` rows in each of `outer` groups, a block of the same size."""
    y[:] = x.reshape(outer, n, -1).cumsum(axis=1).ravel()


@inlined(cumsum_rows)
def _cumsum_rows(x: Array, y: Array, outer: int, n: int) -> None:
    wide = x.size // (outer * n)
    if wide == 1:
        for o in range(outer):
            total = y[o * n] = x[o * n]
            for m in range(o * n + 1, (o + 1) * n):
                total += x[m]
                y[m] = total
        return
    copy(x, y)
    for o in range(outer):
        for m in range(o * n + 1, (o + 1) * n):
            before, total = y[(m - 1) * wide : m * wide], y[m * wide : (m + 1) * wide]
            for j in range(wide):
                total[j] += before[j]


def look_up(table: Array, ids: Array, y: Array, n: int) -> None:
    """Write rows of a table, by number.

    Args:
        table: the rows, (V, E).
        ids: a block (n, b) of their numbers.
        y: a block (n, E, b); written to.
        n: how many numbers there are for each sequence.

    Raises:
        IndexError: if there is no such row.
    """
    b = ids.size // n
    y.reshape(n, -1, b)[...] = np.swapaxes(table[ids.reshape(n, b)], 1, 2)


@inlined(look_up)
def _look_up(table: Array, ids: Array, y: Array, n: int) -> None:
    V, E = table.shape
    b = ids.size // n
    for m in range(n):
        for j in range(b):
            row = ids[m * b + j]
            if row < -V or row >= V:
                raise IndexError("an index is beyond the rows of the table")
            if b == 1:
                copy(table[row], y[m * E : (m + 1) * E])
            else:
                for e in range(E):
                    y[(m * E + e) * b + j] = table[row, e]


def multiply_pairs(a: Array, x: Array, c: Array, outer: int, M: int, K: int, N: int) -> None:
    """Write the products of two matrices of each sequence.

    Args:
        a: a block (outer, M, K),
        x: a block (outer, K, N),
        c: and the block (outer, M, N) of products; written to.
        outer: how many products each sequence has.
        M: rows,
        K: length of the sums,
        N: and columns.
    """
    b = c.size // max(outer * M * N, 1)
    left, right = a.reshape(outer, M, K, b), x.reshape(outer, K, N, b)
    c[:] = np.einsum("omkb,oknb->omnb", left, right).ravel()


@inlined(multiply_pairs)
def _multiply_pairs(a: Array, x: Array, c: Array, outer: int, M: int, K: int, N: int) -> None:
    b = c.size // (outer * M * N)
    c[:] = 0
    for o in range(outer):
        for m in range(M):
            for k in range(K):
                p = ((o * M + m) * K + k) * b
                left = a[p : p + b]
                for n in range(N):
                    q, r = ((o * K + k) * N + n) * b, ((o * M + m) * N + n) * b
                    right, total = x[q : q + b], c[r : r + b]
                    for j in range(b):
                        total[j] += left[j] * right[j]


def pick_rows(x: Array, y: Array, pairs: Array, b: int) -> None:
    """Copy rows from block to block.

    Args:
        x: a block,
        y: and the block to write rows of.
        pairs: two rows of numbers: which rows of `y` are written, and with which of `x`.
        b: how many sequences there are.
    """
    y.reshape(-1, b)[pairs[0]] = x.reshape(-1, b)[pairs[1]]


@inlined(pick_rows)
def _pick_rows(x: Array, y: Array, pairs: Array, b: int) -> None:
    for k in range(pairs.shape[1]):
        to, of = pairs[0, k] * b, pairs[1, k] * b
        copy(x[of : of + b], y[to : to + b])
