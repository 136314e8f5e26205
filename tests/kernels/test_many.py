"""Many arrays are gone over as if they were one, and each number once, on any number of threads."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.kernels import many, optimizer
from tinygrad_rnn.kernels.many import Table, numbers_at, part_of, tables
from tinygrad_rnn.kernels.optimizer import (
    adam_step,
    adam_steps,
    scale_all,
    sum_of_squares,
    sums_of_squares,
)
from tinygrad_rnn.kernels.threads import set_num_threads

SIZES = 5, 3000, 1, 70_000, 2


def drawn(dtype=np.float32, sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(n).astype(dtype) for n in sizes]


def adam_problem(dtype=np.float32):
    ps, gs, means, squares = (drawn(dtype, seed=k) for k in range(4))
    settings = [(0.1 + k, 0.9, 0.99, 0.5, 1e-3, 0.1 * k, 0.99) for k in range(len(SIZES))]
    return ps, gs, means, [s * s for s in squares], settings


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces that end inside of arrays, on three threads."""
    monkeypatch.setattr(many, "PIECE", 1 << 12)
    monkeypatch.setattr(optimizer, "MANY_MORE", optimizer.MANY)
    set_num_threads(3)
    yield
    set_num_threads(None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_steps_are_those_of_each_array(dtype):
    ours, theirs = adam_problem(dtype), adam_problem(dtype)
    adam_steps(*ours)
    for *arrays, settings in zip(*theirs, strict=True):
        adam_step.reference(*arrays, *settings)
    for mine, expected in zip(ours[:4], theirs[:4], strict=True):
        for a, b in zip(mine, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=32 * np.finfo(dtype).eps, atol=1e-6)


def test_dtypes_may_be_mixed_and_arrays_empty_strided_or_read_only():
    whole = np.ones(20)
    arrays = [*drawn(), *drawn(np.float64), np.zeros(0), whole[::2], np.float16([1, 2])]
    arrays[0].flags.writeable = False
    expected = [(a.astype(float) ** 2).sum() for a in arrays]
    np.testing.assert_allclose(sums_of_squares(arrays), expected, rtol=1e-12)
    before = [a.copy() for a in arrays[1:]]
    scale_all(arrays[1:], 0.5)
    for a, b in zip(arrays[1:], before, strict=True):
        np.testing.assert_array_equal(a, b / 2)
    assert whole[:4].tolist() == [0.5, 1, 0.5, 1]


def test_sums_do_not_depend_on_the_number_of_threads():
    found = sums_of_squares(drawn())
    set_num_threads(1)
    assert sums_of_squares(drawn()) == found


def test_squares_that_overflow_float32_are_summed():
    (total,) = sums_of_squares([np.full(100_000, 1e30, np.float32)])
    np.testing.assert_allclose(total, 1e65, rtol=1e-6)


def test_without_numba_each_array_goes_alone():
    with tg.backend("numpy"):
        assert [table for _, table in tables(drawn(), worth=1)] == [None]
        assert sums_of_squares(drawn()) == [sum_of_squares(a) for a in drawn()]


def test_little_work_is_done_without_a_table():
    assert [table for _, table in tables(drawn(), worth=100_000)] == [None]


def test_arrays_that_share_memory_are_gone_over_in_order():
    whole = np.ones(100_000, np.float32)
    assert len(Table([whole[:60_000], whole[60_000:]]).pieces) > 1
    assert Table([whole[:60_000], whole[50_000:]]).pieces == [(0, 110_000)]
    scale_all([whole[:60_000], whole[50_000:]], 0.5)
    assert whole[[0, 55_000, 99_999]].tolist() == [0.5, 0.25, 0.5]


def test_pieces_meet_every_number_once():
    arrays = [np.zeros(n) for n in (3, 1, 9000)]
    table = Table(arrays)
    assert len(table.pieces) > 1
    for piece in table.pieces:
        for k in range(3):
            start, stop = part_of(table.begins, k, *piece)
            if start < stop:
                numbers_at(table.addresses[k, 0], start, stop, table.like)[:] += 1
    assert all((a == 1).all() for a in arrays)
