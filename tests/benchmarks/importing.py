"""What `import tinygrad_rnn` costs, next to `import numpy` which it cannot do without."""

import os
import subprocess
import sys

from tests.benchmarks.pairs import Comparison, Effort, Group, Outcome, compare


def group() -> Group:
    """Fresh interpreters, with their bytecode and files at hand, as from the second start on."""
    start = Comparison("import tinygrad_rnn", "import numpy", "s", measure, at_most=1.3)
    return Group("Starting", [start])


def measure(effort: Effort) -> Outcome:
    """One interpreter after another."""
    return compare(lambda: run("import tinygrad_rnn"), lambda: run("import numpy"), effort)


def run(code: str) -> None:
    """Start an interpreter that executes `code`, and may keep the bytecode that it makes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
