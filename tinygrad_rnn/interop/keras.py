r"""Keras 3: lists of weights both ways, layers, and saved models.

Keras stores what PyTorch stores, and what is stored here, in another form:

================  =======================  ==================================================
weight            here                     in Keras
================  =======================  ==================================================
kernels           (out, in)                (in, out)
blocks of `LSTM`  i, f, g, o               i, f, c, o: the same under another name
blocks of `GRU`   r, z, n                  z, r, h
biases            two, which are added     one; two rows for a `GRU` with `reset_after=True`
================  =======================  ==================================================

`keras_weights` and `load_keras_weights` go from a module to the list of `layer.get_weights()` and
back. `from_keras` makes the module as well, from a layer, a `Sequential` or a `.keras` file, which
it reads without Keras. Modules that come from Keras read (B, T, …), as Keras does. Outputs differ
by rounding alone, in float32 by about 1e-6.

Initial values, regularisers and constraints stay behind. A mask from `mask_zero` is what
`lengths` are here.

Example:
    >>> from tinygrad_rnn import nn
    >>> lstm = nn.LSTM(3, 4, batch_first=True, seed=0)
    >>> [w.shape for w in keras_weights(lstm)]  # for keras.layers.LSTM(4).set_weights
    [(3, 16), (4, 16), (16,)]
    >>> load_keras_weights(nn.LSTM(3, 4), keras_weights(lstm))
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.interop.keras_files import Config, saved
from tinygrad_rnn.interop.sequences import LastOutput, Outputs
from tinygrad_rnn.interop.states import InteropError, converts
from tinygrad_rnn.nn import StateDictError
from tinygrad_rnn.nn.recurrent import RNNBase, suffix
from tinygrad_rnn.ops import relu, sigmoid, softmax, tanh

__all__ = ["from_keras", "keras_weights", "load_keras_weights"]

Array = NDArray[Any]

FUNCTIONS = MappingProxyType({"relu": relu, "sigmoid": sigmoid, "softmax": softmax, "tanh": tanh})

ORDERS = MappingProxyType({nn.RNNCell: (0,), nn.LSTMCell: (0, 1, 2, 3), nn.GRUCell: (1, 0, 2)})
"""For each block in Keras, which of ours it is; each order is its own inverse."""


def keras_weights(module: Any) -> list[Array]:
    """A module's weights as a list for `set_weights` of the Keras layer or model like it.

    Several layers, and both directions of one, follow each other as they do in `Sequential` and
    `Bidirectional`. Where Keras has one bias, it gets the sum of our two.

    Raises:
        InteropError: if a module or one of its options is not in Keras, naming it.
    """
    return [slot.read() for slot in slots(module, "")]


def load_keras_weights(module: Any, weights: Sequence[Any], *, cast: bool = False) -> None:
    """Overwrite a module's weights by a list from `get_weights()`: all of them, or none.

    Where Keras has one bias, the first of our two becomes that, and the second 0.

    Args:
        module: what to load into.
        weights: arrays, as `keras_weights` gives them.
        cast: whether floats may change their precision.

    Raises:
        StateDictError: naming every weight that is missing, too much, or of another shape or
            dtype.
        InteropError: if a module or one of its options is not in Keras, naming it.
    """
    places, given = list(slots(module, "")), [np.asarray(w) for w in weights]
    lines = [
        f"weights[{k}], the {slot.name}: got {w.dtype} {w.shape}, expected {own.dtype} {own.shape}"
        for k, (slot, w) in enumerate(zip(places, given, strict=False))
        for own in [slot.read()]
        if w.shape != own.shape or not converts(w.dtype, own.dtype, cast)
    ]
    lines += [f"missing the {slot.name}" for slot in places[len(given) :]]
    lines += [
        f"unexpected weights[{k}]: {given[k].dtype} {given[k].shape}"
        for k in range(len(places), len(given))
    ]
    if lines:
        raise StateDictError(
            f"weights from Keras for {type(module).__name__}; nothing was loaded:\n  "
            + "\n  ".join([*lines, "make the module with the sizes and options of the layer"])
        )
    for slot, w in zip(places, given, strict=True):
        slot.write(w)


@dataclass(frozen=True)
class Slot:
    """One weight of Keras, and the parameters that hold it here."""

    name: str
    parameters: tuple[nn.Parameter, ...]
    there: Callable[..., Array]  # our values to Keras's
    back: Callable[[Array], tuple[Array, ...]]  # and back

    def read(self) -> Array:
        """The values as Keras has them."""
        return np.ascontiguousarray(self.there(*(x.data for x in self.parameters)))

    def write(self, values: Array) -> None:
        """Overwrite the parameters."""
        for x, new in zip(self.parameters, self.back(values), strict=True):
            x.data[...] = new
            x.mark_written()


def slots(module: Any, path: str) -> Iterator[Slot]:
    """The weights of a module in Keras's order."""
    owner = path or "the module"
    if isinstance(module, RNNBase):
        for layer in range(module.num_layers):
            for reverse in module.directions:
                part = f"{owner}, {suffix(layer, reverse).lstrip('_')}"
                yield from cell_slots(module.cell(layer, reverse), part)
    elif type(module) in ORDERS:
        yield from cell_slots(module, owner)
    elif isinstance(module, nn.Linear):
        yield Slot(f"kernel of {owner}", (module.weight,), np.transpose, transposed)
        if module.bias is not None:
            yield Slot(f"bias of {owner}", (module.bias,), same, alone)
    elif isinstance(module, nn.Embedding):
        yield Slot(f"embeddings of {owner}", (module.weight,), same, alone)
    elif holds_others(module):
        for name, child in module.named_children():
            yield from slots(child, f"{path}.{name}" if path else name)
    elif not isinstance(module, nn.Dropout):
        raise InteropError(f"{owner}: {type(module).__name__} is not in Keras")


def holds_others(module: Any) -> bool:
    """Whether a module's weights are those of its parts, one after the other."""
    return isinstance(
        module, nn.ModuleList | nn.Recurrent | nn.Stacked | nn.Bidirectional | Outputs
    )


def cell_slots(cell: Any, owner: str) -> Iterator[Slot]:
    """Kernel, recurrent kernel and bias of a cell."""
    for option in ("weight_hr", "weight_cf"):
        if getattr(cell, option, None) is not None:
            raise InteropError(f"{owner}: a cell with {option} is not in Keras")
    if getattr(cell, "coupled", False):
        raise InteropError(f"{owner}: a cell with coupled gates is not in Keras")
    order = ORDERS[type(cell)]

    def swapped(w: Array) -> Array:
        return w.reshape(len(order), -1, *w.shape[1:])[list(order)].reshape(w.shape)

    def kernel(w: Array) -> Array:
        return swapped(w).T

    def rows(k: Array) -> tuple[Array]:
        return (swapped(k.T),)

    yield Slot(f"kernel of {owner}", (cell.weight_ih,), kernel, rows)
    yield Slot(f"recurrent kernel of {owner}", (cell.weight_hh,), kernel, rows)
    if cell.bias_ih is None:
        return
    biases = (cell.bias_ih, cell.bias_hh)
    if isinstance(cell, nn.GRUCell) and cell.reset_after:
        yield Slot(
            f"bias of {owner}",
            biases,
            lambda b, c: np.stack([swapped(b), swapped(c)]),
            lambda b: (swapped(b[0]), swapped(b[1])),
        )
    else:
        yield Slot(
            f"bias of {owner}",
            biases,
            lambda b, c: swapped(b + c),
            lambda b: (swapped(b), np.zeros_like(b)),
        )


def same(w: Array) -> Array:
    """What is stored alike."""
    return w.copy()


def alone(w: Array) -> tuple[Array]:
    """The same, for one parameter."""
    return (w,)


def transposed(w: Array) -> tuple[Array]:
    """A kernel as it is here."""
    return (w.T,)


def from_keras(source: Any) -> Any:
    """The counterpart of a Keras layer, of a `Sequential`, or of a `.keras` file of either.

    A recurrent layer becomes `nn.RNN`, `nn.LSTM` or `nn.GRU`, which return outputs and states; a
    GRU with `reset_after=False` becomes `nn.Recurrent`. In a `Sequential` they come in `Outputs`
    or `LastOutput`, as `return_sequences` says.

    Args:
        source: a built layer or model, or the path of a file that `model.save` wrote.

    Returns:
        Our module, `batch_first`.

    Raises:
        InteropError: if a layer or one of its options has no counterpart, naming it, or the file
            is cut short, damaged or something else.
        FileNotFoundError: if there is no such file.
        ModuleNotFoundError: if a file is to be read and h5py is not installed.
    """
    if isinstance(source, str | Path):
        layer, weights = saved(Path(source))
    else:
        layer = {"class_name": type(source).__name__, "config": source.get_config()}
        weights = source.get_weights()
        if not getattr(source, "built", True):
            raise InteropError(
                f"from_keras: this {type(source).__name__} has no weights yet; call it once, or "
                "layer.build(shape)"
            )
    parts = counterparts(layer, iter(weights), within=False)
    module = parts[0] if len(parts) == 1 else nn.Sequential(*parts)
    if isinstance(module, nn.Module) and weights:
        module.astype(weights[0].dtype)
        load_keras_weights(module, weights)
    return module


def counterparts(layer: Config, weights: Iterator[Array], within: bool) -> list[Any]:
    """Modules and functions that do together what a layer does.

    Args:
        layer: its class's name, and its config.
        weights: its weights, and those of layers to come; the layer's own are taken.
        within: whether it is part of a `Sequential`.
    """
    name, config = layer["class_name"], layer["config"]
    if name in ("Sequential", "InputLayer"):
        inner = (counterparts(part, weights, True) for part in config.get("layers", []))
        parts = [module for modules in inner for module in modules]
        return [nn.Sequential(*parts)] if name == "Sequential" else []
    if name in ("SimpleRNN", "LSTM", "GRU", "Bidirectional"):
        module = recurrent(layer, weights)
        if not within:
            return [module]
        told = config["layer"]["config"] if name == "Bidirectional" else config
        return [Outputs(module) if told["return_sequences"] else LastOutput(module)]
    if name == "Embedding":
        refuse(name, config, mask_zero=False)
        return [nn.Embedding(*next(weights).shape)]
    if name == "Dense":
        kernel, *bias = islice(weights, 1 + config["use_bias"])
        into, out = kernel.shape
        return [nn.Linear(into, out, bias=bool(bias)), *activation(name, config)]
    if name == "Dropout":
        return [nn.Dropout(config["rate"])]
    if name == "Activation":
        return activation(name, config)
    raise InteropError(
        f"from_keras: {config.get('name', name)}: {name} has no counterpart here. Write the "
        "module, and load its weights with load_keras_weights(module, layer.get_weights())"
    )


def recurrent(layer: Config, weights: Iterator[Array]) -> Any:
    """A recurrent layer, in one direction or two."""
    name, config = layer["class_name"], layer["config"]
    both = name == "Bidirectional"
    if both:
        refuse(name, config, merge_mode="concat")
        name, config, back = config["layer"]["class_name"], config["layer"]["config"], config
        check_alike(name, config, back.get("backward_layer"))
    usual = {"tanh", "relu"} if name == "SimpleRNN" else {"tanh"}
    if name not in ("SimpleRNN", "LSTM", "GRU") or config["activation"] not in usual:
        raise InteropError(
            f"from_keras: {config['name']}: {name} with activation={config['activation']!r} has no "
            f"counterpart here; expected SimpleRNN, LSTM or GRU with one of {sorted(usual)}"
        )
    refuse(name, config, recurrent_activation="sigmoid")
    refuse(name, config, go_backwards=False, stateful=False, dropout=0, recurrent_dropout=0)
    H, bias = config["units"], config["use_bias"]
    kernel, *_ = islice(weights, (2 + bias) * (1 + both))
    size = len(kernel)
    options = {"bias": bias, "batch_first": True, "bidirectional": both}
    if name == "SimpleRNN":
        return nn.RNN(size, H, nonlinearity=config["activation"], **options)
    if name == "LSTM":
        return nn.LSTM(size, H, **options)
    if config["reset_after"]:
        return nn.GRU(size, H, **options)
    cells = [nn.GRUCell(size, H, bias, reset_after=False) for _ in range(1 + both)]
    return nn.Recurrent(nn.Bidirectional(*cells) if both else cells[0], batch_first=True)


def refuse(name: str, config: Config, **usual: Any) -> None:
    """Refuse options that change results and have no counterpart."""
    for option, value in usual.items():
        got = config.get(option, value)
        if got != value:
            raise InteropError(
                f"from_keras: {config['name']}: {name} has {option}={got!r}, which has no "
                f"counterpart here; expected {value!r}. Write the module, and load its weights "
                "with load_keras_weights(module, layer.get_weights())"
            )


def check_alike(name: str, config: Config, back: Config | None) -> None:
    """Refuse two directions that differ in more than their direction."""
    if back is None:
        return
    compared = ("units", "activation", "recurrent_activation", "use_bias", "reset_after")
    differ = [k for k in compared if config.get(k) != back["config"].get(k)]
    if back["class_name"] != name or differ:
        raise InteropError(
            f"from_keras: {config['name']}: the backward_layer of Bidirectional differs from the "
            f"forward one in {', '.join(differ) or 'its class'}; expected two of a kind"
        )


def activation(name: str, config: Config) -> list[Any]:
    """The function that a layer ends in, or nothing."""
    chosen = config["activation"]
    if chosen in (None, "linear"):
        return []
    if chosen not in FUNCTIONS:
        raise InteropError(
            f"from_keras: {config['name']}: {name} has activation={chosen!r}; expected linear or "
            f"one of {', '.join(FUNCTIONS)}"
        )
    return [FUNCTIONS[chosen]]
