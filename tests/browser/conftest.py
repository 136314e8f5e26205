"""The built site in a real browser: built once, served on localhost, watched for whatever leaves.

Chromium is looked for on the PATH. Where it, or npm for the accessibility checker and Pyodide, is
missing, these tests skip and say what to install; in CI that is an error.

`TG_SITE=folder pytest tests/browser` tests a site that is already built.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, sync_playwright

from tinygrad_rnn.book import pyodide
from tinygrad_rnn.book.site import build_site, site_server

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = "axe-core@4.14.1"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Chromium."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def lacking(remedy: str) -> NoReturn:
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(remedy)
    pytest.skip(remedy)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(folder: Path, make: Callable[[Path], object], timeout: float = 300) -> Path:
    """Make a folder in whichever worker comes first; the others wait for it."""
    done, lock = folder.with_suffix(".done"), folder.with_suffix(".lock")
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        until = time.monotonic() + timeout
        while not done.exists() and time.monotonic() < until:
            time.sleep(0.1)
        if not done.exists() or done.read_text("utf-8"):
            pytest.fail(f"another worker could not make {folder.name}")
        return folder
    try:
        make(folder)
    except BaseException as error:
        done.write_text(repr(error), "utf-8")
        raise
    done.touch()
    return folder


@pytest.fixture(scope="session")
def site(shared: Path) -> Path:
    """The site, built strictly."""
    if built := os.environ.get("TG_SITE"):
        return Path(built).resolve()

    return once(shared / "site", lambda folder: build_site(root=ROOT, site=folder))


@pytest.fixture(scope="session")
def offline_site(site: Path, shared: Path) -> Path:
    """The site with Pyodide in it."""
    if shutil.which("npm") is None:
        lacking("Pyodide comes from npm: apt install npm")

    def build(folder: Path) -> None:
        shutil.copytree(site, folder)
        pyodide.vendor_pyodide(folder, announce=lambda _: None)

    return once(shared / "offline-site", build)


@pytest.fixture(scope="session")
def axe(shared: Path) -> Path:
    """The accessibility checker, a script to add to a page."""
    kept = pyodide.cache_folder() / f"{AXE}.js"
    if kept.exists():
        return kept
    if shutil.which("npm") is None:
        lacking("the accessibility checker axe-core comes from npm: apt install npm")

    def fetch(folder: Path) -> None:
        folder.mkdir()
        archive = pyodide.pack(AXE, folder)
        pyodide.check(archive, AXE_SHA256)
        shutil.unpack_archive(archive, folder, "gztar", filter="data")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "package" / "axe.min.js", kept)

    once(shared / "axe", fetch)
    return kept


# Formulas and code are alike everywhere, and most of a reference page; a few of each are enough.
THIN_OUT = """() => {
    const all = selector => [...document.querySelectorAll(selector)];
    all(".katex").slice(5).forEach(formula => formula.replaceWith("x"));
    all(".highlight code").slice(5).forEach(code => code.replaceChildren("x"));
}"""


@pytest.fixture
def violations(axe: Path) -> Callable[..., list[str]]:
    """Finds what keeps somebody from reading a page, as it is just now; `only` names rules."""

    def find(page: Page, only: Sequence[str] = ()) -> list[str]:
        page.evaluate(THIN_OUT)
        page.add_script_tag(path=axe)
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(only)} if only else {})
        found = page.evaluate("options => axe.run(options)", options)["violations"]
        return [
            f"{violation['id']}: {violation['help']}: {node['html']}: {node['failureSummary']}"
            for violation in found
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"][:3]
        ]

    return find


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a worker."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        lacking("the browser tests need Chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves folders on localhost, as `tg book serve` does."""
    servers = {}

    def address(folder: Path) -> str:
        if folder not in servers:
            servers[folder] = site_server(folder, port=0)
            threading.Thread(target=servers[folder].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[folder].server_address[1]}/"

    yield address
    for server in servers.values():
        server.shutdown()
        server.server_close()


@dataclass
class Reader:
    """Opens pages, lets nothing out of this machine, and notes whatever goes wrong.

    Attributes:
        browser: The browser.
        address: Of the site.
        complaints: Errors in the console, requests that failed, and requests to anywhere else.
        requests: The addresses of all requests.
    """

    browser: Browser
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: str, *, width: int = 1280, dark: bool = False) -> Page:
        """Open a page of the site in a fresh profile."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.route("**/*", self.inspect)
        page = context.new_page()
        page.on("console", self.listen)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.goto(self.address + path, wait_until="load")
        return page

    def inspect(self, route: Route, request: Request) -> None:
        """Let a request through if it stays on this site."""
        self.requests.append(request.url)
        if request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"left the site: {request.url}")
            route.abort()

    def listen(self, message: ConsoleMessage) -> None:
        """Note what the console calls an error or a warning."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def close(self) -> None:
        """Close every page."""
        for context in self.browser.contexts:
            context.close()


@pytest.fixture
def reader(browser: Browser, site: Path, serve: Callable[[Path], str]) -> Iterator[Reader]:
    """A reader of the site, who must have had nothing to complain about in the end."""
    reader = Reader(browser, serve(site))
    yield reader
    reader.close()
    assert not reader.complaints
