r"""Read lists of integers out of NumPy's archives, without unpickling.

NumPy writes an array of lists as a pickle, and unpickling runs what the pickle says: whoever
changes the file decides what this machine does. But a pickle is a program for a small machine with
a stack, and for lists of integers a dozen of its instructions suffice. `integer_lists` is that
machine without the instructions that act: where a pickle would call something, a note that it
would is put on the stack, and in the end only lists of integers are taken from it.

Example:
    >>> import pickle
    >>> stack_of(pickle.dumps([[1, 2], [300]]))
    [[1, 2], [300]]
    >>> stack_of(pickle.dumps(print))
    Named(module='builtins', name='print')
"""

import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.data.sources.failures import SourceError

__all__ = ["integer_lists"]

LIMIT = 1 << 30  # bytes of one pickle


class Named(NamedTuple):
    """The note that a pickle named something."""

    module: str
    name: str


@dataclass
class Called:
    """The note that a pickle would have called something, and given the result a state."""

    function: Any
    arguments: Any
    state: Any = None


class Mark:
    """What stands on the stack where a tuple or a run of items begins."""


def integer_lists(path: Path, name: str) -> list[NDArray[np.int32]]:
    """Lists of integers from an array of objects in an `.npz` file.

    Args:
        path: The file.
        name: The array's name in it.

    Returns:
        For each list an array of its integers, int32.

    Raises:
        SourceError: If there is anything else in it.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            major, _ = np.lib.format.read_magic(file)
            header = getattr(np.lib.format, f"read_array_header_{major}_0")(file)
            pickled = file.read(LIMIT)
    except (OSError, KeyError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} holds no array {name!r} that can be read ({error})") from error
    shape, _, dtype = header
    note = stack_of(pickled) if dtype.hasobject else None
    lists = note.state[-1] if isinstance(note, Called) and isinstance(note.state, tuple) else None
    if not isinstance(lists, list) or shape != (len(lists),):
        raise SourceError(f"{name!r} in {path} is not an array of lists")
    arrays: dict[int, NDArray[np.int32]] = {}  # a list that stands twice is converted once
    for each in lists:
        if id(each) not in arrays:
            arrays[id(each)] = as_integers(each, path)
    return [arrays[id(each)] for each in lists]


def as_integers(values: Any, path: Path) -> NDArray[np.int32]:
    """An array of a list that holds nothing but integers."""
    if not isinstance(values, list) or not set(map(type, values)) <= {int}:
        raise SourceError(f"{path} holds something else than lists of integers: it is not read")
    try:
        return np.array(values, np.int32)
    except OverflowError as error:
        raise SourceError(f"{path} holds integers of more than 32 bits") from error


def stack_of(pickled: bytes) -> Any:
    """Run a pickle on the machine that does nothing, and return what it leaves on the stack.

    Raises:
        SourceError: If the pickle is damaged or has an instruction that this machine lacks.
    """
    machine = Machine(pickled)
    try:
        machine.run()
        [result] = machine.stack
    except (IndexError, KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise SourceError(f"a pickle is damaged or not just data ({error}): not read") from error
    return result


class Machine:
    """The stack machine of pickles, less all that acts.

    Args:
        pickled: The program.
    """

    def __init__(self, pickled: bytes) -> None:
        self.code, self.at = pickled, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> None:
        """Obey until the instruction to stop."""
        code, push = self.code, self.stack.append
        while (op := code[self.at]) != STOP:
            self.at += 1
            if op == BININT1:  # nearly all are one of these two
                push(code[self.at])
                self.at += 1
            elif op == BININT2:
                push(code[self.at] | code[self.at + 1] << 8)
                self.at += 2
            elif op in OPERANDS:
                push(self.operand(*OPERANDS[op]))
            elif op in INSTRUCTIONS:
                INSTRUCTIONS[op](self)
            else:
                raise ValueError(f"instruction {op:#x} at {self.at - 1}")

    def take(self, length: int) -> bytes:
        """The next bytes of the program."""
        if not 0 <= length <= len(self.code) - self.at:
            raise ValueError("it ends too early")
        self.at += length
        return self.code[self.at - length : self.at]

    def number(self, form: str) -> int:
        """A number of the program."""
        [value] = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(value)

    def operand(self, form: str, read: Callable[[bytes], Any]) -> Any:
        """A value of the program that says its own length."""
        return read(self.take(self.number(form)))

    def line(self) -> str:
        """A line of the program."""
        end = self.code.index(b"\n", self.at)
        return self.take(end + 1 - self.at)[:-1].decode("ascii")

    def since_mark(self) -> list[Any]:
        """Take what stands above the last mark, and the mark, from the stack."""
        start = len(self.stack) - 1
        while not isinstance(self.stack[start], Mark):
            start -= 1
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def binary(self, function: Callable[[Any, Any], Any]) -> None:
        """Replace the two values on top of the stack by what a function makes of them."""
        right, left = self.stack.pop(), self.stack.pop()
        self.stack.append(function(left, right))


def stated(call: Any, state: Any) -> Called:
    """The note of a call, with the state that the pickle gives to its result."""
    if not isinstance(call, Called):
        raise ValueError("a state for what was not called")
    call.state = state
    return call


def extended(items: Any, more: list[Any]) -> list[Any]:
    """A list, with more items in it."""
    if not isinstance(items, list):
        raise ValueError("items for what is not a list")
    items.extend(more)
    return items


def signed(digits: bytes) -> int:
    """An integer of any length."""
    return int.from_bytes(digits, "little", signed=True)


STOP, BININT1, BININT2 = b".KM"
OPERANDS: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    ord("\x8a"): ("<B", signed),
    ord("\x8c"): ("<B", bytes.decode),
    ord("X"): ("<I", bytes.decode),
    ord("C"): ("<B", bytes),
    ord("B"): ("<I", bytes),
    ord("U"): ("<B", bytes),
    ord("T"): ("<i", bytes),
}
INSTRUCTIONS: dict[int, Callable[[Machine], Any]] = {
    ord("\x80"): lambda m: m.take(1),  # version
    ord("\x95"): lambda m: m.take(8),  # length of what follows
    ord("J"): lambda m: m.stack.append(m.number("<i")),
    ord("N"): lambda m: m.stack.append(None),
    ord("\x88"): lambda m: m.stack.append(True),
    ord("\x89"): lambda m: m.stack.append(False),
    ord("]"): lambda m: m.stack.append([]),
    ord(")"): lambda m: m.stack.append(()),
    ord("("): lambda m: m.stack.append(Mark()),
    ord("t"): lambda m: m.stack.append(tuple(m.since_mark())),
    ord("l"): lambda m: m.stack.append(m.since_mark()),
    ord("\x85"): lambda m: m.stack.append((m.stack.pop(),)),
    ord("\x86"): lambda m: m.binary(lambda a, b: (a, b)),
    ord("\x87"): lambda m: m.stack.append((*(m.stack.pop(-3), m.stack.pop(-2)), m.stack.pop())),
    ord("a"): lambda m: m.binary(lambda items, item: extended(items, [item])),
    ord("e"): lambda m: m.stack.append(extended(*(m.since_mark(), m.stack.pop())[::-1])),
    ord("q"): lambda m: m.memo.__setitem__(m.number("<B"), m.stack[-1]),
    ord("r"): lambda m: m.memo.__setitem__(m.number("<I"), m.stack[-1]),
    ord("\x94"): lambda m: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    ord("h"): lambda m: m.stack.append(m.memo[m.number("<B")]),
    ord("j"): lambda m: m.stack.append(m.memo[m.number("<I")]),
    ord("c"): lambda m: m.stack.append(Named(m.line(), m.line())),
    ord("\x93"): lambda m: m.binary(Named),
    ord("R"): lambda m: m.binary(Called),
    ord("b"): lambda m: m.binary(stated),
}
