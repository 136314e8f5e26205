"""A language model of code, character by character.

A GRU reads a million characters of Python's standard library and foresees each next one. Its
rival is a table of what followed each two characters in the same text, smoothed by shorter
contexts. The score is bits per character on later modules; fewer are better.
Data: the standard library's source (PSF-2.0).
"""

import numpy as np

from tinygrad_rnn import data, decode, optim, plot, train

# Modules stand in alphabetical order: the last are held out.
text = data.python_sources().text[-1_200_000:]
known, held_out = data.contiguous_split(text, validation=0.05)
characters = data.CharacterTokenizer().fit(known, min_count=20, oov_buckets=1)
known_ids, held_out_ids = characters.encode(known), characters.encode(held_out)
V = characters.size

model = train.LanguageModel(V, cell="gru", hidden=192, embedding=32, seed=0)
windows = data.TextStream(known_ids, batch=32, steps=64)
training = train.Training(
    model,
    optim.Adam(model.parameters()),
    windows,
    model.loss,
    schedule=lambda progress: 5e-3 * (1 - progress),
    clip=1.0,
)
train.fit(training, steps=windows.windows)  # every character once
stream = data.TextStream(held_out_ids, batch=32, steps=128, keep_last=True)
score = train.evaluate(model, model.loss, stream).bits

# p[context, next]: counts of each context, and the table of the shorter one counting as much as K.
p, K = np.full((1, V), 1 / V), 3
for n in (1, 2, 3):
    n_grams = sum(known_ids[i : len(known_ids) - n + 1 + i] * V ** (n - 1 - i) for i in range(n))
    counts = np.bincount(n_grams, minlength=V**n).reshape(-1, V)
    shorter = np.tile(p, (len(counts) // len(p), 1))
    p = (counts + K * shorter) / (counts.sum(axis=1, keepdims=True) + K)
a, b, c = held_out_ids[:-2], held_out_ids[1:-1], held_out_ids[2:]
baseline = float(-np.log2(p[a * V + b, c]).mean())

prompt = "    def read(self"
written = model.write(characters.encode(prompt), 300, temperature=0.7, rng=np.random.default_rng(0))
print(prompt + characters.decode(list(written)))
print(f"\nbits per character: GRU {score:.2f}, table {baseline:.2f}")

start = held_out.index("\ndef ") + 1
shown = held_out_ids[start - 200 : start + 480]
(chances,) = decode.text_log_probabilities(model.batch_step, None, [shown])
surprise = -chances[199:] / np.log(2)
figure = plot.text_heatmap(surprise, held_out[start : start + 480], title="surprise in bits")
