"""Fetching Pyodide, against registries that are made up here."""

import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tinygrad_rnn.book import pyodide

ASSETS = Path(__file__).resolve().parents[2] / "docs" / "assets"
NUMPY = "numpy-9.9-wasm32.whl"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(pyodide, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / f"pyodide-{pyodide.VERSION}"


@pytest.fixture
def registries(tmp_path, monkeypatch):
    """npm and PyPI that serve tiny packages; what they are asked for is returned."""
    asked = []
    lock = {"packages": {"numpy": {"file_name": NUMPY, "sha256": sha256(b"numpy")}}}
    contents = dict.fromkeys(pyodide.RUNTIME_FILES, b"")
    contents["pyodide-lock.json"] = json.dumps(lock).encode()
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(pyodide, "RUNTIME_SHA256", sha256(package.getvalue()))

    def run(command):
        asked.append(next(word for word in command if "@" in word or "==" in word))
        folder = Path(command[-1])
        if "pack" in command:
            (folder / "pyodide.tgz").write_bytes(package.getvalue())
            return
        with zipfile.ZipFile(folder / "carrier.whl", "w") as wheel:
            wheel.writestr(f"{pyodide.NUMPY_FOLDER}/{NUMPY}", b"numpy")

    monkeypatch.setattr(pyodide, "run", run)
    monkeypatch.setattr(shutil, "which", lambda _: "npm")
    return asked


def test_the_site_gets_the_runtime_and_numpy_and_is_told_so(tmp_path, registries):
    (tmp_path / "assets").mkdir()
    said = []
    folder = pyodide.vendor_pyodide(tmp_path, said.append)
    assert sorted(file.name for file in folder.iterdir()) == sorted([*pyodide.RUNTIME_FILES, NUMPY])
    where = json.loads((tmp_path / "assets" / "pyodide.json").read_text("utf-8"))
    assert where == {"version": pyodide.VERSION, "indexURL": "pyodide/"}
    assert registries == [pyodide.RUNTIME, pyodide.NUMPY_CARRIER]
    assert [line.split()[1] for line in said] == [pyodide.RUNTIME, "NumPy"]


def test_it_is_fetched_once(tmp_path, registries):
    pyodide.fetch_pyodide(tmp_path / "one", lambda _: None)
    pyodide.fetch_pyodide(tmp_path / "two", lambda _: None)
    assert len(registries) == 2
    assert (tmp_path / "two" / NUMPY).read_bytes() == b"numpy"


def test_a_damaged_download_is_refused_and_not_kept(tmp_path, registries, monkeypatch, cache):
    monkeypatch.setattr(pyodide, "RUNTIME_SHA256", "0" * 64)
    with pytest.raises(
        pyodide.PyodideError,
        match=r"pyodide.tgz has the SHA-256 \w{64}, expected 0{64}: the download is damaged",
    ):
        pyodide.fetch_pyodide(tmp_path / "one", lambda _: None)
    assert not cache.exists()


def test_without_npm_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(pyodide.PyodideError, match=r"install Node\.js from https://nodejs\.org"):
        pyodide.fetch_pyodide(tmp_path / "one", lambda _: None)


def test_a_client_that_fails_is_quoted():
    script = "import sys; sys.exit('no such package')"
    with pytest.raises(
        pyodide.PyodideError, match=r"exit code 1\. Is there a network\? It said:\nno such package"
    ):
        pyodide.run([sys.executable, "-c", script])


def test_the_public_site_names_the_same_version():
    where = json.loads((ASSETS / "pyodide.json").read_text("utf-8"))
    assert where == {
        "version": pyodide.VERSION,
        "indexURL": f"https://cdn.jsdelivr.net/pyodide/v{pyodide.VERSION}/full/",
    }
