r"""Honest splits: held-out data that lies after the training data, never among it.

Neighbouring parts of a sequence know of each other. A shuffled split puts a held-out window's
neighbours in the training set and measures memory, not prediction; a contiguous one does not.
"""

from typing import Any, TypeVar

from numpy.typing import NDArray

__all__ = ["contiguous_split"]

S = TypeVar("S", NDArray[Any], list[Any], str)


def contiguous_split(sequence: S, validation: float = 0.1) -> tuple[S, S]:
    """Cut a sequence once: the first part to train on, the last part held out.

    Args:
        sequence: Array whose first axis is time, list of tokens, or text, of length N ≥ 2.
        validation: Fraction held out, strictly between 0 and 1.

    Returns:
        The training part, then the validation part, each at least one step long; views of an
        array.

    Raises:
        ValueError: If the fraction or the length leaves one of the parts empty.

    Example:
        >>> import numpy as np
        >>> contiguous_split(np.arange(10), validation=0.2)
        (array([0, 1, 2, 3, 4, 5, 6, 7]), array([8, 9]))
    """
    if not 0 < validation < 1:
        raise ValueError(f"validation is {validation}; expected a fraction between 0 and 1")
    held_out = round(len(sequence) * validation)
    if not 0 < held_out < len(sequence):
        raise ValueError(
            f"a validation part of {validation:g} of {len(sequence)} steps is {held_out} steps "
            "long; expected at least one step in each part"
        )
    return sequence[:-held_out], sequence[-held_out:]
