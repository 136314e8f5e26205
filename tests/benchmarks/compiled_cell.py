"""`python -m tests.benchmarks.compiled_cell loop|step CELL T B I H`: a process for `Remote`."""

import os
import shutil
import sys

from tests.benchmarks.cells import torch_side
from tests.benchmarks.own_cells import made
from tests.benchmarks.remote import serve
from tests.benchmarks.sequences import Sizes


def main(what: str, name: str, sizes: Sizes) -> None:
    """Compile a cell's loop or step with PyTorch and run it when told to."""
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))):
        sys.exit("torch.compile needs a C++ compiler, and there is none")
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    cell, work = made(name, sizes)
    # The first calls still compile: leaves and later carries are different cases to PyTorch.
    serve(torch_side(name, cell, work, compiled=what), warm=5)


if __name__ == "__main__":
    _, what, name, *sizes = sys.argv
    T, B, features, H = map(int, sizes)
    main(what, name, (T, B, features, H))
