r"""Honest splits: held-out data that lies after the training data, never among it.

Neighbouring parts of a sequence know of each other. A shuffled split puts a held-out window's
neighbours in the training set and measures memory, not prediction; a contiguous one does not.

`contiguous_split` cuts a sequence itself. For series with several aligned arrays,
`chronological_split` and `walk_forward` say where to cut, as slices of the time axis; the windows
of a part come from `forecast_windows(…, within=part)`.
"""

from typing import Any, NamedTuple, TypeVar

from numpy.typing import NDArray

__all__ = ["Fold", "Parts", "chronological_split", "contiguous_split", "walk_forward"]

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


class Parts(NamedTuple):
    """Three stretches of time, in order.

    Attributes:
        train: To fit on: parameters, and scalers too.
        validation: To choose by.
        test: To look at once.
    """

    train: slice
    validation: slice
    test: slice


def chronological_split(
    steps: int, validation: float = 0.1, test: float = 0.1, gap: int = 0
) -> Parts:
    """Cut N steps into a past to train on, then one to choose by, then one to test on.

    Args:
        steps: N.
        validation: Fraction of the N steps in the validation part.
        test: Fraction in the test part, the last.
        gap: Steps left out before the validation part and before the test part, so that what
            lasts that long has faded.

    Returns:
        Slices of the time axis; each part has at least one step.

    Raises:
        ValueError: If a part would be empty, or an argument is out of range.

    Example:
        >>> chronological_split(100, validation=0.2, test=0.1, gap=5)
        Parts(train=slice(0, 60, None), validation=slice(65, 85, None), test=slice(90, 100, None))
    """
    if not (0 < validation < 1 and 0 < test < 1 and gap >= 0):
        raise ValueError(
            f"got validation={validation}, test={test}, gap={gap}; expected two fractions between "
            "0 and 1 and a gap of 0 or more steps"
        )
    tested, validated = round(steps * test), round(steps * validation)
    trained = steps - tested - validated - 2 * gap
    if min(trained, validated, tested) < 1:
        raise ValueError(
            f"{steps} steps give parts of {trained}, {validated} and {tested} steps with gaps of "
            f"{gap}; expected at least one step in each part"
        )
    first, last = trained + gap, steps - tested
    return Parts(slice(0, trained), slice(first, first + validated), slice(last, steps))


class Fold(NamedTuple):
    """A stretch to train on and a later one to test on.

    Attributes:
        train: Steps before the test part and its gap.
        test: Steps to forecast.
    """

    train: slice
    test: slice


def walk_forward(
    steps: int, folds: int, test: int, *, gap: int = 0, window: int | None = None
) -> list[Fold]:
    """Test as one would have forecast: again and again, each time with the past up to then.

    The test parts follow each other without overlap, and the last ends with the series.

    Args:
        steps: N, the length of the series.
        folds: How many test parts there are.
        test: Steps in a test part.
        gap: Steps left out between training and test part.
        window: How many steps to train on: the last that many before the gap (sliding), or all of
            them (expanding) unless given.

    Raises:
        ValueError: If a size is out of range or the first fold has nothing to train on.

    Example:
        >>> for fold in walk_forward(10, folds=2, test=3):
        ...     print(fold)
        Fold(train=slice(0, 4, None), test=slice(4, 7, None))
        Fold(train=slice(0, 7, None), test=slice(7, 10, None))
        >>> walk_forward(10, folds=2, test=3, window=4)[1]
        Fold(train=slice(3, 7, None), test=slice(7, 10, None))
    """
    if folds < 1 or test < 1 or gap < 0 or (window is not None and window < 1):
        raise ValueError(
            f"got folds={folds}, test={test}, gap={gap}, window={window}; expected a gap of 0 or "
            "more and everything else 1 or more"
        )
    needed = folds * test + gap + (window or 1)
    if steps < needed:
        raise ValueError(
            f"{steps} steps are too few for {folds} test parts of {test} steps, a gap of {gap} and "
            f"{window or 1} steps to train on; expected at least {needed}"
        )
    found = []
    for start in range(steps - folds * test, steps, test):
        stop = start - gap
        first = 0 if window is None else stop - window
        found.append(Fold(slice(first, stop), slice(start, start + test)))
    return found
