import itertools
import os
import signal
from types import SimpleNamespace

import pytest

from tinygrad_rnn.train import Every, fit, loop


class FakeTraining(SimpleNamespace):
    """Counts steps; each may have an effect."""

    def __init__(self, step=0, on_step=lambda training: None):
        super().__init__(step=step, seconds=0.0, stopped=False, finished_at=-1)
        self.on_step, self.progress = on_step, []

    def advance(self, progress):
        self.step += 1
        self.progress.append(progress)
        self.on_step(self)


def recorder(name, log):
    return lambda training: log.append((name, training.step))


def test_training_ends_after_its_steps():
    training = FakeTraining()
    fit(training, steps=4)
    assert training.step == 4
    assert training.progress == [0, 0.25, 0.5, 0.75]


def test_a_resumed_training_takes_the_steps_that_are_left():
    training = FakeTraining(step=3)
    fit(training, steps=4)
    assert training.progress == [0.75]
    fit(training, steps=4)
    assert training.step == 4


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a second each time it is looked at."""
    monkeypatch.setattr(loop.time, "monotonic", itertools.count().__next__)


def test_training_ends_when_time_is_up_and_progress_follows_the_clock(clock):
    training = FakeTraining()
    fit(training, steps=10**9, seconds=4)
    assert training.seconds == 4
    assert training.progress == [0, 0.25, 0.5, 0.75]


def test_time_spent_before_a_resume_counts():
    training = FakeTraining()
    training.seconds = 100.0
    fit(training, steps=5, seconds=50)
    assert training.step == 0


def test_a_listener_can_stop_training():
    training = FakeTraining()
    fit(training, steps=9, listeners=[Every(lambda t: setattr(t, "stopped", t.step == 4), steps=2)])
    assert training.step == 4


def test_listeners_act_on_their_beat_and_once_at_the_end():
    log = []
    fit(FakeTraining(), steps=5, listeners=[Every(recorder("a", log), steps=2)])
    assert log == [("a", 2), ("a", 4), ("a", 5)]


def test_the_last_beat_is_not_repeated_at_the_end():
    log = []
    fit(FakeTraining(), steps=4, listeners=[Every(recorder("a", log), steps=2)])
    assert log == [("a", 2), ("a", 4)]


def test_a_resumed_run_keeps_the_beat():
    log = []
    fit(FakeTraining(step=3), steps=6, listeners=[Every(recorder("a", log), steps=2)])
    assert log == [("a", 4), ("a", 6)]


@pytest.mark.parametrize("steps", [2, 3])
def test_a_run_resumed_at_its_end_does_nothing_again(steps):
    log = []
    beat = Every(recorder("a", log), steps=steps)
    training = FakeTraining()
    fit(training, steps=4, listeners=[beat])
    before = list(log)
    fit(training, steps=4, listeners=[Every(recorder("a", log), steps=steps)])
    assert log == before


def test_a_run_killed_just_before_its_end_is_brought_to_it():
    log = []
    training = FakeTraining(step=4)
    fit(training, steps=4, listeners=[Every(recorder("on the beat", log), steps=2)])
    assert log == []
    training.finished_at = -1
    fit(training, steps=4, listeners=[Every(recorder("off the beat", log), steps=3)])
    assert log == [("off the beat", 4)]


def test_a_beat_in_seconds_follows_the_clock(clock):
    log = []
    training = FakeTraining()  # a step with one listener looks at the clock twice
    fit(training, steps=10, listeners=[Every(recorder("a", log), seconds=6)])
    assert log == [("a", 4), ("a", 7), ("a", 10)]


def test_saving_comes_after_the_listeners_so_that_it_saves_what_they_did():
    log = []
    fit(
        FakeTraining(),
        steps=2,
        listeners=[Every(recorder("evaluate", log), steps=1)],
        save=Every(recorder("save", log), steps=1),
    )
    last = [("evaluate", 2), ("save", 2)]
    assert log == [("evaluate", 1), ("save", 1), *last, ("save", 2)]


def test_ctrl_c_finishes_the_step_saves_and_then_interrupts():
    log = []

    def press(training):
        if training.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            log.append("the step goes on")

    training = FakeTraining(on_step=press)
    with pytest.raises(KeyboardInterrupt):
        fit(
            training,
            steps=10,
            listeners=[Every(recorder("evaluate", log), steps=10)],
            save=Every(recorder("save", log), seconds=1000),
        )
    assert log == ["the step goes on", ("save", 3)]


@pytest.mark.parametrize(
    "beat", [{}, {"steps": 1, "seconds": 1}, {"steps": 0}, {"seconds": 0}, {"steps": -1}]
)
def test_a_beat_is_either_in_steps_or_in_seconds(beat):
    with pytest.raises(ValueError, match="expected exactly one of them, above 0"):
        Every(print, **beat)
