"""Layers and cells against PyTorch: its state dicts load, and everything comes out the same.

`goldens.npz` holds PyTorch's answers; `generate_goldens.py` says how they were made.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

with np.load(Path(__file__).with_name("goldens.npz")) as archive:
    GIVEN, FLOAT64, DISTANCES = (archive[k] for k in ("given", "float64", "float32"))
    CASES = json.loads(archive["index"].tobytes())

# Equal up to rounding: both sides add the same few dozen terms in their own order.
TOLERANCE = {"float64": 1e-12, "float32": 3e-6}


def title(case):
    options = ["=".join(map(str, item)) for item in case["options"].items()]
    shapes = [str(shape) for _, shape in case["input"].values()]
    extra = [f"lengths={case['lengths']}", f"hx={bool(case.get('hx'))}"]
    return f"{case['layer']}({', '.join(options)}) on {', '.join(shapes)}, {', '.join(extra)}"


def given(case, role, dtype):
    """What went into the layer: arrays by name."""
    arrays = {}
    for name, (at, shape) in case.get(role, {}).items():
        size = int(np.prod(shape))
        arrays[name] = GIVEN[at : at + size].reshape(shape).astype(dtype)
    return arrays


def expected(case, dtype):
    """What PyTorch made of it: outputs, and gradients as "grad name"."""
    arrays, at = {}, case["at"]
    for name, shape in case["expected"].items():
        part = slice(at, at := at + int(np.prod(shape)))
        values = FLOAT64[part]
        if dtype == "float32":
            rounded = values.astype(np.float32).view(np.int32)
            values = (rounded + DISTANCES[part]).view(np.float32)
        arrays[name] = values.reshape(shape)
    return arrays


def computed(case, dtype):
    """Our outputs and gradients under PyTorch's names."""
    layer = getattr(nn, case["layer"])(**case["options"], dtype=dtype)
    layer.load_state_dict(given(case, "state", dtype))
    (x,) = given(case, "input", dtype).values()
    x = x.astype(int) if case["integer"] else tg.tensor(x, requires_grad=True)
    states = {k: tg.tensor(v, requires_grad=True) for k, v in given(case, "hx", dtype).items()}
    hx = tuple(states.values())
    extra = [hx if len(hx) == 2 else hx[0]] if hx else []
    lengths = {"lengths": case["lengths"]} if case["lengths"] else {}
    outputs = dict(zip(case["outputs"], flat(layer(x, *extra, **lengths)), strict=False))
    sum(
        (y * w).sum()
        for y, w in zip(outputs.values(), given(case, "cotangents", dtype).values(), strict=True)
    ).backward()
    leaves = {**states, **dict(layer.named_parameters())}
    if not case["integer"]:
        leaves["input"] = x
    return {**outputs, **{f"grad {name}": leaf.grad for name, leaf in leaves.items()}}


def flat(result):
    if not isinstance(result, tuple):
        return [result]
    return [leaf for part in result for leaf in flat(part)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=title)
def test_outputs_and_all_gradients_are_pytorchs(case, dtype):
    ours, theirs = computed(case, dtype), expected(case, dtype)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        got = ours[name]
        assert got.dtype == dtype, name
        assert got.shape == value.shape, name
        error = np.abs(got.detach().numpy() - value)
        assert (error <= TOLERANCE[dtype] * np.maximum(1, np.abs(value))).all(), name


def test_the_grid_holds_every_option_of_the_recurrent_layers():
    seen = {
        (case["layer"], *(case["options"].get(k) for k in ("num_layers", "bidirectional", "bias")))
        for case in CASES
    }
    for layer in ("RNN", "LSTM", "GRU"):
        for layers in (1, 2):
            for bidirectional in (False, True):
                for bias in (False, True):
                    assert (layer, layers, bidirectional, bias) in seen
