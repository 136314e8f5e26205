"""A compiled scan against its definition, which is the same scan op by op.

>>> equal_to_eager(lambda h, x: ((h + x).tanh(), h), np.zeros((2, 3)), np.ones((4, 2, 3)))
"""

import ast
import functools
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.compiler import loading
from tinygrad_rnn.compiler.running import LOOP
from tinygrad_rnn.engine.nesting import leaves, mapped

Nest = Any
Results = dict[str, np.ndarray]
Step = Callable[[Nest, Nest], tuple[Nest, Nest]]
Loss = Callable[[Nest, Nest], Any]


class Loops:
    """Counts the compiled loops that have run."""

    count = 0


@contextmanager
def compiled(backend: str = "numpy") -> Iterator[Loops]:
    """Compile every scan, and count the loops that run.

    They are plain Python unless another backend is asked for: that takes milliseconds. Then they
    also look whether what they write overlaps with anything, as machine code takes it not to.
    """
    loops, forward = Loops(), LOOP.forward

    def counted(*inputs: Any, **params: Any) -> Any:
        loops.count += 1
        return forward(*inputs, **params)

    with ExitStack() as until_then:
        until_then.enter_context(tg.backend(backend))
        until_then.enter_context(tg.compiled())
        until_then.enter_context(mock.patch.object(LOOP, "forward", counted))
        if backend == "numpy":
            until_then.enter_context(mock.patch.object(loading, "loaded", looking_for_overlaps))
        yield loops


@functools.cache
def looking_for_overlaps(source: str) -> ModuleType:
    """The module of a source, in which loops over features look at what they are given."""
    module = ModuleType("loops")
    exec(source, vars(module))
    for f in ast.parse(source).body:
        if isinstance(f, ast.FunctionDef) and f.name not in ("forward", "backward"):
            setattr(module, f.name, refusing_overlaps(getattr(module, f.name), f))
    return module


def refusing_overlaps(loop: Callable[..., None], tree: ast.FunctionDef) -> Callable[..., None]:
    """A loop that raises if what it writes overlaps with anything else that it is given."""
    stores = [n for n in ast.walk(tree) if isinstance(n, ast.Subscript)]
    written = {ast.unparse(n.value) for n in stores if isinstance(n.ctx, ast.Store)}
    names = [argument.arg for argument in tree.args.args]

    def looking(*arguments: Any) -> None:
        given = {k: x for k, x in zip(names, arguments, strict=True) if isinstance(x, np.ndarray)}
        for name in written:
            for other, x in given.items():
                assert other == name or not np.may_share_memory(given[name], x), (name, other)
        loop(*arguments)

    return looking


def equal_to_eager(
    step: Step,
    init: Nest,
    xs: Nest,
    weights: Mapping[str, tg.Tensor] | None = None,
    *,
    bound: float = 1e-12,
    **options: Any,
) -> None:
    """Run a scan both ways, see that one was compiled, and compare all that comes out.

    Args:
        step: of the scan.
        init: the first carry, a nest of arrays,
        xs: and the inputs.
        weights: what the step captures and wants gradients of.
        bound: the relative error to allow.
        **options: of `results` and `tg.scan`.
    """
    expected, found, loops = both_ways(step, init, xs, weights or {}, **options)
    assert loops > 0
    assert_close(found, expected, bound)


def falls_back_to_eager(step: Step, init: Nest, xs: Nest, **options: Any) -> None:
    """See that there is no loop for a step, and that it is right all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "scan runs op by op", RuntimeWarning)
        expected, found, loops = both_ways(step, init, xs, {}, **options)
    assert loops == 0
    assert_close(found, expected)


def both_ways(*given: Any, **options: Any) -> tuple[Results, Results, int]:
    """What a scan gives op by op and compiled, and how many loops have run."""
    with tg.eager():
        expected = results(*given, **options)
    with compiled() as loops:
        return expected, results(*given, **options), loops.count


def results(
    step: Step,
    init: Nest,
    xs: Nest,
    weights: Mapping[str, tg.Tensor],
    *,
    only: Sequence[int] | None = None,
    constant: Collection[str] = (),
    twice: bool = False,
    **options: Any,
) -> Results:
    """The last carry, the outputs and all gradients of a scan over fresh tensors.

    Args:
        step: of the scan.
        init: the first carry, a nest of arrays,
        xs: and the inputs.
        weights: what the step captures.
        only: see `weighted_squares`.
        constant: "init", "xs" or both, if no gradients are wanted of them.
        twice: whether to give the gradients of the squares of the gradients instead.
        **options: of `tg.scan`.
    """
    gradients(weights)  # of an earlier test that failed
    init, xs = tensors(init, "init" not in constant), tensors(xs, "xs" not in constant)
    end, ys = tg.scan(step, init, xs, **options)
    found = {f"end {k}": x.data for k, x in enumerate(leaves(end))}
    found |= {f"output {k}": y.data for k, y in enumerate(leaves(ys))}
    given = {f"init {k}": x for k, x in enumerate(leaves(init))}
    given |= {f"input {k}": x for k, x in enumerate(leaves(xs))} | dict(weights)
    loss = weighted_squares(end, ys, only)
    if loss.requires_grad:
        loss.backward(create_graph=twice)
    if twice:
        once = [x.grad for x in given.values() if x.grad is not None]
        found |= gradients(given)
        loss = sum(((g * g).sum() for g in once), start=tg.tensor(0.0, dtype="float64"))
        if loss.requires_grad:
            loss.backward()
    return found | {f"{name}, {1 + twice}": g for name, g in gradients(given).items()}


def tensors(nest: Nest, wanted: bool = True) -> Nest:
    """A nest of arrays as tensors; gradients may be wanted of those that are floats."""
    return mapped(lambda x: tg.tensor(x, requires_grad=wanted and is_float(x)), nest)


def is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


def weighted_squares(end: Nest, ys: Nest, only: Sequence[int] | None = None) -> tg.Tensor:
    """A loss in which every number has a weight of its own.

    Args:
        end: the last carry,
        ys: and the outputs.
        only: which leaves of both the loss is made of; all if none are named.
    """
    found = [x for x in (*leaves(end), *leaves(ys)) if is_float(x.data)]
    chosen = found if only is None else [found[i % len(found)] for i in only]
    rng = np.random.default_rng(7)
    terms = ((x * x * rng.normal(size=x.shape) + x).sum() for x in chosen)
    return sum(terms, start=tg.tensor(0.0, dtype="float64"))


def gradients(given: Mapping[str, tg.Tensor]) -> Results:
    """The gradients of tensors, zeros where there are none; the tensors forget them."""
    found = {}
    for name, x in given.items():
        found[f"gradient of {name}"] = np.zeros(x.shape) if x.grad is None else x.grad.data
        x.grad = None
    return found


def assert_close(found: Results, expected: Results, bound: float = 1e-12) -> None:
    """The same numbers but for rounding, and NaN and infinities in the same places."""
    assert found.keys() == expected.keys()
    for name, a in expected.items():
        assert found[name].shape == a.shape, name
        greatest = np.abs(a, where=np.isfinite(a), out=np.zeros(a.shape)).max(initial=1.0)
        np.testing.assert_allclose(found[name], a, rtol=bound, atol=bound * greatest, err_msg=name)
