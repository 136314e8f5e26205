r"""The recurrent operators of ONNX, with all of their attributes, as cells of our own ops.

ONNX stacks blocks in another order than PyTorch, and has options that no layer here has:

========  ==========  ========================================================================
operator  blocks      equations
========  ==========  ========================================================================
`RNN`     i           $h_t = f(W x_t + R h_{t-1} + b)$
`GRU`     z, r, h     `GRUCell`, with `linear_before_reset` for `reset_after`
`LSTM`    i, o, f, c  `LSTMCell`, with peepholes $P$ in the order i, o, f; $h_t = o \odot h(c_t)$
========  ==========  ========================================================================

$f$, $g$ and $h$ are the `activations`. Where the specification leaves a choice, this follows
onnxruntime: `clip` bounds what $f$ and $g$ read, but not the memory that $h$ reads; `input_forget`
makes $f_t = 1 - i_t$; `activation_alpha` and `activation_beta` are used up in the order of the
activations, each by those that have one. Two things are as elsewhere in this library: a sequence
of length 0 keeps its initial state, for which onnxruntime gives zeros, and `ThresholdedRelu` has
the specification's threshold of 1 unless told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tinygrad_rnn.engine import tensor
from tinygrad_rnn.interop.states import InteropError
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.nn.cells import Carry, zeros
from tinygrad_rnn.nn.linear import affine, shifted
from tinygrad_rnn.nn.lstm import seeing
from tinygrad_rnn.ops import (
    abs,
    clip,
    elu,
    leaky_relu,
    relu,
    sigmoid,
    softplus,
    split,
    stack,
    tanh,
    where,
)

Function = Callable[[Any], Any]


class Activation(NamedTuple):
    """A function, and its constants: what they are unless given, or None if they must be given."""

    function: Callable[..., Any]
    constants: Mapping[str, float | None] = MappingProxyType({})


ACTIVATIONS = MappingProxyType(
    {
        "Affine": Activation(
            lambda x, alpha, beta: alpha * x + beta, {"alpha": None, "beta": None}
        ),
        "Elu": Activation(lambda x, alpha: elu(x, alpha=alpha), {"alpha": 1.0}),
        "HardSigmoid": Activation(
            lambda x, alpha, beta: clip(alpha * x + beta, 0, 1), {"alpha": 0.2, "beta": 0.5}
        ),
        "LeakyRelu": Activation(lambda x, alpha: leaky_relu(x, slope=alpha), {"alpha": 0.01}),
        "Relu": Activation(relu),
        "ScaledTanh": Activation(
            lambda x, alpha, beta: alpha * tanh(beta * x), {"alpha": None, "beta": None}
        ),
        "Sigmoid": Activation(sigmoid),
        "Softplus": Activation(softplus),
        "Softsign": Activation(lambda x: x / (1 + abs(x))),
        "Tanh": Activation(tanh),
        "ThresholdedRelu": Activation(lambda x, alpha: where(x > alpha, x, 0.0), {"alpha": 1.0}),
    }
)


class OnnxCell(Cell):
    """One direction of an operator.

    Args:
        W: weights of the input (blocks · H, I),
        R: of the state (blocks · H, H),
        B: and both biases, (2 · blocks · H,), or None.
        functions: the activations, clipped.
    """

    usual: ClassVar[tuple[str, ...]]  # the activations unless told

    def __init__(self, W: Any, R: Any, B: Any, functions: Sequence[Function]) -> None:
        self.W, self.R, self.functions = W, R, tuple(functions)
        self.b: Any = None
        self.c: Any = None
        if B is not None:
            self.b, self.c = split(B, 2)

    def initial(self, *batch: int) -> Carry:
        """A state of zeros."""
        return zeros(*batch, self.R.shape[1], like=self.R)

    def project(self, x: Any) -> Any:
        """The input's product, and both biases."""
        return shifted(shifted(affine(x, self.W), self.b), self.c)


class OnnxRNN(OnnxCell):
    """One direction of `RNN`."""

    usual = ("Tanh",)

    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        (f,) = self.functions
        h = f(a + affine(h, self.R))
        return h, h


class OnnxGRU(OnnxCell):
    """One direction of `GRU`; its blocks are z, r, h."""

    usual = ("Sigmoid", "Tanh")

    def __init__(self, *weights: Any, linear_before_reset: int = 0) -> None:
        super().__init__(*weights)
        self.linear_before_reset = linear_before_reset

    def project(self, x: Any) -> Any:
        """The input's product and biases; that of the state stays behind if r scales a part."""
        if not self.linear_before_reset:
            return super().project(x)
        return shifted(affine(x, self.W), self.b)

    def recur(self, h: Any, a: Any) -> tuple[Any, Any]:
        """One step; `a` is the projected input."""
        f, g = self.functions
        a_z, a_r, a_h = split(a, 3, axis=-1)
        gates = 2 * self.R.shape[1]
        if self.linear_before_reset:
            b_z, b_r, b_h = split(shifted(affine(h, self.R), self.c), 3, axis=-1)
        else:
            b_z, b_r = split(affine(h, self.R[:gates]), 2, axis=-1)
        z, r = f(a_z + b_z), f(a_r + b_r)
        n = g(a_h + (r * b_h if self.linear_before_reset else affine(r * h, self.R[gates:])))
        h = (1 - z) * n + z * h
        return h, h


class OnnxLSTM(OnnxCell):
    """One direction of `LSTM`; its blocks are i, o, f, c."""

    usual = ("Sigmoid", "Tanh", "Tanh")

    def __init__(self, *weights: Any, peepholes: Any = None, input_forget: int = 0) -> None:
        super().__init__(*weights)
        self.P = (None,) * 3 if peepholes is None else split(peepholes, 3)
        self.input_forget = input_forget

    def initial(self, *batch: int) -> Carry:
        """State and memory of zeros."""
        return super().initial(*batch), super().initial(*batch)

    def recur(self, carry: Carry, a: Any) -> tuple[Carry, Any]:
        """One step; `a` is the projected input."""
        h, c = carry
        sigma, phi, psi = self.functions
        w_i, w_o, w_f = self.P
        i, o, f, g = split(a + affine(h, self.R), 4, axis=-1)
        i = sigma(seeing(c, i, w_i))
        f = 1 - i if self.input_forget else sigma(seeing(c, f, w_f))
        c = f * c + i * phi(g)
        h = sigma(seeing(c, o, w_o)) * psi(c)
        return (h, c), h


CELLS: Mapping[str, Any] = MappingProxyType({"RNN": OnnxRNN, "GRU": OnnxGRU, "LSTM": OnnxLSTM})

SHARED = ("activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size",
          "layout")  # fmt: skip
OWN = MappingProxyType({"RNN": (), "GRU": ("linear_before_reset",), "LSTM": ("input_forget",)})


def run(
    operator: str,
    X: Any,
    W: Any,
    R: Any,
    B: Any = None,
    sequence_lens: Any = None,
    initial_h: Any = None,
    initial_c: Any = None,
    P: Any = None,
    **attributes: Any,
) -> tuple[Any, ...]:
    """Compute a recurrent operator of ONNX.

    Args:
        operator: "RNN", "GRU" or "LSTM".
        X: (T, B, I), or (B, T, I) if `layout` is 1.
        W: (directions, blocks · H, I).
        R: (directions, blocks · H, H).
        B: (directions, 2 · blocks · H), or None for zeros.
        sequence_lens: (B,) integers, or None for all T.
        initial_h: (directions, B, H), or (B, directions, H) if `layout` is 1; zeros by default.
        initial_c: likewise, for an LSTM.
        P: (directions, 3H), for an LSTM.
        **attributes: as in the specification.

    Returns:
        Y (T, directions, B, H), Y_h and, for an LSTM, Y_c, (directions, B, H); batch first if
        `layout` is 1. After a sequence's end Y is 0; a sequence of length 0 keeps its state.

    Raises:
        InteropError: naming an attribute that does not exist, or whose value is not allowed.
    """
    check_attributes(operator, attributes)
    directions = direction(operator, attributes, len(W), R)
    layout = one_of(operator, attributes, "layout", 0, (0, 1))
    functions = clipped_activations(operator, attributes, len(directions))
    options = {name: attributes[name] for name in OWN[operator] if name in attributes}
    if layout:
        X = X.transpose(0, 1)
        initial_h, initial_c = (
            None if s is None else tensor_of(s).transpose(0, 1) for s in (initial_h, initial_c)
        )
    outputs, ends = [], []
    for k, reverse in enumerate(directions):
        peepholes = {} if P is None else {"peepholes": P[k]}
        bias = None if B is None else B[k]
        cell = CELLS[operator](W[k], R[k], bias, next(functions), **peepholes, **options)
        start = started(cell, X.shape[1], k, initial_h, initial_c)
        end, y = cell.run(start, X, lengths=sequence_lens, reverse=reverse)
        outputs.append(y)
        ends.append(end if isinstance(end, tuple) else (end,))
    finals = [stack(list(parts)) for parts in zip(*ends, strict=True)]
    if layout:
        return stack([y.transpose(0, 1) for y in outputs], axis=2), *(
            s.transpose(0, 1) for s in finals
        )
    return stack(outputs, axis=1), *finals


def check_attributes(operator: str, attributes: Mapping[str, Any]) -> None:
    """Refuse attributes that the operator does not have.

    Raises:
        InteropError: naming them.
    """
    known = (*SHARED, *OWN[operator])
    for name in attributes:
        if name not in known:
            raise InteropError(
                f"{operator}: got the attribute {name}, which is not supported; expected some of "
                f"{', '.join(known)}"
            )


def one_of(
    operator: str, attributes: Mapping[str, Any], name: str, usual: Any, allowed: Sequence[Any]
) -> Any:
    """The value of an attribute that has few.

    Raises:
        InteropError: if it is another.
    """
    value = attributes.get(name, usual)
    if value not in allowed:
        raise InteropError(f"{operator}: got {name}={value!r}; expected one of {allowed}")
    return value


def direction(operator: str, attributes: Mapping[str, Any], count: int, R: Any) -> tuple[bool, ...]:
    """For each direction whether it is reversed.

    Raises:
        InteropError: if `direction` or `hidden_size` does not fit the weights.
    """
    ways = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    name = one_of(operator, attributes, "direction", "forward", tuple(ways))
    if len(ways[name]) != count:
        raise InteropError(
            f"{operator}: got direction={name!r} and weights for {count} direction(s); expected "
            f"{len(ways[name])}"
        )
    H = R.shape[2]
    if attributes.get("hidden_size", H) != H:
        raise InteropError(
            f"{operator}: got hidden_size={attributes['hidden_size']} and R of shape {R.shape}; "
            f"expected {H}"
        )
    return ways[name]


def clipped_activations(
    operator: str, attributes: Mapping[str, Any], directions: int
) -> Iterator[list[Function]]:
    """The functions of each direction, each of its argument clipped.

    Raises:
        InteropError: if there are too many or too few, one is unknown, or constants are left.
    """
    usual = CELLS[operator].usual
    names = list(attributes.get("activations", usual * directions))
    if len(names) != len(usual) * directions:
        raise InteropError(
            f"{operator}: got activations={names}; expected {len(usual)} for each of {directions} "
            "direction(s)"
        )
    constants = {key: list(attributes.get(f"activation_{key}", ())) for key in ("alpha", "beta")}
    functions = [made(operator, name, constants) for name in names]
    for key, left in constants.items():
        if left:
            raise InteropError(
                f"{operator}: got activation_{key} with {len(left)} value(s) more than the "
                f"activations {names} have use for"
            )
    bound = attributes.get("clip", 0.0)
    if bound < 0:
        raise InteropError(f"{operator}: got clip={bound}; expected a threshold above 0")
    n = len(usual)
    bounded = [
        partial(within, f, bound) if bound and k % n < 2 else f for k, f in enumerate(functions)
    ]
    return (bounded[k * n : (k + 1) * n] for k in range(directions))


def made(operator: str, name: str, given: Mapping[str, list[float]]) -> Function:
    """An activation with its constants, which are taken from the lists.

    Raises:
        InteropError: if there is no such activation, or a constant is missing.
    """
    if name not in ACTIVATIONS:
        raise InteropError(
            f"{operator}: got {name!r} among the activations; expected some of "
            f"{', '.join(ACTIVATIONS)}"
        )
    function, constants = ACTIVATIONS[name]
    chosen = {key: given[key].pop(0) if given[key] else usual for key, usual in constants.items()}
    for key, value in chosen.items():
        if value is None:
            raise InteropError(f"{operator}: {name} needs a value in activation_{key}; got none")
    return partial(function, **chosen) if chosen else function


def within(f: Function, bound: float, x: Any) -> Any:
    """A function of its argument clipped."""
    return f(clip(x, -bound, bound))


def started(cell: OnnxCell, batch: int, k: int, *states: Any) -> Carry:
    """The carry that direction `k` starts from; zeros for states that are not given."""
    zero = cell.initial(batch)
    if not isinstance(zero, tuple):
        return zero if states[0] is None else tensor_of(states[0])[k]
    return tuple(z if s is None else tensor_of(s)[k] for z, s in zip(zero, states, strict=True))


def tensor_of(x: Any) -> Any:
    """An array as a tensor; a tensor as it is."""
    return tensor(x) if isinstance(x, np.ndarray) else x
