import io
import math
import sys
from types import SimpleNamespace

import pytest

from tinygrad_rnn.train import ProgressBar, ProgressLines, show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def training(step, seconds):
    loss = 2 * math.log(2)
    return SimpleNamespace(step=step, seconds=seconds, recent_loss=loss, tokens=500 * step)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_line_has_loss_bits_speed_and_time_left():
    out = io.StringIO()
    with ProgressLines(out, steps=100) as progress:
        progress.show(training(step=20, seconds=10))
    assert out.getvalue() == ("step 20: loss 1.386 · 2.000 bits/char · 1,000 chars/s · 0:40 left\n")


def test_lines_keep_their_distance_but_the_last_is_always_shown():
    out = io.StringIO()
    progress = ProgressLines(out, steps=100, interval=5)
    for step in (10, 12, 59, 61, 100):
        progress.show(training(step, seconds=step / 10))
    shown = [line.split(":")[0] for line in out.getvalue().splitlines()]
    assert shown == ["step 10", "step 61", "step 100"]


def test_a_time_limit_counts_as_much_as_a_step_limit():
    out = io.StringIO()
    ProgressLines(out, steps=10**9, seconds=60).show(training(step=5, seconds=45))
    assert "0:15 left" in out.getvalue()


def test_a_bar_has_loss_bits_speed_and_time_left(terminal):
    with ProgressBar(terminal, steps=100) as bar:
        bar.show(training(step=20, seconds=10))
    drawn = terminal.getvalue()
    for part in ("20%", "loss 1.386", "2.000 bits/char", "1,000 chars/s", "0:40 left", "━"):
        assert part in drawn


def test_what_is_written_stands_above_the_bar_as_it_is(terminal):
    with ProgressBar(terminal, steps=100) as bar:
        bar.show(training(step=20, seconds=10))
        bar.write("[bold]list[int][/bold]")
    assert "[bold]list[int][/bold]" in terminal.getvalue()


def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines(terminal):
    assert isinstance(show_progress(steps=1, file=terminal), ProgressBar)
    assert isinstance(show_progress(steps=1, file=io.StringIO()), ProgressLines)


def test_standard_error_is_where_progress_goes(capsys):
    with show_progress(steps=10) as progress:
        progress.show(training(step=1, seconds=1))
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("step 1")


def test_without_rich_a_terminal_gets_lines(terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(show_progress(steps=1, file=terminal), ProgressLines)
