r"""Derivatives of functions: `grad`, `vjp`, `jvp`, Hessian products; and `checkpoint`.

They nest: the gradient of a gradient is a second derivative. What the outermost transform returns
has no graph, unless an argument of its own has one.

    >>> import tinygrad_rnn as tg
    >>> cube = lambda x: x * x * x
    >>> tg.grad(tg.grad(cube))(2.0)
    tensor(12.)
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinygrad_rnn.engine import modes
from tinygrad_rnn.engine.backward import pull
from tinygrad_rnn.engine.errors import DtypeError, GraphError, ShapeError
from tinygrad_rnn.engine.operation import Operation
from tinygrad_rnn.engine.tensors import Tensor, seed_cotangent, tensor

Function = Callable[..., Any]
depth: ContextVar[int] = ContextVar("depth", default=0)  # of transforms around this one


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    r"""The gradient of a scalar function, as a function of the same arguments.

    Args:
        f: maps tensors to a scalar tensor.
        argnums: which argument, or arguments, to differentiate by.

    Returns:
        A function that returns a gradient of that argument's shape, or a tuple of them.

    Raises:
        ShapeError: if `f` does not return a scalar.

    Example:
        >>> import tinygrad_rnn as tg
        >>> tg.grad(lambda x: (x * x).sum())(tg.tensor([1.0, 2.0]))
        tensor([2., 4.])
    """
    both = value_and_grad(f, argnums)

    def gradient(*xs: Any) -> Any:
        return both(*xs)[1]

    return gradient


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Like `grad`, with the value too, for the price of the gradient alone.

    Example:
        >>> import tinygrad_rnn as tg
        >>> tg.value_and_grad(lambda a, b: a * b, argnums=(0, 1))(2.0, 3.0)
        (tensor(6.), (tensor(3.), tensor(2.)))
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def both(*xs: Any) -> Any:
        def of_chosen(*selected: Tensor) -> Any:
            args = list(xs)
            for i, x in zip(chosen, selected, strict=True):
                args[i] = x
            return f(*args)

        for i in chosen:
            if not -len(xs) <= i < len(xs):
                raise GraphError(f"grad: got argnums={i} and {len(xs)} arguments")
        y, pullback = vjp(of_chosen, *(xs[i] for i in chosen))
        if y.size != 1:
            raise ShapeError(
                f"grad: the function returned shape {y.shape}; expected a scalar: reduce it, for "
                "example with .sum(), or use tg.vjp"
            )
        gradients = pullback(None)
        return y, gradients[0] if isinstance(argnums, int) else gradients

    return both


def vjp(f: Function, *xs: Any) -> tuple[Tensor, Function]:
    r"""The value of $f$ and its pullback, $\bar y \mapsto \bar y\,\partial f / \partial x$.

    Args:
        f: maps tensors to a tensor.
        *xs: where to differentiate.

    Returns:
        The value, and a function from a cotangent of its shape to a tuple of cotangents, one per
        argument. It may be called again and again.

    Example:
        >>> import tinygrad_rnn as tg
        >>> y, pullback = tg.vjp(lambda x: x * x, tg.tensor([1.0, 2.0]))
        >>> pullback(tg.tensor([1.0, 10.0]))
        (tensor([ 2., 40.]),)
    """
    # --8<-- [start:vjp]
    nested = depth.get() > 0 or any(isinstance(x, Tensor) and x.requires_grad for x in xs)
    arguments = tuple(entry(x) for x in xs)
    with modes.setting(depth, depth.get() + 1), modes.enable_grad():
        y = one_tensor(f(*arguments), "vjp")

    def pullback(gradient: Any = None) -> tuple[Tensor, ...]:
        seed = seed_cotangent(y, gradient)
        cotangents = collect(y, seed, arguments, nested)
        return tuple(cotangents.get(x.rank, Tensor(np.zeros(x.shape, x.dtype))) for x in arguments)

    return y if nested else y.detach(), pullback
    # --8<-- [end:vjp]


def entry(x: Any) -> Tensor:
    """An argument as a node of its own, so that the same tensor may be passed twice.

    An argument that is part of a graph stays connected to it; any other becomes a leaf.
    """
    if isinstance(x, Tensor) and x.requires_grad:
        return ALIAS(x)  # type: ignore[no-any-return]
    leaf = x.detach() if isinstance(x, Tensor) else tensor(x)
    if leaf.dtype.kind != "f":
        leaf = tensor(leaf, modes.float_dtype.get())
    return leaf.requires_grad_()


def collect(
    y: Tensor, seed: Any, arguments: Sequence[Tensor], create_graph: bool
) -> dict[int, Tensor]:
    """The cotangents that reach `arguments`, by birth rank."""
    wanted = {x.rank for x in arguments}
    found: dict[int, Tensor] = {}

    def deposit(x: Tensor, g: Any, ours: bool) -> None:
        if x.rank in wanted:
            found[x.rank] = g if isinstance(g, Tensor) else Tensor(g if ours else np.array(g))

    if y.requires_grad:
        if create_graph and not isinstance(seed, Tensor):
            seed = Tensor(seed)
        if not create_graph and isinstance(seed, Tensor):
            seed = seed.data
        pull([(y, seed)], deposit, create_graph=create_graph, retain_graph=True, stops=wanted)
    return found


def jvp(f: Function, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Tensor, Tensor]:
    r"""The value of $f$ and its derivative along a direction, $\frac{\partial f}{\partial x} v$.

    Args:
        f: maps tensors to a tensor.
        xs: where.
        vs: the direction, one tangent per argument, of its shape.

    Raises:
        ShapeError: if a tangent's shape is not its argument's.

    Derivation:
        The pullback $\bar y \mapsto J^\top \bar y$ is linear in $\bar y$, so its own pullback is
        the transpose of $J^\top$: $v \mapsto J v$. Two reverse passes make a forward one, and no
        op needs a second rule (J. Townsend, "A new trick for calculating Jacobian vector
        products", 2017).

    Example:
        >>> import tinygrad_rnn as tg
        >>> tg.jvp(lambda x: x * x, [tg.tensor([1.0, 2.0])], [tg.tensor([1.0, 10.0])])
        (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    points, tangents = [as_tensor(x) for x in xs], [as_tensor(v) for v in vs]
    for i, (x, v) in enumerate(zip(points, tangents, strict=True)):
        if x.shape != v.shape:
            raise ShapeError(
                f"jvp: tangent {i} has shape {v.shape} and argument {i} has shape {x.shape}; they "
                "must be equal"
            )
    value = f(*points)

    def transposed(seed: Tensor) -> tuple[Tensor, ...]:
        _, pullback = vjp(f, *points)
        return pullback(seed)  # type: ignore[no-any-return]

    def paired(seed: Tensor) -> Any:
        terms = [(g * v).sum() for g, v in zip(transposed(seed), tangents, strict=True)]
        return sum(terms[1:], terms[0])

    derivative = grad(paired)(Tensor(np.zeros(value.shape, value.dtype)))
    return value, derivative


def one_tensor(y: Any, caller: str) -> Tensor:
    """What a function returned, as a tensor.

    Raises:
        DtypeError: on behalf of the caller, if it is several things, or nothing.
    """
    if y is None or isinstance(y, tuple | list | dict):
        raise DtypeError(
            f"{caller}: the function returned {type(y).__name__}; expected one tensor: return one "
            "of them, or differentiate a sum of them"
        )
    return as_tensor(y)


def as_tensor(x: Any) -> Tensor:
    """`x` itself, or a leaf with its values."""
    return x if isinstance(x, Tensor) else tensor(x)


def hessian_vector_product(f: Function, x: Any, v: Any) -> Tensor:
    r"""$H v$ for the Hessian $H$ of a scalar function, without ever making $H$.

    Derivation:
        $\nabla f$ is a vector field with the symmetric Jacobian $H$, so
        $$H v = \nabla_x \langle \nabla f(x), v \rangle$$
        one gradient of a gradient (B. Pearlmutter, "Fast exact multiplication by the Hessian",
        1994).

    Example:
        >>> import tinygrad_rnn as tg
        >>> x, v = tg.tensor([1.0, 2.0]), tg.tensor([1.0, 0.0])
        >>> tg.hessian_vector_product(lambda x: (x * x * x).sum(), x, v)
        tensor([6., 0.])
    """
    direction = as_tensor(v)
    point = as_tensor(x)
    if point.shape != direction.shape:
        raise ShapeError(
            f"hessian_vector_product: x has shape {point.shape} and v {direction.shape}; they "
            "must be equal"
        )
    return grad(lambda u: (grad(f)(u) * direction).sum())(point)  # type: ignore[no-any-return]


def checkpoint(f: Function, *xs: Any, generators: "Sequence[np.random.Generator]" = ()) -> Tensor:
    """`f(*xs)`, forgetting everything inside `f` and computing it again in the backward pass.

    A sequence cut into segments of √T steps, each in a `checkpoint`, is differentiated with √T
    of the memory for one more forward pass (Chen et al. 2016, section 4).

    Args:
        f: maps tensors to one tensor. It may use parameters that are not among `xs`.
        *xs: its arguments.
        generators: random generators that `f` draws from; they are wound back before `f` runs
            again, so that dropout drops the same elements.

    Raises:
        GraphError: in the backward pass, if `f` gives other values the second time.

    Example:
        >>> import tinygrad_rnn as tg
        >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> tg.checkpoint(lambda x: (x * x * x).sum(), x).backward()
        >>> x.grad
        tensor([ 3., 12.])
    """
    states = [g.bit_generator.state for g in generators]
    y = one_tensor(f(*xs), "checkpoint")
    if not y.requires_grad:
        return y
    kept = Tensor(y.data)
    kept.requires_grad, kept.op, kept.made_at = True, CHECKPOINT, y.made_at
    kept.inputs = xs
    kept.params = {"f": f, "generators": tuple(generators), "states": states}
    return kept


def replay(node: Tensor) -> Tensor:
    """Run a checkpointed function again, this time remembering."""
    f, generators, states = (node.params[k] for k in ("f", "generators", "states"))
    now = [g.bit_generator.state for g in generators]
    for generator, state in zip(generators, states, strict=True):
        generator.bit_generator.state = state
    with modes.enable_grad():
        y: Tensor = f(*node.inputs)
    for generator, state in zip(generators, now, strict=True):
        generator.bit_generator.state = state
    if not np.array_equal(y.data, node.data, equal_nan=True):
        raise GraphError(
            "checkpoint: the function gave other values when it ran again, so its gradient would "
            "be wrong; pass the random generators that it draws from as generators=[…], and do not "
            "write to what it reads"
        )
    return y


def unchanged(x: Any, /) -> Any:
    """The input itself."""
    return x.view()


# Two ops of the engine's own, outside of the registry: a node that stands for another, and one
# that stands for a function to run again.
ALIAS = Operation(unchanged, tex="#x")
ALIAS.defvjp(lambda g, y, x: g)
CHECKPOINT = Operation(unchanged)
CHECKPOINT.name, CHECKPOINT.replay = "checkpoint", replay
