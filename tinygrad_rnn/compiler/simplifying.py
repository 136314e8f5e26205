r"""Rewrite the program of a step so that its products are few and large.

Two identities do it. Products that share an operand are one product with the weights side by
side,

$$[h\, W_f, h\, W_i] = h\, [W_f, W_i],$$

and a sum of products is one product with the weights on top of each other; a bias is the weight
of an input that is always 1,

$$h\, U + x\, W + b = [h, x, 1] \begin{bmatrix} U \\ W \\ b \end{bmatrix}.$$

From left to right they suit a batch, whose products run at the processor's peak at every step.
For a few sequences only, the second is read from right to left: what does not depend on the state
then leaves the loop, and is one large product over all steps. All is said in ops, on weights that
stay the same, so gradients of the original weights come by themselves.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from enum import IntEnum
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.tracing import Line, Program, Sym
from tinygrad_rnn.engine.nesting import leaves, mapped
from tinygrad_rnn.ops import add, astype, concatenate, embedding, matmul, split

SMALL = 512  # rows of a table; to multiply a larger one would cost more than it saves


class Kind(IntEnum):
    """When a value can be known: before the loop, for all steps at once, or step by step."""

    FIXED = 0
    FRAME = 1
    STATE = 2


Kinds = dict[Any, Kind]


def kinds_of(program: Program, carries: Iterable[Sym], frames: Iterable[Sym]) -> Kinds:
    """The kind of every value: the latest of the kinds of what it is made of."""
    kinds: Kinds = dict.fromkeys(program.captured, Kind.FIXED)
    kinds.update(dict.fromkeys(frames, Kind.FRAME))
    kinds.update(dict.fromkeys(carries, Kind.STATE))
    for line in program.lines:
        kind = max((kinds[x] for x in line.operands if isinstance(x, Sym)), default=Kind.FIXED)
        kinds.update(dict.fromkeys(line.targets, kind))
    return kinds


def simplified(program: Program, carries: int, narrow: bool) -> Program:
    """The same step with few products.

    Args:
        program: of a step, whose inputs are the leaves of the carry, then those of a frame.
        carries: how many leaves the carry has.
        narrow: whether products with frames are to leave the loop.
    """
    program = cast(program, carries)
    if narrow:
        made_ids = looked_up(program, carries, {Kind.STATE})
        return stacked(taken_apart(made_ids, carries), carries)
    all_ids = looked_up(program, carries, {Kind.STATE, Kind.FRAME})
    return stacked(added_up(all_ids, carries), carries)


class Rewriting:
    """A program that is being written in the place of another.

    Attributes:
        old: the other.
        kinds: of its values.
        new: the program that is written.
        value: what stands in the new program for a value of the old.
    """

    def __init__(self, old: Program, carries: int) -> None:
        self.old, self.new = old, Program()
        self.kinds = kinds_of(old, old.inputs[:carries], old.inputs[carries:])
        self.value: dict[Sym, Any] = {}
        for x in old.inputs:
            self.new.inputs.append(Sym(self.new, x.name, x.shape, x.dtype))
            self.value[x] = self.new.inputs[-1]
        for x, array in old.captured.items():
            self.value[x] = self.new.operand(array, x.name)

    def now(self, x: Any) -> Any:
        """What stands for an operand."""
        return self.value[x] if isinstance(x, Sym) else x

    def copy(self, line: Line) -> None:
        """Write a line as it was."""
        operands = tuple(map(self.now, line.operands))
        result = self.new.write(line.op, operands, line.params, line.made_at)
        self.become(line, result)

    def become(self, line: Line, result: Any) -> None:
        """Let new values stand for a line's targets."""
        self.value.update(zip(line.targets, result if line.op.bundles else (result,), strict=True))

    def finished(self) -> Program:
        """The new program, with its outputs."""
        self.new.outputs = mapped(self.now, self.old.outputs)
        return self.new

    def weighs(self, line: Line) -> bool:
        """Whether a line multiplies something by a fixed matrix."""
        if line.op is not matmul:
            return False
        x, w = line.operands
        fixed = self.kind(w) is Kind.FIXED and self.kind(x) is not Kind.FIXED
        return fixed and w.ndim == 2 and x.ndim > 1

    def kind(self, x: Any) -> Kind | None:
        """The kind of an operand; None for a constant."""
        return self.kinds[x] if isinstance(x, Sym) else None


def cast(program: Program, carries: int) -> Program:
    """Products of matrices of one dtype, which is what machine code multiplies."""
    rewriting = Rewriting(program, carries)
    for line in program.lines:
        if line.op is matmul and any(x.dtype != line.targets[0].dtype for x in line.operands):
            factors = (rewriting.now(x) for x in line.operands)
            rewriting.become(line, matmul(*(astype(x, line.targets[0].dtype) for x in factors)))
        else:
            rewriting.copy(line)
    return rewriting.finished()


def looks_up(line: Line, kinds: Kinds, ids: Collection[Kind]) -> bool:
    """Whether a line looks up rows of a small fixed table, by ids of one of some kinds."""
    if line.op is not embedding or line.params["padding_idx"] is not None:
        return False
    table, number = line.operands
    known = isinstance(table, Sym) and isinstance(number, Sym) and number.dtype == np.int64
    return known and len(table) <= SMALL and not kinds[table] and kinds[number] in ids


def looked_up(program: Program, carries: int, ids: Collection[Kind]) -> Program:
    """Products with looked-up rows as rows of a product: a small table is multiplied once.

    So an id's vector costs no product. For a few sequences only the loop's own ids gain by that:
    those of frames have one product for all steps, which may be fewer than the table has rows.
    """
    rewriting = Rewriting(program, carries)
    for line in program.lines:
        rows = program.made.get(line.operands[0]) if rewriting.weighs(line) else None
        if rows and looks_up(rows, rewriting.kinds, ids):
            table, number = map(rewriting.now, rows.operands)
            rewriting.become(line, embedding(table @ rewriting.now(line.operands[1]), number))
        else:
            rewriting.copy(line)
    return cleaned(rewriting.finished())


def taken_apart(program: Program, carries: int) -> Program:
    """Each product with a concatenation as a sum of products with its pieces."""
    rewriting = Rewriting(program, carries)
    for line in program.lines:
        pieces = rewriting.weighs(line) and joined(program, line.operands[0])
        if pieces:
            w, start, terms = rewriting.now(line.operands[1]), 0, []
            for piece in map(rewriting.now, pieces):
                width = piece.shape[-1]
                terms.append(piece @ w[start : start + width])
                start += width
            rewriting.become(line, sum(terms[1:], start=terms[0]))
        else:
            rewriting.copy(line)
    return rewriting.finished()


def joined(program: Program, x: Sym) -> tuple[Any, ...]:
    """The pieces of a concatenation of features, or nothing; all are of its dtype."""
    line = program.made.get(x)
    if line is None or line.op is not concatenate or line.params["axis"] not in (-1, x.ndim - 1):
        return ()
    return line.operands if all(piece.dtype == x.dtype for piece in line.operands) else ()


def stacked(program: Program, carries: int) -> Program:
    """Products of one operand with several matrices as one product."""
    rewriting = Rewriting(program, carries)
    together: dict[Sym, list[Line]] = {}
    for line in program.lines:
        if rewriting.weighs(line):
            together.setdefault(line.operands[0], []).append(line)
    # Fixed lines come first, so that every matrix is there when the first product needs it.
    for line in sorted(program.lines, key=lambda line: rewriting.kinds[line.targets[0]]):
        if line.targets[0] in rewriting.value:
            continue
        group = together.get(line.operands[0], []) if rewriting.weighs(line) else []
        if len(group) > 1:
            x = rewriting.now(line.operands[0])
            matrices = [rewriting.now(each.operands[1]) for each in group]
            y = x @ concatenate(*matrices, axis=1)
            parts = split(y, [w.shape[1] for w in matrices], axis=-1)
            for each, part in zip(group, parts, strict=True):
                rewriting.become(each, part)
        else:
            rewriting.copy(line)
    return cleaned(rewriting.finished())


def added_up(program: Program, carries: int) -> Program:
    """Sums of products, and of biases, as one product."""
    rewriting = Rewriting(program, carries)
    uses = uses_of(program)
    ones: dict[Any, Any] = {}  # by dtype and shape, so that sums share them
    for line in program.lines:
        terms = terms_of(program, line, uses)
        (y, *_) = line.targets
        alike = [x for x in terms if x.dtype == y.dtype]
        products = [p for p in alike if is_product(rewriting, program.made.get(p), line, uses)]
        biases = [x for x in alike if rewriting.kind(x) is Kind.FIXED and x.shape == y.shape[1:]]
        if not products or len(products) + len(biases) < 2:
            rewriting.copy(line)
            continue
        xs: list[Any] = []
        matrices: list[Any] = []
        for product in products:
            x, w = program.made[product].operands
            xs += map(rewriting.now, joined(program, x) or (x,))
            matrices.append(rewriting.now(w))
        if biases:
            shape = y.shape[0], len(biases)
            one = ones.setdefault((y.dtype, shape), np.ones(shape, y.dtype))
            rewriting.new.operand(one, "ones")
            xs.append(one)
            matrices += [bias.reshape((1, *bias.shape)) for bias in map(rewriting.now, biases)]
        total = concatenate(*xs, axis=-1) @ concatenate(*matrices, axis=0)
        done = {*products, *biases}
        for term in terms:
            total = total if term in done else total + rewriting.now(term)
        rewriting.become(line, total)
    return cleaned(rewriting.finished())


def uses_of(program: Program) -> Counter[Sym]:
    """How often each value is read."""
    read = [x for line in program.lines for x in line.operands] + leaves(program.outputs)
    return Counter(x for x in read if isinstance(x, Sym))


def terms_of(program: Program, line: Line, uses: Counter[Sym]) -> list[Sym]:
    """The terms of a sum that has one use for each of its partial sums; none if it is no sum."""
    if line.op is not add or not all(isinstance(x, Sym) for x in line.operands):
        return []
    terms = []
    for x in line.operands:
        partial = program.made.get(x)
        deeper = terms_of(program, partial, uses) if partial and uses[x] == 1 else []
        terms += deeper or [x]
    return terms


def is_product(rewriting: Rewriting, product: Line | None, total: Line, uses: Counter[Sym]) -> bool:
    """Whether a term of a sum is a product with a fixed matrix that nothing else reads."""
    if product is None or not rewriting.weighs(product) or uses[product.targets[0]] > 1:
        return False
    x = product.operands[0]
    return x.ndim == 2 and product.targets[0].shape == total.targets[0].shape


def cleaned(program: Program) -> Program:
    """The same program without lines that nothing needs."""
    needed = {x for x in leaves(program.outputs) if isinstance(x, Sym)}
    kept = []
    for line in reversed(program.lines):
        if needed.intersection(line.targets):
            kept.append(line)
            needed.update(x for x in line.operands if isinstance(x, Sym))
    program.lines = kept[::-1]
    return program
