"""A peer in a process of its own, which takes its turns when told to.

Some work can only be stopped with its process, such as a compilation that takes too long. The
process is a module of this package; it calls `serve(run)`. Its turns still alternate with ours.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Self

from tests.benchmarks.pairs import Run, TooSlowError, UnavailableError

ROOT = Path(__file__).parents[2]


class Remote:
    """Our end: starts the process, and waits until it is warm.

    Args:
        module: a module of this package.
        arguments: what it is given.
        patience: how many seconds that may take.

    Raises:
        TooSlowError: if it takes longer.
        UnavailableError: if the process ends.
    """

    def __init__(self, module: str, *arguments: str, patience: float) -> None:
        self.process = subprocess.Popen(
            command(module, *arguments),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that its own helpers end with it
        )
        self.stdin: IO[bytes] = self.process.stdin  # type: ignore[assignment]
        self.stdout: IO[bytes] = self.process.stdout  # type: ignore[assignment]
        try:
            if not select.select([self.stdout], [], [], patience)[0]:
                raise TooSlowError(f"it took longer than {patience:.0f} s to compile")
            self.answer()
        except BaseException:
            self.end()
            raise

    def run(self) -> None:
        """One turn."""
        self.stdin.write(b"\n")
        self.stdin.flush()
        self.answer()

    def answer(self) -> None:
        """Wait until it is done."""
        if not self.stdout.readline():
            self.process.wait()
            said = self.process.stderr.read().decode().strip() if self.process.stderr else ""
            raise UnavailableError(f"its process ended: {(said.splitlines() or ['silently'])[-1]}")

    def end(self) -> None:
        """Stop the process and those that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()


def serve(run: Run, warm: int = 1) -> None:
    """The process's end: run to get warm, then once for each line read; say when it is done."""
    # What the work itself prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for _ in range(warm):
        run()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        run()
        print("done", file=answers, flush=True)


def command(module: str, *arguments: str) -> list[str]:
    """How to start a module of this package."""
    return [sys.executable, "-m", f"{__package__}.{module}", *arguments]


def printed(module: str, *arguments: str, **environment: str) -> str:
    """What a module of this package prints, in a fresh process with more environment variables.

    Raises:
        UnavailableError: if it fails.
    """
    done = subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UnavailableError(f"its process ended: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout
