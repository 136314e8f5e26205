"""Small models whose next token depends on the whole text, for searches and draws."""

import numpy as np

import tinygrad_rnn as tg


class TextModel:
    """Logits (V,) drawn once for every text up to a length; `step` is the same for a batch.

    The carry is a nest of an array and a tensor that hold the text so far, so that rows that are
    picked wrongly give the logits of another text.
    """

    def __init__(self, V, longest, choices=(-1.0, 0.0, 0.5, 2.0), seed=0):
        self.V, self.longest = V, longest
        self.choices, self.seed = choices, seed
        self.calls = []  # how many rows each step had

    def logits(self, source, text):
        rng = np.random.default_rng([self.seed, source, len(text), *text])
        z = rng.choice(self.choices, size=self.V)
        return z if np.isfinite(z).any() else np.zeros(self.V)

    def carry(self, sources):
        """The state before the first token; what is drawn depends on the source too."""
        texts = np.full((len(sources), self.longest), -1)
        return {"texts": (texts, None), "source": tg.tensor(np.array(sources))}

    def step(self, carry, tokens):
        assert tokens.dtype == np.int64
        self.calls.append(len(tokens))
        texts, source = carry["texts"][0].copy(), carry["source"]
        ends = (texts >= 0).sum(axis=1)
        texts[np.arange(len(tokens)), ends] = tokens
        read = [[int(x) for x in text[: end + 1]] for text, end in zip(texts, ends, strict=True)]
        z = [self.logits(int(s), text) for s, text in zip(source.data, read, strict=True)]
        return {"texts": (texts, None), "source": source}, tg.tensor(np.array(z))
