import itertools
import os
import signal
from types import SimpleNamespace

import pytest

from tinygrad_rnn.train import Every, Listener, fit, loop


class FakeTraining(SimpleNamespace):
    """Counts steps; each may have an effect."""

    def __init__(self, step=0, on_step=lambda training: None):
        super().__init__(step=step, seconds=0.0, stopped=False, finished_at=-1, listeners=[])
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


class Diary(Listener):
    """Writes down all that it hears."""

    def __init__(self, name="", log=None):
        self.name, self.log = name, [] if log is None else log

    def begin(self, training):
        self.log.append(f"{self.name}begin {training.step}")

    def step(self, training):
        self.log.append(f"{self.name}step {training.step}")

    def finish(self, training):
        self.log.append(f"{self.name}finish {training.step}")

    def end(self, training):
        self.log.append(f"{self.name}end {training.step}")


def test_a_listener_hears_of_the_beginning_each_step_and_the_end():
    diary = Diary()
    fit(FakeTraining(), steps=2, listeners=[diary])
    assert diary.log == ["begin 0", "step 1", "step 2", "finish 2", "end 2"]


def test_a_trainings_own_listeners_hear_first_and_alone_stay():
    log = []
    training = FakeTraining()
    training.listeners = [Diary("own ", log)]
    fit(training, steps=1, listeners=[Diary("guest ", log)])
    assert log == [
        *("own begin 0", "guest begin 0", "own step 1", "guest step 1"),
        *("own finish 1", "guest finish 1", "guest end 1", "own end 1"),
    ]
    assert [listener.name for listener in training.listeners] == ["own "]


def test_a_resumed_run_begins_again_but_finishes_once():
    diary, training = Diary(), FakeTraining()
    for _ in range(2):
        fit(training, steps=1, listeners=[diary])
    assert diary.log == ["begin 0", "step 1", "finish 1", "end 1", "begin 1", "end 1"]


def test_an_error_ends_what_had_begun():
    diary = Diary()

    def fail(training):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fit(FakeTraining(on_step=fail), steps=2, listeners=[diary])
    assert diary.log == ["begin 0", "end 1"]


def test_an_interrupted_run_ends_but_does_not_finish():
    diary = Diary()
    press = Every(lambda training: os.kill(os.getpid(), signal.SIGINT), steps=2)
    with pytest.raises(KeyboardInterrupt):
        fit(FakeTraining(), steps=5, listeners=[press, diary])
    assert diary.log == ["begin 0", "step 1", "step 2", "end 2"]


def test_a_listener_that_remembers_must_belong_to_the_training():
    class Counter(Listener):
        def state_dict(self):
            return {"count": 0}

    message = r"fit: Counter has a memory, .*: give it to Training\(…, listeners=\[…\]\)"
    with pytest.raises(ValueError, match=message):
        fit(FakeTraining(), steps=1, listeners=[Counter()])


def test_a_memory_that_cannot_be_restored_is_told():
    with pytest.raises(NotImplementedError, match="Listener has a state_dict, but no load_state"):
        Listener().load_state_dict({})


@pytest.mark.parametrize(
    "beat", [{}, {"steps": 1, "seconds": 1}, {"steps": 0}, {"seconds": 0}, {"steps": -1}]
)
def test_a_beat_is_either_in_steps_or_in_seconds(beat):
    with pytest.raises(ValueError, match="expected exactly one of them, above 0"):
        Every(print, **beat)
