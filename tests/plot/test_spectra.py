import json

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn, plot

XS = np.random.default_rng(0).normal(size=(5, 3))


def carry_after(cell, xs, start):
    """The whole carry as one vector, from one vector."""
    carry = cell.carry_from(None, ())
    parts = carry if isinstance(carry, tuple) else (carry,)
    ends = np.cumsum([part.size for part in parts])
    pieces = [tg.tensor(piece) for piece in np.split(start, ends[:-1])]
    carry = tuple(pieces) if isinstance(carry, tuple) else pieces[0]
    for x in xs:
        carry, _ = cell.step(carry, tg.tensor(x))
    return np.concatenate([p.numpy() for p in (carry if isinstance(carry, tuple) else (carry,))])


@pytest.mark.parametrize(
    ("cell", "size"),
    [
        (nn.RNNCell(3, 4, dtype="float64", seed=0), 4),
        (nn.GRUCell(3, 4, dtype="float64", seed=0), 4),
        (nn.LSTMCell(3, 4, dtype="float64", seed=0), 8),
    ],
    ids=["rnn", "gru", "lstm"],
)
def test_products_of_jacobians_are_the_derivative_of_all_steps(cell, size):
    product = plot.jacobian_products(plot.state_jacobians(cell, XS))[len(XS)]
    step = 1e-6 * np.eye(size)
    numerical = [(carry_after(cell, XS, e) - carry_after(cell, XS, -e)) / 2e-6 for e in step]
    np.testing.assert_allclose(product, np.transpose(numerical), atol=1e-8)


def test_a_vanilla_jacobian_is_the_scaled_recurrent_matrix():
    cell = nn.RNNCell(3, 4, dtype="float64", seed=0)
    h = plot.step_values(cell, XS)["h"]
    expected = (1 - h**2)[:, :, None] * cell.weight_hh.numpy()
    np.testing.assert_allclose(plot.state_jacobians(cell, XS), expected, atol=1e-12)


def test_products_begin_with_the_identity_and_go_back_from_the_last_step():
    a, b = np.random.default_rng(0).normal(size=(2, 3, 3))
    products = plot.jacobian_products([a, b])
    for product, expected in zip(products, [np.eye(3), b, b @ a], strict=True):
        np.testing.assert_allclose(product, expected)


def test_singular_values_bound_every_change():
    jacobians = np.random.default_rng(0).normal(size=(6, 4, 4))
    values = plot.singular_values(jacobians)
    change = np.random.default_rng(1).normal(size=4)
    change /= np.linalg.norm(change)
    after = np.linalg.norm(plot.jacobian_products(jacobians) @ change, axis=1)
    assert np.all((values["smallest"] <= after + 1e-12) & (after <= values["largest"] + 1e-12))


def test_singular_values_that_rounding_has_eaten_are_zero():
    shrinking = np.tile(np.diag([1.0, 1e-3]), (10, 1, 1))
    smallest = plot.singular_values(shrinking)["smallest"]
    np.testing.assert_allclose(smallest[:6], 10.0 ** (-3 * np.arange(6)))
    np.testing.assert_array_equal(smallest[6:], 0)


def test_singular_values_are_what_gradient_by_lag_draws():
    figure = plot.gradient_by_lag(plot.singular_values(np.tile(0.5 * np.eye(2), (4, 1, 1))))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 0.5 ** np.arange(5))


def test_eigenvalues_outside_of_the_unit_circle_are_crosses():
    figure = plot.jacobian_spectrum([np.diag([0.5, -1.5])], lags=[1])
    points = {line.get_marker(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert (points["o"], points["x"]) == ([0.5], [-1.5])


def test_the_unit_circle_is_round():
    axes = plot.jacobian_spectrum([np.eye(2)], lags=[1]).axes[0]
    assert axes.get_aspect() == 1
    circle = next(line for line in axes.lines if len(line.get_xdata()) == 181)
    np.testing.assert_allclose(np.hypot(*circle.get_data()), 1)


def test_panels_tell_the_greatest_eigenvalue_and_singular_value():
    figure = plot.jacobian_spectrum(np.tile([[0.0, 2.0], [0.0, 0.5]], (3, 1, 1)), lags=(1, 2))
    assert figure.axes[0].get_xlabel() == "|λ| ≤ 0.5,  σ ≤ 2.06"
    assert len(figure.axes) == 2


def test_a_spectrum_is_drawn_from_recorded_data():
    jacobians = np.random.default_rng(0).normal(size=(4, 3, 3))
    series = plot.spectrum_series(jacobians, (1, 3))
    recorded = json.loads(
        json.dumps(
            {k: {a: np.asarray(v).tolist() for a, v in s.items()} for k, s in series.items()}
        )
    )
    direct = plot.as_svg(plot.jacobian_spectrum(jacobians, (1, 3)))
    assert plot.as_svg(plot.jacobian_spectrum(recorded)) == direct


@pytest.mark.parametrize("lags", [(), (0,), (1, 5)])
def test_lags_out_of_range_are_refused(lags):
    with pytest.raises(
        ValueError, match=r"got lags \(.*\) for 4 steps; expected numbers from 1 to"
    ):
        plot.jacobian_spectrum(np.ones((4, 2, 2)), lags)


@pytest.mark.parametrize(
    "jacobians", [np.ones((4, 2)), np.ones((4, 2, 3)), np.full((1, 1, 1), np.nan)]
)
def test_what_are_no_jacobians_is_refused(jacobians):
    with pytest.raises(ValueError, match=r"jacobian_products: got jacobians .*; expected finite"):
        plot.singular_values(jacobians)


def test_axes_are_as_many_as_lags():
    with plot.styled():
        axes = plot.new_figure(4, 3).subplots(1, 2)
    with pytest.raises(ValueError, match="got 2 axes for 1 lags"):
        plot.jacobian_spectrum([np.eye(2)], lags=[1], axes=axes)
