import socket
import sys
import threading
import types
from urllib.request import urlopen

import pytest

from tinygrad_rnn.book import site
from tinygrad_rnn.book.site import SiteError, build_site, serve_site, site_server


@pytest.fixture
def root(tmp_path):
    (tmp_path / "mkdocs.yml").write_text("site_name: Small\ntheme: mkdocs\nplugins: []\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Small\n")
    return tmp_path


@pytest.fixture
def built(tmp_path):
    (tmp_path / "index.html").write_text("<h1>Small</h1>")
    (tmp_path / "numpy.wasm").write_bytes(b"\0asm")
    return tmp_path


class TestBuilding:
    def test_makes_a_folder_of_pages(self, root):
        folder = build_site(root=root)
        assert folder == root / "site"
        assert "Small" in (folder / "index.html").read_text()

    def test_a_warning_ends_a_strict_build_and_no_other(self, root):
        (root / "docs" / "index.md").write_text("[broken](nowhere.md)\n")
        with pytest.raises(SiteError, match=r"(?s)could not build the site:.*nowhere\.md"):
            build_site(root=root, site=root / "public")
        assert build_site(strict=False, root=root, site=root / "public") == root / "public"

    def test_an_offline_site_carries_its_own_python(self, root, monkeypatch):
        vendored = []
        pyodide = types.SimpleNamespace(vendor_pyodide=vendored.append)
        monkeypatch.setitem(sys.modules, "tinygrad_rnn.book.pyodide", pyodide)
        assert vendored == []
        folder = build_site(offline=True, root=root)
        assert vendored == [folder]

    def test_needs_a_checkout(self, tmp_path):
        with pytest.raises(
            SiteError, match=r"no mkdocs\.yml in .*: the book is built from a checkout"
        ):
            build_site(root=tmp_path)


class TestServing:
    def test_answers_on_localhost_with_the_types_that_browsers_want(self, built):
        with site_server(built, port=0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            host, port = server.server_address
            assert host == "127.0.0.1"
            with urlopen(f"http://{host}:{port}/") as answer:
                assert answer.read() == b"<h1>Small</h1>"
            with urlopen(f"http://{host}:{port}/numpy.wasm") as answer:
                assert answer.headers["Content-Type"] == "application/wasm"
            server.shutdown()

    def test_says_where_and_when_the_port_is_another(self, built, monkeypatch):
        def interrupt(self):
            raise KeyboardInterrupt

        monkeypatch.setattr(site.ThreadingHTTPServer, "serve_forever", interrupt)
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            port = busy.getsockname()[1]
            said = []
            serve_site(port, folder=built, announce=said.append)
        assert said[0] == f"Port {port} is busy, so the book is at the next free one."
        assert said[1].startswith("The book is at http://127.0.0.1:")
        assert f":{port}/" not in said[1]

    def test_gives_up_when_all_ports_are_busy(self, built, monkeypatch):
        def refuse(*args):
            raise OSError("busy")

        monkeypatch.setattr(site, "ThreadingHTTPServer", refuse)
        with pytest.raises(
            SiteError, match="no port from 8000 to 8049 is free: give another --port"
        ):
            site_server(built, 8000)

    def test_needs_a_site(self, tmp_path):
        with pytest.raises(SiteError, match="holds no site: run `tg book build`"):
            serve_site(folder=tmp_path)
