r"""Training a character language model on a text, from the text to a folder of results.

The folder holds `checkpoint.safetensors`, from which the run resumes exactly, `best.safetensors`,
the state with the lowest held-out loss, and `journal.jsonl`. Both checkpoints carry settings and
vocabulary, so either is all that `load_language_model` needs.

Example:
    >>> import tempfile
    >>> from tinygrad_rnn.data import TextSource
    >>> source = TextSource("hello", "hello world, " * 40, "CC0-1.0", "made here")
    >>> settings = Settings(hidden=16, embedding=8, batch=4, window=8, steps=30)
    >>> experiment = TextExperiment(source, settings, tempfile.mkdtemp())
    >>> before = experiment.evaluate().bits
    >>> experiment.run()
    >>> experiment.evaluate().bits < before
    True
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from tinygrad_rnn import optim
from tinygrad_rnn.data import (
    CharacterTokenizer,
    TextSource,
    TextStream,
    Vocabulary,
    contiguous_split,
)
from tinygrad_rnn.train.averaging import WeightAverage
from tinygrad_rnn.train.blas import blas_threads
from tinygrad_rnn.train.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tinygrad_rnn.train.decay import weight_decay_groups
from tinygrad_rnn.train.evaluation import EarlyStopping, Evaluation, evaluate
from tinygrad_rnn.train.journal import Journal
from tinygrad_rnn.train.language_model import LanguageModel
from tinygrad_rnn.train.listeners import Every, Listener
from tinygrad_rnn.train.loop import fit
from tinygrad_rnn.train.training import Training

__all__ = ["Settings", "TextExperiment", "load_language_model"]

TICKS = 10_000
"""The one-cycle schedule runs over ticks of progress, not over steps, so that where time is
limited the clock can drive it."""


@dataclass(frozen=True)
class Settings:
    """What decides the result of a run, together with its text.

    Attributes:
        cell: Recurrent layer.
        hidden: H, features of the hidden state.
        embedding: E, features of a character's vector.
        layers: Recurrent layers on top of each other.
        dropout: Fraction of features dropped.
        tied: Whether output and embedding share their matrix.
        batch: B, streams read side by side.
        window: T, characters after which the gradient is cut.
        steps: Updates of the weights.
        rate: Highest learning rate of the one-cycle schedule.
        clip: Largest norm of the gradient.
        accumulate: Windows that an update reads, one after the other.
        weight_decay: Of matrices, decoupled from the gradient (AdamW); none of biases.
        average: Decay of an average of the weights, such as 0.999, which is then what is evaluated
            and what `load_language_model` loads; 0 keeps none.
        held_out: Fraction of the text, at its end, to evaluate on.
        evaluate_every: Steps between two evaluations.
        patience: Stop after so many evaluations without a new best; None never stops.
        seed: Of the first weights and of dropout.
    """

    cell: Literal["rnn", "lstm", "gru"] = "gru"
    hidden: int = 192
    embedding: int = 64
    layers: int = 1
    dropout: float = 0.0
    tied: bool = False
    batch: int = 16
    window: int = 32
    steps: int = 3000
    rate: float = 6e-3
    clip: float = 1.0
    accumulate: int = 1
    weight_decay: float = 0.0
    average: float = 0.0
    held_out: float = 0.1
    evaluate_every: int = 500
    patience: int | None = None
    seed: int = 0

    def model(self, size: int) -> LanguageModel:
        """A fresh model over `size` characters."""
        return LanguageModel(
            size,
            cell=self.cell,
            hidden=self.hidden,
            embedding=self.embedding,
            layers=self.layers,
            dropout=self.dropout,
            tied=self.tied,
            seed=self.seed,
        )

    def optimizer(self, model: LanguageModel) -> optim.Optimizer:
        """A fresh optimizer of a model."""
        if self.weight_decay:
            groups = weight_decay_groups(model, self.weight_decay)
            return optim.AdamW(groups, betas=(0.9, 0.99))
        return optim.Adam(model.parameters(), betas=(0.9, 0.99))


class TextExperiment:
    """A text, a model that learns to write it, and a folder for the results.

    Args:
        source: The text.
        settings: See `Settings`.
        folder: Where results go.
        resume: Go on from the folder's checkpoint, with the settings in it, instead of starting
            afresh with those given.

    Attributes:
        settings: Those in force.
        vocabulary: The characters of the training part; one bucket stands for all others.
        model: The `LanguageModel`.
        average: The average of its weights, if the settings want one.
        training: Its `Training`.

    Raises:
        FileNotFoundError: If there is no checkpoint to resume from.
        CheckpointError: If the checkpoint is damaged, or was made from another text.
    """

    def __init__(
        self, source: TextSource, settings: Settings, folder: str | Path, *, resume: bool = False
    ) -> None:
        self.source, self.folder = source, Path(folder)
        saved = load_checkpoint(self.checkpoint) if resume else None
        if saved and saved["source"]["sha256"] != source.sha256:
            raise CheckpointError(
                f"{self.checkpoint} was trained on {saved['source']['name']} with sha256 "
                f"{saved['source']['sha256'][:12]}…, but the text given has {source.sha256[:12]}…; "
                "resume with the same text (Python's documentation changes with its version)"
            )
        self.settings = settings = restored(saved["settings"]) if saved else settings
        train, held_out = contiguous_split(
            CharacterTokenizer().split(source.text), settings.held_out
        )
        self.vocabulary = Vocabulary.from_tokens(train, oov_buckets=1)
        self.model = settings.model(len(self.vocabulary))
        self._held_out = TextStream(
            self.vocabulary.encode(held_out), min(16, len(held_out) // 64 + 1), 256, keep_last=True
        )
        self.average = WeightAverage(self.model, settings.average) if settings.average else None
        adam = settings.optimizer(self.model)
        cycle = optim.OneCycleLR(adam, settings.rate, TICKS, pct_start=0.1, cycle_momentum=False)
        self.training = Training(
            self.model,
            adam,
            TextStream(self.vocabulary.encode(train), settings.batch, settings.window),
            self.model.loss,
            schedule=lambda progress: cycle.rate(settings.rate, round(progress * TICKS)),
            clip=settings.clip,
            accumulate=settings.accumulate,
            listeners=[self.average] if self.average else [],
        )
        if saved:
            self.training.load_state_dict(saved["training"])

    @property
    def checkpoint(self) -> Path:
        """The file that the run resumes from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The file with the lowest held-out loss."""
        return self.folder / "best.safetensors"

    @property
    def journal(self) -> Path:
        """The file with a line for every twenty steps and every evaluation."""
        return self.folder / "journal.jsonl"

    def evaluate(self) -> Evaluation:
        """How well the model, or its average, predicts the held-out text, all of it."""
        with blas_threads(1), self.average.applied() if self.average else nullcontext():
            return evaluate(self.model, self.model.loss, self._held_out)

    def save(self, path: Path) -> None:
        """Write all that resuming and generating need."""
        state = {
            "settings": self.settings,
            "vocabulary": self.vocabulary.to_dict(),
            "source": {
                "name": self.source.name,
                "licence": self.source.licence,
                "citation": self.source.citation,
                "sha256": self.source.sha256,
            },
            "training": self.training.state_dict(),
        }
        save_checkpoint(path, state)

    def run(
        self,
        *,
        seconds: float = math.inf,
        save_every: float = 10.0,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Train to the end, with journal, evaluations and checkpoints.

        Args:
            seconds: Time limit; see `fit` for what it does to exactness.
            save_every: Seconds between two checkpoints.
            listeners: Called after each step, before the journal.

        Raises:
            KeyboardInterrupt: After Ctrl-C, once the step at hand is done and saved.
        """
        if (
            not self.training.step
        ):  # nothing of an earlier run in this folder shall be taken for ours
            self.best.unlink(missing_ok=True)
            self.save(self.checkpoint)
        journal = Journal(self.journal, after=self.training.step)
        evaluation = EarlyStopping(
            self.evaluate,
            patience=self.settings.patience or math.inf,
            on_evaluation=lambda training, result: journal.write(
                {
                    "step": training.step,
                    "held_out_bits": result.bits,
                    "perplexity": result.perplexity,
                }
            ),
            on_best=lambda _: self.save(self.best),
        )
        with blas_threads(1):
            fit(
                self.training,
                steps=self.settings.steps,
                seconds=seconds,
                listeners=[
                    *listeners,
                    Every(lambda training: journal.write(training.report()), steps=20),
                    Every(evaluation, steps=self.settings.evaluate_every),
                ],
                save=Every(lambda _: self.save(self.checkpoint), seconds=save_every),
            )


def load_language_model(path: str | Path) -> tuple[LanguageModel, Vocabulary]:
    """The model of a checkpoint, ready to generate, and the vocabulary that it speaks.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged or holds something else.
    """
    saved = load_checkpoint(path)
    missing = {"settings", "vocabulary", "training"} - set(saved)
    if missing:
        raise CheckpointError(
            f"{path} holds no language model: it lacks {', '.join(sorted(missing))}"
        )
    vocabulary = Vocabulary.from_dict(saved["vocabulary"])
    settings = restored(saved["settings"])
    model = settings.model(len(vocabulary))
    model.load_state_dict(saved["training"]["model"])
    if settings.average:
        average = WeightAverage(model, settings.average)
        average.load_state_dict(saved["training"]["listeners"]["WeightAverage"])
        model.load_state_dict(average.weights())
    model.eval()
    return model, vocabulary


def restored(saved: Mapping[str, Any]) -> Settings:
    """The settings of a checkpoint; what it does not say is as it was before there was a choice.

    Raises:
        CheckpointError: If it says what this version does not know.
    """
    if unknown := set(saved) - {field.name for field in fields(Settings)}:
        raise CheckpointError(
            f"the checkpoint has the settings {', '.join(sorted(unknown))}, which this version "
            "does not know; load it with the version that wrote it, or a later one"
        )
    return Settings(**saved)
