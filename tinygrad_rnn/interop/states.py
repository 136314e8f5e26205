r"""What every way in has in common: weights that must fit, and the error if something does not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.nn import Module, StateDictError
from tinygrad_rnn.nn.module import Unmatched

__all__ = ["InteropError"]

Arrays = dict[str, NDArray[Any]]


class InteropError(ValueError):
    """Something that the other side has and this one does not, or the other way round."""


def load(module: Module, state: Mapping[str, Any], *, strict: bool, cast: bool) -> Unmatched:
    """Overwrite a module's weights: all that fit in name, shape and dtype, or none.

    Args:
        module: what to load into.
        state: arrays by path.
        strict: whether every path must be on both sides.
        cast: whether floats may change their precision.

    Returns:
        The paths on one side only.

    Raises:
        StateDictError: naming every key that does not fit.
    """
    own = dict(module.tensors())
    unfit = [
        f"{path}: got {given.dtype}, expected {own[path].dtype}"
        for path, given in state.items()
        if path in own and not converts(given.dtype, own[path].dtype, cast)
    ]
    if unfit:
        raise StateDictError(
            f"weights of {type(module).__name__} in another dtype; nothing was loaded:\n  "
            + "\n  ".join([*unfit, "convert the module with .astype, or floats by cast=True"])
        )
    return module.load_state_dict(state, strict)


def converts(given: "np.dtype[Any]", own: "np.dtype[Any]", cast: bool) -> bool:
    """Whether values of one dtype may overwrite those of the other."""
    return given == own or (cast and given.kind == own.kind == "f")
