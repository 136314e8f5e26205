# %% [markdown]
# # Reverse-mode autodiff from scratch
#
# What is `x.grad` for `x*x + x` if you forget `+=`?

# %%
import random
import re
import timeit
import tracemalloc
from functools import partial

import matplotlib.pyplot as plt

from tinygrad_rnn import plot
from tinygrad_rnn.book import Chapter, Within
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.plot.palette import LIGHT

# --8<-- [start:imports]
import math
from heapq import heappop, heappush
from itertools import count

import numpy as np

import tinygrad_rnn as tg
# --8<-- [end:imports]

chapter = Chapter(
    3,
    title="Reverse-mode autodiff from scratch",
    question="What is `x.grad` for `x*x + x` if you forget `+=`?",
    seed=3,
    prerequisites=[
        "the chain rule of one variable",
        "[NumPy's broadcasting](https://numpy.org/doc/stable/user/basics.broadcasting.html)",
    ],
    data=["random computation graphs, made by the script"],
)
rng = random.Random(chapter.seed)
normal = np.random.default_rng(chapter.seed).normal

# %% [markdown]
# ## Bump it: the naive way
#
# A derivative is a limit of differences, so bump the input and look.


# %%
# --8<-- [start:bump]
def f(x):
    return x * x + x


h = 1e-6
print((f(3.0 + h) - f(3.0)) / h)
# --8<-- [end:bump]
chapter.metric("bumped", (f(3.0 + h) - f(3.0)) / h, band=Within(1e-4))

# %% [markdown]
# ## Copy forward, add backward
#
# The function uses `x` three times. Give each use a name of its own, and the chain rule is one
# line.


# %% tags=["record"]
def three_uses(x):
    r"""The derivative of $y = x \cdot x + x$, use by use.

    Derivation:
        1. Three copies of $x$ take part. Give each a name of its own: $x_1 = x_2 = x_3 = x$ and
           $y = x_1 x_2 + x_3$.
        2. Each copy, moved alone, moves the output by
           $$\frac{\partial y}{\partial x_1} = x_2, \qquad
             \frac{\partial y}{\partial x_2} = x_1, \qquad
             \frac{\partial y}{\partial x_3} = 1.$$
        3. They are copies: when $x$ moves by $dx$, all three move by $dx$, and to first order the
           effects add,
           $$dy = x_2\,dx + x_1\,dx + 1\,dx.$$
        4. So the derivative collects one share from each copy,
           $$\bar x = \bar y\,(x_2 + x_1 + 1) = \bar y\,(2x + 1).$$
    """
    return x * x + x


chapter.derivation(three_uses, 3.0, name="shares")

# %%
# --8<-- [start:walk]
x = tg.tensor(3.0, requires_grad=True, name="x")
y = x * x + x
# --8<-- [end:walk]
chapter.figure(
    "graph",
    lambda data: plot.graph(y, shares=True),
    alt="The graph of y = x·x + x at x = 3. x is 3, the product is 9, y is 12. Backward, y has "
    "cotangent 1 and so has the product; x receives 3 and 3 from the product and 1 from the sum, "
    "which makes 7.",
    caption="Values in blue, cotangents in vermilion. Three arrows leave $x$, so three shares come "
    "back to it: $3 + 3 + 1 = 7$.",
)

# %% tags=["record"]
chapter.export("walk", plot.steps(y), exact=True)

# %% [markdown]
# ## Thirty lines
#
# Each number remembers what it was made from, and the slope towards each of those.


# %%
# --8<-- [start:toy]
clock = count()


class Number:
    """A number that remembers where it came from."""

    def __init__(self, value, inputs=(), slopes=()):
        self.value, self.grad = value, 0.0
        self.inputs, self.slopes = inputs, slopes  # (1)!
        self.rank = next(clock)  # (2)!

    def __add__(self, other):
        return Number(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Number(self.value * other.value, (self, other), (other.value, self.value))

    def tanh(self):
        y = math.tanh(self.value)
        return Number(y, (self,), (1 - y * y,))


def backward(y):
    """Add dy/dx to the grad of every number x that y was made from."""
    y.grad = 1.0
    waiting, met = [(-y.rank, y)], {y}
    while waiting:
        _, node = heappop(waiting)  # (3)!
        for x, slope in zip(node.inputs, node.slopes, strict=True):
            x.grad += node.grad * slope  # (4)!
            if x not in met:
                met.add(x)
                heappush(waiting, (-x.rank, x))


# --8<-- [end:toy]

# %%
with chapter.output("first"):
    # --8<-- [start:first]
    x = Number(3.0)
    y = x * x + x
    backward(y)
    print(y.value, x.grad)
    # --8<-- [end:first]
chapter.metric("remembered", int(x.grad))

# %% [markdown]
# ## Why the order matters
#
# Walk backward along every path: right, and hopeless.


# %%
# --8<-- [start:paths]
def along_every_path(node, g=1.0):
    """Carry g to whatever node was made from, by every path; return the number of visits."""
    node.grad += g
    return 1 + sum(
        along_every_path(x, g * slope)
        for x, slope in zip(node.inputs, node.slopes, strict=True)
    )


def doubled(x, times):
    for _ in range(times):
        x = x + x
    return x


# --8<-- [end:paths]
rows = []
for times in (4, 8, 12, 16):
    x = Number(1.0)
    visits = along_every_path(doubled(x, times))
    assert x.grad == 2**times
    rows.append([times, 2**times, visits, times + 1])
chapter.table("visits", ["doublings", "paths", "visits, path by path", "numbers"], rows)
chapter.metric("path_visits", visits)


# %% [markdown]
# Visit every number once, the oldest request first: fast, and wrong.


# %%
# --8<-- [start:queue]
def first_come_first_served(y):
    """Like backward, with a queue in place of the heap."""
    y.grad = 1.0
    waiting, met = [y], {y}
    while waiting:
        node = waiting.pop(0)  # (1)!
        for x, slope in zip(node.inputs, node.slopes, strict=True):
            x.grad += node.grad * slope
            if x not in met:
                met.add(x)
                waiting.append(x)


# --8<-- [end:queue]

# %%
with chapter.output("orders"):
    # --8<-- [start:orders]
    for walk in (first_come_first_served, backward):
        for name in ("a + b", "b + a"):
            x = Number(3.0)
            a = x * x
            b = a * a
            walk(a + b if name == "a + b" else b + a)
            print(f"{walk.__name__:24} y = {name}   x.grad = {x.grad:5}   a.grad = {a.grad:4}")
    # --8<-- [end:orders]

x = Number(3.0)
a = x * x
first_come_first_served(a + a * a)
queue_answer = chapter.metric("queue_answer", int(x.grad))
x = Number(3.0)
a = x * x
backward(a + a * a)
heap_answer = chapter.metric("heap_answer", int(x.grad))

# %%
x = tg.tensor(3.0, requires_grad=True, name="x")
a = x * x
b = a * a
y = a + b
a.name, b.name, y.name = "a", "b", "y"
chapter.figure(
    "diamond",
    lambda data: plot.graph(y, shares=True),
    alt="A lopsided diamond: x = 3 goes twice into a = 9, a goes twice into b = 81, and a and b "
    "are added to y = 90. Backward, a receives 1 from y and 9 and 9 from b, 19 in all, and x "
    "receives 57 and 57, 114 in all.",
    caption="A short and a long way lead from $y$ to $a$. Whoever takes the short one first finds "
    "$a$ with only a part of its cotangent.",
)

# %% tags=["record"]
chapter.export("detour", plot.steps(y), exact=True)

# %%
# --8<-- [start:chain]
x = Number(1.0)
y = x
for _ in range(100_000):
    y = y * Number(1.0)
backward(y)
print(x.grad)
# --8<-- [end:chain]
chain = x.grad
try:
    along_every_path(y)
except RecursionError:
    recursion = "RecursionError"
del x, y

# %% [markdown]
# ## From slopes to vjps
#
# For arrays a slope would be a Jacobian. Nobody wants to see it.

# %%
# --8<-- [start:layer]
rng_layer = np.random.default_rng(0)
x, W, b = rng_layer.normal(size=(4, 3)), rng_layer.normal(size=(3, 2)), rng_layer.normal(size=2)


def layer(x, W, b):
    return tg.tanh(x @ W + b)


y, pullback = tg.vjp(layer, x, W, b)
y_bar = np.ones(y.shape)
x_bar, W_bar, b_bar = pullback(y_bar)
# --8<-- [end:layer]

# --8<-- [start:by_hand]
z_bar = y_bar * (1 - y.numpy() ** 2)  # through tanh
assert np.allclose(x_bar.numpy(), z_bar @ W.T)
assert np.allclose(W_bar.numpy(), x.T @ z_bar)
assert np.allclose(b_bar.numpy(), z_bar.sum(axis=0))  # b was copied to every row
# --8<-- [end:by_hand]

tensors = {"x": x, "W": W, "b": b, "z": x @ W + b, "y": y, "x_bar": x_bar, "W_bar": W_bar}
tensors |= {"b_bar": b_bar, "y_bar": y_bar}
meaning = {
    "x": ("x", "a batch of 4 examples with 3 features"),
    "W": ("W", "weights, from 3 features to 2 units"),
    "b": ("b", "bias, the same for every example"),
    "z": ("z = x W + b", "pre-activation; the bias is copied to every row"),
    "y": (r"y = \tanh z", "output"),
    "y_bar": (r"\bar y", "cotangent of the output, which is given"),
    "x_bar": (r"\bar x", "cotangent of the input"),
    "W_bar": (r"\bar W", "cotangent of the weights"),
    "b_bar": (r"\bar b", "cotangent of the bias: 4 rows, added up"),
}
rows = [
    [f"${tex}$", str(tuple(tensors[name].shape)), str(tensors[name].dtype), words]
    for name, (tex, words) in meaning.items()
]
chapter.table("shapes", ["tensor", "shape", "dtype", "what it is"], rows)

# %%
B, I, H = 32, 128, 128
rows = [
    [r"$\tanh z$ in $z$", (B * H) ** 2, B * H],
    ["$x W$ in $W$", B * H * I * H, I * H],
    ["$z + b$ in $b$", B * H * H, H],
]
chapter.table("jacobians", ["op", "entries of its Jacobian", "entries of its vjp"], rows)
chapter.metric("jacobian_entries", (B * H) ** 2)

# %% tags=["record"]
chapter.derivation(tg.mul)
chapter.derivation(tg.tanh)
chapter.derivation(tg.matmul)
chapter.derivation(settled, normal(size=3), using=lambda b: tg.tensor(normal(size=(4, 3))) * b)
