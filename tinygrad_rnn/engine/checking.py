r"""Are the derivatives right? `gradcheck` compares them with differences of the function itself.

A function of many variables is checked along one random direction $v$ per input, and its output
is weighed by one random cotangent $u$, so that a single number carries every partial derivative:

$$\langle \textstyle\frac{\partial f}{\partial x}^{\top} u,\, v \rangle \approx
  \frac{8\,(\varphi(h) - \varphi(-h)) - (\varphi(2h) - \varphi(-2h))}{12\,h}, \qquad
  \varphi(t) = \langle u, f(x + t v) \rangle.$$

The difference is of fourth order: with $h = 10^{-3}$ its own error is about $10^{-12}$. Only if
that number is wrong does the check go through the elements one by one, to name the first culprit.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.errors import GradcheckError
from tinygrad_rnn.engine.operation import Operation
from tinygrad_rnn.engine.tensors import Tensor
from tinygrad_rnn.engine.transforms import vjp

Function = Callable[..., Any]
STEP = 1e-3


class Report(NamedTuple):
    """What `gradcheck` measured.

    Attributes:
        largest_error: the largest relative error over inputs, orders and samples.
        checks: how many directional derivatives were compared.
    """

    largest_error: float
    checks: int

    def __str__(self) -> str:
        error = f"largest relative error {self.largest_error:.1e}"
        return f"{self.checks} directional derivatives, {error}"


def gradcheck(
    f: Function | Operation,
    *inputs: Any,
    order: int = 1,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> Report:
    """Compare the derivatives of `f` with finite differences in float64.

    Args:
        f: maps tensors to a tensor. An op may be given alone: its own samples are used.
        *inputs: where to check. Floating inputs are differentiated by, others passed on.
        order: 1 checks gradients; 2 also the gradients of those gradients.
        tolerance: the relative error to allow.
        seed: of the random directions.

    Returns:
        The largest error met.

    Raises:
        GradcheckError: naming the input, the index, the analytic and the numeric value.

    Example:
        >>> import tinygrad_rnn as tg
        >>> tg.gradcheck(tg.tanh, np.array([0.1, -2.0]), order=2).checks
        3
    """
    rng = np.random.default_rng(seed)
    if isinstance(f, Operation) and not inputs:
        reports = []
        for case in f.samples:
            drawn, params = case.draw(rng)
            reports.append(check(bound(f, params), drawn, order, tolerance, rng, f.name))
        return Report(
            max((r.largest_error for r in reports), default=0.0), sum(r.checks for r in reports)
        )
    values = [np.asarray(x.data if isinstance(x, Tensor) else x) for x in inputs]
    values = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in values]
    return check(f, values, order, tolerance, rng, getattr(f, "__name__", "f"))


def bound(op: Operation, params: dict[str, Any]) -> Function:
    """The op with its static parameters given; several outputs are mixed into one."""
    if not op.bundles:
        return lambda *xs: op(*xs, **params)

    def mixed(*xs: Any) -> Any:
        squares = [(k + 1.0) * (y * y).sum() for k, y in enumerate(op(*xs, **params))]
        return sum(squares[1:], squares[0])

    return mixed


def check(
    f: Function,
    inputs: Sequence[Any],
    order: int,
    tolerance: float,
    rng: "np.random.Generator",
    name: str,
) -> Report:
    """Check the gradient of `f`, and for order 2 the gradient of that gradient."""
    places = [i for i, x in enumerate(inputs) if getattr(x, "dtype", np.dtype(int)).kind == "f"]

    def of_floats(*xs: Any) -> Any:
        arguments = list(inputs)
        for i, x in zip(places, xs, strict=True):
            arguments[i] = x
        return f(*arguments)

    points = [np.asarray(inputs[i]) for i in places]
    labels = [f"input {i}" for i in places]
    errors = compare(of_floats, points, tolerance, rng, name, labels)
    if order == 2:
        slope, points = directional(of_floats, points, rng)
        labels = [*labels, "the cotangent"]
        errors += compare(slope, points, tolerance, rng, f"the gradient of {name}", labels)
    return Report(float(max(errors, default=0.0)), len(errors))


def directional(
    f: Function, points: Sequence[Any], rng: "np.random.Generator"
) -> tuple[Function, list[Any]]:
    """The gradient of `f` along fixed directions, as a function of inputs and cotangent."""
    vs = [rng.standard_normal(x.shape) for x in points]
    u = rng.standard_normal(f(*(Tensor(x) for x in points)).shape)

    def slope(*xs_and_u: Any) -> Any:
        *xs, cotangent = xs_and_u
        _, pullback = vjp(f, *xs)
        terms = [(g * v).sum() for g, v in zip(pullback(cotangent), vs, strict=True)]
        return sum(terms[1:], terms[0])

    return slope, [*points, u]


def compare(
    f: Function,
    points: Sequence[Any],
    tolerance: float,
    rng: "np.random.Generator",
    name: str,
    labels: Sequence[str],
) -> list[float]:
    """The relative error of each input's directional derivative.

    Raises:
        GradcheckError: at the first that is above the tolerance.
    """
    # --8<-- [start:compare]
    y, pullback = vjp(f, *points)
    u = rng.standard_normal(y.shape)
    errors = []
    for i, g in enumerate(pullback(u)):
        v = rng.standard_normal(points[i].shape)
        analytic = float((g.data * v).sum())
        numeric = central_difference(f, points, i, v, u)
        scale = max(1.0, abs(analytic), abs(numeric))
        error = abs(analytic - numeric) / scale
        if not error <= tolerance:
            raise culprit(f, points, i, g.data, u, name, labels[i], tolerance)
        errors.append(error)
    return errors
    # --8<-- [end:compare]


# --8<-- [start:central_difference]
def central_difference(f: Function, points: Sequence[Any], i: int, v: Any, u: Any) -> float:
    """The slope of ⟨u, f⟩ along `v` in input `i`, by the formula at the top of this module."""

    def phi(t: float) -> float:
        moved = [x + t * v if k == i else x for k, x in enumerate(points)]
        return float((f(*(Tensor(x) for x in moved)).detach().data * u).sum())

    near, far = phi(STEP) - phi(-STEP), phi(2 * STEP) - phi(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


# --8<-- [end:central_difference]


def culprit(
    f: Function,
    points: Sequence[Any],
    i: int,
    analytic: Any,
    u: Any,
    name: str,
    label: str,
    tolerance: float,
) -> GradcheckError:
    """The element of input `i` whose derivative is furthest off, in words."""
    numeric = np.empty(points[i].shape)
    for index in np.ndindex(numeric.shape):
        direction = np.zeros(numeric.shape)
        direction[index] = 1.0
        numeric[index] = central_difference(f, points, i, direction, u)
    off = np.abs(analytic - numeric)
    index = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
    where = tuple(int(k) for k in index)
    return GradcheckError(
        f"gradcheck: {name}, {label} of shape {points[i].shape}, element {where}: the rule gives "
        f"{analytic[index]:.9g} and finite differences {numeric[index]:.9g} (allowed: a relative "
        f"error of {tolerance:g}); look at that input's rule, or keep the sample away from kinks"
    )
