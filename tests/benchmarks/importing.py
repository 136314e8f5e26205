"""What `import tinygrad_rnn` costs, next to `import numpy` which it cannot do without."""

import os
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.pairs import Measured, compare


def measure() -> Iterator[Measured]:
    """Fresh interpreters, with their bytecode and files at hand, as from the second start on."""
    yield compare(
        "import tinygrad_rnn",
        lambda: run("import tinygrad_rnn"),
        lambda: run("import numpy"),
        peer="import numpy",
        unit="start",
        pairs=15,
        at_most=1.3,
    )


def run(code: str) -> None:
    """Start an interpreter that executes `code`, and may keep the bytecode that it makes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
