r"""The sources, one record each.

Numbers of rows were counted in the files, except where a record says that they are as published.
"""

import difflib

from tinygrad_rnn.data.sources import archives, documents, pictures, series, texts, vectors
from tinygrad_rnn.data.sources.places import Standard
from tinygrad_rnn.data.sources.records import Source
from tinygrad_rnn.data.sources.unpacking import File

__all__ = ["SOURCES", "source"]

TEXT = {"text": "one text, its characters the rows"}
DOCUMENT = {"text": "lower case, letters and single spaces only", "topic": "its one topic"}
NOAA = "US National Oceanic and Atmospheric Administration, by way of vega_datasets."
NORMALS = (
    "Climate normals, means over 1981 to 2010 laid out as one year: smoother than any weather. "
    "One hour of 14 March is missing."
)
LEWIS = "D. D. Lewis. Reuters-21578 Text Categorization Test Collection, Distribution 1.0, 1997."
CARDOSO = (
    "A. Cardoso-Cachopo. Improving Methods for Single-label Text Categorization. PhD thesis, "
    "Instituto Superior Técnico, 2007."
)


SOURCES: tuple[Source, ...] = (
    Source(
        name="python-docs",
        title="Documentation of Python, as help() prints it",
        licence="PSF-2.0",
        citation="Python Software Foundation. The Python Language Reference.",
        places=(Standard((File("pydoc_data/topics.py"),)),),
        columns=TEXT,
        rows={"all": None},
        reader=lambda files, part: texts.python_docs(),
        note="Changes with Python's version: quote the checksum.",
    ),
    Source(
        name="python-builtins",
        title="Docstrings of Python's builtins",
        licence="PSF-2.0",
        citation="Python Software Foundation. Docstrings of the builtins.",
        places=(Standard(),),
        columns=TEXT,
        rows={"all": None},
        reader=lambda files, part: texts.builtin_docstrings(),
        note="Changes with Python's version: quote the checksum.",
    ),
    Source(
        name="python-sources",
        title="Code of Python's standard library",
        licence="PSF-2.0",
        citation="Python Software Foundation. The standard library, source code.",
        places=(Standard(),),
        columns=TEXT,
        rows={"all": None},
        reader=lambda files, part: texts.python_sources(),
        note="Changes with Python's version: quote the checksum.",
    ),
    Source(
        name="python-tokens",
        title="Lines of Python's standard library as tagged tokens",
        licence="PSF-2.0",
        citation="Python Software Foundation. The standard library and its module tokenize.",
        places=(Standard(),),
        columns={
            "tokens": "a logical line's tokens",
            "tags": "KEYWORD, NAME, OP, NUMBER, STRING or COMMENT, one for each token",
        },
        rows={"all": 20_000},
        reader=lambda files, part: texts.python_tokens(),
        note="Lines change with Python's version; python_tokens(lines) gives more.",
    ),
    Source(
        name="seattle-temperatures",
        title="Hourly temperatures in Seattle, a normal year",
        licence="BSD-3-Clause",
        citation=NOAA,
        places=(archives.SEATTLE_TEMPERATURES,),
        columns={"time": "hour, local time, datetime64", "temperature": "°F, float32"},
        rows={"all": 8759},
        reader=series.read_temperatures,
        note=NORMALS,
    ),
    Source(
        name="san-francisco-temperatures",
        title="Hourly temperatures in San Francisco, a normal year",
        licence="BSD-3-Clause",
        citation=NOAA,
        places=(archives.SAN_FRANCISCO_TEMPERATURES,),
        columns={"time": "hour, local time, datetime64", "temperature": "°F, float32"},
        rows={"all": 8759},
        reader=series.read_temperatures,
        note=NORMALS,
    ),
    Source(
        name="seattle-weather",
        title="Daily weather in Seattle, 2012 to 2015",
        licence="BSD-3-Clause",
        citation=NOAA,
        places=(archives.SEATTLE_WEATHER,),
        columns={
            "time": "day, datetime64",
            "precipitation": "mm, float32",
            "temperature_maximum": "°C, float32",
            "temperature_minimum": "°C, float32",
            "wind": "m/s, float32",
            "weather": "drizzle, fog, rain, snow or sun",
        },
        rows={"all": 1461},
        reader=series.read_weather,
    ),
    Source(
        name="victoria-demand",
        title="Half-hourly demand for electricity with temperature, Victoria, 2014",
        licence="GPL-3.0-only",
        citation=(
            "Australian Energy Market Operator and Bureau of Meteorology (site 086071), as "
            "elecdemand in R. J. Hyndman. fpp2: Data for Forecasting: Principles and Practice."
        ),
        places=(archives.VICTORIA_DEMAND,),
        columns={
            "time": "half-hour from the start of 2014, datetime64",
            "demand": "GW, float32",
            "temperature": "°C in Melbourne, float32",
            "workday": "whether it is a working day, bool",
        },
        rows={"all": 17520},
        reader=series.read_demand,
    ),
    Source(
        name="digits",
        title="Handwritten digits, 8 × 8 points",
        licence="CC-BY-4.0",
        citation=(
            "E. Alpaydin, C. Kaynak. Optical Recognition of Handwritten Digits. UCI Machine "
            "Learning Repository, 1998. doi:10.24432/C50P49"
        ),
        places=(archives.DIGITS,),
        columns={"image": "(8, 8) uint8, 0 white to 16", "label": "0 to 9, uint8"},
        rows={"all": 1797},
        reader=pictures.read_digits,
    ),
    Source(
        name="movie-snippets",
        title="Sentences of film reviews with scores",
        licence="MIT",
        citation=(
            "C. J. Hutto, E. Gilbert. VADER: A Parsimonious Rule-based Model for Sentiment "
            "Analysis of Social Media Text. ICWSM 2014; sentences of B. Pang, L. Lee. ACL 2004."
        ),
        places=(archives.SNIPPETS,),
        columns={
            "text": "a sentence",
            "score": "mean of at least 20 judgements, -4 bad to 4 good, float32",
        },
        rows={"all": 10605},
        reader=documents.read_snippets,
    ),
    Source(
        name="reuters-21578",
        title="Newswire of 1987, with any number of topics",
        licence="LicenseRef-Reuters-21578",
        citation=LEWIS,
        places=(archives.REUTERS,),
        columns={
            "title": "empty if it has none",
            "body": "empty if it has none, as of 2,535",
            "topics": "list of topics, empty for 10,211",
            "places": "list of places",
            "date": "as printed",
            "id": "number of the story, int64",
        },
        rows={"all": 21578},
        reader=documents.read_reuters,
        note="For research only. The official splits are not in these files.",
    ),
    Source(
        name="reuters-r8",
        title="Reuters-21578, stories with one of the 8 commonest topics",
        licence="LicenseRef-Reuters-21578",
        citation=f"{LEWIS} {CARDOSO}",
        places=(archives.REUTERS_R8,),
        columns=DOCUMENT,
        rows={"train": 5485, "test": 2189},
        reader=documents.read_tab,
        note="For research only. The archive is AGPL-3.0-or-later.",
    ),
    Source(
        name="reuters-r52",
        title="Reuters-21578, stories with one of 52 topics",
        licence="LicenseRef-Reuters-21578",
        citation=f"{LEWIS} {CARDOSO}",
        places=(archives.REUTERS_R52,),
        columns=DOCUMENT,
        rows={"train": 6532, "test": 2568},
        reader=documents.read_tab,
        note="For research only. The archive is AGPL-3.0-or-later.",
    ),
    Source(
        name="20-newsgroups",
        title="Posts to 20 newsgroups",
        licence="LicenseRef-unstated",
        citation=f"K. Lang. NewsWeeder: Learning to Filter Netnews. ICML 1995. {CARDOSO}",
        places=(archives.NEWSGROUPS,),
        columns=DOCUMENT,
        rows={"train": 11293, "test": 7528},
        reader=documents.read_tab,
        note="Its authors never stated a licence. The archive is AGPL-3.0-or-later.",
    ),
    Source(
        name="treebank-sample",
        title="English sentences with parts of speech",
        licence="CC-BY-NC-4.0",
        citation=(
            "M. P. Marcus, M. A. Marcinkiewicz, B. Santorini. Building a Large Annotated Corpus "
            "of English: The Penn Treebank. Computational Linguistics 19(2), 1993."
        ),
        places=(archives.TREEBANK,),
        columns={
            "tokens": "a sentence cut at white space, marks still on the words",
            "tags": "Penn Treebank tag of each token",
        },
        rows={"all": 3914},
        reader=documents.read_tagged,
        note="A tenth of the Treebank, for non-commercial use only.",
    ),
    Source(
        name="glove-100d",
        title="GloVe word vectors, 100 dimensions",
        licence="PDDL-1.0",
        citation=(
            "J. Pennington, R. Socher, C. D. Manning. GloVe: Global Vectors for Word "
            "Representation. EMNLP 2014. doi:10.3115/v1/D14-1162"
        ),
        places=(archives.GLOVE,),
        columns={"word": "the commonest first", "vector": "(100,) float32"},
        rows={"all": 341_479},
        reader=vectors.read_glove,
        note="Reading takes some seconds and 500 MB.",
    ),
    Source(
        name="analogies",
        title="Questions a : b = c : ?",
        licence="Apache-2.0",
        citation=(
            "T. Mikolov, K. Chen, G. Corrado, J. Dean. Efficient Estimation of Word "
            "Representations in Vector Space. ICLR 2013 workshop. arXiv:1301.3781"
        ),
        places=(archives.ANALOGIES,),
        columns={
            "section": "one of 14 kinds of relation",
            "a": "a word",
            "b": "what a is to it",
            "c": "another word",
            "d": "the answer",
        },
        rows={"all": 19544},
        reader=documents.read_analogies,
        note="The archive, gensim, is LGPL-2.1-only.",
    ),
    Source(
        name="mnist",
        title="Handwritten digits, 28 × 28 points",
        licence="CC-BY-SA-3.0",
        citation=(
            "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based Learning Applied to "
            "Document Recognition. Proceedings of the IEEE 86(11), 1998. doi:10.1109/5.726791"
        ),
        places=(archives.MNIST,),
        columns={"image": "(28, 28) uint8, 0 white to 255", "label": "0 to 9, uint8"},
        rows={"train": 60_000, "test": 10_000},
        reader=pictures.read_mnist,
    ),
    Source(
        name="openmoji",
        title="Emoji as pictures, named in English and Korean",
        licence="CC-BY-SA-4.0 AND Unicode-3.0",
        citation=(
            "OpenMoji, the open-source emoji and icon project, version 17; names from the Unicode "
            "Common Locale Data Repository, version 48.2."
        ),
        places=(archives.OPENMOJI, archives.CLDR),
        columns={
            "emoji": "the character, or several that make one",
            "english": "its short name in English",
            "korean": "its short name in Korean",
            "group": "such as animals-nature",
            "subgroup": "such as animal-bird",
            "svg": "the picture, SVG as text, 72 × 72 units",
        },
        rows={"all": 1606},
        reader=pictures.read_openmoji,
        note="Without skin tones and most flags, for which the annotations give no name.",
    ),
    Source(
        name="imdb",
        title="Film reviews, praise or blame, as numbers of words",
        licence="LicenseRef-unstated",
        citation=(
            "A. L. Maas et al. Learning Word Vectors for Sentiment Analysis. ACL 2011; numbered "
            "by the Keras project."
        ),
        places=(archives.IMDB, archives.IMDB_WORDS),
        columns={
            "ids": "numbers of a review's words, int32; 1 is the commonest word",
            "label": "1 praise, 0 blame, int64",
            "word": "(words) a word",
            "id": "(words) its number",
        },
        rows={"train": 25_000, "test": 25_000, "words": None},
        reader=documents.read_imdb,
        measured=False,
    ),
    Source(
        name="keras-reuters",
        title="Newswire with one of 46 topics, as numbers of words",
        licence="LicenseRef-Reuters-21578",
        citation=f"{LEWIS} Numbered by the Keras project.",
        places=(archives.KERAS_REUTERS, archives.KERAS_REUTERS_WORDS),
        columns={
            "ids": "numbers of a story's words, int32; 1 is the commonest word",
            "label": "0 to 45, int64",
            "word": "(words) a word",
            "id": "(words) its number",
        },
        rows={"all": 11_228, "words": None},
        reader=documents.read_numbered_reuters,
        measured=False,
        note="For research only. No split: Keras draws one.",
    ),
    Source(
        name="jena-climate",
        title="Weather in Jena every ten minutes, 2009 to 2016",
        licence="LicenseRef-unstated",
        citation="Max Planck Institute for Biogeochemistry, Jena; gathered by F. Chollet.",
        places=(archives.JENA,),
        columns={
            "time": "local time, datetime64",
            **{
                name: f"{heading.partition('(')[2].rstrip(')')}, float32"
                for name, heading in series.JENA.items()
            },
        },
        rows={"all": 420_551},
        reader=series.read_jena_climate,
        measured=False,
        note="Some times stand twice or are missing; wind of -9999 m/s means none was measured.",
    ),
    Source(
        name="household-power",
        title="Electric power that one household draws, every minute, 2006 to 2010",
        licence="CC-BY-4.0",
        citation=(
            "G. Hebrail, A. Berard. Individual Household Electric Power Consumption. UCI Machine "
            "Learning Repository, 2006. doi:10.24432/C58K54"
        ),
        places=(archives.POWER,),
        columns={
            "time": "minute, local time, datetime64",
            "active_power": "kW, float32",
            "reactive_power": "kvar, float32",
            "voltage": "V, float32",
            "current": "A, float32",
            "kitchen": "Wh in that minute, float32",
            "laundry": "Wh in that minute, float32",
            "water_and_air": "Wh in that minute, float32",
        },
        rows={"all": 2_075_259},
        reader=series.read_power,
        measured=False,
        note="NaN in about 1.25 % of the rows.",
    ),
    Source(
        name="tiny-shakespeare",
        title="Plays of Shakespeare, one text",
        licence="LicenseRef-public-domain",
        citation="William Shakespeare; gathered by A. Karpathy, char-rnn, 2015.",
        places=(archives.SHAKESPEARE,),
        columns=TEXT,
        rows={"all": 1_115_394},
        reader=documents.read_shakespeare,
    ),
)


def source(name: str) -> Source:
    """The source of a name.

    Args:
        name: As in the table of sources, for instance "mnist".

    Raises:
        LookupError: If there is none of that name; says which there are.

    Example:
        >>> temperatures = source("seattle-temperatures")
        >>> temperatures.licence, temperatures.columns["temperature"]
        ('BSD-3-Clause', '°F, float32')
        >>> source("minst")
        Traceback (most recent call last):
        LookupError: there is no source 'minst': did you mean mnist?
    """
    for each in SOURCES:
        if each.name == name:
            return each
    close = difflib.get_close_matches(name, [each.name for each in SOURCES])
    meant = " or ".join(close) or ", ".join(each.name for each in SOURCES)
    raise LookupError(f"there is no source {name!r}: did you mean {meant}?")
