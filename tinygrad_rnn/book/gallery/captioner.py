"""What a handwritten number is called in Korean, letter by letter: 321 is 삼백이십일.

A network looks at the picture once, and a GRU says the name, which is as long as it is. The score
is the share of names without a mistake, by other hands; the baseline, of the nearest picture's.
Data: digits of 8 × 8 points, from the UCI repository by way of scikit-learn (CC-BY-4.0).
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim, plot

digits, rng, START, END = data.source("digits").read(), np.random.default_rng(0), 0, 1
letters = data.CharacterTokenizer().fit(["영일이삼사오육칠팔구십백"], specials=["<start>", "<end>"])


def name(number):
    places = [(int(number) // n % 10, unit) for n, unit in ((100, "백"), (10, "십"), (1, ""))]
    # One hundred is 백, not 일백; of a zero nothing is said.
    said = ("일이삼사오육칠팔구"[d - 1] * (d > 1 or not unit) + unit for d, unit in places if d)
    return "".join(said) or "영"


def numbers(hands, count):
    chosen = rng.choice(hands, (count, 3))
    pictures = digits["image"][chosen].transpose(0, 2, 1, 3).reshape(1, count, 192)
    names = np.array([name(number) for number in digits["label"][chosen] @ [100, 10, 1]])
    return pictures.astype("float32") / 16, names


class Eye(nn.Module):
    def __init__(self):
        self.near, self.far = nn.Linear(192, 256, seed=0), nn.Linear(256, 128, seed=1)

    def forward(self, pictures, lengths=None):  # (1, B, 192): where a text has many steps, one
        return None, tg.tanh(self.far(tg.relu(self.near(pictures[0]))))


embedding, output = nn.Embedding(letters.size, 32, seed=2), nn.Linear(128, letters.size, seed=4)
model = nn.EncoderDecoder(Eye(), nn.Decoder(embedding, nn.GRUCell(32, 128, seed=3), output))
hands, others = np.split(rng.permutation(len(digits["label"])), [1400])
adam = optim.Adam(model.parameters(), lr=4e-3)
for _ in range(500):
    pictures, names = numbers(hands, 64)
    ids = data.pad([[START, *letters.encode(n), END] for n in names], END).values
    adam.zero_grad()
    with tg.compiled():  # however short the names are
        tg.cross_entropy(model(pictures, ids[:-1]), ids[1:]).backward()
    adam.step()

(test, truth), ((known,), called) = numbers(others, 1000), numbers(hands, 20_000)
said = np.array([letters.decode(i) for i in model.generate(test, start=START, end=END, length=6)])
near = ((known**2).sum(axis=1) - 2 * test[0] @ known.T).argmin(axis=1)
score, baseline = (float(np.mean(names == truth)) for names in (said, called[near]))
print(f"right: network {score:.1%}, nearest of 20,000 pictures {baseline:.1%}")

film = np.hstack(test[0, :4].reshape(4, 8, 24))
figure = plot.matrix_heatmap(film, columns="".join(f"{' '.join(w):^24}" for w in said[:4]))
figure.axes[0].set_aspect("equal")
