"""Whether a critic liked a film, from one sentence.

A GRU in both directions reads it and gives each word a rating; the mean is that of the sentence. It
learns from mean ratings of twenty people, from -4 to 4. Its rival is what one tries first, TF-IDF
with logistic regression on liked or not. The score is the share of held-out sentences on the right
side of zero. Ridge regression on the ratings comes closer. Data: VADER's film snippets (MIT).
"""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim, plot

snippets = data.source("movie-snippets").read()
order = np.random.default_rng(0).permutation(len(snippets["text"]))
texts, ratings = [snippets["text"][i] for i in order], snippets["score"][order]
known, held_out, liked = slice(2000, None), slice(2000), ratings > 0
words = data.WordTokenizer(lowercase=True).fit(texts[known], min_count=2, oov_buckets=1)
ids = [*map(words.encode, texts)]


class Critic(nn.Module):
    def __init__(self, E=64, H=64):
        self.embedding = nn.Embedding(words.size, E)
        nn.init.normal_(self.embedding.weight, std=0.1, seed=1)  # a rare word should say little
        self.gru = nn.GRU(E, H, bidirectional=True, seed=2)
        self.rating, self.dropout = nn.Linear(2 * H, 1, seed=3), nn.Dropout(0.5, seed=4)

    def forward(self, batch):
        h, _ = self.gru(self.dropout(self.embedding(batch.values)), lengths=batch.lengths)
        by_word = self.rating(self.dropout(h))
        return nn.GlobalAvgPool()(by_word, lengths=batch.lengths)[:, 0], by_word[..., 0]


critic = Critic()
adam = optim.Adam(critic.parameters(), lr=5e-3)
batches = data.BucketedBatches([len(sentence) for sentence in ids[known]], batch=64)
for _ in range(4 * len(batches)):  # four epochs
    chosen = batches.read()
    adam.zero_grad()
    tg.mse(critic(data.pad([ids[known][i] for i in chosen]))[0], ratings[known][chosen]).backward()
    adam.step()

critic.eval()
predicted, by_word = (y.data for y in critic(data.pad(ids[held_out])))
rights = [np.mean((predicted > 0) == liked[held_out])]
for model, y in ((LogisticRegression(), liked), (Ridge(), ratings)):
    linear = make_pipeline(TfidfVectorizer(), model).fit(texts[known], y[known])
    rights.append(np.mean((linear.predict(texts[held_out]) > 0) == liked[held_out]))
score, baseline, ridge = map(float, rights)
print(f"right: GRU {score:.1%}, logistic regression {baseline:.1%}, ridge {ridge:.1%}")
best = np.argsort(predicted)[[0, 1, 2, -3, -2, -1]]
shown = {i: words.split(texts[i]) for i in best}
ink = [by_word[t, i] for i, s in shown.items() for t, word in enumerate(s) for _ in word + " "]
text = "".join(" ".join(sentence) + "\n" for sentence in shown.values())
figure = plot.text_heatmap(ink, text, title="what each word adds to the rating")
