"""`python -m tests.benchmarks [name …] [--json FILE]`: every comparison, as ratios from one run."""

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

NAMES = ("importing", "eager")


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(NAMES)}.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results here.")] = None,
) -> None:
    """Run the comparisons and show them as a table."""
    measured = []
    with Progress(transient=True) as progress:
        for name in progress.track(names or NAMES, description="measuring"):
            measured += import_module(f"tests.benchmarks.{name}").measure()
    table = Table("measured", "ours", "peer", "theirs", "ratio", "quartiles", "at most")
    for m in measured:
        low, high = m.quartiles
        table.add_row(
            m.name,
            f"{m.ours * 1e6:.2f} µs/{m.unit}",
            m.peer,
            f"{m.theirs * 1e6:.2f} µs/{m.unit}",
            f"[{'green' if m.ratio <= m.at_most else 'red'}]{m.ratio:.2f}[/]",
            f"{low:.2f} – {high:.2f}",
            f"{m.at_most:.2f}",
        )
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(m) for m in measured], indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
