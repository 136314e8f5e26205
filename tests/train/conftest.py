import pytest

from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import Settings


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
