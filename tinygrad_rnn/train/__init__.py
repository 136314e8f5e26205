"""To be written."""

from tinygrad_rnn.train.checkpoints import CheckpointError, load_checkpoint, save_checkpoint

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]
