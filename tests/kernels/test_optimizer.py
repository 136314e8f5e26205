"""Steps are taken in place, in the dtype of the parameters, and squares add up in float64."""

import numpy as np
import pytest

from tinygrad_rnn.kernels.optimizer import adam_step, rmsprop_step, sgd_step, sum_of_squares

sides = pytest.mark.parametrize("side", ["reference", "compiled"])


@sides
def test_parameters_are_written_where_they_are(side):
    p = np.ones(4, np.float32)
    view = p[:2]
    getattr(sgd_step, side)(p, np.ones(4, np.float32), 0.5, 0.0)
    np.testing.assert_array_equal(view, [0.5, 0.5])


@sides
def test_small_rates_are_taken_from_one_in_float64(side):
    p, m, s = (np.zeros(1, np.float32) for _ in range(3))
    getattr(adam_step, side)(p, np.ones(1, np.float32), m, s, 0.1, 0.9, 0.999, 1.0, 1e-8, 0.0, 1.0)
    assert s[0] == np.float32(1 - 0.999)  # in float32, 1 - 0.999 is 5e-5 off


@sides
def test_a_centred_step_divides_by_the_standard_deviation(side):
    p, g, s, m = np.zeros(1), np.full(1, 2.0), np.zeros(1), np.zeros(1)
    getattr(rmsprop_step, side)(p, g, s, m, None, 1.0, 0.5, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(p, -2 / np.sqrt(0.5 * 4 - 1))


@sides
def test_the_sum_of_squares_outlives_float32(side):
    x = np.full(4, 1e30, np.float32)
    total = getattr(sum_of_squares, side)(x)
    assert type(total) is float
    np.testing.assert_allclose(total, 4e60, rtol=1e-6)


@sides
def test_the_sum_of_squares_takes_any_shape(side):
    assert getattr(sum_of_squares, side)(np.full((2, 3), 2.0).ravel()) == 24.0
