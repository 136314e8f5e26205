r"""`tg data`: list, fetch, find and verify sources of real data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinygrad_rnn.cli.options import Json
from tinygrad_rnn.cli.terminal import as_examples, explained, print_json, say

if TYPE_CHECKING:
    from tinygrad_rnn.data.sources import Place, Progress, Source

__all__ = ["data"]

data = typer.Typer(help="List, fetch, find and verify real data.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Sources, by name.")]
Folder = Annotated[
    Path | None,
    typer.Option(help="Folder for fetched data, by default TINYGRAD_RNN_DATA or a cache."),
]


@data.command(name="list", epilog=as_examples("tg data list", "tg data list --json"))
def list_sources(
    folder: Folder = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print all that is recorded, as a page.")
    ] = False,
    json: Json = False,
) -> None:
    """List the sources: rows, size, licence, whence they come, whether they are here."""
    from tinygrad_rnn.data import SOURCES
    from tinygrad_rnn.data.sources.pages import as_markdown, rows_of

    if markdown:
        typer.echo(as_markdown(SOURCES), nl=False)
        return
    if json:
        print_json([described(source, folder) for source in SOURCES])
        return
    show(
        ("name", "what", "rows", "size", "licence", "from", "here"),
        [
            (
                *(source.name, source.title, rows_of(source.rows), megabytes(source.size)),
                *(source.licence, source.kind, "✓" if source.here(folder) else ""),
            )
            for source in SOURCES
        ],
    )


@data.command(epilog=as_examples("tg data get mnist", "tg data get --all", "tg data get imdb"))
def get(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Every source.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch also what is here.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Fetch sources, check them, and print where they are; what is here is not fetched again."""
    from tinygrad_rnn.data import SOURCES, SourceError, source

    if not names and not everything:
        raise typer.BadParameter("name a source, or give --all; `tg data list` shows them")
    paths = {}
    with explained(LookupError, SourceError, ModuleNotFoundError, OSError), interruptible():
        chosen = SOURCES if everything else [source(name) for name in names or ()]
        for each in chosen:
            with bar(each) as progress:
                paths[each.name] = str(each.get(folder, again=again, progress=progress))
            if not json:
                typer.echo(paths[each.name])
    if json:
        print_json(paths)


@data.command(epilog=as_examples("tg data path mnist", "ls $(tg data path openmoji)"))
def path(name: Annotated[str, typer.Argument(help="A source.")], folder: Folder = None) -> None:
    """Print the folder that a source's files are in; exits with 1 if they are not here."""
    from tinygrad_rnn.data import source

    with explained(LookupError, ModuleNotFoundError):
        found = source(name)
        typer.echo(str(found.path(folder)))
    if not found.here(folder):
        say(f"tg: nothing is there yet: `tg data get {name}` fetches it")
        raise typer.Exit(1)


@data.command(epilog=as_examples("tg data verify", "tg data verify mnist --json"))
def verify(names: Names = None, folder: Folder = None, json: Json = False) -> None:
    """Compare checksums and count rows, of the named sources or of all that are here.

    Exits with 1 if something is not as recorded, or a named source is not here.
    """
    from tinygrad_rnn.data import SOURCES, source

    with explained(LookupError), interruptible():
        chosen = [source(name) for name in names or ()] or [s for s in SOURCES if s.here(folder)]
        results = [verified(each, folder) for each in chosen]
    if json:
        print_json(results)
    else:
        show(("name", "", "rows", "bytes", "seconds"), [as_row(result) for result in results])
        for result in results:
            if result["fault"]:
                say(f"tg: {result['fault']}")
    raise typer.Exit(int(any(result["fault"] for result in results)))


def verified(source: "Source", folder: Path | None) -> dict[str, Any]:
    """What became of verifying a source, with the fault if there is one."""
    from tinygrad_rnn.data import SourceError

    say(f"verifying {source.name}")
    try:
        return {**vars(source.verify(folder)), "fault": None}
    except (SourceError, ImportError, OSError, ValueError) as error:
        return {"name": source.name, "rows": {}, "fault": str(error)}


def as_row(result: dict[str, Any]) -> tuple[str, ...]:
    """A result of `verify` as cells of a table."""
    from tinygrad_rnn.data.sources.pages import rows_of

    if result["fault"]:
        return result["name"], "!", "", "", ""
    size, seconds = f"{result['bytes']:,}", f"{result['seconds']:.1f}"
    return result["name"], "✓", rows_of(result["rows"]), size, seconds


def described(source: "Source", folder: Path | None) -> dict[str, Any]:
    """All that is recorded of a source, for a program."""
    return {
        "name": source.name,
        "title": source.title,
        "licence": source.licence,
        "citation": source.citation,
        "note": source.note,
        "columns": dict(source.columns),
        "rows": dict(source.rows),
        "rows_measured": source.measured,
        "bytes": source.size,
        "here": source.here(folder),
        "places": [described_place(place) for place in source.places],
    }


def described_place(place: "Place") -> dict[str, Any]:
    """Whence files come, and their checksums."""
    return {
        "kind": place.kind,
        "place": place.place,
        "archive": getattr(place, "archive", None),
        "sha256": getattr(place, "sha256", None),
        "files": [
            {"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in place.files
        ],
    }


def megabytes(size: int | None) -> str:
    """A size in MB, empty if it is not known or nothing."""
    return f"{size / 1e6:.1f} MB" if size else ""


def show(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in heading:
        table.add_column(title, no_wrap=title == "name")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


@contextmanager
def bar(source: "Source") -> Iterator["Progress"]:
    """Show how much of a source has arrived, on standard error, while it is fetched."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown as progress:
        task = progress.add_task(source.name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end a command with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; nothing is left half-done, the same command goes on from here")
        raise typer.Exit(130) from None
