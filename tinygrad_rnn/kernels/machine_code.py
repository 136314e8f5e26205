r"""Machine code that is kept on disk, and linked without its compiler.

Numba takes long to compile, and long to start. What it makes of a loop is an object file, as any
compiler's is, and LLVM alone can link that: a later process that finds all it needs runs loops
without importing Numba.

Each piece has a name, by which Python asks for it and other pieces call it:

    >>> import numpy as np
    >>> def doubled():
    ...     from numba import types
    ...     from tinygrad_rnn.kernels.compiling import object_code
    ...     def double(x, n):
    ...         for i in range(n):
    ...             x[i] += x[i]
    ...     return object_code(double, types.CPointer(types.float64), types.int64)
    >>> double = in_python(machine_code("double", doubled), ctypes.c_void_p, ctypes.c_int64)
    >>> x = np.array([1.0, 2.0])
    >>> double(x.ctypes.data, x.size)
    0
    >>> x
    array([2., 4.])

A file is written whole or not at all, so several processes may write the same one. One that is
damaged, or of other versions than ours, or that calls what is not there, counts as none.
"""

import ctypes
import functools
import importlib.util
import itertools
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from tinygrad_rnn.kernels.folders import cache_of_user

if TYPE_CHECKING:
    import subprocess

P = ParamSpec("P")
R = TypeVar("R")

FOLDER = "TINYGRAD_RNN_CACHE"
SUFFIX = ".code"
PREFIX = "tinygrad_rnn_"  # of the names of what other code calls
POLL = 0.005  # seconds between looks at what another process has made
NOWHERE = 1  # the address of what is declared and not linked yet


class ObjectCode(NamedTuple):
    """What a compiler made.

    Attributes:
        entry: the symbol where it begins.
        needs: symbols that it calls,
        image: and the object file.
    """

    entry: str
    needs: tuple[str, ...]
    image: bytes


class MachineCode(NamedTuple):
    """What can be called, for as long as the process lives.

    It takes two pointers before its arguments, to where it would put what it returns and what it
    raises, and returns a number: zero if nothing was raised.

    Attributes:
        name: the same in all processes.
        address: in this one.
    """

    name: str
    address: int


def machine_code(name: str, compiled: Callable[[], ObjectCode] | None = None) -> MachineCode:
    """The machine code of a name: linked before, or kept on disk, or compiled now.

    Args:
        name: What other code calls it by.
        compiled: Compiles it, if it has not been declared.
    """
    if compiled is not None:
        declare(name, compiled)
    return linker_of(os.getpid()).linked(name)


def declare(name: str, compiled: Callable[[], ObjectCode]) -> str:
    """Say how machine code would be compiled, and let other code be compiled that calls it.

    Args:
        name: What other code calls it by.
        compiled: Compiles it, when it is first linked.

    Returns:
        The name.
    """
    linker_of(os.getpid()).declare(name, compiled)
    return name


def named(what: str, dtype: str, *sizes: int) -> str:
    """A name that no code but ours has."""
    return PREFIX + "_".join([what, dtype, *map(str, sizes)])


def in_python(code: MachineCode, *kinds: Any) -> Callable[..., int]:
    """Machine code as a function that lets go of the interpreter's lock.

    Args:
        code: The code.
        kinds: What it takes, in the words of `ctypes`.

    Returns:
        A function of these. It returns zero, or another number where the code has raised an error.
    """
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)
    aside = (ctypes.c_void_p * 1)()  # for what it returns and raises; nobody looks there
    return functools.partial(kind(code.address), aside, aside)


def once(make: Callable[P, R]) -> Callable[P, R]:
    """A function whose results are kept, and which threads that ask at once wait for.

    `functools.cache` alone lets each of them make its own, and all but one are thrown away: linked
    code while another thread runs it.

    Example:
        >>> made = once(lambda name: [name])
        >>> made("a") is made("a")
        True
    """
    cached, lock = functools.cache(make), threading.RLock()

    @functools.wraps(make)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with lock:
            return cached(*args, **kwargs)  # type: ignore[arg-type]

    return kept


class Linker:
    """Machine code of this process, by name."""

    def __init__(self) -> None:
        from llvmlite import binding

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        target = binding.Target.from_triple(binding.get_process_triple())
        self.jit = binding.create_lljit_compiler(target.create_target_machine(jit=True))
        self.codes: dict[str, MachineCode] = {}
        self.declared: dict[str, Callable[[], ObjectCode]] = {}
        self.trackers: list[Any] = []  # LLVM takes code away when its tracker goes
        self.numbers = itertools.count()  # it takes no name twice
        self.elsewhere: dict[str, subprocess.Popen[bytes]] = {}  # who is compiling what
        self.lock = threading.RLock()  # who compiles asks for what the code will call

    def declare(self, name: str, compiled: Callable[[], ObjectCode]) -> None:
        """As `declare`."""
        from llvmlite import binding

        with self.lock:
            self.declared[name] = compiled
            if binding.address_of_symbol(name) is None:
                binding.add_symbol(name, NOWHERE)

    def linked(self, name: str) -> MachineCode:
        """As `machine_code`."""
        with self.lock:
            self.wait_for(name)
            if name not in self.codes and not self.link_kept(name):
                code = self.declared[name]()
                self.link(name, code)
                keep(name, code)  # after all that it needs, so that nobody finds it alone
            return self.codes[name]

    def wait_for(self, name: str) -> None:
        """Wait for code that another process of ours is compiling, or for its end."""
        process = self.elsewhere.pop(name, None)
        while process and process.poll() is None and not path_of(name).exists():
            time.sleep(POLL)

    def link_kept(self, name: str) -> bool:
        """Link what is on disk, if it is there with all that it needs."""
        code = kept(name)
        if code is None:
            return False
        try:
            self.link(name, code)
        except LookupError:
            return False
        except RuntimeError as error:
            complain(path_of(name), error)
            return False
        return True

    def link(self, name: str, code: ObjectCode) -> None:
        """Give code an address, and let other code call it."""
        from llvmlite import binding

        library = binding.JITLibraryBuilder().add_object_img(code.image).export_symbol(code.entry)
        for symbol in code.needs:
            library.import_symbol(symbol, self.address_of(symbol))
        tracker = library.link(self.jit, f"{name} {next(self.numbers)}")
        self.trackers.append(tracker)
        binding.add_symbol(name, tracker[code.entry])
        self.codes[name] = MachineCode(name, tracker[code.entry])

    def address_of(self, symbol: str) -> int:
        """Where something is that code calls: code of ours, or of this process."""
        from llvmlite import binding

        if symbol in self.codes or symbol in self.declared or self.link_kept(symbol):
            return self.linked(symbol).address
        ours = symbol.startswith(PREFIX)  # which another linker may have declared, and not linked
        address: int | None = None if ours else binding.address_of_symbol(symbol)
        if address is None:
            raise LookupError(f"there is no {symbol!r} in this process")
        return address


@once
def linker_of(process: int) -> Linker:
    """The linker of a process; after a fork the child has its own, and keeps its parent's code."""
    return Linker()


def cache_folder() -> Path:
    """Where code is kept: the folder in TINYGRAD_RNN_CACHE, or one in the user's cache."""
    return cache_of_user("loops", FOLDER)


def path_of(name: str) -> Path:
    """The file of machine code."""
    return cache_folder() / f"{name}_{fingerprint(name)[:8]}{SUFFIX}"


@functools.cache
def processor() -> str:
    """What of this machine and its libraries decides how loops are compiled."""
    import hashlib  # here and below: what takes long to import waits for the first loop
    from importlib.metadata import version

    # Loops are compiled together with the kernels that they call.
    sources = sorted(Path(__file__).parent.glob("*.py"))
    kernels = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    versions = [sys.version, np.__version__, kernels]
    if importlib.util.find_spec("numba"):
        import llvmlite.binding as llvm

        features = ",".join(sorted(k for k, on in llvm.get_host_cpu_features().items() if on))
        versions += [version("numba"), llvm.get_host_cpu_name(), features]
    return "\n".join(versions)


def fingerprint(text: str) -> str:
    """A name for a text on this machine."""
    import hashlib

    return hashlib.sha256(f"{processor()}\n{text}".encode()).hexdigest()[:20]


def kept(name: str) -> ObjectCode | None:
    """What is on disk under a name; nothing, with a warning, if it is damaged."""
    import hashlib
    import json

    path = path_of(name)
    try:
        head, _, image = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    try:
        said = json.loads(head)
        if said["sha256"] != hashlib.sha256(image).hexdigest():
            raise ValueError("its checksum is another")
        return ObjectCode(said["entry"], tuple(said["needs"]), image)
    except (ValueError, KeyError, TypeError) as error:
        complain(path, error)
        return None


def keep(name: str, code: ObjectCode) -> None:
    """Write code to disk; a warning if that is not possible."""
    import hashlib
    import json

    digest = hashlib.sha256(code.image).hexdigest()
    head = json.dumps({"entry": code.entry, "needs": code.needs, "sha256": digest})
    try:
        write_whole(path_of(name), head.encode() + b"\n" + code.image)
    except OSError as error:
        cannot_be_kept(error)


def cannot_be_kept(error: OSError) -> None:
    """Warn of a folder that cannot be written."""
    warnings.warn(
        f"compiled loops cannot be kept on disk ({error}); every new process will compile "
        f"them again. Set {FOLDER} to a folder that can be written.",
        RuntimeWarning,
        stacklevel=3,
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".draft")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(draft).replace(path)


def complain(path: Path, error: Exception) -> None:
    """Warn of a file that is of no use."""
    warnings.warn(
        f"the machine code in {path} could not be used ({error}); it is compiled again. "
        "`tg doctor --clear` empties the folder.",
        RuntimeWarning,
        stacklevel=2,
    )
