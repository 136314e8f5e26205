"""Archives are strangers: what is asked for comes out, and nothing else happens."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from tinygrad_rnn.data.sources import SourceError, unpacking
from tinygrad_rnn.data.sources.unpacking import File, unpack


def tarred(path, *entries):
    """A gzipped tar archive of (name, content) and of ready-made (TarInfo, content)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def folder(tmp_path):
    """An empty folder with neighbours that must stay as they are."""
    (tmp_path / "victim.txt").write_text("safe")
    inner = tmp_path / "inner"
    inner.mkdir()
    return inner


@pytest.fixture(params=[tarred, zipped], ids=["tar", "zip"])
def packed(request, tmp_path):
    """Make an archive of either kind."""
    return lambda *entries: request.param(tmp_path / "archive", *entries)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_only_what_is_asked_for_comes_out(packed, folder):
    archive = packed(("p/a.txt", b"A"), ("p/b.txt", b"B"))
    unpack(archive, [File("p/b.txt", saved_as="named.txt")], folder)
    assert contents(folder) == {"named.txt": b"B"}


def test_a_folder_of_files_comes_out_as_one(packed, folder):
    archive = packed(("p/svg/a.svg", b"A"), ("p/svg/b.svg", b"B"), ("p/c.txt", b"C"))
    unpack(archive, [File("p/svg/")], folder)
    assert contents(folder) == {"svg/a.svg": b"A", "svg/b.svg": b"B"}


def test_an_archive_in_an_archive_is_opened(tmp_path, folder):
    inner = tarred(tmp_path / "inner.tgz", ("x/data.txt", b"deep")).read_bytes()
    outer = tarred(tmp_path / "outer.tgz", ("p/inner.tgz", inner), ("p/top.txt", b"top"))
    unpack(outer, [File("p/inner.tgz!/x/data.txt"), File("p/top.txt")], folder)
    assert contents(folder) == {"data.txt": b"deep", "top.txt": b"top"}


@pytest.mark.parametrize(
    "name",
    [
        "svg/../../victim.txt",
        "svg/..",
        "svg//etc/victim.txt",
        "svg/a/b.txt",
        "svg/..\\..\\victim.txt",
        "svg/C:victim.txt",
        "svg/a.txt:stream",
    ],
)
def test_a_name_that_leaves_its_folder_is_refused(packed, folder, name):
    with pytest.raises(SourceError, match=r"would leave the folder|is a link, a folder"):
        unpack(packed((name, b"evil")), [File("svg/")], folder)
    assert contents(folder.parent)["victim.txt"] == b"safe"
    assert contents(folder) == {}


@pytest.mark.parametrize("name", ["/etc/passwd", "../victim.txt", "..\\victim.txt", "C:\\x"])
def test_names_that_nobody_asked_for_are_passed_over(packed, folder, name):
    unpack(packed((name, b"evil"), ("a.txt", b"A")), [File("a.txt")], folder)
    assert contents(folder) == {"a.txt": b"A"}
    assert contents(folder.parent)["victim.txt"] == b"safe"


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "../victim.txt"),
        (tarfile.LNKTYPE, "../victim.txt"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.DIRTYPE, ""),
    ],
    ids=["symlink", "hard link", "device", "pipe", "folder"],
)
def test_what_is_not_an_ordinary_file_is_refused(tmp_path, folder, kind, target):
    archive = tarred(tmp_path / "a.tgz", (special("a.txt", kind, target), b""))
    with pytest.raises(SourceError, match="link, a folder or a device"):
        unpack(archive, [File("a.txt")], folder)
    assert list(folder.iterdir()) == []


def test_a_symbolic_link_in_a_zip_archive_is_refused(tmp_path, folder):
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = zipped(tmp_path / "a.zip", (link, b"../victim.txt"))
    with pytest.raises(SourceError, match="link, a folder or a device"):
        unpack(archive, [File("a.txt")], folder)


def test_a_link_first_and_a_file_through_it_second_does_not_write_through(tmp_path, folder):
    archive = tarred(
        tmp_path / "a.tgz",
        (special("svg", tarfile.SYMTYPE, ".."), b""),
        ("svg/victim.txt", b"evil"),
    )
    unpack(archive, [File("svg/")], folder)
    assert contents(folder) == {"svg/victim.txt": b"evil"}
    assert contents(folder.parent)["victim.txt"] == b"safe"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_stands_twice_is_refused(packed, folder):
    with pytest.raises(SourceError, match="stands twice"):
        unpack(packed(("a.txt", b"good"), ("a.txt", b"evil")), [File("a.txt")], folder)
    assert contents(folder) == {"a.txt": b"good"}


def test_a_file_that_is_missing_is_named(packed, folder):
    with pytest.raises(SourceError, match=r"does not contain 'b.txt': get another copy"):
        unpack(packed(("a.txt", b"A")), [File("b.txt")], folder)


@pytest.mark.parametrize("asked", ["bomb", "a.txt"], ids=["asked for", "passed over"])
def test_a_bomb_in_a_tar_archive_is_given_up(tmp_path, folder, asked, monkeypatch):
    monkeypatch.setattr(unpacking, "SLACK", 0)
    archive = tarred(tmp_path / "a.tgz", ("bomb", bytes(5_000_000)), ("a.txt", b"A"))
    with pytest.raises(SourceError, match="decompression bomb"):
        unpack(archive, [File(asked)], folder)
    assert sum(map(len, contents(folder).values())) <= 100 * archive.stat().st_size


def test_a_bomb_in_a_zip_archive_is_given_up_before_it_is_opened(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(unpacking, "SLACK", 0)
    archive = zipped(tmp_path / "a.zip", ("bomb", bytes(5_000_000)))
    with pytest.raises(SourceError, match="decompression bomb"):
        unpack(archive, [File("bomb")], folder)
    assert contents(folder) == {}


def test_a_bomb_in_the_headers_is_given_up(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(unpacking, "SLACK", 0)
    archive = tarred(tmp_path / "a.tgz", ("n" * 5_000_000, b""))
    with pytest.raises(SourceError, match="decompression bomb"):
        unpack(archive, [File("a.txt")], folder)


def test_no_archive_may_grow_beyond_the_limit(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(unpacking, "LIMIT", 1000)
    archive = tarred(tmp_path / "a.tgz", ("a.txt", bytes(range(256)) * 10))
    with pytest.raises(SourceError, match="grows too large"):
        unpack(archive, [File("a.txt")], folder)


def test_a_zip_entry_that_lies_about_its_size_is_cut_and_found_damaged(tmp_path, folder):
    archive = zipped(tmp_path / "a.zip", ("a.txt", b"x" * 1000))
    content = archive.read_bytes().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        unpack(archive, [File("a.txt")], folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not found</html>", gzip.compress(b"no tar"), b"PK\3\4 and no more"],
    ids=["nothing", "a page", "no tar", "half a zip"],
)
def test_what_is_no_archive_is_called_damaged(tmp_path, folder, content):
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(SourceError, match=r"a.tgz (is damaged|does not contain)"):
        unpack(tmp_path / "a.tgz", [File("a.txt")], folder)


def test_an_archive_that_was_cut_off_is_called_damaged(packed, folder):
    archive = packed(("a.txt", bytes(range(256)) * 100))
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(SourceError, match="damaged"):
        unpack(archive, [File("a.txt")], folder)
