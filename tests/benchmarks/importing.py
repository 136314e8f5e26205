"""What `import tinygrad_rnn` costs, next to `import numpy` which it cannot do without."""

import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.pairs import Measured, compare


def measure() -> Iterator[Measured]:
    """Fresh interpreters, warm file cache."""
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
    """Start an interpreter that executes `code`."""
    subprocess.run([sys.executable, "-c", code], check=True)
