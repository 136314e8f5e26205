import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import TextStream

sizes = st.tuples(st.integers(2, 200), st.integers(1, 8), st.integers(1, 12))


@given(sizes)
def test_windows_laid_end_to_end_are_the_streams(size):
    n, batch, steps = size
    length = (n - 1) // batch
    if length == 0:
        return
    windows = list(TextStream(np.arange(n), batch, steps, keep_last=True))
    inputs = np.concatenate([x for x, _ in windows])
    targets = np.concatenate([y for _, y in windows])
    np.testing.assert_array_equal(inputs.T, np.arange(batch * length).reshape(batch, length))
    np.testing.assert_array_equal(targets, inputs + 1)


def test_training_windows_all_have_one_shape():
    stream = TextStream(np.arange(100), batch=3, steps=4)
    shapes = {inputs.shape for inputs, _ in stream}
    assert shapes == {(4, 3)}
    assert stream.windows == 8


@given(sizes, st.integers(0, 40), st.booleans())
def test_a_resumed_stream_reads_on_as_the_one_it_was_taken_from(size, reads, keep_last):
    n, batch, steps = size
    if (n - 1) // batch < steps:
        return
    stream = TextStream(np.arange(n), batch, steps, keep_last=keep_last)
    for _ in range(reads):
        stream.read()
    resumed = TextStream(np.arange(n), batch, steps, keep_last=keep_last)
    resumed.load_state_dict(json.loads(json.dumps(stream.state_dict())))
    for _ in range(5):
        assert (stream.epoch, stream.at_start) == (resumed.epoch, resumed.at_start)
        np.testing.assert_array_equal(stream.read(), resumed.read())


def test_the_next_epoch_starts_where_the_text_starts():
    stream = TextStream(np.arange(9), batch=2, steps=2)
    assert stream.at_start
    first = list(stream)
    assert stream.at_start
    assert stream.epoch == 1
    np.testing.assert_array_equal(first, list(stream))


def test_a_window_read_in_between_is_not_read_again():
    stream = TextStream(np.arange(9), batch=2, steps=2)
    stream.read()
    assert not stream.at_start
    assert len(list(stream)) == 1


@pytest.mark.parametrize(
    ("ids", "batch", "steps", "message"),
    [
        (np.arange(10), 0, 1, "got batch=0, steps=1; expected both"),
        (np.arange(10), 1, 0, "got batch=1, steps=0; expected both"),
        (np.zeros((2, 5), int), 1, 1, r"ids have shape \(2, 5\); expected one axis"),
        (np.arange(10), 3, 4, "10 tokens in 3 streams give 3 steps each, too few .* of 4"),
        (np.arange(0), 1, 1, "0 tokens in 1 streams give 0 steps"),
    ],
)
def test_texts_that_do_not_fit_are_explained(ids, batch, steps, message):
    with pytest.raises(ValueError, match=message):
        TextStream(ids, batch, steps)


@pytest.mark.parametrize("position", [3, -2, 8])
def test_a_position_of_another_stream_is_refused(position):
    stream = TextStream(np.arange(9), batch=1, steps=2)
    with pytest.raises(ValueError, match=f"position {position} starts no window .* of 2 below 8"):
        stream.load_state_dict({"epoch": 0, "position": position})
