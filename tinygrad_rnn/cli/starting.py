r"""`tg start`: a minute of training, then the book."""

from __future__ import annotations

from pathlib import Path

from tinygrad_rnn.cli.terminal import explained, say
from tinygrad_rnn.cli.training import documentation, report, train_text
from tinygrad_rnn.train import Settings, TextExperiment, read_journal

__all__ = ["MODEL", "build_and_serve", "draw_loss", "train"]

MODEL = Settings(steps=1_000_000)
"""The clock ends this training, not the steps; on two cores that is after about 3,000."""


def train(folder: Path, *, seconds: float, seed: int) -> TextExperiment:
    """Train chapter 5's model for so long, evaluation included, and draw its loss."""
