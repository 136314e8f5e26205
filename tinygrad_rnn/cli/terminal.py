r"""What the commands say to a person, to a program, and when something goes wrong."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from tinygrad_rnn.cli.doctor import Finding

__all__ = ["as_examples", "explained", "print_findings", "print_json", "say"]


def as_examples(*commands: str) -> str:
    """Example commands as the last paragraphs of a help text."""
    return "\n\n".join(["Examples:", *(f"$ {command}" for command in commands)])


def say(text: str) -> None:
    """Tell a person something on standard error, which leaves standard output to results."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


@contextmanager
def explained(*errors: type[Exception]) -> Iterator[None]:
    """Turn errors whose text says what to do into that text and exit code 1."""
    try:
        yield
    except errors as error:
        say(f"tg: {error}")
        raise typer.Exit(1) from error


def print_findings(findings: Sequence["Finding"]) -> None:
    """Print the doctor's findings as a table, remedies below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = Text("✓", "green") if finding.status == "ok" else Text("!", "yellow")
        table.add_row(mark, Text(finding.name), Text(finding.detail))
        if finding.remedy:
            table.add_row("", "", Text(f"→ {finding.remedy}"))
    Console().print(table)
