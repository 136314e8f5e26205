r"""How threads share work without waking each other up.

The system takes longer to wake a thread than many a loop takes to run. So a worker with nothing to
do keeps looking for orders for a moment before it goes to sleep, and whoever gave orders keeps
looking whether they have been carried out. All of that is machine code, and none of it waits for
the interpreter's lock.

*Work* is a table of numbers: which task is next, how many there are, how many workers may be at
it; then for each task the address of its code, its argument, and what it returned. Threads take
turns: each does what is next until nothing is left.

A worker has a *box*, a line of the cache of its own. In it is the address of work to be done, or
that the worker listens, or that it sleeps. An order that was not taken is withdrawn.
"""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_rnn.kernels.machine_code import ObjectCode, in_python, machine_code, named, once

NEXT, COUNT, INSIDE, TASKS = range(4)  # places in the table; at the last one its tasks begin
CODE, ARGUMENT, STATUS, EACH = range(4)  # places in a task, and how many it has
ORDER, BEFORE = range(2)  # places in a box: the order, and what was there before it
BOX = 8  # numbers from one box to the next
ASLEEP, LISTENING = range(2)  # what a box may say; any other number is the address of work
PATIENCE = 40_000  # looks before a thread stops looking: some milliseconds at most

Loop = Callable[..., int]


def taking_turns() -> Callable[..., None]:
    """The loop `take_turns(work)`, which all other loops end up in."""
    from tinygrad_rnn.kernels.atomics import go_to, increase
    from tinygrad_rnn.kernels.compiling import inner
    from tinygrad_rnn.kernels.instructions import ahead

    def take_turns(work: Any) -> None:
        while True:
            k = increase(ahead(work, NEXT), 1)
            if k >= work[COUNT]:
                break
            task = ahead(work, TASKS + EACH * k)
            task[STATUS] = go_to(task[CODE], task[ARGUMENT])

    return inner(take_turns)


def serve_by() -> ObjectCode:
    """The loop `serve(box, patience)`: a worker does what it is told until nobody has in long."""
    from tinygrad_rnn.kernels.atomics import Numbers, increase, peek, replace, rest
    from tinygrad_rnn.kernels.compiling import object_code
    from tinygrad_rnn.kernels.instructions import ahead, pointer

    take_turns = taking_turns()

    def serve(box: Any, patience: int) -> None:
        replace(box, ASLEEP, LISTENING)
        left = patience
        while True:
            order = peek(box)
            if order > LISTENING and replace(box, order, LISTENING):
                work = pointer(order, box)
                take_turns(work)
                increase(ahead(work, INSIDE), -1)
                left = patience
            elif left > 0:
                rest()
                left -= 1
            elif replace(box, LISTENING, ASLEEP) or peek(box) == ASLEEP:
                break

    return object_code(serve, Numbers, Numbers.dtype)


def order_by() -> ObjectCode:
    """The loop `order(boxes, count, work)`: tell workers; `BEFORE` then says who was asleep."""
    from tinygrad_rnn.kernels.atomics import Numbers, address_in, exchange
    from tinygrad_rnn.kernels.compiling import object_code
    from tinygrad_rnn.kernels.instructions import ahead

    def order(boxes: Any, count: int, work: Any) -> None:
        work[INSIDE] = count
        for k in range(count):
            box = ahead(boxes, BOX * k)
            box[BEFORE] = exchange(box, address_in(work))

    return object_code(order, Numbers, Numbers.dtype, Numbers)


def share_by() -> ObjectCode:
    """The loop `share(boxes, count, work, patience)`: take turns, then wait for the workers.

    It gives up after a while: where a worker is `INSIDE` still, it is to be run again.
    """
    from tinygrad_rnn.kernels.atomics import (
        Numbers,
        address_in,
        increase,
        peek,
        replace,
        rest,
    )
    from tinygrad_rnn.kernels.compiling import object_code
    from tinygrad_rnn.kernels.instructions import ahead

    take_turns = taking_turns()

    def share(boxes: Any, count: int, work: Any, patience: int) -> None:
        take_turns(work)
        inside = ahead(work, INSIDE)
        for k in range(count):
            box = ahead(boxes, BOX * k)
            if replace(box, address_in(work), box[BEFORE]):
                increase(inside, -1)
        left = patience
        while peek(inside) > 0 and left > 0:
            rest()
            left -= 1

    return object_code(share, Numbers, Numbers.dtype, Numbers, Numbers.dtype)


class Turns(NamedTuple):
    """The loops as functions."""

    serve: Loop
    order: Loop
    share: Loop


@once
def turns_of(process: int) -> Turns:
    """The loops in a process; compiled at the first question."""
    here, n = ctypes.c_void_p, ctypes.c_int64

    def function(name: str, compiled: Callable[[], ObjectCode], *kinds: Any) -> Loop:
        return in_python(machine_code(named(f"turns_{name}", "int64"), compiled), *kinds)

    return Turns(
        function("serve", serve_by, here, n),
        function("order", order_by, here, n, here),
        function("share", share_by, here, n, here, n),
    )
