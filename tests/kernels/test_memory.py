"""Memory and things that are lent out again when nobody has them any more."""

import numpy as np

from tinygrad_rnn.kernels import memory
from tinygrad_rnn.kernels.memory import LARGE, LATELY, PATIENCE, Pool, Shelf, copied


def test_a_pool_hands_out_what_nobody_has_and_nothing_else():
    pool = Pool()
    a = pool.take((3, 4), "float32")
    b = pool.take((3, 4), "float32")
    assert not np.shares_memory(a, b)
    address = a.ctypes.data
    view = a[1:]
    del a
    assert pool.take((3, 4), "float32").ctypes.data != address
    del view
    assert pool.take((12,), "float32").ctypes.data == address
    assert address % memory.LINE == 0


def test_a_pool_knows_whether_one_array_alone_has_its_memory():
    pool = Pool()
    a = pool.take((3, 4), "float32")
    assert pool.has_lent_to(a)
    view = a[1:]
    assert not pool.has_lent_to(a)
    del view
    assert pool.has_lent_to(a)
    own = np.zeros(12, np.float32)
    assert not pool.has_lent_to(own)
    assert not pool.has_lent_to(own[:3])
    assert not Pool().has_lent_to(a)


def test_a_pool_gives_back_what_nobody_has_taken_in_long():
    pool = Pool()
    kept, rare = pool.take((100,), "float32"), pool.take((1000,), "float32")
    del rare
    for _ in range(2 * PATIENCE):
        pool.take((10,), "float32")
    assert sum(map(len, pool.buffers.values())) == 2  # what is kept, and what is taken each time
    assert kept.size == 100


def test_arrays_of_about_the_same_size_share_memory():
    pool = Pool()
    for size in range(4000, 4400):
        pool.take((size,), "float32")
    assert pool.made <= 3


def test_a_shelf_lends_each_thing_to_one_at_a_time():
    shelf, thing = Shelf(), object()
    assert shelf.borrow("a") is None
    shelf.give_back("a", thing)
    assert shelf.borrow("b") is None
    assert shelf.borrow("a") is thing
    assert shelf.borrow("a") is None


def test_a_shelf_forgets_what_nobody_has_asked_for_in_long():
    shelf = Shelf()
    shelf.give_back("old", shelf.borrow("old") or object())
    for _ in range(2 * LATELY):
        shelf.give_back("new", shelf.borrow("new") or object())
    assert shelf.borrow("old") is None
    assert shelf.borrow("new") is not None


def test_a_copy_shares_memory_with_nothing_and_a_large_one_uses_memory_again():
    for count in (3, LARGE):
        x = np.arange(float(count))
        y = copied(x)
        assert (y == x).all()
        assert not np.shares_memory(x, y)
    assert copied(np.ones((2, 3)).T).flags.c_contiguous
    address = y.ctypes.data
    del y
    assert copied(x).ctypes.data == address
