r"""`tg generate`: text from a checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import typer

from tinygrad_rnn.cli.terminal import explained
from tinygrad_rnn.data import CharacterTokenizer, Vocabulary
from tinygrad_rnn.decode import Sampler, generate
from tinygrad_rnn.train import LanguageModel, load_language_model
from tinygrad_rnn.train.language_model import RANKED

__all__ = ["checkpoint_in", "continuation", "written"]

LONG = 4000  # characters from which a compiled loop pays, though it may have to be compiled first
CHUNK = 64  # characters that a loop writes before they are shown


def checkpoint_in(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the best one in the folder of a run."""
    if path.is_dir():
        best = path / "best.safetensors"
        return best if best.exists() else path / "checkpoint.safetensors"
    return path


def written(
    model: LanguageModel,
    vocabulary: Vocabulary,
    prompt: str,
    length: int,
    sampler: Sampler,
    seed: int,
) -> Iterator[str]:
    """The characters with which a model goes on from a prompt."""
    ids = vocabulary.encode(CharacterTokenizer().split(prompt)).tolist()
    was_training = model.training
    model.eval()
    try:
        for token in tokens(model, ids, length, sampler, np.random.default_rng(seed)):
            [name] = vocabulary.decode([token])
            # The bucket for characters it has never seen is no text.
            yield name if len(name) == 1 else "\N{REPLACEMENT CHARACTER}"
    finally:
        model.train(was_training)


def tokens(
    model: LanguageModel, ids: list[int], length: int, sampler: Sampler, rng: np.random.Generator
) -> Iterator[int]:
    """The same tokens, drawn in a compiled loop if there are many, and else step by step."""
    ranks = sampler.top_k is not None or sampler.top_p is not None
    if length < LONG or (ranks and len(model.output.weight) > RANKED):
        return generate(model.step, None, ids, length, sampler, rng)
    return model.write(
        ids,
        length,
        temperature=sampler.temperature,
        top_k=sampler.top_k,
        top_p=sampler.top_p,
        rng=rng,
        chunk=CHUNK,
    )


def continuation(
    path: Path, prompt: str, length: int, sampler: Sampler, seed: int
) -> Iterator[str]:
    """Load a checkpoint and go on from a prompt."""
    if not prompt:
        raise typer.BadParameter("the prompt is empty; give at least one character")
    with explained(OSError, ValueError, ModuleNotFoundError):
        model, vocabulary = load_language_model(checkpoint_in(path))
    return written(model, vocabulary, prompt, length, sampler, seed)
