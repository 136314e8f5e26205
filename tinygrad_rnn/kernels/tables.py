r"""Loops over arrays, called with a table of where the arrays are.

Machine code that is called without Numba takes plain numbers, and a loop over time takes thirty
arrays. So their addresses, shapes and strides go into a table, most of which stays the same from
one call to the next:

    >>> import numpy as np
    >>> numbers_of(np.zeros((2, 3)))[1:]
    (2, 3, 24, 8)

`compiled_with_table` gives a loop a first line that makes arrays of the numbers again.
"""

import ctypes
from array import array
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tinygrad_rnn.kernels.machine_code import ObjectCode

Array = NDArray[Any]

HEADER = object.__basicsize__  # bytes of an object before what it holds: of an array, its address

number_at = ctypes.c_ssize_t.from_address


def numbers_of(x: Array) -> tuple[int, ...]:
    """What a table says of an array: where it begins, its shape, its strides."""
    return (address_of(x), *x.shape, *x.strides)


def address_of(x: Array) -> int:
    """Where an array's first number is.

    As NumPy's C interface says, it is what the array's object begins with. `x.ctypes.data` takes
    seven times as long to say so, and pages of Python that are not near after a loop.
    """
    return number_at(id(x) + HEADER).value


class Table:
    """Numbers, and what is known of arrays, one after the other.

    Args:
        count: How many numbers come first.
        arrays: The arrays after them; they must live as long as the table is used.
    """

    def __init__(self, count: int, arrays: Sequence[Array]) -> None:
        self.numbers = array("q", bytes(8 * count))
        self.starts, self.strides = [], []
        for x in arrays:
            self.starts.append(len(self.numbers))
            self.strides.append(x.strides)
            self.numbers.extend(numbers_of(x))
        self.address, _ = self.numbers.buffer_info()

    def begin_with(self, *numbers: int) -> None:
        """Set the first numbers."""
        for k, number in enumerate(numbers):
            self.numbers[k] = number

    def replace(self, k: int, x: Array, skipped: int = 0) -> None:
        """Put another array in the place of the k-th, or a part of it that has the same shape.

        Args:
            k: Which.
            x: The array.
            skipped: How many bytes after its first number the part begins.
        """
        start = self.starts[k]
        self.numbers[start] = address_of(x) + skipped
        if x.strides != self.strides[k]:
            self.strides[k] = x.strides
            for at, stride in enumerate(x.strides, start + 1 + x.ndim):
                self.numbers[at] = stride


def compiled_with_table(
    source: str, name: str, scope: dict[str, Any], count: int, kinds: Sequence[Any]
) -> ObjectCode:
    """Compile a loop that is to be called with the address of a table.

    What takes its arguments from the table becomes the loop's own first line: a function around it
    would have LLVM go over everything once more.

    Args:
        source: Of a module with the loop, which takes integers, then arrays.
        name: What the loop is called there.
        scope: The names that the module knows.
        count: How many integers there are.
        kinds: Numba's types of the arrays.
    """
    import ast

    from numba import types

    from tinygrad_rnn.kernels.compiling import object_code
    from tinygrad_rnn.kernels.instructions import Pointer, arguments_of

    tree = ast.parse(source)
    tree.body = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == name]
    (loop,) = tree.body
    assert isinstance(loop, ast.FunctionDef)
    names = ", ".join(argument.arg for argument in loop.args.args)
    loop.args.args = [ast.arg("table")]
    loop.body[:0] = ast.parse(f"{names} = arguments(table)").body
    known = {**scope, "arguments": arguments_of(count, kinds)}
    exec(compile(ast.fix_missing_locations(tree), f"<{name}>", "exec"), known)
    return object_code(known[name], Pointer(types.int64))
