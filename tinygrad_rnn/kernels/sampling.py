"""Drawing from a distribution over many outcomes, in the same time however many there are.

An alias table (Walker 1977, doi:10.1145/355744.355749) gives each of V outcomes a column of the
same width. A column is its own outcome up to some height and another one, its alias, above it. One
uniform number picks a column and, by what is left of it, a height.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.dispatch import kernel

Array = NDArray[Any]


def alias_table(probabilities: Array) -> tuple[Array, Array]:
    """Heights and aliases of V columns, for `draw_by_alias` (Vose 1991, doi:10.1109/32.92917).

    Args:
        probabilities: `(V,)`, not negative, summing to 1.

    Returns:
        Heights from 0 to 1, float64, and aliases, int64, both `(V,)`.

    Example:
        >>> alias_table(np.array([0.75, 0.25]))
        (array([1. , 0.5]), array([0, 0]))
    """
    V = len(probabilities)
    heights = np.asarray(probabilities, dtype=np.float64) * V
    aliases = np.arange(V)
    short, tall = np.flatnonzero(heights < 1).tolist(), np.flatnonzero(heights >= 1).tolist()
    while short and tall:
        low, high = short.pop(), tall[-1]
        aliases[low] = high
        heights[high] -= 1 - heights[low]  # what fills the low column comes off the high one
        if heights[high] < 1:
            short.append(tall.pop())
    heights[short + tall] = 1  # what is left is full but for rounding
    return heights, aliases


@kernel(pays=lambda uniform, heights, aliases: uniform.size >= 2048, within=0)
def draw_by_alias(uniform: Array, heights: Array, aliases: Array, /) -> Array:
    """Outcomes of an alias table, one for each uniform number.

    Args:
        uniform: `(n,)`, float64, from 0 to just below 1.
        heights: `(V,)`, float64, by `alias_table`.
        aliases: `(V,)`, int64.

    Returns:
        `(n,)`, int64, from 0 to `V - 1`.

    Example:
        >>> table = alias_table(np.array([0.75, 0.25]))
        >>> draw_by_alias(np.array([0.0, 0.49, 0.6, 0.9]), *table)
        array([0, 0, 1, 0])
    """
    places = np.multiply(uniform, heights.size, dtype=np.float64)
    columns = places.astype(np.int64)
    places -= columns
    return np.where(places < heights[columns], columns, aliases[columns])


@draw_by_alias.defloop
def _draw_by_alias_loop(uniform: Array, heights: Array, aliases: Array) -> Array:
    drawn = np.empty(uniform.size, np.int64)
    for n in range(uniform.size):
        place = float(uniform[n]) * heights.size
        column = int(place)
        drawn[n] = column if place - column < heights[column] else aliases[column]
    return drawn
