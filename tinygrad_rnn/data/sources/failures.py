r"""What goes wrong on the way of data to this machine, said so that one knows what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["SourceError"]

FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOENT, errno.ENOTDIR, errno.EEXIST),
}
ELSEWHERE = "set TINYGRAD_RNN_DATA to a folder elsewhere, or name one with folder= or --folder"


class SourceError(RuntimeError):
    """A source that cannot be fetched, unpacked, checked or read; its text says what to do."""


@contextmanager
def storing_in(folder: Path) -> Iterator[None]:
    """Say what to do when the disk is full or the folder cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise SourceError(f"no space is left in {folder}: free some, or {ELSEWHERE}") from error
        if error.errno in CLOSED:
            raise SourceError(
                f"{folder} cannot be written ({error.strerror}): {ELSEWHERE}"
            ) from error
        raise
