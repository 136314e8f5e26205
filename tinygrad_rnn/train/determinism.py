r"""The same bits, run after run.

A training is a chain of roundings. One that differs in its last bit moves every weight after some
thousand steps, so "nearly the same" runs end as different ones. Everything that rounds or draws has
to be the same:

===========================  =============================================================
what may differ              who keeps it the same
===========================  =============================================================
first weights and dropout    `seed=` of each layer: give all of them the block's generator
`random`, `numpy.random`     `deterministic`, which seeds them for the block
threads of NumPy's products  `deterministic`: another number adds in another order
threads of compiled loops    `deterministic`: each sums the gradient of its own sequences
order of the text            its stream, which draws nothing, or from a seed
order of a set of strings    `PYTHONHASHSEED`, for your code; the library needs none
a run that is resumed        `Training.state_dict`
===========================  =============================================================

Guaranteed, and tested in fresh processes: same versions of this library, NumPy and Numba, same kind
of CPU, same backend, same program give the same bits, however many cores there are.

Not guaranteed: another version or another kind of CPU, whose products add in another order; Numba
against NumPy, which may differ in the last bit; a limit in seconds, which follows the clock; a
layer that was given no seed, which asks the system for one.
"""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tinygrad_rnn.compiler import get_num_threads, set_num_threads
from tinygrad_rnn.train.blas import blas_threads

__all__ = ["deterministic"]


@contextmanager
def deterministic(seed: int, *, threads: int = 1) -> Iterator[np.random.Generator]:
    """Run a block so that it gives the same bits each time; the module says what that takes.

    Threads and the global generators are afterwards as they were before.

    Args:
        seed: Where chance starts.
        threads: How many threads matrix products and compiled loops run on. Any number will do,
            if it is the same each time, and not more than there are cores.

    Yields:
        A generator to give to every layer, sampler and stream, as their `seed`.

    Raises:
        ValueError: If the seed is negative or there are to be no threads.

    Example:
        >>> from tinygrad_rnn import nn
        >>> def first_weight():
        ...     with deterministic(0) as rng:
        ...         return nn.Linear(2, 2, seed=rng).weight.data[0, 0]
        >>> bool(first_weight() == first_weight())
        True
    """
    if seed < 0 or threads < 1:
        raise ValueError(
            f"deterministic: got seed={seed}, threads={threads}; expected a seed of 0 or more and "
            "at least one thread"
        )
    standard, count = random.getstate(), get_num_threads()
    legacy = np.random.get_state()  # noqa: NPY002  (the generator that others' code may draw from)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    set_num_threads(threads)
    try:
        with blas_threads(threads) as controlled:
            if not controlled:
                warnings.warn(
                    "deterministic: NumPy's products are not OpenBLAS's, so their threads stay as "
                    "they are; set OMP_NUM_THREADS before Python starts",
                    RuntimeWarning,
                    stacklevel=3,
                )
            yield np.random.default_rng(seed)
    finally:
        set_num_threads(count)
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(standard)
