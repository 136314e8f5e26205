"""The two sides of the benchmark of words thin and draw words by the same probabilities."""

import numpy as np
import pytest

from tests.benchmarks.words import sentences
from tinygrad_rnn.data import NegativeSampler, keep_probabilities


@pytest.fixture(scope="module")
def model():
    word2vec = pytest.importorskip("gensim.models.word2vec")
    model = word2vec.Word2Vec(vector_size=1, sample=1e-3, min_count=2, workers=1)
    model.build_vocab(sentences(10))
    return model


def attribute(model, name):
    return np.array([model.wv.get_vecattr(word, name) for word in model.wv.index_to_key])


def test_both_keep_a_frequent_word_equally_often(model):
    ours = keep_probabilities(attribute(model, "count"), 1e-3)
    np.testing.assert_allclose(attribute(model, "sample_int") / 2**32, ours, rtol=1e-6)


def test_both_draw_a_word_as_a_negative_equally_often(model):
    ours = NegativeSampler(attribute(model, "count")).probabilities
    theirs = np.diff(model.cum_table, prepend=0) / model.cum_table[-1]
    np.testing.assert_allclose(theirs, ours, atol=1e-8)
