"""Convolutions, pools, attention and decoders against PyTorch, in values and in all gradients.

`layer_goldens.npz` holds PyTorch's answers; `generate_layer_goldens.py` says how they were made.
"""

import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

with np.load(Path(__file__).with_name("layer_goldens.npz")) as archive:
    GIVEN, EXPECTED = archive["given"], archive["expected"]
    FACTS = json.loads(archive["index"].tobytes())

# Equal up to rounding: both sides add the same few dozen terms in their own order.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def title(case):
    options = [f"{name}={value}" for name, value in {**case["options"], **case["call"]}.items()]
    shapes = [str(tuple(shape)) for _, shape in case["inputs"].values()]
    return f"{case['layer']}({', '.join(options)}) on {', '.join(shapes)}"


def array(place, dtype):
    at, shape = place
    return GIVEN[at : at + int(np.prod(shape))].reshape(shape).astype(dtype)


def answers(case):
    at = case["at"]
    for shape in case["expected"]:
        size = int(np.prod(shape))
        yield EXPECTED[at : at + size].reshape(shape)
        at += size


def translator(attends, dtype):
    """The model that the generator writes out in PyTorch's ops."""
    V, W, E, H = FACTS["sizes"].values()
    context = H if attends else 0
    encoder = nn.Encoder(nn.Embedding(V, E, dtype=dtype), nn.GRU(E, H, dtype=dtype))
    decoder = nn.Decoder(
        nn.Embedding(W, E, dtype=dtype),
        nn.GRUCell(E + context, H, dtype=dtype),
        nn.Linear(H + context, W, dtype=dtype),
        nn.DotAttention() if attends else None,
        seed=7,
    )
    return nn.EncoderDecoder(encoder, decoder)


def layer_of(case, dtype):
    if case["layer"] == "EncoderDecoder":
        return translator(**case["options"], dtype=dtype)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in case["options"].items()}
    kind = getattr(nn, case["layer"])
    learns = case["layer"].startswith(("Conv", "Bilinear", "Additive"))
    return kind(**options, dtype=dtype) if learns else kind(**options)


def outputs_of(layer, case, inputs):
    if case["layer"] == "EncoderDecoder":
        coins = case["call"]["coins"]
        forcing = 1.0 if coins is None else coins
        lengths = case["call"]["lengths"]
        return [layer(FACTS["source"], FACTS["inputs"], lengths, teacher_forcing=forcing)]
    result = layer(*inputs, **case["call"])
    return result if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", FACTS["cases"], ids=title)
def test_outputs_and_gradients_are_those_of_pytorch(case, dtype):
    layer = layer_of(case, dtype)
    layer.load_state_dict({name: array(place, dtype) for name, place in case["state"].items()})
    inputs = [tg.tensor(array(p, dtype), requires_grad=True) for p in case["inputs"].values()]
    outputs = outputs_of(layer, case, inputs)
    weighted = zip(outputs, case["cotangents"], strict=True)
    sum((y * array(place, dtype)).sum() for y, place in weighted).backward()
    parameters = dict(layer.named_parameters())
    leaves = chain((parameters[name] for name in case["state"]), inputs)
    computed = [*outputs, *(x.grad for x in leaves)]
    for got, expected in zip(computed, answers(case), strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got.data, expected, TOLERANCE[dtype], TOLERANCE[dtype])
