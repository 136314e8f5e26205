"""What compiled loops do to blocks is what NumPy does to them."""

import functools

import numpy as np
import pytest

from tinygrad_rnn.kernels import blocks
from tinygrad_rnn.kernels.compiling import jit

BATCHES = (1, 5)  # sequences; for a single one the loops are others
B = 5


def block(rng, *rows, batch=B, dtype="float64"):
    return rng.standard_normal((*rows, batch)).astype(dtype).ravel()


ARITY = {
    "sum_rows": 3,
    "max_rows": 3,
    "cumsum_rows": 4,
    "look_up": 4,
    "multiply_pairs": 7,
    "pick_rows": 4,
}


@functools.cache
def compiled(name):
    """A compiled function that calls a kernel, as loops over time do."""
    given = ", ".join("abcdefg"[: ARITY[name]])
    return jit(
        eval(f"lambda {given}: kernel({given})", {"kernel": getattr(blocks, name)}), keep=False
    )


def agree(name, arguments, y):
    """The compiled kernel writes to argument `y` what the reference writes."""
    expected = [np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
    getattr(blocks, name)(*expected)
    compiled(name)(*arguments)
    np.testing.assert_allclose(arguments[y], expected[y], rtol=1e-13)


@pytest.mark.parametrize(
    ("outer", "n", "inner"), [(1, 4, 1), (3, 2, 2), (1, 1, 3), (2, 5, 1), (2, 11, 1)]
)
@pytest.mark.parametrize("name", ["sum_rows", "max_rows"])
@pytest.mark.parametrize("batch", BATCHES)
def test_folds_take_rows_together(name, outer, n, inner, batch):
    x = block(np.random.default_rng(0), outer, n, inner, batch=batch)
    agree(name, [x, np.full(outer * inner * batch, 7.0), outer], 1)


def test_a_maximum_of_nan_is_nan():
    x = np.array([1.0, np.nan, np.nan, 2.0])  # two rows of two sequences
    y = np.zeros(2)
    compiled("max_rows")(x, y, 1)
    assert np.isnan(y).all()


@pytest.mark.parametrize("place", range(6))
def test_a_maximum_of_one_sequence_is_nan_wherever_that_stands(place):
    x, y = np.arange(6.0), np.zeros(1)
    x[place] = np.nan
    compiled("max_rows")(x, y, 1)
    assert np.isnan(y).all()


@pytest.mark.parametrize(
    ("flags", "counts"), [([True, False, True, True], [2, 1]), ([True, False, False] * 3, [3])]
)
def test_a_sum_of_flags_counts_them(flags, counts):
    y = np.zeros(len(counts), np.int64)
    compiled("sum_rows")(np.array(flags), y, 1)
    assert y.tolist() == counts


@pytest.mark.parametrize(("outer", "n"), [(1, 6), (3, 2), (2, 1)])
@pytest.mark.parametrize("batch", BATCHES)
def test_running_sums_run_within_their_group(outer, n, batch):
    x = block(np.random.default_rng(1), outer, n, batch=batch)
    agree("cumsum_rows", [x, np.zeros_like(x), outer, n], 1)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("batch", BATCHES)
def test_rows_of_a_table_are_looked_up_by_number(n, batch):
    rng = np.random.default_rng(2)
    table, ids = rng.standard_normal((4, 6)), rng.integers(0, 4, n * batch)
    agree("look_up", [table, ids, np.zeros(n * 6 * batch), n], 2)


@pytest.mark.parametrize("number", [4, -5])
@pytest.mark.parametrize("run", [blocks.look_up, lambda *a: compiled("look_up")(*a)])
def test_a_number_beyond_the_table_is_refused(run, number):
    with pytest.raises(IndexError):
        run(np.ones((4, 2)), np.array([number]), np.zeros(2), 1)


def test_pairs_of_matrices_are_multiplied_for_each_sequence():
    rng = np.random.default_rng(3)
    outer, M, K, N = 2, 3, 4, 2
    a, x = block(rng, outer, M, K), block(rng, outer, K, N)
    agree("multiply_pairs", [a, x, np.ones(outer * M * N * B), outer, M, K, N], 2)


def test_rows_are_copied_where_they_are_told():
    x, y = block(np.random.default_rng(4), 4), np.zeros(3 * B)
    agree("pick_rows", [x, y, np.array([[0, 2], [3, 1]]), B], 1)
