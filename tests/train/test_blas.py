import numpy as np
import pytest

from tinygrad_rnn.train import blas


@pytest.fixture
def threads():
    """How many threads BLAS runs on; skips where that cannot be asked."""
    get = blas._function("get_num_threads")
    if get is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    return get


def test_threads_are_as_asked_within_the_block_and_as_before_after_it(threads):
    before = threads()
    with blas.blas_threads(1) as limited:
        assert limited
        assert threads() == 1
        np.testing.assert_array_equal(np.ones((64, 64)) @ np.ones((64, 64)), 64)
    assert threads() == before


def test_an_error_in_the_block_gives_the_threads_back(threads):
    before = threads()
    with pytest.raises(RuntimeError, match="inside"), blas.blas_threads(1):
        raise RuntimeError("inside")
    assert threads() == before


def test_another_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(blas, "_function", lambda name: None)
    with blas.blas_threads(1) as limited:
        assert not limited


def test_a_name_that_no_library_has_is_none():
    assert blas._function("no_such_function") is None
