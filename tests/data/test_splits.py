import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import chronological_split, contiguous_split, walk_forward


def steps(part):
    return list(range(part.start, part.stop))


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


@given(st.integers(60, 500), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(0, 5))
def test_three_parts_follow_each_other_with_a_gap_and_lose_nothing_else(n, validation, test, gap):
    if n * (1 - validation - test) - 2 * gap < 2:
        return
    parts = chronological_split(n, validation, test, gap)
    left_out = range(parts.train.stop, parts.train.stop + gap)
    left_out_too = range(parts.validation.stop, parts.validation.stop + gap)
    found = [
        *steps(parts.train),
        *left_out,
        *steps(parts.validation),
        *left_out_too,
        *steps(parts.test),
    ]
    assert found == list(range(n))
    assert len(steps(parts.test)) == round(n * test)
    assert len(steps(parts.validation)) == round(n * validation)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((100, 0, 0.1), "got validation=0, test=0.1, gap=0; expected two fractions"),
        ((100, 0.1, 1.0), "expected two fractions between 0 and 1"),
        ((100, 0.1, 0.1, -1), "gap=-1; expected two fractions between 0 and 1 and a gap of 0"),
        ((10, 0.4, 0.4, 2), "10 steps give parts of -2, 4 and 4 steps with gaps of 2"),
        ((3, 0.1, 0.1), "expected at least one step in each part"),
    ],
)
def test_parts_that_do_not_fit_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        chronological_split(*arguments)


walks = st.fixed_dictionaries(
    {
        "steps": st.integers(40, 200),
        "folds": st.integers(1, 5),
        "test": st.integers(1, 6),
        "gap": st.integers(0, 3),
        "window": st.none() | st.integers(1, 6),
    }
)


@given(walks)
def test_test_parts_partition_the_end_of_the_series(walk):
    folds = walk_forward(**walk)
    tested = [step for fold in folds for step in steps(fold.test)]
    assert tested == list(range(walk["steps"] - walk["folds"] * walk["test"], walk["steps"]))


@given(walks)
def test_every_training_part_ends_a_gap_before_its_test_part(walk):
    for fold in walk_forward(**walk):
        assert fold.train.stop + walk["gap"] == fold.test.start
        length = fold.train.stop - fold.train.start
        assert length == (walk["window"] or fold.train.stop)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 0, "test": 1}, "got folds=0, test=1, gap=0, window=None"),
        ({"folds": 1, "test": 0}, "everything else 1 or more"),
        ({"folds": 1, "test": 1, "gap": -1}, "gap=-1, window=None; expected a gap of 0"),
        ({"folds": 1, "test": 1, "window": 0}, "window=0; expected"),
        ({"folds": 3, "test": 3, "gap": 1}, "10 steps are too few .* expected at least 11"),
        ({"folds": 2, "test": 3, "window": 5}, "and 5 steps to train on; expected at least 11"),
    ],
)
def test_folds_that_do_not_fit_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        walk_forward(10, **arguments)
