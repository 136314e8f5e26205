import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import (
    BytePairTokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    JamoTokenizer,
    Tokenizer,
    Vocabulary,
    WordTokenizer,
)


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer(), WordTokenizer(keep_space=True)])
@given(text=st.text())
def test_nothing_is_lost_but_the_normal_form(tokenizer, text):
    assert tokenizer.join(tokenizer.split(text)) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer(), WordTokenizer()])
def test_decomposed_hangul_gives_the_same_tokens_as_composed(tokenizer):
    text = "안녕하세요, 세계!"
    assert tokenizer.split(unicodedata.normalize("NFD", text)) == tokenizer.split(text)


def test_a_hangul_syllable_is_one_character():
    assert CharacterTokenizer().split(unicodedata.normalize("NFD", "값")) == ["값"]


def test_words_are_runs_of_letters_and_marks_stand_alone():
    assert WordTokenizer().split("a_1+=b3;  나는 3.5점") == [
        *("a_1", "+", "=", "b3", ";", "나는", "3", ".", "5점")
    ]


def test_combining_marks_stay_in_their_word():
    assert WordTokenizer().split("हिन्दी में") == ["हिन्दी", "में"]


def test_lowercase_folds_case_and_keeps_the_normal_form():
    tokens = WordTokenizer(lowercase=True).split("The İ end")
    assert tokens[0] == "the"
    assert all(unicodedata.is_normalized("NFC", token) for token in tokens)


def test_dropped_space_is_joined_as_single_blanks():
    tokenizer = WordTokenizer()
    assert tokenizer.join(tokenizer.split("one \n two")) == "one two"


TEXT = "안녕 Hello, 세계 hello! ㅋㅋ 🙂 x_1 = 2\n"
KINDS = [
    ByteTokenizer(specials=["<end>"]),
    CharacterTokenizer(),
    CharacterTokenizer(clusters=True),
    JamoTokenizer(),
    WordTokenizer(keep_space=True),
    WordTokenizer(lowercase=True),
    BytePairTokenizer.train(TEXT * 3, 300, specials=["<pad>", "<end>"]),
]
every_kind = pytest.mark.parametrize("tokenizer", KINDS, ids=lambda t: type(t).__name__)


def fitted(tokenizer):
    return tokenizer.fit(TEXT, oov_buckets=2) if hasattr(tokenizer, "fit") else tokenizer


@every_kind
def test_all_encode_to_ids_within_their_size(tokenizer):
    ids = fitted(tokenizer).encode(TEXT + "unseen")
    assert ids.dtype == np.int64
    assert 0 <= ids.min() <= ids.max() < fitted(tokenizer).size


@every_kind
def test_all_decode_what_they_encoded(tokenizer):
    known = fitted(tokenizer)
    text = known.decode(known.encode(TEXT))
    assert text == (TEXT if known != fitted(KINDS[5]) else " ".join(known.split(TEXT)))


@every_kind
def test_all_are_saved_and_loaded_equal(tokenizer, tmp_path):
    known = fitted(tokenizer)
    known.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded == known
    assert hash(loaded) == hash(known)
    assert type(known).load(tmp_path / "tokenizer.json") == known
    np.testing.assert_array_equal(loaded.encode(TEXT), known.encode(TEXT))


@every_kind
def test_no_text_is_no_ids(tokenizer):
    known = fitted(tokenizer)
    assert known.encode("").shape == (0,)
    assert known.decode(known.encode("")) == ""


@every_kind
@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([[0]], ValueError, r"shape \(1, 1\); expected one axis"),
        ([10_000], ValueError, "id 10000 is outside 0 … "),
        ([-1], ValueError, "id -1 is outside 0 … "),
        ([0.5], TypeError, "dtype float64; expected integers"),
    ],
)
def test_ids_of_another_vocabulary_are_refused(tokenizer, ids, error, message):
    with pytest.raises(error, match=message):
        fitted(tokenizer).decode(ids)


@pytest.mark.parametrize(
    "use", [lambda t: t.encode("a"), lambda t: t.decode([0]), lambda t: t.size]
)
def test_a_tokenizer_without_a_vocabulary_names_the_remedy(use):
    with pytest.raises(RuntimeError, match=r"WordTokenizer has no vocabulary yet.*fit\(text\)"):
        use(WordTokenizer())


def test_a_vocabulary_may_be_given():
    assert CharacterTokenizer(vocabulary=Vocabulary("helo")).encode("hello").tolist() == [
        *(0, 1, 2, 2, 3)
    ]


def test_fitting_counts_several_texts_and_leaves_the_tokenizer_as_it_was():
    plain = WordTokenizer()
    known = plain.fit(["a b", "b c"], min_count=2, specials=["<pad>"], oov_buckets=1)
    assert known.vocabulary == Vocabulary(["b"], specials=["<pad>"], oov_buckets=1)
    assert plain.vocabulary is None


def test_an_unknown_word_is_refused_or_shares_a_bucket():
    with pytest.raises(KeyError, match="'c' is not among"):
        WordTokenizer().fit("a b").encode("a c")
    assert WordTokenizer().fit("a b", oov_buckets=1).encode("a c").tolist() == [1, 0]


@given(text=st.text())
def test_jamo_lose_nothing_but_the_normal_form(text):
    tokenizer = JamoTokenizer()
    assert tokenizer.join(tokenizer.split(text)) == unicodedata.normalize("NFC", text)


def test_jamo_of_unseen_syllables_are_known():
    tokenizer = JamoTokenizer().fit("한글")
    assert tokenizer.decode(tokenizer.encode("흔")) == "흔"


def test_a_cluster_is_one_character_where_asked():
    assert CharacterTokenizer(clusters=True).split("e\u0323\u0302👍🏽") == ["ệ", "👍🏽"]


@given(text=st.text(st.characters(exclude_categories=())))
def test_bytes_lose_nothing_not_even_lone_surrogates(text):
    assert ByteTokenizer().decode(ByteTokenizer().encode(text)) == text


def test_half_a_letter_is_shown_as_such():
    assert ByteTokenizer().decode(ByteTokenizer().encode("가")[:2]) == "\ufffd"


def test_specials_stand_once_and_first():
    tokenizer = ByteTokenizer(specials=["<pad>", "<end>"])
    assert tokenizer.size == 258
    assert tokenizer.decode([1, *tokenizer.encode("a"), 0]) == "<end>a<pad>"
    with pytest.raises(ValueError, match="expected each name once"):
        ByteTokenizer(specials=["a", "a"])
