"""How far the derivative of a thing is from finite differences: what its badge says.

>>> import numpy as np
>>> import tinygrad_rnn as tg
>>> largest_error(tg.tanh) < 1e-7
True
>>> largest_error(tg.nn.RNNCell(2, 3), np.ones((1, 2)), np.ones((1, 3))) < 1e-7
True
"""

import copy
from collections.abc import Callable
from typing import Any

from tinygrad_rnn.engine import Operation
from tinygrad_rnn.engine.checking import gradcheck
from tinygrad_rnn.engine.nesting import leaves, rebuilt
from tinygrad_rnn.nn import Module, Parameter

BOUND = 1e-7


def largest_error(
    of: Any, *inputs: Any, using: Callable[..., Any] | None = None, bound: float = BOUND
) -> float:
    """Differentiate by every floating input, and by every parameter of a module, in float64.

    Args:
        of: an op, which has samples of its own; a module, such as a cell; or a function.
        *inputs: where to differentiate.
        using: what to differentiate instead of `of`.
        bound: the largest relative error to accept.

    Raises:
        GradcheckError: naming the input, if an error is above the bound.
        TypeError: if there is nothing to differentiate by.
    """
    function, points = using or of, tuple(leaves(inputs))
    if isinstance(function, Module):
        function, points = with_parameters(function, inputs)
    elif not isinstance(function, Operation):
        function = of_leaves(function, inputs)
    report = gradcheck(function, *points, tolerance=bound)
    if not report.checks:
        name = getattr(of, "__name__", type(of).__name__)
        raise TypeError(
            f"{name} was differentiated by nothing: give floating inputs at which to check it, as "
            f"in chapter.derivation({name}, x)"
        )
    return report.largest_error


def with_parameters(
    module: Module, inputs: tuple[Any, ...]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A module as a function of its inputs and then its parameters, and the values of both."""
    twin = copy.deepcopy(module).astype("float64")
    places = [
        (vars(owner), name, value)
        for owner in twin.modules()
        for name, value in vars(owner).items()
        if isinstance(value, Parameter)
    ]
    parameters = list({id(value): value for _, _, value in places}.values())
    step, count = of_leaves(twin, inputs), len(list(leaves(inputs)))

    def function(*xs: Any) -> Any:
        given = {id(p): x for p, x in zip(parameters, xs[count:], strict=True)}
        for attributes, name, value in places:
            attributes[name] = given[id(value)]
        return step(*xs[:count])

    return function, (*leaves(inputs), *(p.data for p in parameters))


def of_leaves(function: Callable[..., Any], inputs: Any) -> Callable[..., Any]:
    """A function of the leaves of its inputs, whose several outputs are made into one.

    An LSTM's cell, for example, takes and gives a pair of states.
    """

    def mixed(*xs: Any) -> Any:
        outputs = list(leaves(function(*rebuilt(inputs, xs))))
        if len(outputs) == 1:
            return outputs[0]
        terms = [(k + 1.0) * (y * y).sum() for k, y in enumerate(outputs)]
        return sum(terms[1:], terms[0])

    mixed.__name__ = getattr(function, "__name__", "f")
    return mixed
