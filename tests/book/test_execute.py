import os
import sys

import pytest

from tinygrad_rnn.book.execute import cores, execute, fingerprint, main, peak_memory
from tinygrad_rnn.book.record import Record
from tinygrad_rnn.book.recorder import RECORDING, Recording


def test_a_run_says_what_it_cost_and_on_what_it_ran(committed):
    run = Record.read(committed).run
    assert run.seconds >= 0
    assert run.peak_memory > 10
    assert run.cores == cores()
    assert {"python", "numpy", "matplotlib", "tinygrad_rnn"} == run.versions.keys()


def test_the_command_line_runs_a_script(toy, tmp_path):
    entry = toy.entry(1)
    folder = tmp_path / "new"
    folder.mkdir()
    command = [str(entry.script), str(folder), "--key", "01", "--module", "ch01_squares"]
    main([*command, "--command", "tg book run 1"])
    assert Record.read(folder).metrics["largest"].value == 16


def test_a_script_without_a_chapter_is_refused(tmp_path):
    script = tmp_path / "ch01_empty.py"
    script.write_text("x = 1\n")
    with pytest.raises(RuntimeError, match=r"ch01_empty\.py makes no Chapter"):
        execute(script, Recording("01", "ch01_empty", tmp_path), "tg book run 1")


def test_a_script_that_fails_leaves_no_recording_behind(tmp_path):
    script = tmp_path / "ch01_wrong.py"
    script.write_text("raise KeyError('no')\n")
    with pytest.raises(KeyError, match="no"):
        execute(script, Recording("01", "ch01_wrong", tmp_path), "tg book run 1")
    assert RECORDING.get() is None


class TestAFingerprint:
    CODE = "# %%\nx = 1  # (1)!\nprint(x)\n"

    @pytest.mark.parametrize(
        "same",
        [
            "# %% [markdown]\n# Prose.\n\n# %%\nx = 1\n\nprint(x)   \n",
            "# --8<-- [start:x]\nx = 1  # (2)\n# --8<-- [end:x]\nprint(x)\n",
        ],
    )
    def test_does_not_care_for_comments(self, same):
        assert fingerprint(same) == fingerprint(self.CODE)

    @pytest.mark.parametrize("other", ["x = 2\nprint(x)\n", "x = 1\n    print(x)\n", ""])
    def test_tells_code_apart(self, other):
        assert fingerprint(other) != fingerprint(self.CODE)


class TestPeakMemory:
    def test_sees_an_allocation(self):
        before = peak_memory()
        del before
        block = bytearray(64 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        assert peak_memory() > 64

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no such count")
    def test_is_counted_in_mebibytes_everywhere(self, monkeypatch):
        import resource

        usage = type("Usage", (), {"ru_maxrss": 300 * 2**20})
        monkeypatch.setattr("pathlib.Path.exists", lambda self: False)
        monkeypatch.setattr(resource, "getrusage", lambda who: usage)
        monkeypatch.setattr(sys, "platform", "darwin")
        assert peak_memory() == 300
        monkeypatch.setattr(sys, "platform", "linux")
        assert peak_memory() == 300 * 2**10

    def test_is_unknown_where_nobody_counts(self, monkeypatch):
        monkeypatch.setattr("pathlib.Path.exists", lambda self: False)
        monkeypatch.setitem(sys.modules, "resource", None)
        assert peak_memory() is None


def test_cores_are_counted_even_where_affinity_is_unknown(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
