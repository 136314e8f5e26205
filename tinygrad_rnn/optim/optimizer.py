r"""What every optimizer does: keep groups of parameters, walk over them, remember, save and load.

A new optimizer is its `update` of one array. This one moves by a fixed distance against the sign
of the gradient, and is complete:

    >>> import numpy as np
    >>> import tinygrad_rnn as tg
    >>> from tinygrad_rnn.optim import Optimizer
    >>> class SignDescent(Optimizer):
    ...     def update(self, p, g, memory, options):
    ...         p -= options["lr"] * np.sign(g)
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> descent = SignDescent([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> descent.step()
    >>> w
    tensor([ 0.75, -1.75], requires_grad=True)
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.engine import DtypeError, GraphError, ShapeError, Tensor

Array = NDArray[Any]
Options = dict[str, Any]
Memory = dict[str, Any]


class Move(NamedTuple):
    """What a step has to do with one parameter; see `Optimizer.update`."""

    p: Array
    g: Array
    memory: Memory
    options: Options


class Optimizer:
    """The base of all optimizers.

    Args:
        params: Tensors to change, or dicts with a list of them under `"params"` and options of
            their own, such as `{"params": layer.parameters(), "lr": 0.01}`.
        options: What holds for groups that do not say otherwise; at least `lr`.

    Attributes:
        param_groups: A dict for each group: its `"params"` and its options. Options may be changed
            between steps, as schedules do.
        memory: For each parameter, by its number, what `update` remembers of it.

    Raises:
        ValueError: If there is no parameter, one comes twice, or an option is out of its range.
        TypeError: If `params` is one tensor, or a group has an option that does not exist.
        DtypeError: If a parameter is not an array of floats.
        GraphError: If a parameter was computed from others.
    """

    # The least value of an option, and the one it must stay below.
    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "lr": (0, math.inf),
        "weight_decay": (0, math.inf),
        "momentum": (0, math.inf),
        "eps": (0, math.inf),
        "betas": (0, 1),
        "alpha": (0, math.inf),
        "lr_decay": (0, math.inf),
        "initial_accumulator_value": (0, math.inf),
    }

    def __init__(self, params: Iterable[Any], **options: Any) -> None:
        self.options = options
        self.param_groups: list[Options] = []
        self.memory: dict[int, Memory] = {}
        if isinstance(params, Tensor):
            raise TypeError(
                f"{self._name}: got one tensor; expected several: write {self._name}([w], …) "
                f"or {self._name}(model.parameters(), …)"
            )
        given = list(params)
        if not given:
            raise ValueError(
                f"{self._name}: got no parameters; expected at least one. A generator such as "
                "model.parameters() can be walked only once: call it anew"
            )
        grouped = all(isinstance(p, Mapping) for p in given)
        for group in given if grouped else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Optimize more parameters, with options of their own; what is not said is as for all."""
        unknown = set(group) - {"params", *self.options}
        if unknown:
            raise TypeError(
                f"{self._name}: a group has {', '.join(map(repr, sorted(unknown)))}; it has the "
                f"options {', '.join(self.options)}"
            )
        params: list[Any] = []
        for p in group["params"]:
            self._check_parameter(p, [*self._params(), *params])
            params.append(p)
        settled = {**self.options, **group, "params": params}
        self._check_options(settled)
        self.param_groups.append(settled)

    @property
    def lr(self) -> float:
        """The learning rate of the first group. Setting it sets that of every group."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next `backward` starts from none."""
        for p in self._params():
            p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, by that gradient.

        Raises:
            ShapeError: If a gradient is not of its parameter's shape.
        """
        groups = ((p, group) for group in self.param_groups for p in group["params"])
        moving = [(k, p, group) for k, (p, group) in enumerate(groups) if p.grad is not None]
        moves = [self._move(p, number, group) for number, p, group in moving]
        self.update_all(moves)
        for (_, p, _), move in zip(moving, moves, strict=True):
            if not p.data.flags.c_contiguous:  # then `move.p` may be a copy
                p.data[...] = move.p.reshape(p.data.shape)
            p.mark_written()

    def _move(self, p: Any, number: int, group: Options) -> Move:
        if p.grad.data.shape != p.data.shape:
            raise ShapeError(
                f"{self._name}: the gradient of {_called(p, number)} has shape "
                f"{p.grad.data.shape}; expected its shape, {p.data.shape}"
            )
        g = p.grad.data.reshape(-1).astype(p.data.dtype, copy=False)
        return Move(p.data.reshape(-1), g, self.memory.setdefault(number, {}), group)

    def update_all(self, moves: Sequence[Move]) -> None:
        """Change all parameters that have a gradient, one after the other unless told otherwise.

        Args:
            moves: What `update` takes, for each of them.
        """
        for move in moves:
            self.update(*move)

    def update(self, p: Array, g: Array, memory: Memory, options: Options) -> None:
        """Change one parameter in place.

        Args:
            p: Its values, flat.
            g: Its gradient, flat.
            memory: What was remembered of it; empty at its first step. It may hold flat arrays of
                its size, and numbers.
            options: The options of its group.
        """
        raise NotImplementedError(f"{self._name} needs an update(self, p, g, memory, options)")

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on as if it had never stopped, apart from the parameters.

        Returns:
            `"groups"`, the options of each; and `"memory"`, for each parameter by its number as a
            string: arrays of its shape, and numbers.
        """
        shapes = [p.data.shape for p in self._params()]
        return {
            "groups": [
                {k: v for k, v in group.items() if k != "params"} for group in self.param_groups
            ],
            "memory": {
                str(number): {
                    name: value.reshape(shapes[number]).copy()
                    if isinstance(value, np.ndarray)
                    else value
                    for name, value in memory.items()
                }
                for number, memory in self.memory.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another optimizer of the same parameters stopped.

        Args:
            state: From `state_dict`.

        Raises:
            ValueError: If the state is of other groups or parameters.
            ShapeError: If it is of parameters of other shapes.
        """
        params = self._params()
        if len(state["groups"]) != len(self.param_groups):
            raise ValueError(
                f"{self._name}: the state has {len(state['groups'])} groups of parameters; "
                f"expected {len(self.param_groups)}: make the groups as they were when it was saved"
            )
        surplus = [k for k in state["memory"] if int(k) >= len(params)]
        if surplus:
            raise ValueError(
                f"{self._name}: the state remembers parameter {surplus[0]}, but there are "
                f"{len(params)}: give the parameters in the order of when it was saved"
            )
        loaded = {
            int(k): self._loaded(params[int(k)], int(k), memory)
            for k, memory in state["memory"].items()
        }
        for group, options in zip(self.param_groups, state["groups"], strict=True):
            group.update(options)
        self.memory = loaded

    def _loaded(self, p: Any, number: int, memory: Mapping[str, Any]) -> Memory:
        loaded: Memory = {}
        for name, value in memory.items():
            if isinstance(value, np.ndarray):
                if value.shape != p.data.shape:
                    raise ShapeError(
                        f"{self._name}: the state's {name!r} of {_called(p, number)} has shape "
                        f"{value.shape}; expected {p.data.shape}: it was saved for another model"
                    )
                value = value.astype(p.data.dtype).reshape(-1)
            loaded[name] = value
        return loaded

    def _params(self) -> list[Any]:
        return [p for group in self.param_groups for p in group["params"]]

    def _check_parameter(self, p: Any, before: list[Any]) -> None:
        what = _called(p, len(before))
        if not isinstance(getattr(p, "data", None), np.ndarray):
            raise TypeError(f"{self._name}: {what} is of {type(p)}; expected a tensor")
        if p.data.dtype.kind != "f":
            raise DtypeError(
                f"{self._name}: {what} is of dtype {p.data.dtype}; expected floats, which alone "
                "have gradients"
            )
        if getattr(p, "op", None) is not None:
            raise GraphError(
                f"{self._name}: {what} was made by {p.op.name}; expected a leaf: give the tensors "
                "that it was made from"
            )
        if any(p is other for other in before):
            raise ValueError(f"{self._name}: {what} was given before; expected it once")

    def _check_options(self, options: Options) -> None:
        for name, (low, high) in self.RANGES.items():
            for value in np.ravel(options.get(name, low)):
                if not low <= value < high:
                    below = f" < {high}" if high < math.inf else ""
                    raise ValueError(
                        f"{self._name}: got {name}={options[name]}; expected {low} <= {name}{below}"
                    )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        groups = [
            ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            + f", parameters={len(group['params'])}"
            for group in self.param_groups
        ]
        return f"{self._name}({'; '.join(groups)})"


def _called(p: Any, number: int) -> str:
    """A parameter's number, and its name if it has one."""
    name = getattr(p, "name", None)
    return f"parameter {number} ({name})" if name else f"parameter {number}"
