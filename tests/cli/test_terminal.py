"""`tg` in a real terminal, made by the standard library's pty."""

import os
import re
import subprocess
import sys
import time

import pytest

from tinygrad_rnn.train import load_language_model

pytest.importorskip("pty", reason="this system has no pseudo-terminals")

SPAWN = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""


class Terminal:
    """A terminal in which one `tg` command runs; `keys` types into it."""

    def __init__(self, *arguments, cwd):
        command = [sys.executable, "-c", SPAWN, sys.executable, "-m", "tinygrad_rnn", *arguments]
        environment = {"TERM": "xterm", "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.screen = ""

    def keys(self, keys):
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def wait_for(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < end, f"no {text!r} in {self.screen[-500:]!r}"
            chunk = os.read(self.process.stdout.fileno(), 4096)
            assert chunk, f"ended without {text!r}: {self.screen[-500:]!r}"
            self.screen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode(errors="replace"))

    def exit_code(self):
        rest, _ = self.process.communicate(timeout=60)
        self.screen += rest.decode(errors="replace")
        return self.process.returncode


@pytest.fixture
def text(tmp_path):
    (tmp_path / "cats.txt").write_text("the cat sat on the mat and the dog sat on the cat. " * 40)


def train(tmp_path, *options):
    model = ["--hidden", "8", "--embedding", "4", "--batch", "2", "--window", "8"]
    return Terminal("train", "cats.txt", *model, "--run", "run", *options, cwd=tmp_path)


def test_ctrl_c_exits_with_130_and_leaves_a_checkpoint_to_go_on_from(tmp_path, text):
    terminal = train(tmp_path, "--steps", "1000000")
    terminal.wait_for("bits/char")
    terminal.keys(b"\x03")
    assert terminal.exit_code() == 130
    assert "all is saved. Go on with" in terminal.screen
    assert "tg train cats.txt --run run --resume" in terminal.screen
    load_language_model(tmp_path / "run" / "checkpoint.safetensors")


def test_a_terminal_shows_a_bar_to_its_end(tmp_path, text):
    terminal = train(tmp_path, "--steps", "30")
    assert terminal.exit_code() == 0
    for part in ("━", "100%", "loss ", "bits/char", "chars/s", "0:00 left", "held-out text: "):
        assert part in terminal.screen
