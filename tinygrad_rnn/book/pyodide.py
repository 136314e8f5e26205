"""Python for the reader's browser: Pyodide and its NumPy, fetched from registries and checked.

Readers of the public site get both from Pyodide's own CDN, at a pinned version. A site that is
to be read without a network carries them instead: `vendor_pyodide` puts them in. They come from
npm and, as no registry has NumPy for WebAssembly alone, out of a PyPI wheel that ships with it;
every byte is checked against a SHA-256. Nothing of this is ever committed.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tinygrad_rnn.kernels.folders import cache_of_user

__all__ = ["VERSION", "PyodideError", "cache_folder", "fetch_pyodide", "vendor_pyodide"]

VERSION = "314.0.3"

RUNTIME = f"pyodide@{VERSION}"
RUNTIME_SHA256 = "d7f7d24f8db486c7eda7280f3b0f7517524c8e43e8b086c6ee6ae8016658b484"
RUNTIME_FILES = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)

NUMPY_CARRIER = "open-webui==0.12.4"
NUMPY_FOLDER = "open_webui/frontend/pyodide"

Announce = Callable[[str], object]


class PyodideError(RuntimeError):
    """Pyodide could not be fetched, or is not what it should be."""


def cache_folder() -> Path:
    """Where what the site is made of is kept, once it was fetched."""
    return cache_of_user("site")


def vendor_pyodide(site: Path, announce: Announce = print) -> Path:
    """Make a built site run Python without a network.

    Args:
        site: The folder of the built site.
        announce: Told what is being fetched.

    Returns:
        The folder in the site that holds the runtime.

    Raises:
        PyodideError: If it cannot be fetched, or a checksum differs.
    """
    folder = fetch_pyodide(site / "assets" / "pyodide", announce)
    where = {"version": VERSION, "indexURL": "pyodide/"}
    (site / "assets" / "pyodide.json").write_text(json.dumps(where) + "\n", encoding="utf-8")
    return folder


def fetch_pyodide(folder: Path, announce: Announce = print) -> Path:
    """Put the runtime and its NumPy into a folder, from the cache or from the registries.

    Args:
        folder: Where to; made if it is not there.
        announce: Told what is being fetched.

    Returns:
        The folder.

    Raises:
        PyodideError: If it cannot be fetched, or a checksum differs.
    """
    cached = cache_folder() / f"pyodide-{VERSION}"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent) as scratch:
            complete = download(Path(scratch), announce)
            if not cached.exists():  # by another process, meanwhile
                complete.rename(cached)
    shutil.copytree(cached, folder, dirs_exist_ok=True)
    return folder


def download(scratch: Path, announce: Announce) -> Path:
    """Fetch, check and unpack into a fresh folder in `scratch`."""
    complete = scratch / "complete"
    complete.mkdir()
    announce(f"Fetching {RUNTIME} from npm (6 MB) ...")
    package = pack(RUNTIME, scratch)
    check(package, RUNTIME_SHA256)
    with tarfile.open(package) as archive:
        archive.extractall(scratch, filter="data")
    for name in RUNTIME_FILES:
        shutil.move(scratch / "package" / name, complete)
    announce(f"Fetching NumPy for WebAssembly out of {NUMPY_CARRIER} from PyPI (106 MB) ...")
    extract_numpy(download_wheel(NUMPY_CARRIER, scratch), complete)
    return complete


def extract_numpy(carrier: Path, complete: Path) -> None:
    """Take out the one wheel that the runtime's lock file names, and check it against that."""
    lock = json.loads((complete / "pyodide-lock.json").read_text(encoding="utf-8"))
    numpy = lock["packages"]["numpy"]
    wheel = complete / numpy["file_name"]
    with zipfile.ZipFile(carrier) as archive:
        wheel.write_bytes(archive.read(f"{NUMPY_FOLDER}/{wheel.name}"))
    check(wheel, numpy["sha256"])


def pack(package: str, folder: Path) -> Path:
    """Download an npm package, as the archive that the registry serves.

    Args:
        package: Name and exact version, `name@1.2.3`.
        folder: Where to.

    Returns:
        The archive.

    Raises:
        PyodideError: If npm is not there or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PyodideError(
            f"npm is needed to fetch {package}, and is not on the PATH: install Node.js from "
            "https://nodejs.org, or your system's package npm"
        )
    run([npm, "pack", package, "--pack-destination", str(folder)])
    return next(folder.glob("*.tgz"))


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel from PyPI without installing it or what it depends on."""
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--ignore-requires-python"]
    run([sys.executable, "-m", "pip", "download", requirement, *options, "--dest", str(folder)])
    return next(folder.glob("*.whl"))


def run(command: list[str]) -> None:
    """Run a client of a registry."""
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise PyodideError(
            f"`{' '.join(command)}` failed with exit code {done.returncode}. Is there a network? "
            f"It said:\n{done.stderr.strip()[-2000:]}"
        )


def check(file: Path, sha256: str) -> None:
    """Compare a file's SHA-256 with the one that is expected."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256:
        raise PyodideError(
            f"{file.name} has the SHA-256 {found}, expected {sha256}: the download is damaged or "
            "not what it says; try again, and report it if it stays so"
        )
