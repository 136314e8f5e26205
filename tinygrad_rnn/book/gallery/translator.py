"""Names of emoji, from English to Korean.

An encoder reads words in both directions; a decoder writes letters and looks back at the words. It
is tested on held-out names of several words, all of which it has met, but in other names: what it
has seen apart it has to put together. The score is chrF, which counts runs of letters that are as
they should be, up to 100. The baseline is the translation of the most similar name it learnt from.
Data: names from Unicode's CLDR (Unicode-3.0) of the emoji that OpenMoji draws.
"""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

import tinygrad_rnn as tg
from tinygrad_rnn import data, decode, nn, optim, plot

START, END, IGNORED, E, H = 0, 1, -100, 64, 96
rng = np.random.default_rng(0)
table = data.source("openmoji").read()
names = [(e, k) for e, k in zip(table["english"], table["korean"], strict=True) if len(k) < 15]
rng.shuffle(names)
english, korean = zip(*names[400:], strict=True)
words = data.WordTokenizer(lowercase=True).fit(english)
letters = data.CharacterTokenizer().fit(korean, specials=["<start>", "<end>"])
met = [(e, k) for e, k in names[:400] if set(words.split(e)) <= set(words.vocabulary.tokens)]
asked, wanted = zip(*((e, k) for e, k in met if len(words.split(e)) > 1), strict=True)
source = data.pad([words.encode(e) for e in english])
inputs = data.pad([[START, *letters.encode(k)] for k in korean]).values
targets = data.pad([[*letters.encode(k), END] for k in korean], IGNORED).values

encoder = nn.Encoder(nn.Embedding(words.size, E, seed=1), nn.GRU(E, H, bidirectional=True, seed=2))
cell, attention = nn.GRUCell(E + 2 * H, H, seed=3), nn.AdditiveAttention(H, 2 * H, H, seed=4)
output = nn.Sequential(nn.Dropout(0.2, seed=5), nn.Linear(H + 2 * H, letters.size, seed=6))
decoder = nn.Decoder(nn.Embedding(letters.size, E, seed=7), cell, output, attention)
bridge = nn.Sequential(nn.Linear(2 * H, H, seed=8), tg.tanh)
model = nn.EncoderDecoder(encoder, decoder, bridge)
adam = optim.AdamW(model.parameters(), lr=1.5e-2)
schedule = optim.OneCycleLR(adam, max_lr=1.5e-2, total_steps=400)
for b in rng.integers(len(korean), size=(400, 64)):
    scores = model(source.values[:, b], inputs[:, b], source.lengths[b])
    adam.zero_grad()
    tg.cross_entropy(scores, targets[:, b], ignore_index=IGNORED, label_smoothing=0.1).backward()
    adam.step()
    schedule.step()

model.eval()
source = data.pad([words.encode(e) for e in asked], length=len(source.values))
ids = model.generate(source.values, start=START, end=END, length=16, lengths=source.lengths)
written = [letters.decode(np.array(text, int)) for text in ids]
tfidf = TfidfVectorizer().fit(english)
nearest = (tfidf.transform(asked) @ tfidf.transform(english).T).toarray().argmax(axis=1)
score, baseline = (decode.chrf(t, wanted).value for t in (written, [korean[i] for i in nearest]))
for e, k, w in list(zip(asked, wanted, written, strict=True))[:12]:
    print(f"{e}: {w}" + f" (should be {k})" * (w != k))
print(f"chrF of {len(asked)} names: attention {score:.1f}, most similar name {baseline:.1f}")

n = max(range(len(asked)), key=lambda n: (written[n] == wanted[n], source.lengths[n]))
read = np.array([[START, *ids[n][:-1]]]).T
weights = model.alignment(source.values[:, [n]], read, source.lengths[[n]])[:, 0]
figure = plot.attention_map(weights[:, : source.lengths[n]].data, words.split(asked[n]), written[n])
