import hashlib
import sys
import unicodedata

import pytest

from tinygrad_rnn.data import builtin_docstrings, python_docs


@pytest.fixture(scope="module")
def docs():
    return python_docs()


def test_the_docs_state_name_licence_and_citation(docs):
    assert docs.name == "python-docs"
    assert docs.licence == "PSF-2.0"
    assert "Python Software Foundation" in docs.citation
    assert docs.sha256 == hashlib.sha256(docs.text.encode()).hexdigest()
    assert docs.sha256[:12] in repr(docs)


def test_the_docs_are_the_same_each_time_and_normalised(docs):
    assert python_docs() == docs
    assert unicodedata.is_normalized("NFC", docs.text)


def test_no_long_paragraph_of_the_docs_stands_twice(docs):
    paragraphs = [" ".join(p.split()) for p in docs.text.split("\n\n")]
    long = [p for p in paragraphs if len(p) > 20]
    assert len(long) == len(set(long))


def test_the_docs_keep_each_topic_once(docs):
    assert docs.text.count('The "while" statement is used for repeated execution') == 1


def test_without_pydoc_data_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ModuleNotFoundError, match=r"full standard library, or .*builtin_docstr"):
        python_docs()


def test_the_docstrings_of_builtins_are_always_there():
    source = builtin_docstrings()
    assert len(source.text) > 20_000
    assert source == builtin_docstrings()
    assert source.licence == "PSF-2.0"
