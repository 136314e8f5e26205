import os
from pathlib import Path

import pytest

from tinygrad_rnn.train.atomic import replace_file


def test_the_file_holds_the_content_and_no_other_file_is_left(tmp_path):
    path = tmp_path / "new" / "file"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_whatever_fails_before_the_rename_leaves_the_old_file(tmp_path, monkeypatch, moment):
    path = tmp_path / "file"
    replace_file(path, b"old")

    def fail(*args):
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(os, moment, fail)
        with pytest.raises(OSError, match="disk is full"):
            replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    replace_file(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_reaches_the_disk_before_the_name_and_the_folder_after(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (events.append(Path(f"/proc/self/fd/{fd}").is_dir()), fsync(fd))
    )
    monkeypatch.setattr(os, "replace", lambda *a: (events.append("rename"), replace(*a)))
    replace_file(tmp_path / "file", b"content")
    assert events == [False, "rename", True]


def test_a_system_that_opens_no_folders_is_no_error(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(path)

    with monkeypatch.context() as windows:
        windows.setattr(os, "open", refuse)
        replace_file(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
