"""Memory that is used again: a training loop allocates nothing after its first step.

A pool hands out arrays and learns by itself when one is free: when nobody refers to it any more.
So the caller of a layer may keep its output for as long as they like, and another thread never
gets memory that is in use.
"""

import functools
import math
import os
import sys
import threading
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

LINE = 64  # bytes in a cache line; vectors that start at one never straddle two
PATIENCE = 1024  # a buffer is given back when so many others were taken since,
LATELY = 512  # and so is what nobody has asked a shelf for in so many requests
SMALL = 1 << 12  # bytes up to which new memory is there at once, and
LARGE = 1 << 20  # bytes from which new memory costs more time than writing to it


class Buffer:
    """Memory of a pool.

    Attributes:
        memory: the bytes,
        start: and the first of them that begins a cache line.
        taken: when it was last handed out.
    """

    __slots__ = ("memory", "start", "taken")

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size, np.uint8)
        self.start = -self.memory.ctypes.data % LINE
        self.taken = 0


class Pool:
    """Arrays by size, handed out again when they are free."""

    def __init__(self) -> None:
        self.buffers: dict[int, list[Buffer]] = {}
        self.lock = threading.Lock()
        self.taken = 0
        self.made = 0

    def take(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array without values, from the start of a cache line on."""
        kind = np.dtype(dtype)
        size = rounded(math.prod(shape) * kind.itemsize + LINE)
        with self.lock:
            self.taken += 1
            if not self.taken % PATIENCE:
                self.forget()
            buffer = self.free(size)
            buffer.taken = self.taken
            return np.ndarray(shape, kind, buffer.memory, buffer.start)

    def free(self, size: int) -> Buffer:
        """A buffer that nobody uses, a new one if there is none."""
        buffers = self.buffers.setdefault(size, [])
        for buffer in buffers:
            if sys.getrefcount(buffer.memory) == UNUSED:
                return buffer
        self.made += 1
        buffers.append(Buffer(size))
        return buffers[-1]

    def has_lent_to(self, x: Array) -> bool:
        """Whether an array's memory is of this pool, and no other array's."""
        buffers = self.buffers.get(getattr(x.base, "size", 0), ())
        return any(
            buffer.memory is x.base and sys.getrefcount(buffer.memory) == UNUSED + 1
            for buffer in buffers
        )

    def forget(self) -> None:
        """Give back what nobody has used for long."""
        for buffers in self.buffers.values():
            buffers[:] = [
                buffer
                for buffer in buffers
                if sys.getrefcount(buffer.memory) > UNUSED or self.taken - buffer.taken < PATIENCE
            ]


def rounded(size: int) -> int:
    """A size that others of about the same size share: one of eight between two powers of two.

    Sequences of many lengths would else leave a buffer for each length.

    Example:
        >>> [rounded(n) for n in (100, 1000, 1001, 1025)]
        [104, 1024, 1024, 1152]
    """
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


class Shelf:
    """Things that take time to make, by what they are for, lent out one at a time.

    Example:
        >>> shelf = Shelf()
        >>> shelf.give_back("net", [1, 2])
        >>> shelf.borrow("net"), shelf.borrow("net")
        ([1, 2], None)
    """

    def __init__(self) -> None:
        self.free: dict[Hashable, list[Any]] = {}
        self.asked: dict[Hashable, int] = {}
        self.requests = 0

    def borrow(self, key: Hashable) -> Any:
        """Something that was given back, or None."""
        self.requests += 1
        if not self.requests % LATELY:
            self.forget()
        self.asked[key] = self.requests
        try:
            return self.free[key].pop()
        except LookupError:  # asked for in one step, since another thread may come in between two
            return None

    def give_back(self, key: Hashable, thing: Any) -> None:
        """Lay something on the shelf; no lock, so that a finalizer may do it at any time."""
        self.free.setdefault(key, []).append(thing)

    def forget(self) -> None:
        """Throw away what nobody has asked for lately."""
        for key in {*list(self.asked), *list(self.free)}:
            if self.asked.setdefault(key, self.requests) <= self.requests - LATELY:
                self.asked.pop(key, None)
                self.free.pop(key, None)


UNUSED = 2  # references to memory in a pool: its buffer, and the argument of getrefcount


@functools.cache
def pool() -> Pool:
    """The pool of this process; after a fork the child has its own."""
    new_after_fork(pool)
    return Pool()


@functools.cache
def shelf() -> Shelf:
    """The shelf of this process; after a fork the child has its own."""
    new_after_fork(shelf)
    return Shelf()


def new_after_fork(cached: Any) -> None:
    """Have a child of this process ask a cached function anew."""
    if hasattr(os, "register_at_fork"):  # systems that have no fork do not
        os.register_at_fork(after_in_child=cached.cache_clear)


def take(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array from this process's pool; a small one is simply made."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= SMALL:
        return np.empty(shape, dtype)
    return pool().take(shape, dtype)


def copied(x: Array) -> Array:
    """A copy that shares no memory with anything, from the pool if it is large; in C order.

    Example:
        >>> x = np.arange(3.0)
        >>> copied(x), np.shares_memory(x, copied(x))
        (array([0., 1., 2.]), False)
    """
    if x.nbytes < LARGE:
        return np.array(x, order="C")
    copy = take(x.shape, x.dtype)
    copy[...] = x
    return copy
