import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.data import CBOWStream, NegativeSampler, SkipGramStream, keep_probabilities

STREAMS = [SkipGramStream, CBOWStream]
every_stream = pytest.mark.parametrize("stream", STREAMS)

# Each word of a text is another id, so that an id says where it stood.
texts = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(lambda n: sum(n) > 1)
settings = st.fixed_dictionaries(
    {
        "window": st.integers(1, 4),
        "negatives": st.integers(1, 3),
        "block": st.integers(1, 20),
        "seed": st.integers(0, 9),
    }
)


def numbered(lengths):
    ends = np.cumsum(lengths)
    return [np.arange(stop - n, stop) for n, stop in zip(lengths, ends, strict=True)]


def pairs_of(block):
    if hasattr(block, "mask"):
        return [
            (center, context)
            for center, row, there in zip(block.centers, block.contexts, block.mask, strict=True)
            for context in row[there]
        ]
    return list(zip(block.centers, block.contexts, strict=True))


def values(block):
    return [part.tolist() for part in block]


@every_stream
@given(lengths=texts, options=settings)
def test_neighbours_are_of_one_sentence_and_within_the_window(stream, lengths, options):
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    blocks = list(stream(numbered(lengths), sample=None, **options))
    pairs = [pair for block in blocks for pair in pairs_of(block)]
    assert all(1 <= abs(a - b) <= options["window"] for a, b in pairs)
    assert all(sentence[a] == sentence[b] for a, b in pairs)
    assert len(set(pairs)) == len(pairs)


@every_stream
@given(lengths=texts, seed=st.integers(0, 9))
def test_with_a_window_of_1_every_pair_of_neighbours_is_read_in_both_directions(
    stream, lengths, seed
):
    blocks = stream(numbered(lengths), window=1, sample=None, block=1000, seed=seed)
    expected = [
        pair for words in numbered(lengths) for a, b in pairwise(words) for pair in ((a, b), (b, a))
    ]
    assert sorted(p for block in blocks for p in pairs_of(block)) == sorted(expected)


@every_stream
@given(lengths=texts, options=settings)
def test_a_word_sees_all_others_as_far_as_it_sees(stream, lengths, options):
    options["block"] = 1000
    sentences = numbered(lengths)
    seen = {}
    for block in stream(sentences, sample=None, **options):
        for center, context in pairs_of(block):
            seen.setdefault(center, set()).add(context)
    for words in sentences:
        for center in words:
            others = seen.get(center, set())
            reach = max((abs(other - center) for other in others), default=0)
            assert others == {w for w in words if 0 < abs(w - center) <= reach}
            assert reach >= min(1, len(words) - 1)


@every_stream
@given(lengths=texts, options=settings)
def test_negatives_are_words_of_the_text_but_not_the_target(stream, lengths, options):
    for block in stream(numbered(lengths), sample=None, **options):
        targets = block.centers if hasattr(block, "mask") else block.contexts
        assert block.negatives.shape == (len(targets), options["negatives"])
        assert (block.negatives != targets[:, None]).all()
        assert ((block.negatives >= 0) & (block.negatives < sum(lengths))).all()


@every_stream
@given(lengths=texts, options=settings, reads=st.integers(0, 20))
def test_resumed_it_reads_on_as_the_one_it_was_taken_from(stream, lengths, options, reads):
    one = stream(numbered(lengths), sample=0.1, **options)
    for _ in range(reads):
        one.read()
    resumed = stream(numbered(lengths), sample=0.1, **options)
    resumed.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for _ in range(3):
        assert (one.epoch, one.at_start) == (resumed.epoch, resumed.at_start)
        assert values(one.read()) == values(resumed.read())


@every_stream
def test_numba_and_numpy_draw_the_same(stream):
    text = np.random.default_rng(0).integers(0, 50, 3000)
    compiled = [values(block) for block in stream(text, seed=3)]
    with tg.backend("numpy"):
        assert [values(block) for block in stream(text, seed=3)] == compiled


def test_epochs_and_seeds_draw_differently():
    text = np.arange(50)
    stream = SkipGramStream(text, sample=None)
    first, second = stream.read(), stream.read()
    assert values(first) != values(second)
    assert values(first) != values(SkipGramStream(text, sample=None, seed=1).read())


def test_a_text_without_sentences_is_cut_into_blocks():
    stream = SkipGramStream(np.arange(25), window=3, sample=None, block=10)
    blocks = [{int(i) // 10 for i in block.centers} for block in stream]
    assert blocks == [{0}, {1}, {2}]
    assert len(stream) == 3


@given(lengths=texts, block=st.integers(1, 20))
def test_blocks_read_every_word_once(lengths, block):
    stream = CBOWStream(numbered(lengths), window=1, sample=None, block=block)
    centers = [int(i) for part in stream for i in part.centers]
    assert len(set(centers)) == len(centers)
    together = CBOWStream(numbered(lengths), window=1, sample=None, block=1000)
    if block >= max(lengths):
        assert sorted(centers) == sorted(int(i) for part in together for i in part.centers)


def test_near_neighbours_count_more():
    stream = SkipGramStream(np.arange(3000), window=4, sample=None, block=3000)
    block = stream.read()
    distances = Counter(np.abs(block.centers - block.contexts).tolist())
    shares = [distances[d] / (2 * 3000) for d in range(1, 5)]
    np.testing.assert_allclose(shares, [1, 0.75, 0.5, 0.25], atol=0.04)


def test_frequent_words_are_thinned_as_their_probability_says():
    text = np.random.default_rng(0).choice(3, 30_000, p=[0.9, 0.05, 0.05])
    stream = CBOWStream(text, sample=0.05, window=1)
    read = np.concatenate([block.centers for block in stream])
    kept = np.bincount(read) / np.bincount(text)
    np.testing.assert_allclose(kept, keep_probabilities(stream.counts, 0.05), atol=0.02)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=20), st.floats(1e-5, 1))
def test_the_more_frequent_a_word_the_less_of_it_is_kept(counts, sample):
    keep = keep_probabilities(np.sort(counts), sample)
    assert ((keep > 0) & (keep <= 1)).all()
    assert (np.diff(keep) <= 0).all()


def test_words_that_do_not_occur_would_be_kept():
    assert keep_probabilities([0, 5]).tolist()[0] == 1


@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=12).filter(lambda n: np.sign(n).sum() > 1)
)
def test_the_table_holds_exactly_the_probabilities(counts):
    sampler = NegativeSampler(counts)
    heights, aliases = sampler._table
    exact = heights + np.bincount(aliases, 1 - heights, len(counts))
    np.testing.assert_allclose(exact / len(counts), sampler.probabilities, atol=1e-12)
    weights = np.where(np.array(counts) > 0, np.array(counts, float) ** 0.75, 0)
    np.testing.assert_allclose(sampler.probabilities, weights / weights.sum(), atol=1e-12)


def test_draws_follow_the_probabilities():
    sampler = NegativeSampler([100, 10, 0, 1])
    drawn = np.bincount(sampler.draw(np.random.default_rng(0), 100_000), minlength=4) / 100_000
    np.testing.assert_allclose(drawn, sampler.probabilities, atol=0.006)
    assert drawn[2] == 0


def test_other_words_are_drawn_as_if_the_target_did_not_exist():
    sampler = NegativeSampler([4, 2, 2], power=1)
    others = sampler.draw_others(np.random.default_rng(0), np.zeros(20_000, np.int64), 2)
    np.testing.assert_allclose(np.bincount(others.ravel()) / others.size, [0, 0.5, 0.5], atol=0.01)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SkipGramStream(np.arange(9), window=0), "got window=0, negatives=5, block=2000"),
        (lambda: CBOWStream(np.arange(9), negatives=0), "negatives=0"),
        (lambda: SkipGramStream(np.arange(9), sample=0), "sample is 0; expected a positive"),
        (lambda: SkipGramStream([]), r"counts of shape \(0,\), 0 of them above 0"),
        (lambda: SkipGramStream(np.zeros(9, int)), r"counts of shape \(1,\), 1 of them above 0"),
        (lambda: SkipGramStream(np.array([1, -1])), "least value -1; expected ids"),
        (lambda: SkipGramStream(np.array([0.5, 1])), "dtype float64 and least value 0.5"),
        (lambda: SkipGramStream([np.zeros((2, 2), int)]), "a sentence has more than one axis"),
        (lambda: NegativeSampler([1, -2, 3]), "none negative"),
        (
            lambda: SkipGramStream(np.arange(9)).load_state_dict({"epoch": 0, "position": 1}),
            "position 1 is no block of an epoch of 1",
        ),
    ],
)
def test_what_cannot_be_read_is_explained(build, message):
    with pytest.raises(ValueError, match=message):
        build()
