r"""How training shows itself: a live bar in a terminal, plain lines anywhere else."""

import math
import sys
from typing import Any, Protocol, Self, TextIO

from tinygrad_rnn.train.training import Training

__all__ = ["Progress", "ProgressBar", "ProgressLines", "show_progress"]


class Progress(Protocol):
    """What `fit`'s listeners need of a display; use it as a context manager around `fit`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *reason: object) -> None: ...

    def show(self, training: Training) -> None:
        """Show where training stands."""

    def write(self, text: str) -> None:
        """Write a text that stays, such as a sample."""


def show_progress(*, steps: int, seconds: float = math.inf, file: TextIO | None = None) -> Progress:
    """A bar if the file is a terminal and rich is installed, lines otherwise.

    Args:
        steps: As given to `fit`.
        seconds: As given to `fit`.
        file: Where to write; standard error by default, so that results can be piped.
    """
    file = file or sys.stderr
    if file.isatty():
        try:
            return ProgressBar(file, steps=steps, seconds=seconds)
        except ModuleNotFoundError:
            pass
    return ProgressLines(file, steps=steps, seconds=seconds)


class ProgressLines:
    """One line each time `show` is called, at most one in five seconds.

    Args:
        file: Where to write.
        steps: As given to `fit`.
        seconds: As given to `fit`.
        interval: The least time between two lines, in seconds of training.
    """

    def __init__(
        self, file: TextIO, *, steps: int, seconds: float = math.inf, interval: float = 5
    ) -> None:
        self._file, self._steps, self._seconds, self._interval = file, steps, seconds, interval
        self._shown = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._file.flush()

    def show(self, training: Training) -> None:
        """Write a line, unless one was written just now."""
        done = _done(training, self._steps, self._seconds)
        if training.seconds - self._shown >= self._interval or done >= 1:
            self._shown = training.seconds
            facts = " · ".join(_facts(training, done).values())
            self.write(f"step {training.step}: {facts}")

    def write(self, text: str) -> None:
        """Write a text."""
        print(text, file=self._file, flush=True)


class ProgressBar:
    """A bar that rich draws in a terminal; what is written goes above it.

    Args:
        file: The terminal.
        steps: As given to `fit`.
        seconds: As given to `fit`.

    Raises:
        ModuleNotFoundError: If rich is not installed.
    """

    def __init__(self, file: TextIO, *, steps: int, seconds: float = math.inf) -> None:
        from rich import progress
        from rich.console import Console

        self._steps, self._seconds = steps, seconds
        fields = [f"{{task.fields[{name}]}}" for name in ("loss", "bits", "speed", "left")]
        self._bar = progress.Progress(
            progress.TaskProgressColumn(),
            progress.BarColumn(bar_width=None),
            *(progress.TextColumn(field, markup=False) for field in fields),
            console=Console(file=file),
            # Its thread would take turns with the arithmetic; `show` refreshes when called.
            auto_refresh=False,
            expand=True,
        )
        self._task = self._bar.add_task("", total=1, loss="", bits="", speed="", left="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._bar.stop()

    def show(self, training: Training) -> None:
        """Redraw the bar."""
        done = _done(training, self._steps, self._seconds)
        facts: dict[str, Any] = _facts(training, done)
        self._bar.update(self._task, completed=done, refresh=True, **facts)

    def write(self, text: str) -> None:
        """Write a text above the bar, as it is."""
        self._bar.console.print(text, markup=False, highlight=False)


def _done(training: Training, steps: int, seconds: float) -> float:
    return min(1.0, max(training.step / steps, training.seconds / seconds))


def _facts(training: Training, done: float) -> dict[str, str]:
    left = training.seconds * (1 - done) / done
    return {
        "loss": f"loss {training.recent_loss:.3f}",
        "bits": f"{training.recent_loss / math.log(2):.3f} bits/char",
        "speed": f"{training.tokens / max(training.seconds, 1e-9):,.0f} chars/s",
        "left": f"{int(left // 60)}:{int(left % 60):02d} left",
    }
