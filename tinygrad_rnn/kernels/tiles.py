r"""Which part of a matrix product fits into a processor's vector registers and caches.

A product is computed in tiles of the result that stay in registers while the sum runs, and how
large they can be depends on how many registers there are and how wide:

    >>> tile_for({"avx2", "fma"}, 4)
    Tile(lanes=8, panel=24, rows=6, columns=16)

So weights are packed in panels of 24 rows, and 6 rows by 16 columns are summed at once: 12
vectors of sums, 2 of the right operand and one weight, in 16 registers.
"""

import functools
import platform
from collections.abc import Collection
from typing import NamedTuple

DEEP = 384  # so many columns of a panel stay in the first cache, with their part of x
SPAN = 256  # a weight's gradient takes so many pairs of columns at once,
HIGH, BROAD = 192, 2048  # so many rows of the result and at most so many of its columns
PAGES = 32  # columns of a matrix gone over at once: as many pages of memory at most


class Tile(NamedTuple):
    """How a product is cut for the registers of a processor.

    Attributes:
        lanes: Numbers in a vector register.
        panel: Rows in a panel of packed weights, a multiple of `lanes` and of each tile's rows.
        rows: Rows of a tile of sums, whose vectors lie along the columns of the right operand;
        columns: its columns. What it leaves over is done with vectors along a panel's rows.
    """

    lanes: int
    panel: int
    rows: int
    columns: int


# By what the processor must have: the tiles for float32, and for float64; the first match counts.
# AVX-512 and NEON have 32 registers, of 64 and 16 bytes; AVX2 has 16 of 32 bytes, SSE of 16 bytes.
TILES: tuple[tuple[frozenset[str], Tile, Tile], ...] = (
    (
        frozenset({"avx512f"}),
        Tile(16, 32, 16, 16),
        Tile(8, 16, 16, 8),
    ),
    (
        frozenset({"avx2", "fma"}),
        Tile(8, 24, 6, 16),
        Tile(4, 12, 6, 8),
    ),
    (
        frozenset({"neon"}),
        Tile(4, 16, 8, 8),
        Tile(4, 8, 4, 8),
    ),
    (
        frozenset(),
        Tile(4, 8, 4, 8),
        Tile(4, 4, 2, 8),
    ),
)


def tile_for(features: Collection[str], itemsize: int) -> Tile:
    """The tile for a processor with these features.

    Args:
        features: What the processor has, in LLVM's words.
        itemsize: Bytes in a number, 4 or 8.

    Example:
        >>> tile_for({"neon"}, 4).lanes
        4
    """
    single, double = next((f, d) for needs, f, d in TILES if needs.issubset(features))
    return single if itemsize == 4 else double


@functools.cache
def features_here() -> frozenset[str]:
    """What this processor has; nothing where llvmlite cannot tell or is missing."""
    always = {"neon"} if platform.machine() in ("arm64", "aarch64") else set()
    try:
        from llvmlite.binding import get_host_cpu_features

        return frozenset(always | {name for name, has in get_host_cpu_features().items() if has})
    except (ImportError, RuntimeError):
        return frozenset(always)


def tile_here(itemsize: int) -> Tile:
    """The tile for the processor that we run on."""
    return tile_for(features_here(), itemsize)


def tile_of(dtype: str) -> Tile:
    """The same for a dtype, by its name."""
    return tile_here(8 if dtype == "float64" else 4)
