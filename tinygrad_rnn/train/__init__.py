r"""Training: a loop that one can read, and runs that survive being killed.

==================  ==========================================================================
`training`          `Training`: what changes from step to step, and one step of changing it
`loop`              `fit`: step after step; `Every`: something to do now and then
`evaluation`        `evaluate`, `Evaluation` in bits and perplexity, `EarlyStopping`
`progress`          `show_progress`: a live bar, or plain lines
`journal`           `Journal`: a run's numbers as lines of JSON
`checkpoints`       `save_checkpoint`, `load_checkpoint`: a state in one file, all of it or none
`atomic`            replacing a file at one stroke
`interruption`      Ctrl-C that waits for a good moment
`blas`              how many threads NumPy's matrix products run on
`language_model`    `LanguageModel`: embedding, recurrent layers, scores
`experiment`        `TextExperiment`: from a text to a folder of results
==================  ==========================================================================
"""

from tinygrad_rnn.train.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tinygrad_rnn.train.evaluation import EarlyStopping, Evaluation, evaluate
from tinygrad_rnn.train.experiment import Settings, TextExperiment, load_language_model
from tinygrad_rnn.train.journal import Journal, read_journal
from tinygrad_rnn.train.language_model import LanguageModel
from tinygrad_rnn.train.loop import Every, fit
from tinygrad_rnn.train.progress import Progress, ProgressBar, ProgressLines, show_progress
from tinygrad_rnn.train.training import Stream, Training

__all__ = [
    "CheckpointError",
    "EarlyStopping",
    "Evaluation",
    "Every",
    "Journal",
    "LanguageModel",
    "Progress",
    "ProgressBar",
    "ProgressLines",
    "Settings",
    "Stream",
    "TextExperiment",
    "Training",
    "evaluate",
    "fit",
    "load_checkpoint",
    "load_language_model",
    "read_journal",
    "save_checkpoint",
    "show_progress",
]
