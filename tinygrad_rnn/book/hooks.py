"""What MkDocs does besides including: it adds the downloads, and tells pages who they are.

Named under `hooks:` in mkdocs.yml. Nothing here runs a chapter.
"""

import json
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from markdown import Markdown
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tinygrad_rnn.book.contents import Book, Entry
from tinygrad_rnn.book.notebooks import notebook
from tinygrad_rnn.book.quoting import PAGE, PageError
from tinygrad_rnn.book.record import Record

SCRIPTS = "tinygrad_rnn/book"


def book_of(config: MkDocsConfig) -> Book:
    """The book that a configuration is about."""
    root = Path(config.config_file_path).parent
    return Book(root, root / SCRIPTS, Path(config.docs_dir))


def on_files(files: Files, /, *, config: MkDocsConfig, **_: Any) -> Files:
    """Leave out the fragments of records, which are no pages; add what is made for download."""
    for file in list(files):
        if "/recorded/" in file.src_uri and file.src_uri.endswith((".md", ".txt")):
            files.remove(file)
    book = book_of(config)
    for entry in book.entries():
        folder = entry.folder.relative_to(book.docs).as_posix()
        script = entry.script.read_text("utf-8")
        add(files, config, f"{folder}/{entry.script.name}", script)
        if entry.has_notebook:
            add(files, config, f"{folder}/{entry.notebook}", notebook(entry))
        for program in entry.programs:
            add(files, config, f"{folder}/{program.name}", program.read_text("utf-8"))
    name, content = wheel(book.root)
    index = {"wheel": name, "sha256": sha256(content).hexdigest()}
    add(files, config, f"assets/wheels/{name}", content)
    add(files, config, "assets/wheels/index.json", json.dumps(index) + "\n")
    return files


def add(files: Files, config: MkDocsConfig, address: str, content: str | bytes) -> None:
    """Add a file that is not in the docs folder."""
    files.append(File.generated(config, address, content=content))


def wheel(root: Path) -> tuple[str, bytes]:
    """Build the project's wheel, for the pages that run code in the browser.

    Returns:
        Its file name and its bytes.
    """
    from hatchling.builders.wheel import WheelBuilder

    with tempfile.TemporaryDirectory() as folder:
        (made,) = WheelBuilder(str(root)).build(directory=folder, versions=["standard"])
        return Path(made).name, Path(made).read_bytes()


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Let errors name the page, and a chapter's page have the number and question of its record."""
    PAGE.set(page.file.src_uri)
    book = book_of(config)
    for entry in book.entries():
        if entry.page.relative_to(book.docs).as_posix() == page.file.src_uri:
            introduce(page, entry)
    return markdown


def introduce(page: Page, entry: Entry) -> None:
    """Give a page what its record says of it, unless the page says so itself."""
    if not (entry.recorded / "record.json").exists():
        return  # a block of the page will say so
    record = Record.read(entry.recorded)
    math = {"pymdownx.arithmatex": {"generic": True}}
    html = Markdown(extensions=list(math), extension_configs=math).convert(record.question)
    html = html.removeprefix("<p>").removesuffix("</p>")
    page.meta.setdefault("question", html)
    if entry.is_chapter:
        page.meta.setdefault("chapter", int(record.key))


def on_build_error(error: Exception, **_: Any) -> None:
    """Show a mistake in a page as one line, without a traceback."""
    if isinstance(error, PageError):
        raise PluginError(str(error.args[0])) from None
