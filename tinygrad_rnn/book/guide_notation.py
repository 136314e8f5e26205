# %% [markdown]
# # Notation
#
# Which letter means what, and in whose book?

# %%
import numpy as np

# --8<-- [start:import]
import tinygrad_rnn as tg

# --8<-- [end:import]
from tinygrad_rnn import nn
from tinygrad_rnn.book import Chapter

chapter = Chapter(
    "notation",
    title="Notation",
    question="Which letter means what, and in whose book?",
    seed=0,
    data=["weights and inputs that the script draws"],
)
rng = np.random.default_rng(chapter.seed)
ROUNDING = (0.0, 1e-12)  # where two ways of writing the same float64 sum may land


def apart(a, b):
    """The largest difference, at least the spacing of the numbers around 1."""
    return float(max(np.abs(np.subtract(a, b)).max(), np.finfo(float).eps))


# %%
with chapter.output("gradients"):
    # --8<-- [start:cell]
    w = tg.tensor(0.5, requires_grad=True, name="w")
    u = tg.tensor(1.0, requires_grad=True, name="u")

    def cell(h, x):
        h = tg.tanh(w * h + u * x)
        return h, h

    h, hs = tg.scan(cell, tg.tensor(0.4, name="h_0"), tg.tensor([1.0, -1.0]))
    drawing = tg.plot.graph(h, shares=True)

    h.backward()
    print(f"dh/dw = {w.grad.item():.3f}, dh/du = {u.grad.item():.3f}")
    # --8<-- [end:cell]

# %%
chapter.figure(
    "steps",
    lambda data: drawing,
    alt="Two steps of a recurrent cell as a graph. The weight w enters a product in both steps; "
    "what flows back along its two arrows, 0.0442 and 0.604, adds up to the 0.648 below it. For "
    "u the two are 0.11 and −0.724, together −0.614.",
    caption="Two steps, drawn from the running program. Values in blue go right, cotangents in "
    "vermilion come back. Both steps use the same $w$ and $u$, and what comes back to each is "
    "*added*.",
)

# %%
# --8<-- [start:stacked]
W_xh, W_hh = rng.normal(size=(4, 3)), rng.normal(size=(4, 4))
x, h = rng.normal(size=3), rng.normal(size=4)

W = np.hstack([W_hh, W_xh])  # in the order of [h, x]
together = W @ np.concatenate([h, x])
separately = W_hh @ h + W_xh @ x
# --8<-- [end:stacked]
stacked_error = chapter.metric("stacked_error", apart(together, separately), band=ROUNDING)

# %%
H = 4
lstm = nn.LSTMCell(3, H, dtype="float64", seed=rng)
gru = nn.GRUCell(3, H, dtype="float64", seed=rng)
x, c = rng.normal(size=(5, 3)), rng.normal(size=(5, H))
h = np.tanh(c)


# --8<-- [start:keras_lstm]
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def keras_lstm(x, h, c, kernel, recurrent_kernel, bias):
    """One step of Keras's LSTM; its blocks are i, f, c, o."""
    a = x @ kernel + h @ recurrent_kernel + bias
    i, f, candidate, o = np.split(a, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(c), c


# --8<-- [end:keras_lstm]


# --8<-- [start:lstm_to_keras]
def lstm_to_keras(state):
    """From weights by PyTorch's names to Keras's list: transpose, and add the biases."""
    bias = state["bias_ih"] + state["bias_hh"]
    return [state["weight_ih"].T, state["weight_hh"].T, bias]


def lstm_from_keras(kernel, recurrent_kernel, bias):
    """The way back: Keras's one bias becomes the first of two."""
    return {
        "weight_ih": kernel.T,
        "weight_hh": recurrent_kernel.T,
        "bias_ih": bias,
        "bias_hh": np.zeros_like(bias),
    }


# --8<-- [end:lstm_to_keras]

ours = lstm(x, (h, c))
theirs = keras_lstm(x, h, c, *lstm_to_keras(lstm.state_dict()))
back = nn.LSTMCell(3, H, dtype="float64")
back.load_state_dict(lstm_from_keras(*lstm_to_keras(lstm.state_dict())))
lstm_error = chapter.metric(
    "lstm_error",
    max(apart(a, b) for pair in (theirs, back(x, (h, c))) for a, b in zip(ours, pair, strict=True)),
    band=ROUNDING,
)


# %%
# --8<-- [start:keras_gru]
def keras_gru(x, h, kernel, recurrent_kernel, bias):
    """One step of Keras's GRU with reset_after=True; its blocks are z, r, h."""
    x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3, axis=-1)
    h_z, h_r, h_h = np.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    return z * h + (1 - z) * np.tanh(x_h + r * h_h)


# --8<-- [end:keras_gru]


# --8<-- [start:gru_to_keras]
def first_two_swapped(rows):
    """Blocks r, z, n as z, r, n, or the reverse."""
    r, z, n = np.split(rows, 3)
    return np.concatenate([z, r, n])


def gru_to_keras(state):
    """From weights by PyTorch's names to Keras's list; both biases stay."""
    swapped = {name: first_two_swapped(rows) for name, rows in state.items()}
    bias = np.stack([swapped["bias_ih"], swapped["bias_hh"]])
    return [swapped["weight_ih"].T, swapped["weight_hh"].T, bias]


def gru_from_keras(kernel, recurrent_kernel, bias):
    """The way back."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    rows = (kernel.T, recurrent_kernel.T, *bias)
    return dict(zip(names, map(first_two_swapped, rows), strict=True))


# --8<-- [end:gru_to_keras]

ours = gru(x, h)
back = nn.GRUCell(3, H, dtype="float64")
back.load_state_dict(gru_from_keras(*gru_to_keras(gru.state_dict())))
gru_error = chapter.metric(
    "gru_error",
    max(apart(ours, keras_gru(x, h, *gru_to_keras(gru.state_dict()))), apart(ours, back(x, h))),
    band=ROUNDING,
)


# %%
# --8<-- [start:both]
state = gru.state_dict()
after = nn.GRUCell(3, H, dtype="float64")
before = nn.GRUCell(3, H, reset_after=False, dtype="float64")
for each in (after, before):
    each.load_state_dict(state)
# --8<-- [end:both]
reset_gap = chapter.metric("reset_gap", apart(after(x, h), before(x, h)), band=(0.003, 1.0))

# --8<-- [start:diagonal]
diagonal = {name: rows.copy() for name, rows in state.items()}
diagonal["weight_hh"][2 * H :] *= np.eye(H)  # W_n
diagonal["bias_hh"][2 * H :] = 0  # b_n
# --8<-- [end:diagonal]
for each in (after, before):
    each.load_state_dict(diagonal)
diagonal_error = chapter.metric("diagonal_error", apart(after(x, h), before(x, h)), band=ROUNDING)
before.load_state_dict(state)


# %%
# --8<-- [start:keras_before]
def keras_gru_before(x, h, kernel, recurrent_kernel, bias):
    """One step of Keras's GRU with reset_after=False."""
    x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=-1)
    U_z, U_r, U_h = np.split(recurrent_kernel, 3, axis=-1)
    z, r = sigmoid(x_z + h @ U_z), sigmoid(x_r + h @ U_r)
    return z * h + (1 - z) * np.tanh(x_h + (r * h) @ U_h)


def gru_before_to_keras(state):
    """Here the biases may be added."""
    kernel, recurrent_kernel, bias = gru_to_keras(state)
    return [kernel, recurrent_kernel, bias.sum(axis=0)]


# --8<-- [end:keras_before]
before_error = chapter.metric(
    "before_error",
    apart(before(x, h), keras_gru_before(x, h, *gru_before_to_keras(state))),
    band=ROUNDING,
)


# %%
# --8<-- [start:chung]
def chung_gru(x, h, W, U, b):
    """One step as in Chung et al., Olah and Ng; the blocks are r, z, n."""
    W_r, W_z, W_n = np.split(W, 3)
    U_r, U_z, U_n = np.split(U, 3)
    b_r, b_z, b_n = np.split(b, 3)
    r = sigmoid(x @ W_r.T + h @ U_r.T + b_r)
    z = sigmoid(x @ W_z.T + h @ U_z.T + b_z)
    n = np.tanh(x @ W_n.T + (r * h) @ U_n.T + b_n)
    return (1 - z) * h + z * n


# --8<-- [end:chung]


# --8<-- [start:flipped]
def with_z_flipped(state):
    """Change the sign of the z rows of W, U and b, since 1 − σ(a) = σ(−a)."""
    sign = np.repeat([1, -1, 1], len(state["weight_ih"]) // 3)  # r, z, n
    return {name: (rows.T * sign).T for name, rows in state.items()}


# --8<-- [end:flipped]

theirs = chung_gru(
    x, h, state["weight_ih"], state["weight_hh"], state["bias_ih"] + state["bias_hh"]
)
flip_gap = chapter.metric("flip_gap", apart(theirs, before(x, h)), band=(0.05, 2.0))
before.load_state_dict(with_z_flipped(state))
flip_error = chapter.metric("flip_error", apart(theirs, before(x, h)), band=ROUNDING)

# %%
# --8<-- [start:time]
layer = nn.LSTM(3, 4, dtype="float64", seed=0)
batch_first = nn.LSTM(3, 4, batch_first=True, dtype="float64", seed=0)
xs = rng.normal(size=(7, 5, 3))  # (T, B, I)

ys, _ = layer(xs)
ys_batch_first, _ = batch_first(xs.swapaxes(0, 1))
# --8<-- [end:time]
time_error = apart(ys, ys_batch_first.numpy().swapaxes(0, 1))

# %%
# --8<-- [start:units]
logits, targets = rng.normal(size=(100, 27)), rng.integers(27, size=100)
nats = tg.cross_entropy(logits, targets)
bits = nats / np.log(2)
perplexity = np.exp(nats)
# --8<-- [end:units]

# %% tags=["record"]
# The shapes of the appendix, read off live layers whose sizes are all different.
SIZES = {7: "T", 5: "B", 3: "I", 11: "H", 13: "P", 33: "3H", 44: "4H", 22: "2H", 2: "L", 1: "1"}


def spelled(shape):
    """A shape in letters: (33, 11) as (3H, H)."""
    letters = ", ".join(SIZES[n] for n in shape)
    return f"$({letters}{',' * (len(shape) == 1)})$"


layers = {
    name: getattr(nn, name)(3, 11, num_layers=2, seed=0, dtype="float64")
    for name in ("RNN", "LSTM", "GRU")
}
what = {
    "weight_ih_l0": r"$W_{xh}$, first layer",
    "weight_ih_l1": r"$W_{xh}$, layers above",
    "weight_hh_l0": "$W_{hh}$",
    "bias_ih_l0": "$b_{xh}$",
    "bias_hh_l0": "$b_{hh}$",
}
rows = [
    [meaning, f"`{name}`", *(spelled(layer.state_dict()[name].shape) for layer in layers.values())]
    for name, meaning in what.items()
]
runs = {name: layer(np.zeros((7, 5, 3))) for name, layer in layers.items()}
rows += [
    ["$x_1 … x_T$", "`input`", *[spelled((7, 5, 3))] * 3],
    ["$y_1 … y_T$", "`output`", *(spelled(output.shape) for output, _ in runs.values())],
]
lasts = {name: last if isinstance(last, tuple) else (last,) for name, (_, last) in runs.items()}
rows += [
    ["$h_T$ of every layer", "`h_n`", *(spelled(last[0].shape) for last in lasts.values())],
    ["$c_T$ of every layer", "`c_n`", "", spelled(lasts["LSTM"][1].shape), ""],
]
chapter.table("shapes", ["What", "Name", "RNN", "LSTM", "GRU"], rows)

# %% tags=["record"]
chapter.claim(
    "Stacked and separate weights give the same sum.",
    holds=stacked_error < 1e-12,
    measured=stacked_error,
)
chapter.claim(
    "An LSTM whose weights were converted to Keras's format gives the same outputs there, and "
    "here again when they are converted back.",
    holds=lstm_error < 1e-12,
    measured=lstm_error,
)
chapter.claim("So does a GRU.", holds=gru_error < 1e-12, measured=gru_error)
chapter.claim(
    "And a GRU that resets before the product, with its biases added.",
    holds=before_error < 1e-12,
    measured=before_error,
)
chapter.claim(
    "Resetting before and after the product are different cells.",
    holds=reset_gap > 1e-3,
    measured=reset_gap,
)
chapter.claim(
    "They are the same if the candidate's matrix is diagonal and its bias zero.",
    holds=diagonal_error < 1e-12,
    measured=diagonal_error,
)
chapter.claim(
    "The two meanings of $z$ give different states with the same weights, and the same states "
    "once the z rows have changed their sign.",
    holds=flip_error < 1e-12 < flip_gap,
    measured=flip_error,
)
chapter.claim(
    "`batch_first` moves an axis and changes nothing else.",
    holds=time_error < 1e-12,
    measured=time_error,
)
chapter.claim(
    "Perplexity is 2 to the power of the bits.",
    holds=np.isclose(perplexity, 2**bits, rtol=1e-12),
    measured=perplexity / 2**bits,
)
