"""Build the book's site, and serve it to the reader's own browser."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tinygrad_rnn.book.contents import BOOK

PORT = 8000
PORTS_TO_TRY = 50


class SiteError(RuntimeError):
    """A site that could not be built or served."""


def build_site(
    offline: bool = False, strict: bool = True, *, root: Path = BOOK.root, site: Path | None = None
) -> Path:
    """Build the site with MkDocs. Nothing of a chapter is run; its record is included.

    Args:
        offline: whether to put Pyodide into the site, so that "Run in the browser" needs no
            network when it is read.
        strict: whether a warning, such as a broken link, ends the build.
        root: the folder of mkdocs.yml.
        site: where the site goes, by default `site` in that folder.

    Returns:
        The folder of the site.

    Raises:
        SiteError: if there is no mkdocs.yml, or the build fails.
    """
    site = site or root / "site"
    if not (root / "mkdocs.yml").exists():
        raise SiteError(
            f"no mkdocs.yml in {root}: the book is built from a checkout of tinygrad_rnn, "
            'installed with `python -m pip install -e ".[book]"`'
        )
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site.resolve())]
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    outcome = subprocess.run(
        command + ["--strict"] * strict,
        cwd=root,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if outcome.returncode != 0:
        raise SiteError(f"mkdocs could not build the site:\n{outcome.stdout}{outcome.stderr}")
    if offline:
        from tinygrad_rnn.book.pyodide import vendor_pyodide

        vendor_pyodide(site)
    return site


class SiteHandler(SimpleHTTPRequestHandler):
    """Serves files without a line of log for each; knows the types that browsers insist on."""

    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".css": "text/css",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def site_server(folder: Path, port: int = PORT) -> ThreadingHTTPServer:
    """A server of a folder on localhost, at the first free port from `port` on.

    Raises:
        SiteError: if the folder holds no site, or none of the next ports is free.
    """
    if not (folder / "index.html").exists():
        raise SiteError(f"{folder} holds no site: run `tg book build`")
    handler = partial(SiteHandler, directory=str(folder))
    for candidate in range(port, port + PORTS_TO_TRY) if port else [0]:
        try:
            return ThreadingHTTPServer(("127.0.0.1", candidate), handler)
        except OSError:
            continue
    raise SiteError(
        f"no port from {port} to {port + PORTS_TO_TRY - 1} is free: give another --port"
    )


def serve_site(
    port: int = PORT,
    *,
    folder: Path = BOOK.root / "site",
    announce: Callable[[str], object] = print,
) -> None:
    """Serve the built site until interrupted; `announce` is told the address.

    Raises:
        SiteError: if there is no site, or no free port.
    """
    with site_server(folder, port) as server:
        taken = server.server_address[1]
        if port and taken != port:
            announce(f"Port {port} is busy, so the book is at the next free one.")
        announce(f"The book is at http://127.0.0.1:{taken}/ (Ctrl+C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            announce("")
