r"""How training shows itself: a live dashboard in a terminal, plain lines anywhere else.

Open it around `fit`, and let it show now and then where training stands:

    with show_progress(steps=3000) as progress:
        fit(training, steps=3000, listeners=[Every(progress.show, seconds=0.2)])
"""

import math
import sys
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self, TextIO

import numpy as np

from tinygrad_rnn.train.training import Training

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Dashboard", "Progress", "ProgressLines", "show_progress", "sparkline"]

HISTORY = 512
"""How many losses a dashboard remembers; every other one is dropped when there are more."""

RECENT = 20
"""Over how many redrawings its speed is taken."""


class Progress(Protocol):
    """What `fit`'s listeners need of a display; use it as a context manager around `fit`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *reason: object) -> None: ...

    def show(self, training: Training) -> None:
        """Show where training stands."""

    def write(self, text: str) -> None:
        """Write a text that stays, such as a sample of what the model says."""


def show_progress(*, steps: int, seconds: float = math.inf, file: TextIO | None = None) -> Progress:
    """A dashboard if the file is a terminal and rich is installed, lines otherwise.

    Args:
        steps: As given to `fit`.
        seconds: As given to `fit`.
        file: Where to write; standard error by default, so that results can be piped.
    """
    file = file or sys.stderr
    if file.isatty():
        try:
            return Dashboard(file, steps=steps, seconds=seconds)
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
            self.write(f"step {training.step}: loss {facts}")

    def write(self, text: str) -> None:
        """Write a text."""
        print(text, file=self._file, flush=True)


class Dashboard:
    """What matters of a run, redrawn in place by rich, with the newest text below.

    It shows how much is done and how long the rest will take; the loss and its way down to here;
    the held-out loss once there is one; the learning rate and the gradient's norm; the throughput;
    and the newest text. The texts before it are above, where they can be scrolled to.

    Args:
        file: The terminal.
        steps: As given to `fit`.
        seconds: As given to `fit`.

    Raises:
        ModuleNotFoundError: If rich is not installed.
    """

    def __init__(self, file: TextIO, *, steps: int, seconds: float = math.inf) -> None:
        from rich.console import Console
        from rich.live import Live

        self._steps, self._seconds = steps, seconds
        self._console = Console(file=file)
        # Its thread would take turns with the arithmetic; `show` refreshes when called.
        self._live = Live(console=self._console, auto_refresh=False)
        self._losses: list[float] = []
        self._every, self._shown = 1, 0
        # Compilation takes seconds of the first step: how fast it is now says more than a mean.
        self._marks = deque([(0.0, 0)], maxlen=RECENT)
        self._text = ""
        self._training: Training | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._live.stop()

    def show(self, training: Training) -> None:
        """Redraw everything."""
        if self._shown % self._every == 0:
            self._losses.append(training.recent_loss)
        self._shown += 1
        if len(self._losses) > HISTORY:
            self._losses, self._every = self._losses[::2], 2 * self._every
        self._marks.append((training.seconds, training.tokens))
        self._training = training
        self._live.update(self._drawn(training), refresh=True)

    def write(self, text: str) -> None:
        """Show a text at the bottom, as it is; the one before it goes up."""
        if self._text:
            self._console.print(self._text, markup=False, highlight=False)
        self._text = text
        if self._training:
            self._live.update(self._drawn(self._training), refresh=True)

    def _drawn(self, training: Training) -> "Group":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        done = _done(training, self._steps, self._seconds)
        facts = _facts(training, done, since=self._marks[0])
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        head.add_row(f"{done:4.0%}", ProgressBar(total=1, completed=done), facts["left"])
        body = Table.grid(padding=(0, 2))
        body.add_column(style="dim", no_wrap=True)
        for name, text in self._rows(training, facts).items():
            body.add_row(name, Text(text))
        return Group(head, body, *([Text(self._text)] if self._text else []))

    def _rows(self, training: Training, facts: dict[str, str]) -> dict[str, str]:
        """What stands below the bar, line by line."""
        width = min(60, max(8, self._console.width - 42))
        curve = sparkline(self._losses, width, ascii=self._console.options.ascii_only)
        best = f"{training.best / math.log(2):.3f} bits at step {training.best_step:,}"
        rows = {
            "loss": f"{facts['loss']} · {facts['bits']}  {curve}",
            "held out": f"best {best}",
            "rate": f"{training.optimizer.lr:.2e} · gradient norm {training.gradient_norm:.3g}",
            "speed": f"{facts['speed']} · step {training.step:,}",
        }
        return {k: v for k, v in rows.items() if k != "held out" or math.isfinite(training.best)}


def sparkline(values: Sequence[float], width: int, *, ascii: bool = False) -> str:
    """A curve in one line of text, from its lowest value to its highest.

    Args:
        values: At least one; means of neighbours are drawn where there are more than `width`.
        width: The most characters to take.
        ascii: Draw with letters that every terminal has.

    Example:
        >>> sparkline([4, 3, 2, 2, 1, 1], width=6)
        '█▆▃▃▁▁'
        >>> sparkline([4, 4, 2, 2, 1, 1], width=3, ascii=True)
        '#-_'
    """
    levels = "_.-~=+*#" if ascii else "▁▂▃▄▅▆▇█"
    heights = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    span = np.ptp(heights) or 1.0
    marks = np.rint((heights - heights.min()) / span * (len(levels) - 1)).astype(int)
    return "".join(levels[mark] for mark in marks)


def _done(training: Training, steps: int, seconds: float) -> float:
    return min(1.0, max(training.step / steps, training.seconds / seconds))


def _facts(training: Training, done: float, since: tuple[float, int] = (0.0, 0)) -> dict[str, str]:
    left = training.seconds * (1 - done) / done
    speed = (training.tokens - since[1]) / max(training.seconds - since[0], 1e-9)
    return {
        "loss": f"{training.recent_loss:.3f}",
        "bits": f"{training.recent_loss / math.log(2):.3f} bits/char",
        "speed": f"{speed:,.0f} chars/s",
        "left": f"{int(left // 60)}:{int(left % 60):02d} left",
    }
