# %% [markdown]
# # A cell of your own, compiled
#
# What becomes of ten lines of equations?

# %%
# --8<-- [start:import]
import numpy as np

import tinygrad_rnn as tg

# --8<-- [end:import]
from tinygrad_rnn import nn
from tinygrad_rnn.book import Chapter

chapter = Chapter(
    "cell",
    title="A cell of your own, compiled",
    question="What becomes of ten lines of equations?",
    prerequisites=[4, "[Extend the engine](../extend/index.md)"],
    data=["numbers that the script makes"],
)

# %%
# --8<-- [start:cell]
rng = np.random.default_rng(0)
shapes = (3, 4), (4, 4), (4,), (4,)
W, U, b, p = weights = [tg.tensor(rng.normal(size=s), requires_grad=True) for s in shapes]


def leaky(h, x):
    pace = tg.sigmoid(p)
    candidate = tg.tanh(x @ W + h @ U + b)
    h = h + pace * (candidate - h)
    return h, h


# --8<-- [end:cell]

# %%
with chapter.output("run"):
    # --8<-- [start:run]
    h0, xs = np.zeros((8, 4)), rng.normal(size=(5, 8, 3))
    last, hs = tg.scan(leaky, h0, xs)
    print(hs.shape, last.shape)
    # --8<-- [end:run]

# %%
with chapter.output("summary"):
    # --8<-- [start:explain]
    report = tg.explain(tg.scan, leaky, h0, xs)
    print(report.summary())
    # --8<-- [end:explain]

# %%
with chapter.output("program"):
    # --8<-- [start:program]
    print(report.scans[0].program)
    # --8<-- [end:program]


# %%
# --8<-- [start:loops]
import ast


def loops(report, stage):
    """The functions of the emitted module that belong to one stage."""
    source = report.source
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    own = [ast.get_source_segment(source, f) for f in functions if f.name.startswith(stage)]
    return "\n\n".join(own)


# --8<-- [end:loops]

with chapter.output("forward"):
    # --8<-- [start:forward]
    print(loops(report, "forward"))
    # --8<-- [end:forward]

# %%
with chapter.output("backward"):
    # --8<-- [start:backward]
    print(loops(report, "backward"))
    # --8<-- [end:backward]


# %%
# --8<-- [start:compare]
def values_and_gradients(way):
    for w in weights:
        w.grad = None
    with way():
        _, hs = tg.scan(leaky, h0, xs)
    (hs * hs).sum().backward()
    return [hs.detach(), *(w.grad for w in weights)]


# --8<-- [end:compare]

with chapter.output("compared", exact=False):
    # --8<-- [start:compared]
    both = zip(values_and_gradients(tg.eager), values_and_gradients(tg.compiled), strict=True)
    difference = max((abs(a - b).max() / abs(a).max()).item() for a, b in both)
    print(f"largest relative difference: {difference:.0e}")
    # --8<-- [end:compared]

# %%
with chapter.output("twice", exact=False):
    # --8<-- [start:twice]
    def energy(h0, xs):
        with tg.compiled():
            return (tg.scan(leaky, h0, xs)[1] ** 2).sum()

    check = tg.gradcheck(energy, h0, xs, order=2)
    print(check)
    # --8<-- [end:twice]

# %%
with chapter.output("narrow"):
    # --8<-- [start:narrow]
    layer = nn.Recurrent(nn.RNNCell(512, 128, seed=0))
    two_sequences = np.zeros((5, 2, 512), "float32")
    print(tg.explain(layer, two_sequences).summary())
    # --8<-- [end:narrow]


# %%
# --8<-- [start:fallback]
def peeking(h, x):
    h, _ = leaky(h, x)
    return (h / 2 if h.sum() > 1 else h), h


def entangled(h, x):
    return leaky(tg.einsum("bi,bj->bi", h, h), x)


def noisy(h, x):
    return leaky(h + rng.normal(size=4), x)


# --8<-- [end:fallback]

with chapter.output("reasons"):
    # --8<-- [start:reasons]
    import textwrap

    for step in (peeking, entangled, noisy):
        summary = tg.explain(tg.scan, step, h0, xs).summary()
        print(step.__name__, textwrap.fill(summary, 76), sep="\n", end="\n\n")
    # --8<-- [end:reasons]

# %%
with chapter.output("threads"):
    # --8<-- [start:threads]
    tg.set_num_threads(1)
    print(tg.get_num_threads())
    tg.set_num_threads(None)  # as many as this process may use
    # --8<-- [end:threads]

# %% tags=["record"]
lstm = tg.explain(nn.Recurrent(nn.LSTMCell(3, 4, seed=0)), np.ones((5, 16, 3), "float32"))
chapter.text("lstm", lstm.summary())
chapter.text("lstm_forward", loops(lstm, "forward"))
chapter.text("lstm_backward", loops(lstm, "backward"))

# %% tags=["record"]
chapter.claim(
    "A step has one matrix product forward and one backward, though the cell is written with two.",
    holds=report.source.count(" product(") == 2,
    measured=report.source.count(" product("),
    unit="products",
)
chapter.claim(
    "The LSTM of the library, which nobody wrote a loop for, has as few.",
    holds=lstm.source.count(" product(") == 2,
    measured=lstm.source.count(" product("),
    unit="products",
)
chapter.claim(
    "Compiled and op by op give the same values and gradients.",
    holds=difference < 1e-12,
    measured=difference,
)
chapter.claim(
    "The gradient of a compiled scan can be differentiated again.",
    holds=check.largest_error < 1e-6,
    measured=check.largest_error,
)
