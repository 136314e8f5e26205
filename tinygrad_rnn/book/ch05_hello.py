# %% [markdown]
# # `hello`: a character language model
#
# What must be remembered to tell `l` from `o`?

# %%
import bz2
import gzip
import lzma
import re
import tempfile
from textwrap import fill

from tinygrad_rnn import plot, train
from tinygrad_rnn.book import Chapter, Within
from tinygrad_rnn.data import python_docs
from tinygrad_rnn.plot.curves import label_ends, titled
from tinygrad_rnn.plot.heatmaps import SQUARE, draw_cells
from tinygrad_rnn.plot.notation import number
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.train.blas import blas_threads

docs = python_docs()
chapter = Chapter(
    5,
    title="`hello`: a character language model",
    question="What must be remembered to tell `l` from `o`?",
    seed=0,
    prerequisites=[3, 4],
    data=[docs, "the word hello"],
)

# %%
# --8<-- [start:imports]
import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim
from tinygrad_rnn.decode import Sampler, generate

# --8<-- [end:imports]

# --8<-- [start:data]
letters = data.Vocabulary("helo")
ids = letters.encode("hello")
inputs, targets = ids[:-1], ids[1:]
xs = data.one_hot(inputs, len(letters), dtype="float64")
# --8<-- [end:data]

NAMES = list("helo")


# %%
def cells(axes, matrix, *, limit, rows=(), columns=(), title="", decimals=None):
    """A matrix as a part of a figure: ink for its values, and each value in its cell."""
    axes.grid(False)
    axes.spines[:].set_visible(False)
    draw_cells(axes, matrix, limit, 0.4)
    for (i, j), value in np.ndenumerate(matrix):
        text = number(value) if decimals is None else fixed(value, decimals)
        axes.text(j, i, text, size=9, ha="center", va="center")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(axis="both", length=0)
    axes.set_title(title or " ", fontsize=9)


def fixed(value, decimals):
    """A number with so many decimals, and no minus before a zero."""
    text = f"{value:.{decimals}f}"
    return text.replace("-", "" if float(text) == 0 else "−")


# %% [markdown]
# ## A table of pairs
#
# How often does which letter follow which?

# %%
with chapter.output("pairs"):
    # --8<-- [start:pairs]
    counts = np.zeros((4, 4))
    np.add.at(counts, (inputs, targets), 1)
    table = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    bits = np.log2(1 / table[inputs, targets])
    print("bits:", *bits, " mean:", bits.mean())
    # --8<-- [end:pairs]
pair_bits = float(bits.mean())


def draw_table(data):
    figure = plot.new_figure(6.6, 2.3)
    titles = {"counts": "how often", "table": "share of each next letter"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        cells(axes, data[name], limit=1.0, rows=NAMES, columns=NAMES, title=title)
    return figure


chapter.figure(
    "table",
    draw_table,
    data={"counts": counts, "table": table},
    alt="Two tables of four rows and four columns: counts, and shares of their rows. After h comes "
    "e, after e comes l, both always. After l comes l once and o once, a half each. The row of o "
    "is empty.",
    caption="All that a table of pairs knows of `hello`: the next letter, above, by the letter "
    "before it, at the left. Its third row is a coin toss.",
)

# %% [markdown]
# ## Thirty-three numbers


# %%
# --8<-- [start:network]
class Hello(nn.Module):
    """h_t = tanh(W_xh x_t + W_hh h_{t-1}),  z_t = W_hy h_t."""

    def __init__(self, hidden=3, seed=0):
        rng = np.random.default_rng(seed)
        self.W_xh = nn.Parameter(rng.normal(0, 0.5, (hidden, 4)))
        self.W_hh = nn.Parameter(rng.normal(0, 0.5, (hidden, hidden)))
        self.W_hy = nn.Parameter(rng.normal(0, 0.5, (4, hidden)))

    def step(self, h, x):
        h = tg.tanh(self.W_xh @ x + self.W_hh @ h)
        return h, (h, self.W_hy @ h)

    def forward(self, xs):
        start = tg.tensor(np.zeros(len(self.W_hh)))
        _, (h, z) = tg.scan(self.step, start, xs)
        return h, z  # (T, H) and (T, V)


# --8<-- [end:network]

# %%
with chapter.output("start"):
    # --8<-- [start:start]
    net = Hello()
    h, z = net(xs)
    p = tg.softmax(z)
    loss = tg.cross_entropy(z, targets)

    for t, letter in enumerate("hell"):
        wanted = p.numpy()[t, targets[t]]
        print(f"{letter} -> {'hello'[t + 1]}   p = {wanted:.3f}   -ln p = {-np.log(wanted):.3f}")
    print(f"loss, their mean     {loss.item():.3f}")
    # --8<-- [end:start]
start_loss = loss.item()

rows = [
    [f"${tex}$", shape, str(tensor.dtype), words]
    for tex, shape, tensor, words in [
        ("x_1, \\dots, x_T", "(T, V) = (4, 4)", xs, "letters `h e l l`, one-hot"),
        ("t_1, \\dots, t_T", "(T,) = (4,)", targets, "next letters `e l l o`, as ids"),
        ("W_{xh}", "(H, V) = (3, 4)", net.W_xh, "one column for each letter"),
        ("W_{hh}", "(H, H) = (3, 3)", net.W_hh, "from state to state: the memory"),
        ("W_{hy}", "(V, H) = (4, 3)", net.W_hy, "one row for each letter's score"),
        ("h_t", "(H,) = (3,)", h, "state, starts at $h_0 = 0$"),
        ("z_t", "(V,) = (4,)", z, "scores, or logits"),
        ("p_t", "(V,) = (4,)", p, "probabilities of the next letter"),
        (r"\ell_t", "( )", loss, r"surprise, $-\ln p_t$ of the next letter"),
    ]
]
chapter.table("shapes", ["tensor", "shape", "dtype", "what it is"], rows)

# %% [markdown]
# ## From scores to a loss, and back


# %% tags=["record"]
def surprise(z, t):
    r"""Prediction minus target.

    Derivation:
        1. Two letters. Only the difference of their scores counts, $d = z_1 - z_2$, because
           $p_1 = e^{z_1} / (e^{z_1} + e^{z_2}) = 1 / (1 + e^{-d})$. If letter 1 comes, the
           surprise is $\ell = -\ln p_1 = \ln(1 + e^{-d})$. Its slope is what was predicted for
           letter 1, minus what it should have been:
           $$\frac{d\ell}{dd} = \frac{-e^{-d}}{1 + e^{-d}} = -(1 - p_1) = p_1 - 1.$$
        2. Many letters. With $S = \sum_k e^{z_k}$ the surprise at letter $t$ is
           $\ell = -\ln (e^{z_t} / S) = \ln S - z_t$. One score $z_k$ enters $S$ once, and is $z_t$
           or is not:
           $$\frac{\partial \ell}{\partial z_k} = \frac{e^{z_k}}{S} - [k = t] = p_k - [k = t].$$
        3. All scores at once. Write the target as a one-hot vector $y$, which holds $[k = t]$ in
           place $k$:
           $$\bar z = \bar \ell\,(p - y).$$
        4. Both $p$ and $y$ sum to 1, so the elements of $\bar z$ sum to 0: what a step downhill
           adds to the score of the right letter, it takes from the others, in proportion to what
           they had.
        5. Many steps. The loss is the mean of $T$ surprises, each with a share of $1/T$:
           $$L = \frac1T \sum_t \ell_t, \qquad \bar z_t = \frac{p_t - y_t}{T}.$$
        6. Further back nothing is new. $z_t = W_{hy} h_t$ hands on
           $W_{hy}^\top \bar z_t$ to the state and adds up
           $\bar W_{hy} = \sum_t \bar z_t h_t^\top$; from there chapter 4's recursion takes over.
    """
    return tg.logsumexp(z) - z[t]


chapter.derivation(surprise, z.numpy()[0], using=lambda z: surprise(z, 1))
chapter.derivation(tg.softmax)
chapter.derivation(tg.cross_entropy)

# %%
with chapter.output("adjoint"):
    # --8<-- [start:adjoint]
    h, z = net(xs)
    z.retain_grad()
    tg.cross_entropy(z, targets).backward()

    p = tg.softmax(z).numpy()
    y = data.one_hot(targets, 4)
    assert np.allclose(z.grad.numpy(), (p - y) / len(targets))
    print(np.round(p - y, 2))
    # --8<-- [end:adjoint]
adjoint_error = float(np.abs(z.grad.numpy() - (p - y) / 4).max())

# %% [markdown]
# ## Learning


# %%
# --8<-- [start:descend]
def descend(net, xs, targets, steps=400, rate=0.5):
    optimizer = optim.SGD(net.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        _, z = net(xs)
        loss = tg.cross_entropy(z, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# --8<-- [end:descend]


# --8<-- [start:forgetful]
class Forgetful(Hello):
    """The same, but it sees the letter alone."""

    def step(self, h, x):
        return super().step(0 * h, x)


# --8<-- [end:forgetful]


# %%
def ledger(net):
    """All that the network computes on the way to its loss, a column for each step."""
    h, z = net(xs)
    p = tg.softmax(z).numpy()
    columns = {"x": xs, "h": h.numpy(), "z": z.numpy(), "p": p, "gradient": p - y}
    found = {name: rows.T for name, rows in columns.items()}
    return found | {"surprise": -np.log(p[np.arange(4), targets])[None]}


before = ledger(net)
weights_before = {name: value.numpy().copy() for name, value in net.named_parameters()}

# %%
with chapter.output("after"):
    # --8<-- [start:after]
    losses = descend(net, xs, targets)
    h, z = net(xs)
    print("next letters:", *letters.decode(z.numpy().argmax(axis=1)))
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} nats")
    # --8<-- [end:after]
forgetful = Forgetful()
forgetful_losses = descend(forgetful, xs, targets)
hello_bits = losses[-1] / math.log(2)
chapter.metric("hello_bits", hello_bits, band=Within(1e-3), unit="bits")
least = float(min(forgetful_losses)) / math.log(2)
chapter.metric("memoryless_bits", least, band=Within(1e-3), unit="bits")

# %%
UNITS = ["h₁", "h₂", "h₃"]
BLOCKS = [  # name, title, names of the rows, value of full ink
    ("x", "input x, one-hot", NAMES, 1.0),
    ("h", "state h = tanh(W_xh x + W_hh h before)", UNITS, 1.0),
    ("z", "scores z = W_hy h", NAMES, 6.0),
    ("p", "probabilities p = softmax z", NAMES, 1.0),
    ("surprise", "surprise −ln p of the right letter", ["ℓ"], 2.0),
    ("gradient", "gradient p − y", NAMES, 1.0),
]


def draw_ledger(data):
    figure = plot.new_figure(7.0, 9.6)
    heights = [len(names) for _, _, names, _ in BLOCKS]
    grid = figure.subplots(len(BLOCKS), 2, gridspec_kw={"height_ratios": heights})
    for column, when in enumerate(("before", "after")):
        for axes, (name, title, names, limit) in zip(grid[:, column], BLOCKS, strict=True):
            left = {"rows": names, "title": title} if column == 0 else {}
            steps = ["h → e", "e → l", "l → l", "l → o"] if name == "x" else []
            cells(axes, data[when][name], limit=limit, columns=steps, decimals=2, **left)
            if name in ("p", "gradient"):
                outline(axes, enumerate(data["targets"]))
        heading = {"before": "before training", "after": "after 400 steps"}[when]
        grid[0, column].set_title(heading, loc="right", fontsize=10, color=LIGHT.cotangent)
    return figure


def outline(axes, places):
    """A frame around the right letter's cells."""
    for j, i in places:
        corners = SQUARE[:, ::-1] * 0.94 + (j, i)
        axes.plot(*corners.T, color=LIGHT.ink, linewidth=1.1)


chapter.figure(
    "ledger",
    draw_ledger,
    data={"targets": targets, "before": before, "after": ledger(net)},
    band={"before": Within(1e-4), "after": Within(5e-3)},
    alt="Two columns of small tables, before and after training; in each, four steps from left to "
    "right. Before training all probabilities lie between 0.17 and 0.35. After it those of the "
    "right letters, which are framed, are 0.99 and more, and the surprises are near 0. The third "
    "and the fourth step, whose inputs are both l, then have very different states.",
    caption="Every number between the word and its loss. Blue is positive, ochre negative; the "
    "right letter is framed. The two rightmost inputs of each half are the same letter.",
)


# %%
def draw_weights(data):
    figure = plot.new_figure(7.0, 4.4)
    names = {"W_xh": (UNITS, NAMES), "W_hh": (UNITS, UNITS), "W_hy": (NAMES, UNITS)}
    grid = figure.subplots(2, 3, gridspec_kw={"width_ratios": [4, 3, 3]})
    for line, when in zip(grid, ("before", "after"), strict=True):
        for axes, (name, (rows, columns)) in zip(line, names.items(), strict=True):
            options = {"rows": rows, "columns": columns, "title": f"{name}, {when}"}
            cells(axes, data[when][name], limit=4.0, decimals=2, **options)
    return figure


chapter.figure(
    "weights",
    draw_weights,
    data={
        "before": weights_before,
        "after": {name: value.numpy() for name, value in net.named_parameters()},
    },
    band={"before": Within(1e-6), "after": Within(1e-2)},
    alt="The three weight matrices before and after training, 33 numbers each time. Most have "
    "grown; the column of o in the first one has not changed.",
    caption="The 33 numbers that are learnt, before and after. The memory is the matrix in the "
    "middle: nine numbers.",
)


# %%
def draw_memory(data):
    figure = plot.new_figure(6.4, 3.2)
    axes = titled(figure, "loss in bits per letter", "step of training")
    floor = data["floor"]
    axes.axhline(floor, color=LIGHT.muted, linewidth=1.0, linestyle=(0, (2, 2)))
    labels = [(f"pair table {floor:.1f}", floor - 0.09, LIGHT.muted)]
    ends = [("without memory", "forgetful", LIGHT.cotangent, (0, (6, 2)))]
    ends += [("with memory", "remembering", LIGHT.value, "-")]
    for name, key, colour, dash in ends:
        axes.plot(data[key], color=colour, linestyle=dash)
        place = data[key][-1] + (0.06 if key == "forgetful" else 0.0)
        labels.append((name, place, colour))
    axes.set_xlim(0, len(data["remembering"]) - 1)
    axes.set_ylim(0, None)
    label_ends(axes, labels)
    return figure


chapter.figure(
    "memory",
    draw_memory,
    data={
        "remembering": np.array(losses[:200]) / math.log(2),
        "forgetful": np.array(forgetful_losses[:200]) / math.log(2),
        "floor": pair_bits,
    },
    band=Within(2e-3),
    alt="Two losses over 200 steps of training. The network without memory comes down to half a "
    "bit, the pair table's loss, and stays there. The one with memory passes that line after "
    "some 20 steps and goes on towards zero.",
    caption="The same 33 numbers and the same start. Without the product with $h_{t-1}$ the loss "
    "stops where the table of pairs stopped.",
)

# %% [markdown]
# ## What was remembered

# %%
with chapter.output("remembered"):
    # --8<-- [start:remembered]
    first, second = h.numpy()[2], h.numpy()[3]
    print("after hel ", np.round(first, 2))
    print("after hell", np.round(second, 2))
    swing = net.W_hy.numpy() @ (second - first)
    print("scores change by", dict(zip("helo", swing.round(1).tolist(), strict=True)))
    # --8<-- [end:remembered]

# %% [markdown]
# ## Letting it speak


# %%
# --8<-- [start:speak]
def speak(net, start, length, sampler, rng):
    def step(h, letter):
        with tg.no_grad():
            h, (_, z) = net.step(h, data.one_hot(np.array(letter), 4, dtype="float64"))
        return h, z.numpy()

    silence = tg.tensor(np.zeros(len(net.W_hh)))
    drawn = generate(step, silence, letters.encode(start), length, sampler, rng)
    return start + "".join(letters.decode(list(drawn)))


# --8<-- [end:speak]

# %%
with chapter.output("spoken"):
    # --8<-- [start:spoken]
    rng = np.random.default_rng(0)
    for name, speaker in (("untrained", Hello()), ("trained", net)):
        print(f"{name:9}", *(speak(speaker, "h", 4, Sampler(), rng) for _ in range(8)))
    # --8<-- [end:spoken]
greedy = speak(net, "h", 4, Sampler(temperature=0), rng)
onward = speak(net, "h", 12, Sampler(temperature=0), rng)
chapter.text("onward", onward)

# %% [markdown]
# ## Bits, perplexity, and the chance of a word

# %%
share = np.bincount(targets, minlength=4) / 4
nats = {
    "every letter alike": math.log(4),
    "letter counts": float(-np.log(share[targets]).mean()),
    "table of pairs": pair_bits * math.log(2),
    "network, before training": start_loss,
    "network, after": losses[-1],
}
chapter.table(
    "units",
    ["predictor", "nats", "bits", "perplexity", "$p$ of `ello` after `h`"],
    [
        [name, round(n, 4), round(n / math.log(2), 4), round(math.exp(n), 3), math.exp(-4 * n)]
        for name, n in nats.items()
    ],
    band=Within(1e-3),
)

# %% [markdown]
# ## Words instead of letters

# %%
with chapter.output("buckets"):
    # --8<-- [start:buckets]
    split = data.WordTokenizer(lowercase=True).split
    known = split("the cat sat on the mat . the dog sat on the cat .")
    words = data.Vocabulary.from_tokens(known, min_count=2, oov_buckets=2)
    print(words.tokens)

    sentence = split("The dog ate the mat.")
    print(words.encode(sentence))
    print(*words.decode(words.encode(sentence)))
    # --8<-- [end:buckets]

# --8<-- [start:split]
train_text, held_out = data.contiguous_split(docs.text, validation=0.1)
# --8<-- [end:split]

tokenizer = data.WordTokenizer(keep_space=True)
train_words, held_out_words = tokenizer.split(train_text), tokenizer.split(held_out)
characters = data.Vocabulary.from_tokens(train_text, oov_buckets=1)
all_words = data.Vocabulary.from_tokens(train_words, oov_buckets=1)
per_word = len(train_text) / len(train_words)
unseen_characters = 100 * np.mean([c not in characters for c in held_out])
unseen_words = 100 * np.mean([w not in all_words for w in held_out_words])
chapter.table(
    "models",
    ["on the documentation", "characters", "words"],
    [
        ["tokens to train on, in thousands", len(train_text) / 1e3, len(train_words) / 1e3],
        ["names in the vocabulary", float(len(characters)), float(len(all_words))],
        ["characters that a token stands for", 1.0, per_word],
        ["characters in a window of 32 tokens", 32.0, 32 * per_word],
        ["weights of the output for $H = 192$, in thousands"]
        + [193 * len(v) / 1e3 for v in (characters, all_words)],
        ["held-out tokens that were never seen, in percent", unseen_characters, unseen_words],
    ],
    band=Within(absolute=0.5, relative=0.1),
)
chapter.metric("unseen_words", float(unseen_words), band=(0.5, 5), unit="%")

# %% [markdown]
# ## Tables of n letters


# %%
# --8<-- [start:ngrams]
class Ngrams:
    """How often which token followed which context, for contexts of 0 to order - 1 tokens."""

    def __init__(self, tokens, order, size):
        self.order, self.size = order, size
        self.followers = defaultdict(Counter)
        for n in range(order):
            for i in range(n, len(tokens)):
                self.followers[tokens[i - n : i]][tokens[i]] += 1
        self.totals = {c: f.total() for c, f in self.followers.items()}

    def probability(self, context, token):
        p = 1 / self.size  # (1)!
        for n in range(len(context) + 1):
            c = context[len(context) - n :]
            if c not in self.totals:
                break
            seen, kinds = self.followers[c][token], len(self.followers[c])
            p = (seen + kinds * p) / (self.totals[c] + kinds)  # (2)!
        return p

    def bits(self, tokens, order=None):
        """The surprise of each token, given the order - 1 before it."""
        n = (order or self.order) - 1
        return np.array(
            [
                -math.log2(self.probability(tokens[max(0, i - n) : i], token))
                for i, token in enumerate(tokens)
            ]
        )


# --8<-- [end:ngrams]

# %%
ORDERS = range(1, 8)
ngrams = Ngrams(train_text, max(ORDERS), len(characters))
ngram_bits = [float(ngrams.bits(held_out, order).mean()) for order in ORDERS]
stored = [
    sum(len(f) for c, f in ngrams.followers.items() if len(c) < order) / 1e3 for order in ORDERS
]
unigram, bigram, trigram, fourgram, fivegram = ngram_bits[:5]
chapter.metric("bigram_baseline", bigram, band=Within(0.2), unit="bits")
chapter.metric("trigram_baseline", trigram, band=Within(0.2), unit="bits")
chapter.metric("fivegram_baseline", fivegram, band=Within(0.2), unit="bits")

# --8<-- [start:compressors]
packers = {
    "gzip": lambda text: gzip.compress(text, 9),
    "bz2": bz2.compress,
    "lzma": lambda text: lzma.compress(text, preset=9 | lzma.PRESET_EXTREME),
}
packed_bits = {
    name: 8 * (len(pack(docs.text.encode())) - len(pack(train_text.encode()))) / len(held_out)
    for name, pack in packers.items()
}
# --8<-- [end:compressors]
chapter.metric("bz2_bits", packed_bits["bz2"], band=Within(0.2), unit="bits")

# %% [markdown]
# ## The same text, split dishonestly

# %%
pieces = [docs.text[i : i + 250] for i in range(0, len(docs.text), 250)]
scattered = np.random.default_rng(chapter.seed).random(len(pieces)) < 0.1
leaky = Ngrams("".join(np.array(pieces)[~scattered]), 5, len(characters))
leaked = float(leaky.bits("".join(np.array(pieces)[scattered])).mean())
chapter.metric("scattered_fivegram", leaked, band=Within(0.2), unit="bits")

# %% [markdown]
# ## A perplexity that anyone can have

# %%
cheats = defaultdict(list)
for min_count in (1, 2, 3, 5, 10, 20, 50, 100, 200, 10**9):
    vocabulary = data.Vocabulary.from_tokens(train_words, min_count=min_count, oov_buckets=1)
    read, said = (tuple(vocabulary.encode(w).tolist()) for w in (train_words, held_out_words))
    word_table = Ngrams(read, 2, len(vocabulary))
    word_bits = word_table.bits(said)
    unknown = [f"\n{word} " for word in held_out_words if word not in vocabulary]
    spelling = sum(float(ngrams.bits(word, 3)[1:].sum()) for word in unknown)
    cheats["names"].append(float(len(vocabulary)))
    cheats["stored"].append(sum(map(len, word_table.followers.values())) / 1e3)
    cheats["unknown"].append(len(unknown) / len(said))
    cheats["perplexity"].append(float(2 ** word_bits.mean()))
    cheats["reported"].append(float(word_bits.sum()) / len(held_out))
    cheats["spelt"].append((float(word_bits.sum()) + spelling) / len(held_out))


def draw_cheat(data):
    figure = plot.new_figure(6.4, 3.4)
    axes = titled(figure, "bits per character of a word model", "names in the vocabulary")
    axes.set_xscale("log")
    axes.plot(data["names"], data["spelt"], color=LIGHT.value, marker="o", markersize=4)
    dashed = {"linestyle": (0, (6, 2)), "marker": "s", "markersize": 4}
    axes.plot(data["names"], data["reported"], color=LIGHT.cotangent, **dashed)
    axes.set_xlim(1, data["names"].max())
    axes.set_ylim(0, None)
    axes.minorticks_off()
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    ends = [("unknown words spelt", "spelt", LIGHT.value)]
    ends += [("bucket only", "reported", LIGHT.cotangent)]
    label_ends(axes, [(text, data[key][0], colour) for text, key, colour in ends])
    return figure


chapter.figure(
    "cheat",
    draw_cheat,
    data=cheats,
    band=Within(absolute=0.05, relative=0.1),
    alt="Two curves over the size of a word vocabulary. With one bucket for all unknown words the "
    "bits per character fall to zero as the vocabulary shrinks to nothing. With unknown words "
    "spelt out they rise from 2.2 to more than 5.",
    caption="A table of word pairs, with all words that were too rare in one bucket. From right to "
    "left the vocabulary shrinks. The dashed line is what a perplexity per word reports; the solid "
    "one also pays for spelling what is in the bucket.",
)
word_pairs = cheats["stored"][int(np.argmin(cheats["spelt"]))]
best_words = chapter.metric("spelt_words_bits", min(cheats["spelt"]), band=Within(0.2), unit="bits")
chapter.metric("words_perplexity", cheats["perplexity"][0], band=Within(relative=0.1))
chapter.metric("bucket_perplexity", cheats["perplexity"][-1], band=Within(0.01))

# %% [markdown]
# ## Reading the documentation


# %%
# --8<-- [start:say]
def say(model, prompt="The ", length=240):
    """What a model goes on with, at temperature 0.7 and always with the same dice."""
    rng = np.random.default_rng(0)
    start = vocabulary.encode(prompt)
    drawn = generate(model.step, None, start, length, Sampler(0.7), rng)
    return prompt + "".join(vocabulary.decode(list(drawn)))


# --8<-- [end:say]

samples = {}
with tempfile.TemporaryDirectory() as folder:
    # --8<-- [start:experiment]
    settings = train.Settings(steps=600, evaluate_every=100)
    experiment = train.TextExperiment(docs, settings, folder)
    vocabulary, model = experiment.vocabulary, experiment.model
    samples[0] = say(model)

    def sample(training):
        if training.step in (50, 200, 600):
            samples[training.step] = say(model)

    experiment.run(listeners=[train.Every(sample, steps=50)])
    # --8<-- [end:experiment]
    journal = train.read_journal(experiment.journal)

gru_bits = next(e["held_out_bits"] for e in reversed(journal) if "held_out_bits" in e)
gru_bits = chapter.metric("gru_bits", gru_bits, band=(1.9, 2.4), unit="bits")

# --8<-- [start:vanilla]
settings_of_4 = train.Settings(cell="rnn", steps=600, evaluate_every=600)
with tempfile.TemporaryDirectory() as folder:
    vanilla = train.TextExperiment(docs, settings_of_4, folder)
    vanilla.run()
# --8<-- [end:vanilla]
rnn_bits = chapter.metric(
    "rnn_bits", vanilla.training.best / math.log(2), band=(2.1, 2.6), unit="bits"
)

# %%
seen = {step: " ".join(text.split()) for step, text in samples.items()}
chapter.text(
    "samples",
    "\n\n".join(f"after {step} steps\n{fill(text[:190], 74)}" for step, text in seen.items()),
    exact=False,
)

lines = {"uniform": math.log2(len(vocabulary)), "bigram": bigram, "trigram": trigram}
lines |= {"5-gram": fivegram, "bz2": packed_bits["bz2"]}
chapter.figure(
    "loss",
    lambda d: plot.loss_curve(d, smoothing=0.5, baselines=d["lines"]),
    data=plot.loss_series(journal) | {"lines": lines},
    band=Within(absolute=0.4),
    alt="Training and held-out loss over 300,000 characters. Both fall below the bigram table's "
    "3.4 bits within 50,000 characters, below the trigram table's 2.6 after some 100,000, and end "
    "near 2.2, above the 5-gram table's 2.0 and bz2's 1.7.",
    caption="A GRU with 192 units reads the documentation, 600 windows of 16 × 32 characters. The "
    "dotted lines are predictors that learn nothing but counts and repetitions.",
)

# %%
names = ["characters", "pairs", "trigrams", "4-grams", "5-grams", "6-grams", "7-grams"]
rows = [["every character alike", 0.0, lines["uniform"]]]
rows += [[f"table of {n}", k, b] for n, k, b in zip(names, stored, ngram_bits, strict=True)]
rows += [["table of word pairs, unknown words spelt", word_pairs, best_words]]
rows += [["vanilla RNN, 600 steps", vanilla.model.num_parameters() / 1e3, rnn_bits]]
rows += [["GRU, 600 steps", model.num_parameters() / 1e3, gru_bits]]
chapter.table(
    "predictors",
    ["predictor", "thousands of numbers", "held-out bits", "perplexity"],
    [[name, stored, bits, 2**bits] for name, stored, bits in rows],
    band=Within(absolute=0.2, relative=0.15),
)


def draw_orders(data):
    figure = plot.new_figure(6.4, 3.6)
    axes = titled(
        figure, "held-out bits per character", "letters in an entry: those before, and the next"
    )
    axes.plot(data["order"], data["bits"], color=LIGHT.value, marker="o", markersize=4.5)
    labels = []
    for name, level in data["lines"].items():
        colour = LIGHT.cotangent if name in ("GRU", "vanilla RNN") else LIGHT.muted
        axes.axhline(level, color=colour, linewidth=1.1, linestyle=(0, (5, 2)), zorder=1)
        labels.append((f"{name} {level:.2f}", level, colour))
    axes.set_xlim(0.8, 7.2)
    axes.set_ylim(1.5, 4.9)
    label_ends(axes, labels)
    axes.annotate("tables", (1.25, 4.45), color=LIGHT.value)
    return figure


chapter.figure(
    "orders",
    draw_orders,
    data={
        "order": np.array(ORDERS),
        "bits": ngram_bits,
        "lines": {"vanilla RNN": rnn_bits, "GRU": gru_bits, **packed_bits},
    },
    band=Within(0.25),
    alt="Held-out bits of tables that look at one to seven letters: 4.7, 3.4, 2.6, 2.1, 2.0, 2.1, "
    "2.2. The best is at five. Lines mark the vanilla RNN at 2.4, the GRU and gzip at 2.2, lzma at "
    "1.8 and bz2 at 1.7.",
    caption="Longer tables help until most of what they look up was never seen. The networks store "
    "a state instead of contexts.",
)

# %% [markdown]
# ## What one unit does


# %%
# --8<-- [start:quoted]
def states(model, text):
    """The state after each character, (N, H)."""
    ids = vocabulary.encode(text)[:, None]
    with tg.no_grad():
        h, _ = model.recurrent(model.embedding(ids))
    return h.numpy()[:, 0]


def depth(text):
    """How many characters have come since the double quote opened; 0 outside of quotes."""
    since = np.zeros(len(text), int)
    for match in re.finditer(r'"[^"\n]+(\n[^"\n]+)?"', text):
        since[match.start() + 1 : match.end()] = np.arange(1, len(match[0]))
    return since


def ranking(values, inside):
    """How often one inside has the greater value than one outside; a half for a coin."""
    ranks = values.argsort(axis=0).argsort(axis=0)
    return (ranks[inside].mean(axis=0) - ranks[~inside].mean(axis=0)) / len(values) + 0.5


# --8<-- [end:quoted]

# %%
sought, found = train_text[-12_000:], held_out[:12_000]
inside, outside, deep = depth(sought) > 0, depth(found) == 0, depth(found) >= 10
skills, tracks = {}, {}
# --8<-- [start:unit]
for name, reader in (("trained", model), ("untrained", settings.model(len(vocabulary)))):
    with blas_threads(1):
        seen, fresh = states(reader, sought), states(reader, found)
    signs = np.sign(ranking(seen, inside) - 0.5)
    best = int(np.argmax(ranking(signs * seen, inside)))  # (1)!
    track = (signs * fresh)[:, best]
    skills[name] = ranking(track, ~outside)  # (2)!
    tracks[name] = track, fresh
# --8<-- [end:unit]
quote_skill = chapter.metric("quote_ranking", float(skills["trained"]), band=(0.75, 1.0))
chance_skill = chapter.metric("untrained_ranking", float(skills["untrained"]), band=(0.5, 0.85))
track, fresh = tracks["trained"]
far = deep | outside
deep_skill = chapter.metric("deep_ranking", float(ranking(track[far], deep[far])), band=(0.55, 1.0))

# %%
start = max(found.find("Dictionaries compare equal"), 0)
passage = found[start : start + 620].split("\n")[:14]
page = np.zeros((len(passage), max(map(len, passage)) + 1))
at = start
for row, line in zip(page, passage, strict=True):
    row[: len(line) + 1] = track[at : at + len(line) + 1]
    at += len(line) + 1


def draw_page(data):
    title = "one unit, character by character"
    figure = plot.matrix_heatmap(data["unit"], numbers=True, limit=1.0, title=title)
    for label in figure.axes[0].texts:
        j, i = map(round, label.get_position())
        label.set_text(data["text"][i][j : j + 1])
    return figure


chapter.figure(
    "page",
    draw_page,
    data={"unit": page, "text": passage},
    band=(-1.0, 1.0),
    alt="Fourteen lines of held-out documentation, each character on a patch as blue or ochre as "
    "one unit's state. The unit is ochre in prose and turns blue between double quotes. In code "
    "it is blue from the first double quote of a dictionary on, also between its strings.",
    caption="Text that the network never saw, coloured by one of its 192 units: blue above zero, "
    "ochre below.",
)

stretch = slice(start + 45, start + 45 + 56)
chapter.figure(
    "states",
    lambda d: plot.state_heatmap(
        d["states"], d["text"], limit=1.0, title="the quote unit, above the first fifteen"
    ),
    data={
        "states": np.column_stack([track, fresh[:, :15]])[stretch],
        "text": found[stretch],
    },
    band=(-1.0, 1.0),
    alt="Sixteen rows, one for each of sixteen units, over 56 characters. The top row is blue just "
    "between the double quotes. The other rows change from character to character, some with "
    "spaces, without a rule that meets the eye.",
    caption="The same unit in the top row, and below it the first fifteen of the layer, as they "
    "come. Most mean nothing that has a name.",
)

# %% [markdown]
# ## What breaks: targets that are not shifted


# %%
# --8<-- [start:unshifted]
class Unshifted(data.TextStream):
    def read(self):
        inputs, _ = super().read()
        return inputs, inputs


# --8<-- [end:unshifted]


# --8<-- [start:short_run]
def short_run(stream):
    """A small model after 120 steps, and how its loss fell."""
    model = train.LanguageModel(len(vocabulary), cell="rnn", hidden=64, embedding=32, seed=0)
    adam = optim.Adam(model.parameters(), lr=5e-3)
    training = train.Training(model, adam, stream, model.loss, clip=1.0)
    curve = []
    note = train.Every(lambda training: curve.append(training.loss / math.log(2)), steps=1)
    with blas_threads(1):
        train.fit(training, steps=120, listeners=[note])
    return model, np.array(curve)


# --8<-- [end:short_run]

read = vocabulary.encode(train_text)
right, right_curve = short_run(data.TextStream(read, batch=16, steps=32))
wrong, wrong_curve = short_run(Unshifted(read, batch=16, steps=32))
listened = data.TextStream(vocabulary.encode(held_out), batch=16, steps=256, keep_last=True)
with blas_threads(1):
    truth = train.evaluate(wrong, wrong.loss, listened).bits
wrong_bits = chapter.metric(
    "unshifted_training", float(wrong_curve[-10:].mean()), band=(0, 0.3), unit="bits"
)
chapter.metric("unshifted_held_out", truth, band=(7, 16), unit="bits")
chapter.text("wrong_sample", say(wrong, length=60).replace(" ", "␣"), exact=False)


def draw_wrong(data):
    figure = plot.new_figure(6.4, 3.4)
    axes = titled(figure, "training loss, bits per character", "step")
    axes.axhline(data["bz2"], color=LIGHT.muted, linewidth=1.0, linestyle=(0, (2, 2)))
    axes.plot(data["right"], color=LIGHT.value)
    axes.plot(data["wrong"], color=LIGHT.cotangent, linestyle=(0, (6, 2)))
    axes.set_xlim(0, len(data["right"]) - 1)
    axes.set_ylim(0, None)
    ends = [("shifted", data["right"][-1], LIGHT.value), ("bz2", data["bz2"], LIGHT.muted)]
    label_ends(axes, [*ends, ("not shifted", data["wrong"][-1], LIGHT.cotangent)])
    return figure


chapter.figure(
    "too_good",
    draw_wrong,
    data={"right": right_curve, "wrong": wrong_curve, "bz2": packed_bits["bz2"]},
    band=Within(absolute=0.6),
    alt="Two training losses over 120 steps. The right one falls from 6.7 to about 3 bits. The "
    "other falls to nearly zero, below the line of bz2 at 1.7, within 40 steps.",
    caption="The dashed run has a bug. Nothing about its curve looks broken, except that it is too "
    "good: it passes the best compressor within seconds.",
)

with chapter.output("guarded"):
    # --8<-- [start:guard]
    for stream in (data.TextStream(read, 16, 32), Unshifted(read, 16, 32)):
        given, wanted = stream.read()
        print(f"{type(stream).__name__:10}", np.array_equal(given[1:], wanted[:-1]))
    # --8<-- [end:guard]

# %% [markdown]
# ## Exercises
#
# Warm-up: which words can a table of pairs spell?


# %%
# --8<-- [start:spells]
def bits_without_memory(word):
    """What the best table of pairs pays per letter."""
    after, pairs = defaultdict(Counter), list(pairwise(word))
    for a, b in pairs:
        after[a][b] += 1
    chances = [after[a][b] / after[a].total() for a, b in pairs]
    return -sum(map(math.log2, chances)) / len(chances)


# --8<-- [end:spells]
with chapter.output("spelt"):
    for word in ("hello", "banana", "mississippi", "바나나", "나무나비"):
        print(f"{bits_without_memory(word) + 0:.3f} bits  {word}")

# %% [markdown]
# Core: a temperature inside the softmax.


# %%
# --8<-- [start:tempered_check]
def check_tempered(slope):
    """Compare slope(z, t, tau) with what the engine finds."""
    z = np.array([2.0, 1.0, 0.0, -1.0])
    for tau in (0.5, 1.0, 2.0):

        def surprise(z, tau=tau):
            return tg.cross_entropy(z / tau, np.array(1))

        found = tg.grad(surprise)(z).numpy()
        assert np.allclose(slope(z, 1, tau), found), f"not at {tau}"
    print("right")


# --8<-- [end:tempered_check]


# --8<-- [start:tempered]
def tempered_slope(z, t, tau):
    p = tg.softmax(z / tau)
    return (p - data.one_hot(np.array(t), len(z))) / tau


check_tempered(tempered_slope)
# --8<-- [end:tempered]

# %% [markdown]
# Core: one hidden unit.

# %%
with chapter.output("one_unit", exact=False):
    # --8<-- [start:one_unit]
    most_letters = 0
    for seed in range(4):
        small = Hello(hidden=1, seed=seed)
        loss = descend(small, xs, targets)[-1]
        said = letters.decode(small(xs)[1].numpy().argmax(axis=1))
        print(*said, f"  loss {loss:.3f}")
        most_letters = max(most_letters, len(set(said)))
    # --8<-- [end:one_unit]


# %%
# --8<-- [start:by_hand_check]
def check_by_hand(W_xh, w_hh, W_hy, b):
    """One unit: four weights in, one back, four out, four biases."""
    h = 0.0
    for letter, following in pairwise("hello"):
        h = np.tanh(W_xh["helo".index(letter)] + w_hh * h)
        said = "helo"[np.argmax(np.multiply(W_hy, h) + b)]
        print(f"{letter} -> {said}   h = {h:.2f}")
        assert said == following


# --8<-- [end:by_hand_check]

with chapter.output("by_hand"):
    # --8<-- [start:by_hand]
    check_by_hand(
        W_xh=[-3.0, 4.0, 0.2, 0.0],  # h, e, l, o
        w_hh=4.0,
        W_hy=[0.0, -20.0, 0.0, 20.0],
        b=[-20.0, 0.0, 10.0, 0.0],
    )
    # --8<-- [end:by_hand]

# %% [markdown]
# Stretch: how far can it count?


# %%
# --8<-- [start:count_check]
def spells(net, word):
    """Whether the likeliest next letter is always the right one."""
    ids = letters.encode(word)
    _, z = net(data.one_hot(ids[:-1], 4, dtype="float64"))
    return bool((z.numpy().argmax(axis=1) == ids[1:]).all())


# --8<-- [end:count_check]

with chapter.output("counted", exact=False):
    # --8<-- [start:count]
    for k in (2, 4, 6, 8):
        word = "he" + "l" * k + "o"
        ids = letters.encode(word)
        counter, seen = Hello(), data.one_hot(ids[:-1], 4, dtype="float64")
        loss = descend(counter, seen, ids[1:], steps=800)[-1]
        pairs = bits_without_memory(word) * math.log(2)
        print(f"{k} l: {spells(counter, word)!s:5}", end="  ")
        print(f"loss {loss:.3f}, of a table {pairs:.3f}")
    # --8<-- [end:count]

# %% [markdown]
# ## Claims

# %% tags=["record"]
chapter.claim(
    "Without memory, no training brings `hello` below half a bit per letter.",
    holds=least > pair_bits,
    measured=least,
    unit="bits",
)
chapter.claim(
    "With three units of memory it costs less than a fiftieth of a bit.",
    holds=hello_bits < 0.02,
    measured=hello_bits,
    unit="bits",
)
chapter.claim(
    "The likeliest letters, from `h` on, spell `hello`.",
    holds=greedy == "hello",
    measured=greedy,
)
chapter.claim(
    "The gradient that reaches the scores is $(p - y)/T$.",
    holds=adjoint_error < 1e-15,
    measured=adjoint_error,
)
chapter.claim(
    "One unit without an output bias never ranks three different letters first.",
    holds=most_letters <= 2,
    measured=most_letters,
    unit="letters",
)
bz2_bits, uniform = packed_bits["bz2"], lines["uniform"]
bucket, no_words = cheats["perplexity"][-1], cheats["spelt"][-1]
best_other = min(*ngram_bits, gru_bits, rnn_bits, best_words)
best_network = min(gru_bits, rnn_bits)
chapter.claim(
    "With every word in one bucket, a word model has perplexity 1.",
    holds=bucket < 1.001,
    measured=bucket,
)
chapter.claim(
    "If unknown words have to be spelt, that model is the worst of all.",
    holds=no_words > best_words,
    measured=no_words,
    unit="bits",
)
chapter.claim(
    "Held-out pieces that are scattered flatter a 5-gram table.",
    holds=leaked < fivegram,
    measured=fivegram - leaked,
    unit="bits",
)
chapter.claim(
    "After 600 steps the GRU beats a trigram table on held-out text.",
    holds=gru_bits < trigram,
    measured=gru_bits,
    unit="bits",
)
chapter.claim(
    "So does the vanilla RNN.",
    holds=rnn_bits < trigram,
    measured=rnn_bits,
    unit="bits",
)
chapter.claim(
    "A 5-gram table still beats them both.",
    holds=fivegram < best_network,
    measured=fivegram,
    unit="bits",
)
chapter.claim(
    "`bz2` beats every other predictor of this chapter.",
    holds=bz2_bits < best_other,
    measured=bz2_bits,
    unit="bits",
)
chapter.claim(
    "Training gives a unit that tells quoted characters from others better than any unit did "
    "before.",
    holds=quote_skill > chance_skill,
    measured=quote_skill,
)
chapter.claim(
    "With targets that are not shifted, the training loss falls below what `bz2` needs.",
    holds=wrong_bits < bz2_bits,
    measured=wrong_bits,
    unit="bits",
)
chapter.claim(
    "That network predicts the next character worse than one that knows nothing.",
    holds=truth > uniform,
    measured=truth,
    unit="bits",
)
