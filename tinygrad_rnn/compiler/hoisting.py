"""What leaves the loop: lines that do not depend on the state, run for all steps at once.

A frame, shape (…), becomes a sequence (T, …). Most ops take one more axis as they are, or with
a parameter moved by one; `lift` knows which, and runs the op on tensors, so that gradients come
by themselves. Which lines pay is what `hoisted` decides.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_rnn.compiler.lowering import MOVES
from tinygrad_rnn.compiler.simplifying import Kind, Kinds, kinds_of, looks_up
from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.ops import broadcast_to, matmul, reshape

Lifted = Callable[..., Any]
Frames = frozenset[Any]  # the operands that are frames

SCALING = ("standardize", "softmax", "log_softmax")  # few passes over what a product has left near


def hoisted(
    program: Program, state: list[Sym], frames: list[Sym], batch: int | None, apart: bool
) -> tuple[Kinds, dict[Line, Lifted]]:
    """The kinds of all values, and for lines that are to run for all steps at once, how.

    Products leave the loop, and what leads to them. What a loop does as well without another
    sequence in memory, elementwise lines and moves, stays in it.
    """
    kinds = kinds_of(program, state, frames)
    stays = staying(program, kinds, batch, apart)
    lifts: dict[Line, Lifted] = {}
    for line in program.lines:
        of = [kinds[x] for x in line.operands if isinstance(x, Sym)]
        kind = max(of, default=Kind.FIXED)
        if kind is Kind.FRAME:
            over_time = frozenset(
                x for x in line.operands if isinstance(x, Sym) and kinds[x] is Kind.FRAME
            )
            lifted = None if line in stays else lift(line, over_time)
            if lifted is None:
                kind = Kind.STATE
            else:
                lifts[line] = lifted
        kinds.update(dict.fromkeys(line.targets, kind))
    return kinds, lifts


def staying(program: Program, kinds: Kinds, batch: int | None, apart: bool) -> set[Line]:
    """Lines of frames that only the loop needs, and does as well."""
    stays: set[Line] = set()
    outside: set[Sym] = set()
    for line in reversed(program.lines):
        if kinds[line.targets[0]] is not Kind.FRAME:
            continue
        simple = line.op.kernel is not None or line.op.name in MOVES or scales(line, batch)
        reads_fixed = weighs(line, kinds) or looks_up(line, kinds, {Kind.FRAME})
        simple = simple or (not apart and reads_fixed)
        values = [x for x in line.operands if isinstance(x, Sym) and kinds[x] is Kind.FRAME]
        fits = batch is None or all(
            x.shape[:1] == (batch,) and (line.op.kernel is None or x.ndim == line.targets[0].ndim)
            for x in (*values, *line.targets)
        )
        if simple and fits and not outside.intersection(line.targets):
            stays.add(line)
        else:
            outside.update(values)
    return stays


def weighs(line: Line, kinds: Kinds) -> bool:
    """Whether a line is a product with a fixed matrix."""
    if line.op is not matmul:
        return False
    w = line.operands[1]
    return kinds[w] is Kind.FIXED and w.ndim == 2


def scales(line: Line, batch: int | None) -> bool:
    """Whether a line brings the features of each sequence to one scale."""
    if line.op.name not in SCALING or batch is None:
        return False
    (y,), axis = line.targets, line.params["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    return all(isinstance(a, int) and a % y.ndim > 0 for a in axes)


def lift(line: Line, frames: Frames) -> Lifted | None:
    """The op of a line over all steps: a function of its operands, or None if there is none.

    Args:
        line: a line that does not depend on the state.
        frames: which of its operands are frames; they are to be given with their T axis first.
    """
    make = LIFTS.get(line.op.name) or (elementwise if line.op.kernel else None)
    return make(line, frames) if make else None


def elementwise(line: Line, frames: Frames) -> Lifted:
    """Frames of fewer axes get axes of length 1 between time and the others."""
    (y,) = line.targets

    def run(*operands: Any) -> Any:
        aligned = (
            x.reshape((x.shape[0],) + (1,) * (y.ndim - name.ndim) + x.shape[1:])
            if name in frames and name.ndim < y.ndim
            else x
            for x, name in zip(operands, line.operands, strict=True)
        )
        return line.op(*aligned, **line.params)

    return run


def product(line: Line, frames: Frames) -> Lifted | None:
    """Rows times a fixed matrix, or a pair of batches."""
    a, b = line.operands
    if a in frames and (b.ndim == 2 and b not in frames):
        return line.op
    if a in frames and b in frames and a.ndim == b.ndim > 1:
        return line.op
    if b in frames and a not in frames and a.ndim == 2 and b.ndim == 1:
        return lambda a, b: b @ a.T
    return None


def along_axis(line: Line, frames: Frames) -> Lifted:
    """An op with a parameter `axis`, counted from the front, from the back, or None for all."""
    ndim = next(x.ndim for x in line.operands if isinstance(x, Sym))
    if line.op.name == "stack":
        ndim += 1
    params = {**line.params, "axis": moved(line.params["axis"], ndim)}

    def run(*operands: Any) -> Any:
        return line.op(*over_time(operands, line, frames), **params)

    return run


def moved(axis: Any, ndim: int) -> Any:
    """Axes of a frame as axes of a sequence."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    if isinstance(axis, tuple):
        return tuple(moved(a, ndim) for a in axis)
    return axis if axis < 0 else axis + 1


def over_time(operands: Any, line: Line, frames: Frames) -> list[Any]:
    """Operands, those that are fixed repeated for all steps."""
    T = next(x.shape[0] for x, name in zip(operands, line.operands, strict=True) if name in frames)
    return [
        x if name in frames or not isinstance(name, Sym) else broadcast_to(x, (T, *x.shape))
        for x, name in zip(operands, line.operands, strict=True)
    ]


def indexing(line: Line, frames: Frames) -> Lifted | None:
    """Slices and integers; time is taken whole."""
    index = line.params["index"]
    index = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(i, int | slice | None) or i is Ellipsis for i in index):
        return None
    return lambda x: line.op(x, index=(slice(None), *index))


def shaping(line: Line, frames: Frames) -> Lifted:
    """The shape that the op gives, after time."""
    (y,) = line.targets
    (x,) = line.operands
    ones = (1,) * (y.ndim - x.ndim)

    def run(x: Any) -> Any:
        T, *rest = x.shape
        if line.op.name == "reshape":
            return reshape(x, (T, *y.shape))
        return broadcast_to(reshape(x, (T, *ones, *rest)), (T, *y.shape))

    return run


def permuting(line: Line, frames: Frames) -> Lifted:
    """Time stays in front."""
    axes = tuple(a % len(line.params["axes"]) + 1 for a in line.params["axes"])
    return lambda x: line.op(x, axes=(0, *axes))


def looking_up(line: Line, frames: Frames) -> Lifted | None:
    """Rows of a fixed matrix."""
    weight, ids = line.operands
    if weight in frames or ids not in frames:
        return None
    return lambda weight, ids: line.op(weight, ids, **line.params)


def unchanged(line: Line, frames: Frames) -> Lifted:
    """An op that takes one more axis as it is."""
    return lambda *operands: line.op(*operands, **line.params)


LIFTS: Mapping[str, Callable[[Line, Frames], Lifted | None]] = {
    "matmul": product,
    "getitem": indexing,
    "reshape": shaping,
    "broadcast_to": shaping,
    "permute": permuting,
    "embedding": looking_up,
    "one_hot": unchanged,
    "astype": unchanged,
    "clip": unchanged,
    **dict.fromkeys(
        [
            "sum",
            "mean",
            "max",
            "min",
            "prod",
            "var",
            "std",
            "logsumexp",
            "softmax",
            "log_softmax",
            "standardize",
            "concatenate",
            "stack",
            "split",
            "unbind",
            "flip",
        ],
        along_axis,
    ),
}
