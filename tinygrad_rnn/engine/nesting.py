"""Nested tuples, lists and dicts of tensors, taken apart and put together again.

Example:
    >>> leaves({"h": 1, "cell": (2, 3)})
    [1, 2, 3]
    >>> rebuilt({"h": 1, "cell": (2, 3)}, [10, 20, 30])
    {'h': 10, 'cell': (20, 30)}
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

NESTS = (tuple, list, dict)


def leaves(tree: Any) -> list[Any]:
    """What stands at the ends of a nest, in order; None is an empty nest."""
    if not isinstance(tree, NESTS):
        return [] if tree is None else [tree]
    found: list[Any] = []
    for part in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(part, NESTS):
            found += leaves(part)
        elif part is not None:
            found.append(part)
    return found


def rebuilt(tree: Any, new: Iterable[Any]) -> Any:
    """The nest `tree` with new leaves, in order."""
    return filled(tree, iter(new))


def filled(tree: Any, supply: Iterator[Any]) -> Any:
    """The nest `tree` with leaves from an iterator."""
    if not isinstance(tree, NESTS):
        return None if tree is None else next(supply)
    if isinstance(tree, dict):
        return {key: filled(part, supply) for key, part in tree.items()}
    parts = [filled(part, supply) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def mapped(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The nest of `f(leaf, …)` over the leaves of nests of one structure."""
    return rebuilt(tree, map(f, leaves(tree), *map(leaves, others)))


def alike(tree: Any, other: Any) -> bool:
    """Whether two nests have one structure."""
    if not isinstance(tree, NESTS):
        return not isinstance(other, NESTS) and (tree is None) == (other is None)
    if type(tree) is not type(other) or len(tree) != len(other):
        return False
    if isinstance(tree, dict):
        return list(tree) == list(other) and all(alike(tree[k], other[k]) for k in tree)
    return all(map(alike, tree, other))


def structure(tree: Any) -> Any:
    """The shape of a nest, for comparing and for errors: its leaves replaced by `*`."""
    return rebuilt(tree, ("*" for _ in leaves(tree)))
