import sys

import pytest

from tinygrad_rnn.decode import bleu, chrf

CAT = "the cat sat on the mat ."


@pytest.fixture
def _sacrebleu():
    pytest.importorskip("sacrebleu")


@pytest.mark.usefixtures("_sacrebleu")
@pytest.mark.parametrize("metric", [bleu, chrf])
def test_a_copy_of_a_reference_scores_100_and_other_words_nothing(metric):
    assert metric([CAT], [CAT]).value == pytest.approx(100)
    assert metric([CAT, CAT], [["a dog", CAT], CAT]).value == pytest.approx(100)
    assert metric(["xyzzy"], [CAT]).value == pytest.approx(0)


@pytest.mark.usefixtures("_sacrebleu")
def test_bleu_is_the_geometric_mean_of_the_precisions():
    """Of 7, 6, 5 and 4 in a row, 6, 4, 2 and 1 are in the reference; it is as long."""
    found = bleu(["the cat sat on a mat ."], [CAT])
    assert found.value == pytest.approx(100 * (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25)
    assert "nrefs:1|case:mixed" in found.signature


@pytest.mark.usefixtures("_sacrebleu")
def test_options_are_passed_on_and_signed():
    assert bleu(["고양이"], ["고양이"], tokenize="char").signature.count("tok:char") == 1
    assert bleu(["The Cat sat on it"], ["the cat sat on it"], lowercase=True).value > 99
    assert "nw:2" in chrf([CAT], [CAT], word_order=2).signature


@pytest.mark.usefixtures("_sacrebleu")
@pytest.mark.parametrize(
    ("translations", "references", "message"),
    [
        ([], [], "got 0 translations and 0 references"),
        ([CAT], [CAT, CAT], "got 1 translations and 2 references; expected a list"),
        (CAT, CAT, "expected a list of translations"),
        ([CAT], [[]], "a translation has no reference"),
    ],
)
def test_what_cannot_be_compared_is_explained(translations, references, message):
    with pytest.raises(ValueError, match=message):
        bleu(translations, references)


@pytest.mark.parametrize("metric", [bleu, chrf])
def test_without_sacrebleu_it_is_said_what_to_install(metric, monkeypatch):
    for name in ("sacrebleu", "sacrebleu.metrics"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"need sacreBLEU: .*pip install"):
        metric([CAT], [CAT])
