"""Files arrive whole or not at all, are compared with their record, and are made once."""

import errno
import hashlib
import io
import multiprocessing
import os
import shutil
import tarfile
import threading
from collections import namedtuple
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tinygrad_rnn.data.sources import Archive, File, Installed, SourceError, data_folder
from tinygrad_rnn.data.sources.cache import alone, checksum, drafted

CONTENT = b"one two three\n"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Shelf:
    """An origin that copies a file of this machine, and counts how often."""

    path: Path
    fetched: list = field(default_factory=list, compare=False)
    kind = "shelf"
    place = "a shelf"

    def fetch(self, archive, checksum, progress=None):
        self.fetched.append(archive)
        shutil.copy(self.path, archive)


@dataclass(frozen=True)
class Broken(Shelf):
    """An origin that fails half-way."""

    error: BaseException | None = None

    def fetch(self, archive, checksum, progress=None):
        archive.write_bytes(b"half of")
        raise self.error


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "toy-1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("package/words.txt")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    return path


@pytest.fixture
def archive(packed):
    """The record of an archive with one file."""
    content = packed.read_bytes()
    files = (File("package/words.txt", len(CONTENT), sha256(CONTENT)),)
    return Archive("toy-1.0", Shelf(packed), packed.name, len(content), sha256(content), files)


def visible(root):
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def test_an_archive_leaves_its_files_and_nothing_else(archive, root):
    assert not archive.here(root)
    archive.get(root)
    assert archive.here(root)
    assert [path.name for path in archive.folder(root).iterdir()] == ["words.txt"]
    assert archive.paths(root)["words.txt"].read_bytes() == CONTENT
    assert visible(root) == ["toy-1.0"]


def test_what_is_here_is_not_fetched_again_unless_asked_for(archive, root):
    for _ in range(2):
        archive.get(root)
    assert len(archive.origin.fetched) == 1
    archive.get(root, again=True)
    assert len(archive.origin.fetched) == 2
    assert visible(root) == ["toy-1.0"]


def test_a_file_that_was_cut_is_fetched_again(archive, root):
    archive.get(root)
    archive.paths(root)["words.txt"].write_bytes(b"one")
    archive.get(root)
    archive.check(root)


def test_a_file_that_was_changed_is_found_by_checking(archive, root):
    archive.get(root)
    archive.paths(root)["words.txt"].write_bytes(CONTENT[::-1])
    with pytest.raises(SourceError, match=r"words.txt is damaged .*`tg data get --again`$"):
        archive.check(root)


def test_an_archive_with_another_checksum_is_not_kept(archive, root):
    with pytest.raises(SourceError, match=r"the checksum of toy-1.0.tgz is not the recorded one"):
        replace(archive, sha256=sha256(b"")).get(root)
    assert visible(root) == []


def test_a_file_with_another_checksum_is_not_kept(archive, root):
    with pytest.raises(SourceError, match="its checksum is not the recorded one"):
        replace(archive, files=(File("package/words.txt", 14, sha256(b"")),)).get(root)
    assert visible(root) == []


def test_a_file_may_stand_for_itself(packed, root):
    content = packed.read_bytes()
    files = (File(packed.name, len(content), sha256(content)),)
    Archive("toy", Shelf(packed), packed.name, None, None, files).get(root)
    assert (root / "toy" / packed.name).read_bytes() == content


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SourceError("no"), OSError("odd")])
def test_a_fetch_that_breaks_off_leaves_nothing(archive, packed, root, error):
    with pytest.raises(type(error)):
        replace(archive, origin=Broken(packed, error=error)).get(root)
    assert visible(root) == []
    assert [path.name for path in root.iterdir()] == [".toy-1.0.lock"]


def test_what_a_killed_process_left_is_swept_away(archive, root):
    left = root / ".toy-1.0.draft" / "half"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    archive.get(root)
    assert visible(root) == ["toy-1.0"]
    assert not left.parent.exists()


def test_a_breakdown_while_replacing_keeps_the_former_files(archive, packed, root):
    archive.get(root)
    with pytest.raises(SourceError, match="later"):
        replace(archive, origin=Broken(packed, error=SourceError("later"))).get(root, again=True)
    archive.check(root)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_to_do(archive, packed, root, code):
    full = Broken(packed, error=OSError(code, os.strerror(code)))
    with pytest.raises(SourceError, match=r"no space is left in .*free some, or set TINYGRAD_RNN_"):
        replace(archive, origin=full).get(root)
    assert visible(root) == []


def test_what_would_not_fit_is_not_begun(archive, root, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1_000_000))
    with pytest.raises(SourceError, match=r"3.0 MB are needed in .* and 1.0 MB are free"):
        replace(archive, size=3_000_000).get(root)
    assert archive.origin.fetched == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(archive, packed, root, code):
    closed = Broken(packed, error=OSError(code, os.strerror(code)))
    with pytest.raises(SourceError, match=r"root cannot be written .*or name one with folder="):
        replace(archive, origin=closed).get(root)


def test_a_file_where_the_folder_should_be_is_told_of(archive, tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(SourceError, match="cannot be written"):
            archive.get(root)


@pytest.fixture
def unsigned(packed):
    """The record of a file whose publisher states no checksum."""
    files = (File("package/words.txt"),)
    return Archive("toy", Shelf(packed), packed.name, None, None, files)


def test_a_checksum_that_nobody_states_is_written_down_at_first(unsigned, root):
    unsigned.get(root)
    assert (root / "toy.sha256").read_text() == f"{sha256(CONTENT)}  words.txt\n"
    unsigned.check(root)
    unsigned.paths(root)["words.txt"].write_bytes(b"changed")
    with pytest.raises(SourceError, match=r"if its publisher has changed it .* delete toy.sha256"):
        unsigned.check(root)


def test_a_later_download_must_be_what_the_first_was(unsigned, packed, root, tmp_path):
    unsigned.get(root)
    other = tmp_path / "other.tgz"
    with tarfile.open(other, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/words.txt"), io.BytesIO())
    with pytest.raises(SourceError, match=r"delete toy.sha256 first"):
        replace(unsigned, origin=Shelf(other)).get(root, again=True)
    unsigned.check(root)


def test_two_threads_fetch_once(archive, root):
    started = threading.Barrier(4)

    def get():
        started.wait()
        archive.get(root)

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(archive.origin.fetched) == 1
    archive.check(root)


def count_under_lock(path, times):
    for _ in range(times):
        with alone(path):
            path.write_text(str(int(path.read_text()) + 1))


def test_processes_take_turns(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_under_lock, args=(path, 200)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert path.read_text() == "400"


def hold_and_die(path):
    with alone(path), drafted(path) as draft:
        (draft / "half").write_text("half")
        os._exit(9)


def test_a_process_that_dies_gives_its_lock_back_and_leaves_nothing_visible(tmp_path):
    path = tmp_path / "toy"
    process = multiprocessing.get_context("spawn").Process(target=hold_and_die, args=(path,))
    process.start()
    process.join()
    assert visible(tmp_path) == []
    with alone(path), drafted(path) as draft:
        assert list(draft.iterdir()) == []
    assert visible(tmp_path) == ["toy"]


def test_the_checksum_of_a_folder_is_that_of_its_listing(tmp_path):
    (tmp_path / "b").write_bytes(b"B")
    (tmp_path / "a").write_bytes(b"A")
    listing = f"{sha256(b'A')}  a\n{sha256(b'B')}  b\n"
    assert checksum(tmp_path) == sha256(listing.encode())


def test_the_folder_is_the_one_given_or_set_or_the_platforms(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_RNN_DATA", str(tmp_path / "set"))
    assert data_folder(tmp_path / "given") == tmp_path / "given"
    assert data_folder() == tmp_path / "set"
    monkeypatch.delenv("TINYGRAD_RNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    assert data_folder() == tmp_path / "cache" / "tinygrad_rnn" / "data"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "darwin")
    assert data_folder() == tmp_path / "Library" / "Caches" / "tinygrad_rnn" / "data"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert data_folder() == tmp_path / "local" / "tinygrad_rnn" / "data"


def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path):
    place = Installed("toy-data", "1.0", "toy_data_", (File("a.csv"),))
    assert not place.here(tmp_path)
    with pytest.raises(
        ModuleNotFoundError, match=r'toy-data: .*pip install "tinygrad-rnn\[book\]"'
    ):
        place.get(tmp_path)


def test_a_package_with_other_files_is_told_of(tmp_path):
    place = Installed("numpy", "0.1", "numpy", (File("__init__.py", 1, sha256(b"")),))
    with pytest.raises(SourceError, match=r"__init__.py of numpy .* was measured, of 0.1: install"):
        place.check(tmp_path)
    with pytest.raises(SourceError, match=r"numpy lacks absent.csv: install numpy 0.1"):
        replace(place, files=(File("absent.csv"),)).get(tmp_path)
