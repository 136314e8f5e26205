"""One loop over many arrays: what an optimizer does to all parameters, in a single call.

A model has a dozen arrays or a hundred, most of them small. A call for each costs more than its
arithmetic, and arrays of all sizes do not share out evenly among threads. So put their addresses
into a table, and go over all their numbers as if they were one array:

    >>> import numpy as np
    >>> def count_up(addresses, begins, numbers, like, first, last):
    ...     for k in range(len(addresses)):
    ...         start, stop = part_of(begins, k, first, last)
    ...         x = numbers_at(addresses[k, 0], start, stop, like)
    ...         for i in range(stop - start):
    ...             x[i] = begins[k] + start + i
    >>> a, b = np.zeros(2), np.zeros(3)
    >>> table = Table([a, b])
    >>> count_up(table.addresses, table.begins, None, a, 0, 4)  # four of the five numbers
    >>> a, b
    (array([0., 1.]), array([2., 3., 0.]))
"""

import ctypes
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import inlined, jit, overloaded
from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.tables import address_of
from tinygrad_rnn.kernels.threads import side_by_side

Array = NDArray[Any]

PIECE, PIECES = 1 << 18, 8  # numbers of all lists in a thread's piece at least; pieces at most


class Table:
    """Where arrays are that are gone over together; it does not keep them alive.

    Args:
        lists: Lists of flat, contiguous, writeable arrays of one dtype, none of them empty. The
            first arrays of all lists have one size, and so have the second ones, and so on.

    Attributes:
        addresses: A row for the first arrays, one for the second, …: `(n, lists)`.
        begins: How many numbers come before each array, and how many there are, `(n + 1,)`.
        like: An array of the dtype.
        pieces: Ranges of numbers for threads to take on, the same ones for any number of threads;
            a single one where arrays of the first list share memory.
    """

    def __init__(self, *lists: Sequence[Array]) -> None:
        rows = [[address_of(a) for a in arrays] for arrays in zip(*lists, strict=True)]
        edges = [0, *itertools.accumulate(a.size for a in lists[0])]
        self.addresses, self.begins = np.array(rows, np.int64), np.array(edges, np.int64)
        self.like, count = lists[0][0], edges[-1]
        cuts = max(1, min(PIECES, count * len(lists) // PIECE))
        cuts = 1 if cuts > 1 and overlap(lists[0], rows) else cuts
        self.pieces = list(itertools.pairwise(count * k // cuts for k in range(cuts + 1)))


def overlap(arrays: Sequence[Array], rows: Sequence[Sequence[int]]) -> bool:
    """Whether arrays share memory, given where they begin."""
    spans = sorted((row[0], row[0] + a.nbytes) for a, row in zip(arrays, rows, strict=True))
    return any(stop > start for (_, stop), (start, _) in itertools.pairwise(spans))


def tables(*lists: Sequence[Array], worth: int) -> Iterator[tuple[list[int], Table | None]]:
    """Which places of the lists can be gone over together, with their table.

    Those that cannot come with None; and so do those that need not, since the arrays of the first
    list have fewer numbers in all than it is worth a table for.
    """
    groups: dict[str, list[int]] = {}
    for k, arrays in enumerate(zip(*lists, strict=True)):
        groups.setdefault(kind(arrays), []).append(k)
    for name, places in groups.items():
        count = sum(lists[0][k].size for k in places)
        together = name and count >= worth and current_backend() == "numba"
        yield places, Table(*([a[k] for k in places] for a in lists)) if together else None


def kind(arrays: Sequence[Array]) -> str:
    """The dtype that arrays share, if loops are made for it and them; empty if not."""
    dtype = arrays[0].dtype
    for a in arrays:
        if a.dtype != dtype or not a.size or not a.flags.carray:
            return ""
    return dtype.char if dtype.char in "fd" and dtype.isnative else ""


def go_over(loop: Callable[..., None], table: Table, numbers: Sequence[Array]) -> None:
    """Run a compiled loop over all numbers of a table, piece by piece, on threads.

    Args:
        loop: Takes addresses, begins, some `numbers`, `like`, and the range of its piece.
        table: The arrays.
        numbers: For each piece an array of float64, `(…, …)`.
    """
    run = compiled(loop, table.like.dtype.name)
    case = table.addresses, table.begins
    side_by_side(
        [
            partial(run, *case, some, table.like, *piece)
            for some, piece in zip(numbers, table.pieces, strict=True)
        ]
    )


@functools.cache
def compiled(loop: Callable[..., None], dtype: str) -> Callable[..., None]:
    """A loop of `go_over` in Numba's hands."""
    from numba import types

    table, begins = types.Array(types.int64, 2, "C"), types.Array(types.int64, 1, "C")
    numbers, like = types.Array(types.float64, 2, "C"), types.Array(getattr(types, dtype), 1, "C")
    piece = types.int64, types.int64
    return jit(loop, signature=types.void(table, begins, numbers, like, *piece))


@inlined()
def part_of(begins: Array, k: int, first: int, last: int) -> tuple[int, int]:
    """What of array `k` is among the numbers `first` to `last` of all; nothing if it ends first."""
    return max(first - begins[k], 0), min(last, begins[k + 1]) - begins[k]


def numbers_at(address: int, start: int, stop: int, like: Array) -> Array:
    """A part of the array at an address, of the dtype of `like`."""
    size = int(stop - start) * like.itemsize
    memory: Any = (ctypes.c_char * size).from_address(int(address + start * like.itemsize))
    numbers: Array = np.frombuffer(memory, like.dtype)
    return numbers


@functools.cache
def pointer() -> Any:
    """For compiled loops: the pointer to an address, to numbers of an array's dtype."""
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def to(typing: Any, address: Any, like: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = context.get_value_type(signature.return_type)
            return builder.inttoptr(args[0], kind)

        return types.CPointer(like.dtype)(types.intp, like), write

    return to


@overloaded(numbers_at)
def _numbers_at(address: Any, start: Any, stop: Any, like: Any) -> Callable[..., Array]:
    from numba.np.numpy_support import carray

    to = pointer()

    def compiled(address: int, start: int, stop: int, like: Array) -> Any:
        return carray(to(address + start * like.itemsize, like), (stop - start,))

    return compiled
