"""Which way a handwritten digit goes, said at every frame of a film.

It wanders, turns or rests as it likes, and bounces off the edges; no frame shows where it was. So
convolutions look, and a GRU remembers. The score is the share of right answers, of nine, on
digits by other hands; the baseline is the same network, trained alike, but reset at every frame.
Data: digits of 8 × 8 points, from the UCI repository by way of scikit-learn (CC-BY-4.0).
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim, plot

T, SIDE, WAYS = 12, 16, "↖↑↗←•→↙↓↘"  # a step (dy, dx) has the number 3 dy + dx + 4
digits = data.source("digits").read()["image"].astype("float32") / 16


def films(digits, rng):
    frames, ways = np.zeros((T, B := len(digits), 1, SIDE, SIDE), "float32"), np.zeros((T, B), int)
    place, step = rng.integers(0, SIDE - 7, (B, 2)), rng.integers(-1, 2, (B, 2))
    for t in range(T):
        step = np.where(rng.random((B, 1)) < 0.3, rng.integers(-1, 2, (B, 2)), step)
        step = np.where((place + step < 0) | (place + step > SIDE - 8), -step, step)
        place, ways[t] = place + step, step @ [3, 1] + 4
        for b, (y, x) in enumerate(place):
            frames[t, b, 0, y : y + 8, x : x + 8] = digits[b]
    return frames, ways[1:]  # of the first frame nobody can know


class Watcher(nn.Module):
    def __init__(self):
        near, far = (nn.Conv2d(c, 8, 3, stride=2, padding=1, seed=c) for c in (1, 8))
        self.eye = nn.TimeDistributed(nn.Sequential(near, tg.relu, far, tg.relu))
        self.memory, self.answer = nn.GRU(128, 64, seed=2), nn.Linear(64, len(WAYS), seed=3)

    def forward(self, frames, forgetful):
        seen, reset = tg.flatten(self.eye(frames), 2), np.full(frames.shape[:2], forgetful)
        return self.answer(self.memory(seen, reset=reset)[0])[1:]


(test, truth), said = films(digits[1400:], np.random.default_rng(0)), []
for forgetful in (False, True):
    model, rng = Watcher(), np.random.default_rng(1)
    adam = optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(200):
        frames, ways = films(digits[rng.integers(1400, size=32)], rng)
        adam.zero_grad()
        tg.cross_entropy(model(frames, forgetful), ways).backward()
        adam.step()
    with tg.no_grad():
        said.append(model(test, forgetful).numpy().argmax(axis=-1))
score, baseline = (float(np.mean(ways == truth)) for ways in said)
print(f"right: with memory {score:.1%}, without {baseline:.1%}")

film = np.hstack([*np.pad(test[:, 0, 0], ((0, 0), (0, 0), (0, 1)), constant_values=-0.5)])
answers = "?" + "".join(WAYS[way] for way in said[0][:, 0])
figure = plot.matrix_heatmap(film, columns="".join(f"{way:^{SIDE + 1}}" for way in answers))
figure.axes[0].set_aspect("equal")
figure.set_size_inches(9, 1.2)
