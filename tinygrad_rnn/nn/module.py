r"""Modules: trees of parameters, and the names by which they are saved and found.

A module is a Python object whose attributes say what they are by their type: a `Parameter` is
learned, a `Buffer` is kept with the weights but not learned, a `Module` is a branch of the tree.
There is nothing to register and no `super().__init__()` to forget.

Example:
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> class Line(nn.Module):
    ...     def __init__(self):
    ...         self.slope = nn.Parameter(np.ones(2, "float32"))
    ...         self.offset = nn.Parameter(np.zeros((), "float32"))
    ...     def forward(self, x):
    ...         return (x * self.slope).sum(axis=-1) + self.offset
    >>> model = nn.Sequential(Line())
    >>> model
    Sequential   3 parameters
    └─ 0: Line   3
    >>> sorted(model.state_dict())
    ['0.offset', '0.slope']
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.engine import DtypeError, Tensor, tensor

T = TypeVar("T")


class Parameter(Tensor):
    """A tensor that a module learns. Its data are copied, so nothing else writes to them.

    Args:
        data: its first values.
        requires_grad: False to freeze it.
        name: how graphs and errors call it; by default its path in the module it belongs to.

    Raises:
        DtypeError: if it is to be learned and its values are not floats.
    """

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None) -> None:
        super().__init__(tensor(data).data, requires_grad, name)


class Buffer(Tensor):
    """A tensor that a module keeps among its weights but does not learn, such as a running mean."""

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        super().__init__(tensor(data).data, requires_grad, name)


class StateDictError(ValueError):
    """A state dict that does not fit the module it is loaded into."""


class Unmatched(NamedTuple):
    """What a state dict did not have, and what it had too much."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A layer, a cell or a model: parameters, buffers and submodules under names.

    Subclasses assign them to attributes in `__init__` and define `forward`. The tree is read off
    the attributes in their order, own tensors before those of submodules; a tensor that is found
    at two places is one tensor, and counts once.

    Attributes:
        training: whether layers such as `Dropout` act as in training; see `train` and `eval`.
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; `module(x)` calls it."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say what it computes: define forward(self, …)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute; see `forward`."""
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_to_lose(self, name, value)
        super().__setattr__(name, value)
        if isinstance(value, Parameter | Buffer):
            value.name = value.name or name
        elif isinstance(value, Module):
            for path, x in value.tensors():
                # A tensor that was named elsewhere, by hand or by its first place, stays so.
                if x.name == path:
                    x.name = f"{name}.{path}"

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, Parameter | Buffer]]:
        """Every parameter and buffer with its path; a shared one at each of its places."""
        for name, x in vars(self).items():
            if isinstance(x, Parameter | Buffer):
                yield f"{prefix}{name}", x
        for name, child in self.named_children():
            yield from child.tensors(f"{prefix}{name}.")

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, with its path."""
        return ((path, x) for path, x in once(self.tensors()) if isinstance(x, Parameter))

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once: what an optimizer takes."""
        return (x for _, x in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Every buffer once, with its path."""
        return ((path, x) for path, x in once(self.tensors()) if isinstance(x, Buffer))

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules right below this one."""
        return ((name, x) for name, x in vars(self).items() if isinstance(x, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, each once, with its path."""

        def walk(path: str, module: Module) -> Iterator[tuple[str, Module]]:
            yield path, module
            for name, child in module.named_children():
                yield from walk(f"{path}.{name}" if path else name, child)

        return once(walk(prefix, self))

    def modules(self) -> Iterator["Module"]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Every random generator that a module below draws from, with its path.

        To resume a training exactly, keep their `bit_generator.state` with the weights.
        """
        for path, module in self.named_modules():
            for name, x in vars(module).items():
                if isinstance(x, np.random.Generator):
                    yield f"{path}.{name}" if path else name, x

    def num_parameters(self) -> int:
        """How many numbers are learned; shared ones count once, frozen ones too."""
        return sum(x.size for x in self.parameters())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all parameters and buffers by path."""
        return {path: x.data.copy() for path, x in self.tensors()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Unmatched:
        """Overwrite parameters and buffers by those of a state dict: all of them, or none.

        Values are cast to the dtype of what they overwrite. PyTorch's state dicts load as they
        are, with tensors or arrays for values.

        Args:
            state: arrays by path.
            strict: whether every path must be on both sides.

        Returns:
            The paths on one side only.

        Raises:
            StateDictError: if a shape or kind of dtype does not fit, or, when strict, a path is
                on one side only.
        """
        own = dict(self.tensors())
        given = {path: np.asarray(value) for path, value in state.items()}
        unmatched = Unmatched(
            [path for path in own if path not in given], [path for path in given if path not in own]
        )
        unfit = [path for path in own if path in given and not fits(given[path], own[path].data)]
        if unfit or (strict and any(unmatched)):
            raise StateDictError(explained(self, own, given, unfit, unmatched, strict))
        for path, x in own.items():
            if path in given:
                x.data[...] = given[path]
                x.mark_written()
        return unmatched

    def train(self, mode: bool = True) -> Self:
        """Make all layers act as in training (or, with False, as in use)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Make all layers act as in use: no dropout."""
        return self.train(False)

    def apply(self, function: Callable[["Module"], object]) -> Self:
        """Call a function on every module, the innermost first: for initialising, say."""
        for _, child in self.named_children():
            child.apply(function)
        function(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (with False) or unfreeze all parameters."""
        for x in self.parameters():
            x.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for x in self.parameters():
            x.grad = None

    def astype(self, dtype: Any) -> Self:
        """Convert all parameters and floating buffers to another float dtype, in place.

        Raises:
            DtypeError: if `dtype` is not a float.
        """
        chosen = np.dtype(dtype)
        if chosen.kind != "f":
            raise DtypeError(f"astype: got {chosen}; expected a float dtype such as 'float64'")
        for _, x in once(self.tensors()):
            if x.dtype.kind == "f":
                x.data, x.grad = x.data.astype(chosen), None
        return self

    def extra_repr(self) -> str:
        """What the repr shows in parentheses after the class: sizes and options."""
        return ""

    def __repr__(self) -> str:
        rows = list(tree(self))
        labels, counts = zip(*rows, strict=True)
        total = f"{counts[0]:,} parameter{'s' * (counts[0] != 1)}"
        digits, width = len(f"{counts[0]:,}"), max(map(len, labels))
        lines = [f"{labels[0]:<{width}}   {total}"]
        lines += [f"{label:<{width}}   {n:>{digits},}" for label, n in rows[1:]]
        return "\n".join(lines)


class ModuleList(Module):
    """Modules in a row, under the names 0, 1, 2, …; in a plain list they would not be found.

    Args:
        modules: the modules.
    """

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        for module in modules:
            self.append(module)

    def append(self, module: Any) -> None:
        """Add a module at the end."""
        setattr(self, str(len(self)), module)

    def __len__(self) -> int:
        return sum(name.isdigit() for name in vars(self))

    def __getitem__(self, i: int) -> Any:
        if not -len(self) <= i < len(self):
            raise IndexError(f"{type(self).__name__}: got index {i} for {len(self)} modules")
        return getattr(self, str(i % len(self)))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


class Sequential(ModuleList):
    """Modules, or plain functions of one tensor, each applied to what the last one gave.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn import nn
        >>> nn.Sequential(nn.Linear(2, 8, seed=0), tg.tanh, nn.Linear(8, 1, seed=1))
        Sequential                                    33 parameters
        ├─ 0: Linear(in_features=2, out_features=8)   24
        └─ 2: Linear(in_features=8, out_features=1)    9
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        """Apply one after the other."""
        for module in self:
            x = module(x)
        return x


def once(named: Iterator[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Each object only at the first of its places."""
    seen: set[int] = set()
    for path, x in named:
        if id(x) not in seen:
            seen.add(id(x))
            yield path, x


def refuse_to_lose(module: Module, name: str, value: Any) -> None:
    """Refuse an assignment after which a parameter would silently no longer be learned.

    Raises:
        TypeError: if a parameter would be replaced by something that is none, or modules or
            parameters would be hidden in a container.
    """
    place = f"{type(module).__name__}.{name}"
    old = vars(module).get(name)
    if isinstance(old, Parameter) and not isinstance(value, Parameter | None):
        raise TypeError(
            f"{place} is a Parameter; got {type(value).__name__}. Assign nn.Parameter(x), or "
            f"write into it: `with tg.no_grad(): module.{name}[...] = x`"
        )
    members = value.values() if isinstance(value, dict) else value
    if isinstance(value, list | tuple | dict):
        hidden = next((x for x in members if isinstance(x, Module | Parameter)), None)
        if hidden is not None:
            kind = "Parameter" if isinstance(hidden, Parameter) else "Module"
            raise TypeError(
                f"{place}: got a {type(value).__name__} that holds a {kind}, which would not be "
                "found there, so it would be neither trained nor saved. Use "
                "nn.ModuleList(modules), or assign each to an attribute of its own"
            )


def fits(given: NDArray[Any], own: NDArray[Any]) -> bool:
    """Whether one array can overwrite the other without broadcasting or changing kind."""
    return given.shape == own.shape and np.can_cast(given.dtype, own.dtype, "same_kind")


def explained(
    module: Module,
    own: Mapping[str, Tensor],
    given: Mapping[str, NDArray[Any]],
    unfit: list[str],
    unmatched: Unmatched,
    strict: bool,
) -> str:
    """Everything that is wrong with a state dict, one path a line."""
    missing, unexpected = unmatched if strict else ([], [])
    lines = [
        *(f"missing {path} {own[path].shape}{nearest(path, unexpected)}" for path in missing),
        *(f"unexpected {path} {given[path].shape}{nearest(path, own)}" for path in unexpected),
        *(
            f"mismatched {path}: got {given[path].dtype} {given[path].shape}, expected "
            f"{own[path].dtype} {own[path].shape}"
            for path in unfit
        ),
    ]
    advice = (
        "make the module with the sizes and options that the state dict was saved from"
        if unfit or not strict
        else "rename the keys, or pass strict=False to load only the names on both sides"
    )
    return f"load_state_dict of {type(module).__name__}; nothing was loaded:\n  " + "\n  ".join(
        [*lines, advice]
    )


def nearest(path: str, others: Any) -> str:
    """The name that was perhaps meant, in words."""
    from difflib import get_close_matches  # only errors need it

    close = get_close_matches(path, list(others), n=1)
    return f" (nearest name: {close[0]})" if close else ""


def tree(module: Module, label: str = "", indent: str = "") -> Iterator[tuple[str, int]]:
    """The lines of a module's repr, each with its number of parameters."""
    details = module.extra_repr()
    name = type(module).__name__ + (f"({details})" if details else "")
    yield label + name, module.num_parameters()
    children = list(module.named_children())
    for i, (child_name, child) in enumerate(children):
        branch, below = ("└─ ", "   ") if i == len(children) - 1 else ("├─ ", "│  ")
        yield from tree(child, f"{indent}{branch}{child_name}: ", indent + below)
