r"""How near translations are to those of people: BLEU and chrF, as sacreBLEU computes them.

BLEU counts words and sequences of up to four that a translation shares with a reference, chrF
sequences of up to six characters, which suits languages that inflect. Both are 100 for a copy of a
reference. A score is comparable only with one of the same signature, so it carries its own.

Source: Papineni et al. (2002), BLEU; Popović (2015), chrF; Post (2018), arXiv:1804.08771, on why
there should be one implementation.

Example:
    >>> bleu(["the cat sat on the mat"], ["the cat sat on a mat"])  # doctest: +SKIP
    CorpusScore(value=53.7..., signature='nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:…')
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CorpusScore", "bleu", "chrf"]

References = Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class CorpusScore:
    """A score of many sentences together.

    Attributes:
        value: From 0 to 100.
        signature: How it was computed; two scores compare only if these agree.
    """

    value: float
    signature: str


def bleu(
    translations: Sequence[str],
    references: References,
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
) -> CorpusScore:
    """BLEU of a corpus.

    Args:
        translations: Plain text, not tokenized.
        references: For each translation the text it should be, or several that it may be.
        tokenize: How sacreBLEU finds words: "13a" at spaces and punctuation, "char" takes each
            character for one, "zh", "ja-mecab" and "ko-mecab" are for their languages.
        lowercase: Whether case does not count.

    Raises:
        ImportError: If sacreBLEU is not installed.
        ValueError: If there are no translations, or not a reference for each.
    """
    metric = sacrebleu().BLEU(tokenize=tokenize, lowercase=lowercase)
    return scored(metric, translations, references)


def chrf(
    translations: Sequence[str], references: References, *, word_order: int = 0
) -> CorpusScore:
    """ChrF of a corpus; chrF++ with `word_order=2`.

    Args:
        translations: Plain text.
        references: For each translation the text it should be, or several that it may be.
        word_order: Up to how many words in a row count as well.

    Raises:
        ImportError: If sacreBLEU is not installed.
        ValueError: If there are no translations, or not a reference for each.
    """
    return scored(sacrebleu().CHRF(word_order=word_order), translations, references)


def scored(metric: Any, translations: Sequence[str], references: References) -> CorpusScore:
    """The score of a corpus by one of sacreBLEU's metrics."""
    if isinstance(translations, str) or not translations or len(translations) != len(references):
        raise ValueError(
            f"got {len(translations)} translations and {len(references)} references; expected a "
            "list of translations and as many references, each a text or a list of texts"
        )
    several = [[given] if isinstance(given, str) else [*given] for given in references]
    if not all(several):
        raise ValueError("a translation has no reference; expected at least one for each")
    # sacreBLEU wants the first references of all, then the second of all, None where there is none.
    most = max(map(len, several))
    streams = [[texts[k] if k < len(texts) else None for texts in several] for k in range(most)]
    result = metric.corpus_score([*translations], streams)
    return CorpusScore(result.score, str(metric.get_signature()))


def sacrebleu() -> Any:
    """The metrics of sacreBLEU, imported when they are first wanted.

    Raises:
        ImportError: If it is not installed, with what to do.
    """
    try:
        import sacrebleu.metrics
    except ImportError as error:
        raise ImportError(
            'BLEU and chrF need sacreBLEU: python -m pip install "tinygrad-rnn[dev]", or sacrebleu'
        ) from error
    return sacrebleu.metrics
