r"""Decoding: from a model's logits to tokens.

- `temperature`, `top_k`, `nucleus`, `probabilities`: filters on logits, which compose.
- `greedy`, `categorical`, `Sampler`: choosing a token.
- `generate`: a sequence, token by token.

All work on plain arrays, and chance comes only from the generator that is passed in.
"""

from tinygrad_rnn.decode.filters import nucleus, probabilities, temperature, top_k
from tinygrad_rnn.decode.generation import generate
from tinygrad_rnn.decode.sampler import Sampler, categorical, greedy

__all__ = [
    "Sampler",
    "categorical",
    "generate",
    "greedy",
    "nucleus",
    "probabilities",
    "temperature",
    "top_k",
]
