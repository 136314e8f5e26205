r"""Fetch a file from the web: through pooch, with retries, and going on where a try broke off.

>>> Url("https://example.org/data.csv").place
'https://example.org/data.csv'
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_rnn.data.sources.failures import SourceError

if TYPE_CHECKING:
    import requests

__all__ = ["Progress", "Url"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and, if known, the bytes there will be."""

PAUSES = (0.0, 1.0, 3.0, 9.0)  # seconds before each try
TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two pieces
PIECE = 1 << 16  # bytes; a piece that breaks off is dropped
LIMIT = 2 << 30  # bytes of a file whose size is not known
WITHOUT = (
    "try again with a network, or copy the data folder of a machine that has one (`tg data path` "
    "names it)"
)
AGAIN = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Url:
    """A file on the web.

    Attributes:
        url: Its address.
        size: Its bytes, if they are known.
    """

    url: str
    size: int | None = None

    kind = "web"

    @property
    def place(self) -> str:
        """What is fetched, in a few words."""
        return self.url

    def fetch(self, archive: Path, checksum: str | None, progress: Progress | None = None) -> None:
        """Put the file at a path.

        Args:
            archive: The path. What a broken try leaves is kept in the folder above its own, and
                used by the next.
            checksum: As pooch writes it, "sha256:…" or "md5:…"; None if it is not known.
            progress: See `Progress`.

        Raises:
            SourceError: If the file does not arrive whole.
            ModuleNotFoundError: If pooch is not installed.
        """
        try:
            import pooch
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'downloads need pooch: python -m pip install "tinygrad-rnn[train]"', name="pooch"
            ) from error
        part = archive.parent.parent / f".{archive.name}.part"
        if checksum is None:
            part.unlink(missing_ok=True)  # nothing would tell whether the rest still fits
        pooch.get_logger().setLevel("WARNING")
        download = Download(part, self.size, progress)
        try:
            pooch.retrieve(self.url, checksum, archive.name, archive.parent, downloader=download)
        except ValueError as error:  # pooch compared the checksums
            raise SourceError(
                f"{self.url} is not the file that it was: its checksum is another. Nothing was "
                "kept; try again, and if it stays so, look for a newer tinygrad-rnn"
            ) from error


class BrokenError(Exception):
    """A try that broke off and may go better the next time."""


@dataclass
class Download:
    """What pooch calls to download: several tries that go on where the last one broke off.

    Attributes:
        part: Where the bytes gather.
        size: How many there must be, if that is known.
        progress: Told about them.
        validator: What the server said of the file's version, to be sure that a try goes on with
            the same.
    """

    part: Path
    size: int | None
    progress: Progress | None = None
    validator: str = ""

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: Any) -> None:
        """Download to a path, which appears when all is there."""
        for pause in PAUSES:
            time.sleep(pause)
            try:
                self.go_on(url)
                break
            except BrokenError as error:
                broken = error
        else:
            kept = "what has arrived is kept, the same command goes on from there"
            raise SourceError(
                f"{url} did not arrive in {len(PAUSES)} tries ({broken}): "
                f"{kept if self.here() else WITHOUT}"
            ) from broken
        self.part.replace(output_file)

    def here(self) -> int:
        """How many bytes have gathered."""
        return self.part.stat().st_size if self.part.exists() else 0

    def go_on(self, url: str) -> None:
        """One try."""
        import requests

        here = self.here()
        # Compressed on the way, a file could not be measured or gone on with.
        headers = {"Accept-Encoding": "identity"}
        if here:
            headers["Range"] = f"bytes={here}-"
        if here and self.validator:
            headers["If-Range"] = self.validator
        try:
            response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise BrokenError("the server cannot be reached") from error
        with response:
            self.examine(url, response)
            try:
                self.receive(response, here)
            except requests.RequestException as error:
                raise BrokenError("the connection broke off") from error

    def examine(self, url: str, response: "requests.Response") -> None:
        """Refuse an answer that is not the file."""
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise SourceError(f"{url} leads to a place without encryption; it is not followed")
        if response.status_code == 416:  # there is nothing from here on: begin anew
            self.part.unlink()
            raise BrokenError("it has another length than before")
        if response.status_code in AGAIN:
            raise BrokenError(f"the server answered {response.status_code}")
        if not response.ok:
            raise SourceError(
                f"{url} was refused: the server answered {response.status_code} "
                f"{response.reason}; if it stays so, look for a newer tinygrad-rnn"
            )
        tag = response.headers.get("ETag", "")
        self.validator = "" if tag.startswith("W/") else tag  # a weak tag vouches for no bytes

    def receive(self, response: "requests.Response", here: int) -> None:
        """Append what arrives, or begin anew if the server does not go on from where we are."""
        span = response.headers.get("Content-Range", "")
        goes_on = response.status_code == 206 and span.startswith(f"bytes {here}-")
        if response.status_code == 206 and not goes_on:
            self.part.unlink()
            raise BrokenError("it went on at another place than was asked for")
        length = response.headers.get("Content-Length")
        total = self.size or (int(length) + here * goes_on if length else None)
        with self.part.open("ab" if goes_on else "wb") as file:
            for piece in response.iter_content(PIECE):
                file.write(piece)
                if file.tell() > (self.size or LIMIT):
                    file.truncate(0)
                    raise SourceError(f"{response.url} is larger than it can be; nothing was kept")
                if self.progress:
                    self.progress(file.tell(), total)
            if total is not None and file.tell() < total:
                raise BrokenError(f"it ended after {file.tell():,} of {total:,} bytes")
