r"""ONNX: models out, to run elsewhere, and in, to compute and learn with our ops.

`to_onnx` writes a graph of standard operators: `RNN`, `LSTM`, `GRU`, `Gather` for embeddings,
`MatMul` and `Add` for affine maps. Time and batch stay open, so the model runs on sequences of any
length. `from_onnx` reads such graphs, and others made of the operators in `onnx_operators`; it is a
module whose weights are parameters, so it can be trained on.

Outputs of a model here, in onnxruntime and read again differ by rounding alone: in float32 by
about 1e-6. `save_onnx` writes a file.

Example:
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> lstm = nn.LSTM(3, 4, num_layers=2, seed=0)
    >>> again = from_onnx(to_onnx(lstm, states=True))
    >>> x, state = np.ones((5, 1, 3), "float32"), np.zeros((2, 1, 4), "float32")
    >>> output, h_n, c_n = again(x, state, state)
    >>> bool(np.allclose(output.detach(), lstm(x)[0].detach(), atol=1e-6))
    True
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_rnn.interop.onnx_graphs import OnnxModel
from tinygrad_rnn.interop.onnx_writing import written
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.nn import Module
from tinygrad_rnn.train.atomic import replace_file

__all__ = ["from_onnx", "save_onnx", "to_onnx"]


def to_onnx(
    module: Module,
    *,
    states: bool = False,
    lengths: bool = False,
    axes: Sequence[str] | None = None,
) -> Any:
    """A module as an ONNX model, computing what the module does in use, without dropout.

    There are counterparts for `nn.RNN`, `nn.LSTM` and `nn.GRU`; for `nn.Recurrent` of `RNNCell`,
    `LSTMCell` and `GRUCell`, also `Stacked`, `Bidirectional` or with `Residual` and `Projection`;
    for `Embedding`, `Linear`, `LayerNorm`, `Dropout`, and `Sequential` of these with `Outputs`,
    `LastOutput`, `tanh`, `sigmoid`, `relu` and `softmax`; and for `train.LanguageModel`.

    The model's inputs are `input`, or `ids` where an embedding comes first, then, if asked for,
    `lengths` and the initial states. Its outputs are `output` and the final states. States are
    called `h_0`, `c_0`, `h_n` and `c_n`, those of `nn.Recurrent` `initial_0`, `final_0`, ….
    A sequence of length 0 keeps its initial state here; onnxruntime returns zeros for it.

    Args:
        module: the module.
        states: whether a recurrent layer's initial states are inputs; else they are zeros. Its
            final states are outputs in either case.
        lengths: whether the sequences' lengths are an input of a recurrent layer, (B,) of int32.
        axes: names of the input's leading axes, ("T", "B") or, batch first, ("B", "T") unless
            told. A `Sequential` for single vectors has ("B",).

    Returns:
        An `onnx.ModelProto`, of opset 17.

    Raises:
        InteropError: if a module or one of its options has no counterpart, naming its path.
        ModuleNotFoundError: if onnx is not installed.
    """
    return written(library(), module, states, lengths, axes)


def save_onnx(path: str | Path, module: Module, **options: Any) -> None:
    """Write a module to an ONNX file: the file is the old one or the new one, never a part.

    Args:
        path: the file.
        module: the module.
        **options: of `to_onnx`.

    Raises:
        InteropError: as `to_onnx` does.
    """
    replace_file(path, to_onnx(module, **options).SerializeToString())


def from_onnx(source: Any) -> OnnxModel:
    """An ONNX model as a module of our ops.

    Args:
        source: an `onnx.ModelProto`, its bytes, or the path of a file.

    Returns:
        A module. Call it with the graph's inputs in order or by name; it returns the output, or a
        tuple of several. Weights are parameters under the graph's names.

    Raises:
        InteropError: if the file is no complete ONNX model, or an operator or one of its
            attributes is not supported, naming it.
        FileNotFoundError: if there is no such file.
        ModuleNotFoundError: if onnx is not installed.
    """
    onnx = library()
    if isinstance(source, onnx.ModelProto):
        return OnnxModel(onnx, source)
    if not isinstance(source, bytes):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        source = path.read_bytes()
    try:
        model = onnx.load_model_from_string(source)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker have no error in common
        raise InteropError(
            f"this is not a complete ONNX model ({error}); it was cut short, damaged or is "
            "something else"
        ) from error
    return OnnxModel(onnx, model)


def library() -> Any:
    """The library onnx, if it is there."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'ONNX models need onnx: python -m pip install "tinygrad-rnn[interop]"'
        ) from error
    return onnx
