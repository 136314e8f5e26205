"""Nested tuples, lists and dicts of tensors, taken apart and put together again.

Example:
    >>> leaves({"h": 1, "cell": (2, 3)})
    [1, 2, 3]
    >>> rebuilt({"h": 1, "cell": (2, 3)}, [10, 20, 30])
    {'h': 10, 'cell': (20, 30)}
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """What stands at the ends of a nest, in order; None is an empty nest."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, tuple | list):
        return [leaf for value in tree for leaf in leaves(value)]
    return [] if tree is None else [tree]


def rebuilt(tree: Any, new: Iterable[Any]) -> Any:
    """The nest `tree` with new leaves, in order."""
    return filled(tree, iter(new))


def filled(tree: Any, supply: Iterator[Any]) -> Any:
    """The nest `tree` with leaves from an iterator."""
    if isinstance(tree, dict):
        return {key: filled(value, supply) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(filled(value, supply) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(filled(value, supply) for value in tree)
    return None if tree is None else next(supply)


def mapped(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The nest of `f(leaf, …)` over the leaves of nests of one structure."""
    return rebuilt(tree, map(f, leaves(tree), *map(leaves, others)))


def structure(tree: Any) -> Any:
    """The shape of a nest, for comparing and for errors: its leaves replaced by `*`."""
    return rebuilt(tree, ("*" for _ in leaves(tree)))
