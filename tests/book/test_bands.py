import math

import numpy as np
import pytest

from tinygrad_rnn.book.bands import EXACT, Interval, Within, band_from_json, band_of


def test_an_interval_looks_at_the_value_and_not_at_what_was_recorded():
    band = Interval(2.2, 2.6)
    assert band.admits(2.2, recorded=100.0)
    assert not band.admits(2.61, recorded=2.61)
    assert not band.admits(math.nan, recorded=2.4)


def test_within_measures_from_what_was_recorded():
    assert Within(0.5).admits(2.5, recorded=2.0)
    assert not Within(0.5).admits(2.6, recorded=2.0)
    assert Within(relative=0.1).admits(-109.0, recorded=-100.0)
    assert not Within(relative=0.1).admits(-111.0, recorded=-100.0)


def test_within_wants_the_same_shape_and_every_element():
    assert not Within(1.0).admits([1.0, 2.0], recorded=[1.0])
    assert not Within(0.1).admits([1.0, 2.2], recorded=[1.0, 2.0])


def test_an_explosion_has_to_explode_again():
    assert Within(0.1).admits([np.nan, 1.0], recorded=[np.nan, 1.0])
    assert not Within(0.1).admits([1.0, 1.0], recorded=[np.nan, 1.0])


@pytest.mark.parametrize(
    ("band", "text"),
    [
        (Interval(2.2, 2.6), "2.2 to 2.6"),
        (Within(0.02), "± 0.02"),
        (Within(relative=0.1), "± 10 %"),
        (Within(0.02, 0.1), "± 0.02 ± 10 %"),
        (EXACT, "the same"),
    ],
)
def test_a_band_is_written_as_a_person_would(band, text):
    assert str(band) == text


def test_what_can_only_come_out_one_way_needs_no_band():
    assert band_of(None, 10_100, "metric 'parameters'") == EXACT
    assert band_of(None, True, "metric 'ok'") == EXACT
    assert band_of((1, 2), 1.5, "metric 'loss'") == Interval(1.0, 2.0)


def test_a_float_without_a_band_is_refused():
    with pytest.raises(TypeError, match=r"metric 'loss' is a float.*band=\(2\.2, 2\.6\)"):
        band_of(None, 1.5, "metric 'loss'")


def test_a_band_upside_down_is_refused():
    with pytest.raises(ValueError, match=r"the band \(3, 2\) is empty"):
        band_of((3, 2), 2.5, "metric 'loss'")


def test_what_is_no_band_is_refused():
    with pytest.raises(TypeError, match=r"got band='wide'; expected \(low, high\)"):
        band_of("wide", 2.5, "metric 'loss'")


@pytest.mark.parametrize("band", [Interval(0.0, 1.0), Within(0.1, 0.2)])
def test_a_band_survives_json(band):
    assert band_from_json(vars(band)) == band
