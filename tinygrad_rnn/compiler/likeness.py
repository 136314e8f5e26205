"""When one trace serves many calls: what a cell is, without the numbers in its tensors.

A cell promises that its step is a pure function of carry, input and what its attributes hold; see
`nn.Cell`. So two cells take the same step if they are of one class, and their attributes are equal
but for the numbers in tensors. `likeness` is a key that says so:

    >>> import numpy as np
    >>> from tinygrad_rnn.engine import Tensor
    >>> class Scaled:
    ...     def __init__(self, size, power):
    ...         self.weight, self.power = Tensor(np.ones(size)), power
    ...     def named_children(self):
    ...         return iter(())
    >>> likeness(Scaled(3, 2)) == likeness(Scaled(3, 2))
    True
    >>> likeness(Scaled(3, 2)) == likeness(Scaled(3, 1)) or likeness(Scaled(3, 2)) is None
    False

That no number of a tensor gets into the program is made sure by tracing a copy of the cell in which
symbols stand for its tensors, `with_tensors`. Whatever asks a symbol for its numbers raises.

What a step reads besides its arguments and its cell, such as a constant of its file, is a part of
the key too. Where something is found that may change without a trace, like a list, there is no key,
and the step is traced at every call.
"""

import dis
import functools
from collections.abc import Callable, Hashable, Mapping
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine import Operation, Tensor

OFTEN = frozenset((int, float, bool, str, type(None)))  # what most attributes are
PLAIN = (int, float, bool, str, type(None), complex, np.generic, np.dtype)  # equal if the same
METHODS = (FunctionType, property, classmethod, staticmethod)
LASTING = (*METHODS, BuiltinFunctionType, np.ufunc, ModuleType, type, Operation)  # by identity
NUMBERS = (Tensor, np.ndarray)
READING = ("LOAD_GLOBAL", "LOAD_NAME")  # Python's instructions
LIBRARY = __name__.partition(".")[0]


class Found(NamedTuple):
    """A tensor of a cell: how many were found before it, and the attribute that holds it."""

    place: int
    name: str
    tensor: Any


class UnknownError(Exception):
    """Something that may change and look the same."""


def likeness(cell: Any, tensors: dict[int, Found] | None = None) -> Hashable:
    """A key that cells share which take the same step; None if nothing is sure.

    Args:
        cell: an object with `named_children`, as modules have it, or a tuple of such.
        tensors: gets the tensors and arrays that its attributes hold, by `id`.
    """
    try:
        key: Hashable = likeness_of(cell, "", {} if tensors is None else tensors)
    except UnknownError:
        return None
    return key


def likeness_of(x: Any, name: str, tensors: dict[int, Found]) -> Any:
    """The key of an attribute.

    Raises:
        UnknownError: if it is of a kind that may change and look the same.
    """
    kind = type(x)
    if kind in OFTEN:
        return kind, x
    if isinstance(x, NUMBERS):
        found = tensors.setdefault(id(x), Found(len(tensors), name, x))
        return kind, found.place, x.shape, x.dtype, found.name
    if hasattr(kind, "named_children"):
        own = tuple([(name, likeness_of(part, name, tensors)) for name, part in vars(x).items()])
        return kind, own, surroundings(kind)
    if isinstance(x, FunctionType):
        return x, surroundings(x)
    if isinstance(x, np.random.Generator):
        return kind  # what it draws is drawn before the loop, or the trace shows that it is not
    if isinstance(x, tuple):
        return kind, tuple([likeness_of(part, name, tensors) for part in x])
    return plain(x)


def plain(x: Any) -> Hashable:
    """The key of what holds no tensors.

    Raises:
        UnknownError: if it is of a kind that may change and look the same.
    """
    if isinstance(x, PLAIN):
        return type(x), x
    if isinstance(x, tuple):
        return type(x), tuple(map(plain, x))
    if isinstance(x, LASTING):
        return x
    raise UnknownError(type(x))


def with_tensors(x: Any, new: Mapping[int, Any]) -> Any:
    """A copy of a cell, or an attribute, with other tensors, by the `id` of what they replace."""
    if isinstance(x, NUMBERS):
        return new[id(x)]
    if isinstance(x, tuple):
        parts = [with_tensors(part, new) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    if hasattr(type(x), "named_children"):
        copy = object.__new__(type(x))
        vars(copy).update((name, with_tensors(part, new)) for name, part in vars(x).items())
        return copy
    return x


def nest_likeness(nest: Any, lead: int) -> Hashable:
    """The key of a nest of tensors, `lead` axes of each left out."""
    if isinstance(nest, dict):
        return dict, tuple([(name, nest_likeness(part, lead)) for name, part in nest.items()])
    if isinstance(nest, tuple | list):
        return type(nest), tuple([nest_likeness(part, lead) for part in nest])
    return None if nest is None else (nest.shape[lead:], nest.dtype)


def surroundings(x: type | FunctionType) -> Hashable:
    """What the methods of a class, or a function, read that is not an argument, as it is now.

    Raises:
        UnknownError: if it is of a kind that may change and look the same.
    """
    return tuple([plain(read()) for read in readers_of(x)])


@functools.lru_cache(maxsize=256)
def readers_of(x: type | FunctionType) -> tuple[Callable[[], Any], ...]:
    """Functions that read globals, class attributes, and variables of enclosing functions.

    The classes and functions of this library are taken to stay as they are.
    """
    readers: list[Callable[[], Any]] = []
    waiting: list[Any] = [x]
    for base in x.__mro__ if isinstance(x, type) else ():
        if base is not object and not ours(base.__module__):
            for name, attribute in vars(base).items():
                function = getattr(attribute, "fget", getattr(attribute, "__func__", attribute))
                waiting.append(function)
                if not name.startswith("__"):
                    readers.append(functools.partial(vars(base).get, name))
    reached: set[FunctionType] = set()
    while waiting:
        f = waiting.pop()
        if isinstance(f, FunctionType) and f not in reached and not ours(f.__module__):
            reached.add(f)
            found = [functools.partial(f.__globals__.get, k) for k in globals_read(f.__code__)]
            enclosed = zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
            found += [functools.partial(held, cell) for k, cell in enclosed if k != "__class__"]
            waiting += [read() for read in found]
            readers += found
    return tuple(readers)


def held(cell: CellType) -> Any:
    """What a variable of an enclosing function holds; None before it holds anything."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def ours(module: str | None) -> bool:
    """Whether a module belongs to this library."""
    return (module or "").partition(".")[0] == LIBRARY


def globals_read(code: CodeType) -> set[str]:
    """The names of globals that code reads, and code inside it."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in READING}
    inside = (globals_read(x) for x in code.co_consts if isinstance(x, CodeType))
    return names.union(*inside)
