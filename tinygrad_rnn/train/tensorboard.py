r"""TensorBoard's event files, for those who watch their runs there.

    fit(training, …, listeners=[TensorBoard("runs/mine")])

and in a terminal, `tensorboard --logdir runs`. Writing them takes the package tensorboardX, and
neither TensorBoard nor TensorFlow.
"""

from pathlib import Path
from typing import Any

from tinygrad_rnn.train.evaluation import Evaluation
from tinygrad_rnn.train.listeners import Listener
from tinygrad_rnn.train.training import Training

__all__ = ["TensorBoard"]

CURVES = ("loss", "bits", "gradient_norm", "rate", "tokens")


class TensorBoard(Listener):
    """Writes a run's numbers as event files.

    A resumed run goes on with its curves: what an earlier process wrote after its last checkpoint
    is marked as void, so that no step stands twice.

    Args:
        folder: Where the files go.
        every: Steps between two points of the training curves.

    Raises:
        ModuleNotFoundError: If tensorboardX is not installed.
        ValueError: If `every` is less than 1.
    """

    def __init__(self, folder: str | Path, *, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"TensorBoard: got every={every}; expected 1 or more steps")
        self._folder, self._every = Path(folder), every
        self._new_writer = summary_writer()
        self._writer: Any = None

    def begin(self, training: Training) -> None:
        """Open a file."""
        after = training.step + 1 if training.step else None
        self._writer = self._new_writer(str(self._folder), purge_step=after)

    def step(self, training: Training) -> None:
        """Write the training curves, if it is time to."""
        if training.step % self._every == 0:
            report = training.report()
            for name in CURVES:
                self._writer.add_scalar(f"training/{name}", report[name], training.step)

    def evaluated(self, training: Training, result: Evaluation) -> None:
        """Write the held-out curves."""
        self._writer.add_scalar("held_out/bits", result.bits, training.step)
        self._writer.add_scalar("held_out/perplexity", result.perplexity, training.step)

    def end(self, training: Training) -> None:
        """Close the file."""
        self._writer.close()


def summary_writer() -> Any:
    """What writes event files."""
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "TensorBoard: its files are written by tensorboardX, which is not installed; run "
            "python -m pip install tensorboardX"
        ) from error
    return SummaryWriter
