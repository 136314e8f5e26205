"""A run that is killed at any moment and resumed ends as one that was never killed."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_rnn.train import load_checkpoint

PROGRAM = """
import sys
import tinygrad_rnn as tg
from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import Settings, TextExperiment

folder, resume = sys.argv[1], sys.argv[2] == "resume"
source = TextSource("cats", "the cat sat on the mat. a dog ran off! " * 40, "CC0-1.0", "made here")
settings = Settings(
    cell="lstm", hidden=12, embedding=6, layers=2, dropout=0.2,
    batch=3, window=6, steps=150, rate=0.02, evaluate_every=40,
)
with tg.backend("numpy"):
    experiment = TextExperiment(source, settings, folder, resume=resume)
    print(experiment.training.step, flush=True)
    experiment.run(save_every=1e-6)  # after every step, so that many kills fall into a save
"""


def start(folder, how):
    command = [sys.executable, "-c", PROGRAM, str(folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run_to_the_end(folder, how):
    with start(folder, how) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0


def kill_after_a_while(folder, how, rng):
    """SIGKILL somewhere between the first step and the last; returns whether it was in time."""
    with start(folder, how) as process:
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
    return process.returncode == -signal.SIGKILL


def assert_same_state(a, b, path="state"):
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a.keys() - {"seconds"}:
            assert_same_state(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, tuple | list):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same_state(x, y, f"{path}.{i}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        assert a.tobytes() == b.tobytes(), path
    else:
        assert a == b, path


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_run_killed_again_and_again_ends_bit_for_bit_as_one_never_killed(tmp_path):
    run_to_the_end(tmp_path / "whole", "start")
    rng = random.Random(0)
    how, kills = "start", 0
    for _ in range(4):
        kills += kill_after_a_while(tmp_path / "killed", how, rng)
        how = "resume" if (tmp_path / "killed" / "checkpoint.safetensors").exists() else "start"
    assert kills
    run_to_the_end(tmp_path / "killed", how)
    for name in ("checkpoint.safetensors", "best.safetensors"):
        whole, killed = (load_checkpoint(tmp_path / run / name) for run in ("whole", "killed"))
        assert_same_state(whole, killed)
