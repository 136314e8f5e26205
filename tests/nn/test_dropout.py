"""Dropout between layers, and noise inside a recurrence."""

import copy

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.nn.recursions import B, D, H, P, T, assert_close, carry_of, drawn, sigmoid
from tinygrad_rnn import nn
from tinygrad_rnn.compiler import trace
from tinygrad_rnn.engine.nesting import mapped


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


# Inside a recurrence.


def noise_of(cell, T=T):
    """What a cell will draw for its next sequence, as arrays."""
    return mapped(lambda s: s.data, copy.deepcopy(cell).noise(T, B))


def test_variational_dropout_is_one_mask_of_the_input_and_one_of_the_state_for_all_steps():
    cell = nn.VariationalDropout(nn.LSTMCell(D, H, dtype="float64", seed=0), 0.3, 0.6, seed=1)
    mask_x, mask_h = noise_of(cell)
    assert mask_x.shape == (T, B, D)
    assert mask_h.shape == (T, B, H)
    assert (mask_x == mask_x[0]).all()
    assert (mask_h == mask_h[0]).all()
    x, (h, c) = drawn(T, B, D), carry_of(cell)
    output, _ = nn.Recurrent(cell)(x, (h, c))
    for t in range(T):
        # What no product reads, the memory, is not masked, and neither is what is shown.
        new_h, c = cell.cell(x[t] * mask_x[0], (h * mask_h[0], c))
        assert_close(output.data[t], new_h)
        h = new_h


@pytest.mark.parametrize("reset_after", [True, False])
def test_variational_dropout_masks_the_state_in_products_and_not_where_it_is_kept(reset_after):
    gru = nn.GRUCell(D, H, reset_after=reset_after, dtype="float64", seed=0)
    cell = nn.VariationalDropout(gru, 0.0, 0.5, seed=1)
    (_, mask), x, h = noise_of(cell, T=1), drawn(B, D), carry_of(cell)
    a_r, a_z, a_n = np.split(gru.weight_ih.data @ x.data.T + gru.bias_ih.data[:, None], 3)
    W_r, W_z, W_n = np.split(gru.weight_hh.data, 3)
    b_r, b_z, b_n = np.split(gru.bias_hh.data[:, None], 3)
    seen = (h.data * mask[0]).T
    r, z = sigmoid(a_r + W_r @ seen + b_r), sigmoid(a_z + W_z @ seen + b_z)
    product = r * (W_n @ seen + b_n) if reset_after else W_n @ (r * seen) + b_n
    n = np.tanh(a_n + product)
    assert_close(cell(x, h), ((1 - z) * n + z * h.data.T).T)


def test_variational_dropout_keeps_the_expected_product():
    cell = nn.VariationalDropout(nn.RNNCell(1000, 1000), 0.2, 0.75, seed=0)
    for mask, p in zip(cell.noise(1, 10), (0.2, 0.75), strict=True):
        assert set(np.unique(mask.data)) == {np.float32(0), np.float32(1 / (1 - p))}
        assert abs((mask.data == 0).mean() - p) < 0.02


def test_a_projected_state_has_a_mask_of_its_own_length():
    cell = nn.VariationalDropout(nn.LSTMCell(D, H, proj_size=P, seed=0), seed=1)
    assert nn.Recurrent(cell)(np.ones((T, B, D), "float32"))[0].shape == (T, B, P)


def test_zoneout_keeps_old_values_where_its_masks_say_so():
    cell = nn.Zoneout(nn.LSTMCell(D, H, dtype="float64", seed=0), (0.3, 0.6), seed=1)
    ((keep_h, keep_c),) = noise_of(cell)
    x, (h, c) = drawn(T, B, D), carry_of(cell)
    output, _ = nn.Recurrent(cell)(x, (h, c))
    for t in range(T):
        new_h, new_c = cell.cell(x[t], (h, c))
        h = np.where(keep_h[t], getattr(h, "data", h), new_h.data)
        c = np.where(keep_c[t], getattr(c, "data", c), new_c.data)
        assert_close(output.data[t], h)


def test_zoneout_draws_for_each_step_with_the_probability_of_each_part():
    cell = nn.Zoneout(nn.LSTMCell(D, 100), (0.05, 0.5), seed=0)
    ((keep_h, keep_c),) = cell.noise(50, 10)
    assert abs(keep_h.data.mean() - 0.05) < 0.01
    assert abs(keep_c.data.mean() - 0.5) < 0.01
    assert not np.array_equal(keep_c.data[0], keep_c.data[1])


def test_zoneout_is_its_expectation_in_use():
    cell = nn.Zoneout(nn.GRUCell(D, H, dtype="float64", seed=0), 0.3).eval()
    x, h = drawn(B, D), carry_of(cell)
    assert_close(cell(x, h), 0.3 * h.data + 0.7 * cell.cell(x, h).data)
    expected = np.mean([cell.train()(x, h).data for _ in range(3000)], axis=0)
    np.testing.assert_allclose(cell.eval()(x, h).data, expected, atol=0.05)


def test_a_unit_that_is_kept_keeps_its_value_and_gradient_even_beside_a_nan():
    cell = nn.Zoneout(nn.GRUCell(D, H, dtype="float64", seed=0), 1.0, seed=0)
    h = carry_of(cell)
    with np.errstate(invalid="ignore"):
        output, end = nn.Recurrent(cell)(np.full((T, B, D), np.nan), h)
    assert np.array_equal(end.data, h.data)
    assert (output.data == h.data).all()


def test_zoneout_shows_what_it_carries_and_leaves_other_outputs_alone():
    class Previous(nn.Cell):
        def initial(self, *batch):
            return tg.tensor(np.zeros((*batch, D)))

        def recur(self, h, x):
            return x + 0, {"previous": h, "doubled": 2 * x}

    cell = nn.Zoneout(nn.GRUCell(D, H, seed=0), 1.0, seed=0)
    h, y = cell.step(cell.initial(B), np.ones((B, D), "float32"))
    assert y is h
    h, x = drawn(B, D), drawn(B, D, seed=1)
    _, y = nn.Zoneout(Previous(), 1.0, seed=0).step(h, x)
    assert y["previous"] is h
    assert_close(y["doubled"], 2 * x.data)


NOISY = {
    "variational": lambda **k: nn.VariationalDropout(nn.GRUCell(D, H, seed=0), 0.5, 0.5, **k),
    "zoneout": lambda **k: nn.Zoneout(nn.GRUCell(D, H, seed=0), 0.5, **k),
}
noisy = pytest.mark.parametrize("make", NOISY.values(), ids=NOISY)


@noisy
def test_the_seed_alone_decides_and_each_call_draws_anew(make):
    x = np.ones((T, B, D), "float32")
    a, b, other = (nn.Recurrent(make(seed=seed)) for seed in (1, np.random.default_rng(1), 2))
    first = a(x)[0].data
    assert np.array_equal(first, b(x)[0].data)
    assert not np.array_equal(first, a(x)[0].data)
    assert not np.array_equal(first, other(x)[0].data)
    assert [name for name, _ in a.named_generators()] == ["cell.generator"]


@noisy
def test_nothing_is_drawn_in_use(make):
    layer, x = nn.Recurrent(make(seed=1)).eval(), np.ones((T, B, D), "float32")
    assert np.array_equal(layer(x)[0].data, layer(x)[0].data)
    assert layer.cell.generator.random() == make(seed=1).generator.random()


@noisy
def test_a_step_that_draws_refuses_to_be_traced_and_says_what_to_trace(make):
    cell = make(seed=1)
    h, x = cell.initial(B), np.ones((B, D), "float32")
    with pytest.raises(tg.GraphError) as caught:
        trace(cell.step, h, x)
    assert str(caught.value) == (
        f"{type(cell).__name__}: step draws noise, so it cannot be traced. Give the loop "
        "cell.recur and cell.project(xs, *cell.noise(T, *batch)), as nn.Recurrent does"
    )
    trace(cell.eval().step, h, x)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda gru: nn.VariationalDropout(gru, 1.5),
            "VariationalDropout: got p_input=1.5; expected a probability, in [0, 1]",
        ),
        (
            lambda gru: nn.VariationalDropout(gru, 0.5, -1),
            "VariationalDropout: got p_state=-1; expected a probability, in [0, 1]",
        ),
        (lambda gru: nn.Zoneout(gru, 2), "Zoneout: got p=2; expected a probability, in [0, 1]"),
        (
            lambda gru: nn.Zoneout(gru, (0.1, 0.2)),
            "Zoneout: got p=(0.1, 0.2); expected one probability, or one for each part of the "
            "carry of GRUCell, *",
        ),
        (
            lambda gru: nn.Zoneout(nn.LSTMCell(2, 2), [0.1, 0.2]),
            "Zoneout: got p=[0.1, 0.2]; expected one probability, or one for each part of the "
            "carry of LSTMCell, ('*', '*')",
        ),
    ],
)
def test_probabilities_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=r".") as caught:
        make(nn.GRUCell(2, 2))
    assert str(caught.value) == says


def test_the_repr_shows_the_probabilities():
    lstm = nn.LSTMCell(2, 2)
    assert repr(nn.Zoneout(lstm, (0.05, 0.5))).startswith("Zoneout(p=(0.05, 0.5)) ")
    assert repr(nn.Zoneout(lstm)).startswith("Zoneout(p=0.1) ")
    assert repr(nn.VariationalDropout(lstm)).startswith(
        "VariationalDropout(p_input=0.25, p_state=0.25) "
    )
