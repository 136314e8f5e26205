import numpy as np
import pytest

from tinygrad_rnn.data import minibatches, pad


def test_values_lengths_and_mask_agree():
    sequences = [np.arange(n, dtype=np.float32)[:, None] + [1, 2] for n in (3, 0, 5)]
    batch = pad(sequences, value=-1)
    assert batch.values.shape == (5, 3, 2)
    assert batch.mask.shape == (5, 3)
    np.testing.assert_array_equal(batch.lengths, [3, 0, 5])
    np.testing.assert_array_equal(batch.mask.sum(axis=0), batch.lengths)
    assert (batch.values[~batch.mask] == -1).all()
    for b, sequence in enumerate(sequences):
        np.testing.assert_array_equal(batch.values[batch.mask[:, b], b], sequence)


def test_dtype_is_kept_and_empty_lists_do_not_change_it():
    assert pad([np.array([1, 2], np.int32)]).values.dtype == np.int32
    assert pad([np.array([1, 2]), []]).values.dtype == np.int64
    assert pad([[], []]).values.shape == (0, 2)


def test_length_makes_room_beyond_the_longest():
    assert pad([[1]], length=4).values.shape == (4, 1)


@pytest.mark.parametrize(
    ("sequences", "length", "message"),
    [
        ([], None, "got no sequences to pad"),
        ([[1, 2]], 1, "length is 1, but the longest sequence has 2 steps"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], None, r"shapes \(2, 3\), \(2, 4\); expected"),
        ([np.zeros(())], None, r"shapes \(\); expected"),
    ],
)
def test_bad_sequences_are_explained(sequences, length, message):
    with pytest.raises(ValueError, match=message):
        pad(sequences, length=length)


def test_minibatches_visit_every_example_once():
    batches = list(minibatches(10, 3, np.random.default_rng(0)))
    assert [len(b) for b in batches] == [3, 3, 3, 1]
    order = np.concatenate(batches)
    assert sorted(order) == list(range(10))
    assert list(order) != list(range(10))


def test_a_batch_needs_an_example():
    with pytest.raises(ValueError, match="size is 0; expected 1 or more"):
        list(minibatches(3, 0))
