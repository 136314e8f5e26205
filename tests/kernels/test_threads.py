"""Tasks on several threads: all are done, whoever does them, and whatever goes wrong."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tinygrad_rnn.kernels import threads
from tinygrad_rnn.kernels.dispatch import backend, numba_is_installed
from tinygrad_rnn.kernels.machine_code import machine_code
from tinygrad_rnn.kernels.threads import crew_of, set_num_threads, side_by_side

needs_numba = pytest.mark.skipif(not numba_is_installed(), reason="machine code needs Numba")


@pytest.fixture(autouse=True)
def three_threads():
    set_num_threads(3)
    yield
    set_num_threads(None)


def doubling():
    """Machine code that doubles a number; zero is an error."""
    from numba import types

    from tinygrad_rnn.kernels.compiling import object_code

    def double(x):
        if x[0] == 0.0:
            raise ValueError
        x[0] += x[0]

    return object_code(double, types.CPointer(types.float64))


class Doubling:
    """A task for machine code."""

    def __init__(self, x):
        self.code = machine_code("double_one", doubling).address
        self.x, self.argument = x, x.ctypes.data

    def __call__(self):
        self.x *= 2

    def settle(self):
        raise ValueError(f"nothing to double in {self.x}")


def test_all_tasks_are_done():
    done = []
    for count in (0, 1, 2, 3, 50):
        side_by_side([lambda k=k: done.append(k) for k in range(count)])
        assert sorted(done) == list(range(count))
        done.clear()


@needs_numba
def test_machine_code_does_what_it_can():
    xs = np.arange(1.0, 41.0).reshape(40, 1)
    done = []
    for _ in range(200):
        before = xs.copy()
        side_by_side([*map(Doubling, xs), lambda: done.append(1)])
        np.testing.assert_array_equal(xs, 2 * before)
        xs /= 2
    assert len(done) == 200


@needs_numba
def test_workers_that_have_gone_to_sleep_wake_up():
    xs = np.ones((3, 1))
    side_by_side(list(map(Doubling, xs)))
    time.sleep(0.3)
    crew = crew_of(os.getpid(), 2)
    boxes = crew.boxes[crew.first : crew.first + 2 * threads.BOX : threads.BOX]
    assert list(boxes) == [threads.ASLEEP] * 2
    met = threading.Barrier(3, timeout=20)  # passed only if all three are at work at once
    side_by_side([met.wait] * 3)


@needs_numba
def test_an_error_in_machine_code_is_said_by_its_task():
    xs = np.array([[1.0], [0.0], [2.0]])
    with pytest.raises(ValueError, match=r"nothing to double in \[0\.\]"):
        side_by_side(list(map(Doubling, xs)))
    assert xs.ravel().tolist() == [2, 0, 4]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_one_is_raised_when_all_are_done(error):
    done = []

    def fail():
        raise error("as it was told to")

    def late():
        time.sleep(0.05)
        done.append(1)

    with pytest.raises(error, match="as it was told to"):
        side_by_side([late, fail, late] if numba_is_installed() else [late, late, fail])
    assert done == [1, 1]
    side_by_side([late, late])  # and workers go on
    assert done == [1] * 4


def test_tasks_may_have_tasks_of_their_own():
    done = []
    inner = [lambda k=k: done.append(k) for k in range(4)]
    side_by_side([lambda: side_by_side(inner)] * 3)
    assert sorted(done) == sorted([*range(4)] * 3)


@needs_numba
def test_threads_of_python_may_ask_at_once():
    sums = np.zeros(6)

    def ask(k):
        set_num_threads(3)
        for _ in range(300):
            xs = np.ones((4, 1))
            side_by_side(list(map(Doubling, xs)))
            sums[k] += xs.sum()

    askers = [threading.Thread(target=ask, args=(k,)) for k in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert (sums == 300 * 8).all()


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_has_workers_of_its_own():
    side_by_side(list(map(Doubling, np.ones((3, 1)))))
    pid = os.fork()
    if pid == 0:
        xs = np.ones((3, 1))
        side_by_side(list(map(Doubling, xs)))
        os._exit(0 if (xs == 2).all() else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_without_machine_code_one_thread_does_it_all():
    names = set()
    with backend("numpy"):
        side_by_side([lambda: names.add(threading.get_ident())] * 5)
    assert names == {threading.get_ident()}


@needs_numba
@pytest.mark.parametrize("pause", ["0", "0.2"], ids=["listening", "asleep"])
def test_a_process_ends_while_workers_wait(pause):
    program = f"""
import atexit, time
from tinygrad_rnn.kernels.threads import set_num_threads, side_by_side
done = []
atexit.register(lambda: side_by_side([lambda: print("late")] * 2))
set_num_threads(3)
side_by_side([lambda: done.append(1)] * 20)
time.sleep({pause})
print(len(done))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "20\nlate\nlate\n", "")
