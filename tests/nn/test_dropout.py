import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def test_in_training_features_are_dropped_and_the_others_scaled_up():
    y = nn.Dropout(0.25, seed=0)(np.ones(10_000, "float32"))
    assert set(np.unique(y)) == {np.float32(0), np.float32(4 / 3)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert y.dtype == "float32"


def test_in_use_nothing_happens():
    x = tg.tensor([1.0, 2.0])
    assert nn.Dropout(0.5).eval()(x) is x


def test_gradients_pass_where_features_did():
    x = tg.tensor(np.ones(100), requires_grad=True)
    y = nn.Dropout(0.5, seed=0)(x)
    y.sum().backward()
    assert np.array_equal(x.grad.data, y.data)


def test_all_or_nothing():
    x = np.ones(5)
    assert (nn.Dropout(1.0)(x) == 0).all()
    assert (nn.Dropout(0.0)(x) == 1).all()


def test_the_generator_alone_decides():
    a, b = nn.Dropout(0.5, seed=1), nn.Dropout(0.5, seed=1)
    x = np.ones(50)
    first = a(x)
    assert np.array_equal(first, b(x))
    assert not np.array_equal(first, a(x))
    (name, generator), *_ = a.named_generators()
    assert name == "generator"
    generator.bit_generator.state = b.generator.bit_generator.state
    assert np.array_equal(a(x), b(x))


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match=rf"Dropout: got p={p}; expected a probability, in \[0, 1"):
        nn.Dropout(p)


def test_the_repr_shows_the_probability():
    assert repr(nn.Dropout(0.1)) == "Dropout(p=0.1)   0 parameters"
