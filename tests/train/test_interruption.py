import os
import signal
import subprocess
import sys
import threading

import pytest

from tinygrad_rnn.train.interruption import interrupt_held_back


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_ctrl_c_acts_when_the_block_is_left():
    reached = []

    def work():
        with interrupt_held_back() as interrupted:
            reached.append(interrupted())
            press_ctrl_c()
            reached.append(interrupted())

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [False, True]


def test_the_second_ctrl_c_interrupts_at_once():
    reached = []

    def work():
        with interrupt_held_back():
            for k in range(3):
                press_ctrl_c()
                reached.append(k)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [0]


def test_an_error_is_not_hidden_by_the_interrupt_before_it():
    def work():
        with interrupt_held_back():
            press_ctrl_c()
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        work()


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_held_back() as interrupted:
            press_ctrl_c()
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


TERMINATED = """
import os, signal
from tinygrad_rnn.train.interruption import interrupt_held_back
with interrupt_held_back() as interrupted:
    os.kill(os.getpid(), signal.SIGTERM)
    print("saved", interrupted(), flush=True)
print("never")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows terminates without a word")
def test_a_process_that_is_told_to_terminate_saves_first():
    run = subprocess.run(
        [sys.executable, "-c", TERMINATED], capture_output=True, text=True, check=False
    )
    assert run.stdout == "saved True\n"
    assert run.returncode == -signal.SIGTERM


def test_the_handler_from_before_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with interrupt_held_back():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_is_never_interrupted():
    answers = []

    def work():
        with interrupt_held_back() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
