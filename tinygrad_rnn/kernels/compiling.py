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
that a new loop need not wait for it. `object_code` makes it.
"""

import functools
import importlib
import importlib.util
import threading
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tinygrad_rnn.kernels.machine_code import ObjectCode

F = TypeVar("F", bound=Callable[..., Any])
Link = Callable[[str], str]

ARITHMETIC: Any = {"fastmath": {"contract"}, "error_model": "numpy"}
# Without what lets Python call it, which takes as long to compile as many a loop, and without
# what counts references to arrays, which Numba would have to be there for.
BARE: Any = {**ARITHMETIC, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}

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
        link: Declares the `machine_code` that the form calls, given a dtype, and says its name.
            Loops from disk call it too, so it is there before they are.
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
                "_nrt": False,
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

    from tinygrad_rnn.kernels.machine_code import machine_code

    _tell_numba_what_loops_may_call()
    for link in _links_of(loop):
        for dtype in _floats(signature and signature.args):
            machine_code(link(dtype))
    compile_one = functools.partial(numba.njit, signature, nogil=True)
    compiled: F = _kept(compile_one, loop, keep)
    return compiled


def object_code(loop: Callable[..., None], *arguments: Any) -> "ObjectCode":
    """Compile a loop apart from those that call it and from Python.

    Args:
        loop: A function that returns nothing and makes no arrays.
        arguments: Numba's types of its arguments.
    """
    import numba

    from tinygrad_rnn.kernels.machine_code import ObjectCode

    _tell_numba_what_loops_may_call()
    for link in _links_of(loop):
        for dtype in _floats(arguments):
            link(dtype)
    compiled = numba.njit(numba.types.void(*arguments), **BARE)(loop)
    (result,) = compiled.overloads.values()
    library, entry = result.library, result.fndesc.llvm_func_name
    library.get_pointer_to_function(entry)  # the object file is made when the code is asked for
    declared = [f.name for f in library._final_module.functions if f.is_declaration]
    needs = tuple(name for name in declared if not name.startswith("llvm."))
    return ObjectCode(entry, needs, library._get_compiled_object())


def inner(loop: F) -> F:
    """A loop that only loops call which `object_code` compiles.

    What it writes must not overlap with anything else that it is given.
    """
    import numba

    _tell_numba_what_loops_may_call()
    compiled: F = numba.njit(pipeline_class=without_overlaps(), **BARE)(loop)
    return compiled


@functools.cache
def without_overlaps() -> Any:
    """A compiler that takes it that arrays do not overlap.

    It need not look whether they do, which would take longer than many a row of numbers.
    """
    from numba.core.compiler import Compiler

    class WithoutOverlaps(Compiler):
        def define_pipelines(self) -> Any:
            self.state.flags.noalias = True
            return super().define_pipelines()  # type: ignore[no-untyped-call]

    return WithoutOverlaps


def _kept(compile_one: Callable[..., Any], loop: Callable[..., Any], keep: bool) -> Any:
    """What Numba makes of a loop, from disk if it was made before."""
    try:
        return compile_one(cache=keep, **ARITHMETIC)(loop)
    except RuntimeError as error:
        warnings.warn(
            f"compiled loops cannot be kept on disk ({error}); every new process will compile "
            "them again. Set NUMBA_CACHE_DIR to a folder that can be written.",
            RuntimeWarning,
            stacklevel=3,
        )
        return compile_one(**ARITHMETIC)(loop)


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


def _floats(arguments: Sequence[Any] | None) -> set[str]:
    """The dtypes of the arrays of floats among a loop's arguments; both where that is not said."""
    floats = {"float32", "float64"}
    if arguments is None:
        return floats
    return floats & {str(getattr(a, "dtype", "")) for a in arguments}
