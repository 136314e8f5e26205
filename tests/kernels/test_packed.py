"""Packed products are products: for every shape, tile and dtype, compiled and in Python."""

import threading

import numpy as np
import pytest

from tinygrad_rnn.kernels import tiles
from tinygrad_rnn.kernels.compiling import jit
from tinygrad_rnn.kernels.dispatch import backend
from tinygrad_rnn.kernels.grams import Factors, GramTask, Portion, add_gram, factors_of, multiply
from tinygrad_rnn.kernels.machine_code import machine_code
from tinygrad_rnn.kernels.packed import (
    aligned,
    multiplying_by,
    pack,
    panels_shape,
    product,
    products,
)
from tinygrad_rnn.kernels.tiles import BROAD, TILES, tile_for, tile_here


def calls_product(panels, x, c):
    product(panels, x, c)


def calls_add_gram(g, a, out, start, stop):
    add_gram(g, a, out, start, stop)


def calls_products(panels, first, last, xs, cs):
    products(panels, first, last, xs, cs)


LOOPS = [calls_product, calls_add_gram, calls_products]
# Not kept on disk, where Numba would not notice that a kernel has changed.
COMPILED = {loop: jit(loop, keep=False) for loop in LOOPS}
SHAPES = [
    (M, K, b)
    for M in (1, 24, 37)
    for K in (1, 3, 257)
    for b in (1, 2, 3, 4, 7, 8, 15, 16, 17, 25, 100)
]
SPANS = [
    (T, M, K, b)
    for T in (1, 40)
    for M in (1, 25, 100)
    for K in (1, 9, 300)
    for b in (1, 2, 3, 4, 7, 8, 16, 25)
] + [(3, 25, 31, 300), (2, 200, BROAD + 3, 4)]
GUARD = 40

both_ways = pytest.mark.parametrize("way", ["python", "compiled"])
all_ways = pytest.mark.parametrize("way", ["python", "compiled", "machine code"])
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(way, loop, *args):
    if way == "machine code":
        assert loop is calls_add_gram
        g, a, out, start, stop = args
        before = out[start:stop].copy()
        out[start:stop] = np.nan
        GramTask([Portion([Factors(g, a, *out.shape)], out, start, stop)])()
        out[start:stop] += before
    else:
        (COMPILED[loop] if way == "compiled" else loop)(*args)


def normal(dtype, *shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def apart(dtype, T, n):
    """Rows with something else between them; one kind of array is one compilation."""
    return normal(dtype, T + 1, n + 5)[:T, :n]


def guarded(n, dtype):
    """An array of ones between two zones of sevens, and whether those are untouched."""
    whole = np.full(n + 2 * GUARD, 7, dtype)
    inner = whole[GUARD:-GUARD]
    inner[:] = 1
    return inner, lambda: (whole[:GUARD] == 7).all() and (whole[-GUARD:] == 7).all()


def assert_near(got, expected, terms):
    bound = 8 * np.finfo(got.dtype).eps * terms
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


@both_ways
@both_dtypes
def test_a_product_is_numpys_for_every_shape(way, dtype):
    for M, K, b in SHAPES:
        A, X = normal(dtype, M, K), normal(dtype, K, b)
        c, untouched = guarded(M * b, dtype)
        run(way, calls_product, pack(A), X.ravel(), c)
        assert_near(c.reshape(M, b), A @ X, K)
        assert untouched(), (M, K, b)


@both_ways
@both_dtypes
@pytest.mark.parametrize("columns", [(0, 9), (2, 7), (0, 1), (8, 9)])
def test_products_of_several_steps_are_those_of_each(way, dtype, columns):
    first, last = columns
    for M in (1, 24, 37, 60):
        for b in (1, 3, 8, 17):
            A, X = normal(dtype, M, 9), normal(dtype, 3, 9, b)
            cs, untouched = guarded(4 * M * b, dtype)
            run(way, calls_products, pack(A), *columns, X.reshape(3, -1), cs.reshape(4, -1))
            found = cs.reshape(4, M, b)
            assert_near(found[:3], A[:, first:last] @ X[:, first:last], 9)
            assert (found[3] == 1).all()
            assert untouched(), (M, b)


@all_ways
@both_dtypes
def test_a_gram_is_the_sum_of_its_products_for_every_shape(way, dtype):
    for T, M, K, b in SPANS:
        g, a = apart(dtype, T, M * b), apart(dtype, T, K * b)
        out, untouched = guarded(M * K, dtype)
        run(way, calls_add_gram, g, a, out.reshape(M, K), 0, M)
        G, A = (z.reshape(T, -1, b).swapaxes(0, 1).reshape(-1, T * b) for z in (g, a))
        assert_near(out.reshape(M, K), 1 + G @ A.T, T * b)
        assert untouched(), (T, M, K, b)


def test_a_task_adds_up_several_factors_and_goes_through_several_gradients():
    outs, jobs = [], []
    for M, K in ((30, 7), (4, 300)):
        factors = [
            Factors(apart("float64", T, M * b), apart("float64", T, K * b), M, K)
            for T, b in ((5, 8), (40, 3), (1, 1))
        ]
        outs.append(np.full((M, K), np.nan))
        jobs.append(Portion(factors, outs[-1], 0, M))
    GramTask(jobs)()
    for out, (factors, *_) in zip(outs, jobs, strict=True):
        expected = np.zeros_like(out)
        for f in factors:
            add_gram(f.g, f.a, expected, 0, len(out))
        assert_near(out, expected, 200)


@both_dtypes
@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 300, 7), (40, 3, 1030), (500, 130, 140)])
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
def test_a_product_of_matrices_is_the_same_however_they_lie(sizes, orders, dtype):
    M, inner, K = sizes
    rng = np.random.default_rng(0)
    a = np.asarray(rng.standard_normal((M, inner)).astype(dtype), order=orders[0])
    b = np.asarray(rng.standard_normal((inner, K)).astype(dtype), order=orders[1])
    assert_near(multiply(a, b), a @ b, inner)
    if min(sizes) > 1 and orders in ("CF", "FC"):
        factors = factors_of(a, b)  # without a copy
        assert np.shares_memory(factors.g, a)
        assert np.shares_memory(factors.a, b)


@both_ways
def test_a_gram_of_no_steps_adds_nothing(way):
    out = np.ones((3, 2))
    run(way, calls_add_gram, apart(float, 0, 12), apart(float, 0, 8), out, 0, 3)
    assert (out == 1).all()


@all_ways
def test_threads_may_share_the_rows_of_a_gram(way):
    g, a = apart("float32", 20, 50 * 8), apart("float32", 20, 30 * 8)
    whole, shared = np.zeros((2, 50, 30), np.float32)
    run(way, calls_add_gram, g, a, whole, 0, 50)
    threads = [
        threading.Thread(target=run, args=(way, calls_add_gram, g, a, shared, start, stop))
        for start, stop in ((0, 19), (19, 19), (19, 50))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_near(shared, whole, 160)


@both_ways
def test_nan_and_infinity_reach_what_depends_on_them_and_nothing_else(way):
    M, K, b = 37, 20, 25
    A, X = normal("float32", M, K), normal("float32", K, b)
    A[7, 3], X[5, 24], X[6, 2] = np.nan, np.nan, np.inf
    c = np.empty(M * b, np.float32)
    with np.errstate(invalid="ignore"):
        run(way, calls_product, pack(A), X.ravel(), c)
        expected = A @ X
    np.testing.assert_array_equal(np.isnan(c.reshape(M, b)), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(c.reshape(M, b)), np.isinf(expected))
    assert np.isnan(c).sum() == M + b - 1


@both_ways
def test_what_lies_around_the_operands_has_no_part_in_the_result(way):
    for M, K, b in [(37, 20, 25), (5, 3, 1), (24, 9, 7)]:
        A, whole = normal("float64", M, K), np.full(K * b + 2 * GUARD, np.nan)
        whole[GUARD:-GUARD] = normal("float64", K * b)
        c = np.empty(M * b)
        run(way, calls_product, pack(A), whole[GUARD:-GUARD], c)
        assert_near(c, (A @ whole[GUARD:-GUARD].reshape(K, b)).ravel(), K)


@both_ways
def test_sizes_that_do_not_fit_are_refused(way):
    panels = pack(np.ones((30, 4)))
    for x, c in [(np.ones(7), np.ones(60)), (np.ones(8), np.ones(59)), (np.ones(8), np.ones(200))]:
        with pytest.raises(ValueError, match="the panels, x and c do not fit"):
            run(way, calls_product, panels, x, c)


@all_ways
def test_sizes_of_a_gram_that_do_not_fit_are_refused(way):
    with pytest.raises(ValueError, match="g, a and out do not fit"):
        run(way, calls_add_gram, apart(float, 5, 6), apart(float, 4, 4), np.ones((3, 2)), 0, 3)


@both_dtypes
@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_matrix_is_packed_whatever_its_strides(dtype, name):
    for A in (normal(dtype, 100, 70), normal(dtype, 70, 100).T, normal(dtype, 200, 140)[::2, ::2]):
        with backend(name):
            panels = pack(A)
        np.testing.assert_array_equal(panels.swapaxes(1, 2).reshape(-1, 70)[:100], A)
        assert not panels.swapaxes(1, 2).reshape(-1, 70)[100:].any()


def test_panels_can_be_packed_again_in_place():
    out = aligned(panels_shape(30, 4, np.float32), np.float32)
    out[:] = np.nan
    assert pack(np.ones((30, 4), np.float32), out) is out
    assert out.sum() == 120


def test_aligned_arrays_start_at_a_cache_line():
    for shape in (1, (3, 5), (7, 11, 13)):
        assert aligned(shape, np.float64).ctypes.data % 64 == 0


@pytest.mark.parametrize(
    ("features", "single", "double"),
    [
        ({"avx512f", "avx2", "fma"}, (16, 32, 16, 16), (8, 16, 16, 8)),
        ({"avx2", "fma"}, (8, 24, 6, 16), (4, 12, 6, 8)),
        ({"avx2"}, (4, 8, 4, 8), (4, 4, 2, 8)),  # no fused instructions
        ({"neon"}, (4, 16, 8, 8), (4, 8, 4, 8)),
        (set(), (4, 8, 4, 8), (4, 4, 2, 8)),
    ],
)
def test_the_tile_follows_from_the_processors_features(features, single, double):
    assert tile_for(features, 4) == single
    assert tile_for(features, 8) == double


def test_a_processor_that_llvm_cannot_describe_gets_the_smallest_tiles(monkeypatch):
    def unknown():
        raise RuntimeError

    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", unknown)
    monkeypatch.setattr(tiles.platform, "machine", lambda: "riscv64")
    assert tiles.features_here.__wrapped__() == frozenset()
    monkeypatch.setattr(tiles.platform, "machine", lambda: "arm64")
    assert tiles.features_here.__wrapped__() == {"neon"}


@pytest.mark.parametrize("tile", [t for _, *pair in TILES for t in pair])
def test_a_panel_is_whole_vectors_and_whole_tiles(tile):
    assert tile.panel % tile.lanes == tile.columns % tile.lanes == 0
    assert tile.panel % tile.rows == 0


@pytest.mark.parametrize(
    ("dtype", "tile"),
    [(d, t) for _, *pair in TILES for d, t in zip(("float32", "float64"), pair, strict=True)],
    ids=str,
)
def test_every_tile_makes_right_products_on_any_machine(dtype, tile):
    from tinygrad_rnn.kernels.instructions import address, call

    multiply, across = machine_code(multiplying_by(tile, dtype)).name, tile.columns

    @lambda loop: jit(loop, keep=False)
    def by_tile(panels, x, c, M, N, K):
        p, x_0, c_0 = address(panels, 0), address(x, 0), address(c, 0)
        call(multiply, p, K, x_0, N, across, c_0, N, M, N, K, False)

    for M, K, b in [(1, 1, 1), (37, 9, 3), (100, 300, 25), (32, 5, 64), (13, 7, 15), (9, 2, 8)]:
        A, X = normal(dtype, M, K), normal(dtype, K, b)
        panels = pack(A, np.empty((-(-M // tile.panel), K, tile.panel), dtype))
        c, untouched = guarded(M * b, dtype)
        by_tile(panels, X.ravel(), c, M, b, K)
        assert_near(c.reshape(M, b), A @ X, K)
        assert untouched()


def test_panels_of_another_processors_tile_are_refused_by_compiled_loops():
    rows = tile_here(8).panel + 1
    panels = pack(np.ones((rows, 3)), np.empty((1, 3, rows)))
    with pytest.raises(ValueError, match="do not fit"):
        COMPILED[calls_product](panels, np.ones(3), np.ones(rows))
