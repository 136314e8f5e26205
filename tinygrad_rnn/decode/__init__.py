r"""Decoding: from a model's logits to tokens, and from tokens to scores.

================  ===============================================================================
`filters`         `temperature`, `top_k`, `nucleus`: filters on logits, which compose;
                  `probabilities`, `log_probabilities`
`sampler`         `greedy`, `categorical`, `quantile`, `Sampler`: choosing a token
`constraints`     `Allowed`, `Banned`, `NoRepeat`: which tokens may come next
`generation`      `generate`: a sequence, token by token; `generate_batch`: many at once
`beams`           `beam_search`: the likeliest sequences
`carries`         states of a batch: choosing rows of a nest
`likelihood`      how likely a model finds given texts, in nats, bits and perplexity
`classification`  `confusion`: accuracy, precision, recall and F1 by class
`translation`     `bleu`, `chrf`, by sacreBLEU
================  ===============================================================================

All work on plain arrays, and chance comes only from the generator that is passed in.
"""

from tinygrad_rnn.decode.beams import Hypothesis, beam_search, length_penalty
from tinygrad_rnn.decode.classification import Confusion, confusion
from tinygrad_rnn.decode.constraints import Allowed, Banned, Constraint, NoRepeat, constrained
from tinygrad_rnn.decode.filters import (
    log_probabilities,
    nucleus,
    probabilities,
    temperature,
    top_k,
)
from tinygrad_rnn.decode.generation import generate, generate_batch
from tinygrad_rnn.decode.likelihood import (
    surprise,
    text_log_probabilities,
    token_log_probabilities,
)
from tinygrad_rnn.decode.sampler import Sampler, categorical, greedy, quantile
from tinygrad_rnn.decode.translation import CorpusScore, bleu, chrf

__all__ = [
    "Allowed",
    "Banned",
    "Confusion",
    "Constraint",
    "CorpusScore",
    "Hypothesis",
    "NoRepeat",
    "Sampler",
    "beam_search",
    "bleu",
    "categorical",
    "chrf",
    "confusion",
    "constrained",
    "generate",
    "generate_batch",
    "greedy",
    "length_penalty",
    "log_probabilities",
    "nucleus",
    "probabilities",
    "quantile",
    "surprise",
    "temperature",
    "text_log_probabilities",
    "token_log_probabilities",
    "top_k",
]
