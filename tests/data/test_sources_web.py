"""Downloads from a server that behaves well, badly, and worse."""

import errno
import hashlib
import io
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tinygrad_rnn.data.sources import Archive, File, SourceError, Url, web

pytest.importorskip("pooch")

CONTENT = bytes(range(256)) * 2000
KEPT = 3 * 65_536  # of 200,000 bytes: a piece that is cut short is dropped
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Does what the server's script says for each request in turn, the last for all that follow."""

    def do_GET(self):
        self.server.asked.append(dict(self.headers) | {"path": self.path})
        script = self.server.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def log_message(self, *arguments):
        pass

    def answer(self, status, content=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def start(self):
        """Where the client wants to go on."""
        return int(self.headers.get("Range", "bytes=0-")[6:-1])


def whole(handler):
    handler.answer(200, CONTENT, ETag='"one"')


def ranged(handler):
    start = handler.start()
    span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    handler.answer(206, CONTENT[start:], Content_Range=span, ETag='"one"')


def dropping(after, etag='"one"'):
    """Announce all of it, send so many bytes, and hang up."""

    def drop(handler):
        handler.answer(200, CONTENT[:after], Content_Length=str(len(CONTENT)), ETag=etag)

    return drop


def saying(status, content=b"", **headers):
    return lambda handler: handler.answer(status, content, **headers)


@pytest.fixture
def server(monkeypatch):
    """A server on this machine; give its script, and get the address of a file."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(web, "PAUSES", (0.0, 0.0, 0.0))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def serve(*script):
            server.script, server.asked = list(script), []
            return f"http://127.0.0.1:{server.server_port}/data.bin"

        serve.of = server
        yield serve
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    """The path that a file shall get, in a draft's folder."""
    (tmp_path / "draft").mkdir()
    return tmp_path / "draft" / "data.bin"


@pytest.fixture
def part(tmp_path):
    """Where the bytes of a broken try are kept."""
    return tmp_path / ".data.bin.part"


def fetch(url, target, checksum=SHA256, size=None, progress=None):
    Url(url, size).fetch(target, checksum, progress)


def test_a_file_arrives_with_progress(server, target, tmp_path):
    seen = []
    fetch(server(whole), target, progress=lambda here, total: seen.append((here, total)))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data.bin", "draft"]


def test_a_try_goes_on_where_the_last_one_broke_off(server, target):
    fetch(server(dropping(200_000), ranged), target)
    assert target.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.of.asked] == [None, f"bytes={KEPT}-"]
    assert server.of.asked[1]["If-Range"] == '"one"'


def test_a_server_without_ranges_is_asked_for_all_of_it_again(server, target):
    fetch(server(dropping(200_000), whole), target)
    assert target.read_bytes() == CONTENT


def test_a_weak_tag_vouches_for_nothing(server, target):
    fetch(server(dropping(200_000, 'W/"one"'), ranged), target)
    assert "If-Range" not in server.of.asked[1]


def test_a_server_that_goes_on_elsewhere_is_not_believed(server, target):
    elsewhere = saying(206, CONTENT[5:], Content_Range="bytes 5-511999/512000")
    fetch(server(dropping(200_000), elsewhere, whole), target)
    assert target.read_bytes() == CONTENT


def test_a_file_that_became_shorter_is_fetched_anew(server, target):
    fetch(server(dropping(200_000), saying(416), whole), target)
    assert target.read_bytes() == CONTENT
    assert "Range" not in server.of.asked[2]


def test_what_has_arrived_is_kept_for_the_next_command(server, target, part):
    with pytest.raises(SourceError, match=r"3 tries \(.*broke off.*\): what has arrived is kept"):
        fetch(server(dropping(200_000)), target)
    assert part.read_bytes() == CONTENT[:KEPT]
    assert not target.exists()
    fetch(server(ranged), target)
    assert target.read_bytes() == CONTENT
    assert server.of.asked[0]["Range"] == f"bytes={KEPT}-"
    assert not part.exists()


def test_without_a_checksum_nothing_is_gone_on_with(server, target, part):
    part.write_bytes(b"something else")
    fetch(server(whole), target, checksum=None)
    assert "Range" not in server.of.asked[0]
    assert target.read_bytes() == CONTENT


def test_a_truncated_file_is_noticed_by_its_size_even_if_the_server_is_content(server, target):
    short = saying(200, CONTENT[:-1])
    with pytest.raises(SourceError, match=r"ended after 511,999 of 512,000 bytes"):
        fetch(server(short), target, size=len(CONTENT))


def test_a_corrupted_file_is_not_kept(server, target, part):
    with pytest.raises(SourceError, match=r"not the file that it was.* Nothing was kept; try"):
        fetch(server(saying(200, CONTENT[::-1])), target)
    assert not target.exists()
    assert not part.exists()


def test_a_file_larger_than_it_can_be_is_given_up(server, target, part):
    with pytest.raises(SourceError, match="larger than it can be"):
        fetch(server(whole), target, size=1000)
    assert part.stat().st_size == 0


def test_a_redirection_is_followed(server, target):
    fetch(server(saying(302, Location="/elsewhere"), whole), target)
    assert [asked["path"] for asked in server.of.asked] == ["/data.bin", "/elsewhere"]
    assert target.read_bytes() == CONTENT


def test_redirections_in_a_circle_end(server, target):
    with pytest.raises(SourceError, match="cannot be reached"):
        fetch(server(saying(302, Location="/data.bin")), target)


def test_a_redirection_away_from_encryption_is_not_followed(tmp_path):
    response = SimpleNamespace(url="http://elsewhere/data.bin", status_code=200, headers={})
    with pytest.raises(SourceError, match="without encryption"):
        web.Download(tmp_path / "part", None).examine("https://here/data.bin", response)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_final(server, target, status):
    with pytest.raises(SourceError, match=f"was refused: the server answered {status}"):
        fetch(server(saying(status)), target)
    assert len(server.of.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(server, target, status):
    fetch(server(saying(status), whole), target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_stays_in_trouble_is_told_of(server, target):
    with pytest.raises(SourceError, match=r"3 tries \(the server answered 503\)"):
        fetch(server(saying(503)), target)


def test_a_server_that_falls_silent_is_asked_again(server, target, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", (5.0, 1.0))
    awake = threading.Event()

    def silent(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        handler.wfile.write(CONTENT[:1000])
        handler.wfile.flush()
        awake.wait(5)
        handler.close_connection = True

    try:
        fetch(server(silent, ranged), target)
    finally:
        awake.set()
    assert target.read_bytes() == CONTENT


def test_a_slow_server_is_waited_for(server, target):
    pause = threading.Event()

    def slow(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        for start in range(0, len(CONTENT), 100_000):
            handler.wfile.write(CONTENT[start : start + 100_000])
            handler.wfile.flush()
            pause.wait(0.01)

    fetch(server(slow), target)
    assert target.read_bytes() == CONTENT
    assert len(server.of.asked) == 1


def test_without_a_network_one_is_told_what_to_do(monkeypatch, target):
    monkeypatch.setattr(web, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(SourceError, match=r"cannot be reached.*copy the data folder of a machine"):
        fetch("http://127.0.0.1:9/data.bin", target)  # the port to which nobody listens


def test_a_full_disk_leaves_nothing_under_the_final_name(server, target, monkeypatch):
    def full(self, response, here):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(web.Download, "receive", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(server(whole), target)
    assert not target.exists()


def test_without_pooch_the_remedy_is_named(monkeypatch, target):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "tinygrad-rnn\[train\]"'):
        fetch("http://127.0.0.1:9/data.bin", target)


def test_an_archive_from_the_web_goes_on_and_ends_as_its_files(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("climate.csv", CONTENT)
    packed = buffer.getvalue()

    def rest(handler):
        start = handler.start()
        span = f"bytes {start}-{len(packed) - 1}/{len(packed)}"
        handler.answer(206, packed[start:], Content_Range=span)

    md5 = hashlib.md5(packed).hexdigest()
    half = saying(200, packed[:200_000], Content_Length=str(len(packed)))
    place = Archive(
        *("climate", Url(server(half)), "climate.zip", None, None, (File("climate.csv"),), md5)
    )
    with pytest.raises(SourceError, match="what has arrived is kept"):
        place.get(tmp_path)
    assert not place.here(tmp_path)
    server(rest)
    place.get(tmp_path)
    assert place.paths(tmp_path)["climate.csv"].read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(".climate.lock", "climate", "climate.sha256")
    ]
