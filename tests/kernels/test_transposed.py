"""Rows become blocks of features and come back, compiled and in Python."""

import numpy as np
import pytest

from tests.kernels.test_packed import guarded
from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.transposed import to_features, to_rows


def calls_to_features(src, dst):
    to_features(src, dst)


def calls_to_rows(src, dst):
    to_rows(src, dst)


def calls_both_at_each_step(src, between, dst):
    for t in range(len(src)):
        to_features(src[t], between[t])
        to_rows(between[t], dst[t])


# Not kept on disk, where Numba would not notice that a kernel has changed.
COMPILED = {
    f: jit(f, keep=False) for f in (calls_to_features, calls_to_rows, calls_both_at_each_step)
}
SHAPES = [(b, F) for b in (1, 2, 3, 4, 5, 7, 8, 9, 16, 25, 64) for F in (1, 3, 4, 6, 8, 17, 130)]

both_ways = pytest.mark.parametrize("way", ["python", "compiled"])
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(way, loop, *args):
    (COMPILED[loop] if way == "compiled" else loop)(*args)


def numbered(dtype, *shape):
    return np.arange(np.prod(shape)).astype(dtype).reshape(shape)


@both_ways
@dtypes
def test_rows_become_features_for_every_shape(way, dtype):
    for b, F in SHAPES:
        src = numbered(dtype, b, F + 3)[:, 1:-2]
        dst, untouched = guarded(F * b, dtype)
        run(way, calls_to_features, src, dst)
        np.testing.assert_array_equal(dst.reshape(F, b), src.T)
        assert untouched(), (b, F)


@both_ways
@dtypes
def test_features_become_rows_for_every_shape(way, dtype):
    for b, F in SHAPES:
        src, whole = numbered(dtype, F * b), np.full((b, F + 4), 7, dtype)
        run(way, calls_to_rows, src, whole[:, 2:-2])
        np.testing.assert_array_equal(whole[:, 2:-2], src.reshape(F, b).T)
        assert (whole[:, :2] == 7).all()
        assert (whole[:, -2:] == 7).all(), (b, F)


@both_ways
def test_a_slice_of_the_batch_goes_there_and_back_at_all_steps(way):
    src = numbered("float32", 3, 10, 6)
    between, back = np.empty((4, 30), np.float32)[:3], np.zeros_like(src)
    run(way, calls_to_features, src[:, 2:7, :], between)
    np.testing.assert_array_equal(between.reshape(3, 6, 5), src[:, 2:7].swapaxes(1, 2))
    run(way, calls_to_rows, between, back[:, 2:7, :])
    np.testing.assert_array_equal(back[:, 2:7], src[:, 2:7])
    assert not back[:, :2].any()
    assert not back[:, 7:].any()


@both_ways
def test_single_steps_go_there_and_back_inside_a_loop(way):
    src = numbered("float64", 3, 10, 6)[:, 1:9]
    back = np.empty((3, 8, 6))
    run(way, calls_both_at_each_step, src, np.empty((3, 48)), back)
    np.testing.assert_array_equal(back, src)


@both_ways
@pytest.mark.parametrize("dtype", ["bool", "int64", "int32"])
def test_truths_and_integers_move_too(way, dtype):
    src = np.random.default_rng(0).integers(0, 2, (5, 9)).astype(dtype)
    block, back = np.empty(45, dtype), np.empty((5, 9), dtype)
    run(way, calls_to_features, src, block)
    np.testing.assert_array_equal(block.reshape(9, 5), src.T)
    run(way, calls_to_rows, block, back)
    np.testing.assert_array_equal(back, src)
