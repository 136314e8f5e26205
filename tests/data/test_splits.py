import numpy as np
import pytest

from tinygrad_rnn.data import contiguous_split


def test_the_held_out_part_follows_the_training_part():
    series = np.arange(100)
    train, held_out = contiguous_split(series, validation=0.25)
    assert len(held_out) == 25
    np.testing.assert_array_equal(np.concatenate([train, held_out]), series)


def test_the_parts_are_views():
    series = np.arange(10)
    train, held_out = contiguous_split(series)
    assert np.shares_memory(train, series)
    assert np.shares_memory(held_out, series)


@pytest.mark.parametrize("validation", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_0_to_1_is_refused(validation):
    with pytest.raises(ValueError, match="expected a fraction between 0 and 1"):
        contiguous_split(np.arange(10), validation)


@pytest.mark.parametrize(("length", "validation"), [(2, 0.1), (3, 0.9), (0, 0.5)])
def test_an_empty_part_is_refused(length, validation):
    with pytest.raises(ValueError, match="expected at least one step in each part"):
        contiguous_split(np.arange(length), validation)
