r"""`tg book`: run, check, build, serve and list the book's scripts."""

from typing import Annotated

import typer

from tinygrad_rnn.cli.options import Json, Port
from tinygrad_rnn.cli.terminal import as_examples, explained, print_json, say

__all__ = ["book"]

book = typer.Typer(help="Run, check, build and serve the book.", no_args_is_help=True)

Keys = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CHAPTER]...", help="Such as 3 or extend-the-engine; all if none."),
]


@book.command(name="list", epilog=as_examples("tg book list", "tg book list --json"))
def list_chapters(json: Json = False) -> None:
    """List the scripts that the book is made of."""
    from tinygrad_rnn.book.runner import chapters

    entries = chapters()
    if json:
        print_json([{"key": e.key, "script": e.script.name, "page": str(e.page)} for e in entries])
        return
    for entry in entries:
        typer.echo(f"{entry.key:18} {entry.script.name}")


@book.command(epilog=as_examples("tg book run 3", "tg book run"))
def run(keys: Keys = None) -> None:
    """Run scripts in fresh processes and record what they give."""
    from tinygrad_rnn.book.runner import ChapterError, chapters, run_chapter

    with explained(ChapterError, LookupError):
        for key in keys or [entry.key for entry in chapters()]:
            say(f"running {key}")
            run_chapter(key)


@book.command(epilog=as_examples("tg book check", "tg book check 3 4 --json"))
def check(keys: Keys = None, json: Json = False) -> None:
    """Run scripts again and compare with the record; exits with 1 if a page is wrong."""
    from tinygrad_rnn.book.runner import ChapterError, chapters, check_chapter

    deviations = []
    with explained(ChapterError, LookupError, FileNotFoundError):
        for key in keys or [entry.key for entry in chapters()]:
            say(f"checking {key}")
            deviations += check_chapter(key)
    if json:
        print_json([deviation.as_dict() for deviation in deviations])
    else:
        for deviation in deviations:
            typer.echo(str(deviation))
    wrong = sum(deviation.fails for deviation in deviations)
    say(f"{wrong} of the record's values no longer hold" if wrong else "the record still holds")
    raise typer.Exit(int(wrong > 0))


@book.command(epilog=as_examples("tg book build", "tg book build --offline"))
def build(
    offline: Annotated[
        bool, typer.Option(help="Put Pyodide into the site, for reading without a network.")
    ] = False,
    strict: Annotated[bool, typer.Option(help="Let a warning end the build.")] = True,
) -> None:
    """Build the site; nothing of a chapter is run."""
    from tinygrad_rnn.book.site import SiteError, build_site

    with explained(SiteError):
        typer.echo(str(build_site(offline=offline, strict=strict)))


@book.command(epilog=as_examples("tg book serve", "tg book serve --port 9000"))
def serve(
    port: Port = 8000,
) -> None:
    """Serve the built site on localhost until Ctrl-C."""
    from tinygrad_rnn.book.site import SiteError, serve_site

    with explained(SiteError):
        serve_site(port, announce=say)
