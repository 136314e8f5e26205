"""Where a user keeps what can be made again: compiled loops, downloads."""

import os
import sys
from pathlib import Path


def cache_of_user(name: str, variable: str | None = None) -> Path:
    """A folder for what can be made or fetched again. It need not exist yet.

    Args:
        name: What it is called, in `tinygrad_rnn` in the platform's folder for caches:
            `$XDG_CACHE_HOME` or `~/.cache`; `~/Library/Caches` on macOS; `%LOCALAPPDATA%` on
            Windows.
        variable: An environment variable that names another folder, if it is set.
    """
    chosen = variable and os.environ.get(variable)
    if chosen:
        return Path(chosen).expanduser()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA", home))
    return home / "tinygrad_rnn" / name
