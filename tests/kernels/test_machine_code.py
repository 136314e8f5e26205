"""Machine code is kept, linked and called; what is damaged or incomplete counts as none."""

import ctypes
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from tinygrad_rnn.kernels import machine_code as kept_code
from tinygrad_rnn.kernels.machine_code import (
    FOLDER,
    Linker,
    ObjectCode,
    in_python,
    kept,
    named,
    path_of,
)

pytest.importorskip("numba")

POINTER_AND_SIZE = ctypes.c_void_p, ctypes.c_int64
ALIVE = []  # when a linker goes, so does its code


def new_linker():
    """As a new process has one."""
    ALIVE.append(Linker())
    return ALIVE[-1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


def adding(number, calls=""):
    """What compiles a loop that adds a number to an array, or has other code do it."""

    def compiled():
        from numba import types

        from tinygrad_rnn.kernels.compiling import object_code
        from tinygrad_rnn.kernels.instructions import Pointer, call

        def add(x, n):
            for i in range(n):
                x[i] += number

        def pass_on(x, n):
            call(calls, x, n)

        return object_code(pass_on if calls else add, Pointer(types.float64), types.int64)

    return compiled


def never():
    raise AssertionError("compiled again")


def run(code, x):
    assert in_python(code, *POINTER_AND_SIZE)(x.ctypes.data, x.size) == 0
    return x.tolist()


def declared(linker, name, compiled):
    linker.declare(name, compiled)
    return linker.linked(name)


def test_code_is_compiled_once_for_all_processes(folder):
    name = named("add_two", "float64")
    assert run(declared(new_linker(), name, adding(2.0)), np.zeros(3)) == [2.0, 2.0, 2.0]
    assert run(declared(new_linker(), name, never), np.ones(2)) == [3.0, 3.0]


def test_code_may_call_code(folder):
    inner, outer = named("add_three", "float64"), named("pass_on_three", "float64")
    first = new_linker()
    first.declare(inner, adding(3.0))
    assert run(declared(first, outer, adding(0.0, inner)), np.zeros(1)) == [3.0]
    assert kept(outer).needs == (inner,)
    assert run(declared(new_linker(), outer, never), np.zeros(1)) == [3.0]


def test_code_of_which_a_part_is_gone_is_compiled_again(folder):
    inner, outer = named("add_four", "float64"), named("pass_on_four", "float64")
    first = new_linker()
    first.declare(inner, adding(4.0))
    declared(first, outer, adding(0.0, inner))
    path_of(inner).unlink()
    second = new_linker()
    assert not second.link_kept(outer)
    second.declare(inner, adding(4.0))
    assert run(declared(second, outer, never), np.zeros(1)) == [4.0]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]), "its checksum is another"),
        (lambda whole: b"no code", "Expecting value"),
        (lambda whole: b"{}\n" + whole.partition(b"\n")[2], "sha256"),
    ],
)
def test_damaged_code_costs_a_warning_and_the_time_to_compile(folder, damage, says):
    name = named("add_five", "float64")
    declared(new_linker(), name, adding(5.0))
    path = path_of(name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(RuntimeWarning, match=f"could not be used .*{says}.*tg doctor --clear"):
        code = declared(new_linker(), name, adding(5.0))
    assert run(code, np.zeros(1)) == [5.0]
    assert kept(name) is not None


def test_what_llvm_cannot_link_costs_a_warning_too(folder):
    name = named("add_six", "float64")
    kept_code.keep(name, ObjectCode("nowhere", (), b"this is no object file"))
    with pytest.warns(RuntimeWarning, match="could not be used"):
        code = declared(new_linker(), name, adding(6.0))
    assert run(code, np.zeros(1)) == [6.0]


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER, str(tmp_path / "file" / "folder"))
    with pytest.warns(RuntimeWarning, match=f"cannot be kept on disk .* Set {FOLDER}"):
        code = declared(new_linker(), named("add_seven", "float64"), adding(7.0))
    assert run(code, np.zeros(1)) == [7.0]


def test_nothing_is_left_of_a_file_that_was_being_written(folder):
    declared(new_linker(), named("add_eight", "float64"), adding(8.0))
    assert [path.suffix for path in folder.iterdir()] == [kept_code.SUFFIX]


def test_code_says_that_it_has_raised_an_error(folder):
    def raising():
        from numba import types

        from tinygrad_rnn.kernels.compiling import object_code

        def refuse(n):
            if n > 1:
                raise ValueError("too many")

        return object_code(refuse, types.int64)

    code = declared(new_linker(), named("refuse", "int64"), raising)
    refuse = in_python(code, ctypes.c_int64)
    assert refuse(1) == 0
    assert refuse(2) != 0


@pytest.fixture(scope="module")
def folder_of_all(tmp_path_factory):
    return tmp_path_factory.mktemp("code")


TRAINED = """
import json, sys
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import nn
layer = nn.{kind}(8, 16, seed=0)
x = tg.tensor(np.ones((60, 16, 8), np.float32), requires_grad=True)
with tg.compiled():
    output, _ = layer(x)
    output.sum().backward()
json.dump(["numba" in sys.modules, float(output.sum().data), float(x.grad.data.sum())], sys.stdout)
"""


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_second_process_trains_without_numba(folder_of_all, kind):
    command = [sys.executable, "-c", TRAINED.format(kind=kind)]
    environment = {**os.environ, FOLDER: str(folder_of_all)}
    first, second = (
        json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
        for _ in range(2)
    )
    assert not second[0]
    assert second[1:] == first[1:]


def test_a_name_is_linked_by_one_thread_only(folder):
    from concurrent.futures import ThreadPoolExecutor

    linker, name, times = new_linker(), named("add_nine", "float64"), []

    def counted():
        times.append(1)
        return adding(9.0)()

    linker.declare(name, counted)
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as threads:
        warnings.simplefilter("error")
        codes = set(threads.map(linker.linked, [name] * 8))
    assert len(codes) == len(times) == 1
