"""`python -m tests.benchmarks [group …]`: every comparison, as ratios from one run.

`--json FILE` keeps the results with the machine's facts, `--svg FILE` draws the speed-ups,
`--text FILE` keeps the tables, and `--quick` only tries whether everything runs: its numbers mean
nothing.
"""

import io
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.machine import facts
from tests.benchmarks.pairs import QUICK, Effort, Group, measured
from tests.benchmarks.report import Results, show

# The module that holds a group, and what is given to its `group`.
GROUPS: dict[str, tuple[str, ...]] = {
    "importing": ("importing",),
    "eager": ("eager",),
    "lstm": ("layers", "LSTM"),
    "gru": ("layers", "GRU"),
    "rnn": ("layers", "RNN"),
    "cells": ("cells",),
    "training": ("training",),
    "parts": ("training", "parts"),
    "generation": ("generation",),
    "roofline": ("roofline",),
    "first": ("first",),
    "memory": ("memory",),
    "growth": ("growth",),
    "words": ("words",),
}
PAGE = 88  # characters in a line of the tables as text
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(GROUPS)}.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results here.")] = None,
    svg_file: Annotated[Path | None, typer.Option("--svg", help="Draw speed-ups here.")] = None,
    text_file: Annotated[Path | None, typer.Option("--text", help="Write the tables here.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only try whether it runs.")] = False,
) -> None:
    """Run the comparisons and show them as tables."""
    unknown = set(names or ()) - set(GROUPS)
    if unknown:
        raise typer.BadParameter(f"no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    console, machine = Console(), facts()
    groups: dict[str, Any] = {}
    page = Console(file=io.StringIO(), width=PAGE)
    for name in names or GROUPS:
        results = measure(name, QUICK if quick else Effort(), console)
        for place in (console, page):
            show(results, place)
        groups[name] = results.as_data()
        save(json_file, {"machine": machine, "quick": quick, "groups": groups})
        if text_file is not None:
            text_file.write_text(as_text(page, machine))
    if svg_file is not None:
        svg_file.write_text(import_module("tests.benchmarks.picture").svg(groups))


def as_text(page: Console, machine: Mapping[str, Any]) -> str:
    """The tables, and what they were measured on."""
    assert isinstance(page.file, io.StringIO)
    rows = [line.rstrip() for line in page.file.getvalue().splitlines()]
    told = "\n".join(f"{name:<10}{spelled(fact)}" for name, fact in machine.items())
    return "\n".join(rows).strip("\n") + f"\n\n{told}\n"


def spelled(fact: Any) -> str:
    """A fact of the machine in words."""
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {version}" for name, version in fact.items())
    return ", ".join(fact) if isinstance(fact, list) else str(fact)


def measure(name: str, effort: Effort, console: Console) -> Results:
    """All of a group's comparisons, with a bar that says which one runs."""
    module, *arguments = GROUPS[name]
    group: Group = import_module(f"tests.benchmarks.{module}").group(*arguments)
    rows = []
    with Progress(*COLUMNS, console=console, transient=True) as progress:
        task = progress.add_task(name, total=len(group.comparisons))
        for comparison in group.comparisons:
            label = " · ".join([name, *comparison.name.split("\n"), comparison.peer])
            progress.update(task, description=label)
            rows.append(measured(comparison, effort))
            progress.advance(task)
    return Results(group.title, rows, group.mean_at_least)


def save(path: Path | None, data: dict[str, Any]) -> None:
    """Write what there is so far, so that an interrupted run is not lost."""
    if path is not None:
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
