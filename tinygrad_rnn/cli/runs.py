r"""`tg runs`: list, compare and plot runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tinygrad_rnn.cli.options import Json
from tinygrad_rnn.cli.terminal import as_examples, explained, print_json, say

if TYPE_CHECKING:
    from tinygrad_rnn.train import Run

__all__ = ["runs"]

runs = typer.Typer(help="List, compare and plot runs.", no_args_is_help=True)

HOME = Path("runs")

Names = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Folders of runs; in runs/ the name will do.")
]


@runs.command(name="list", epilog=as_examples("tg runs list", "tg runs list experiments --json"))
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, at any depth.")] = HOME,
    json: Json = False,
) -> None:
    """List runs: how far they came, and how well."""
    from tinygrad_rnn.train import find_runs

    with explained(OSError, ValueError, ModuleNotFoundError):
        found = find_runs(folder)
    if json:
        print_json([summary(run) for run in found])
    elif found:
        titles = ("run", "step", "state", "best", "at step", "seconds")
        print_table(titles, [[run.name, *row(run)] for run in found])
    else:
        say(f"there are no runs in {folder}")


@runs.command(epilog=as_examples("tg runs compare start docs-lstm-256"))
def compare(names: Names, json: Json = False) -> None:
    """Show the settings in which runs differ, and what came of them."""
    from tinygrad_rnn.train import differences

    chosen = opened(names, at_least=2)
    differing = differences(list(chosen.values()))
    if json:
        summaries = [summary(run) for run in chosen.values()]
        print_json({"runs": summaries, "differences": differing})
        return
    rows = [[key, *map(text, values)] for key, values in differing.items()]
    measured = [key for run in chosen.values() for key in run.final]
    rows += [
        [key, *(text(run.final.get(key)) for run in chosen.values())]
        for key in dict.fromkeys(measured)
    ]
    rows += [["best", *(best(run) for run in chosen.values())]]
    print_table(("", *chosen), rows)


@runs.command(epilog=as_examples("tg runs plot start docs-lstm-256 --out curves.svg"))
def plot(
    names: Names,
    out: Annotated[Path, typer.Option(help="The SVG file to write.")] = Path("runs.svg"),
    x: Annotated[
        Literal["step", "tokens", "seconds"], typer.Option(help="What runs to the right.")
    ] = "step",
    smoothing: Annotated[
        float, typer.Option(min=0, max=0.999, help="0 for the losses as they were measured.")
    ] = 0.8,
    json: Json = False,
) -> None:
    """Draw the loss curves of runs into one figure."""
    chosen = opened(names, at_least=1)
    with explained(OSError, ValueError, ImportError):
        from tinygrad_rnn.plot import as_svg, loss_curves, loss_series

        series = {
            name: loss_series(run.folder / "journal.jsonl", x) for name, run in chosen.items()
        }
        held_out = {name: each["held_out"] for name, each in series.items()}
        figure = loss_curves(
            {name: each["train"] for name, each in series.items()},
            held_out={name: points for name, points in held_out.items() if points["x"].size},
            smoothing=smoothing,
            x_label="characters" if x == "tokens" else x,
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(as_svg(figure), encoding="utf-8")
    if json:
        print_json({"figure": str(out), "runs": list(chosen)})
    else:
        typer.echo(str(out))


def opened(names: Sequence[str], *, at_least: int) -> "dict[str, Run]":
    """The runs of some names, each by the shortest name that tells it from the others."""
    from tinygrad_rnn.train import read_run

    if len(set(names)) < max(at_least, len(names)):
        raise typer.BadParameter(
            f"got {', '.join(names)}; expected {at_least} or more runs, each once"
        )
    with explained(OSError, ValueError, ModuleNotFoundError):
        found = [read_run(folder_of(name)) for name in names]
    short = [run.name for run in found]
    return dict(zip(short if len(set(short)) == len(short) else names, found, strict=True))


def folder_of(name: str) -> Path:
    """The folder that a name means: itself, or one in `runs`."""
    path = Path(name)
    return path if path.is_dir() or not (HOME / name).is_dir() else HOME / name


def summary(run: "Run") -> dict[str, Any]:
    """A run, for a program to read."""
    return {
        "name": run.name,
        "folder": str(run.folder),
        "step": run.step,
        "finished": run.finished,
        "metric": run.metric,
        "best": run.best if run.best_step else None,
        "best_step": run.best_step,
        "final": run.final,
        "settings": run.settings,
    }


def row(run: "Run") -> list[str]:
    """A run, as a line of the list."""
    state = {True: "finished", False: "unfinished", None: ""}[run.finished]
    seconds = f"{run.final['seconds']:,.0f}" if "seconds" in run.final else ""
    return [f"{run.step:,}", state, best(run), f"{run.best_step:,}", seconds]


def best(run: "Run") -> str:
    """How well a run did, in words."""
    return f"{run.best:.4f} {run.metric}" if run.best_step else ""


def text(value: Any) -> str:
    """A setting or a metric, short."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under titles, names to the left and numbers to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for k, title in enumerate(titles):
        table.add_column(Text(title), justify="right" if k else "left", overflow="fold")
    for cells in rows:
        table.add_row(*map(Text, cells))
    Console().print(table)
