"""The part of speech of each word in a newspaper.

A GRU in both directions reads a sentence; a word is its own vector plus one for how it ends. The
rival gives a word its commonest tag, and NN to a new one. The score is the share of words of later
articles that are tagged right. Data: a tenth of the Penn Treebank (CC-BY-NC-4.0).
"""

import re
from collections import Counter

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim, plot

tokens, tags = data.source("treebank-sample").read().values()
ends = [[re.sub(r"\d", "0", token)[-3:] for token in sentence] for sentence in tokens]
n = round(0.8 * len(tokens))  # sentences to learn from
words, endings, kinds = vocabularies = [
    data.Vocabulary.from_tokens((x for row in rows[:n] for x in row), min_count=2, oov_buckets=1)
    for rows in (tokens, ends, tags)
]
ids = [[*map(v.encode, x)] for v, x in zip(vocabularies, (tokens, ends, tags), strict=True)]


class Tagger(nn.Module):
    def __init__(self, E=48, H=64):
        self.words, self.ends = (nn.Embedding(len(v), E) for v in vocabularies[:2])
        for seed, table in enumerate((self.words, self.ends)):
            nn.init.normal_(table.weight, std=0.1, seed=seed)  # what is rare should say little
        self.gru = nn.GRU(E, H, bidirectional=True, seed=2)
        self.dropout, self.tag = nn.Dropout(0.4, seed=3), nn.Linear(2 * H, len(kinds), seed=4)

    def forward(self, words, ends):
        x = self.dropout(self.words(words.values) + self.ends(ends.values))
        return self.tag(self.dropout(self.gru(x, lengths=words.lengths)[0]))


tagger = Tagger()
adam = optim.Adam(tagger.parameters(), lr=5e-3)
batches = data.BucketedBatches([len(sentence) for sentence in tokens[:n]], batch=32)
for _ in range(4 * len(batches)):  # four epochs
    chosen = batches.read()
    *known, truth = (data.pad([rows[i] for i in chosen]) for rows in ids)
    adam.zero_grad()
    tg.cross_entropy(tagger(*known)[truth.mask], truth.values[truth.mask]).backward()
    adam.step()

tagger.eval()
*new, truth = (data.pad(rows[n:]) for rows in ids)
found = tagger(*new).data.argmax(axis=-1)
score = float(np.mean((found == truth.values)[truth.mask]))
pairs = [[*zip(*both, strict=True)] for both in zip(tokens, tags, strict=True)]
usual = dict(p for p, _ in reversed(Counter(p for s in pairs[:n] for p in s).most_common()))
baseline = float(np.mean([usual.get(w, "NN") == tag for s in pairs[n:] for w, tag in s]))
print(*map("/".join, zip(tokens[n][:9], kinds.decode(found[:9, 0]), strict=True)), "…")
print(f"right: GRU {score:.1%}, each word's usual tag {baseline:.1%}")
plane, shares = plot.principal_plane(tagger.ends.weight.data[1:60])
figure = plot.embedding_map(plane, endings.tokens[:59], shares=shares, title="endings")
