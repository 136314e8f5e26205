"""The folder of loops: what is in it, and what is no longer."""

import os

import pytest

from tinygrad_rnn.compiler import loading
from tinygrad_rnn.kernels.machine_code import FOLDER, SUFFIX, named


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(loading, "KEPT", 3)
    return tmp_path


def test_the_oldest_loops_make_room_for_new_ones(folder):
    for k in range(5):
        path = loading.written(f"loop_{k}", f"NUMBER = {k}\n")
        os.utime(path, (k, k))
        (folder / f"loop_{k}_forward_1{SUFFIX}").touch()
    assert [path.stem for path in loading.kept_loops()] == ["loop_2", "loop_3", "loop_4"]
    kept = sorted(path.name.partition("_forward")[0] for path in folder.glob(f"*{SUFFIX}"))
    assert kept == ["loop_2", "loop_3", "loop_4"]


def test_microkernels_of_old_versions_make_room_too(folder):
    for k in range(5):
        path = folder / f"{named('multiply', 'float32', k)}{SUFFIX}"
        path.touch()
        os.utime(path, (k, k))
    loading.written("loop_a", "A = 1\n")
    kept = {path.stem for path in folder.glob(f"*{SUFFIX}")}
    assert kept == {named("multiply", "float32", k) for k in (2, 3, 4)}


def test_a_module_that_is_there_is_not_written_again(folder):
    path = loading.written("loop_a", "A = 1\n")
    os.utime(path, (1, 1))
    assert loading.written("loop_a", "A = 1\n").stat().st_mtime == 1
    assert loading.written("loop_a", "A = 2\n").stat().st_mtime > 1
    assert path.read_text(encoding="utf-8") == "A = 2\n"


def test_a_file_that_another_process_deletes_is_the_oldest(folder):
    assert loading.written_at(folder / "gone") == 0
