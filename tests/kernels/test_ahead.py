"""Microkernels come from another process, or from this one where there can be no other."""

import sys

import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.kernels import ahead, machine_code
from tinygrad_rnn.kernels.machine_code import FOLDER, Linker, path_of

pytest.importorskip("numba")
ALIVE = []  # when a linker goes, so does its code


@pytest.fixture
def linker(tmp_path, monkeypatch):
    """One that knows nothing yet, with a folder that is empty."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    linker = Linker()
    ALIVE.append(linker)
    for module in (ahead, machine_code):
        monkeypatch.setattr(module, "linker_of", lambda process: linker)
    tg.set_num_threads(2)
    yield linker
    tg.set_num_threads(None)


def linked(linker):
    """What a training step needs, linked."""
    names = ahead.names("float64")
    for name in names:
        linker.linked(name)
    return set(names) <= set(linker.codes)


def test_another_process_compiles_what_this_one_will_need(linker, monkeypatch):
    ahead.compile_ahead.__wrapped__("float64")
    assert set(linker.elsewhere) == set(ahead.names("float64"))

    def never():
        raise AssertionError("compiled here")

    for name in ahead.names("float64"):
        linker.declared[name] = never
    monkeypatch.setattr(linker, "declare", lambda name, compiled: None)
    assert linked(linker)
    assert all(path_of(name).exists() for name in ahead.names("float64"))


@pytest.mark.parametrize("executable", ["false", "there is no such program", ""])
def test_where_it_cannot_this_one_does(linker, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    ahead.compile_ahead.__wrapped__("float64")
    assert linked(linker)


def test_with_one_thread_there_is_no_other_process(linker):
    tg.set_num_threads(1)
    ahead.compile_ahead.__wrapped__("float64")
    assert not linker.elsewhere


def test_what_is_on_disk_is_not_compiled_again(linker):
    for name in ahead.names("float64"):
        path_of(name).touch()
    ahead.compile_ahead.__wrapped__("float64")
    assert not linker.elsewhere
