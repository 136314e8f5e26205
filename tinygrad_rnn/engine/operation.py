r"""What an op is: one declaration, applied in one place.

An op is a forward function on arrays with a derivative rule per input. Both are written in
ordinary operators, so they run on whatever *carrier* they are given:

==========  ==========================  ===================================================
carrier     what an op does to it       what running a derivative rule on it gives
==========  ==========================  ===================================================
`ndarray`   computes                    a gradient
`Tensor`    computes and remembers      a gradient that can be differentiated again
`Sym`       writes a line of a program  a backward program, for the compiler
`TeX`       prints                      the formula that the book shows
==========  ==========================  ===================================================

Declaring an op registers it, hangs its operator and method on every carrier, and enrols it in
the registry's tests:

    >>> import numpy as np
    >>> import tinygrad_rnn as tg
    >>> @tg.op(samples=[tg.Case(tg.Reals(3))])
    ... def cube(x, /):
    ...     return x * x * x
    >>> _ = cube.defvjp(lambda g, y, x: 3 * g * x * x)
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    >>> del tg.REGISTRY["cube"]
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import numpy as np

from tinygrad_rnn.engine.errors import DtypeError, GraphError, ShapeError
from tinygrad_rnn.engine.samples import Case, Misuse

Forward = Callable[..., Any]
Function = TypeVar("Function", bound=Callable[..., Any])
Rule = Callable[..., Any]
Unary = Callable[[Any], Any]
Binary = Callable[[Any, Any], Any]
Inputs = tuple[Any, ...]
Params = Mapping[str, Any]

OURS = (ShapeError, DtypeError, GraphError)

# An operator, and the two methods through which Python looks it up.
OPERATORS = {
    "+": ("__add__", "__radd__"),
    "-": ("__sub__", "__rsub__"),
    "*": ("__mul__", "__rmul__"),
    "/": ("__truediv__", "__rtruediv__"),
    "**": ("__pow__", "__rpow__"),
    "@": ("__matmul__", "__rmatmul__"),
    "==": ("__eq__", None),
    "!=": ("__ne__", None),
    "<": ("__lt__", None),
    "<=": ("__le__", None),
    ">": ("__gt__", None),
    ">=": ("__ge__", None),
    "neg": ("__neg__", None),
    "abs": ("__abs__", None),
    "[]": ("__getitem__", None),
}


class Carrier:
    """Anything an op can act on that is not a plain array. A subclass says how, in `apply`.

    Operators and methods appear here as ops are declared: the list of what a tensor can do is
    the registry.
    """

    __hash__ = object.__hash__  # equality is elementwise, identity is what a graph needs

    @staticmethod
    def apply(op: "Operation", inputs: Inputs, params: Params) -> Any:
        """What `op` means on this carrier."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Let `np.tanh(x)` and `array * x` mean the op of that ufunc."""
        op = UFUNCS.get(ufunc)
        if op is None or method != "__call__" or kwargs:
            call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            extra = f" with {', '.join(kwargs)}=" if kwargs else ""
            raise DtypeError(
                f"np.{call}{extra} has no derivative rule here: use the ops of tinygrad_rnn, "
                "declare one with tg.op, or call it on x.detach().numpy()"
            )
        return self.apply(op, inputs, op.defaults)

    if TYPE_CHECKING:  # what the declarations attach, for type checkers
        __add__: Binary
        __radd__: Binary
        __sub__: Binary
        __rsub__: Binary
        __mul__: Binary
        __rmul__: Binary
        __truediv__: Binary
        __rtruediv__: Binary
        __pow__: Binary
        __rpow__: Binary
        __matmul__: Binary
        __rmatmul__: Binary
        __neg__: Unary
        __abs__: Unary
        __getitem__: Binary
        __lt__: Binary
        __le__: Binary
        __gt__: Binary
        __ge__: Binary

        def __getattr__(self, name: str) -> Any: ...


class Operation:
    """An op: its forward function, its derivative rules, and all that is known of it.

    Parameters before the `/` of the forward function are its *inputs*, which carry gradients;
    those after it are static *parameters*, which do not. Calling an op on plain arrays computes
    plain arrays; calling it on a `Carrier` does what that carrier does.

    Attributes:
        name: its name in the registry.
        forward: inputs and parameters, as arrays, to the output array.
        rules: for each input, its vjp rule, or None where the output does not depend on it
            differentiably.
        kernel: an expression for one element, for fusing; None if it is not elementwise.
        tex: how a formula writes it; see `formula.TeX`.
        binds: how tightly that formula holds together, a key of `formula.BINDING`.
        samples: calls on which the registry's tests try it out.
        misuses: calls that must fail, each with the words its error must contain.
        bundles: whether it returns several arrays, as a tuple; its rule then takes the tuple of
            their cotangents for `g`, and must not read `y`.
        gaps: whether in that tuple None may stand for a cotangent of zeros.
        fresh: whether its rules give arrays that nobody else has: the engine may keep them, and
            add to them, without a copy.
        diagnose: says in the op's own words why NumPy refused its inputs, or None.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        kernel: str | None = None,
        tex: str | None = None,
        binds: str = "atom",
        samples: Sequence[Case] = (),
        misuses: Sequence[Misuse] = (),
        differentiable: bool = True,
        bundles: bool = False,
        gaps: bool = False,
        fresh: bool = False,
        diagnose: Callable[[Sequence[str], Sequence[Any]], str | None] | None = None,
    ) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.rules: tuple[Rule | None, ...] = ()  # filled by defvjp
        self.kernel, self.tex, self.binds = kernel, tex, binds
        self.samples, self.misuses = tuple(samples), tuple(misuses)
        self.differentiable, self.diagnose = differentiable, diagnose
        self.bundles, self.gaps, self.fresh = bundles, gaps, fresh
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.__name__, self.__qualname__ = forward.__name__, forward.__qualname__
        self.input_names, self.variadic, self.static, self.defaults = parameters_of(forward)
        self.expected = frozenset(self.static)
        self.arity = len(self.input_names)
        self.fixed = self.arity - self.variadic  # inputs that each have a rule of their own
        # For an op whose backward is to run it again; see `transforms.checkpoint`.
        self.replay: Callable[[Any], Any] | None = None
        if differentiable:
            self.rules = (self.undeclared,) * self.arity
        # Whether `op(x, y)` needs no more binding than that.
        self.plain = not self.variadic and len(self.defaults) == len(self.static)

    def __getattr__(self, name: str) -> Any:
        """The signature, made at the first question: all of them would delay the import."""
        if name != "__signature__":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.__signature__ = inspect.signature(self.forward)
        return self.__signature__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the op to arrays, or to whatever carrier is among the inputs."""
        if self.plain and not kwargs and len(args) == self.arity:
            inputs, params = args, self.defaults
        else:
            inputs, params = self.bind(args, kwargs)
        for x in inputs:
            if isinstance(x, Carrier):
                return x.apply(self, inputs, params)
        return self.compute(inputs, params)

    def bind(self, args: Inputs, kwargs: Params) -> tuple[Inputs, Params]:
        """Tell inputs from parameters, and fill in the defaults.

        What fits at once is bound here; `inspect` would take longer than most ops do.
        """
        cut = len(args) if self.variadic else self.arity
        inputs, extra = args[:cut], args[cut:]
        named = dict(zip(self.static, extra, strict=False))
        params: Params = {**self.defaults, **named, **kwargs}
        twice = not kwargs.keys().isdisjoint(self.static[: len(extra)])
        missing = len(inputs) < self.fixed or params.keys() != self.expected
        if twice or missing or len(extra) > len(self.static):
            inputs, params = self.bind_by_signature(args, kwargs)
        if self.variadic and len(inputs) == 1 and isinstance(inputs[0], list | tuple):
            inputs = tuple(inputs[0])  # concatenate([a, b]) is concatenate(a, b)
        return inputs, params

    def bind_by_signature(self, args: Inputs, kwargs: Params) -> tuple[Inputs, Params]:
        """Bind as Python does: with defaults for inputs too, and its errors."""
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}{self.__signature__}: {error}") from None
        bound.apply_defaults()
        given = bound.arguments
        fixed = tuple(given[name] for name in self.input_names[: self.fixed])
        rest = given[self.input_names[-1]] if self.variadic else ()
        return fixed + tuple(rest), {name: given[name] for name in self.static}

    def compute(self, arrays: Sequence[Any], params: Params) -> Any:
        """The forward function, with errors that name this op and its operands."""
        try:
            return self.forward(*arrays, **params)
        except Exception as error:
            raise self.explained(error, arrays) from None

    def explained(self, error: Exception, arrays: Sequence[Any]) -> Exception:
        """NumPy's complaint, in terms of this op: what it got and what NumPy said of it."""
        if not isinstance(error, ValueError | TypeError | IndexError) or isinstance(error, OURS):
            return error
        names = self.names(len(arrays))
        operands = zip(names, arrays, strict=True)
        got = ", ".join(f"{n} {described(x)}" for n, x in operands) or "nothing"
        reason = self.diagnose(names, arrays) if self.diagnose else None
        kind = DtypeError if isinstance(error, TypeError) else ShapeError
        return kind(f"{self.name}: got {got}; {reason or error}")

    def names(self, count: int) -> tuple[str, ...]:
        """A name for each of `count` inputs."""
        if self.variadic:
            fixed, last = self.input_names[:-1], self.input_names[-1]
            return fixed + tuple(f"{last}[{i}]" for i in range(count - len(fixed)))
        return self.input_names

    def rule(self, i: int) -> Rule | None:
        """The vjp rule of input `i`."""
        if i < self.fixed:
            return self.rules[i]
        rule = self.rules[-1]
        return rule and indexed(rule, i - self.fixed)

    def undeclared(self, *_: Any, **__: Any) -> Any:
        """The rule of an op that has none yet."""
        raise GraphError(
            f"{self.name} has no derivative rule: declare one with {self.name}.defvjp, or declare "
            "the op with differentiable=False"
        )

    @overload
    def defvjp(self, rule: Function, /) -> Function: ...

    @overload
    def defvjp(self, *rules: Rule | None) -> Any: ...

    def defvjp(self, *rules: Rule | None) -> Any:
        r"""Declare the vjp rule of each input, in order.

        A rule maps the output's cotangent `g`, the output `y`, the inputs and the parameters
        (by keyword) to the input's cotangent. It may leave broadcasting and casting to the
        engine. The rule of variadic inputs also takes `i`, which of them it is asked for. With
        a single rule it serves as a decorator.

        Raises:
            TypeError: unless there is one rule per input.
        """
        if len(rules) != self.arity:
            raise TypeError(
                f"{self.name}.defvjp: got {len(rules)} rules for {self.arity} inputs "
                f"({', '.join(self.input_names)}); give one per input, None for an input that "
                "has no derivative"
            )
        self.rules = rules
        return rules[0]

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def parameters_of(forward: Forward) -> tuple[tuple[str, ...], bool, tuple[str, ...], Params]:
    """What a function takes, as its code says.

    Returns:
        The names of inputs, whether the last of these stands for any number of them, and the names
        and the defaults of static parameters.

    Example:
        >>> parameters_of(lambda x, /, axis=0, *, exact=True: x)
        (('x',), False, ('axis', 'exact'), {'axis': 0, 'exact': True})
    """
    code, given = forward.__code__, forward.__defaults__ or ()
    only, last = code.co_posonlyargcount, code.co_argcount + code.co_kwonlyargcount
    names, variadic = code.co_varnames, bool(code.co_flags & inspect.CO_VARARGS)
    inputs = names[:only] + names[last : last + variadic]
    ordered = names[only : code.co_argcount]
    defaults = dict(zip(reversed(names[: code.co_argcount]), reversed(given), strict=False))
    by_name = {name: defaults[name] for name in ordered if name in defaults}
    return inputs, variadic, names[only:last], {**by_name, **(forward.__kwdefaults__ or {})}


def indexed(rule: Rule, i: int) -> Rule:
    """The rule of the i-th of variadic inputs."""
    return lambda *args, **params: rule(*args, i=i, **params)


def described(x: Any) -> str:
    """An operand in an error: its dtype and shape, or itself if it is small."""
    if isinstance(x, np.ndarray):
        return f"{x.dtype} {x.shape}"
    return repr(x) if isinstance(x, int | float | bool | None) else type(x).__name__


class Composition(NamedTuple):
    """A function made of ops, with the calls on which the tests try it out."""

    function: Callable[..., Any]
    samples: tuple[Case, ...]


REGISTRY: dict[str, Operation] = {}
COMPOSITIONS: dict[str, Composition] = {}
UFUNCS: dict[np.ufunc, Operation] = {}


@overload
def op(forward: Forward, /) -> Operation: ...


@overload
def op(
    *,
    method: str | None = None,
    operator: str | None = None,
    ufunc: np.ufunc | None = None,
    **facts: Any,
) -> Callable[[Forward], Operation]: ...


def op(
    forward: Forward | None = None,
    /,
    *,
    method: str | None = None,
    operator: str | None = None,
    ufunc: np.ufunc | None = None,
    **facts: Any,
) -> Any:
    """Declare an op: `@tg.op`, bare or with facts, above a function on arrays.

    Args:
        forward: the function, when used bare.
        method: the name of the method that it becomes on every tensor,
        operator: the Python operator that it becomes, a key of `OPERATORS`,
        ufunc: the NumPy ufunc whose meaning on tensors it is.
        **facts: what `Operation` keeps: kernel, tex, binds, samples, misuses, differentiable.

    Raises:
        ValueError: if the op's or the method's name is taken, or it has no inputs.

    Example:
        >>> import tinygrad_rnn as tg
        >>> @tg.op
        ... def double(x, /):
        ...     return x + x
        >>> @double.defvjp
        ... def double_vjp(g, y, x):
        ...     return 2 * g
        >>> double(tg.tensor([1.0, 2.0]))
        tensor([2., 4.])
        >>> del tg.REGISTRY["double"]
    """

    def declare(forward: Forward) -> Operation:
        operation = Operation(forward, **facts)
        refuse_unless_new(operation, method)
        REGISTRY[operation.name] = operation
        if ufunc is not None:
            UFUNCS[ufunc] = operation
        if method is not None:
            attach(method, operation)
        if operator is not None:
            attach_operator(operator, operation)
        return operation

    return declare if forward is None else declare(forward)


def composed(
    *, samples: Sequence[Case], method: str | None = None
) -> Callable[[Function], Function]:
    """Enrol a function made of ops in the tests, and hang it on every carrier as a method."""

    def declare(function: Function) -> Function:
        COMPOSITIONS[function.__name__] = Composition(function, tuple(samples))
        if method is not None:
            setattr(Carrier, method, function)
        return function

    return declare


def refuse_unless_new(operation: Operation, method: str | None) -> None:
    """Refuse a name that is taken, and a declaration without inputs."""
    name = operation.name
    again = operation.__module__ == "__main__"  # a cell of a notebook may be run twice
    if name in REGISTRY and not (again and REGISTRY[name].__module__ == "__main__"):
        raise ValueError(
            f"op {name!r} is declared already in {REGISTRY[name].__module__}: choose another "
            f"name, or first del tg.REGISTRY[{name!r}]"
        )
    if not operation.arity:
        raise ValueError(
            f"op {name!r} has no inputs: put a `/` after the parameters that are arrays, as in "
            f"def {name}(x, /, axis=None)"
        )
    carriers = (Carrier, *Carrier.__subclasses__())
    if method is not None and any(hasattr(carrier, method) for carrier in carriers):
        raise ValueError(f"op {name!r}: tensors already have a method .{method}")


def attach(method: str, operation: Operation) -> None:
    """Make an op a method of every carrier."""
    defaults = operation.defaults

    def unary(self: Carrier) -> Any:
        return self.apply(operation, (self,), defaults)

    def call(self: Carrier, *args: Any, **kwargs: Any) -> Any:
        # Not operation(self, …): the carrier notes the line that is two calls up from `apply`.
        inputs, params = operation.bind((self, *args), kwargs)
        return self.apply(operation, inputs, params)

    # Binding arguments would be most of what `x.tanh()` costs, and there are none to bind.
    bound = unary if operation.arity == 1 and not operation.static else call
    bound.__name__, bound.__module__ = method, operation.__module__
    bound.__doc__ = operation.__doc__
    setattr(Carrier, method, bound)


def attach_operator(operator: str, operation: Operation) -> None:
    """Make an op what an operator means on every carrier."""
    forward_name, reverse_name = OPERATORS[operator]
    if operation.arity == 1:
        attach(forward_name, operation)
        return
    defaults = operation.defaults

    def binary(self: Carrier, other: Any) -> Any:
        return self.apply(operation, (self, other), defaults)

    def reverse(self: Carrier, other: Any) -> Any:
        return self.apply(operation, (other, self), defaults)

    setattr(Carrier, forward_name, binary)
    if reverse_name is not None:
        setattr(Carrier, reverse_name, reverse)
