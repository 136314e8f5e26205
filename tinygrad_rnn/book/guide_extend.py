# %% [markdown]
# # Extend the engine
#
# What does it take to add an op of your own?

# %%
# --8<-- [start:import]
import numpy as np

import tinygrad_rnn as tg

# --8<-- [end:import]
from tinygrad_rnn import plot
from tinygrad_rnn.book import Chapter, Within

chapter = Chapter(
    "extend",
    title="Extend the engine",
    question="What does it take to add an op of your own?",
    prerequisites=[3],
    data=["numbers that the script makes"],
)


# %%
# --8<-- [start:declare]
@tg.op(
    kernel="exp(-{x} * {x})",
    tex=r"e^{-{#x}^2}",
    binds="power",
    samples=[tg.Case(tg.Reals(2, 3)), tg.Case(tg.Reals()), tg.Case(tg.Reals(0, 3))],
)
def bump(x, /):
    r"""A bump: the bell curve $y = e^{-x^2}$, elementwise.

    Derivation:
        The chain rule on $e^{u}$ with $u = -x^2$ gives $dy/dx = e^{-x^2} \cdot (-2x)$. The first
        factor is $y$, which is there already:
        $$\bar x = (-2) \odot \bar y \odot x \odot y$$
    """
    return np.exp(-x * x)


@bump.defvjp
def bump_vjp(g, y, x):
    return -2 * g * x * y


# --8<-- [end:declare]

# %%
with chapter.output("formula"):
    # --8<-- [start:formula]
    (formula,) = tg.formulas_of(bump)
    print(formula)
    # --8<-- [end:formula]

# %%
chapter.derivation(bump)
with chapter.output("checked", exact=False):
    # --8<-- [start:check]
    print(tg.gradcheck(bump, order=2))
    # --8<-- [end:check]
error = tg.gradcheck(bump, order=2).largest_error

# %%
with chapter.output("twice"):
    # --8<-- [start:twice]
    slope = tg.grad(bump)
    bend = tg.grad(slope)
    for f in (bump, slope, bend):
        print(f"{f(tg.tensor(0.5)).item():+.4f}  {f(tg.tensor(1.0)).item():+.4f}")
    # --8<-- [end:twice]

# %%
# --8<-- [start:curves]
xs = np.linspace(-3, 3, 121)
value, (first,) = bump(xs), tg.vjp(bump, xs)[1](np.ones_like(xs))
second = tg.grad(lambda x: tg.grad(lambda u: bump(u).sum())(x).sum())(xs)
# --8<-- [end:curves]


def draw(data):
    """The op and its derivatives, labelled where they end."""
    figure = plot.new_figure(7.2, 3.2)
    axes, colours = figure.add_subplot(), plot.LIGHT
    rows = [
        ("value", "bump(x)", colours.value, "-", 0.0, 1.06),
        ("first", "its slope", colours.cotangent, "--", 1.0, -1.12),
        ("second", "its bend", colours.green, ":", 1.9, 0.78),
    ]
    for name, label, colour, style, x, y in rows:
        axes.plot(data["x"], data[name], style, color=colour, linewidth=2)
        axes.text(x, y, label, color=colour, ha="center", va="bottom")
    axes.set_xlabel("x")
    axes.margins(x=0)
    axes.set_ylim(-2.15, 1.3)
    return figure


chapter.figure(
    "derivatives",
    draw,
    data={"x": xs, "value": value, "first": first.data, "second": second.data},
    band=Within(1e-6),
    alt="A bell curve that is 1 at zero, its slope, which crosses zero there, and its second "
    "derivative, which is lowest there, at minus two.",
    caption="The second derivative was never written down: it is the rule, differentiated.",
)

# %%
# --8<-- [start:graph]
x = tg.tensor(0.5, requires_grad=True, name="x")
w = tg.tensor(2.0, requires_grad=True, name="w")
drawing = tg.plot.graph(bump(w * x))
# --8<-- [end:graph]
chapter.figure(
    "graph",
    lambda data: drawing,
    alt="A graph: w and x go into a product, the product into bump; every box shows its value and "
    "its derivative.",
    caption="`plot.graph` knows the op as soon as it is declared, and so does the backward pass.",
)

# %%
with chapter.output("program"):
    # --8<-- [start:trace]
    program = tg.compiler.trace(lambda x: bump(x) * bump(x), np.zeros(3))
    print(program)
    # --8<-- [end:trace]


# %%
# --8<-- [start:wrong]
@tg.op(samples=bump.samples)
def lopsided(x, /):
    """The same op, with the sign of its rule forgotten."""
    return np.exp(-x * x)


lopsided.defvjp(lambda g, y, x: 2 * g * x * y)
# --8<-- [end:wrong]

with chapter.output("caught"):
    # --8<-- [start:caught]
    import textwrap

    try:
        tg.gradcheck(lopsided, np.array([0.0, 0.5, 1.0]))
    except tg.GradcheckError as mistake:
        caught = textwrap.fill(str(mistake), 76)
        print(caught)
    # --8<-- [end:caught]

# %%
with chapter.output("cell", exact=False):
    # --8<-- [start:cell]
    rng = np.random.default_rng(0)
    W, U = rng.normal(size=(2, 4, 4))

    def loss(W, U, xs):
        def radial(h, x):
            h = bump(h @ W + x @ U)
            return h, h

        _, hs = tg.scan(radial, tg.Tensor(np.zeros((2, 4))), xs)
        return (hs * hs).sum()

    report = tg.gradcheck(loss, W, U, rng.normal(size=(5, 2, 4)))
    print(report)
    # --8<-- [end:cell]

# %% tags=["record"]
chapter.claim(
    "The rule of the new op is right to second order.", holds=error < 1e-7, measured=error
)
promised = bump.__doc__.split("$$")[1]
chapter.claim(
    "The formula that the rule prints is the last line of the derivation.",
    holds=formula == promised,
    measured="the same",
)
chapter.claim(
    "At zero its second derivative is −2.",
    holds=bend(0.0).item() == -2,
    measured=bend(0.0).item(),
)
chapter.claim(
    "A forgotten sign is found, and the element named.",
    holds="element (2,)" in caught,
    measured="found",
)
chapter.claim(
    "A recurrent cell made of the new op has the right gradient, over five steps.",
    holds=report.largest_error < 1e-7,
    measured=report.largest_error,
)
