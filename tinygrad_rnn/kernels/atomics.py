r"""What threads say to each other through memory, in LLVM's own terms.

A number that two threads use at once is read and written by instructions that cannot be torn
apart, and that nothing written before them is seen after. Numba comes with this module, so import
it inside functions.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once

from tinygrad_rnn.kernels.instructions import BYTES, INDEX, LANE, Pointer, instruction

SEEN = "seq_cst"  # what is written before is seen before, by everyone
PAUSE = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}
YIELD = {"aarch64": "llvm.aarch64.hint", "arm64": "llvm.aarch64.hint"}


@instruction
def peek(typing: Any, here: Any) -> Any:
    """The number there now."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(args[0], SEEN, 8)

    return types.int64(here), write


@instruction
def exchange(typing: Any, here: Any, new: Any) -> Any:
    """Put a number there, and say which was there before."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("xchg", args[0], args[1], SEEN)

    return types.int64(here, types.int64), write


@instruction
def increase(typing: Any, here: Any, by: Any) -> Any:
    """Add to the number there, and say which it was before."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", args[0], args[1], SEEN)

    return types.int64(here, types.int64), write


@instruction
def replace(typing: Any, here: Any, old: Any, new: Any) -> Any:
    """Put a number there if it is still the old one, and say whether it was."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.cmpxchg(*args, SEEN, SEEN)
        return builder.extract_value(found, 1)

    return types.boolean(here, types.int64, types.int64), write


@instruction
def address_in(typing: Any, here: Any) -> Any:
    """The address that a pointer holds."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], INDEX)

    return types.int64(here), write


@instruction
def rest(typing: Any) -> Any:
    """Let a thread that waits leave the processor to others for a moment."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        machine, nothing = platform.machine(), ir.VoidType()
        if machine in PAUSE:
            pause = ir.FunctionType(nothing, ())
            builder.call(builder.module.declare_intrinsic(PAUSE[machine], (), pause), ())
        elif machine in YIELD:
            hint = ir.FunctionType(nothing, [LANE])
            one = ir.Constant(LANE, 1)
            builder.call(builder.module.declare_intrinsic(YIELD[machine], (), hint), [one])
        return context.get_dummy_value()

    return types.void(), write


@instruction
def go_to(typing: Any, code: Any, argument: Any) -> Any:
    """Run the machine code at an address with one argument, and say what it returns."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        aside = alloca_once(builder, BYTES)  # for what it returns and raises; nobody looks there
        kind = ir.FunctionType(LANE, [aside.type, aside.type, INDEX])
        function = builder.inttoptr(args[0], kind.as_pointer())
        return builder.zext(builder.call(function, [aside, aside, args[1]]), INDEX)

    return types.int64(types.int64, types.int64), write


Numbers = Pointer(types.int64)
