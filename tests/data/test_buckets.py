import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import BucketedBatches, minibatches

lengths = st.lists(st.integers(0, 50), min_size=1, max_size=60)
settings = st.fixed_dictionaries(
    {"batch": st.integers(1, 7), "pool": st.integers(1, 5), "seed": st.integers(0, 9)}
)


def padding(lengths, batches):
    """How many steps of all batches are padding."""
    return sum(lengths[i].max() * len(i) - lengths[i].sum() for i in batches)


@given(lengths, settings)
def test_an_epoch_visits_every_sequence_once(lengths, options):
    batches = BucketedBatches(lengths, **options)
    visited = list(batches)
    assert sorted(np.concatenate(visited)) == list(range(len(lengths)))
    assert len(visited) == len(batches)
    assert sum(len(b) < options["batch"] for b in visited) <= 1


@given(lengths, settings)
def test_the_same_seed_gives_the_same_batches_and_epochs_differ_in_order_only(lengths, options):
    one, other = (BucketedBatches(lengths, **options) for _ in range(2))
    for _ in range(2):
        assert [b.tolist() for b in one] == [b.tolist() for b in other]
    assert one.epoch == 2


@given(lengths, settings, st.integers(0, 40))
def test_resumed_it_reads_on_as_the_one_it_was_taken_from(lengths, options, reads):
    batches = BucketedBatches(lengths, **options)
    for _ in range(reads):
        batches.read()
    resumed = BucketedBatches(lengths, **options)
    resumed.load_state_dict(json.loads(json.dumps(batches.state_dict())))
    for _ in range(5):
        assert (batches.epoch, batches.at_start) == (resumed.epoch, resumed.at_start)
        np.testing.assert_array_equal(batches.read(), resumed.read())


@given(lengths, st.integers(1, 7), st.integers(0, 5))
def test_in_one_pool_batches_do_not_overlap_in_length(lengths, batch, seed):
    batches = BucketedBatches(lengths, batch, pool=100, seed=seed)
    ranges = sorted((batches.lengths[i].min(), batches.lengths[i].max()) for i in batches)
    assert all(high <= low for (_, high), (low, _) in pairwise(ranges))


def test_padding_is_a_small_part_of_that_of_shuffled_batches():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 100, 2000)
    shuffled = padding(lengths, minibatches(2000, 32, rng))
    assert padding(lengths, BucketedBatches(lengths, 32)) < 0.1 * shuffled


def test_batches_come_in_another_order_each_epoch():
    batches = BucketedBatches(np.arange(100), 5)
    first, second = ([b.tolist() for b in batches] for _ in range(2))
    assert first != second
    longest = [max(b) for b in first]
    assert longest != sorted(longest)


@pytest.mark.parametrize(
    ("lengths", "options", "message"),
    [
        ([], {"batch": 1}, r"lengths have shape \(0,\); expected \(N,\)"),
        ([[1]], {"batch": 1}, r"lengths have shape \(1, 1\)"),
        ([1], {"batch": 0}, "got batch=0, pool=50"),
        ([1], {"batch": 1, "pool": 0}, "got batch=1, pool=0"),
    ],
)
def test_sizes_out_of_range_are_refused(lengths, options, message):
    with pytest.raises(ValueError, match=message):
        BucketedBatches(lengths, **options)


@pytest.mark.parametrize("position", [-1, 3])
def test_a_position_of_another_stream_is_refused(position):
    with pytest.raises(ValueError, match=f"position {position} is no batch of an epoch of 3"):
        BucketedBatches(np.ones(6), 2).load_state_dict({"epoch": 0, "position": position})
