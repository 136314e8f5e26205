import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.data import from_jamo, graphemes, to_jamo

# Everything that Unicode's arithmetic of Hangul knows, and neighbours of it.
hangul = st.text(
    st.characters(min_codepoint=0x1100, max_codepoint=0x11FF)
    | st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
    | st.sampled_from("가각ㅋ a")
)


@given(hangul)
def test_on_hangul_the_two_are_unicodes_normal_forms(text):
    assert to_jamo(text) == unicodedata.normalize("NFD", text)
    assert from_jamo(text) == unicodedata.normalize("NFC", text)


@given(hangul | st.text())
def test_composing_undoes_taking_apart_and_the_other_way_round(text):
    normal = unicodedata.normalize("NFC", text)
    assert from_jamo(to_jamo(normal)) == normal
    assert to_jamo(from_jamo(text)) == to_jamo(text)


def test_every_syllable_is_computed_as_unicode_does():
    syllables = "".join(map(chr, range(0xAC00, 0xD7A4)))
    assert to_jamo(syllables) == unicodedata.normalize("NFD", syllables)
    assert from_jamo(to_jamo(syllables)) == syllables


def test_letters_of_the_keyboard_stay():
    assert to_jamo("ㅋㅋ é") == "ㅋㅋ é"


@given(st.text() | hangul)
def test_clusters_joined_are_the_text(text):
    clusters = graphemes(text)
    assert "".join(clusters) == text
    assert all(clusters)


@given(hangul)
def test_a_syllable_is_one_cluster_however_it_is_written(text):
    assert len(graphemes(to_jamo(text))) == len(graphemes(from_jamo(text)))


CLUSTERS = [
    "e\u0301",
    "한",
    "\u1112\u1161\u11ab",
    "नि",
    "กำ",
    "👍🏽",
    "👨‍👩‍👧‍👦",
    "🇰🇷",
    "❤️",
    "❤️‍🔥",
    "1️⃣",
    "\r\n",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "ｶﾞ",
]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_readers_see_as_one_is_one(cluster):
    assert graphemes(cluster) == [cluster]
    assert graphemes(f"a{cluster}b") == ["a", cluster, "b"]
    assert graphemes(cluster * 2) == [cluster, cluster]


@pytest.mark.parametrize("text", ["ab", "한글", "\n\r", "🇰🇷🇰", "👍👍", "\r\u0301", "\u1112a"])
def test_what_readers_see_as_two_is_two(text):
    assert len(graphemes(text)) == 2


def test_clusters_are_those_of_the_unicode_tables():
    regex = pytest.importorskip("regex")
    text = "".join(CLUSTERS) + "naïve Ωμέγα 값비싼 の 𝒳 \t\n\u200b\u00ad a\u200db ﷺ 👩🏽‍🚀x"
    assert graphemes(text) == regex.findall(r"\X", text)
