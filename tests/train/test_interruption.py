import os
import signal
import threading

import pytest

from tinygrad_rnn.train.interruption import interrupt_held_back


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_ctrl_c_is_remembered():
    with interrupt_held_back() as interrupted:
        assert not interrupted()
        press_ctrl_c()
        assert interrupted()


def test_the_second_ctrl_c_interrupts():
    with interrupt_held_back():
        press_ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()


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
