"""The custom cells on the peers' side, written once for PyTorch and JAX.

`lib` holds the few functions whose names differ, or of which a library has a fused one; `p` the
parameters, by the names that they have on our side. As we do, `project` takes what needs no state
out of the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

Parameters = dict[str, Any]
Carry = tuple[Any, ...]


@dataclass(frozen=True)
class PeerCell:
    """A cell as two functions.

    Attributes:
        step: (lib, p, carry, projected input) to the next carry, whose first part is the output.
        project: (lib, p, x) to the projected input, for all steps at once.
    """

    step: Callable[[Any, Parameters, Carry, Any], Carry]
    project: Callable[[Any, Parameters, Any], Any]


def projected(lib: Any, p: Parameters, x: Any) -> Any:
    return lib.affine(x, p["weight_ih"], p["bias_ih"] + p["bias_hh"])


def peephole(lib: Any, p: Parameters, carry: Carry, a: Any) -> Carry:
    h, c = carry
    i, f, g, o = lib.split(lib.plus_product(a, h, p["weight_hh"]), 4)
    i = lib.sigmoid(i + p["weight_ci"] * c)
    f = lib.sigmoid(f + p["weight_cf"] * c)
    c = f * c + i * lib.tanh(g)
    o = lib.sigmoid(o + p["weight_co"] * c)
    return o * lib.tanh(c), c


def coupled(lib: Any, p: Parameters, carry: Carry, a: Any) -> Carry:
    h, c = carry
    f, g, o = lib.split(lib.plus_product(a, h, p["weight_hh"]), 3)
    f = lib.sigmoid(f)
    c = f * c + (1 - f) * lib.tanh(g)
    return lib.sigmoid(o) * lib.tanh(c), c


def normalized_projection(lib: Any, p: Parameters, x: Any) -> Any:
    a = lib.layer_norm(x @ p["cell.weight_ih"].T, p["norms_ih.0.weight"])
    return a + (p["cell.bias_ih"] + p["cell.bias_hh"])


def normalized(lib: Any, p: Parameters, carry: Carry, a: Any) -> Carry:
    h, c = carry
    b = lib.layer_norm(h @ p["cell.weight_hh"].T, p["norms_hh.0.weight"])
    i, f, g, o = lib.split(a + b, 4)
    c = lib.sigmoid(f) * c + lib.sigmoid(i) * lib.tanh(g)
    shown = lib.layer_norm(c, p["norm_c.weight"], p["norm_c.bias"])
    return lib.sigmoid(o) * lib.tanh(shown), c


def minimal(lib: Any, p: Parameters, carry: Carry, a: Any) -> Carry:
    (h,) = carry
    a_f, a_n = lib.split(a, 2)
    W_f, W_n = lib.rows(p["weight_hh"], 2)
    f = lib.sigmoid(lib.plus_product(a_f, h, W_f))
    n = lib.tanh(lib.plus_product(a_n, f * h, W_n))
    return ((1 - f) * h + f * n,)


def textbook(lib: Any, p: Parameters, carry: Carry, x: Any) -> Carry:
    h, c = carry
    hx = lib.concatenate([h, x], -1)
    f = lib.sigmoid(lib.affine(hx, p["W_f"], p["b_f"]))
    i = lib.sigmoid(lib.affine(hx, p["W_i"], p["b_i"]))
    g = lib.tanh(lib.affine(hx, p["W_c"], p["b_c"]))
    o = lib.sigmoid(lib.affine(hx, p["W_o"], p["b_o"]))
    c = f * c + i * g
    return o * lib.tanh(c), c


CELLS = {
    "peephole LSTM": PeerCell(peephole, projected),
    "LayerNorm LSTM": PeerCell(normalized, normalized_projection),
    "minimal gated": PeerCell(minimal, projected),
    "coupled gates": PeerCell(coupled, projected),
    "a matrix per gate": PeerCell(textbook, lambda lib, p, x: x),
}


def torch_library() -> SimpleNamespace:
    """PyTorch's names, with its fused products."""
    import torch
    from torch.nn import functional

    return SimpleNamespace(
        sigmoid=torch.sigmoid,
        tanh=torch.tanh,
        concatenate=torch.concatenate,
        split=lambda a, parts: torch.chunk(a, parts, -1),
        rows=lambda W, parts: torch.chunk(W, parts, 0),
        affine=functional.linear,
        plus_product=lambda a, h, W: torch.addmm(a, h, W.T),
        layer_norm=lambda a, gain, bias=None: functional.layer_norm(a, a.shape[-1:], gain, bias),
    )


def jax_library() -> SimpleNamespace:
    """JAX's names."""
    import jax
    from jax import numpy as jnp

    def layer_norm(a: Any, gain: Any, bias: Any = 0.0) -> Any:
        centred = a - a.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + 1e-5) * gain + bias

    return SimpleNamespace(
        sigmoid=jax.nn.sigmoid,
        tanh=jnp.tanh,
        concatenate=jnp.concatenate,
        split=lambda a, parts: jnp.split(a, parts, -1),
        rows=lambda W, parts: jnp.split(W, parts, 0),
        affine=lambda x, W, b: x @ W.T + b,
        plus_product=lambda a, h, W: a + h @ W.T,
        layer_norm=layer_norm,
    )
