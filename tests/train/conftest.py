import signal

import numpy as np
import pytest

from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import Settings


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Ctrl-C as at a terminal; what is started in the background is told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def source():
    """A text that a tiny model can learn."""
    words = "the cat sat on the mat and the dog sat on the cat. "
    return TextSource("cats", words * 30, licence="CC0-1.0", citation="made for this test")


@pytest.fixture
def settings():
    """A model and a run that take a fraction of a second."""
    return Settings(
        hidden=12, embedding=6, batch=3, window=8, steps=40, rate=0.02, evaluate_every=10
    )


@pytest.fixture
def assert_same_state():
    """A check that two states are equal bit for bit, apart from the time that they took."""
    return same_state


def same_state(a, b, path="state"):
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a.keys() - {"seconds"}:
            same_state(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, tuple | list):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same_state(x, y, f"{path}.{i}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        assert a.tobytes() == b.tobytes(), path
    else:
        assert a == b or (a != a and b != b), path  # what is not measured yet is NaN
