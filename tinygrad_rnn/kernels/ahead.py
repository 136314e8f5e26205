"""Compile the microkernels in a process of its own, while this one compiles loops that call them.

On a machine that has never run a loop the microkernels take half as long to compile as the loops,
and neither has to wait for the other until both are linked. `python -m tinygrad_rnn.kernels.ahead
float32` is such a process; what it makes it leaves on disk. Where it cannot run, this process
compiles them itself.
"""

import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

from tinygrad_rnn.kernels.grams import accumulating, adding, gathering
from tinygrad_rnn.kernels.machine_code import linker_of, machine_code, path_of
from tinygrad_rnn.kernels.packed import arranging, arranging_all, multiplying
from tinygrad_rnn.kernels.threads import get_num_threads
from tinygrad_rnn.kernels.transposed import transposing


def names(dtype: str) -> list[str]:
    """What every training step of a dtype needs, in the order in which it will ask for it."""
    return [
        transposing(dtype),
        multiplying(dtype),
        arranging(dtype),
        arranging_all(dtype),
        gathering(dtype),
        accumulating(dtype),
        adding(dtype),
    ]


@functools.cache
def compile_ahead(dtype: str) -> None:
    """Start the process, if there is something to compile and a processor to do it."""
    missing = [name for name in names(dtype) if not path_of(name).exists()]
    frozen = getattr(sys, "frozen", False)  # then the executable is no Python but the program
    if not missing or frozen or not sys.executable or get_num_threads() < 2:
        return
    above = str(Path(__file__).parents[2])
    path = os.pathsep.join([above, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        helper = subprocess.Popen(
            [sys.executable, "-m", __name__, dtype],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # no other process is allowed, as in a browser
        return
    threading.Thread(target=helper.wait, daemon=True).start()  # takes note when it has ended
    linker_of(os.getpid()).elsewhere.update(dict.fromkeys(missing, helper))


def main() -> None:
    """Be such a process."""
    for name in names(sys.argv[1]):
        machine_code(name)


if __name__ == "__main__":
    main()
