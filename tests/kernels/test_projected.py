"""Slices of places, in compiled loops on any number of threads, give what whole blocks do."""

import numpy as np
import pytest

from tinygrad_rnn.kernels import projected
from tinygrad_rnn.kernels.packed import pack, product_of
from tinygrad_rnn.kernels.projected import (
    Projected,
    by_blocks,
    by_slices,
    projected_cross_entropy,
    suits_loops,
)
from tinygrad_rnn.kernels.threads import set_num_threads


def problem(N, V, H, smoothing=0.0, dtype=np.float32, size=0.3):
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(s) for s in ((N, H), (V, H), V))
    floats = x, size * weight, bias, rng.random(N) + 0.5, rng.random(V) + 0.5
    x, weight, bias, rows, classes = (a.astype(dtype) for a in floats)
    return Projected(x, weight, bias, rng.integers(0, V, N), rows, classes, smoothing)


def widened(p):
    floats = (a.astype(np.float64) if a.dtype.kind == "f" else a for a in p[:-1])
    return Projected(*floats, p.smoothing)


def assert_close(found, expected, eps):
    for ours, theirs in zip(found, expected, strict=True):
        bound = 64 * eps * max(1, np.abs(theirs).max(initial=0))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound)


@pytest.fixture
def threads():
    yield set_num_threads
    set_num_threads(None)


@pytest.fixture(params=["small", "large"])
def weight(request, monkeypatch):
    """A small weight has a gradient for each share of the places; threads share rows of others."""
    if request.param == "large":
        monkeypatch.setattr(projected, "HOME", 0)
    return request.param


@pytest.mark.usefixtures("weight")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("N", "V", "H"), [(1, 1, 1), (67, 100, 33), (300, 1, 5), (530, 301, 16)])
def test_slices_give_what_the_definition_does_in_float64(N, V, H, smoothing, dtype):
    p = problem(N, V, H, smoothing, dtype)
    assert_close(by_slices(p, True), by_blocks(widened(p), True), np.finfo(dtype).eps)


@pytest.mark.usefixtures("weight")
@pytest.mark.parametrize("count", [2, 3, 7])
def test_any_number_of_threads_gives_the_same_bits(count, threads, monkeypatch):
    monkeypatch.setattr(projected, "BLOCK", 1 << 14)
    monkeypatch.setattr(projected, "SHARES", 2)
    p = problem(700, 90, 12)
    threads(1)
    alone = by_slices(p, True)
    threads(count)
    for ours, theirs in zip(by_slices(p, True), alone, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_classes_in_many_parts_share_one_softmax(monkeypatch):
    monkeypatch.setattr(projected, "NEAR", 1)
    p = problem(40, 500, 8, 0.1, size=5.0)  # the highest score rises from part to part
    expected = by_blocks(widened(p), True)
    assert_close(by_slices(p, True), expected, np.finfo(np.float32).eps)


@pytest.mark.usefixtures("weight")
def test_losses_alone_are_the_same_losses():
    p = problem(300, 100, 20)
    found = by_slices(p, False)
    assert found[1:] == (None, None, None)
    np.testing.assert_array_equal(found.losses, by_slices(p, True).losses)


def test_large_problems_take_the_loops_unless_their_floats_differ():
    p = problem(500, 300, 64)
    assert suits_loops(p)
    assert not suits_loops(p.at(slice(10)))
    assert not suits_loops(p._replace(bias=p.bias.astype(np.float64)))


@pytest.mark.parametrize("compute", [by_blocks, by_slices])
def test_places_that_do_not_count_are_not_looked_at(compute, monkeypatch):
    monkeypatch.setattr(projected, "suits_loops", lambda p: compute is by_slices)
    p = problem(50, 20, 8)
    counting = projected_cross_entropy(p.at(slice(0, None, 2)), True)
    p.x[1::2], p.targets[1::2], p.row_weights[1::2] = np.nan, -100, 0
    found = projected_cross_entropy(p, True)
    assert not found.losses[1::2].any()
    assert not found.x[1::2].any()
    np.testing.assert_array_equal(found.losses[::2], counting.losses)
    np.testing.assert_array_equal(found.weight, counting.weight)


def test_read_only_and_strided_arrays_are_taken_as_they_come():
    p = problem(60, 40, 8)
    expected = by_slices(p, True)
    x = np.zeros((60, 16), np.float32)
    x[:, ::2] = p.x
    x.flags.writeable = p.targets.flags.writeable = p.bias.flags.writeable = False
    strange = p._replace(x=x[:, ::2], weight=np.asfortranarray(p.weight))
    for ours, theirs in zip(by_slices(strange, True), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_impossible_class_costs_nothing_and_a_nan_spoils_its_place_only():
    p = problem(9, 6, 4)
    p.bias[3], p.targets[:] = -np.inf, 0
    p.x[5] = np.nan
    found = by_slices(p, True)
    assert np.isnan(found.losses[5])
    others = np.delete(np.arange(9), 5)
    assert np.isfinite(found.losses[others]).all()
    assert np.isfinite(found.x[others]).all()


@pytest.mark.usefixtures("weight")
def test_sums_over_many_places_stay_accurate_in_float32():
    p = problem(40_000, 7, 3)
    found, expected = by_slices(p, True), by_blocks(widened(p), True)
    np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-5, atol=1e-3)


def test_a_product_may_start_from_what_is_there():
    rng = np.random.default_rng(0)
    panels, x, c = pack(rng.standard_normal((5, 9))), rng.standard_normal(12), np.ones(15)
    product_of(panels, 2, 6, x, c, True)
    fresh = np.full(15, np.nan)
    product_of(panels, 2, 6, x, fresh, False)
    np.testing.assert_allclose(c, fresh + 1, rtol=1e-12)
