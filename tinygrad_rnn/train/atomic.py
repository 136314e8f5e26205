r"""Replacing a file so that at every moment it is wholly the old one or wholly the new one."""

import contextlib
import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: str | Path, content: bytes) -> None:
    """Write a file that a crash, a kill or a power cut can only leave old or new.

    The content goes to a temporary file in the same folder, so that the last act is a rename within
    one file system, which POSIX makes atomic. The file is synchronised before it, lest the
    new name reach the disk before the content does, and the folder after it.

    Args:
        path: The file; its folder is made if need be.
        content: All of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One fixed name: what a kill leaves behind is overwritten by the next try.
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # Windows opens no folders; its rename is journalled by itself.
    with contextlib.suppress(PermissionError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
