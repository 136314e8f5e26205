r"""Training: a loop that one can read, and runs that survive being killed.

==================  ==========================================================================
`training`          `Training`: what changes from step to step, and one step of changing it
`loop`              `fit`: step after step
`listeners`         `Listener`: what hears of each step; `Every`: something to do now and then
`evaluation`        `evaluate`, `Evaluation` in bits and perplexity, `EarlyStopping`
`averaging`         `WeightAverage`: the mean of the weights along the way
`decay`             `weight_decay_groups`: which parameters decay
`finding`           `find_rate`: a learning rate to start with
`precision`         `rounding_errors` of float32; `MasterWeights` in float64
`determinism`       `deterministic`: the same bits, run after run
`progress`          `show_progress`: a live dashboard, or plain lines
`tensorboard`       `TensorBoard`: a run's numbers as its event files
`journal`           `Journal`: a run's numbers as lines of JSON
`runs`              `find_runs`, `read_run`, `differences`: runs, by their folders
`checkpoints`       `save_checkpoint`, `load_checkpoint`: a state in one file, all of it or none
`atomic`            replacing a file at one stroke
`interruption`      Ctrl-C that waits for a good moment
`blas`              how many threads NumPy's matrix products run on
`language_model`    `LanguageModel`: embedding, recurrent layers, scores
`experiment`        `TextExperiment`: from a text to a folder of results
==================  ==========================================================================
"""

from tinygrad_rnn.train.averaging import WeightAverage
from tinygrad_rnn.train.checkpoints import (
    CheckpointError,
    load_checkpoint,
    read_description,
    save_checkpoint,
)
from tinygrad_rnn.train.decay import weight_decay_groups
from tinygrad_rnn.train.determinism import deterministic
from tinygrad_rnn.train.evaluation import EarlyStopping, Evaluation, evaluate
from tinygrad_rnn.train.experiment import Settings, TextExperiment, load_language_model
from tinygrad_rnn.train.finding import RateCurve, find_rate
from tinygrad_rnn.train.journal import Journal, read_journal
from tinygrad_rnn.train.language_model import LanguageModel
from tinygrad_rnn.train.listeners import Every, Listener
from tinygrad_rnn.train.loop import fit
from tinygrad_rnn.train.precision import MasterWeights, float64_copy, rounding_errors
from tinygrad_rnn.train.progress import (
    Dashboard,
    Progress,
    ProgressLines,
    show_progress,
    sparkline,
)
from tinygrad_rnn.train.runs import Run, differences, find_runs, read_run
from tinygrad_rnn.train.tensorboard import TensorBoard
from tinygrad_rnn.train.training import Stream, Training

__all__ = [
    "CheckpointError",
    "Dashboard",
    "EarlyStopping",
    "Evaluation",
    "Every",
    "Journal",
    "LanguageModel",
    "Listener",
    "MasterWeights",
    "Progress",
    "ProgressLines",
    "RateCurve",
    "Run",
    "Settings",
    "Stream",
    "TensorBoard",
    "TextExperiment",
    "Training",
    "WeightAverage",
    "deterministic",
    "differences",
    "evaluate",
    "find_rate",
    "find_runs",
    "fit",
    "float64_copy",
    "load_checkpoint",
    "load_language_model",
    "read_description",
    "read_journal",
    "read_run",
    "rounding_errors",
    "save_checkpoint",
    "show_progress",
    "sparkline",
    "weight_decay_groups",
]
