"""Two processes that are told to be deterministic give the same bits."""

import random
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.train import determinism, deterministic

PROGRAM = """
import hashlib, os, random, sys
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import LanguageModel, Training, WeightAverage, deterministic, fit

if sys.argv[1] == "one core" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with deterministic(3) as rng:
    cell = {"eager": "lstm", "compiled": "rnn"}[sys.argv[2]]  # which compiles in less time
    ids = rng.integers(0, 20, size=4000)
    model = LanguageModel(20, cell=cell, hidden=24, embedding=12, dropout=0.1, seed=rng)
    stream = TextStream(ids, batch=32, steps=10)
    adam = optim.AdamW(model.parameters(), lr=0.01)
    average = WeightAverage(model)
    training = Training(
        model, adam, stream, model.loss, clip=1.0, accumulate=2, listeners=[average]
    )
    with getattr(tg, sys.argv[2])():
        fit(training, steps=12)
    digest = hashlib.sha256()
    for weights in (model.state_dict(), average.weights()):
        for path in sorted(weights):
            digest.update(weights[path].tobytes())
    print(digest.hexdigest(), training.loss, random.random(), np.random.random())
"""


def drawn_of_old():
    """A number of the generator that all of a process shares."""
    return np.random.random()  # noqa: NPY002


def run(cores, way):
    command = [sys.executable, "-c", PROGRAM, cores, way]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_two_processes_give_the_same_bits_however_many_cores_they_have(way):
    assert run("all cores", way) == run("one core", way)


def test_afterwards_threads_and_generators_are_as_before():
    def state():
        shared = str(np.random.get_state())  # noqa: NPY002
        return random.getstate(), shared, tg.get_num_threads()

    before = state()
    with deterministic(0, threads=3):
        assert tg.get_num_threads() == 3
        random.random()
        drawn_of_old()
    assert state() == before


def test_a_seed_starts_the_same_chance_anew():
    def drawn(seed):
        with deterministic(seed) as rng:
            return rng.random(), random.random(), drawn_of_old()

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))


def test_products_whose_threads_cannot_be_set_are_told(monkeypatch):
    monkeypatch.setattr(determinism, "blas_threads", lambda count: nullcontext(False))
    with pytest.warns(RuntimeWarning, match="set OMP_NUM_THREADS before Python"), deterministic(0):
        pass


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"seed": 0, "threads": 0}])
def test_a_seed_and_a_thread_are_needed(arguments):
    with (
        pytest.raises(ValueError, match="a seed of 0 or more and at least one thread"),
        deterministic(**arguments),
    ):
        pass
