r"""Where the files of a source are: in an archive to fetch, in a package, or in Python itself.

All places answer the same: `here` says whether the files are on this machine, `get` sees to it that
they are, `check` compares them with what is recorded, `folder` and `paths` say where they are.
"""

import importlib.metadata
import importlib.util
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tinygrad_rnn.data.sources.cache import alone, check_space, checksum, drafted, size_of
from tinygrad_rnn.data.sources.clients import Npm, Pip
from tinygrad_rnn.data.sources.failures import SourceError, storing_in
from tinygrad_rnn.data.sources.unpacking import File, unpack
from tinygrad_rnn.data.sources.web import Progress, Url

__all__ = ["Archive", "Installed", "Place", "Standard"]


class Place(Protocol):
    """Where files of a source are."""

    @property
    def kind(self) -> str:
        """In a word, where it comes from."""
        ...

    @property
    def place(self) -> str:
        """In a few words, where it comes from."""
        ...

    @property
    def files(self) -> Sequence[File]:
        """The files that it gives."""
        ...

    def folder(self, root: Path) -> Path:
        """Where its files are, or will be."""
        ...

    def here(self, root: Path) -> bool:
        """Whether its files are on this machine; their sizes are compared, not their content."""
        ...

    def paths(self, root: Path) -> dict[str, Path]:
        """Where each file is, or will be, by its name."""
        ...

    def get(self, root: Path, progress: Progress | None = None, *, again: bool = False) -> None:
        """See to it that the files are on this machine; fetch them `again` if they are."""
        ...

    def check(self, root: Path) -> None:
        """Compare the files with what is recorded of them."""
        ...


@dataclass(frozen=True)
class Standard:
    """Modules of the standard library, which differ with Python's version.

    Attributes:
        files: Their files; none if it is the library as a whole.
    """

    files: tuple[File, ...] = ()

    kind = "Python"
    place = "the standard library"

    def folder(self, root: Path) -> Path:
        """The folder of the standard library."""
        return Path(sysconfig.get_path("stdlib"))

    def here(self, root: Path) -> bool:
        """Whether this Python has them."""
        return all(path.exists() for path in self.paths(root).values())

    def paths(self, root: Path) -> dict[str, Path]:
        """The files by their names."""
        return {file.name: self.folder(root) / file.path for file in self.files}

    def get(self, root: Path, progress: Progress | None = None, *, again: bool = False) -> None:
        """Nothing to do; what reads them says what to do if they are missing."""

    def check(self, root: Path) -> None:
        """Nothing to do: no checksum is right for every version."""


@dataclass(frozen=True)
class Installed:
    """Files of a package that is a dependency.

    Attributes:
        package: What it is called where it is installed.
        version: The version whose files were measured.
        module: The module that they are in.
        files: The files, by their paths in the module's folder.
        extra: The extra of tinygrad-rnn that brings it.
    """

    package: str
    version: str
    module: str
    files: tuple[File, ...]
    extra: str = "book"

    kind = "dependency"

    @property
    def place(self) -> str:
        """The package with its version."""
        return f"{self.package} {self.version}"

    def folder(self, root: Path) -> Path:
        """The folder of the module."""
        found = importlib.util.find_spec(self.module)
        if found is None or not found.submodule_search_locations:
            raise ModuleNotFoundError(
                f"this source needs {self.package}: "
                f'python -m pip install "tinygrad-rnn[{self.extra}]"',
                name=self.module,
            )
        return Path(found.submodule_search_locations[0])

    def here(self, root: Path) -> bool:
        """Whether the package is installed and has the files."""
        try:
            return all(path.exists() for path in self.paths(root).values())
        except ModuleNotFoundError:
            return False

    def paths(self, root: Path) -> dict[str, Path]:
        """The files by their names."""
        return {file.name: self.folder(root) / file.path for file in self.files}

    def get(self, root: Path, progress: Progress | None = None, *, again: bool = False) -> None:
        """See that the package is installed; nothing is installed by it."""
        if not all(path.exists() for path in self.paths(root).values()):
            raise SourceError(f"{self.package} lacks {self.files[0].path}: install {self.place}")

    def check(self, root: Path) -> None:
        """Compare the files with those of the measured version."""
        self.get(root)
        for file in self.files:
            if checksum(self.folder(root) / file.path) != file.sha256:
                raise SourceError(
                    f"{file.path} of {self.package} {importlib.metadata.version(self.package)} is "
                    f"not the one that was measured, of {self.version}: install that version "
                    "again to get the documented numbers"
                )


@dataclass(frozen=True)
class Archive:
    """An archive that is fetched, checked, unpacked and not kept; or a file, as it is.

    Where a publisher states no checksum, that of the first download is written to a file beside
    the folder, `<name>.sha256`, and everything later is compared with it.

    Attributes:
        name: The folder that its files get.
        origin: Whence and how.
        archive: What the archive is called.
        size: Its bytes; None if they were never measured.
        sha256: Its checksum; None if none is published.
        files: What is taken out of it; if empty, the archive itself is the file.
        md5: Its MD5 checksum, if that is all that is published.
    """

    name: str
    origin: Pip | Npm | Url
    archive: str
    size: int | None
    sha256: str | None
    files: tuple[File, ...]
    md5: str | None = None

    @property
    def kind(self) -> str:
        """How it is fetched: pip, npm or web."""
        return self.origin.kind

    @property
    def place(self) -> str:
        """Whence and how."""
        return self.origin.place

    def folder(self, root: Path) -> Path:
        """Where its files are, or will be."""
        return root / self.name

    def here(self, root: Path) -> bool:
        """Whether all files are here, as large as they should be."""
        paths = [(self.folder(root) / file.name, file.size) for file in self.files]
        return all(path.exists() and size in (None, size_of(path)) for path, size in paths)

    def paths(self, root: Path) -> dict[str, Path]:
        """The files by their names."""
        return {file.name: self.folder(root) / file.name for file in self.files}

    def get(self, root: Path, progress: Progress | None = None, *, again: bool = False) -> None:
        """Fetch, check and unpack it, unless its files are here; no part of them ever appears.

        Raises:
            SourceError: If that fails, with what to do.
        """
        if self.here(root) and not again:
            return
        folder = self.folder(root)
        with storing_in(root), alone(folder):
            if self.here(root) and not again:  # another process has fetched it meanwhile
                return
            check_space(root, (self.size or 0) + sum(file.size or 0 for file in self.files))
            with drafted(folder) as draft:
                self.fill(draft, progress)
                self.compare(draft, self.recorded(root))
                self.record(root, draft)

    def fill(self, draft: Path, progress: Progress | None) -> None:
        """Put the files into a folder."""
        archive = draft / self.archive
        md5 = f"md5:{self.md5}" if self.md5 else None
        self.origin.fetch(archive, f"sha256:{self.sha256}" if self.sha256 else md5, progress)
        if self.sha256 not in (None, checksum(archive)):
            raise SourceError(
                f"{self.place}: the checksum of {self.archive} is not the recorded one; it was "
                "not kept. Try again; if it stays so, look for a newer tinygrad-rnn"
            )
        if [file.path for file in self.files] != [self.archive]:
            unpack(archive, self.files, draft)
            archive.unlink()

    def check(self, root: Path) -> None:
        """Compare the files that are here with what is recorded of them."""
        self.compare(self.folder(root), self.recorded(root))

    def compare(self, folder: Path, recorded: dict[str, str]) -> None:
        """Compare files in a folder with checksums; those without one pass."""
        for file in self.files:
            path = folder / file.name
            if recorded.get(file.name) not in (None, checksum(path)):
                raise SourceError(
                    f"{path} is damaged or another version: its checksum is not the recorded one. "
                    f"Fetch it again with `tg data get --again`{self.doubt(file)}"
                )

    def doubt(self, file: File) -> str:
        """What else to do about a file whose checksum nobody has published."""
        if file.sha256:
            return ""
        return f"; if its publisher has changed it and you agree, delete {self.name}.sha256 first"

    def recorded(self, root: Path) -> dict[str, str]:
        """The checksums of the files: published, or else written down at the first download."""
        known = {file.name: file.sha256 for file in self.files if file.sha256}
        first = root / f"{self.name}.sha256"
        if not first.exists():
            return known
        lines = first.read_text("utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)} | known

    def record(self, root: Path, folder: Path) -> None:
        """Write down the checksums if a publisher states none, as `sha256sum` does."""
        first = root / f"{self.name}.sha256"
        if first.exists() or all(file.sha256 for file in self.files):
            return
        lines = [f"{checksum(folder / file.name)}  {file.name}\n" for file in self.files]
        draft = root / f".{self.name}.sha256.draft"
        draft.write_text("".join(lines), "utf-8")
        draft.replace(first)
