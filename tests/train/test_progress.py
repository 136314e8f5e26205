import io
import math
import re
import sys
from types import SimpleNamespace

import pytest

from tinygrad_rnn.train import Dashboard, ProgressLines, progress, show_progress, sparkline


class Terminal(io.StringIO):
    def isatty(self):
        return True


TWO_BITS = 2 * math.log(2)


def training(step, seconds, loss=TWO_BITS, best=math.inf):
    return SimpleNamespace(
        step=step,
        seconds=seconds,
        tokens=500 * step,
        recent_loss=loss,
        gradient_norm=0.25,
        optimizer=SimpleNamespace(lr=0.006),
        best=best,
        best_step=step - 1,
    )


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


def drawn(terminal):
    """What stands in the terminal at the end, without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())


def test_a_dashboard_has_all_that_matters(terminal):
    with Dashboard(terminal, steps=100) as dashboard:
        dashboard.show(training(step=10, seconds=5, loss=4.0))
        dashboard.show(training(step=20, seconds=10))
    shown = drawn(terminal)
    for part in (
        *("20%", "━", "0:40 left"),
        *("loss", "1.386", "2.000 bits/char", "█▁"),
        *("rate", "6.00e-03", "gradient norm 0.25"),
        *("speed", "1,000 chars/s", "step 20"),
    ):
        assert part in shown


def test_a_dashboard_shows_the_best_evaluation_once_there_is_one(terminal):
    with Dashboard(terminal, steps=100) as dashboard:
        dashboard.show(training(step=20, seconds=10))
        assert "held out" not in drawn(terminal)
        dashboard.show(training(step=30, seconds=10, best=3 * math.log(2)))
    assert "best 3.000 bits at step 29" in drawn(terminal)


def test_the_newest_text_is_below_the_numbers_and_the_one_before_above(terminal):
    with Dashboard(terminal, steps=100) as dashboard:
        dashboard.show(training(step=20, seconds=10))
        dashboard.write("[bold]list[int][/bold]")
        dashboard.write("the newest")
    shown = drawn(terminal)
    last_drawn = shown.rindex("chars/s")
    assert shown.rindex("[bold]list[int][/bold]") < last_drawn < shown.rindex("the newest")


def test_a_text_may_come_before_the_first_step(terminal):
    with Dashboard(terminal, steps=100) as dashboard:
        dashboard.write("hello")
        dashboard.show(training(step=1, seconds=1))
    assert "hello" in drawn(terminal)


def test_a_dashboard_tells_the_speed_of_late(terminal):
    with Dashboard(terminal, steps=1000) as dashboard:
        for step in range(1, 101):  # the first step compiles for a minute
            dashboard.show(training(step, seconds=60 + step))
    assert "500 chars/s" in drawn(terminal).splitlines()[-1]


def test_a_long_run_is_shown_from_its_start(terminal, monkeypatch):
    monkeypatch.setattr(progress, "HISTORY", 20)
    with Dashboard(terminal, steps=200) as dashboard:
        for step in range(1, 111):
            dashboard.show(training(step, seconds=step, loss=130 - step))
    curve = re.findall("[▁▂▃▄▅▆▇█]{8,}", drawn(terminal))[-1]
    assert curve[0] == "█"
    assert curve[-1] == "▁"
    assert list(curve) == sorted(curve, reverse=True)


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0]])
def test_a_sparkline_of_equal_values_is_flat(values):
    assert set(sparkline(values, 5)) == {"▁"}


def test_a_sparkline_is_no_wider_than_told():
    assert len(sparkline(range(100), 7)) == 7
    assert len(sparkline(range(3), 7)) == 3


def test_a_terminal_gets_a_dashboard_and_a_pipe_gets_lines(terminal):
    assert isinstance(show_progress(steps=1, file=terminal), Dashboard)
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
