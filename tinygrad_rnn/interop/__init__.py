r"""Weights and models in and out: PyTorch, Keras, ONNX, safetensors, `.npz`, DLPack.

==================  ========================================================================
`torch`             modules and state dicts of PyTorch, both ways
`keras`             layers and lists of weights of Keras, both ways
`keras_files`       what Keras saved, read without Keras
`onnx`              ONNX models, both ways
`onnx_writing`      a function for each kind of module that goes out,
`onnx_building`     and the graph that they add to
`onnx_graphs`       a graph that came in,
`onnx_operators`    what its nodes compute,
`onnx_recurrence`   and how the recurrent ones do
`weights`           safetensors and `.npz`
`sharing`           one memory, several libraries: DLPack
`sequences`         recurrent layers in a row with others
`states`            what all ways in have in common
`estimators`        `RNNClassifier`, `RNNRegressor` for scikit-learn
==================  ========================================================================

PyTorch, Keras, ONNX, h5py, safetensors and scikit-learn are imported where they are needed, so each
may be missing. Weights go in as a whole or not at all, and only in the dtype that they have, unless
told `cast=True`; an error names each key that does not fit.
"""

from typing import TYPE_CHECKING, Any

from tinygrad_rnn.interop import keras, onnx, torch
from tinygrad_rnn.interop.keras import from_keras, keras_weights, load_keras_weights
from tinygrad_rnn.interop.keras_files import read_keras_weights
from tinygrad_rnn.interop.onnx import from_onnx, save_onnx, to_onnx
from tinygrad_rnn.interop.onnx_graphs import OnnxModel
from tinygrad_rnn.interop.sequences import LastOutput, Outputs
from tinygrad_rnn.interop.sharing import aligned, from_dlpack
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.interop.torch import from_torch, load_torch_state, to_torch, torch_state
from tinygrad_rnn.interop.weights import load_weights, read_metadata, read_weights, save_weights

if TYPE_CHECKING:
    from tinygrad_rnn.interop.estimators import RNNClassifier, RNNRegressor

__all__ = [
    "InteropError",
    "LastOutput",
    "OnnxModel",
    "Outputs",
    "RNNClassifier",
    "RNNRegressor",
    "aligned",
    "from_dlpack",
    "from_keras",
    "from_onnx",
    "from_torch",
    "keras",
    "keras_weights",
    "load_keras_weights",
    "load_torch_state",
    "load_weights",
    "onnx",
    "read_keras_weights",
    "read_metadata",
    "read_weights",
    "save_onnx",
    "save_weights",
    "to_onnx",
    "to_torch",
    "torch",
    "torch_state",
]


def __getattr__(name: str) -> Any:
    """An estimator, whose module imports scikit-learn."""
    if name in ("RNNClassifier", "RNNRegressor"):
        from tinygrad_rnn.interop import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'tinygrad_rnn.interop' has no attribute {name!r}")
