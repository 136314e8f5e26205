import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import CharacterTokenizer, WordTokenizer


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
