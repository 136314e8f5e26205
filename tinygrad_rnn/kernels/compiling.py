r"""Numba's part: loops compiled, with all that they call.

    >>> import numpy as np
    >>> def double(x):
    ...     for i in range(x.size):
    ...         x[i] += x[i]
    >>> x = np.ones(3)
    >>> jit(double, keep=False)(x)
    >>> x
    array([2., 2., 2.])

Functions that loops call come in three kinds. What is `inlined` becomes part of the loop, and is
vectorized with it. What is `overloaded` chooses its compiled form by the types of its arguments.
What is large, and the same for all loops, is `machine_code`: compiled once, and called by name, so
that a new loop need not wait for it.
"""

import functools
import importlib
import importlib.util
import threading
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
Link = Callable[[str], Any]

# What loops may call besides NumPy: function -> {dtype of its argument, or "" for any: (source,
# LLVM's licences)}. Numba hears of it when the first loop is compiled.
_inlined: dict[Callable[..., Any], dict[str, Callable[..., Any]]] = {}
_licences: dict[Callable[..., Any], set[str]] = {}
_telling = threading.Lock()


def inlined(
    meaning: Callable[..., Any] | None = None, dtype: str = "", *, reassociate: bool = False
) -> Callable[[F], F]:
    """Let compiled loops call a function, which becomes part of the loop.

    Numba watches a loop's own file for changes: after editing a function that loops of other files
    inline, delete the compiled loops, `__pycache__/*.nb?`.

    Args:
        meaning: The function that the loops name, if this is not it but what they are to run.
        dtype: The dtype of its first argument that this source is for, or all of them.
        reassociate: Sums may be taken in another order, without which no sum is vectorized.
    """

    def declare(source: F) -> F:
        _inlined.setdefault(meaning or source, {})[dtype] = source
        _licences[meaning or source] = {"contract", "reassoc"} if reassociate else {"contract"}
        return source

    return declare


# What loops may call, what chooses its compiled form by the types of the arguments, and what has
# the machine code ready that this form calls by name.
_overloaded: dict[Callable[..., Any], Callable[..., Any]] = {}
_links: dict[Callable[..., Any], Link] = {}


def overloaded(meaning: Callable[..., Any], link: Link | None = None) -> Callable[[F], F]:
    """Let compiled loops call a function, by declaring how its compiled form is chosen.

    What is declared gets Numba's types of the arguments and returns a function of the same
    arguments, which Numba compiles, or None where there is none. It may import Numba.

    Args:
        meaning: The function that the loops name.
        link: Compiles the `machine_code` that the form calls, given a dtype. Loops from disk call
            it too, so it is called for them beforehand.
    """

    def declare(choose: F) -> F:
        _overloaded[meaning] = choose
        if link is not None:
            _links[meaning] = link
        return choose

    return declare


def _tell_numba_what_loops_may_call() -> None:
    from numba.extending import overload

    with _telling:
        _start_without_scipy()
        while _overloaded:
            function, chooser = _overloaded.popitem()
            overload(function, jit_options={"error_model": "numpy"}, strict=False)(chooser)
        while _inlined:
            function, sources = _inlined.popitem()

            def choose(*args: Any, sources: Any = sources) -> Any:
                return sources.get(str(args[0]), sources.get(""))

            options: Any = {
                "fastmath": _licences[function],
                "error_model": "numpy",
                "forceinline": True,
                "cache": True,
            }
            overload(function, jit_options=options, strict=False)(choose)


@functools.cache
def _start_without_scipy() -> None:
    """Let Numba learn of arrays without importing SciPy, which takes as long as all the rest.

    It looks for SciPy's BLAS as soon as it starts. Our loops call none of it, and where another
    function does, Numba looks again.
    """
    from numba.np import linalg

    if importlib.util.find_spec("scipy"):
        look, linalg.ensure_blas = linalg.ensure_blas, lambda: None
        try:
            importlib.import_module("numba.np.arraymath")
        finally:
            linalg.ensure_blas = look


def jit(loop: F, *, signature: Any = None, keep: bool = True) -> F:
    """Hand a loop to Numba: compiled at its first call, kept on disk, run without the GIL.

    `contract` lets a product and a sum become one fused instruction; nothing else of IEEE
    arithmetic is given up. Where no cache folder can be written, the loop is compiled once in
    every process, with a warning.

    Args:
        loop: A function in the Python that Numba understands.
        signature: Numba's types of its arguments, if it is to be compiled for these at once.
        keep: Whether to keep what is compiled on disk.
    """
    import numba

    _tell_numba_what_loops_may_call()
    for link in _links_of(loop):
        for dtype in _floats(signature):
            link(dtype)
    compile_one = functools.partial(numba.njit, signature, nogil=True)
    compiled: F = _kept(compile_one, loop, keep)
    return compiled


class MachineCode(NamedTuple):
    """What loops call by name, for as long as this lives.

    Attributes:
        name: The same in all processes.
        compiled: What Numba made of it.
    """

    name: str
    compiled: Any


def machine_code(loop: Callable[..., None], name: str, *arguments: Any) -> MachineCode:
    """Compile a loop apart from those that call it: for these it has a name.

    Args:
        loop: A function of numbers and pointers that returns nothing and raises nothing.
        name: What to call it.
        arguments: Numba's types of its arguments.
    """
    import numba
    from llvmlite import binding

    _tell_numba_what_loops_may_call()
    signature = numba.types.void(*arguments)
    compiled = _kept(functools.partial(numba.cfunc, signature), loop, True)
    binding.add_symbol(name, compiled.address)
    return MachineCode(name, compiled)


def _kept(compile_one: Callable[..., Any], loop: Callable[..., Any], keep: bool) -> Any:
    """What Numba makes of a loop, from disk if it was made before."""
    options: Any = {"fastmath": {"contract"}, "error_model": "numpy"}
    try:
        return compile_one(cache=keep, **options)(loop)
    except RuntimeError as error:
        warnings.warn(
            f"compiled loops cannot be kept on disk ({error}); every new process will compile "
            "them again. Set NUMBA_CACHE_DIR to a folder that can be written.",
            RuntimeWarning,
            stacklevel=3,
        )
        return compile_one(**options)(loop)


def _links_of(loop: Callable[..., Any]) -> set[Link]:
    """What has the machine code ready that a loop calls, itself or by what it calls."""
    reached: set[FunctionType] = set()
    todo: list[Any] = [loop]
    while todo:
        f = todo.pop()
        f = getattr(f, "py_func", f)  # what Numba has compiled has a source too
        if isinstance(f, FunctionType) and f not in reached:
            reached.add(f)
            todo += [f.__globals__.get(name) for name in f.__code__.co_names]
            todo += [cell.cell_contents for cell in f.__closure__ or ()]
    return {_links[f] for f in reached if f in _links}


def _floats(signature: Any) -> set[str]:
    """The dtypes of the arrays of floats among a loop's arguments; both where that is not said."""
    floats = {"float32", "float64"}
    if signature is None:
        return floats
    return floats & {str(getattr(a, "dtype", "")) for a in signature.args}
