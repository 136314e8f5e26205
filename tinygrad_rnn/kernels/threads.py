"""Threads: how many there may be, and functions that run on them at the same time.

Workers are ordinary threads of Python that spend their time in machine code; `turns` says what they
do there. A task is a function without arguments. If it also has the `code` and the `argument` of
machine code, a worker runs that, and the interpreter's lock never comes into it.
"""

import atexit
import ctypes
import functools
import os
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from queue import SimpleQueue

from tinygrad_rnn.kernels.dispatch import current_backend
from tinygrad_rnn.kernels.machine_code import once
from tinygrad_rnn.kernels.turns import (
    ASLEEP,
    BEFORE,
    BOX,
    EACH,
    INSIDE,
    PATIENCE,
    STATUS,
    TASKS,
    turns_of,
)

POLL = 1e-4  # seconds between looks at long work

Task = Callable[[], None]

thread_count: ContextVar[int | None] = ContextVar("thread_count", default=None)


class MachineTask:
    """A task that machine code can do without Python.

    Attributes:
        run: the code as a function, which returns zero if nothing went wrong,
        code: its address,
        argument: and what it takes.
    """

    run: Callable[[int], int]
    code: int
    argument: int

    def __call__(self) -> None:
        """Do it from Python."""
        if self.run(self.argument):
            self.settle()

    def settle(self) -> None:
        """Raise what went wrong, after the code has said that something did."""
        raise RuntimeError(f"{type(self).__name__}: an error that only machine code meets")


def set_num_threads(count: int | None) -> None:
    """Choose how many threads compiled loops run on, in this thread or coroutine.

    Args:
        count: one or more; None for as many as this process may use processors.

    Raises:
        ValueError: if there is to be none.

    Example:
        >>> import tinygrad_rnn as tg
        >>> tg.set_num_threads(1)
        >>> tg.get_num_threads()
        1
        >>> tg.set_num_threads(None)
    """
    if count is not None and count < 1:
        raise ValueError(f"set_num_threads: got {count}; expected 1 or more, or None for all")
    thread_count.set(count)


def get_num_threads() -> int:
    """How many threads compiled loops run on."""
    return thread_count.get() or available()


@functools.cache
def available() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def side_by_side(tasks: Sequence[Task]) -> None:
    """Run functions at the same time, in this thread and in workers: each takes what is next.

    Where workers are busy with what another thread has given them, or there is no Numba to make
    their machine code, this thread does it all.
    """
    threads = get_num_threads()
    alone = min(threads, len(tasks)) < 2 or current_backend() != "numba"
    if alone or not crew_of(os.getpid(), threads - 1).run(tasks):
        for task in tasks:
            task()


class Crew:
    """Workers that wait for tasks.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self.turns = turns_of(os.getpid())
        self.boxes = array("q", bytes(8 * BOX * (size + 1)))
        start, _ = self.boxes.buffer_info()
        self.first = -start // 8 % BOX  # the number with which a line of the cache begins
        self.address = start + 8 * self.first
        self.work = array("q", bytes(8 * TASKS))
        self.tasks: Sequence[Task] = ()
        self.errors: list[BaseException] = []
        call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        self.function = call(self.call)  # must live as long as machine code may go there
        self.calling = ctypes.cast(self.function, ctypes.c_void_p).value or 0
        self.lock = threading.Lock()
        self.closed = False
        self.bells: list[SimpleQueue[None]] = [SimpleQueue() for _ in range(size)]
        self.threads = [
            threading.Thread(target=self.serve, args=(k,), name=f"tinygrad_rnn_{k}", daemon=True)
            for k in range(size)
        ]
        for thread in self.threads:
            thread.start()
        atexit.register(self.close)  # nobody may be in machine code when the process takes it down

    def serve(self, k: int) -> None:
        """What a worker does all its life."""
        box = self.address + 8 * BOX * k
        while not self.closed:
            self.turns.serve(box, PATIENCE)
            self.bells[k].get()

    def close(self) -> None:
        """Send the workers home."""
        self.closed = True
        for bell, thread in zip(self.bells, self.threads, strict=True):
            bell.put(None)
            thread.join()

    def run(self, tasks: Sequence[Task]) -> bool:
        """Run tasks, and raise what the first of them raised; False if the workers are busy."""
        if not self.lock.acquire(blocking=False):
            return False
        try:
            if self.closed or self.work[INSIDE]:  # after an interrupt some may be at work still
                return False
            self.share(tasks)
        finally:
            self.lock.release()
        return True

    def share(self, tasks: Sequence[Task]) -> None:
        """Have the workers run tasks with this thread."""
        self.tasks, self.errors = tasks, []
        self.work = array("q", (0, len(tasks), 0))
        for k, task in enumerate(tasks):
            code = getattr(task, "code", self.calling)
            self.work.extend((code, getattr(task, "argument", k), 0))
        work, _ = self.work.buffer_info()
        count = min(len(tasks) - 1, len(self.bells))
        try:
            self.turns.order(self.address, count, work)
            for k in range(count):
                if self.boxes[self.first + BOX * k + BEFORE] == ASLEEP:
                    self.bells[k].put(None)
        finally:
            self.turns.share(self.address, count, work, PATIENCE)
            while self.work[INSIDE]:
                time.sleep(POLL)
            errors, self.errors, self.tasks = self.errors, [], ()
        if errors:
            raise errors[0]
        for task, status in zip(tasks, self.work[TASKS + STATUS :: EACH], strict=True):
            if status:
                getattr(task, "settle", task)()

    def call(self, returned: int, raised: int, k: int) -> int:
        """Do a task that is not machine code, for machine code."""
        try:
            self.tasks[k]()
        except BaseException as error:  # raised where all are waited for
            self.errors.append(error)
        return 0


@once
def crew_of(process: int, size: int) -> Crew:
    """The workers of a process; after a fork the child has its own."""
    return Crew(size)
