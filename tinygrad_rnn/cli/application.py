r"""The commands of `tg`, with their options."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from tinygrad_rnn import __version__
from tinygrad_rnn.cli.book import book
from tinygrad_rnn.cli.data import data
from tinygrad_rnn.cli.options import Json, Port, Seed
from tinygrad_rnn.cli.runs import runs
from tinygrad_rnn.cli.terminal import as_examples, explained, print_json

__all__ = ["application", "run"]

EXIT_CODES = (
    "Exit codes: 0 done; 1 a check failed or the work could not be done; 2 the command was not "
    "understood; 130 interrupted by Ctrl-C."
)

application = typer.Typer(
    help="Recurrent networks from the derivative up: train them, run them, read the book.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.add_typer(book, name="book")
application.add_typer(data, name="data")
application.add_typer(runs, name="runs")


def run() -> None:
    """Parse the arguments of this process, run the command, exit with its code."""
    application(prog_name="tg")


def show_version(wanted: bool) -> None:
    """Print the version and leave, if that is wanted."""
    if wanted:
        typer.echo(f"tg {__version__}")
        raise typer.Exit


@application.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Recurrent networks from the derivative up: train them, run them, read the book."""


@application.command(epilog=as_examples("tg start", "tg start --no-serve --seconds 20"))
def start(
    serve: Annotated[
        bool, typer.Option(help="Serve the book on localhost when it is built.")
    ] = True,
    port: Port = 8000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time limit for training.")] = 60,
    folder: Annotated[Path, typer.Option("--run", help="Folder for results.")] = Path("runs/start"),
    seed: Seed = 0,
) -> None:
    """Train a character model on Python's documentation, then build and serve the book.

    Takes about a minute on two cores. Loss curve and samples go to runs/start.
    """
    from tinygrad_rnn.cli.starting import build_and_serve, train

    train(folder, seconds=seconds, seed=seed)
    build_and_serve(port if serve else None)


@application.command(
    epilog=as_examples(
        "tg train docs --cell lstm --hidden 256",
        "tg train my-novel.txt --seconds 300",
        "tg train docs --run runs/docs-lstm-256 --resume",
    )
)
def train(
    text: Annotated[str, typer.Argument(help="'docs', Python's documentation, or a text file.")],
    cell: Annotated[Literal["rnn", "lstm", "gru"], typer.Option(help="Recurrent layer.")] = "gru",
    hidden: Annotated[int, typer.Option(min=1, help="Features of the hidden state.")] = 192,
    embedding: Annotated[int, typer.Option(min=1, help="Features of a character.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Layers on top of each other.")] = 1,
    dropout: Annotated[float, typer.Option(min=0, max=0.99, help="Fraction dropped.")] = 0.0,
    tied: Annotated[bool, typer.Option(help="Share embedding and output weights.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Streams read side by side.")] = 16,
    window: Annotated[int, typer.Option(min=1, help="Steps of backpropagation.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Updates of the weights.")] = 3000,
    rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = 6e-3,
    accumulate: Annotated[int, typer.Option(min=1, help="Windows read for one update.")] = 1,
    weight_decay: Annotated[float, typer.Option(min=0, help="Decay of matrices, AdamW.")] = 0.0,
    average: Annotated[
        float, typer.Option(min=0, max=0.999999, help="Decay of averaged weights, such as 0.999.")
    ] = 0.0,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Evaluations without a new best before stopping.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Time limit; makes results machine-dependent.")
    ] = None,
    seed: Seed = 0,
    folder: Annotated[
        Path | None,
        typer.Option("--run", help="Folder for results, by default runs/…"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's checkpoint, as it was set.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a character language model; resumes exactly where it was stopped or killed."""
    from tinygrad_rnn.cli.training import report, source_of, train_text
    from tinygrad_rnn.train import Settings

    source = source_of(text)
    settings = Settings(
        cell=cell,
        hidden=hidden,
        embedding=embedding,
        layers=layers,
        dropout=dropout,
        tied=tied,
        batch=batch,
        window=window,
        steps=steps,
        rate=rate,
        accumulate=accumulate,
        weight_decay=weight_decay,
        average=average,
        patience=patience,
        seed=seed,
    )
    folder = folder or Path("runs") / f"{source.name}-{cell}-{hidden}"
    result = report(
        train_text(
            source,
            settings,
            folder,
            resume=resume,
            seconds=seconds or math.inf,
            command=f"tg train {text} --run {folder} --resume",
        )
    )
    if json:
        print_json(result)


@application.command(
    epilog=as_examples(
        'tg generate runs/start --prompt "The " --temperature 0.8',
        "tg generate runs/start/best.safetensors --top-k 10 --length 500 --seed 7",
    )
)
def generate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the folder of a run.")],
    prompt: Annotated[str, typer.Option(help="Text to go on from.")] = "The ",
    temperature: Annotated[
        float, typer.Option(min=0, help="0 takes the likeliest character, 1 the model as it is.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Draw among the k likeliest only.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(min=1e-9, max=1, help="Draw within the nucleus of mass p only.")
    ] = None,
    length: Annotated[int, typer.Option(min=0, help="Characters to write.")] = 400,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write text with a trained model, character by character."""
    from tinygrad_rnn.cli.generation import continuation
    from tinygrad_rnn.decode import Sampler

    characters = continuation(
        checkpoint, prompt, length, Sampler(temperature, top_k=top_k, top_p=top_p), seed
    )
    if json:
        print_json({"prompt": prompt, "text": "".join(characters), "seed": seed})
        return
    typer.echo(prompt, nl=False)
    for character in characters:
        typer.echo(character, nl=False)
    typer.echo()


@application.command(epilog=as_examples("tg doctor", "tg doctor --json", "tg doctor --clear"))
def doctor(
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete the compiled loops that are kept, and end.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what this machine offers and lacks, with remedies; exits with 1 if something lacks."""
    if clear:
        delete_loops(json)
        return
    from tinygrad_rnn.cli.doctor import examine
    from tinygrad_rnn.cli.terminal import print_findings

    findings = examine()
    if json:
        print_json([vars(finding) for finding in findings])
    else:
        print_findings(findings)
    raise typer.Exit(int(any(finding.remedy for finding in findings)))


def delete_loops(json: bool) -> None:
    """Empty the folder of compiled loops, and say how many there were."""
    from tinygrad_rnn.compiler.loading import clear_loops
    from tinygrad_rnn.kernels.machine_code import cache_folder

    with explained(OSError):
        count = clear_loops()
    if json:
        print_json({"deleted": count, "folder": str(cache_folder())})
        return
    typer.echo(f"deleted {count} compiled loop{'' if count == 1 else 's'} from {cache_folder()}")
