"""Run one script in this process and keep what it records: `python -m tinygrad_rnn.book.execute`.

`runner` starts this in a process of its own, so that nothing but the script shapes its results.
"""

import argparse
import os
import platform
import re
import runpy
import sys
import time
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from tinygrad_rnn.book.contents import code_of
from tinygrad_rnn.book.record import Run
from tinygrad_rnn.book.recorder import RECORDING, Recording

PACKAGES = ("numpy", "matplotlib")  # what shapes results, and drawings, besides the library


def execute(script: Path, recording: Recording, command: str) -> None:
    """Run a script and write its record.

    Raises:
        RuntimeError: if the script makes no `Chapter`.
    """
    token = RECORDING.set(recording)
    started = time.perf_counter()
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        RECORDING.reset(token)
    if recording.chapter is None:
        raise RuntimeError(f"{script.name} makes no Chapter, so there is nothing to record")
    record = recording.chapter.record
    record.command = command
    record.fingerprint = fingerprint(code_of(script))
    record.run = Run(
        seconds=round(time.perf_counter() - started, 1),
        peak_memory=peak_memory(),
        cores=cores(),
        versions=versions(),
    )
    record.write(recording.folder)


def fingerprint(code: str) -> str:
    """A checksum of code; comments and prose may change without a new run."""
    lines = (line.rstrip() for line in code.splitlines())
    code = "\n".join(re.sub(r"\s+# \(\d+\)!?$", "", line) for line in lines if _is_code(line))
    return sha256(code.encode()).hexdigest()[:16]


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def peak_memory() -> int | None:
    """The most memory that this process held at once, in MiB; None where no one counts.

    Linux's `ru_maxrss` starts at what the parent process held when it forked, so a child of a
    large parent looks large: the kernel's own high-water mark of this program is read instead.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if mark:
            return round(int(mark[1]) / 1024)
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / 2**20 if sys.platform == "darwin" else most / 2**10)


def cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Versions of Python, the library and the packages that shape a record."""
    from tinygrad_rnn import __version__

    found = {"python": platform.python_version(), "tinygrad_rnn": __version__}
    for name in PACKAGES:
        found[name] = metadata.version(name)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Read the command line that `runner` writes."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_rnn.book.execute")
    parser.add_argument("script", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--committed", type=Path)
    given = parser.parse_args(arguments)
    recording = Recording(given.key, given.module, given.folder, given.committed)
    execute(given.script, recording, given.command)


if __name__ == "__main__":
    main()
