"""Products with large matrices, for several steps at a time.

A matrix that no cache holds comes from memory anew at every step, and arithmetic waits for it. But
inputs are known steps ahead of their use, and their cotangents may wait for some steps. So the part
of a product that reads inputs only, and the product that makes their cotangents, are computed for
a group of steps at once: each panel of the matrix is fetched once for all of them.
"""

from tinygrad_rnn.compiler.tracing import Sym

STEPS = 16  # in a group
LARGE = 1 << 22  # bytes of a matrix that does not stay near, with all else that a loop goes over
WIDE = 256  # sequences from which on the arithmetic of a step takes longer than fetching a matrix


def pays(matrix: Sym, batch: int | None, part: int = 1) -> bool:
    """Whether groups pay for products with a matrix, or with one that it is a part of.

    Args:
        matrix: the matrix.
        batch: how many sequences there are.
        part: how much larger the whole may be.
    """
    return part * matrix.size * matrix.dtype.itemsize > LARGE and (batch or 1) < WIDE


def entering(frames: list[tuple[str, str]], product: str) -> list[str]:
    """Lines at the beginning of a step: a group's inputs brought in, and multiplied.

    Args:
        frames: sequences of inputs, and where step `r` of each goes.
        product: of steps from `s` to `end`.
    """
    return [
        f"if s % {STEPS} == 0:",
        f"    end = min(s + {STEPS}, T)",
        "    for r in range(s, end):",
        *(f"        to_features({xs}[first + stride * r], {place})" for xs, place in frames),
        f"    {product}",
    ]


def leaving(product: str, block: str, out: str) -> list[str]:
    """Lines at the end of a step: a product for a group, and its results brought out.

    Args:
        product: of steps from `s` to `end`.
        block: what it writes, step by step,
        out: and the sequence that this becomes.
    """
    return [
        f"if s % {STEPS} == 0:",
        f"    end = min(s + {STEPS}, T)",
        f"    {product}",
        "    for r in range(s, end):",
        f"        to_rows({block}[r - s], {out}[first + stride * r])",
    ]
