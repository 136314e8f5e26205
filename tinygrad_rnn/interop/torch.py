r"""PyTorch: modules and state dicts, both ways.

Layers here have the names, shapes and gate orders of PyTorch's, so a state dict fits as it is.
`from_torch` and `to_torch` also make the module: the same options, weights, ties, frozen
parameters and mode. Outputs then differ by rounding alone, in float32 by about 1e-6.

    model = tg.interop.from_torch(torch.load("model.pt", weights_only=False))
    tg.interop.load_torch_state(nn.LSTM(8, 16), torch.load("lstm.pt"))

Layers that have a counterpart: `RNN`, `LSTM`, `GRU` and their cells, `Linear`, `Embedding`,
`LayerNorm`, `Dropout`, `Conv1d` and `Conv2d`, `MaxPool` and `AvgPool` of both ranks, `Sequential`,
`ModuleList`, and in `Sequential` the functions `tanh`, `sigmoid` and `relu`. A model with a
`forward` of its own has none: write it anew, and load its state dict.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.interop.states import Arrays, InteropError, load
from tinygrad_rnn.nn.module import Unmatched
from tinygrad_rnn.nn.recurrent import RNNBase
from tinygrad_rnn.ops import relu, sigmoid, tanh

__all__ = ["from_torch", "load_torch_state", "to_torch", "torch_state"]

WINDOW = ("kernel_size", "stride", "padding")
CONVOLUTION = ("in_channels", "out_channels", *WINDOW, "dilation", "groups")
STACK = ("input_size", "hidden_size", "num_layers", "batch_first", "bidirectional")

# What both sides call the same: arguments that are attributes of PyTorch's modules.
OPTIONS = MappingProxyType(
    {
        "Linear": ("in_features", "out_features"),
        "Embedding": ("num_embeddings", "embedding_dim", "padding_idx"),
        "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"),
        "Dropout": ("p",),
        **dict.fromkeys(("Conv1d", "Conv2d"), CONVOLUTION),
        **dict.fromkeys(("MaxPool1d", "MaxPool2d"), (*WINDOW, "dilation")),
        **dict.fromkeys(("AvgPool1d", "AvgPool2d"), (*WINDOW, "count_include_pad")),
        "RNNCell": ("input_size", "hidden_size", "nonlinearity"),
        "LSTMCell": ("input_size", "hidden_size"),
        "GRUCell": ("input_size", "hidden_size"),
        "RNN": (*STACK, "nonlinearity"),
        "LSTM": (*STACK, "proj_size"),
        "GRU": STACK,
    }
)

# Options of PyTorch that change results and have no counterpart, with the value that is fine.
UNSUPPORTED = MappingProxyType(
    {
        "max_norm": None,
        "scale_grad_by_freq": False,
        "sparse": False,
        "padding_mode": "zeros",
        "ceil_mode": False,
        "return_indices": False,
        "divisor_override": None,
    }
)

FUNCTIONS = MappingProxyType({"Tanh": tanh, "Sigmoid": sigmoid, "ReLU": relu})


def from_torch(module: Any) -> Any:
    """The counterpart of a PyTorch module, with copies of its weights.

    Args:
        module: a `torch.nn.Module` of the kinds that the module's docstring lists.

    Returns:
        Our module; for an activation, its function.

    Raises:
        InteropError: if a module or one of its options has no counterpart, naming its path, or a
            weight a dtype that NumPy lacks.
    """
    ours = counterpart(module, "", {})
    if not isinstance(ours, nn.Module):
        return ours
    arrays = array_state(module.state_dict())
    for path, x in ours.tensors():
        x.data = x.data.astype(arrays[path].dtype)
    load(ours, arrays, strict=True, cast=False)
    named = dict(module.named_parameters(remove_duplicate=False))
    tie(ours, {path: id(x) for path, x in named.items()})
    for path, x in ours.named_parameters():
        x.requires_grad_(named[path].requires_grad)
    return ours


def to_torch(module: Any) -> Any:
    """The counterpart of one of our modules in PyTorch, with copies of its weights.

    Args:
        module: a module of the kinds that the module's docstring lists, or `tanh`, `sigmoid` or
            `relu`.

    Returns:
        A `torch.nn.Module`.

    Raises:
        InteropError: if a module or one of its options has no counterpart, naming its path.
        ModuleNotFoundError: if PyTorch is not installed.
    """
    theirs = theirs_of(library(), module, "", {})
    if not isinstance(module, nn.Module):
        return theirs
    theirs.load_state_dict(torch_state(module), assign=True)  # which keeps each dtype
    own = dict(module.tensors())
    tie(theirs, {path: id(x) for path, x in own.items()})
    for path, x in theirs.named_parameters():
        x.requires_grad_(own[path].requires_grad)
    return theirs


def torch_state(module: nn.Module) -> dict[str, Any]:
    """A module's state dict with PyTorch tensors for values, which share no memory with it.

    Raises:
        ModuleNotFoundError: if PyTorch is not installed.
    """
    torch = library()
    return {path: torch.from_numpy(array) for path, array in module.state_dict().items()}


def load_torch_state(
    module: nn.Module, state: Mapping[str, Any], *, strict: bool = True, cast: bool = False
) -> Unmatched:
    """Overwrite a module's weights by those of a PyTorch state dict: all of them, or none.

    Args:
        module: what to load into.
        state: tensors by path, on any device.
        strict: whether every path must be on both sides.
        cast: whether floats may change their precision.

    Returns:
        The paths on one side only.

    Raises:
        StateDictError: naming every missing, unexpected or unfit key.
        InteropError: naming a key whose value is no tensor, or of a dtype that NumPy lacks.
    """
    return load(module, array_state(state), strict=strict, cast=cast)


def array_state(state: Mapping[str, Any]) -> Arrays:
    """A state dict with arrays for values."""
    return {path: as_array(path, value) for path, value in state.items()}


def as_array(path: str, value: Any) -> NDArray[Any]:
    """The values of a PyTorch tensor, or of an array."""
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, RuntimeError, ValueError, NotImplementedError) as error:
        raise InteropError(
            f"{path}: got {getattr(value, 'dtype', type(value).__name__)}, which NumPy does not "
            f"have as an array ({error}); convert it first, for example with .float()"
        ) from error


def counterpart(module: Any, path: str, made: dict[int, Any]) -> Any:
    """Our module for one of PyTorch, with first weights; the same for the same."""
    if id(module) in made:
        return made[id(module)]
    kind = type(module).__name__
    if not type(module).__module__.startswith("torch.nn.modules."):
        raise missing(path, f"{type(module).__module__}.{kind}", "here")
    if kind in FUNCTIONS:
        return FUNCTIONS[kind]
    for name, fine in UNSUPPORTED.items():
        if getattr(module, name, fine) != fine:
            raise InteropError(
                f"{place(path, kind)} has {name}={getattr(module, name)!r}, which there is no "
                f"counterpart for; expected {fine!r}"
            )
    if kind in ("Sequential", "ModuleList"):
        parts = [counterpart(x, f"{path}{name}.", made) for name, x in enumerate(module)]
        ours = nn.Sequential(*parts) if kind == "Sequential" else nn.ModuleList(parts)
        ours.training = module.training
    elif kind in OPTIONS:
        ours = getattr(nn, kind)(**options_of(module, kind)).train(module.training)
    else:
        raise missing(path, kind, "here")
    made[id(module)] = ours
    return ours


def options_of(module: Any, kind: str) -> dict[str, Any]:
    """What to call our class with."""
    options = {name: getattr(module, name) for name in OPTIONS[kind]}
    if hasattr(module, "bias"):
        options["bias"] = module.bias is not None and module.bias is not False
    if kind in ("RNN", "LSTM", "GRU") and module.num_layers > 1:
        options["dropout"] = module.dropout
    return options


def theirs_of(torch: Any, module: Any, path: str, made: dict[int, Any]) -> Any:
    """PyTorch's module for one of ours, with first weights; the same for the same."""
    if id(module) in made:
        return made[id(module)]
    for name, function in FUNCTIONS.items():
        if module is function:
            return getattr(torch.nn, name)()
    kind = type(module).__name__
    if type(module) in (nn.Sequential, nn.ModuleList):
        parts = [theirs_of(torch, x, f"{path}{i}.", made) for i, x in enumerate(module)]
        theirs = torch.nn.Sequential(*parts) if kind == "Sequential" else torch.nn.ModuleList(parts)
        theirs.training = module.training
    elif kind in ARGUMENTS and type(module) is getattr(nn, kind):
        theirs = getattr(torch.nn, kind)(**ARGUMENTS[kind](module, path)).train(module.training)
    else:
        raise missing(path, kind, "in PyTorch")
    made[id(module)] = theirs
    return theirs


def linear_arguments(module: Any, path: str) -> dict[str, Any]:
    """What to call `torch.nn.Linear` with."""
    out_features, in_features = module.weight.shape
    bias = module.bias is not None
    return {"in_features": in_features, "out_features": out_features, "bias": bias}


def embedding_arguments(module: Any, path: str) -> dict[str, Any]:
    """What to call `torch.nn.Embedding` with."""
    V, D = module.weight.shape
    return {"num_embeddings": V, "embedding_dim": D, "padding_idx": module.padding_idx}


def convolution_arguments(module: Any, path: str) -> dict[str, Any]:
    """What to call `torch.nn.Conv1d` or `Conv2d` with."""
    out, into = module.weight.shape[0], module.weight.shape[1] * module.groups
    shared = {name: getattr(module, name) for name in CONVOLUTION[2:]}
    return {
        "in_channels": into,
        "out_channels": out,
        **shared,
        "bias": module.bias is not None,
    }


def pool_arguments(module: Any, path: str) -> dict[str, Any]:
    """What to call a pool's class in `torch.nn` with."""
    return {name: getattr(module, name) for name in OPTIONS[type(module).__name__]}


def norm_arguments(module: Any, path: str) -> dict[str, Any]:
    """What to call `torch.nn.LayerNorm` with."""
    return {
        "normalized_shape": module.normalized_shape,
        "eps": module.eps,
        "elementwise_affine": module.weight is not None,
        "bias": module.bias is not None,
    }


def cell_arguments(cell: Any, path: str) -> dict[str, Any]:
    """What to call a cell's class in `torch.nn` with."""
    own = {
        "proj_size": cell.weight_hr is not None,
        "peepholes": getattr(cell, "weight_cf", None) is not None,
        "coupled": getattr(cell, "coupled", False),
        "reset_after=False": not getattr(cell, "reset_after", True),
    }
    for option, chosen in own.items():
        if chosen:
            raise InteropError(
                f"{place(path, type(cell).__name__)} has {option}, which PyTorch's does not"
            )
    sizes = {"input_size": cell.input_size, "hidden_size": cell.hidden_size}
    kind = {"nonlinearity": cell.nonlinearity} if isinstance(cell, nn.RNNCell) else {}
    return {**sizes, **kind, "bias": cell.bias_ih is not None}


def layer_arguments(layer: RNNBase, path: str) -> dict[str, Any]:
    """What to call a recurrent layer's class in `torch.nn` with."""
    cell = layer.cell()
    projection = {} if cell.weight_hr is None else {"proj_size": len(cell.weight_hr)}
    kind = {"nonlinearity": layer.nonlinearity} if isinstance(layer, nn.RNN) else {}
    return {
        "input_size": cell.input_size,
        "hidden_size": cell.hidden_size,
        "num_layers": layer.num_layers,
        "bias": cell.bias_ih is not None,
        "batch_first": layer.batch_first,
        "dropout": 0.0 if layer.dropout is None else layer.dropout.p,
        "bidirectional": layer.bidirectional,
        **projection,
        **kind,
    }


ARGUMENTS: Mapping[str, Callable[[Any, str], dict[str, Any]]] = MappingProxyType(
    {
        "Linear": linear_arguments,
        "Embedding": embedding_arguments,
        "LayerNorm": norm_arguments,
        **dict.fromkeys(("Conv1d", "Conv2d"), convolution_arguments),
        **dict.fromkeys(("MaxPool1d", "MaxPool2d", "AvgPool1d", "AvgPool2d"), pool_arguments),
        "Dropout": lambda module, path: {"p": module.p},
        **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell"), cell_arguments),
        **dict.fromkeys(("RNN", "LSTM", "GRU"), layer_arguments),
    }
)


def tie(module: Any, identities: Mapping[str, int]) -> None:
    """Let parameters that are one on the other side be one here too."""
    first: dict[int, str] = {}
    for path, identity in identities.items():
        source = first.setdefault(identity, path)
        if source != path:
            owner, name = parent(module, path)
            setattr(owner, name, getattr(*parent(module, source)))


def parent(module: Any, path: str) -> tuple[Any, str]:
    """The module that holds a parameter, and its name there."""
    *above, name = path.split(".")
    for step in above:
        module = getattr(module, step)
    return module, name


def place(path: str, kind: str) -> str:
    """How an error calls a module."""
    return f"{path.removesuffix('.')}: {kind}" if path else kind


def missing(path: str, kind: str, where: str) -> InteropError:
    """The error for a module without counterpart."""
    return InteropError(
        f"{place(path, kind)} has no counterpart {where}. Convert its parts one by one, or write "
        "the module there and load its state dict"
    )


def library() -> Any:
    """PyTorch, if it is there."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "PyTorch modules need torch: python -m pip install torch"
        ) from error
    return torch
