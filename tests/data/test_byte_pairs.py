import pickle
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import BytePairTokenizer, python_docs

any_text = st.text(st.characters(exclude_categories=()))
small = st.text("ab 가\n", max_size=60)


@pytest.fixture(scope="module")
def tokenizer():
    return BytePairTokenizer.train(python_docs().text[:50_000], 600)


@given(text=any_text)
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=any_text, training=small)
def test_any_text_comes_back_whatever_was_learned(text, training):
    tokenizer = BytePairTokenizer.train(training, 280)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode(training)) == training


def recounted(words, merges):
    """The merges by the definition: count all pairs anew each time."""
    words = [list(word.encode()) for word in words]
    found = []
    for made in range(256, 256 + merges):
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        found.append(best)
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [made]
                i += 1
    return tuple(found)


@given(st.lists(st.text("abc", min_size=1, max_size=12), max_size=8))
def test_merges_are_those_of_counting_anew_each_time(words):
    text = "\n".join(words)
    chunks = [chunk for word in words for chunk in (word, "\n")][:-1]
    assert BytePairTokenizer.train(text, 276).merges == recounted(chunks, 20)


def test_equally_frequent_pairs_are_merged_in_the_order_of_their_tokens():
    assert BytePairTokenizer.train("cd\nab\ncd\nab", 258).merges == ((97, 98), (99, 100))


def test_texts_in_any_order_of_words_learn_the_same():
    one = BytePairTokenizer.train(["low lower", " lowest low"], 270)
    assert one == BytePairTokenizer.train(["low lowest", " lower low"], 270)


def test_more_tokens_make_shorter_texts():
    text = python_docs().text[:20_000]
    lengths = [len(BytePairTokenizer.train(text, size).encode(text)) for size in (256, 300, 500)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == len(text.encode())


def test_training_stops_where_pairs_run_out():
    tokenizer = BytePairTokenizer.train("abab", 1000)
    assert tokenizer.merges == ((97, 98),)
    assert tokenizer.size == 257
    assert BytePairTokenizer.train("abab", 1000, min_count=1).size == 258


def test_a_word_takes_the_blank_before_it_and_no_merge_crosses_words():
    tokenizer = BytePairTokenizer.train("the cat the cat", 1000)
    assert [tokenizer.decode([i]) for i in tokenizer.encode("the  cat\ncat")] == [
        *("the", " ", " cat", "\n", "c", "at")
    ]


def test_specials_come_first():
    tokenizer = BytePairTokenizer.train("aaaa", 259, specials=["<pad>", "<end>"])
    assert tokenizer.merges == ((97, 97),)
    assert tokenizer.decode([0, *tokenizer.encode("aa!"), 1]) == "<pad>aa!<end>"
    assert tokenizer.encode("aa").tolist() == [258]


def test_long_runs_are_encoded_in_pieces(tokenizer):
    text = "값" * 5_000 + " " * 5_000 + "!" * 5_000
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_copy_in_another_process_encodes_alike(tokenizer):
    before = tokenizer.encode("the documentation")
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy == tokenizer
    assert copy.encode("the documentation").tolist() == before.tolist()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BytePairTokenizer.train("a", 255), "size=255, min_count=2; .* at least 256"),
        (
            lambda: BytePairTokenizer.train("a", 256, specials=["x"]),
            "257, for 256 bytes and 1 spec",
        ),
        (lambda: BytePairTokenizer.train("a", 300, min_count=0), "min_count of 1 or more"),
        (lambda: BytePairTokenizer(merges=[(97, 256)]), "merge 0 is of the tokens 97 and 256"),
    ],
)
def test_what_cannot_be_learned_is_explained(build, message):
    with pytest.raises(ValueError, match=message):
        build()
