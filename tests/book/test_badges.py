import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.book.badges import largest_error
from tinygrad_rnn.engine.errors import GradcheckError

X, H = np.linspace(-1, 1, 6).reshape(2, 3), np.linspace(-0.5, 0.5, 8).reshape(2, 4)


def test_an_op_is_checked_on_its_own_samples():
    assert 0 < largest_error(tg.tanh) < 1e-7


@pytest.mark.parametrize("cell", [nn.RNNCell(3, 4, seed=0), nn.GRUCell(3, 4, seed=0)])
def test_a_cell_is_checked_by_its_parameters_too(cell):
    assert 0 < largest_error(cell, X, H) < 1e-7
    assert all(isinstance(p, nn.Parameter) and p.dtype == "float32" for p in cell.parameters())


def test_several_outputs_are_checked_together():
    assert 0 < largest_error(nn.LSTMCell(3, 4, seed=0), X, (H, H)) < 1e-7
    assert largest_error(lambda x: {"a": x * x, "b": tg.exp(x)}, X) < 1e-7


def test_a_wrong_gradient_of_a_parameter_is_found():
    class Wrong(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.ones(3))

        def forward(self, x):
            return x * self.w.detach() + self.w

    with pytest.raises(GradcheckError):
        largest_error(Wrong(), X)


def test_a_parameter_at_two_places_is_one():
    class Tied(nn.Module):
        def __init__(self):
            self.a = nn.Linear(3, 3, seed=0)
            self.b = nn.Linear(3, 3, seed=1)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(tg.tanh(self.a(x)))

    assert largest_error(Tied(), X) < 1e-7


def test_a_badge_for_nothing_is_refused():
    with pytest.raises(TypeError, match=r"sum was differentiated by nothing.*derivation\(sum, x\)"):
        largest_error(sum, using=lambda: tg.tensor([1.0]))
