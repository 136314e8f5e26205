# %% [markdown]
# # Gallery
#
# What can sixty lines do?

# %%
import runpy
from pathlib import Path
from typing import NamedTuple

from tinygrad_rnn.book import Chapter, Within
from tinygrad_rnn.book.record import Source
from tinygrad_rnn.data import source
from tinygrad_rnn.train.blas import blas_threads

GALLERY = Path(__file__).with_name("gallery")


class Exhibit(NamedTuple):
    """What a program claims, what its picture shows, and which data it reads."""

    claim: str
    alt: str
    caption: str
    data: list[Source]
    unit: str = ""  # a share of right answers has none
    more: bool = False  # whether more of the unit is better; of an error, less is


def cited(*names):
    """What the reproduction card says of the sources of these names."""
    found = [source(name) for name in names]
    return [Source(each.title, each.licence, each.citation) for each in found]


# %%
PETS = Source(
    "Names of pets in Seattle, 2003 to 2018",
    "GPL-3.0-only",
    "City of Seattle, Open Data Portal, as seattlepets in M. Çetinkaya-Rundel et al. openintro: "
    "Datasets and Supplemental Functions from OpenIntro Textbooks.",
)
EXHIBITS = {
    "characters": Exhibit(
        claim="A GRU foresees Python's source better than a table of three characters.",
        alt="Two functions of the standard library, each character on ink as dark as it was "
        "surprising. Names and the beginnings of words are dark, the ends of words are light.",
        caption="The model is surprised where a name or a word begins, and seldom later on.",
        data=cited("python-sources"),
        unit="bits",
    ),
    "names": Exhibit(
        claim="A GRU foresees the letters of new names better than a table of pairs.",
        alt="The letters from a to z as points on a plane. The vowels and y are above, the "
        "consonants below.",
        caption="The two widest directions of the letters' vectors. Nobody told the network which "
        "letters are vowels.",
        data=[PETS],
        unit="bits",
    ),
    "sentiment": Exhibit(
        claim="A GRU is right about more sentences than TF-IDF with logistic regression.",
        alt="Six sentences about films. Words of praise are on blue ink, words of blame on ochre.",
        caption="The three sentences that it finds worst and the three that it finds best, every "
        "word on the rating that it gets.",
        data=cited("movie-snippets"),
    ),
    "tagger": Exhibit(
        claim="A GRU tags more words right than each word's usual tag does.",
        alt="Endings of words as points on a plane: articles on one side, prepositions on another, "
        "plurals together, and endings of past tenses together.",
        caption="The two widest directions of the endings' vectors: what has the same part of "
        "speech lies together.",
        data=cited("treebank-sample"),
    ),
    "topics": Exhibit(
        claim="A GRU has a better macro-F1 than TF-IDF with logistic regression as it comes.",
        alt="A table of eight true topics and eight predicted ones. Nine in ten are on its "
        "diagonal; interest is taken for money-fx most often.",
        caption="What is taken for what. Stories on interest rates and on money markets share "
        "their words.",
        data=cited("reuters-r8"),
    ),
    "captioner": Exhibit(
        claim="A network names more numbers right than their nearest pictures do.",
        alt="Four handwritten numbers of three digits, side by side, and above each its name in "
        "Korean letters.",
        caption="Four numbers by hands that it had not seen, and what it calls them.",
        data=cited("digits"),
    ),
    "translator": Exhibit(
        claim="An encoder and a decoder with attention translate names better than the most "
        "similar name does.",
        alt="A table of English words and the Korean letters written for them. Each letter's ink "
        "lies on the word that it comes from.",
        caption="Where the decoder looks while it writes a letter.",
        data=cited("openmoji"),
        unit="chrF",
        more=True,
    ),
    "demand": Exhibit(
        claim="A GRU forecasts tomorrow's demand better than yesterday and last week do.",
        alt="Two days of demand: one observed, one forecast as a median with bands of 50 and 90 "
        "percent. What came lies inside the wider band nearly everywhere, far from the day before.",
        caption="A cool day after a hot one, and how sure the network was.",
        data=cited("victoria-demand"),
        unit="MASE",
    ),
    "weather": Exhibit(
        claim="A GRU forecasts the next three days better than today and a normal year do.",
        alt="Mean errors from one to seven days ahead. As today: from about two degrees to nearly "
        "four. As in a normal year: three throughout. The GRU is below both.",
        caption="On the first day the network is about as good as today's weather, at the end as "
        "the season. In between it gains the most.",
        data=cited("seattle-weather"),
        unit="°C",
    ),
    "video": Exhibit(
        claim="A network that remembers the frames before says better where a digit goes.",
        alt="Twelve frames, side by side, of a two that wanders, under an arrow that points "
        "where it went; over the first is a question mark.",
        caption="A film that it had not seen, and its answer at each frame. Of the first frame "
        "nobody can know.",
        data=cited("digits"),
    ),
}

chapter = Chapter(
    "gallery",
    title="Gallery",
    question="What can sixty lines do?",
    prerequisites=[5],
    data=list({each.name: each for exhibit in EXHIBITS.values() for each in exhibit.data}.values()),
)

# %%
for name, exhibit in EXHIBITS.items():
    with chapter.output(f"{name}_output", exact=False), blas_threads(1):
        program = runpy.run_path(str(GALLERY / f"{name}.py"), run_name="__main__")
    score, baseline, unit = program["score"], program["baseline"], exhibit.unit
    chapter.metric(f"{name}_score", score, band=Within(relative=0.15), unit=unit)
    chapter.metric(f"{name}_baseline", baseline, band=Within(relative=0.15), unit=unit)
    picture = program["figure"]
    chapter.figure(
        f"{name}_figure",
        lambda data, picture=picture: picture,
        alt=exhibit.alt,
        caption=exhibit.caption,
        exact=False,
    )
    better = score > baseline if exhibit.more or not unit else score < baseline
    chapter.claim(exhibit.claim, holds=better, measured=score, unit=unit)
