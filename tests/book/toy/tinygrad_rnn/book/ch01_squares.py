# %% [markdown]
# # Squares
#
# How fast does a square grow?

# %%
import numpy as np

from tinygrad_rnn.book import Chapter, Within

# %%
chapter = Chapter(
    1,
    title="Squares",
    question="How fast does `x * x` grow?",
    seed=7,
    prerequisites=["[counting](https://example.org)"],
    data=["the first five numbers, made by the script"],
)


# %%
# --8<-- [start:square]
def square(x):
    r"""The square, $y = x^2$.

    Derivation:
        1. The difference quotient is $(x + h)^2 - x^2$ over $h$, which is $2x + h$;
        2. as $h$ vanishes,
           $$\bar x = 2 x \bar y$$
    """
    return x * x  # (1)!


# --8<-- [end:square]


# %%
numbers = np.arange(5)
squares = square(numbers)
chapter.metric("largest", squares.max(), unit="units")
chapter.metric("mean", squares.mean(), band=(5, 7))
chapter.metric("baseline", numbers.mean(), band=Within(0.1))

# %%
with chapter.output("trace"):
    # --8<-- [start:trace]
    for x in numbers:
        print(x, square(x))
    # --8<-- [end:trace]
chapter.text("clock", "tick", exact=False)
chapter.table("shapes", ["tensor", "length", "mean"], [["$x$", 5, numbers.mean()]], band=(1, 3))


# %%
def draw(data):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot(data["x"], data["y"], label="square")
    axes.set(xlabel="x", ylabel="y")
    axes.legend()
    return figure


chapter.figure(
    "growth",
    draw,
    data={"x": numbers, "y": squares + 0.25},
    band={"y": Within(0.5)},
    alt="A parabola from 0 to 16.",
    caption="It *grows*.",
)
chapter.export("weights", {"W": np.ones((2, 3))})
chapter.export("walk", {"nodes": [{"id": "x", "value": "3"}]}, exact=True)

# %%
chapter.claim("No square is *negative*.", holds=bool((squares >= 0).all()), measured=squares.min())

# %% tags=["record"]
chapter.derivation(square, error=1e-12)
