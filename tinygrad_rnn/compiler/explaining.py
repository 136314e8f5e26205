"""`explain`: what a scan becomes, and why.

>>> import numpy as np
>>> import tinygrad_rnn as tg
>>> def leaky(h, x):
...     h = h + 0.1 * (x - h)
...     return h, h
>>> report = tg.explain(tg.scan, leaky, np.zeros((4, 2)), np.ones((3, 4, 2)))
>>> print(report.summary())
scan of 3 steps: one loop for a batch of 4
before the loop      nothing
forward, a step      24 operations of elements
kept for backward    nothing
>>> "h_next[k] = " in report.source
True
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.lowering import Map, Product, UnsupportedError
from tinygrad_rnn.compiler.plans import Plan
from tinygrad_rnn.compiler.tracing import Program
from tinygrad_rnn.compiler.ways import listener, way
from tinygrad_rnn.engine.modes import setting


@dataclass(frozen=True)
class ScanReport:
    """One scan.

    Attributes:
        steps: how many steps it had, T.
        program: of one step as it was traced; None if it could not be.
        outcome: its plan, or why it ran op by op.
    """

    steps: int
    program: Program | None
    outcome: Plan | UnsupportedError

    @property
    def source(self) -> str:
        """The module of its loops; empty if it ran op by op."""
        return self.outcome.source if isinstance(self.outcome, Plan) else ""

    def summary(self) -> str:
        """What is done when, and what it costs."""
        plan = self.outcome
        head = f"scan of {self.steps} steps: "
        if not isinstance(plan, Plan):
            return f"{head}op by op, because {plan}"
        batch = "a single sequence" if plan.batch is None else f"a batch of {plan.batch}"
        lines = [*(line for line, _ in plan.before), *plan.ready.lines]
        before = [str(line.op.name) for line in lines]
        facts = {
            "before the loop": ", ".join(before) or "nothing",
            "forward, a step": spelled(operations(plan, backward=False)),
            "backward, a step": spelled(operations(plan, backward=True)) if plan.backward else "",
            "after the loop": gradients(plan),
            "kept for backward": f"{kept(plan):,} bytes a step" if kept(plan) else "nothing",
        }
        rows = [f"  {name:<20} {fact}" for name, fact in facts.items() if fact]
        return "\n".join([f"{head}one loop for {batch}", *rows])

    def __str__(self) -> str:
        parts = [self.summary()]
        if self.program is not None:
            parts += ["one step, as it was traced:", str(self.program)]
        if self.source:
            parts += ["its loops:", self.source]
        return "\n\n".join(parts)


@dataclass
class Explanation:
    """All scans of a call, in order."""

    scans: list[ScanReport] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The modules of all loops."""
        return "\n\n".join(scan.source for scan in self.scans)

    def summary(self) -> str:
        """What is done when, and what it costs, for each scan."""
        return "\n\n".join(scan.summary() for scan in self.scans) or "there was no scan"

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.scans)) or "there was no scan"


def explain(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Call a function, and tell what its scans became: their traces, plans, sources and costs.

    Args:
        f: a layer, `tg.scan`, or any function that runs one. A cell is run over a sequence, its
            first argument, from its initial carry.
        *args: what to call it with,
        **kwargs: and by which names.

    Returns:
        What prints as the whole explanation; `summary()` is short, `source` the emitted modules.
    """
    explanation = Explanation()

    def hear(program: Program | None, outcome: Plan | UnsupportedError, steps: int) -> None:
        explanation.scans.append(ScanReport(steps, program, outcome))

    if hasattr(f, "recur") and hasattr(f, "run"):  # a cell
        x, *rest = args
        cell: Any = f
        args, f = (cell.initial(*np.shape(x)[1:-1]), x, *rest), cell.run
    with setting(listener, hear), setting(way, "compiled" if way.get() == "auto" else way.get()):
        f(*args, **kwargs)
    return explanation


def operations(plan: Plan, backward: bool) -> tuple[int, int]:
    """Floating point operations of the products of a step, and elements of its maps."""
    forward = {y for line in plan.loop for y in line.targets}
    products = maps = 0
    for x, node in plan.lowering.nodes.items():
        if (x in forward) == backward:
            continue
        if isinstance(node, Product):
            products += 2 * int(np.prod(node.matrix.shape)) * node.outer * node.inner
        if isinstance(node, Map):
            maps += plan.lowering.rows(x)
    batch = plan.batch or 1
    return products * batch, maps * batch


def spelled(counts: tuple[int, int]) -> str:
    """Both counts in words."""
    products, maps = counts
    parts = [f"{products:,} floating point operations in products"] if products else []
    return ", ".join([*parts, f"{maps:,} operations of elements"])


def gradients(plan: Plan) -> str:
    """Of what the gradients are products or sums over all steps."""
    names = [x.name for x in plan.fixed if x in plan.wanted] if plan.backward else []
    return f"gradients of {', '.join(names)}" if names else ""


def kept(plan: Plan) -> int:
    """How many bytes of each step the backward loop finds in memory."""
    if plan.backward is None:
        return 0
    both = {slot.name: slot for slot in (*plan.forward, *plan.backward)}
    slots = [slot for slot in both.values() if slot.role in ("kept", "carry")]
    size = sum(slot.rows * np.dtype(slot.dtype).itemsize for slot in slots)
    return int(size) * (plan.batch or 1)
