import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygrad_rnn.data import (
    MinMaxScaler,
    RobustScaler,
    Scaler,
    StandardScaler,
    chronological_split,
)

SCALERS = [StandardScaler, MinMaxScaler, RobustScaler]
every_scaler = pytest.mark.parametrize("kind", SCALERS)

numbers = st.floats(-1e6, 1e6)
series = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=numbers)


@every_scaler
@given(values=series)
def test_inverse_undoes_transform(kind, values):
    scaler = kind().fit(values)
    back = scaler.inverse(scaler.transform(values))
    np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-6)


@every_scaler
@given(n=st.integers(10, 60), channels=st.integers(1, 3), surprise=st.floats(-1e9, 1e9))
def test_changing_the_future_changes_neither_scaler_nor_scaled_training_part(
    kind, n, channels, surprise
):
    values = np.random.default_rng(n).normal(size=(n, channels))
    parts = chronological_split(n)
    changed = values.copy()
    changed[parts.train.stop :] += surprise
    before, after = (kind().fit(x[parts.train]) for x in (values, changed))
    assert before.state_dict() == after.state_dict()
    np.testing.assert_array_equal(
        before.transform(values)[parts.train], after.transform(changed)[parts.train]
    )


def test_standard_gives_mean_0_and_deviation_1():
    values = np.random.default_rng(0).normal(5, 3, size=(50, 4))
    scaled = StandardScaler().fit(values).transform(values)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1)


@given(values=series, low=st.floats(-5, 5), width=st.floats(0.1, 10))
def test_min_max_stays_within_its_bounds_over_the_training_part(values, low, width):
    scaled = MinMaxScaler(low, low + width).fit(values).transform(values)
    assert (scaled >= low - 1e-6).all()
    assert (scaled <= low + width + 1e-6).all()


def test_robust_hardly_notices_a_wild_value():
    calm = np.arange(100.0)[:, None]
    wild = np.concatenate([calm, [[1e9]]])
    scaled, expected = (RobustScaler().fit(x).transform(calm) for x in (wild, calm))
    np.testing.assert_allclose(scaled, expected, atol=0.05)


@every_scaler
def test_a_constant_channel_is_shifted_and_not_divided(kind):
    values = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]])
    scaler = kind().fit(values)
    np.testing.assert_allclose(scaler.transform(values)[:, 0], 0, atol=1e-12)
    assert scaler.transform([[1.1, 1.0]])[0, 0] == pytest.approx(1.0)


def test_quartiles_that_meet_are_not_divided_by():
    values = np.array([1.0, 1.0, 1.0, 1.0, 9.0])
    np.testing.assert_array_equal(RobustScaler().fit(values).transform(values), values - 1)


@every_scaler
def test_missing_values_do_not_count_and_stay_missing(kind):
    values = np.array([[1.0], [np.nan], [3.0]])
    scaler = kind().fit(values)
    assert scaler.state_dict() == kind().fit(values[[0, 2]]).state_dict()
    assert np.isnan(scaler.transform(values)).tolist() == [[False], [True], [False]]


def test_a_series_without_channels_scales_arrays_of_any_shape():
    scaler = StandardScaler().fit([1.0, 3.0])
    assert scaler.transform(np.ones((2, 3, 4))).shape == (2, 3, 4)


def test_a_forecast_of_one_channel_is_undone_by_its_column():
    scaler = StandardScaler().fit(np.array([[0.0, 10.0], [2.0, 30.0]]))
    forecast = np.array([[[1.0]], [[-1.0]]])
    np.testing.assert_array_equal(scaler.inverse(forecast, columns=[1]).ravel(), [30.0, 10.0])


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [("float64", "float64"), ("float32", "float32"), ("int64", "float32")],
)
def test_floats_keep_their_dtype_and_integers_become_float32(given_dtype, dtype):
    values = np.array([[1], [2]], dtype=given_dtype)
    scaler = StandardScaler().fit(values)
    assert scaler.transform(values).dtype == scaler.inverse(values).dtype == dtype


@pytest.mark.parametrize("kind", [StandardScaler, lambda: MinMaxScaler(-1, 1), RobustScaler])
@pytest.mark.parametrize("shape", [(9,), (9, 2)])
def test_a_saved_scaler_loads_equal(kind, shape, tmp_path):
    values = np.random.default_rng(0).normal(size=shape)
    scaler = kind().fit(values)
    scaler.save(tmp_path / "scaler.json")
    loaded = Scaler.load(tmp_path / "scaler.json")
    assert type(loaded) is type(scaler)
    np.testing.assert_array_equal(loaded.transform(values), scaler.transform(values))
    assert loaded.state_dict() == json.loads(json.dumps(scaler.state_dict()))


def test_a_scaler_that_saw_nothing_is_saved_as_such(tmp_path):
    StandardScaler().save(tmp_path / "scaler.json")
    with pytest.raises(RuntimeError, match="has not seen a series"):
        Scaler.load(tmp_path / "scaler.json").transform([1.0])


@every_scaler
@pytest.mark.parametrize("method", ["transform", "inverse"])
def test_scaling_before_fitting_names_the_remedy(kind, method):
    with pytest.raises(RuntimeError, match=rf"scaler = {kind.__name__}\(\)\.fit\(train\)"):
        getattr(kind(), method)([1.0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, np.nan], [2.0, np.nan]], r"channel 1 of \(2, 2\) values has none that is not NaN"),
        ([np.nan], r"channel 0 of \(1,\) values has none"),
        (np.zeros((0, 2)), r"channel 0 of \(0, 2\) values has none"),
        ([1.0, np.inf], "got infinite values; expected finite ones, or NaN"),
    ],
)
def test_what_cannot_be_measured_is_explained(values, message):
    with pytest.raises(ValueError, match=message):
        StandardScaler().fit(values)


def test_other_channels_than_were_fitted_are_refused():
    scaler = StandardScaler().fit(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(3, 1\); expected \(…, 2\).*with columns="):
        scaler.transform(np.zeros((3, 1)))


def test_bounds_that_cross_are_refused():
    with pytest.raises(ValueError, match=r"got low=1, high=0; expected low below high"):
        MinMaxScaler(1, 0)
