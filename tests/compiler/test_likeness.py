"""One trace serves all cells that are alike, and no number of any of them gets into it."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.compiler.comparing import compiled
from tinygrad_rnn import nn
from tinygrad_rnn.compiler.likeness import likeness, with_tensors
from tinygrad_rnn.compiler.stepping import remembered_trace

T, B, H = 4, 3, 2
XS = np.random.default_rng(0).normal(size=(T, B, H))


class Leaky(nn.Cell):
    """A cell of one vector, whose subclasses do what a trace must notice."""

    extra = 0.5

    def __init__(self, seed=0):
        self.rate = nn.Parameter(np.random.default_rng(seed).uniform(size=H))

    def initial(self, *batch):
        return tg.tensor(np.zeros((*batch, H)))

    def recur(self, h, x):
        h = h + self.rate * (x - h) * self.scale()
        return h, h

    def scale(self):
        return 1.0


def outcome(cell):
    """The outputs of a cell, and its parameters' gradients."""
    cell.zero_grad()
    output, _ = nn.Recurrent(cell)(tg.tensor(XS))
    (output**2).sum().backward()
    return [output.numpy(), *(p.grad.numpy() for p in cell.parameters())]


def right(cell):
    """Whether a cell gives compiled what it gives op by op."""
    with tg.eager():
        expected = outcome(cell)
    with compiled() as loops:
        got = outcome(cell)
    assert loops.count == 1
    return all(
        np.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(got, expected, strict=True)
    )


def traces(*cells):
    """How many traces it takes to run cells one after the other."""
    remembered_trace.cache_clear()
    for cell in cells:
        assert right(cell)
    return remembered_trace.cache_info().misses


def test_cells_that_differ_in_numbers_share_a_trace():
    assert traces(Leaky(0), Leaky(1), Leaky(2)) == 1


def test_what_is_not_alike_is_traced_apart():
    one, other = nn.RNNCell(H, H, dtype="float64"), nn.RNNCell(H, H, bias=False, dtype="float64")
    relu = nn.RNNCell(H, H, nonlinearity="relu", dtype="float64")
    assert traces(one, other, relu, one) == 3


def test_the_layers_of_a_network_share_a_trace():
    layer = nn.LSTM(H, H, num_layers=3, dtype="float64", seed=0)
    remembered_trace.cache_clear()
    with compiled():
        layer(tg.tensor(XS))
    assert remembered_trace.cache_info().misses == 1


def test_tied_parameters_are_not_like_separate_ones():
    tied, apart = (nn.Stacked(nn.RNNCell(H, H, seed=0), nn.RNNCell(H, H, seed=1)) for _ in range(2))
    tied.cells[1].weight_hh = tied.cells[0].weight_hh
    assert likeness(tied) != likeness(apart)
    assert likeness(apart) == likeness(nn.Stacked(nn.RNNCell(H, H), nn.RNNCell(H, H)))


class Doubles(Leaky):
    def scale(self):
        return tg.tensor(np.full(H, 2.0)) * np.ones(H)


class Draws(Leaky):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def scale(self):
        return self.rng.normal(size=H)


class ReadsNumbers(Leaky):
    def scale(self):
        return float(self.rate.data.sum())


class Normed(Leaky):
    def scale(self):
        return self.rate / (self.rate**2).sum().sqrt()


GLOBAL = 1.5


class ReadsAGlobal(Leaky):
    def scale(self):
        return by_way_of_a_function()


def by_way_of_a_function():
    return GLOBAL


class ReadsItsClass(Leaky):
    def scale(self):
        return self.extra


class ReadsAList(Leaky):
    def __init__(self):
        super().__init__()
        self.numbers = [2.0]

    def scale(self):
        return self.numbers[-1]


def enclosing():
    """A cell that closes over a variable, and a function that sets it."""
    number = 2.0

    class Closes(Leaky):
        def scale(self):
            return number

    def change():
        nonlocal number
        number = 3.0

    return Closes(), change


def test_numbers_read_from_a_parameter_are_read_again():
    cell = ReadsNumbers()
    assert right(cell)
    with tg.no_grad():
        cell.rate[...] = 0.25
    assert right(cell)


def test_ops_on_parameters_are_a_part_of_the_program():
    assert traces(Normed(0), Normed(1)) == 1


def test_constants_may_be_made_in_a_step():
    assert traces(Doubles(0), Doubles(1)) == 1
    assert remembered_trace.cache_info().hits == 1


def test_a_step_that_draws_has_no_trace():
    with compiled(), pytest.warns(RuntimeWarning, match="something else each time"):
        outcome(Draws())


def test_a_changed_global_is_noticed(monkeypatch):
    cell = ReadsAGlobal()
    assert right(cell)
    monkeypatch.setitem(globals(), "GLOBAL", 2.5)
    assert right(cell)


def test_a_changed_class_attribute_is_noticed(monkeypatch):
    cell = ReadsItsClass()
    assert right(cell)
    monkeypatch.setattr(Leaky, "extra", 0.75)
    assert right(cell)


def test_a_changed_variable_of_an_enclosing_function_is_noticed():
    cell, change = enclosing()
    assert right(cell)
    change()
    assert right(cell)


def test_a_changed_list_is_noticed():
    cell = ReadsAList()
    assert right(cell)
    cell.numbers.append(0.5)
    assert right(cell)
    assert likeness(cell) is None


def test_a_method_that_is_replaced_is_noticed(monkeypatch):
    cell = Leaky()
    assert right(cell)
    monkeypatch.setattr(Leaky, "scale", lambda self: 3.0)
    assert right(cell)


def test_another_start_is_another_start_to_go_back_to():
    cell, reset = Leaky(), np.zeros((T, B), bool)
    reset[2] = True
    for start in (np.ones((B, H)), np.full((B, H), 5.0)):
        both = []
        for way in (tg.eager, compiled):
            with way():
                both.append(nn.Recurrent(cell)(tg.tensor(XS), tg.tensor(start), reset=reset)[0])
        np.testing.assert_allclose(both[0].numpy(), both[1].numpy(), rtol=1e-12)


def test_a_trace_keeps_no_tensor_alive():
    cell = Leaky()
    remembered_trace.cache_clear()
    assert right(cell)
    gone = weakref.ref(cell.rate)
    del cell
    gc.collect()
    assert gone() is None


def test_a_copy_has_other_tensors_at_all_depths():
    cell = nn.Projection(nn.Residual(nn.GRUCell(H, H)), nn.Linear(H, 1))
    new = {id(p): name for name, p in cell.named_parameters()}
    copied = with_tensors(cell, new)
    assert copied.cell.cell.weight_hh == "cell.cell.weight_hh"
    assert copied.projection.bias == "projection.bias"
    assert isinstance(cell.projection.bias, nn.Parameter)


@pytest.mark.parametrize("thing", [object(), {}, [1], {1}])
def test_what_may_change_unnoticed_is_like_nothing(thing):
    cell = Leaky()
    vars(cell)["thing"] = thing
    assert likeness(cell) is None
