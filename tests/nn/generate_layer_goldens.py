"""Ask PyTorch what convolutions, pools, attention and decoders must compute.

    python tests/nn/generate_layer_goldens.py

Run by hand when the cases below change; `test_layer_goldens.py` reads `layer_goldens.npz` and never
imports torch. Weights, inputs and cotangents are drawn in float32, so that they are the same
numbers in both precisions; PyTorch's answers are in float64. What it has no layer for is written
here in its ops, as the papers have it.

The file holds `given` (float32), `expected` (float64), and `index`, a JSON list of cases with the
shapes of what they take and give, and the offsets at which it begins.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from generate_goldens import Pool
from torch.nn import functional as F

PATH = Path(__file__).with_name("layer_goldens.npz")
B, S, T, Q, M, A = 3, 4, 2, 3, 2, 3
LENGTHS = [2, 4, 1]
MASK = [[True, False, True, True], [True, True, True, True], [False, False, True, False]]

Case = dict[str, Any]


def convolutions() -> Iterator[Case]:
    """Each option by itself and some together, with and without a batch."""
    options = [
        {},
        {"bias": False},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "padding": "same"},
        {"padding": "valid", "groups": 2},
        {"stride": 3, "padding": 2, "dilation": 2, "groups": 4},
    ]
    for chosen in options:
        for batch in ((), (B,)):
            common = {"in_channels": 4, "out_channels": 4, **chosen}
            shape = {"input": (*batch, 4, 8)}
            yield case("Conv1d", {**common, "kernel_size": 3}, shape)
            yield case("Conv1d", {**common, "kernel_size": 4}, shape)
            shape = {"input": (*batch, 4, 8, 7)}
            yield case("Conv2d", {**common, "kernel_size": [2, 3]}, shape)


def pools() -> Iterator[Case]:
    """Pools over windows."""
    options = [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 1},
    ]
    for chosen in options:
        for rank, extents in ((1, (7,)), (2, (7, 6))):
            for batch in ((), (B,)):
                shape = {"input": (*batch, 2, *extents)}
                yield case(f"MaxPool{rank}d", chosen, shape)
                yield case(f"MaxPool{rank}d", {**chosen, "dilation": 2}, shape)
                yield case(f"AvgPool{rank}d", chosen, shape)
                yield case(f"AvgPool{rank}d", {**chosen, "count_include_pad": False}, shape)


def attentions() -> Iterator[Case]:
    """One query and several, looking everywhere, by lengths and by a mask."""
    kinds = [
        ("DotAttention", {}, M),
        ("DotAttention", {"scaled": True}, M),
        ("BilinearAttention", {"query_size": Q, "memory_size": M}, Q),
        ("BilinearAttention", {"query_size": Q, "memory_size": M, "scaled": True}, Q),
        ("AdditiveAttention", {"query_size": Q, "memory_size": M, "size": A}, Q),
    ]
    for layer, options, size in kinds:
        for several in ((), (T,)):
            for limits in ({}, {"lengths": LENGTHS}, {"mask": MASK}):
                shapes = {"query": (B, *several, size), "memory": (B, S, M)}
                yield case(layer, options, shapes, **limits)


def decoders() -> Iterator[Case]:
    """A GRU reads, another writes: with and without attention, by truth and by coins."""
    for attends in (False, True):
        for coins in (None, 0.5):
            yield case("EncoderDecoder", {"attends": attends}, {}, coins=coins, lengths=LENGTHS)


def case(layer: str, options: dict[str, Any], inputs: dict[str, Any], **call: Any) -> Case:
    """A layer, its options, the shapes of its inputs, and what else it is called with."""
    return {"layer": layer, "options": options, "inputs": inputs, "call": call}


def attention_scores(layer: str, options: dict[str, Any], w: Any, q: Any, m: Any) -> Any:
    """Scores (B, T, S), from the equations of Bahdanau and Luong."""
    if layer == "AdditiveAttention":
        query = q @ w["query.weight"].T + w["query.bias"]
        hidden = torch.tanh(query[:, :, None] + (m @ w["memory.weight"].T)[:, None])
        return (hidden @ w["score.weight"].T)[..., 0]
    keys = m @ w["memory.weight"].T if layer == "BilinearAttention" else m
    scores = torch.einsum("btd,bsd->bts", q, keys)
    return scores / math.sqrt(q.shape[-1]) if options.get("scaled") else scores


def attend(layer: str, options: Any, w: Any, q: Any, m: Any, call: Any) -> list[Any]:
    """Contexts and weights."""
    lone = q.ndim == 2
    scores = attention_scores(layer, options, w, q[:, None] if lone else q, m)
    mask = torch.ones(B, S, dtype=torch.bool)
    if "lengths" in call:
        mask = torch.arange(S) < torch.tensor(call["lengths"])[:, None]
    if "mask" in call:
        mask = torch.tensor(call["mask"])
    weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    if layer == "DotAttention":  # PyTorch's own, for the context
        queries, scale = (q[:, None] if lone else q), None if options.get("scaled") else 1.0
        context = F.scaled_dot_product_attention(
            queries, m, m, attn_mask=mask[:, None].expand(weights.shape), scale=scale
        )
    else:
        context = weights @ m
    return [context[:, 0], weights[:, 0]] if lone else [context, weights]


SIZES = {"source": 6, "target": 5, "embedding": 3, "hidden": 4}
SOURCE = [[1, 5, 2], [3, 0, 4], [2, 2, 1], [4, 1, 0]]  # (S, B)
INPUTS = [[1, 1, 1], [3, 2, 0], [4, 0, 2], [2, 3, 4], [0, 1, 3]]  # (T, B)


def decoder_shapes(attends: bool) -> dict[str, tuple[int, ...]]:
    """The state dict of an encoder and decoder, by the names of tinygrad_rnn."""
    V, W, E, H = SIZES.values()
    context = H if attends else 0
    cell = "decoder.cell.cell" if attends else "decoder.cell"
    shapes = {"encoder.embedding.weight": (V, E), "decoder.embedding.weight": (W, E)}
    for place, end, size in (("encoder.recurrent", "_l0", E), (cell, "", E + context)):
        for name, columns in (("ih", size), ("hh", H)):
            shapes[f"{place}.weight_{name}{end}"] = (3 * H, columns)
            shapes[f"{place}.bias_{name}{end}"] = (3 * H,)
    return {**shapes, "decoder.output.weight": (W, H + context), "decoder.output.bias": (W,)}


def translate(attends: bool, w: Any, coins: float | None) -> list[Any]:
    """Scores (T, B, W), one step after the other; `coins` as numpy's generator 7 tosses them."""

    def gru(place: str, end: str, x: Any, h: Any) -> Any:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return torch.gru_cell(x, h, *(w[f"{place}.{name}{end}"] for name in names))

    inputs, source = torch.tensor(INPUTS), torch.tensor(SOURCE)
    h = torch.zeros(B, SIZES["hidden"], dtype=torch.float64)
    memory = []
    for t, ids in enumerate(source):
        alive = (torch.tensor(LENGTHS) > t)[:, None]
        new = gru("encoder.recurrent", "_l0", w["encoder.embedding.weight"][ids], h)
        h = torch.where(alive, new, h)
        memory.append(torch.where(alive, new, 0.0))
    memory = torch.stack(memory, 1)
    tosses = np.random.default_rng(7).random((len(INPUTS), B))
    truth = torch.tensor(tosses < (1.0 if coins is None else coins))
    truth[0] = True
    read, context, scores = inputs[0], torch.zeros_like(h), []
    for t, given in enumerate(inputs):
        read = torch.where(truth[t], given, read)
        x = w["decoder.embedding.weight"][read]
        cell = "decoder.cell.cell" if attends else "decoder.cell"
        h = gru(cell, "", torch.cat([x, context], -1) if attends else x, h)
        if attends:
            context, _ = attend("DotAttention", {}, w, h, memory, {"lengths": LENGTHS})
        shown = torch.cat([h, context], -1) if attends else h
        y = shown @ w["decoder.output.weight"].T + w["decoder.output.bias"]
        scores.append(y)
        read = y.argmax(-1)
    return [torch.stack(scores)]


def shapes_of_state(each: Case) -> dict[str, Any]:
    """The names and shapes of a layer's parameters."""
    layer, options = each["layer"], each["options"]
    if layer == "EncoderDecoder":
        return decoder_shapes(**options)
    if layer.endswith("Attention"):
        maps = {
            "DotAttention": {},
            "BilinearAttention": {"memory.weight": (Q, M)},
            "AdditiveAttention": {
                "query.weight": (A, Q),
                "query.bias": (A,),
                "memory.weight": (A, M),
                "score.weight": (1, A),
            },
        }
        return maps[layer]
    module = getattr(torch.nn, layer)(**options)
    return {name: tuple(x.shape) for name, x in module.state_dict().items()}


def answers(each: Case, state: Any, inputs: Any) -> list[Any]:
    """The outputs."""
    layer, options, call = each["layer"], each["options"], each["call"]
    if layer == "EncoderDecoder":
        return translate(options["attends"], state, call["coins"])
    if layer.endswith("Attention"):
        return attend(layer, options, state, *inputs.values(), call)
    module = getattr(torch.nn, layer)(**options)
    return [torch.func.functional_call(module, state, tuple(inputs.values()))]


def entry(each: Case, pool: Pool, expected: list[Any]) -> Case:
    """A case as the index has it; what is expected is appended to `expected`."""
    rng = np.random.default_rng(22)
    given: dict[str, Any] = {}
    leaves: dict[str, Any] = {}
    for role, shapes in (("state", shapes_of_state(each)), ("inputs", each["inputs"])):
        arrays = {k: rng.uniform(-1, 1, shape).astype(np.float32) for k, shape in shapes.items()}
        given[role] = {name: pool.put(x) for name, x in arrays.items()}
        leaves[role] = {
            k: torch.tensor(x.astype(float), requires_grad=True) for k, x in arrays.items()
        }
    outputs = answers(each, leaves["state"], leaves["inputs"])
    weights = [rng.uniform(-1, 1, y.shape).astype(np.float32) for y in outputs]
    given["cotangents"] = [pool.put(w) for w in weights]
    sum((y * torch.tensor(w)).sum() for y, w in zip(outputs, weights, strict=True)).backward()
    gradients = [x.grad for role in leaves.values() for x in role.values()]
    at, shapes = sum(x.size for x in expected), []
    for x in (*outputs, *gradients):
        expected.append(x.detach().numpy().ravel())
        shapes.append(list(x.shape))
    return {**each, **given, "at": at, "expected": shapes}


def main() -> None:
    torch.set_num_threads(1)
    pool, expected = Pool(), []
    cases = (*convolutions(), *pools(), *attentions(), *decoders())
    index = [entry(each, pool, expected) for each in cases]
    translation = {"sizes": SIZES, "source": SOURCE, "inputs": INPUTS}
    facts = json.dumps({"cases": index, **translation}, separators=(",", ":"))
    np.savez_compressed(
        PATH,
        given=np.concatenate(pool.arrays),
        expected=np.concatenate(expected),
        index=np.frombuffer(facts.encode(), np.uint8),
    )
    size = PATH.stat().st_size / 1e3
    print(f"{len(index)} cases, {size:.0f} kB, torch {torch.__version__}")


if __name__ == "__main__":
    main()
