r"""The folder that fetched data lives in, and how something arrives there whole or not at all.

What arrives is made under a name that starts with a dot, checked, and then renamed, so that nobody
ever meets a part of it. Whoever makes it holds a lock, which the operating system takes back when
the process ends, however it ends.
"""

import contextlib
import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tinygrad_rnn.data.sources.failures import ELSEWHERE, SourceError
from tinygrad_rnn.kernels.folders import cache_of_user

__all__ = ["data_folder"]

FOLDER = "TINYGRAD_RNN_DATA"


def data_folder(folder: str | Path | None = None) -> Path:
    """Where fetched data is kept.

    Args:
        folder: A folder to use instead of the usual one.

    Returns:
        The argument; or else the folder in the environment variable TINYGRAD_RNN_DATA; or else
        `tinygrad_rnn/data` in the platform's folder for caches (`$XDG_CACHE_HOME` or `~/.cache`;
        `~/Library/Caches` on macOS; `%LOCALAPPDATA%` on Windows). It need not exist yet.

    Example:
        >>> data_folder("elsewhere").as_posix()
        'elsewhere'
    """
    return Path(folder).expanduser() if folder else cache_of_user("data", FOLDER)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of a path; whoever else wants it waits until the block has ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("ab") as file:
        hold(file)
        yield  # closing the file gives the lock back


def hold(file: IO[bytes]) -> None:
    """Wait for the lock of an open file."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:
        with contextlib.suppress(OSError):  # after ten seconds of waiting
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            return


@contextlib.contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A new folder that becomes `folder` if the block ends well, and else is gone.

    To be used by the holder of the folder's lock only, since the draft's name is always the same:
    so what a killed process left behind is swept away by the next.
    """
    draft, former = (folder.with_name(f".{folder.name}.{kind}") for kind in ("draft", "former"))
    for path in (draft, former):
        shutil.rmtree(path, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        if folder.exists():  # damaged, or it would not be made anew
            folder.rename(former)
        draft.rename(folder)
    finally:
        for path in (draft, former):
            shutil.rmtree(path, ignore_errors=True)


def check_space(folder: Path, needed: int) -> None:
    """Refuse what would not fit on the disk of an existing folder."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SourceError(
            f"{needed / 1e6:,.1f} MB are needed in {folder} and {free / 1e6:,.1f} MB are free: "
            f"free some, or {ELSEWHERE}"
        )


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The checksum of a file; of a folder, that of what `sha256sum *` prints inside it."""
    if path.is_dir():
        names = sorted(each.name for each in path.iterdir())
        listing = "".join(f"{checksum(path / name)}  {name}\n" for name in names)
        return hashlib.sha256(listing.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.iterdir())
    return path.stat().st_size
