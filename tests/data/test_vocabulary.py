import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import Vocabulary


def test_ids_are_by_count_then_code_point():
    assert Vocabulary.from_tokens("bbacca").tokens == ("a", "b", "c")


def test_specials_come_first_then_buckets_then_tokens():
    vocabulary = Vocabulary.from_tokens("aab", oov_buckets=2, specials=["<pad>", "<eos>"])
    names = ["<pad>", "<eos>", "<oov0>", "<oov1>", "a", "b"]
    assert vocabulary.decode(np.arange(6)) == names
    assert [vocabulary[name] for name in names] == list(range(6))
    assert len(vocabulary) == 6


@given(st.text(min_size=1))
def test_decoding_inverts_encoding(text):
    vocabulary = Vocabulary.from_tokens(text)
    assert "".join(vocabulary.decode(vocabulary.encode(text))) == text


@given(st.text(), st.integers(1, 7))
def test_any_text_can_be_encoded_once_there_is_a_bucket(text, buckets):
    ids = Vocabulary(["a", "b"], oov_buckets=buckets).encode(text)
    assert ids.dtype == np.int64
    assert ids.shape == (len(text),)
    assert all(0 <= i < buckets + 2 for i in ids)


def test_min_count_and_max_size_keep_the_frequent_tokens():
    assert Vocabulary.from_tokens("aaabbc", min_count=2).tokens == ("a", "b")
    assert Vocabulary.from_tokens("aaabbc", max_size=2, oov_buckets=1).tokens == ("a",)


def test_an_unknown_token_has_the_same_bucket_in_every_process():
    program = (
        "from tinygrad_rnn.data import Vocabulary\n"
        "print(*Vocabulary(['a'], oov_buckets=1000).encode(['한글', 'dog', 'σ']))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = Vocabulary(["a"], oov_buckets=1000).encode(["한글", "dog", "σ"])
    assert seen == {" ".join(map(str, here)) + "\n"}


def test_unknown_tokens_spread_over_the_buckets():
    ids = Vocabulary(["a"], oov_buckets=4).encode([f"word{i}" for i in range(400)])
    assert np.bincount(ids, minlength=4)[:4].min() > 60


def test_an_unknown_token_without_buckets_names_the_remedy():
    with pytest.raises(KeyError, match=r"'z' is not among .* 2 names .* oov_buckets=1 or more"):
        Vocabulary("ab").encode("az")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Vocabulary("aa"), "'a' occurs more than once"),
        (lambda: Vocabulary(["<pad>"], specials=["<pad>"]), "'<pad>' occurs more than once"),
        (lambda: Vocabulary("a", oov_buckets=-1), "oov_buckets is -1; expected 0 or more"),
        (lambda: Vocabulary.from_tokens("a", min_count=0), "min_count is 0; expected 1"),
        (
            lambda: Vocabulary.from_tokens("a", max_size=3, oov_buckets=2, specials=["<pad>"]),
            "max_size is 3, but 1 specials and 2 out-of-vocabulary buckets .* at least 4",
        ),
        (lambda: Vocabulary("ab").decode([0, 2]), r"id 2 is outside 0 … 1"),
        (lambda: Vocabulary("ab").decode([-1]), r"id -1 is outside 0 … 1"),
        (lambda: Vocabulary("ab").decode([[0]]), r"shape \(1, 1\); expected one axis"),
        (lambda: Vocabulary.from_dict({"tokens": []}), "lacks oov_buckets, specials"),
    ],
)
def test_bad_arguments_are_explained(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_ids_must_be_integers():
    with pytest.raises(TypeError, match="dtype float64; expected integers"):
        Vocabulary("ab").decode([0.0])


def test_no_ids_decode_to_no_tokens():
    assert Vocabulary("ab").decode([]) == []


def test_a_saved_vocabulary_loads_equal(tmp_path):
    vocabulary = Vocabulary.from_tokens(["한글", "a\n", '"'], oov_buckets=3, specials=["<pad>"])
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert loaded == vocabulary
    assert hash(loaded) == hash(vocabulary)
    assert loaded != Vocabulary(["a"])
    assert "한글" in (tmp_path / "vocabulary.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["{", "[]", '{"tokens": ["a"]}'])
def test_a_file_that_is_no_vocabulary_is_refused(content, tmp_path):
    (tmp_path / "v.json").write_text(content)
    with pytest.raises(ValueError, match=r"v\.json is not a vocabulary's JSON file"):
        Vocabulary.load(tmp_path / "v.json")


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("tokens", "abc", "a saved vocabulary's tokens are no list of strings"),
        ("tokens", [1], "a saved vocabulary's tokens are no list of strings"),
        ("tokens", ["a", "a"], "'a' occurs more than once"),
        ("specials", None, "a saved vocabulary's specials are no list of strings"),
        ("oov_buckets", "2", "a saved vocabulary's oov_buckets are '2'"),
    ],
)
def test_a_damaged_vocabulary_is_explained_and_its_file_named(part, value, message, tmp_path):
    path = tmp_path / "v.json"
    Vocabulary("ab").save(path)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {part: value}), "utf-8")
    with pytest.raises(ValueError, match=rf"v\.json: {message}"):
        Vocabulary.load(path)


@given(st.text(), st.integers(0, 3))
def test_unknown_tokens_may_be_left_out(text, oov_buckets):
    vocabulary = Vocabulary("abc", oov_buckets=oov_buckets)
    ids = vocabulary.encode(text + "cab", skip_unknown=True)
    assert vocabulary.decode(ids) == [c for c in text + "cab" if c in "abc"]


def test_a_name_that_is_a_special_or_a_bucket_is_not_unknown():
    vocabulary = Vocabulary("a", specials=["<pad>"], oov_buckets=1)
    assert vocabulary.encode(["<pad>", "z", "<oov0>"], skip_unknown=True).tolist() == [0, 1]


@given(st.text(st.characters(exclude_categories=())))
def test_any_tokens_survive_a_file(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.json"
    vocabulary = Vocabulary(sorted(set(text)))
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary


def test_its_dict_is_plain_json_and_its_repr_counts():
    vocabulary = Vocabulary("ab", oov_buckets=1)
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    assert repr(vocabulary) == "Vocabulary(2 tokens, 1 out-of-vocabulary buckets, 0 specials)"
    assert "a" in vocabulary
    assert "z" not in vocabulary
