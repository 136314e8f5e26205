"""Ask PyTorch about the options of losses, convolutions and poolings, one grid each.

Run `python tests/ops/generate_loss_conv_goldens.py`; it needs `torch`, which the tests do not: they
make the same `calls` and compare with `loss_conv_goldens.npz`, which holds for each of them the
output and the gradients for the cotangent `reals(*shape, seed=9)`, in float64.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("loss_conv_goldens.npz")

Call = tuple[str, dict[str, Any], dict[str, Any]]  # an op, its inputs and its options


def calls() -> Iterator[Call]:
    """Every call that is compared."""
    yield from classifications()
    yield from comparisons()
    yield from convolutions()
    yield from poolings()


def reals(*shape: int, seed: int = 0) -> Any:
    """Standard normals to five digits, which compress well."""
    return np.random.default_rng(seed).standard_normal(shape).round(5)


def classifications() -> Iterator[Call]:
    logits, targets = 3 * reals(6, 5), np.array([3, 0, 4, 2, 0, 1])
    weights = (None, np.array([0.5, 1.0, 2.0, 0.0, 1.5]))
    for weight, ignored, reduction in product(weights, (-100, 0), ("mean", "sum", "none")):
        inputs = {"x": logits, "targets": targets, "weight": weight}
        options = {"ignore_index": ignored, "reduction": reduction}
        yield "nll", inputs, options
        for smoothing in (0.0, 0.2):
            yield "cross_entropy", inputs, options | {"label_smoothing": smoothing}


def comparisons() -> Iterator[Call]:
    x, target = reals(3, 4), reals(3, 4, seed=1)
    shares, pos_weight = np.random.default_rng(2).random((3, 4)), np.array([0.5, 1.0, 2.0, 4.0])
    for reduction in ("mean", "sum", "none"):
        options = {"reduction": reduction}
        yield "mse", {"x": x, "targets": target}, options
        yield "mae", {"x": x, "targets": target}, options
        for delta in (0.5, 1.0, 5.0):
            yield "huber", {"x": x, "targets": target}, options | {"delta": delta}
        for weight in (None, pos_weight):
            inputs = {"x": 3 * x, "targets": shares, "weight": weight}
            yield "bce_with_logits", inputs, options


def convolutions() -> Iterator[Call]:
    for stride, padding, dilation, groups in product((1, 2), (0, 2), (1, 3), (1, 2)):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        weight = reals(6, 4 // groups, 3, seed=1)
        yield "conv1d", {"x": reals(2, 4, 8), "weight": weight, "bias": reals(6)}, options
    for stride, padding, dilation in product(((1, 1), (2, 1)), ((0, 0), (1, 2)), ((1, 1), (1, 2))):
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        inputs = {"x": reals(2, 3, 5, 6), "weight": reals(2, 3, 2, 3, seed=1), "bias": None}
        yield "conv2d", inputs, options
    inputs = {"x": reals(1, 4, 5, 5), "weight": reals(2, 2, 3, 3, seed=1), "bias": reals(2)}
    yield "conv2d", inputs, {"stride": 2, "padding": 1, "groups": 2}


def poolings() -> Iterator[Call]:
    tied = np.random.default_rng(3).integers(0, 3, (2, 2, 6, 7)) / 1.0
    images = (reals(2, 2, 6, 7), tied)
    windows = [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 3, "stride": 2},
    ]
    for window, image in product(windows, images):
        for x in (image, image[:, :, 0]):
            yield "avg_pool", {"x": x}, window
            for dilation in (1, 2):
                yield "max_pool", {"x": x}, window | {"dilation": dilation}
    pair = {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)}
    for x in images:
        yield "avg_pool", {"x": x}, pair
        yield "max_pool", {"x": x}, pair | {"dilation": (2, 1)}


def answer(name: str, xs: dict[str, Any], options: dict[str, Any]) -> Any:
    """What PyTorch calls it, called."""
    from torch.nn import functional as F

    rank = xs["x"].ndim - 2
    peer = {
        "nll": F.nll_loss,
        "cross_entropy": F.cross_entropy,
        "mse": F.mse_loss,
        "mae": F.l1_loss,
        "huber": F.huber_loss,
        "bce_with_logits": lambda x, t, w, **o: F.binary_cross_entropy_with_logits(
            x, t, pos_weight=w, **o
        ),
        "conv1d": F.conv1d,
        "conv2d": F.conv2d,
        "max_pool": F.max_pool1d if rank == 1 else F.max_pool2d,
        "avg_pool": F.avg_pool1d if rank == 1 else F.avg_pool2d,
    }[name]
    return peer(*xs.values(), **options)


def differentiated(name: str, inputs: dict[str, Any]) -> list[str]:
    """The inputs that gradients are compared of; PyTorch has none in the weight of a class."""
    wanted = ["x", "weight", "bias"] if name.startswith("conv") else ["x"]
    return [k for k in wanted if inputs[k] is not None]


def generate() -> dict[str, Any]:
    """Outputs and gradients, by the number of the call and the input."""
    import torch

    goldens = {}
    for i, (name, inputs, options) in enumerate(calls()):
        xs = {k: x if x is None else torch.tensor(x) for k, x in inputs.items()}
        wanted = differentiated(name, inputs)
        leaves = [xs[k].requires_grad_() for k in wanted]
        y = answer(name, xs, options)
        gradients = torch.autograd.grad(y, leaves, torch.tensor(reals(*y.shape, seed=9)))
        goldens[f"{i}/y"] = y.detach().numpy()
        goldens |= {f"{i}/{k}": g.numpy() for k, g in zip(wanted, gradients, strict=True)}
    return goldens


if __name__ == "__main__":
    goldens = generate()
    np.savez_compressed(FILE, **goldens)
    print(f"{len(goldens)} arrays, {FILE.stat().st_size / 1e3:.0f} kB in {FILE.name}")
