"""What can be made again is kept where the system, or the user, wants it."""

import sys
from pathlib import Path

import pytest

from tinygrad_rnn.kernels.folders import cache_of_user

HOME = Path("/home/reader")


@pytest.mark.parametrize(
    ("system", "folder"),
    [("linux", "cached"), ("darwin", "Library/Caches"), ("win32", "local")],
)
def test_the_cache_is_where_the_system_wants_it(monkeypatch, system, folder):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Path, "home", lambda: HOME)
    monkeypatch.setenv("XDG_CACHE_HOME", str(HOME / "cached"))
    monkeypatch.setenv("LOCALAPPDATA", str(HOME / "local"))
    assert cache_of_user("loops") == HOME / folder / "tinygrad_rnn" / "loops"


def test_a_variable_names_another_folder(monkeypatch):
    monkeypatch.setenv("LOOPS_HERE", "~/loops")
    assert cache_of_user("loops", "LOOPS_HERE") == Path.home() / "loops"
    monkeypatch.setenv("LOOPS_HERE", "")
    assert cache_of_user("loops", "LOOPS_HERE") == cache_of_user("loops")
