"""Ask PyTorch what every op's samples give: `python tests/ops/generate_goldens.py`.

Needs `torch`, which the tests do not: they read `goldens.npz`. For each sample it holds the output
and the gradient of every float input, for a cotangent drawn by `cotangent` below.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.engine import REGISTRY, Operation

FILE = Path(__file__).with_name("goldens.npz")

# Ops that PyTorch has no counterpart of, and what speaks for them instead.
NO_PEER = {
    "prod_of_others": "the derivative of prod, which is compared",
    "getitem_adjoint": "the adjoint of getitem, which is compared",
    "take_adjoint": "the adjoint of take, which is compared",
    "take_along_axis_adjoint": "the adjoint of take_along_axis, which is compared",
    "convolve_to_input": "the adjoint of convolve, which is compared",
    "convolve_to_weight": "the adjoint of convolve, which is compared",
    "avg_pool_adjoint": "the adjoint of avg_pool, which is compared",
    "max_pool_adjoint": "the adjoint of max_pool, which is compared",
    "max_pool_winners": "where max_pool finds its values, which are compared",
    "pick_winners": "what max_pool reads, which is compared",
    "cross_entropy_adjoint": "the adjoint of cross_entropy, which is compared",
    "target_distribution": "what cross_entropy compares with, which is compared",
    "projected_cross_entropy": "matmul and cross_entropy in blocks, which are compared",
}


def cotangent(shape: tuple[int, ...]) -> Any:
    """The cotangent that goldens were made with."""
    return np.random.default_rng(1).standard_normal(shape)


def drawn(op: Operation, i: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sample `i` of an op, the same here and in the test."""
    inputs, params = op.samples[i].draw(np.random.default_rng(i))
    return inputs, {**op.defaults, **params}


def peers() -> dict[str, Callable[..., Any]]:
    """PyTorch's name for each op."""
    import torch
    from torch.nn import functional as F

    def axes(x: Any, axis: Any) -> tuple[int, ...]:
        if axis is None:
            return tuple(range(x.ndim))
        return axis if isinstance(axis, tuple) else (axis,)

    def fold(f: Callable[..., Any]) -> Callable[..., Any]:
        def folded(x: Any, axis: Any, keepdims: bool, **options: Any) -> Any:
            dims = axes(x, axis)
            if not dims:
                return f(x[None], dim=(0,), **options)
            return f(x, dim=dims, keepdim=keepdims, **options)

        return folded

    def fold_one(f: Callable[..., Any]) -> Callable[..., Any]:
        def folded(x: Any, axis: Any, keepdims: bool) -> Any:
            shape = x.shape
            for a in sorted((a % x.ndim for a in axes(x, axis)), reverse=True):
                x = f(x, dim=a)
            if not keepdims:
                return x
            dims = {a % len(shape) for a in axes_of(shape, axis)}
            return x.reshape([1 if k in dims else n for k, n in enumerate(shape)])

        return folded

    def axes_of(shape: Any, axis: Any) -> tuple[int, ...]:
        return tuple(range(len(shape))) if axis is None else axes(None, axis)

    def pooled(kind: str, x: Any) -> Callable[..., Any]:
        return getattr(F, f"{kind}_pool{x.ndim - 2}d")  # type: ignore[no-any-return]

    def classified(loss: Callable[..., Any]) -> Callable[..., Any]:
        def classes_first(x: Any, targets: Any, weight: Any, reduction: str, **options: Any) -> Any:
            weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
            rows, flat = x.reshape(-1, x.shape[-1]), targets.reshape(-1)
            y = loss(rows, flat, weight=weight, reduction=reduction, **options)
            return y.reshape(targets.shape) if reduction == "none" else y

        return classes_first

    def torch_index(index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(map(torch_index, index))
        return torch.tensor(index) if isinstance(index, np.ndarray) else index

    def torch_width(x: Any, width: Any) -> list[int]:
        pairs = np.broadcast_to(np.asarray(width), (x.ndim, 2))
        return [int(n) for pair in pairs[::-1] for n in pair]

    def set_at(x: Any, v: Any, index: Any) -> Any:
        visits = np.zeros(x.shape)
        np.add.at(visits, index, 1)
        if visits.max() > 1:
            raise ValueError("with repeated indices PyTorch gives each of them the gradient")
        y = x.clone()
        y[torch_index(index)] = v
        return y

    def standardize(x: Any, axis: Any, eps: float) -> Any:
        trailing = sorted(a % x.ndim for a in axes(x, axis))
        if trailing != list(range(x.ndim - len(trailing), x.ndim)):
            raise TypeError("layer_norm normalises over trailing axes only")
        return F.layer_norm(x, [x.shape[a] for a in trailing], eps=eps)

    def taken(x: Any, i: Any, axis: int) -> Any:
        rows = torch.index_select(x, axis, i.flatten())
        return rows.unflatten(axis % x.ndim, i.shape)

    same = [
        "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "abs", "sin", "cos", "erf", "tanh",
        "sigmoid", "relu", "where", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge",
        "add", "sub", "mul", "div", "neg", "pow", "matmul", "sign",
    ]  # fmt: skip
    named = {name: getattr(torch, name) for name in same}
    return named | {
        "clip": lambda x, low, high: torch.clip(x, low, high),
        "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
        "elu": lambda x, alpha: F.elu(x, alpha),
        "softplus": lambda x: F.softplus(x, threshold=1e9),
        "sum": fold(torch.sum),
        "mean": fold(torch.mean),
        "max": fold(torch.amax),
        "min": fold(torch.amin),
        "prod": fold_one(torch.prod),
        "logsumexp": fold(torch.logsumexp),
        "var": fold(torch.var),
        "std": fold(torch.std),
        "cumsum": lambda x, axis: x.flatten().cumsum(0) if axis is None else x.cumsum(axis),
        "argmax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdims),
        "argmin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdims),
        "reshape": lambda x, shape: x.reshape(shape),
        "permute": lambda x, axes: x.permute(axes),
        "broadcast_to": lambda x, shape: x.broadcast_to(shape),
        "flip": lambda x, axis: x.flip(axes(x, axis)),
        "concatenate": lambda *xs, axis: torch.cat(xs, axis),
        "stack": lambda *xs, axis: torch.stack(xs, axis),
        "unbind": lambda x, axis: torch.unbind(x, axis),
        "softmax": lambda x, axis: torch.softmax(x, axis),
        "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
        "take_along_axis": lambda x, i, axis: torch.take_along_dim(x, i, axis),
        "avg_pool": lambda x, kernel_size, stride, padding: pooled("avg", x)(
            x, kernel_size, stride, padding
        ),
        "max_pool": lambda x, kernel_size, stride, padding, dilation: pooled("max", x)(
            x, kernel_size, stride, padding, dilation
        ),
        "convolve": lambda x, w, stride, padding, dilation, groups: (
            F.conv1d if x.ndim == 3 else F.conv2d
        )(x, w, None, stride, padding, dilation, groups),
        "cross_entropy": classified(F.cross_entropy),
        "nll": classified(F.nll_loss),
        "astype": lambda x, dtype: x.to(getattr(torch, np.dtype(dtype).name)),
        "contract": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
        "embedding": lambda w, ids, padding_idx: F.embedding(ids, w, padding_idx),
        "getitem": lambda x, index: x[torch_index(index)],
        "norm": lambda x, **params: torch.linalg.vector_norm(x, *params.values()),
        "one_hot": lambda ids, classes, dtype: F.one_hot(ids, classes),
        "pad": lambda x, width, value: F.pad(x, torch_width(x, width), value=value),
        "set_at": set_at,
        "split": lambda x, sections, axis: (
            torch.tensor_split(x, sections, axis)
            if isinstance(sections, int)
            else torch.split(x, list(sections), axis)
        ),
        "standardize": standardize,
        "take": lambda x, i, axis: torch.take(x, i) if axis is None else taken(x, i, axis),
        "tril": lambda x, k: torch.tril(x, k),
        "triu": lambda x, k: torch.triu(x, k),
    }


def generate() -> dict[str, Any]:
    """Outputs and gradients, by op, sample and input."""
    import torch

    goldens = {}
    for name, peer in peers().items():
        op = REGISTRY[name]
        for i in range(len(op.samples)):
            inputs, params = drawn(op, i)
            inputs = tuple(np.ascontiguousarray(x) if np.ndim(x) else x for x in inputs)
            xs = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
            floats = [x for x in xs if isinstance(x, torch.Tensor) and x.is_floating_point()]
            for x in floats:
                x.requires_grad_(op.differentiable)
            try:
                ys = peer(*xs, **params)
            except Exception as error:
                print(f"{name}[{i}] ({op.samples[i]}): PyTorch has no such call: {error}")
                continue
            ys = ys if isinstance(ys, tuple) else (ys,)
            for k, y in enumerate(ys):
                goldens[f"{name}/{i}/y{k}"] = y.detach().numpy()
            if op.differentiable:
                seeds = [torch.from_numpy(np.asarray(cotangent(tuple(y.shape)))) for y in ys]
                for k, g in enumerate(torch.autograd.grad(ys, floats, seeds)):
                    goldens[f"{name}/{i}/g{k}"] = g.numpy()
    return goldens


if __name__ == "__main__":
    goldens = generate()
    np.savez_compressed(FILE, **goldens)
    print(f"{len(goldens)} arrays, {FILE.stat().st_size / 1e3:.0f} kB in {FILE.name}")
