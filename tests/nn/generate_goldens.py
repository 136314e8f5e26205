"""Ask PyTorch what layers must compute, and write its answers to `goldens.npz`.

    python tests/nn/generate_goldens.py

Run by hand when the grid below changes; the tests read the file and never import torch. Weights,
inputs and cotangents are drawn in float32, so that they are the same numbers in both precisions.

The file holds four arrays:

- `given`: float32, what goes into the layers;
- `float64`: what PyTorch makes of it;
- `float32`: the same in single precision, as the number of representable values by which it
  differs from the rounded `float64`: a few, so they compress well;
- `index`: UTF-8 of a JSON list of cases, each with its layer and options, and the shapes of what
  is given and expected, with the offset at which each begins.
"""

import json
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PATH = Path(__file__).with_name("goldens.npz")
T, B, D, H, P = 4, 3, 2, 3, 2
LENGTHS = [2, 4, 1]

Case = dict[str, Any]


def recurrent_cases() -> Iterator[Case]:
    kinds = [
        ("RNN", {"nonlinearity": "tanh"}),
        ("RNN", {"nonlinearity": "relu"}),
        ("LSTM", {}),
        ("LSTM", {"proj_size": P}),
        ("GRU", {}),
    ]
    ways = [
        *product([False, True], [None, LENGTHS], [False], [False, True]),
        *product([False], [None], [True], [False, True]),
    ]
    for (layer, options), layers, bidirectional, bias in product(
        kinds, (1, 2), (False, True), (True, False)
    ):
        places = layers * (1 + bidirectional)
        for batch_first, lengths, unbatched, states in ways:
            batch = () if unbatched else (B,)
            sizes = [options.get("proj_size", H), H][: 1 + (layer == "LSTM")]
            yield {
                "layer": layer,
                "options": {
                    "input_size": D,
                    "hidden_size": H,
                    "num_layers": layers,
                    "bidirectional": bidirectional,
                    "bias": bias,
                    "batch_first": batch_first,
                    **options,
                },
                "input": (*batch, T, D) if batch_first else (T, *batch, D),
                "states": [(places, *batch, size) for size in sizes] if states else [],
                "lengths": lengths,
                "outputs": ["output", "h_n", "c_n"],
            }


def cell_cases() -> Iterator[Case]:
    kinds = [
        ("RNNCell", {"nonlinearity": "tanh"}),
        ("RNNCell", {"nonlinearity": "relu"}),
        ("LSTMCell", {}),
        ("GRUCell", {}),
    ]
    for (layer, options), bias, batch, states in product(
        kinds, (True, False), ((), (B,)), (False, True)
    ):
        count = 1 + (layer == "LSTMCell")
        yield {
            "layer": layer,
            "options": {"input_size": D, "hidden_size": H, "bias": bias, **options},
            "input": (*batch, D),
            "states": [(*batch, H)] * count if states else [],
            "outputs": ["h", "c"],
        }


def other_cases() -> Iterator[Case]:
    for bias, batch in product((True, False), ((), (B,), (T, B))):
        options = {"in_features": D, "out_features": H, "bias": bias}
        yield {"layer": "Linear", "options": options, "input": (*batch, D), "outputs": ["output"]}
    for padding_idx, shape in product((None, 0, -1), ((), (B,), (T, B))):
        options = {"num_embeddings": 5, "embedding_dim": H, "padding_idx": padding_idx}
        case = {"layer": "Embedding", "options": options, "input": shape, "outputs": ["output"]}
        yield {**case, "indices_below": 5}
    for shape, extra in product(
        (H, [B, H]), ({}, {"eps": 0.1}, {"elementwise_affine": False}, {"bias": False})
    ):
        options = {"normalized_shape": shape, **extra}
        case = {"layer": "LayerNorm", "options": options, "outputs": ["output"]}
        yield {**case, "input": (T, B, H)}


class Pool:
    """Numbers one after the other; what was put in twice is there once."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.offsets: dict[bytes, int] = {}
        self.size = 0

    def put(self, array: np.ndarray) -> list[Any]:
        """The offset and shape by which an array is found again."""
        key = array.tobytes()
        if key not in self.offsets:
            self.offsets[key] = self.size
            self.arrays.append(array.ravel())
            self.size += array.size
        return [self.offsets[key], list(array.shape)]


def draw(case: Case, module: torch.nn.Module) -> dict[str, dict[str, np.ndarray]]:
    """Weights, input and initial states of a case."""
    rng = np.random.default_rng(20)

    def reals(shape: Any) -> np.ndarray:
        return rng.uniform(-1, 1, shape).astype(np.float32)

    if "indices_below" in case:
        x = rng.integers(0, case["indices_below"], case["input"]).astype(np.float32)
    else:
        x = reals(case["input"])
    shapes = case.get("states", ())
    states = {name: reals(shape) for name, shape in zip(("h_0", "c_0"), shapes, strict=False)}
    weights = {name: reals(w.shape) for name, w in module.state_dict().items()}
    return {"state": weights, "input": {"input": x}, "hx": states}


def call(case: Case, module: torch.nn.Module, x: Any, states: dict[str, Any]) -> list[Any]:
    """The outputs of a layer, flat."""
    if "states" not in case:
        return [module(x)]
    hx = tuple(states.values())
    hx = None if not hx else hx if case["layer"].startswith("LSTM") else hx[0]
    if case.get("lengths"):
        first = case["options"]["batch_first"]
        packed = pack_padded_sequence(x, case["lengths"], first, enforce_sorted=False)
        output, final = module(packed, hx)
        result = (pad_packed_sequence(output, first, total_length=T)[0], final)
    else:
        result = module(x, hx)
    flat: list[Any] = []
    for part in result if isinstance(result, tuple) else (result,):
        flat.extend(part if isinstance(part, tuple) else (part,))
    return flat


def answer(
    case: Case, module: torch.nn.Module, given: dict[str, Any], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Outputs, and the gradients of everything with respect to their weighted sum."""
    module = module.to(dtype)
    module.load_state_dict({k: torch.tensor(v) for k, v in given["state"].items()})
    x = torch.tensor(given["input"]["input"])
    x = x.long() if "indices_below" in case else x.to(dtype).requires_grad_()
    states = {k: torch.tensor(v, dtype=dtype).requires_grad_() for k, v in given["hx"].items()}
    outputs = dict(zip(case["outputs"], call(case, module, x, states), strict=False))
    rng = np.random.default_rng(21)
    given["cotangents"] = {
        name: rng.uniform(-1, 1, y.shape).astype(np.float32) for name, y in outputs.items()
    }
    weights = given["cotangents"]
    sum((y * torch.tensor(weights[name])).sum() for name, y in outputs.items()).backward()
    leaves = {**states, **dict(module.named_parameters())}
    if x.requires_grad:
        leaves["input"] = x
    return {**outputs, **{f"grad {name}": leaf.grad for name, leaf in leaves.items()}}


def main() -> None:
    torch.set_num_threads(1)
    pool, answers, distances = Pool(), [], []
    index, at = [], 0
    for case in (*recurrent_cases(), *cell_cases(), *other_cases()):
        make = partial(getattr(torch.nn, case["layer"]), **case["options"])
        given = draw(case, make())
        doubles = answer(case, make(), given, torch.float64)
        singles = answer(case, make(), given, torch.float32)
        entry = {k: case[k] for k in ("layer", "options", "outputs")}
        entry["lengths"] = case.get("lengths")
        entry["integer"] = "indices_below" in case
        for role, arrays in given.items():
            entry[role] = {name: pool.put(array) for name, array in arrays.items()}
        entry["at"] = at
        entry["expected"] = {name: list(y.shape) for name, y in doubles.items()}
        for name, y in doubles.items():
            double, single = y.detach().numpy().ravel(), singles[name].detach().numpy().ravel()
            rounded = double.astype(np.float32).view(np.int32)
            answers.append(double)
            distances.append(single.view(np.int32) - rounded)
            at += y.numel()
        index.append(entry)
    np.savez_compressed(
        PATH,
        given=np.concatenate(pool.arrays),
        float64=np.concatenate(answers),
        float32=np.concatenate(distances),
        index=np.frombuffer(json.dumps(index, separators=(",", ":")).encode(), np.uint8),
    )
    size = PATH.stat().st_size / 1e3
    print(f"{len(index)} cases, {at} numbers, {size:.0f} kB, torch {torch.__version__}")


if __name__ == "__main__":
    main()
