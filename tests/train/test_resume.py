"""A run that is killed at any moment and resumed ends as one that was never killed."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_rnn import optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import (
    Every,
    LanguageModel,
    MasterWeights,
    Training,
    WeightAverage,
    fit,
    load_checkpoint,
    save_checkpoint,
    weight_decay_groups,
)

PROGRAM = """
import sys
import tinygrad_rnn as tg
from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import Settings, TextExperiment

folder, resume = sys.argv[1], sys.argv[2] == "resume"
source = TextSource("cats", "the cat sat on the mat. a dog ran off! " * 40, "CC0-1.0", "made here")
settings = Settings(
    cell="lstm", hidden=12, embedding=6, layers=2, dropout=0.2,
    batch=3, window=6, steps=120, rate=0.02, evaluate_every=40,
    accumulate=2, weight_decay=0.1, average=0.9,
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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_run_killed_again_and_again_ends_as_one_never_killed(tmp_path, assert_same_state):
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


def with_everything(seed):
    """A training that uses all that a training can have."""
    ids = np.random.default_rng(0).integers(0, 7, size=200)
    model = LanguageModel(7, hidden=6, embedding=5, layers=2, dropout=0.3, seed=seed)
    masters = MasterWeights(
        model, lambda copy: optim.AdamW(weight_decay_groups(copy, 0.1), betas=(0.8, 0.9))
    )
    cycle = optim.OneCycleLR(masters.optimizer, 0.02, total_steps=40)
    averages = [WeightAverage(model, decay) for decay in (0.5, 0.9)]
    return Training(
        *(model, masters, TextStream(ids, batch=3, steps=5), model.loss),
        schedule=cycle,
        clip=0.5,
        accumulate=3,
        listeners=averages,
    )


@pytest.mark.parametrize("taken", [0, 1, 4, 5, 30])
def test_a_training_with_everything_resumes_bit_for_bit(tmp_path, taken, assert_same_state):
    whole, killed, resumed = with_everything(0), with_everything(0), with_everything(99)
    fit(whole, steps=30)
    stop = Every(lambda training: setattr(training, "stopped", True), steps=taken or 1)
    save = Every(lambda training: save_checkpoint(tmp_path / "c", training.state_dict()), steps=1)
    if taken:
        fit(killed, steps=30, listeners=[save, stop])
    else:
        save.action(killed)
    resumed.load_state_dict(load_checkpoint(tmp_path / "c"))
    fit(resumed, steps=30)
    assert_same_state(resumed.state_dict(), whole.state_dict())


def test_a_memory_without_its_listener_is_refused():
    state = with_everything(0).state_dict()
    bare = with_everything(0)
    bare.listeners = bare.listeners[:1]
    message = r"memory of WeightAverage 1, WeightAverage 2, .* listeners are WeightAverage: make"
    with pytest.raises(ValueError, match=message):
        bare.load_state_dict(state)


def test_a_checkpoint_from_before_there_were_listeners_still_loads():
    training = with_everything(0)
    state = training.state_dict()
    del state["listeners"]
    training.load_state_dict(state)
    assert [average.steps for average in training.listeners] == [0, 0]
