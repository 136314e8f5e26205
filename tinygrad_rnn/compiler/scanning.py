r"""`scan`: a loop over time, written by giving one step of it.

$$(s_t, y_t) = \operatorname{step}(s_{t-1}, x_t), \qquad t = 1, \dots, T.$$

A recurrent layer is a step and an initial carry; everything about sequences (lengths, resets,
direction) is the loop's business, so a cell never has to know of it. The loop runs compiled
where that pays and can be done, and op by op otherwise, with the same values and gradients.
"""

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tinygrad_rnn.compiler.lowering import UnsupportedError
from tinygrad_rnn.compiler.preparing import Prepared
from tinygrad_rnn.compiler.running import LOOP, Run, Runs
from tinygrad_rnn.compiler.stepping import Stepping
from tinygrad_rnn.compiler.unrolling import (
    Nest,
    Step,
    alive_masks,
    reset_masks,
    time_steps,
    unroll,
)
from tinygrad_rnn.compiler.ways import listener
from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.nesting import mapped

PACKAGE = str(Path(__file__).parents[1])


def scan(
    step: Step,
    init: Nest,
    xs: Nest,
    *,
    lengths: Any = None,
    reset: Any = None,
    reverse: bool = False,
) -> tuple[Nest, Nest]:
    r"""Run `step` over a sequence, carrying state from each step to the next.

    A scan that is long enough, of a step made of ops that work on each sequence of a batch by
    itself, becomes one compiled loop; see `tg.explain`. Any other runs op by op. To find out which,
    the step is called on symbols, which are no `tg.Tensor`: it must not ask what its arguments are,
    and what it does besides its ops, such as drawing or printing, happens there too.

    Args:
        step: maps (carry, x) to (carry, y). `x` is one time step of `xs`.
        init: the carry before the first step; every leaf starts with the batch axis if
            `lengths` or `reset` are given.
        xs: inputs with time as the first axis, (T, B, …), alone or nested.
        lengths: (B,) integers in [0, T]. Sequence b takes part in steps t < lengths[b]; after
            them its carry stands still and its outputs are zero. A length of 0 is legal.
        reset: (T, B) booleans. Where true, the carry is `init` again before that step, so
            several documents may share a row.
        reverse: run from the last step to the first. A sequence with a length starts at its own
            end.

    Returns:
        The last carry, and the outputs stacked along time, (T, …), in the order of `xs`.

    Raises:
        ShapeError: if leaves of `xs` differ in T, or `lengths` or `reset` do not fit, or the
            step returns a carry of another structure or shape.
        DtypeError: if `lengths` are not integers or `reset` not booleans.

    Example:
        A running sum is a one-line cell:

        >>> import tinygrad_rnn as tg
        >>> def add_up(total, x):
        ...     total = total + x
        ...     return total, total
        >>> tg.scan(add_up, tg.tensor(0.0), tg.tensor([1.0, 2.0, 3.0]))
        (tensor(6.), tensor([1., 3., 6.]))
    """
    return scans([Scan(step, init, xs, lengths, reset, reverse)])[0]


@dataclass(frozen=True)
class Scan:
    """A step and what to run it over; the arguments of `scan`.

    Attributes:
        step: maps (carry, x) to (carry, y), or (carry, projected x) to (carry, y).
        init: the carry before the first step.
        xs: inputs with time as the first axis.
        lengths: how many steps each sequence has, or None for all.
        reset: where the carry is `init` again, (T, B), or None for nowhere.
        reverse: whether to run from the last step to the first.
        project: what of an owner's step does not read the carry: maps a frame, or all of them.
            Compiled, it is a part of the step, and planning decides how much of it leaves the
            loop. Op by op, it is made for all time steps at once.
        owner: the cell that `step` and `project` take before their other arguments, if they do. It
            is then traced only once for all cells that are alike; see `likeness`.
        stacked: whether leaves of `init` have a first axis of length 1 that the step does not see,
            as states of a layer have. Those of the last carry have it too.
    """

    step: Callable[..., tuple[Nest, Nest]]
    init: Nest
    xs: Nest
    lengths: Any = None
    reset: Any = None
    reverse: bool = False
    project: Callable[..., Nest] | None = None
    owner: Any = None
    stacked: bool = False


def scans(several: Sequence[Scan]) -> list[tuple[Nest, Nest]]:
    """Run scans that do not wait for each other, side by side on threads.

    Returns:
        For each what `scan` returns for it.

    Example:
        >>> import tinygrad_rnn as tg
        >>> add_up = lambda total, x: (total + x, total + x)
        >>> zero, xs = tg.tensor(0.0), tg.tensor([1.0, 2.0, 3.0])
        >>> ahead, back = scans([Scan(add_up, zero, xs), Scan(add_up, zero, xs, reverse=True)])
        >>> ahead[1], back[1]
        (tensor([1., 3., 6.]), tensor([6., 5., 3.]))
    """
    found: list[Any] = [None] * len(several)
    ready: list[tuple[int, Prepared, Run, tuple[Any, ...]]] = []
    for k, each in enumerate(several):
        T = time_steps(each.xs)
        alive = None if each.lengths is None else alive_masks(each.lengths, T)
        fresh = None if each.reset is None else reset_masks(each.reset, T)
        prepared = None
        whole = whole_step(each.step, each.project)
        try:
            prepared = Prepared(
                Stepping(whole, each.init, each.xs, alive, fresh, each.owner, each.stacked)
            )
            ready.append((k, prepared, *prepared.run(each.reverse)))
        except UnsupportedError as reason:
            step = each.step if each.owner is None else partial(each.step, each.owner)
            xs = each.project(each.owner, each.xs) if each.project else each.xs
            init = (
                mapped(lambda s: s.reshape(s.shape[1:]), each.init) if each.stacked else each.init
            )
            carry, y = unroll(step, init, xs, alive, fresh, each.reverse)
            carry = mapped(lambda s: s.reshape((1, *s.shape)), carry) if each.stacked else carry
            found[k] = carry, y
            if listener.get() is not None:
                listener.get()(prepared.trace.program if prepared else None, reason, T)
            elif reason.matters:
                warnings.warn(f"scan runs op by op: {reason}", RuntimeWarning, stacklevel=3)
    if ready:
        runs = Runs([run for _, _, run, _ in ready])
        inputs = [x for *_, given in ready for x in given]
        results = Tensor.apply(LOOP, tuple(inputs), {"runs": runs})
        note_caller(results)
        parts = runs.results_of(results)
        for (k, prepared, _, _), part in zip(ready, parts, strict=True):
            found[k] = prepared.shaped(part)
    return found


@functools.lru_cache(maxsize=64)
def whole_step(step: Callable[..., Any], project: Callable[..., Nest] | None) -> Callable[..., Any]:
    """The step with the projection as its part."""
    if project is None:
        return step

    return lambda owner, carry, x: step(owner, carry, project(owner, x))


def note_caller(results: Sequence[Tensor]) -> None:
    """Have errors name the line that called the layer or the scan, and not one in here."""
    bundle = results[0].inputs[0] if results[0].inputs else None
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    if bundle is not None:
        bundle.made_at = frame.f_code, frame.f_lasti
