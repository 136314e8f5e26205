r"""Finished and unfinished runs, as their folders tell of them.

A run is a folder with a `journal.jsonl`; its `checkpoint.safetensors`, if there is one, tells the
settings, which are read without the weights.

Example:
    >>> import tempfile
    >>> from tinygrad_rnn.data import TextSource
    >>> from tinygrad_rnn.train import Settings, TextExperiment
    >>> source = TextSource("hello", "hello world, " * 40, "CC0-1.0", "made here")
    >>> folder = tempfile.mkdtemp()
    >>> for cell in ("gru", "lstm"):
    ...     settings = Settings(cell, hidden=8, embedding=4, batch=4, window=8, steps=20)
    ...     TextExperiment(source, settings, f"{folder}/{cell}").run()
    >>> runs = find_runs(folder)
    >>> [(run.name, run.step, run.finished) for run in runs]
    [('gru', 20, True), ('lstm', 20, True)]
    >>> differences(runs)
    {'cell': ['gru', 'lstm']}
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_rnn.train.checkpoints import read_description
from tinygrad_rnn.train.journal import read_journal

__all__ = ["Run", "differences", "find_runs", "read_run"]

JUDGES = ("held_out_bits", "bits", "loss")
"""By which metric a run is judged: the first of these that its journal has."""


@dataclass(frozen=True)
class Run:
    """What a run's folder tells.

    Attributes:
        folder: Where it is.
        name: The folder's name, or its path below the folder that was searched.
        settings: Those it was made with, and its text under `"text"`; empty without a checkpoint.
        final: The last value of each metric in the journal.
        metric: The one that the run is judged by, in which less is better.
        best: Its lowest value, NaN if the journal is empty,
        best_step: and the step of that.
        finished: Whether it came to its end, by the checkpoint; None without one.
    """

    folder: Path
    name: str
    settings: Mapping[str, Any]
    final: Mapping[str, float]
    metric: str
    best: float
    best_step: int
    finished: bool | None

    @property
    def step(self) -> int:
        """The last step that the journal knows of."""
        return int(self.final.get("step", 0))


def find_runs(folder: str | Path) -> list[Run]:
    """All runs in a folder and below it, by path.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found = sorted(path.parent for path in folder.rglob("journal.jsonl"))
    return [read_run(path, str(path.relative_to(folder))) for path in found]


def read_run(folder: str | Path, name: str = "") -> Run:
    """What a folder tells of its run.

    Args:
        folder: With a `journal.jsonl`.
        name: What to call the run; the folder's name by default.

    Raises:
        FileNotFoundError: If there is no journal.
        CheckpointError: If there is a checkpoint that cannot be read.
        ModuleNotFoundError: If there is a checkpoint, and safetensors is not installed.
    """
    folder = Path(folder)
    journal, checkpoint = folder / "journal.jsonl", folder / "checkpoint.safetensors"
    if not journal.is_file():
        raise FileNotFoundError(f"{folder} is no run: it has no journal.jsonl")
    told = read_description(checkpoint) if checkpoint.is_file() else {}
    entries = read_journal(journal)
    final = {key: value for entry in entries for key, value in entry.items()}
    metric = next((key for key in JUDGES if key in final), JUDGES[-1])
    values = [(entry[metric], entry["step"]) for entry in entries if metric in entry]
    best, best_step = min(values, default=(math.nan, 0))
    text = {"text": told["source"]["name"]} if "source" in told else {}
    finished = told["training"]["counters"]["finished_at"] >= 0 if "training" in told else None
    return Run(
        folder,
        name or folder.absolute().name,
        {**told.get("settings", {}), **text},
        final,
        metric,
        best,
        best_step,
        finished,
    )


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings in which runs differ, each with its value in every run; None where it lacks."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    values = {key: [run.settings.get(key) for run in runs] for key in keys}
    return {key: of for key, of in values.items() if any(value != of[0] for value in of)}
