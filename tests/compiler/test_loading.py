"""The folder of loops: what is in it, and what is no longer."""

import os

import pytest

from tinygrad_rnn.compiler import loading


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(loading.FOLDER, str(tmp_path))
    monkeypatch.setattr(loading, "KEPT", 3)
    return tmp_path


def test_the_oldest_loops_make_room_for_new_ones(folder):
    (folder / "__pycache__").mkdir()
    for k in range(5):
        path = loading.written(f"loop_{k}", f"NUMBER = {k}\n")
        os.utime(path, (k, k))
        (folder / "__pycache__" / f"loop_{k}.forward-1.py311.nbi").touch()
    assert [path.stem for path in loading.kept_loops()] == ["loop_2", "loop_3", "loop_4"]
    kept = sorted(path.name.partition(".")[0] for path in (folder / "__pycache__").iterdir())
    assert kept == ["loop_2", "loop_3", "loop_4"]


def test_a_module_that_is_there_is_not_written_again(folder):
    path = loading.written("loop_a", "A = 1\n")
    os.utime(path, (1, 1))
    assert loading.written("loop_a", "A = 1\n").stat().st_mtime == 1
    assert loading.written("loop_a", "A = 2\n").stat().st_mtime > 1
    assert path.read_text(encoding="utf-8") == "A = 2\n"


def test_a_file_that_another_process_deletes_is_the_oldest(folder):
    assert loading.written_at(folder / "gone") == 0
