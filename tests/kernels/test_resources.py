"""Memory and things that are lent out again when nobody has them any more."""

import numpy as np

from tinygrad_rnn.kernels import resources
from tinygrad_rnn.kernels.resources import LATELY, Pool, Shelf, side_by_side


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
    assert address % resources.LINE == 0


def test_a_shelf_lends_each_thing_to_one_at_a_time():
    shelf, thing = Shelf(), object()
    assert shelf.borrow("a") is None
    shelf.give_back("a", thing)
    assert shelf.borrow("b") is None
    assert shelf.borrow("a") is thing
    assert shelf.borrow("a") is None


def test_a_shelf_forgets_what_nobody_has_asked_for_in_long():
    shelf = Shelf()
    shelf.give_back("old", object())
    for _ in range(LATELY + 2):
        shelf.give_back("new", shelf.borrow("new") or object())
    assert shelf.borrow("old") is None
    assert shelf.borrow("new") is not None


def test_all_tasks_are_done_and_an_error_of_one_is_raised():
    done = []
    side_by_side([lambda k=k: done.append(k) for k in range(10)])
    assert sorted(done) == list(range(10))
