r"""Training at the command line: `tg train`, and the first half of `tg start`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from tinygrad_rnn.cli.generation import written
from tinygrad_rnn.cli.terminal import explained, say
from tinygrad_rnn.data import TextSource, builtin_docstrings, python_docs
from tinygrad_rnn.decode import Sampler
from tinygrad_rnn.train import Every, Settings, TextExperiment, Training, show_progress

__all__ = ["documentation", "report", "source_of", "train_text"]

SAMPLE_EVERY = 6.0  # seconds
SAMPLE_LENGTH = 120  # characters


def documentation() -> TextSource:
    """Python's documentation, or where that is missing its builtins' docstrings, with a word."""
    try:
        return python_docs()
    except ModuleNotFoundError as error:
        say(f"tg: {error}; going on with those")
        return builtin_docstrings()


def source_of(text: str) -> TextSource:
    """The text that an argument names: "docs", or the path of a file in UTF-8."""
    if text == "docs":
        return documentation()
    path = Path(text)
    with explained(OSError, UnicodeDecodeError):
        content = path.read_text(encoding="utf-8")
    return TextSource(path.stem, content, licence="unstated", citation=str(path))


def train_text(
    source: TextSource,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    seconds: float = math.inf,
    command: str,
) -> TextExperiment:
    """Train with a progress bar and samples, and say how it went.

    Args:
        source: The text.
        settings: See `Settings`.
        folder: Where results go.
        resume: Go on from the folder's checkpoint.
        seconds: Time limit.
        command: What to type to go on after Ctrl-C.
    """
    with explained(ValueError, OSError, ModuleNotFoundError):
        experiment = TextExperiment(source, settings, folder, resume=resume)
    training = experiment.training
    say(f"{source}\n{experiment.model.num_parameters():,} parameters, results in {folder}")
    if resume:
        say(f"resuming after step {training.step}, with the settings of {experiment.checkpoint}")
    progress = show_progress(steps=experiment.settings.steps, seconds=seconds)
    samples = Samples(experiment, progress.write)
    try:
        # A sample may meet a model that has diverged before the next step does: a ValueError.
        with progress, explained(FloatingPointError, ValueError):
            experiment.run(
                seconds=seconds,
                listeners=[
                    Every(progress.show, seconds=0.2),
                    Every(samples.write, seconds=SAMPLE_EVERY),
                ],
            )
    except KeyboardInterrupt:
        say(f"interrupted after step {training.step}; all is saved. Go on with\n  {command}")
        raise typer.Exit(130) from None
    return experiment


class Samples:
    """Writes what the model says so far to the terminal and to `samples.txt`.

    Args:
        experiment: Whose model is asked.
        show: What writes to the terminal.
    """

    def __init__(self, experiment: TextExperiment, show: Callable[[str], None]) -> None:
        self.experiment, self._show = experiment, show
        self.path = experiment.folder / "samples.txt"
        if not experiment.training.step:
            self.path.unlink(missing_ok=True)

    def write(self, training: Training) -> None:
        """Write one sample, the same prompt and seed each time, so that progress shows."""
        model, vocabulary = self.experiment.model, self.experiment.vocabulary
        characters = written(model, vocabulary, "The ", SAMPLE_LENGTH, Sampler(0.7), seed=0)
        text = "The " + "".join(characters)
        bits = training.recent_loss / math.log(2)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"--- step {training.step}, {bits:.3f} bits per character\n{text}\n\n")
        self._show(f"… {' '.join(text.split())}")


def report(experiment: TextExperiment) -> dict[str, Any]:
    """Evaluate on the held-out text once more, say the result, and return it with its paths."""
    training, result = experiment.training, experiment.evaluate()
    say(
        f"{training.step} steps in {training.seconds:.1f} s, {training.tokens:,} characters\n"
        f"held-out text: {result.bits:.3f} bits per character, perplexity {result.perplexity:.2f}"
    )
    return {
        "steps": training.step,
        "seconds": round(training.seconds, 3),
        "held_out_bits": result.bits,
        "perplexity": result.perplexity,
        "best_held_out_bits": training.best / math.log(2),
        "parameters": experiment.model.num_parameters(),
        "sha256": experiment.source.sha256,
        "checkpoint": str(experiment.checkpoint),
        "best": str(experiment.best),
        "journal": str(experiment.journal),
    }
