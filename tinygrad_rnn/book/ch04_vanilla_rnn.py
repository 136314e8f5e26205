# %% [markdown]
# # The vanilla RNN
#
# How many parameters at T = 10? At T = 1000?

# %%
import xml.etree.ElementTree as ET
from functools import partial

import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse

from tinygrad_rnn import plot
from tinygrad_rnn.book import Chapter, Within
from tinygrad_rnn.plot.heatmaps import draw_cells
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.svg import sheet, write

# isort: split
# --8<-- [start:imports]
import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn, optim

# --8<-- [end:imports]

chapter = Chapter(
    4,
    title="The vanilla RNN",
    question="How many parameters at T = 10? At T = 1000?",
    seed=0,
    prerequisites=[
        3,
        "[matrix products in NumPy](https://numpy.org/doc/stable/reference/generated/numpy.matmul.html)",
    ],
    data=["random bits, their parity and their running sum, all made by the script"],
)

# %% [markdown]
# ## What a plain network cannot read
#
# Give a plain network one weight per position, and it reads one length only.


# %%
# --8<-- [start:plain]
def plain_network(T, hidden=16):
    """A network that takes a sequence of T numbers in one bite."""
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(T, hidden, seed=rng), tg.tanh, nn.Linear(hidden, 1, seed=rng))


# --8<-- [end:plain]

with chapter.output("length"):
    # --8<-- [start:length]
    network = plain_network(T=20)
    print(network(np.zeros((1, 20), "float32")).shape)
    try:
        network(np.zeros((1, 21), "float32"))  # one step more
    except tg.ShapeError as error:
        print(str(error).replace("; ", ";\n"))
    # --8<-- [end:length]

for T in (10, 1000):
    chapter.metric(f"plain_parameters_{T}", plain_network(T).num_parameters())

# %% [markdown]
# What it learns about one position it does not know about another. The task: tag every bit that
# completes a pair of ones. In training, pairs occur in the first half only.


# %%
# --8<-- [start:pairs]
def pairs(rng, B, where):
    """Random bits in one half of 20 steps, and where a 1 follows a 1: two arrays (20, B)."""
    x = np.zeros((20, B), int)
    x[where] = rng.integers(0, 2, (10, B))
    y = np.zeros_like(x)
    y[1:] = x[1:] & x[:-1]
    return x.astype("float32"), y.astype("float32")


# --8<-- [end:pairs]


# --8<-- [start:train]
def train(model, batch, loss, steps):
    """Fit a model to fresh random batches; return every loss."""
    losses = []
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        x, y = batch()
        error = loss(model(x), y)
        optimizer.zero_grad()
        error.backward()
        optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        losses.append(error.item())
    return losses


# --8<-- [end:train]


# --8<-- [start:tagger]
class Tagger(nn.Module):
    """A plain network with 20 inputs and 20 answers."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.net = nn.Sequential(nn.Linear(20, 32, seed=rng), tg.tanh, nn.Linear(32, 20, seed=rng))

    def forward(self, x):  # (20, B)
        return self.net(x.T).T


# --8<-- [end:tagger]


# --8<-- [start:found]
first_half, second_half = slice(0, 10), slice(10, 20)


def pairs_found(model):
    """Train on the first half; the share of pairs found there, and then in the second."""
    rng = np.random.default_rng(0)
    train(model, partial(pairs, rng, 64, first_half), tg.bce_with_logits, steps=300)
    for where in (first_half, second_half):
        x, y = pairs(rng, 2000, where)
        with tg.no_grad():
            yield ((model(x).numpy() > 0) & (y == 1)).sum() / y.sum()


# --8<-- [end:found]
plain_found = list(pairs_found(Tagger()))
chapter.metric("plain_first_half", 100 * plain_found[0], band=(98, 100), unit="%")
chapter.metric("plain_second_half", 100 * plain_found[1], band=(0, 2), unit="%")

# %% [markdown]
# ## A state, and one function
#
# Parity needs one bit of memory and one function, whatever the length.

# %%
with chapter.output("fold"):
    # --8<-- [start:fold]
    def f(h, x):
        """Whether the number of ones is odd: before x, and after it."""
        return h ^ x

    h = 0  # before the first bit, none has been seen
    for x in [1, 0, 1, 1, 0]:
        h = f(h, x)
        print(x, "→", h)
    # --8<-- [end:fold]


# %% tags=["record"]
def box(root, x, y, words, kind="op", width=58, height=40):
    """A box of a drawing, in the look of the computation graphs."""
    group = ET.SubElement(root, "g", {"class": f"node {kind}"})
    radius = "7" if kind == "op" else f"{height / 2:g}"
    frame = {"x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
    ET.SubElement(
        group, "rect", {"class": "box", "rx": radius, **{k: f"{v:g}" for k, v in frame.items()}}
    )
    write(group, "title", x, y + 5, symbol(words))


def symbol(words):
    """A name as runs of text: what follows the underscore is lowered."""
    stem, _, subscript = words.partition("_")
    return [run for run in (("name", stem), ("subscript", subscript)) if run[1]]


def arrow(root, path, end, down=False, up=False, dashed=False):
    """A line with a head at its end."""
    style = {"stroke-dasharray": "4 4"} if dashed else {}
    ET.SubElement(root, "path", {"class": "edge", "d": path, **style})
    x, y = end
    back = (f"l-3.3 {6 if up else -6}h6.6Z") if up or down else "l-6 -3.3v6.6Z"
    ET.SubElement(root, "path", {"class": "tip", "d": f"M{x:g} {y:g}{back}"})


def words(root, x, y, text, kind="value", **style):
    """A line of plain text, centred."""
    write(root, kind, x, y, [("", text)])
    root[-1].set("style", "; ".join(f"{k.replace('_', '-')}: {v}" for k, v in style.items()))


def draw_unrolling(data):
    """One box with a loop, and the same box once for each step."""
    root = sheet(640, 300, 0)
    muted = plot.variable("muted")
    box(root, 92, 150, "f_W")
    box(root, 92, 240, "x", "leaf", 46, 34)
    box(root, 92, 60, "y", "leaf", 46, 34)
    arrow(root, "M92 223V172", (92, 170), up=True)
    arrow(root, "M92 130V79", (92, 77), up=True)
    arrow(root, "M121 142C176 112 176 188 128 159", (122, 156))
    root.remove(root[-1])
    ET.SubElement(root, "path", {"class": "tip", "d": "M121.500 155l7.500 0.500l-3.800 5.600Z"})
    write(root, "title", 176, 155, symbol("h"))
    words(root, 92, 288, "the loop", fill=muted)
    words(root, 216, 155, "=", kind="title")

    for t, x in enumerate((338, 452, 566), start=1):
        box(root, x, 150, "f_W")
        box(root, x, 222, f"x_{t}", "leaf", 46, 34)
        box(root, x, 60, f"y_{t}", "leaf", 46, 34)
        arrow(root, f"M{x} 205V172", (x, 170), up=True)
        arrow(root, f"M{x} 130V79", (x, 77), up=True)
        arrow(root, f"M{x - 85 if t > 1 else x - 62} 150H{x - 31}", (x - 29, 150))
        write(
            root, "title", x - 57 if t > 1 else x - 76, 141 if t > 1 else 155, symbol(f"h_{t - 1}")
        )
        ET.SubElement(
            root,
            "path",
            {"class": "edge", "d": f"M{x + 40} 262V190C{x + 40} 180 {x + 34} 176 {x + 24} 172"},
        )
        root[-1].set("style", f"stroke: {muted}; stroke-dasharray: 3 3")
    arrow(root, "M595 150H624", (628, 150))
    write(root, "title", 612, 141, symbol("h_3"))
    ET.SubElement(root, "path", {"class": "edge", "d": "M300 262H606"})
    root[-1].set("style", f"stroke: {muted}; stroke-dasharray: 3 3")
    box(root, 278, 262, "W", "leaf", 46, 30)
    words(root, 452, 288, "unrolled over three steps: one W in all of them", fill=muted)
    return svg_of(root)


def svg_of(root):
    return ET.tostring(root, encoding="unicode")


chapter.figure(
    "unrolling",
    draw_unrolling,
    alt="Left, a box f_W with an input x below, an output y above and an arrow h that leaves it "
    "and comes back. Right, three such boxes in a row; h_0, h_1 and h_2 lead from each to the "
    "next, x_1 to x_3 come from below, y_1 to y_3 leave above. One W, below, feeds all three.",
    caption="One network, drawn twice. The loop is how it is written, the row is what is computed. "
    "The boxes on the right are one box: they share $W$.",
)


# %% [markdown]
# ## One unit
#
# The same with numbers that can be learned: w and u, used at every step.

# %%
with chapter.output("scalar"):
    # --8<-- [start:scalar]
    w = tg.tensor(1.5, requires_grad=True, name="w")
    u = tg.tensor(0.5, requires_grad=True, name="u")

    h = 0.0
    for t, x in enumerate([1.0, 0.0, -0.5], start=1):
        h = tg.tanh(w * h + u * x)
        h.name = f"h_{t}"
        print(h.name, "=", round(h.item(), 3))
    # --8<-- [end:scalar]

chapter.figure(
    "unrolled",
    lambda data: plot.graph(h, shares=True, down=True),
    alt="The graph of three steps of a one-unit network, from top to bottom. w and u each have "
    "three arrows to three products. Every box shows its value, and below it its cotangent. "
    "Backward, three shares come back to w, one of them zero, and three to u.",
    caption="Three steps of one unit, drawn from the live tensor; time runs down. Twelve ops, but "
    "two parameters: $w$ and $u$ each have three arrows out, and three shares come back.",
)

with chapter.output("shares"):
    # --8<-- [start:shares]
    h.backward()
    print("w.grad =", round(w.grad.item(), 4))
    print("u.grad =", round(u.grad.item(), 4))
    # --8<-- [end:shares]

# %% [markdown]
# ## Many units

# %%
with chapter.output("matrices"):
    # --8<-- [start:matrices]
    rng = np.random.default_rng(0)
    units, features, outputs = 4, 3, 2
    W_hh, W_xh = rng.normal(size=(units, units)), rng.normal(size=(units, features))
    b_h, W_hy = np.zeros(units), rng.normal(size=(outputs, units))

    def read(xs):
        """One loop for every length: the last state, and an output at each step."""
        h, ys = np.zeros(units), []
        for x in xs:
            h = np.tanh(W_hh @ h + W_xh @ x + b_h)
            ys.append(W_hy @ h)
        return h, np.stack(ys)

    for T in (1, 10, 1000):
        h, ys = read(rng.normal(size=(T, features)))
        print(f"T = {T:4}   h {h.shape}   ys {ys.shape}")
    # --8<-- [end:matrices]

tensors = [
    ("x_t", rng.normal(size=features), "input at step $t$: $I$ features"),
    ("h_t", h, "state after step $t$: $H$ units; $h_0 = 0$"),
    ("y_t", W_hy @ h, "output at step $t$: $O$ numbers"),
    ("W_{xh}", W_xh, "from the input to the state"),
    ("W_{hh}", W_hh, "from the state to the next state: square"),
    ("b_h", b_h, "bias of the state"),
    ("W_{hy}", W_hy, "from the state to the output"),
]
shape_in_letters = {"x_t": "(I,)", "h_t": "(H,)", "y_t": "(O,)", "W_{xh}": "(H, I)"}
shape_in_letters |= {"W_{hh}": "(H, H)", "b_h": "(H,)", "W_{hy}": "(O, H)"}
chapter.table(
    "shapes",
    ["tensor", "shape", "here", "dtype", "what it is"],
    [
        [f"${name}$", shape_in_letters[name], str(x.shape), str(x.dtype), words]
        for name, x, words in tensors
    ],
)

# %% [markdown]
# The same loop, written by giving one step of it. Unlike the one above, it can be differentiated.

# %%
with chapter.output("scan"):
    # --8<-- [start:scan]
    def step(h, x):
        h = tg.tanh(h @ W_hh.T + x @ W_xh.T + b_h)
        return h, h @ W_hy.T  # what is carried on, what is shown

    xs = rng.normal(size=(1000, 5, features))  # 1000 steps of 5 sequences, side by side
    h, ys = tg.scan(step, np.zeros((5, units)), xs)
    print(h.shape, ys.shape)
    print(np.abs(ys[:, 0] - read(xs[:, 0])[1]).max() < 1e-12)
    # --8<-- [end:scan]


# %% [markdown]
# ## How many parameters?


# %%
# --8<-- [start:reader]
class Reader(nn.Module):
    """Reads a number at each step, and answers at each step."""

    def __init__(self, hidden=16, seed=0):
        rng = np.random.default_rng(seed)  # (1)!
        self.cell = nn.RNNCell(1, hidden, seed=rng)
        self.answer = nn.Linear(hidden, 1, seed=rng)

    def step(self, h, a):
        return self.cell.recur(h, a)

    def forward(self, x):  # (T, B)
        h_0 = self.cell.initial(x.shape[1])
        _, hs = tg.scan(self.step, h_0, self.cell.project(x[..., None]))  # (2)!
        return self.answer(hs)[..., 0]  # (T, B)


# --8<-- [end:reader]

rows = []
for T in (10, 20, 100, 1000):
    with tg.eager():  # op by op, so that each op is a tensor to count
        born = tg.tensor(0.0).rank
        answers = Reader()(np.zeros((T, 1), "float32"))
    ops = answers.rank - born
    rows.append([T, plain_network(T).num_parameters(), Reader().num_parameters(), ops])
chapter.table(
    "parameters",
    ["T", "parameters, plain network", "parameters, RNN", "tensors made to read once, RNN"],
    rows,
)
chapter.metric("rnn_parameters", rows[0][2])
at_10, at_1000 = rows[0][2], rows[-1][2]
chapter.claim(
    "A recurrent network has as many parameters at $T = 1000$ as at $T = 10$.",
    holds=at_10 == at_1000,
    measured=at_1000,
)

# %% [markdown]
# And what it learns about one position it knows about all of them.

# %%
rnn_found = list(pairs_found(Reader()))
chapter.table(
    "halves",
    ["model", "parameters", "pairs found, first half", "pairs found, second half"],
    [
        [name, model.num_parameters(), *(f"{share:.0%}" for share in found)]
        for name, model, found in (
            ("plain network, 20 in, 20 out", Tagger(), plain_found),
            ("RNN", Reader(), rnn_found),
        )
    ],
)
chapter.metric("rnn_second_half", 100 * rnn_found[1], band=(98, 100), unit="%")
plain, rnn = plain_found[1], rnn_found[1]
chapter.claim(
    "What it has learned of the first half of a sequence, an RNN knows in the second; a plain "
    "network does not.",
    holds=rnn > 0.98 and plain < 0.02,
    measured=f"{rnn:.0%} and {plain:.0%}",
)

# %% [markdown]
# ## Two matrices or one

# %%
with chapter.output("stacked"):
    # --8<-- [start:stacked]
    W_aa, W_ax = rng.normal(size=(100, 100)), rng.normal(size=(100, 10_000))
    a, x = rng.normal(size=100), rng.normal(size=10_000)

    W_a = np.concatenate([W_aa, W_ax], axis=1)  # side by side
    ax = np.concatenate([a, x])  # one above the other
    print(W_a.shape, "times", ax.shape, "gives", (W_a @ ax).shape)

    apart, together = W_aa @ a + W_ax @ x, W_a @ ax
    print(f"{W_aa.size:,} + {W_ax.size:,} = {W_a.size:,}")
    print("same:", np.allclose(apart, together, rtol=1e-12, atol=1e-10))
    # --8<-- [end:stacked]
difference = np.abs(apart - together).max() / np.abs(apart).max()
chapter.claim(
    "One stacked product gives what two products give.",
    holds=difference < 1e-13,
    measured="to rounding",
)


# %% tags=["record"]
def draw_stacked(data):
    """The stacked matrix to scale, and then so that one can see it."""
    root = sheet(640, 356, 0)
    side = 600 / 101
    block(root, 20, 40, side, side, "value")
    block(root, 20 + side, 40, 600 - side, side, "ochre")
    muted = plot.variable("muted")
    words(root, 320, 24, "to scale: 100 rows, 100 + 10,000 columns", fill=muted)
    words(root, 320, 88, "not to scale", fill=muted)
    x, y, small, large = 62, 116, 52, 150
    block(root, x, y, small, small, "value", "W_aa")
    block(root, x + small, y, large, small, "ochre", "W_ax")
    words(root, x + small / 2, y + small + 20, "100", fill=muted)
    words(root, x + small + large / 2, y + small + 20, "10,000", fill=muted)
    words(root, x - 22, y + small / 2 + 4, "100", fill=muted)
    block(root, 300, y, 26, small, "value", "a")
    block(root, 300, y + small, 26, large, "ochre", "x")
    words(root, 346, y + small / 2 + 4, "100", fill=muted)
    words(root, 355, y + small + large / 2 + 4, "10,000", fill=muted)
    words(root, 400, y + small / 2 + 5, "=", kind="title")
    for k, (at, left, right) in enumerate(((426, "W_aa", "a"), (528, "W_ax", "x"))):
        role = "value" if k == 0 else "ochre"
        block(root, at, y, small, small, role, left)
        write(root, "title", at + small + 14, y + small / 2 + 5, symbol(right))
    words(root, 510, y + small / 2 + 5, "+", kind="title")
    return svg_of(root)


def block(root, x, y, width, height, role, name=""):
    """A matrix, or a part of one."""
    frame = {"x": f"{x:.2f}", "y": f"{y:.2f}", "width": f"{width:.2f}", "height": f"{height:.2f}"}
    colour = plot.variable(role)
    fill = f"color-mix(in oklab, {colour} 16%, {plot.variable('paper')})"
    rectangle = ET.SubElement(root, "rect", frame)
    rectangle.set("style", f"fill: {fill}; stroke: {colour}; stroke-width: 1.2")
    if name:
        write(root, "title", x + width / 2, y + height / 2 + 5, symbol(name))


chapter.figure(
    "stack",
    draw_stacked,
    alt="Above, to scale, a strip one hundred times as wide as high, whose first, tiny square is "
    "W_aa and whose rest is W_ax. Below, larger: W_aa and W_ax side by side, times a above x, "
    "equals W_aa a plus W_ax x.",
    caption="Side by side times one above the other: the same sum. To scale, the memory is the "
    "small square at the left end; all the rest reads words.",
)


# %% [markdown]
# ## The unrolled network, and why its gradients add up


# %% tags=["record"]
def draw_layers(data):
    """Three steps with all their units and weights: the same pattern three times."""
    root = sheet(640, 318, 0)
    lines = ET.SubElement(root, "g")
    top = max(np.abs(data["W_hh"]).max(), np.abs(data["W_xh"]).max())
    columns, rows = (70, 236, 402, 568), 62 + 44 * np.arange(4)
    for t, x in enumerate(columns):
        write(root, "title", x, 30, symbol(f"h_{t}"))
        for y in rows:
            circle(root, x, y, "leaf" if t == 0 else "op")
        if t == 0:
            continue
        inputs = [(x - 112, 268), (x - 62, 268)]
        for place in inputs:
            circle(root, *place, "leaf")
        write(root, "title", x - 87, 302, symbol(f"x_{t}"))
        write(root, "title", x - 83, 30, symbol("W_hh"))
        before = [(columns[t - 1], y) for y in rows]
        for weights, sources in ((data["W_hh"], before), (data["W_xh"], inputs)):
            for i, y in enumerate(rows):
                for weight, source in zip(weights[i], sources, strict=True):
                    connect(lines, source, (x, y), weight / top)
    return svg_of(root)


def circle(root, x, y, kind):
    """A unit."""
    group = ET.SubElement(root, "g", {"class": f"node {kind}"})
    ET.SubElement(group, "circle", {"class": "box", "cx": str(x), "cy": str(y), "r": "10"})


def connect(lines, start, end, weight):
    """A weight as a line: as thick as it is strong, dashed where it is negative."""
    (a, b), (x, y) = start, end
    line = ET.SubElement(lines, "path", {"d": f"M{a} {b}L{x} {y}"})
    colour = plot.variable("value" if weight > 0 else "ochre")
    dash = "" if weight > 0 else "; stroke-dasharray: 6 3"
    line.set("style", f"stroke: {colour}; stroke-width: {0.4 + 3 * abs(weight):.2f}{dash}")


cell = nn.RNNCell(2, 4, seed=3)
chapter.figure(
    "layers",
    draw_layers,
    data={"W_hh": cell.weight_hh.numpy(), "W_xh": cell.weight_ih.numpy()},
    alt="Four columns of four units, h_0 to h_3, each joined to the next by sixteen lines, and "
    "three pairs of inputs, x_1 to x_3, joined to the column above them. The pattern of thick, "
    "thin and dashed lines is the same between all columns.",
    caption="The unrolled network with all its weights, thick where they are strong and dashed "
    "where they are negative. Seen like this it is a plain network, three layers deep, with an "
    "input at every layer, and with one pattern of weights repeated three times.",
)


# %%
# --8<-- [start:network]
def network(matrices, U, xs):
    """A plain network: a layer for each matrix, and an input of its own for each layer."""
    h = tg.Tensor(np.zeros(len(U)))
    for W, x in zip(matrices, xs, strict=True):
        h = tg.tanh(W @ h + U @ x)
    return h @ h


# --8<-- [end:network]


def tied(W, U, xs):
    r"""One matrix in every layer: its gradient is the sum over the layers.

    Derivation:
        1. One number, two steps. Let $L = \tilde L(w_1, w_2)$, where the first step uses $w_1$ and
           the second $w_2$. Both are copies of one $w$, so when $w$ moves by $dw$, both move by
           $dw$:
           $$dL = \frac{\partial \tilde L}{\partial w_1}\,dw
                + \frac{\partial \tilde L}{\partial w_2}\,dw, \qquad
             \bar w = \bar w_1 + \bar w_2.$$
        2. $T$ steps, one matrix. With $\langle A, B \rangle = \sum_{ij} A_{ij} B_{ij}$ and
           $W_1 = \dots = W_T = W$,
           $$dL = \sum_{t=1}^T \langle \bar W_t, dW_t \rangle
                = \Big\langle \sum_{t=1}^T \bar W_t,\, dW \Big\rangle
             \quad\Longrightarrow\quad \bar W = \sum_{t=1}^T \bar W_t.$$
        3. What one step gives. $W_t$ acts in $a_t = W_t h_{t-1} + U x_t$ and nowhere else. With
           $\delta_t = \bar a_t$, as for any matrix product,
           $$\bar W_t = \delta_t\, h_{t-1}^\top.$$
        4. Together, and for $U$ in the same way,
           $$\bar W = \sum_{t=1}^T \delta_t\, h_{t-1}^\top, \qquad
             \bar U = \sum_{t=1}^T \delta_t\, x_t^\top.$$
    """
    return network([W] * len(xs), U, xs)


# --8<-- [start:copies]
rng = np.random.default_rng(0)
W, U, xs = 0.6 * rng.normal(size=(4, 4)), rng.normal(size=(4, 2)), rng.normal(size=(5, 2))

shared = tg.grad(tied)(W, U, xs).numpy()  # (1)!

copies = [tg.tensor(W, requires_grad=True) for _ in xs]  # five of them, used once each
network(copies, U, xs).backward()
shares = [copy.grad.numpy() for copy in copies]
gap = np.abs(shared - sum(shares)).max() / np.abs(shared).max()
# --8<-- [end:copies]

chapter.derivation(tied, W, U, xs)
chapter.metric("sharing_gap", float(gap), band=(0.0, 1e-13))
chapter.claim(
    "The gradient of a shared $W$ is the sum of the gradients of its $T$ copies.",
    holds=gap < 1e-13,
    measured="to rounding",
)


def draw_shares(data):
    """The gradient of each copy, and of the shared matrix, as squares of ink."""
    figure, axes = plt.subplots(1, 6, figsize=(6.4, 1.45))
    limit = np.abs(data["shared"]).max()
    for t, ax in enumerate(axes):
        last = t == 5
        draw_cells(ax, data["shared"] if last else data["shares"][t], limit)
        ax.set_title("shared" if last else f"step {t + 1}", loc="center", fontsize=10)
        ax.grid(False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_aspect("equal")
        for spine in ax.spines.values():
            spine.set(visible=True, color=LIGHT.rule, linewidth=0.8)
        if t:
            sign = "=" if last else "+"
            ax.text(-0.17, 0.5, sign, transform=ax.transAxes, ha="center", va="center", size=13)
    return figure


chapter.figure(
    "shares_figure",
    draw_shares,
    data={"shares": np.array(shares), "shared": shared},
    band=Within(1e-9, 1e-4),
    alt="Six heat maps of 4 by 4. The first five are the gradients of the copies used at steps 1 "
    "to 5, joined by plus signs; the first is empty, the last is the strongest. After an equals "
    "sign, the gradient of the shared matrix.",
    caption="Five copies of $W_{hh}$ used once each, and one used five times. Blue is positive, "
    "ochre negative. Step 1 gives nothing, because $h_0 = 0$ is what its copy multiplies.",
)

# %% [markdown]
# ## The cell of the library

# %%
cell = nn.RNNCell(3, 4, dtype="float64", seed=0)
chapter.derivation(cell, rng.normal(size=(2, 3)), rng.normal(size=(2, 4)))

with chapter.output("layer"):
    # --8<-- [start:layer]
    cell = nn.RNNCell(3, 4, seed=0)
    layer = nn.Recurrent(cell)
    output, h = layer(np.ones((1000, 5, 3), "float32"))  # (T, B, I)
    print(output.shape, h.shape)
    print(cell)
    # --8<-- [end:layer]

with chapter.output("keras"):
    # --8<-- [start:keras]
    kernel, recurrent_kernel, bias = rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), np.ones(4)

    cell = nn.RNNCell(3, 4, dtype="float64")
    cell.load_state_dict(
        {
            "weight_ih": kernel.T,  # Keras multiplies from the other side
            "weight_hh": recurrent_kernel.T,
            "bias_ih": bias,  # and has one bias
            "bias_hh": np.zeros(4),
        }
    )
    x, h = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    theirs = np.tanh(x @ kernel + h @ recurrent_kernel + bias)
    print(np.allclose(cell(x, h).numpy(), theirs))

    cell.load_state_dict({"weight_hh": recurrent_kernel}, strict=False)  # square, so it fits …
    print(np.allclose(cell(x, h).numpy(), theirs))
    # --8<-- [end:keras]


# %% [markdown]
# ## Parity and running sum
#
# Trained on sequences of up to 20 steps, asked about sequences of up to 1000.


# %%
# --8<-- [start:tasks]
def parity(rng, T, B):
    """Random bits as ±1, and whether the number of ones so far is odd."""
    bits = rng.integers(0, 2, (T, B))
    return (2.0 * bits - 1).astype("float32"), (bits.cumsum(axis=0) % 2).astype("float32")


def running_sum(rng, T, B):
    """Random steps of ±1, and where they have led so far."""
    steps = 2.0 * rng.integers(0, 2, (T, B)) - 1
    return steps.astype("float32"), steps.cumsum(axis=0).astype("float32")


def short(task, rng):
    """A batch of 64 sequences, 1 to 20 steps long."""
    return lambda: task(rng, rng.integers(1, 21), 64)


# --8<-- [end:tasks]


# --8<-- [start:window]
class Window(nn.Module):
    """A plain network that sees the last 20 inputs; before the first there are zeros."""

    def __init__(self, size=20, hidden=15, seed=0):
        rng, self.size = np.random.default_rng(seed), size
        self.net = nn.Sequential(
            nn.Linear(size, hidden, seed=rng), tg.tanh, nn.Linear(hidden, 1, seed=rng)
        )

    def forward(self, x):  # (T, B)
        past = np.concatenate([np.zeros((self.size - 1, x.shape[1]), x.dtype), x])
        seen = np.lib.stride_tricks.sliding_window_view(past, self.size, axis=0)  # (T, B, 20)
        return self.net(seen)[..., 0]


# --8<-- [end:window]

models, journals = {}, {}
for task, loss in ((parity, tg.bce_with_logits), (running_sum, tg.mse)):
    for kind in (Reader, Window):
        model = models[task.__name__, kind.__name__] = kind(seed=chapter.seed)
        batch = short(task, np.random.default_rng(chapter.seed))
        journals[task.__name__, kind.__name__] = train(model, batch, loss, steps=2000)

# %% [markdown]
# Ask about 400 new sequences of 1000 steps, at several lengths on the way.

# %%
lengths = np.array([1, 2, 3, 5, 8, 12, 20, 30, 50, 100, 200, 500, 1000])


def answers(model, x):
    """What a model says at those steps, (lengths, B)."""
    with tg.no_grad():
        return model(x).numpy()[lengths - 1]


rng = np.random.default_rng(chapter.seed + 1)
bits, odd = parity(rng, 1000, 400)
truth = odd[lengths - 1]
rnn, window = models["parity", "Reader"], models["parity", "Window"]
right = {
    "rnn": (answers(rnn, bits) > 0) == truth,
    "window": (answers(window, bits) > 0) == truth,
    "last": (bits[lengths - 1] > 0) == truth,
    "majority": truth == 0,
}
accuracy = {name: 100 * hits.mean(axis=1) for name, hits in right.items()}

walks, sums = running_sum(rng, 1000, 400)
truth, before = sums[lengths - 1], np.concatenate([np.zeros((20, 400)), sums])[lengths - 1]
counter, counter_window = models["running_sum", "Reader"], models["running_sum", "Window"]
counted = answers(counter, walks)
off = {
    "rnn": counted - truth,
    "window": answers(counter_window, walks) - truth,
    "last": walks[lengths - 1] - truth,
    "zero": truth,
    "forgets": before,
}
error = {name: np.abs(difference).mean(axis=1) for name, difference in off.items()}

# %%
probed = [3, 12, 20, 100, 1000]
at = np.searchsorted(lengths, probed)
sizes = f"{rnn.num_parameters()} parameters", f"{window.num_parameters()} parameters"
names = {
    "rnn": f"RNN, {sizes[0]}",
    "window": f"plain network on the last 20 inputs, {sizes[1]}",
    "last": "naive: the last input",
    "majority": "naive: always the same answer",
}
chapter.table(
    "parity_table",
    ["parity, % right at step", *map(str, probed)],
    [[words, *map(float, accuracy[key][at].round(1))] for key, words in names.items()],
    band=Within(15),
)
del names["majority"]
names |= {"zero": "naive: always 0", "forgets": "the exact sum of the last 20 inputs"}
chapter.table(
    "sum_table",
    ["running sum, mean error at step", *map(str, probed)],
    [[words, *map(float, error[key][at].round(2))] for key, words in names.items()],
    band=Within(0.5, relative=0.5),  # another processor rounds otherwise
)

E_20, E_1000 = np.searchsorted(lengths, [20, 1000])
chapter.metric("rnn_parity", accuracy["rnn"][E_1000], band=(98, 100), unit="%")
chapter.metric("window_parity", accuracy["window"][E_1000], band=(40, 60), unit="%")
chapter.metric("window_parity_20", accuracy["window"][E_20], band=(55, 100), unit="%")
chapter.metric("baseline_parity", accuracy["majority"][E_1000], band=(40, 60), unit="%")
chapter.metric("rnn_sum_error_20", error["rnn"][E_20], band=(0.05, 1.5))
chapter.metric("rnn_sum_error", error["rnn"][E_1000], band=(20, 30))
chapter.metric("baseline_sum_error_20", error["zero"][E_20], band=(3, 4.1))
chapter.metric("baseline_sum_error", error["zero"][E_1000], band=(22, 29))

ceiling = np.abs(counter.answer.weight.numpy()).sum() + np.abs(counter.answer.bias.numpy()).item()
chapter.metric("ceiling", ceiling, band=(4, 40))
chapter.metric("largest_sum", int(np.abs(sums).max()))

# %% [markdown]
# Was the first seed lucky? Four more.

# %%
at_1000 = [accuracy["rnn"][E_1000]]
for seed in range(1, 5):
    again = Reader(seed=seed)
    train(again, short(parity, np.random.default_rng(seed)), tg.bce_with_logits, steps=2000)
    at_1000.append(100 * ((answers(again, bits) > 0) == odd[lengths - 1])[E_1000].mean())
holding = sum(percent > 98 for percent in at_1000)
chapter.metric("seeds_holding", holding, band=(3, 5), unit="of 5 seeds")

# %% [markdown]
# And is the memory fragile? Kick every unit at every step.

# %%
# --8<-- [start:kicks]
kicks, h = np.random.default_rng(0), rnn.cell.initial(400)
with tg.no_grad():
    for a in rnn.cell.project(bits[..., None]):
        h, _ = rnn.step(h, a)
        h = h + kicks.normal(0, 0.1, h.shape).astype("float32")
    kicked = ((rnn.answer(h).numpy()[:, 0] > 0) == odd[-1]).mean()
# --8<-- [end:kicks]
chapter.metric("kicked", 100 * kicked, band=(90, 100), unit="%")


# %% tags=["record"]
def draw_lengths(data):
    """How well each model does at each length, beyond what it was trained on."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.5))
    styles = {
        "rnn": (LIGHT.value, "-", 2.2),
        "window": (LIGHT.ochre, (0, (6, 2)), 1.8),
        "last": (LIGHT.purple, (0, (1.5, 1.5)), 1.4),
        "naive": (LIGHT.muted, (0, (2, 2)), 1.2),
    }
    for ax, series in ((left, data["parity"]), (right, data["sum"])):
        ax.axvspan(1, 20, color=LIGHT.surface, zorder=0)
        for name, (colour, dash, width) in styles.items():
            ax.plot(data["lengths"], series[name], color=colour, linestyle=dash, linewidth=width)
        ax.set_xscale("log")
        ax.set_xlim(1, 1000)
        ax.set_xticks([1, 10, 20, 100, 1000], ["1", "10", "20", "100", "1000"])
        ax.set_xlabel("length of the sequence")
    left.set_title("parity, % right at the last step")
    left.set_ylim(35, 105)
    labels = [(150, 96, "RNN", "value"), (45, 70, "plain network\non the last 20", "ochre")]
    labels += [(22, 41, "naive: last input, one answer", "muted")]
    right.set_title("running sum, mean error at the last step")
    right.set_yscale("log")
    right.set_ylim(0.006, 60)
    right.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    others = [(1.2, 0.22, "RNN", "value"), (26, 0.12, "plain network\non the last 20", "ochre")]
    others += [(1.2, 4.4, "naive: last input, always 0", "muted")]
    for ax, texts in ((left, labels), (right, others)):
        ax.minorticks_off()
        where = {"x": 0.012, "y": 0.02 if ax is left else 0.94, "transform": ax.transAxes}
        ax.text(**where, s="trained", color=LIGHT.muted, size=8.5)
        for x, y, text, role in texts:
            ax.text(x, y, text, color=getattr(LIGHT, role), va="center", linespacing=1.35)
    return figure


chapter.figure(
    "lengths",
    draw_lengths,
    data={
        "lengths": lengths,
        "parity": {
            **{name: accuracy[name] for name in ("rnn", "window", "last")},
            "naive": accuracy["majority"],
        },
        "sum": {
            **{name: error[name] for name in ("rnn", "window")},
            "last": np.where(error["last"] > 0, error["last"], np.nan),
            "naive": error["zero"],
        },
    },
    band={"parity": Within(30), "sum": Within(1, relative=0.4)},
    alt="Two charts against the length of the sequence, from 1 to 1000, trained up to 20. Left, "
    "parity: the recurrent network stays at 100 % to the end; the plain network falls to 50 % "
    "just beyond 20; the naive answers are at 50 % throughout. Right, running sum: the error of "
    "the recurrent network grows steadily and meets that of the naive answers at 1000; the plain "
    "network's jumps up just beyond 20.",
    caption="Two tasks, one architecture, two fates. Parity needs one bit of memory, and what was "
    "learned on 20 steps holds for 1000. A running sum needs a number without bound, which a "
    "state between −1 and 1 does not have.",
)

# %% [markdown]
# ## What has it built?
#
# Where is the state after each step, for 40 sequences of 1000 steps?

# %%
with tg.no_grad():
    a = rnn.cell.project(bits[:, :40, None])
    _, hs = tg.scan(rnn.cell.recur, rnn.cell.initial(40), a)
states, flips, parities = hs.numpy().reshape(-1, 16), bits[:, :40].ravel() > 0, odd[:, :40].ravel()

readout = rnn.answer.weight.numpy()[0]
towards_odd = readout / np.linalg.norm(readout)
centred = states - states.mean(axis=0)
rest = centred - np.outer(centred @ towards_odd, towards_odd)
upwards = np.linalg.eigh(rest.T @ rest)[1][:, -1]  # where most else happens
x_axis = states @ towards_odd + rnn.answer.bias.item() / np.linalg.norm(readout)
y_axis = rest @ upwards

kinds = [(p, b) for p in (0, 1) for b in (0, 1)]
places = [
    np.array([x_axis[here], y_axis[here]]).T
    for here in ((parities == p) & (flips == b) for p, b in kinds)
]
centres = np.array([place.mean(axis=0) for place in places])


# %% tags=["record"]
def draw_machine(data):
    """The hidden state over time, and all states on a plane with the machine they make."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.4), width_ratios=[1.1, 1])
    h, bits, odd = data["states"], data["bits"], data["odd"]
    order = np.argsort([np.corrcoef(unit, odd)[0, 1] if unit.std() else 0 for unit in h.T])
    draw_cells(left, h[:, order].T, 1.0)
    left.set_title("16 units, while 40 bits go by", pad=26)
    left.set_xticks(np.arange(len(bits)), [str(b) for b in bits])
    left.set_yticks([])
    left.grid(False)
    left.tick_params(axis="x", length=0, labelsize=7.5)
    left.spines["bottom"].set_visible(False)
    edges = np.flatnonzero(np.diff(odd, prepend=0, append=0))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        span = [start - 0.42, end - 0.58]
        left.plot(span, [-0.95, -0.95], color=LIGHT.ink, linewidth=2.2, clip_on=False)
    left.text(-0.5, -0.95, "odd:", color=LIGHT.ink, size=8.5, va="center")
    draw_portrait(right, data)
    return figure


def draw_portrait(ax, data):
    """Four clouds, each on a patch, and where a 0 and a 1 lead from each."""
    looks = [(p, b) for p in (0, 1) for b in (0, 1)]
    where = dict(zip(looks, data["centres"], strict=True))
    middle = data["centres"].mean(axis=0)
    size = np.ptp(data["centres"], axis=0).max()
    for (p, b), start, spread, points in zip(
        looks, data["centres"], data["spreads"], data["points"], strict=True
    ):
        colour, marker = (LIGHT.value, "s") if p else (LIGHT.ochre, "o")
        half = 2 * spread + 0.07 * size
        ax.add_patch(Ellipse(start, *(2 * half), facecolor=colour, alpha=0.16))
        ax.plot(*points.T, marker, color=colour, markersize=3, markeredgewidth=0)
        away = np.sign(start - middle)
        ax.text(
            *(start + away * (half + 0.05 * size) * (1, 0.55)),
            f"{('even', 'odd')[p]},\nlast bit {b}",
            ha="right" if away[0] < 0 else "left",
            va="center",
            size=9,
        )
        for bit in (0, 1):
            draw_move(ax, start, where[p ^ bit, bit], bit, size, half[1] * away[1])
    ax.axvline(0, color=LIGHT.muted, linewidth=0.9, linestyle=(0, (1, 3)))
    ax.set_title("40,000 states, four places", pad=26)
    for x, side, text in ((-0.03, "right", "← answers even"), (0.03, "left", "answers odd →")):
        ax.text(x * size, middle[1] - 0.96 * size, text, ha=side, size=9, color=LIGHT.muted)
    ax.set_xlim(middle[0] - 1.05 * size, middle[0] + 1.05 * size)
    ax.set_ylim(middle[1] - size, middle[1] + 0.85 * size)
    ax.set_axis_off()


def draw_move(ax, start, end, bit, size, up):
    """An arrow to the next place: solid for a 1, dashed for a 0; a ring back to the same one."""
    arrow = {"arrowstyle": "-|>", "color": LIGHT.ink, "linewidth": 1.2, "mutation_scale": 11}
    arrow |= {"linestyle": "-" if bit else (0, (2.5, 2)), "shrinkA": 12, "shrinkB": 12}
    bend, (dx, dy) = 0.22, end - start
    label = (start + end) / 2 + 0.5 * bend * np.array([dy, -dx])
    if np.allclose(start, end):
        top, aside = start + np.array([0, up]), np.array([0.045 * size, 0])
        start, end = top - aside, top + aside
        bend = -1.9 * np.sign(up)
        arrow |= {"shrinkA": 0, "shrinkB": 0}
        label = top + np.array([0, 0.13 * size * np.sign(up)])
    arrow["connectionstyle"] = f"arc3,rad={bend}"
    ax.annotate("", xy=end, xytext=start, arrowprops=arrow)
    paper = {"facecolor": LIGHT.paper, "pad": 1.2, "linewidth": 0}
    ax.text(*label, str(bit), size=9, weight="bold", ha="center", va="center", bbox=paper)


chapter.figure(
    "machine",
    draw_machine,
    data={
        "bits": (bits[:40, 0] > 0).astype(int),
        "odd": odd[:40, 0].astype(int),
        "states": hs.numpy()[:40, 0],
        "centres": centres,
        "spreads": np.array([place.std(axis=0) for place in places]),
        "points": np.array([place[:: max(1, len(place) // 80)][:80] for place in places]),
    },
    band={"states": (-1, 1), "centres": (-8, 8), "spreads": (0, 3), "points": (-8, 8)},
    digits=3,
    alt="Left: sixteen hidden units over forty bits, as a heat map; bands of units change sign "
    "where the number of ones turns from even to odd. Right: 40,000 states projected to a plane "
    "fall into four small clouds, named even or odd and last bit 0 or 1; arrows for a 0 and for a "
    "1 lead from cloud to cloud.",
    caption="Nobody told it to, but it has built something like a machine with four states. Left, "
    "the units as it reads 40 bits, blue near 1 and ochre near −1; the stretches of odd parity are "
    "marked above. Right, its state after each of 1000 steps of 40 sequences, seen along the "
    "direction that the output reads. A 1 (solid arrows) crosses the line between even and odd, a "
    "0 (dashed) does not.",
)

# %% [markdown]
# ## By hand
#
# Two units are enough for parity, and no training.

# %%
with chapter.output("by_hand"):
    # --8<-- [start:by_hand]
    k = 10.0  # how hard tanh saturates
    W_hh = k * np.array([[0.5, -0.5], [0.5, -0.5]])
    W_xh = k * np.array([1.0, 1.0])
    b_h = k * np.array([-0.5, -1.5])

    def flip(h, x):
        h = np.tanh(W_hh @ h + W_xh * x + b_h)
        return h, (h[0] - h[1]) / 2  # 1 for odd, 0 for even

    h = np.zeros(2)
    for x in [1, 0, 1, 1, 0]:
        h, y = flip(h, x)
        print(x, "→", h.round(3), " odd:", round(y))
    # --8<-- [end:by_hand]

# --8<-- [start:by_hand_test]
bits_long = np.random.default_rng(0).integers(0, 2, 100_000)
h, wrong = np.zeros(2), 0
for x, expected in zip(bits_long, bits_long.cumsum() % 2, strict=True):
    h, y = flip(h, x)
    wrong += round(y) != expected
# --8<-- [end:by_hand_test]
chapter.metric("by_hand_wrong", wrong)

# %% [markdown]
# ## What breaks: the state that is not carried on


# %%
# --8<-- [start:forgetful]
class Forgetful(Reader):
    def step(self, h, a):
        _, y = super().step(h, a)
        return h, y  # (1)!


# --8<-- [end:forgetful]

forgetful = Forgetful(seed=chapter.seed)
batch = short(parity, np.random.default_rng(chapter.seed))
journals["forgetful"] = train(forgetful, batch, tg.bce_with_logits, steps=600)

# --8<-- [start:gradients]
x, y = parity(np.random.default_rng(0), 20, 64)
lengths_of = {}
for model in (Reader(), Forgetful()):
    tg.bce_with_logits(model(x), y).backward()
    for name, parameter in model.named_parameters():
        norm = np.linalg.norm(parameter.grad.numpy())
        lengths_of.setdefault(name, []).append(float(norm))
# --8<-- [end:gradients]
chapter.table(
    "gradients",
    ["length of the gradient of", "state carried on", "state forgotten"],
    [[f"`{name}`", *norms] for name, norms in lengths_of.items()],
    band=Within(1e-6, relative=1e-3),
)
forgotten = lengths_of["cell.weight_hh"][1]


# --8<-- [start:reach]
def reach(model, T=8):
    """How strongly each input moves the last answer."""
    x = np.ones((T, 1), "float32")
    return np.abs(tg.grad(lambda x: model(x)[-1].sum())(x).numpy()[:, 0])


# --8<-- [end:reach]
with chapter.output("reached", exact=False):
    # --8<-- [start:reached]
    for model in (Reader(), Forgetful()):
        print(f"{type(model).__name__:10}", *(f"{r:.5f}" for r in reach(model)))
    # --8<-- [end:reached]
forgetful_reach = reach(Forgetful())


# %% tags=["record"]
def draw_losses(data):
    """Two trainings, smoothed, and what a coin would lose."""
    figure, ax = plt.subplots(figsize=(6.4, 3.2))
    curves = [("carried", "state carried on", LIGHT.value, "-")]
    curves += [("forgotten", "state forgotten", LIGHT.cotangent, (0, (6, 2)))]
    ax.axhline(np.log(2), color=LIGHT.muted, linewidth=1, linestyle=(0, (2, 2)))
    ends = [("ln 2, a coin", np.log(2) + 0.02, LIGHT.muted)]
    for name, text, colour, dash in curves:
        ax.plot(data["step"], data[name], color=colour, linestyle=dash)
        ends.append((text, data[name][-1], colour))
    ax.set(xlim=(0, 600), ylim=(0, 0.8), xlabel="training step")
    ax.set_title("loss on parity, nats a step")
    plot.curves.label_ends(ax, ends)
    return figure


steps = np.arange(10, 601, 10)
smooth = {
    name: plot.curves.smoothed(journals[key][:600], 0.95)[steps - 1]
    for name, key in (("carried", ("parity", "Reader")), ("forgotten", "forgetful"))
}
chapter.figure(
    "forgetting",
    draw_losses,
    data={"step": steps, **smooth},
    band=Within(0.35),
    alt="Loss against training step. With the state carried on it falls from 0.7 to nearly 0 "
    "within 400 steps. With the state forgotten it stays at about ln 2.",
    caption="One variable name apart. The second network trains without an error and without "
    "learning anything.",
)
chapter.metric("forgetful_loss", float(smooth["forgotten"][-1]), band=(0.55, 0.72))

# %% [markdown]
# ## Exercises


# %%
# --8<-- [start:count_answer]
def count(inputs, units, outputs):
    return units * units + units * inputs + 2 * units + outputs * units + outputs


# --8<-- [end:count_answer]
# --8<-- [start:count_check]
cell, layer = nn.RNNCell(3, 5), nn.Linear(5, 2)
made = cell.num_parameters() + layer.num_parameters()
assert count(inputs=3, units=5, outputs=2) == made
# --8<-- [end:count_check]


# %%
# --8<-- [start:two_steps_answer]
def two_steps(w, u, x_1, x_2):
    """The derivative of h_2 by w and by u, from the two shares of each."""
    h_1 = np.tanh(u * x_1)
    h_2 = np.tanh(w * h_1 + u * x_2)
    delta_2 = 1 - h_2**2
    delta_1 = (1 - h_1**2) * w * delta_2
    return delta_2 * h_1, delta_2 * x_2 + delta_1 * x_1  # h_0 = 0: nothing from step 1 for w


# --8<-- [end:two_steps_answer]
# --8<-- [start:two_steps_check]
def h_2(w, u, x_1, x_2):
    h = tg.tanh(w * 0.0 + u * x_1)
    return tg.tanh(w * h + u * x_2)


numbers = 1.5, 0.5, 1.0, -2.0
by_w, by_u = tg.grad(h_2, argnums=(0, 1))(*numbers)
assert np.allclose(two_steps(*numbers), (by_w.item(), by_u.item()))
# --8<-- [end:two_steps_check]

# %%
# --8<-- [start:latch_answer]
w, u, b = 3.0, 8.0, -0.5
# --8<-- [end:latch_answer]
# --8<-- [start:latch_check]
from itertools import product


def seen(bits):
    h = 0.0
    for x in bits:
        h = np.tanh(w * h + u * x + b)
    return h > 0


for bits_10 in product([0, 1], repeat=10):
    assert seen(bits_10) == any(bits_10), bits_10
assert seen([1] + [0] * 10_000)
assert not seen([0] * 10_000)
# --8<-- [end:latch_check]

# %%
# --8<-- [start:small_answer]
small = 1e-5  # the unit stays so close to 0 that tanh is a straight line


def count_steps(x):  # (T, B)
    h = np.zeros(x.shape[1])
    for x_t in x:
        h = np.tanh(h + small * x_t)
    return h / small


# --8<-- [end:small_answer]
# --8<-- [start:small_check]
x, y = running_sum(np.random.default_rng(1), 1000, 400)
assert np.abs(count_steps(x) - y[-1]).max() < 0.5
# --8<-- [end:small_check]
off_by = np.abs(count_steps(x) - y[-1]).max()
chapter.metric("small_error", float(off_by), band=(0, 0.1))

# %% tags=["record"]
state, window_of_20 = accuracy["rnn"][E_1000], accuracy["window"][E_1000]
chapter.claim(
    "A state tells the parity of 1000 bits; a window of 20 with as many parameters cannot.",
    holds=state > 98 and window_of_20 < 60,
    measured=f"{state:.0f} and {window_of_20:.0f} %",
)
chapter.claim(
    "Parity learned on 20 steps holds for 1000, with most seeds.",
    holds=holding >= 3,
    measured=holding,
    unit="of 5",
)
learned, naive = error["rnn"][E_1000], error["zero"][E_1000]
chapter.claim(
    "A running sum learned on 20 steps does not: at 1000 it is hardly better than always 0.",
    holds=learned > 0.8 * naive,
    measured=f"{learned:.1f} and {naive:.1f}",
)
largest = np.abs(counted).max()
chapter.claim(
    "No answer of that network exceeds the ceiling that its output weights set.",
    holds=largest <= ceiling,
    measured=f"{largest:.1f} of {ceiling:.1f}",
)
chapter.claim(
    "Two units, set by hand, keep the parity of 100,000 bits.",
    holds=wrong == 0,
    measured=wrong,
    unit="wrong",
)
chapter.claim(
    "If the state is not carried on, the gradient of $W_{hh}$ is exactly zero.",
    holds=forgotten == 0,
    measured=forgotten,
)
