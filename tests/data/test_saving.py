"""Files that say what they are, as tokenizers and scalers write them."""

import json

import pytest

from tinygrad_rnn.data import (
    BytePairTokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    StandardScaler,
    Tokenizer,
    WordTokenizer,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it.json"


def rewrite(path, **changes):
    document = json.loads(path.read_text("utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not ...}), "utf-8")


def test_a_file_says_what_it_is(path):
    ByteTokenizer().save(path)
    assert json.loads(path.read_text("utf-8")) == {
        "format": "tinygrad_rnn tokenizer",
        "version": 1,
        "kind": "ByteTokenizer",
        "specials": [],
    }


@pytest.mark.parametrize("content", [b"{", b"\xff", b"", b"[1]", b'"text"', b'{"kind": "x"}'])
def test_a_wrong_file_is_refused_by_name(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"it\.json is not a tokenizer's JSON file"):
        Tokenizer.load(path)


def test_a_file_of_another_family_is_refused(path):
    StandardScaler().fit([1.0, 2.0]).save(path)
    with pytest.raises(ValueError, match=r"got the format 'tinygrad_rnn scaler'; expected .*token"):
        Tokenizer.load(path)


def test_a_file_of_another_kind_is_refused(path):
    WordTokenizer().fit("a b").save(path)
    with pytest.raises(
        ValueError, match=r"it\.json: got the state of a WordTokenizer; expected CharacterTokenizer"
    ):
        CharacterTokenizer.load(path)


@pytest.mark.parametrize("version", [2, None, "1"])
def test_a_file_of_another_version_is_refused(version, path):
    ByteTokenizer().save(path)
    rewrite(path, version=version)
    with pytest.raises(ValueError, match=r"version .* and this tinygrad_rnn reads version 1"):
        Tokenizer.load(path)


@pytest.mark.parametrize(
    ("tokenizer", "changes", "message"),
    [
        (ByteTokenizer(), {"kind": "Abacus"}, "got the state of a Abacus; expected .* or "),
        (ByteTokenizer(), {"kind": "Tokenizer"}, "got the state of a Tokenizer; expected Byte"),
        (ByteTokenizer(), {"specials": ...}, "has specials fields; got none"),
        (ByteTokenizer(), {"more": 1}, "has specials fields; got more, specials"),
        (ByteTokenizer(), {"specials": 3}, "state of a ByteTokenizer is damaged"),
        (BytePairTokenizer(), {"merges": [[1, 999]]}, "merge 0 is of the tokens 1 and 999"),
        (BytePairTokenizer(), {"merges": [1]}, "state of a BytePairTokenizer is damaged"),
        (WordTokenizer().fit("a"), {"vocabulary": 1}, "state of a WordTokenizer is damaged"),
        (WordTokenizer().fit("a"), {"vocabulary": {}}, "a saved vocabulary lacks oov_buckets"),
    ],
)
def test_a_damaged_file_is_explained(tokenizer, changes, message, path):
    tokenizer.save(path)
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=message) as error:
        Tokenizer.load(path)
    assert "it.json" in str(error.value)


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    ByteTokenizer().save(path)
    old = path.read_bytes()

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        ByteTokenizer(["<end>"]).save(path)
    assert path.read_bytes() == old


def test_a_file_that_is_not_there_is_said_so(path):
    with pytest.raises(FileNotFoundError, match=r"it\.json"):
        Tokenizer.load(path)
