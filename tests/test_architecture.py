"""The house stands as planned: every package on those below it, and on nothing else."""

import importlib
import inspect
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tinygrad_rnn.book.floors import FLOORS, LIBRARY, ROOT, floor, imports, modules

# Modules that bear a public function's name. In the first two the package shows the function and
# hides the module, which is then imported by its full name; the others are in another package
# than the function, and hold the layer that calls it.
NAMED_LIKE_A_FUNCTION = {
    "tinygrad_rnn.nn.dropout",
    "tinygrad_rnn.nn.embedding",
}


@pytest.fixture(scope="module")
def found():
    return imports()


def level(name):
    """How high a package is; the library's own name is just above what it re-exports."""
    return FLOORS.index(ROOT) + 0.5 if name == "tinygrad_rnn" else FLOORS.index(name)


def test_every_package_has_a_floor():
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert packages <= set(FLOORS)


def test_a_package_imports_only_from_those_below_it(found):
    upward = [
        f"{each.by} imports {each.of}"
        for each in found
        if each.by != "tinygrad_rnn.__main__" and level(floor(each.of)) > level(floor(each.by))
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle(found):
    graph = {}
    for each in found:
        if not each.deferred:
            graph.setdefault(each.by, set()).add(each.of)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_importing_the_library_imports_numpy_and_nothing_else_from_outside():
    code = (
        "import sys, tinygrad_rnn\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(names & {'numpy', 'numba', 'scipy', 'matplotlib', 'typer', 'rich'}))\n"
        "print(*sorted(n for n in sys.modules if n.count('.') == 1 and 'tinygrad_rnn.' in n))\n"
        "later = ('threads', 'machine_code')\n"
        "print(*(name for name in later if f'tinygrad_rnn.kernels.{name}' in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    outside, packages, later = run.stdout.splitlines()
    assert outside == "numpy"
    assert not later  # what only loops need waits for the first of them
    assert {floor(name) for name in packages.split()} <= {"kernels", "engine", "ops", "compiler"}


def test_no_module_bears_the_name_of_a_public_function_unless_listed():
    names = ["tinygrad_rnn", *(f"tinygrad_rnn.{name}" for name in FLOORS)]
    known = modules()
    packages = [importlib.import_module(name) for name in names if name in known]
    functions = {
        name
        for package in packages
        for name in getattr(package, "__all__", ())
        if callable(getattr(package, name)) and not inspect.isclass(getattr(package, name))
    }
    namesakes = {module for module in known if module.rpartition(".")[2] in functions}
    assert namesakes == NAMED_LIKE_A_FUNCTION
