# %% [markdown]
# # Reverse-mode autodiff from scratch
#
# What is `x.grad` for `x*x + x` if you forget `+=`?

# %%
import random
import re
import sys
import textwrap
import time
import timeit
import tracemalloc
from functools import partial

from matplotlib import pyplot as plt

from tinygrad_rnn import plot
from tinygrad_rnn.book import Chapter, Within
from tinygrad_rnn.engine.backward import settled
from tinygrad_rnn.plot.palette import LIGHT

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

# %%
# --8<-- [start:imports]
import math
from heapq import heappop, heappush
from itertools import count

import numpy as np

import tinygrad_rnn as tg

# --8<-- [end:imports]

# %% [markdown]
# ## The naive way: bump it and look
#
# A derivative is a limit of differences. So bump each input, and divide.

# %%
with chapter.output("bumped", exact=False):
    # --8<-- [start:bump]
    def f(x):
        return x * x + x

    h = 1e-6
    print((f(3.0 + h) - f(3.0)) / h)
    # --8<-- [end:bump]


# %% [markdown]
# ## Copy forward, add backward
#
# The function uses `x` three times. Give each use a name of its own, and the chain rule is one
# line.


# %% tags=["record"]
def three_uses(x):
    r"""The derivative of $y = x \cdot x + x$, use by use.

    Derivation:
        1. Three copies of $x$ take part. Give each a name of its own, $x_1 = x_2 = x_3 = x$, so
           that $y = x_1 x_2 + x_3$.
        2. Each copy, moved alone, moves the output by its own partial derivative,
           $$\frac{\partial y}{\partial x_1} = x_2, \quad
             \frac{\partial y}{\partial x_2} = x_1, \quad
             \frac{\partial y}{\partial x_3} = 1.$$
        3. They are copies: when $x$ moves by $dx$, all three move by $dx$. To first order their
           effects add,
           $$dy = x_2\,dx + x_1\,dx + 1\,dx.$$
        4. So $x$ receives one share of the output's cotangent $\bar y$ from each copy,
           $$\begin{aligned}
             \bar x &= \bar y\,x_2 + \bar y\,x_1 + \bar y \\
                    &= \bar y\,(2x + 1).
             \end{aligned}$$
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
# Each number remembers what it was made from, and its slope towards each of those.


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

# %% [markdown]
# ## Why the order matters
#
# One may walk back along every path. That is right, and hopeless.


# %%
# --8<-- [start:paths]
def along_every_path(node, g=1.0):
    """Carry g to whatever node was made from, path by path; return the number of visits."""
    node.grad += g
    return 1 + sum(
        along_every_path(x, g * slope)  # (1)!
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
chapter.table("visits", ["doublings", "paths", "visits, path by path", "visits, once each"], rows)
path_visits = chapter.metric("path_visits", visits)

# %% [markdown]
# One may visit each number once, in the order in which requests come in. That is fast, and wrong.


# %%
# --8<-- [start:queue]
def first_come(y):
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
    def detour(x, walk, swapped):
        a = x * x
        b = a * a
        walk(b + a if swapped else a + b)

    for walk in (first_come, backward):
        for swapped in (False, True):
            x = Number(3.0)
            detour(x, walk, swapped)
            print(f"{walk.__name__:10}  {'b + a' if swapped else 'a + b'}  {x.grad:5}")
    # --8<-- [end:orders]


def detour_of_3(walk):
    x = Number(3.0)
    detour(x, walk, swapped=False)
    return int(x.grad)


queue_answer = chapter.metric("queue_answer", detour_of_3(first_come))
heap_answer = chapter.metric("heap_answer", detour_of_3(backward))

# %%
x = tg.tensor(3.0, requires_grad=True, name="x")
a = x * x
b = a * a
y = a + b
a.name, b.name, y.name = "a", "b", "y"
chapter.figure(
    "detour",
    lambda data: plot.graph(y, shares=True),
    alt="A lopsided diamond: x = 3 goes twice into a = 9, a goes twice into b = 81, and a and b "
    "are added to y = 90. Backward, a receives 1 from y and 9 and 9 from b, 19 in all, and x "
    "receives 57 and 57, 114 in all.",
    caption="A short way and a long way lead from $y$ back to $a$. Whoever takes the short one "
    "first finds $a$ with a cotangent of 1, where 19 is on its way.",
)

# %% tags=["record"]
chapter.export("waiting", plot.steps(y), exact=True)

# %%
with chapter.output("chain"):
    # --8<-- [start:chain]
    x = Number(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    backward(y)
    print("heap:     ", x.grad)
    try:
        along_every_path(y)
    except RecursionError:
        print("recursion:", "RecursionError")
    # --8<-- [end:chain]
long_sum = int(x.grad)
del x, y

# %% [markdown]
# ## From slopes to vjps
#
# For an array, the slope would be a Jacobian. Nobody wants to see it.

# %%
# --8<-- [start:layer]
normal = np.random.default_rng(0).normal
x, W, b = normal(size=(4, 3)), normal(size=(3, 2)), normal(size=2)


def layer(x, W, b):
    return tg.tanh(x @ W + b)


y, pullback = tg.vjp(layer, x, W, b)
y_bar = np.ones(y.shape)
x_bar, W_bar, b_bar = pullback(y_bar)
# --8<-- [end:layer]

# --8<-- [start:by_hand]
z_bar = y_bar * (1 - y.numpy() ** 2)  # (1)!
assert np.allclose(x_bar.numpy(), z_bar @ W.T)  # (2)!
assert np.allclose(W_bar.numpy(), x.T @ z_bar)
assert np.allclose(b_bar.numpy(), z_bar.sum(axis=0))  # (3)!
# --8<-- [end:by_hand]

# %%
rows = [
    [f"${tex}$", str(tuple(tensor.shape)), str(tensor.dtype), words]
    for tex, tensor, words in [
        ("x", x, "4 examples with 3 features"),
        ("W", W, "weights from 3 features to 2 units"),
        ("b", b, "bias, the same for all examples"),
        ("z = x W + b", x @ W + b, "before the activation"),
        (r"y = \tanh z", y, "output"),
        (r"\bar y", y_bar, "its cotangent, which is given"),
        (r"\bar z", z_bar, "what tanh hands on"),
        (r"\bar x", x_bar, "what the input receives"),
        (r"\bar W", W_bar, "what the weights receive"),
        (r"\bar b", b_bar, "what the bias receives, from 4 rows"),
    ]
]
chapter.table("shapes", ["tensor", "shape", "dtype", "what it is"], rows)

batch, features, units = 32, 128, 128
rows = [
    [r"$y = \tanh z$, in $z$", (batch * units) ** 2, batch * units],
    ["$z = x W + b$, in $W$", batch * units * features * units, features * units],
    ["$z = x W + b$, in $b$", batch * units * units, units],
]
chapter.metric("jacobian_entries", rows[1][1])
chapter.table("jacobians", ["op", "entries of its Jacobian", "entries of its vjp"], rows)

# %% tags=["record"]
chapter.derivation(tg.tanh)
chapter.derivation(tg.matmul)
chapter.derivation(settled, b, using=lambda b: tg.tanh(x @ W + b))

# %% [markdown]
# ## Is it right?
#
# Compare with differences: of fourth order, in float64.

# %%
# --8<-- [start:stencils]
STENCILS = {  # by order: the weight of phi(k h), for each k
    1: {0: -1, 1: 1},
    2: {-1: -1 / 2, 1: 1 / 2},
    4: {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12},
}


def difference(phi, h, order):
    return sum(weight * phi(k * h) for k, weight in STENCILS[order].items()) / h


# --8<-- [end:stencils]


# %% tags=["record"]
def fourth_order(phi, h):
    r"""The slope of a function, by a difference of fourth order.

    Derivation:
        1. Taylor's series at $h$ and at $-h$: in the difference the even powers cancel,
           $$\varphi(h) - \varphi(-h) = 2h\,\varphi' + \tfrac{1}{3} h^3 \varphi'''
             + \tfrac{1}{60} h^5 \varphi^{(5)} + \dots$$
        2. The same with twice the step,
           $$\varphi(2h) - \varphi(-2h) = 4h\,\varphi' + \tfrac{8}{3} h^3 \varphi'''
             + \tfrac{32}{60} h^5 \varphi^{(5)} + \dots$$
        3. Eight times the first minus the second: the cubes cancel, and dividing by what is left
           of $\varphi'$ gives
           $$\varphi' = \frac{8\,(\varphi(h) - \varphi(-h)) - (\varphi(2h) - \varphi(-2h))}{12\,h}
             + \tfrac{1}{30} h^4 \varphi^{(5)} + \dots$$
        4. Every $\varphi$ is rounded by about $\varepsilon$, and the division by $h$ makes
           $\varepsilon / h$ of that. The two errors together,
           $$e(h) \approx C\,h^4 + \frac{\varepsilon}{h},$$
           are least where $h \approx \varepsilon^{1/5}$; there they come to about
           $\varepsilon^{4/5}$.
    """
    return difference(phi, h, 4)


measured_slope = fourth_order(lambda t: math.tanh(0.5 + t), 1e-3)
chapter.derivation(fourth_order, error=abs(measured_slope / (1 - math.tanh(0.5) ** 2) - 1))

# %% [markdown]
# ## Random graphs
#
# A graph is a list of instructions: which op, and on which of the numbers so far.


# %%
# --8<-- [start:random_graph]
OPS = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "tanh": lambda a, b: np.tanh(a),  # (1)!
}


def random_graph(rng, inputs, ops):
    """Random instructions, with no input and no result left unused."""
    graph, unused = [], list(range(inputs))
    for k in range(inputs, inputs + ops):
        op = rng.choice(list(OPS))
        i, j = unused.pop(rng.randrange(len(unused))), rng.randrange(k)
        unused = [n for n in unused if n != j or op == "tanh"] + [k]
        graph.append((op, i, j))
    for i in unused[:-1]:
        graph.append(("add", i, inputs + len(graph) - 1))
    return graph


def run(graph, xs):
    """The graph's output, on whatever kind of numbers the xs are."""
    values = list(xs)
    for op, i, j in graph:
        values.append(OPS[op](values[i], values[j]))
    return values[-1]


# --8<-- [end:random_graph]


# %%
# --8<-- [start:methods]
def by_toy(f, x, walk=backward):
    numbers = [Number(v) for v in x]
    walk(f(numbers))
    return np.array([number.grad for number in numbers])


def by_engine(f, x):
    leaves = [tg.tensor(v, dtype="float64", requires_grad=True) for v in x]
    f(leaves).backward()
    return np.array([leaf.grad.item() for leaf in leaves])


def by_differences(f, x, h, order):
    def along(i):
        return lambda t: f([v + t if k == i else v for k, v in enumerate(x)])

    return np.array([difference(along(i), h, order) for i in range(len(x))])


def by_complex_step(f, x, h=1e-100):
    bumped = ([complex(v, h * (k == i)) for k, v in enumerate(x)] for i in range(len(x)))
    return np.array([f(z).imag / h for z in bumped])


# --8<-- [end:methods]


# %%
def error(gradient, truth):
    """The largest error of any element, relative to the largest element."""
    return float(np.abs(gradient - truth).max() / np.abs(truth).max())


def digits(errors):
    """How many digits are right: those of the median error."""
    return -np.log10(np.maximum(np.median(errors), 1e-17))


rng = random.Random(chapter.seed)


def random_function(inputs, ops):
    """A random graph as a function, and where to differentiate it."""
    graph = random_graph(rng, inputs, ops)
    return partial(run, graph), [rng.uniform(-1, 1) for _ in range(inputs)]


cases = [random_function(8, 32) for _ in range(200)]
truths = [by_complex_step(f, x) for f, x in cases]
toys = [by_toy(f, x) for f, x in cases]
engines = [by_engine(f, x) for f, x in cases]


def errors(gradients):
    return np.array([error(g, truth) for g, truth in zip(gradients, truths, strict=True)])


apart = max(error(a, b) for a, b in zip(toys, engines, strict=True))
chapter.metric("toy_from_engine", apart, band=(0, 1e-13))
reverse_digits = chapter.metric("reverse_digits", digits(errors(engines)), band=(15, 17))
hasty = errors([by_toy(f, x, first_come) for f, x in cases])
chapter.metric("hasty_wrong", float(np.mean(hasty > 1e-6)), band=Within(0.02))

# %% [markdown]
# ## The step that differences have to choose


# %%
def sweep(order, exponents, kind=float):
    """The digits that differences get right, for steps of 10 to those powers."""
    right = []
    for exponent in exponents:
        off = []
        for (f, x), truth in zip(cases[:40], truths, strict=False):
            xs = [kind(v) for v in x]
            if kind is not float:
                truth = by_complex_step(f, [float(v) for v in xs])
            off.append(error(by_differences(f, xs, kind(10.0**exponent), order), truth))
        right.append(digits(off))
    return np.array(right)


exponents = np.arange(-15, 0.01, 0.25)
not_tiny = exponents[exponents >= -7]  # below that, a step in float32 is lost altogether
in_single = np.full(len(exponents), np.nan)
in_single[exponents >= -7] = sweep(4, not_tiny, np.float32)
vees = {
    "forward": sweep(1, exponents),
    "central": sweep(2, exponents),
    "fourth": sweep(4, exponents),
    "single": in_single,
}
best = {name: float(np.nanmax(right)) for name, right in vees.items()}


def draw_vees(data):
    figure, axes = plt.subplots(figsize=(6.6, 5.2))
    for name, colour, dash, label, (x, y) in [
        ("forward", LIGHT.ochre, (0, (6, 2)), "forward difference", (1e-8, 4e-10)),
        ("central", LIGHT.green, (0, (6, 2, 1.5, 2)), "central difference", (2.4e-6, 4e-13)),
        ("fourth", LIGHT.value, "-", "fourth order", (1.5e-4, 1.2e-14)),
        ("single", LIGHT.purple, (0, (1.5, 1.2)), "fourth order in float32", (4e-8, 0.25)),
    ]:
        h, e = 10.0 ** data["exponent"], 10.0 ** -data[name]
        k = int(np.nanargmin(e))
        axes.plot(h, e, color=colour, linestyle=dash)
        axes.plot(h[k], e[k], "o", color=colour, markersize=7)
        axes.text(x, y, label, color=colour, ha="right", va="center")
    for x, y, power in [(1.2e-6, 3e-5, "h"), (2.5e-5, 6e-8, "h²"), (1.3e-2, 2e-9, "h⁴")]:
        axes.text(x, y, f"∝ {power}", color=LIGHT.muted, va="center")
    axes.text(3e-12, 1e-3, "rounding, ∝ 1 / h", color=LIGHT.muted, ha="left", va="center")
    axes.axhline(10.0 ** -data["reverse"], color=LIGHT.cotangent, linewidth=2.4)
    axes.text(2e-15, 5e-16, "reverse mode: no step to choose", color=LIGHT.cotangent, va="bottom")
    axes.axvline(1e-3, color=LIGHT.muted, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1)
    axes.text(1.4e-3, 4e-15, "gradcheck’s h", color=LIGHT.muted, ha="left", va="center")
    axes.set(xscale="log", yscale="log", xlim=(1e-15, 1.5), ylim=(3e-17, 4), xlabel="step h")
    axes.set_title("relative error of the gradient")
    axes.set_xticks(10.0 ** np.arange(-15, 1, 3.0))
    axes.set_yticks(10.0 ** np.arange(-16, 1, 4.0))
    axes.minorticks_off()
    return figure


chapter.figure(
    "vee",
    draw_vees,
    data={"exponent": exponents, **vees, "reverse": reverse_digits},
    band=Within(0.5),
    alt="Relative error against step size on logarithmic axes. Forward, central and fourth-order "
    "differences in float64 and fourth order in float32 each draw a V: rounding on the left, "
    "truncation on the right. The lowest points are at about 8, 11, 12 and 5 digits; reverse mode "
    "is a flat line at 16.",
    caption="Every difference is squeezed between two errors: too long a step misses the curve, "
    "too short a step leaves nothing but rounding. Reverse mode takes no step.",
)


def bottom(name, order, epsilon):
    """Where a V is lowest, measured and as the derivation has it."""
    step = math.log10(epsilon) / (order + 1)
    return [exponents[np.nanargmax(vees[name])], step, best[name], -order * step]


double, single = np.finfo(np.float64).eps, np.finfo(np.float32).eps
chapter.table(
    "steps",
    ["difference", r"best $\log_{10} h$", "in theory", "digits", "in theory"],
    [
        ["forward", *np.round(bottom("forward", 1, double), 1)],
        ["central", *np.round(bottom("central", 2, double), 1)],
        ["fourth order", *np.round(bottom("fourth", 4, double), 1)],
        ["fourth order, float32", *np.round(bottom("single", 4, single), 1)],
    ],
    band=Within(0.6),
)

# %% [markdown]
# ## The price of a gradient
#
# In evaluations of the function on plain Python numbers, or plain arrays.


# %%
# A process's own time does not count what other programs take; Windows measures it too coarsely.
timer = time.perf_counter if sys.platform == "win32" else time.process_time


def price(gradient, function, rounds=9):
    """How many times as long as the function its gradient takes; both in turn, best times."""
    took = partial(timeit.timeit, timer=timer)
    number = max(1, round(0.002 / took(function, number=10) * 10))
    times = [(took(gradient, number=1), took(function, number=number)) for _ in range(rounds)]
    return min(g for g, _ in times) / min(f for _, f in times) * number


def prices(method, sizes):
    """The price of a gradient by some method, for functions of so many inputs."""
    functions = [random_function(n, 5 * n) for n in sizes]
    return [price(partial(method, f, x), partial(f, x)) for f, x in functions]


wide = random_graph(rng, 8, 32)


def price_on_arrays(length):
    """The price for a graph whose every input is an array of that length."""
    xs = normal(size=(8, length))

    def gradient():
        leaves = [tg.tensor(x, requires_grad=True) for x in xs]
        run(wide, leaves).sum().backward()

    return price(gradient, lambda: run(wide, xs).sum())


inputs = np.array([1, 3, 10, 30, 100, 300, 1000])
lengths = np.array([1, 12, 125, 1250, 12500, 125000])
naive = partial(by_differences, h=1e-8, order=1)
price_data = {
    "numbers": {
        "inputs": inputs,
        "toy": prices(by_toy, inputs),
        "engine": prices(by_engine, inputs),
    },
    "naive": {"inputs": inputs[:6], "price": prices(naive, inputs[:6])},
    "arrays": {"inputs": 8 * lengths, "price": [price_on_arrays(k) for k in lengths]},
}
toy_price = chapter.metric("toy_price", price_data["numbers"]["toy"][-1], band=(3, 45))
engine_price = chapter.metric("engine_price", price_data["numbers"]["engine"][-1], band=(6, 150))
array_price = chapter.metric("array_price", price_data["arrays"]["price"][-1], band=(0.8, 9))
baseline = chapter.metric("baseline_evaluations", int(inputs[-1] + 1))
chapter.metric("baseline_digits", best["forward"], band=(7, 9))
at_step = vees["fourth"][exponents == -3][0]
chapter.metric("gradcheck_digits", at_step, band=(10.5, 12.5))


def draw_prices(data):
    figure, axes = plt.subplots(figsize=(6.6, 4.2))
    n = np.array([1, 1e6])
    axes.plot(n, n + 1, color=LIGHT.ochre, linestyle=(0, (6, 2)))
    axes.plot(data["naive"]["inputs"], data["naive"]["price"], "o", color=LIGHT.ochre)
    numbers, arrays = data["numbers"], data["arrays"]
    for x, y, colour, dash in [
        (numbers["inputs"], numbers["engine"], LIGHT.cotangent, "-"),
        (numbers["inputs"], numbers["toy"], LIGHT.purple, (0, (1.5, 1.2))),
        (arrays["inputs"], arrays["price"], LIGHT.value, "-"),
    ]:
        axes.plot(x, y, color=colour, linestyle=dash, marker="o", markersize=4)
    axes.text(45, 800, "bump every input", color=LIGHT.ochre, ha="right")
    axes.text(1300, numbers["engine"][-1], "the library, on numbers", color=LIGHT.cotangent)
    axes.text(1300, numbers["toy"][-1], "the toy", color=LIGHT.purple)
    axes.text(3e4, 2.1, "the library, on arrays", color=LIGHT.value, ha="right")
    axes.set(xscale="log", yscale="log", xlim=(0.8, 1.4e6), ylim=(0.8, 2000))
    axes.set_title("price of the gradient, in evaluations of the function")
    axes.set_xlabel("inputs")
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.set_xticks([1, 1e3, 1e6], ["1", "1 k", "1 M"])
    axes.minorticks_off()
    return figure


chapter.figure(
    "price",
    draw_prices,
    data=price_data,
    band=Within(absolute=5, relative=1.5),
    digits=3,
    alt="The price of a gradient against the number of inputs, on logarithmic axes. Bumping rises "
    "along n + 1. The toy stays near 12 evaluations and the library near 25 from one input to a "
    "thousand; on arrays the library falls from there to about 2 at a million inputs.",
    caption="Dots are measured. Bumping pays for every input; one backward pass costs the same, "
    "however many inputs there are.",
)

# %% [markdown]
# ## Gradients of gradients

# %%
with chapter.output("twice"):
    # --8<-- [start:twice]
    def cube(x):
        return x * x * x

    slope = tg.grad(cube)
    bend = tg.grad(slope)
    print(cube(3.0), slope(3.0).item(), bend(3.0).item())
    # --8<-- [end:twice]

# %%
# --8<-- [start:create_graph]
x = tg.tensor(3.0, requires_grad=True, name="x")
y = x * x * x
y.backward(create_graph=True)
slope = x.grad
# --8<-- [end:create_graph]
chapter.figure(
    "cube",
    lambda data: plot.graph(slope),
    alt="The graph of the gradient of x·x·x at 3: three products of two factors each, all worth 9, "
    "are added to 27; x enters it five times and has cotangent 18.",
    caption="`x.grad` of $x \\cdot x \\cdot x$, drawn as a graph of its own. Its three summands "
    "are the three shares, 9 each; and $x$ has a cotangent in it, the second derivative $6x = 18$.",
)


# %% tags=["record"]
A, v, x = normal(size=(5, 5)) / 5, normal(size=5), normal(size=5)


def energy(x):
    return (tg.tanh(A @ x) * x).sum()


exact = tg.hessian_vector_product(energy, x, v).numpy()
by_bumping = difference(lambda t: tg.grad(energy)(x + t * v).numpy(), 1e-3, 4)
chapter.derivation(tg.hessian_vector_product, error=error(exact, by_bumping))

# %% [markdown]
# ## Memory comes back

# %%
held = []


def note():
    held.append(tracemalloc.get_traced_memory()[0] / 2**20)


# --8<-- [start:probe]
@tg.op
def probe(x, /):
    """Its input as it is; notes how much memory is held, forward and backward."""
    note()
    return x.view()


@probe.defvjp
def probe_vjp(g, y, x):
    note()
    return g


def climb(retain_graph):
    h = tg.tensor(np.ones((512, 512), "float32"), requires_grad=True)
    for _ in range(32):
        h = probe(tg.tanh(h))
    h.sum().backward(retain_graph=retain_graph)
    note()


# --8<-- [end:probe]
def memory_of(retain_graph):
    held.clear()
    tracemalloc.start()
    climb(retain_graph)
    tracemalloc.stop()
    return np.array(held)


freed, kept = memory_of(retain_graph=False), memory_of(retain_graph=True)
peak = chapter.metric("peak", freed.max(), band=Within(1.5), unit="MiB")


def draw_memory(data):
    figure, axes = plt.subplots(figsize=(6.6, 3.4))
    top = len(data["freed"]) // 2
    steps = np.arange(1, 2 * top + 2)
    forward, back = slice(0, top), slice(top - 1, None)
    axes.plot(steps[back], data["kept"][back], color=LIGHT.muted, linestyle=(0, (6, 2)))
    axes.plot(steps[forward], data["freed"][forward], color=LIGHT.value)
    axes.plot(steps[back], data["freed"][back], color=LIGHT.cotangent)
    axes.text(0.18 * top, 0.62 * top, "forward:\nvalues are kept", color=LIGHT.value)
    axes.text(1.5 * top + 2, 0.62 * top, "backward:\neach is freed\nafter its use",
              color=LIGHT.cotangent)  # fmt: skip
    axes.text(2 * top + 1, top + 4, "retain_graph=True", color=LIGHT.muted, ha="right")
    axes.set(xlim=(1, 2 * top + 1), ylim=(0, top + 8))
    axes.set_xticks([1, top, 2 * top], ["first op", "last op", "first op"])
    axes.set_title("memory held, in MiB")
    return figure


chapter.figure(
    "memory",
    draw_memory,
    data={"freed": freed, "kept": kept},
    band=Within(1.5),
    digits=4,
    alt="Memory against time. It climbs by one MiB with each of 32 ops to 33 and falls as evenly "
    "to nothing while the backward pass runs. With retain_graph=True it stays at the top.",
    caption="Thirty-two ops on arrays of one MiB, forward and back. The measuring points are ops "
    "themselves, so they see what the backward pass holds at that moment.",
)


# %%
def words_of(error):
    """An error's text in lines, without the folder and line of this file."""
    words = re.sub(r"\S+\.py:\d+", "ch03_reverse_mode.py", str(error))
    return textwrap.fill(f"{type(error).__name__}: {words}", 92)


# --8<-- [start:again]
x = tg.tensor(3.0, requires_grad=True)
y = x * x + x
y.backward()
try:
    y.backward()
except tg.GraphError as refusal:
    complaint = refusal
# --8<-- [end:again]
chapter.text("again", words_of(complaint))

# %% [markdown]
# ## What breaks: one character


# %%
# --8<-- [start:forgetful]
def forgetful(y):
    """Like backward, but each share overwrites the one before."""
    y.grad = 1.0
    waiting, met = [(-y.rank, y)], {y}
    while waiting:
        _, node = heappop(waiting)
        for x, slope in zip(node.inputs, node.slopes, strict=True):
            x.grad = node.grad * slope  # (1)!
            if x not in met:
                met.add(x)
                heappush(waiting, (-x.rank, x))


# --8<-- [end:forgetful]

# %%
with chapter.output("forgotten_output"):
    # --8<-- [start:forgotten]
    x = Number(3.0)
    forgetful(x * x + x)
    print(x.grad)
    # --8<-- [end:forgotten]
forgotten = chapter.metric("forgotten", int(x.grad))
off = errors([by_toy(f, x, forgetful) for f, x in cases])
chapter.metric("forgetful_wrong", float(np.mean(off > 1e-6)), band=Within(0.02))


# %%
# --8<-- [start:descend]
def descend(walk, start=1.5, rate=0.2, steps=40):
    """Go downhill on x*x + x, along whatever gradient the walk gives."""
    xs = [start]
    for _ in range(steps):
        x = Number(xs[-1])
        walk(x * x + x)
        xs.append(xs[-1] - rate * x.grad)
    return np.array(xs)


# --8<-- [end:descend]
right, wrong = descend(backward), descend(forgetful)
too_far = float(wrong[-1] - right[-1])
always_down = bool((np.diff(wrong**2 + wrong) < 0).all())


def draw_valley(data):
    figure, axes = plt.subplots(figsize=(6.6, 4.4))
    xs = np.linspace(-1.7, 1.75, 200)
    axes.plot(xs, xs * xs + xs, color=LIGHT.muted, linewidth=1.2)
    axes.plot(
        [-0.25, 0.9], [-0.25, 0.9], color=LIGHT.cotangent, linewidth=1.2, linestyle=(0, (6, 2))
    )
    right, wrong = data["right"], data["wrong"]
    style = {"linestyle": "none", "clip_on": False}
    axes.plot(wrong, wrong**2 + wrong, "o", markersize=11, markerfacecolor="none",
              markeredgecolor=LIGHT.cotangent, markeredgewidth=1.6, **style)  # fmt: skip
    axes.plot(right, right**2 + right, "o", markersize=5, color=LIGHT.value, **style)
    axes.text(1.42, 3.85, "both start here", color=LIGHT.ink, ha="right", va="center")
    axes.text(0.95, 0.8, "with = it rests at 0,\nwhere the slope is still 1",
              color=LIGHT.cotangent, va="center")  # fmt: skip
    axes.text(-0.5, -0.42, "with += it finds the bottom", color=LIGHT.value, ha="center", va="top")
    axes.set(xlim=(-1.75, 2.05), ylim=(-0.95, 4.1), xlabel="x")
    axes.set_title("x · x + x")
    return figure


chapter.figure(
    "valley",
    draw_valley,
    data={"right": right, "wrong": wrong},
    band=Within(1e-4),
    alt="The parabola x·x + x. Descent with the right gradient runs from 1.5 to the bottom at "
    "minus one half. Descent with the forgetful one stops at 0, where the tangent has slope 1.",
    caption="Forty steps downhill from the same start, with the right gradient and with the "
    "forgetful one. The loss falls at every step of both.",
)


# %%
# --8<-- [start:suspect]
def uses(x):
    return x[0] * x[1] + x[2] * x[2] + x[2]


tg.REGISTRY.pop("suspect", None)  # so that this may run twice


@tg.op
def suspect(x, /):
    """An op whose derivative is the toy's."""
    return np.asarray(uses(x))


@suspect.defvjp
def suspect_vjp(g, y, x):
    return g * by_toy(uses, x, forgetful)


# --8<-- [end:suspect]

# %%
# --8<-- [start:caught]
try:
    tg.gradcheck(suspect, np.array([2.0, 5.0, 3.0]))
except tg.GradcheckError as error_found:
    caught = error_found
caught
# --8<-- [end:caught]

# %% tags=["record"]
chapter.text("caught", words_of(caught))

# %%
with chapter.output("cleared"):
    # --8<-- [start:cleared]
    suspect.defvjp(lambda g, y, x: g * by_toy(uses, x, backward))
    print(tg.gradcheck(suspect, np.array([2.0, 5.0, 3.0])).largest_error < 1e-7)
    # --8<-- [end:cleared]

# %% [markdown]
# ## Exercises
#
# Warm-up: how many shares does `x` receive in `x * x * x`, and which one would be left?

# %%
# --8<-- [start:warm_up]
x = Number(3.0)
backward(x * x * x)
assert x.grad == 9 + 9 + 9

x = Number(3.0)
forgetful(x * x * x)
assert x.grad == 9
# --8<-- [end:warm_up]

# %% [markdown]
# Core: give the toy a division and a logarithm.


# %%
# --8<-- [start:divide_check]
def check_divide(divide, log):
    a, b = Number(2.0), Number(5.0)
    backward(log(divide(a, b) + a * b))

    def same(s, t):
        return math.log((2 + s) / (5 + t) + (2 + s) * (5 + t))

    a_bar = difference(lambda s: same(s, 0), 1e-3, 4)
    b_bar = difference(lambda t: same(0, t), 1e-3, 4)
    assert np.allclose([a.grad, b.grad], [a_bar, b_bar])
    print("right")


# --8<-- [end:divide_check]


# --8<-- [start:divide]
def divide(a, b):
    quotient = a.value / b.value
    return Number(quotient, (a, b), (1 / b.value, -quotient / b.value))


def log(a):
    return Number(math.log(a.value), (a,), (1 / a.value,))


check_divide(divide, log)
# --8<-- [end:divide]

# %% [markdown]
# Core: look up the rows of a table, with repeats, and derive the rule.


# %%
# --8<-- [start:lookup]
hello = np.array([0, 1, 2, 2, 3])  # h e l l o
tg.REGISTRY.pop("rows_of", None)


@tg.op
def rows_of(table, which, /):
    """One row of the table for each index."""
    return table[which]


def forgetful_rule(g, y, table, which):
    shares = np.zeros(table.shape)
    shares[which] = g
    return shares


def check_lookup(rule, order=1):
    rows_of.defvjp(rule, None)
    return tg.gradcheck(rows_of, np.ones((4, 3)), hello, order=order)


# --8<-- [end:lookup]

# %%
# --8<-- [start:overwritten]
try:
    check_lookup(forgetful_rule)
except tg.GradcheckError as error_found:
    overwritten = error_found
overwritten
# --8<-- [end:overwritten]

# %% tags=["record"]
chapter.text("overwritten", words_of(overwritten))


# %%
# --8<-- [start:lookup_answer]
def added_rule(g, y, table, which):
    one_hot = np.eye(table.shape[0])[which]  # (5, 4), and y is one_hot @ table
    return one_hot.T @ g


assert check_lookup(added_rule, order=2).largest_error < 1e-7
# --8<-- [end:lookup_answer]

# %% [markdown]
# Stretch: a toy that can differentiate its own gradients.


# %%
# --8<-- [start:smooth_check]
def check_smooth(Smooth, derivative):
    x = Smooth(3.0)
    y = x * x * x
    first = derivative(y, x)
    second = derivative(first, x)
    third = derivative(second, x)
    assert [first.value, second.value, third.value] == [27.0, 18.0, 6.0]
    print("right")


# --8<-- [end:smooth_check]


# --8<-- [start:smooth]
class Smooth(Number):
    """A Number whose slopes remember where they came from, too."""

    def __add__(self, other):
        return Smooth(self.value + other.value, (self, other), (Smooth(1.0), Smooth(1.0)))

    def __mul__(self, other):
        return Smooth(self.value * other.value, (self, other), (other, self))


def derivative(y, x):
    """dy/dx, as a Smooth number."""
    cotangents, waiting = {y: Smooth(1.0)}, [(-y.rank, y)]
    while waiting:
        _, node = heappop(waiting)
        for u, slope in zip(node.inputs, node.slopes, strict=True):
            share = cotangents[node] * slope
            if u not in cotangents:
                heappush(waiting, (-u.rank, u))
            cotangents[u] = cotangents[u] + share if u in cotangents else share
    return cotangents.get(x, Smooth(0.0))


check_smooth(Smooth, derivative)
# --8<-- [end:smooth]

# %% [markdown]
# ## What could be false

# %%
queue_is_wrong = queue_answer != heap_answer == 2 * 3 + 4 * 3**3
ahead = reverse_digits - max(best.values())
cheaper = baseline / max(toy_price, engine_price)
left = freed[-1]

chapter.claim(
    "With `=` in place of `+=`, `x.grad` for `x*x + x` at 3 is 3, and not 7.",
    holds=forgotten == 3,
    measured=forgotten,
)
chapter.claim(
    "`tg.gradcheck` finds that bug, and names the only element that is used more than once.",
    holds="element (2,)" in str(caught),
    measured="(2,)",
)
chapter.claim(
    "Descent along the forgetful gradient goes down at every step, and ends in the wrong place.",
    holds=always_down and too_far > 0.4,
    measured=round(too_far, 3),
    unit="too far",
)
chapter.claim(
    "A queue in place of the heap gives a wrong derivative of $a + a^2$ with $a = x^2$ at 3.",
    holds=queue_is_wrong,
    measured=f"{queue_answer}, not {heap_answer}",
)
chapter.claim(
    "Path by path, sixteen doublings take more than a hundred thousand visits.",
    holds=path_visits > 100_000,
    measured=path_visits,
)
chapter.claim(
    "A chain of 100,000 additions is no trouble for the heap.",
    holds=long_sum == 100_001,
    measured=long_sum,
    unit="shares",
)
chapter.claim(
    "On 200 random graphs the toy and the library agree to rounding.",
    holds=apart < 1e-13,
    measured=f"{apart:.0e}",
)
chapter.claim(
    "Reverse mode gets more digits right than any difference at its best step.",
    holds=ahead > 2,
    measured=round(ahead, 1),
    unit="more",
)
chapter.claim(
    "For a thousand inputs, one backward pass is more than ten times as cheap as bumping, by the "
    "toy and by the library.",
    holds=cheaper > 10,
    measured=round(cheaper),
    unit="times",
)
chapter.claim(
    "On arrays, a million derivatives cost less than ten evaluations.",
    holds=array_price < 10,
    measured=round(array_price, 1),
)
chapter.claim(
    "When `backward` has returned, the memory of the graph is free again.",
    holds=left < 0.1 * peak,
    measured=round(left, 1),
    unit="MiB left",
)
