"""Recurrent cells that nobody would invent: steps of random ops, as source that a person can read.

Hypothesis writes a cell line by line. A line applies an op to values of earlier lines, parameters
and constants, and is run at once on example arrays, so that the next line knows their shapes. A
test that fails prints the smallest such cell:

    def step(carry, x):
        [h0] = leaves(carry)
        [x0] = x
        v0 = h0 @ w0
        v1 = tg.tanh(v0)
        return (v1,), (v0,)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn.engine.nesting import leaves, mapped

Nest = Any
Draw = Callable[[Any], Any]
Fits = Callable[[np.ndarray], bool]

# Expressions in values a and b of one shape; the batch is the first axis.
ELEMENTWISE = """
    tg.tanh(a)
    tg.sigmoid(a)
    tg.relu(a)
    tg.leaky_relu(a, 0.1)
    tg.elu(a)
    tg.abs(a)
    -a
    tg.sin(a)
    tg.cos(a)
    tg.erf(a)
    tg.softplus(a)
    tg.silu(a)
    tg.gelu(a)
    tg.exp(-tg.abs(a))
    tg.log1p(a * a)
    tg.sqrt(a * a + 0.5)
    tg.rsqrt(a * a + 0.5)
    tg.expm1(tg.tanh(a))
    tg.log(tg.softplus(a) + 0.1)
    a**2
    a**3
    (a * a + 0.5) ** -0.5
    2.0 ** tg.tanh(a)
    tg.clip(a, -0.5, 0.7)
    tg.clip(a, low=0.1)
    tg.maximum(a, 0.2)
    tg.minimum(0.3, a)
    1 - a
    0.5 * a
    a / 3
    2 / (a * a + 1)
    tg.sign(a) * a
    tg.where(a > 0, a, 0.0)
    tg.where(a <= 0.1, 1.0, a)
    (a.astype("float64") * 0.5).astype(a.dtype)
    (a > 0.2).astype(a.dtype) * a
""".strip().split("\n    ")
COMBINING = """
    a + b
    a - b
    a * b
    a / (1.5 + tg.abs(b))
    tg.maximum(a, b)
    tg.minimum(a, b)
    tg.where(a > b, a, b * 0.5)
    tg.where(b != 0.0, a, b)
    tg.where(a >= 0.3, b, 0.1)
    (0.5 + tg.sigmoid(a)) ** tg.tanh(b)
    a * tg.sigmoid(b) + (1 - tg.sigmoid(b)) * tg.tanh(a)
""".strip().split("\n    ")
REDUCING = """
    a.sum(axis=-1, keepdims=True)
    a.mean(axis=-1, keepdims=True)
    a.max(axis=-1, keepdims=True)
    a.min(axis=-1, keepdims=True)
    a.sum(axis=1)
    a.mean(axis=1)
    a.max(axis=-1)
    a.min(axis=1)
    tg.softmax(a, axis=-1)
    tg.softmax(a, axis=1)
    tg.log_softmax(a, axis=-1)
    tg.logsumexp(a, axis=-1, keepdims=True)
    tg.logsumexp(a, axis=1)
    tg.layer_norm(a, eps=0.1)
    tg.standardize(a, eps=0.1)
    a.var(axis=-1, keepdims=True)
    (a.var(axis=1) + 0.5) ** 0.5
    a - a.mean(axis=-1, keepdims=True)
    tg.cumsum(a, axis=-1)
    tg.cumsum(a, axis=1)
    a * (a * a).mean(axis=-1, keepdims=True)
    tg.prod(tg.tanh(a), axis=-1, keepdims=True)
    tg.prod(tg.sin(a), axis=1)
    tg.norm(a, axis=-1, keepdims=True)
    tg.norm(a, ord=1, axis=1)
    tg.norm(a, ord=float("inf"), axis=-1)
""".strip().split("\n    ")
MOVING = """
    a[:, ::-1]
    a[:, 1:]
    a[..., :1]
    a[..., -1:]
    a[:, ::2]
    a[:, 0]
    a[..., -1]
    a[:, None]
    a[..., None]
    tg.flip(a, axis=-1)
    tg.flip(a, axis=1)
    tg.unsqueeze(a, 1)
    a.reshape(a.shape[0], -1)
    a.reshape(a.shape[0], -1, 1)
    a.reshape(a.shape[0], 1, -1)
    tg.moveaxis(a, 1, -1)
    tg.concatenate(a, a * 2, axis=-1)
    tg.concatenate(a[..., 1:], a[..., :1], axis=-1)
    tg.stack([a, -a], axis=1)
    tg.split(a, [1, a.shape[-1] - 1], axis=-1)[1]
    tg.unbind(a, axis=1)[0]
    tg.pad(a, ((0, 0),) * (a.ndim - 1) + ((1, 0),))
    tg.repeat(a, 2, axis=-1)
    tg.tril(tg.stack([a, a * a], axis=-1))
    tg.triu(tg.stack([a, -a], axis=-1), k=1)
""".strip().split("\n    ")

FEATURES = [(3,), (2,), (1,), (4,), (2, 3), (3, 2), ()]
CARRIES = [
    "({0},)",
    "{{'h': {0}}}",
    "({0}, {1})",
    "{{'h': {0}, 'c': {1}}}",
    "({0}, {{'a': {1}, 'b': {2}}})",
    "(({0}, {1}), {2})",
]
CLASSES = 4  # of integer inputs


@dataclass
class Cell:
    """A random cell, and a sequence for it.

    Attributes:
        source: of its step.
        weights: its parameters, by name.
        init: its first carry, a nest of arrays (B, …).
        xs: its inputs, a tuple of arrays (T, B, …).
        options: what else a scan, and a test of one, are told.
    """

    source: str
    weights: dict[str, tg.Tensor]
    init: Nest
    xs: Nest
    options: dict[str, Any]

    @property
    def step(self) -> Callable[..., Any]:
        """The step, as a function of carry and input."""
        names: dict[str, Any] = {"tg": tg, "leaves": leaves, **self.weights}
        exec(self.source, names)
        step: Callable[..., Any] = names["step"]
        return step

    def __repr__(self) -> str:
        shapes = {name: w.shape for name, w in self.weights.items()}
        init, xs = mapped(np.shape, self.init), mapped(np.shape, self.xs)
        return f"\n{self.source}\nweights: {shapes}\n{init=}\n{xs=}\n{self.options}\n"


class Author:
    """Writes the lines of a step.

    Attributes:
        values: an example of each value that a line may use, by name,
        weights: and of each parameter.
        lines: so far.
    """

    def __init__(self, draw: Draw, batch: int, dtype: str) -> None:
        self.draw, self.batch, self.dtype = draw, batch, dtype
        self.rng = np.random.default_rng(draw(st.integers(0, 1000)))
        self.values: dict[str, np.ndarray] = {}
        self.weights: dict[str, np.ndarray] = {}
        self.lines: list[str] = []

    def numbers(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(self.dtype)

    def choice(self, items: Any) -> Any:
        return self.draw(st.sampled_from(list(items)))

    def value(self, fits: Fits = lambda x: True, kind: str = "f") -> str | None:
        """The name of a value that fits; late ones first, as they lead to deep cells."""
        found = [name for name, x in self.values.items() if x.dtype.kind == kind and fits(x)]
        return self.choice(found[::-1]) if found else None

    def weight(self, *shape: int) -> str:
        """The name of a parameter of a shape: one that is there already, or a new one."""
        same = [name for name, w in self.weights.items() if w.shape == shape]
        if same and self.draw(st.booleans()):
            return str(self.choice(same))
        name = f"w{len(self.weights)}"
        self.weights[name] = self.numbers(*shape) * (shape[0] if shape else 1) ** -0.5
        return name

    def write(self, expression: str, **names: str | None) -> str:
        """A line, and the name of its value; `a` and `b` stand for the values that are named."""
        expression = re.sub(r"\b[ab]\b", lambda found: str(names[found[0]]), expression)
        target = f"v{len(self.lines)}"
        known = {"tg": tg, **self.values, **self.weights}
        self.values[target] = eval(expression, known)
        self.lines.append(f"{target} = {expression}")
        return target

    def pair(self, fits: Fits, alike: Callable[[np.ndarray, np.ndarray], bool]) -> tuple[Any, Any]:
        """Two values that fit each other, maybe one twice; None where there is none."""
        a = self.value(fits)
        return (a, self.value(lambda x: alike(self.values[a], x))) if a else (None, None)

    # Kinds of lines. Where no value fits, none is written.

    def elementwise(self) -> None:
        self.write(self.choice(ELEMENTWISE), a=self.value())

    def combining(self) -> None:
        a, b = self.pair(lambda x: True, lambda x, y: x.shape == y.shape)
        self.write(self.choice(COMBINING), a=a, b=b)

    def broadcasting(self) -> None:
        a, b = self.pair(lambda x: x.ndim > 1, lambda x, y: y.shape == (*x.shape[:-1], 1))
        if b:
            self.write(self.choice(COMBINING), a=a, b=b)

    def combining_with_a_parameter(self) -> None:
        a = self.value(lambda x: x.ndim > 1)
        if a:
            _, *features = self.values[a].shape
            shape = self.choice([(), (features[-1],), (1, *features)])
            b = self.weight(*shape)
            swapped = self.draw(st.booleans())
            self.write(self.choice(COMBINING), a=b if swapped else a, b=a if swapped else b)

    def reducing(self) -> None:
        a = self.value(lambda x: x.ndim > 1)
        if a:
            self.write(self.choice(REDUCING), a=a)

    def moving(self) -> None:
        a = self.value(lambda x: 1 < x.ndim < 4 and x.shape[-1] > 1 and x.shape[1] > 1)
        if a:
            self.write(self.choice(MOVING), a=a)

    def joining(self) -> None:
        a, b = self.pair(lambda x: x.ndim > 1, lambda x, y: y.shape[:-1] == x.shape[:-1])
        if b:
            self.write("tg.concatenate(a, b, axis=-1)", a=a, b=b)

    def stacking(self) -> None:
        a, b = self.pair(lambda x: x.ndim < 3, lambda x, y: y.shape == x.shape)
        if b:
            self.write(f"tg.stack([a, b], axis={self.choice([1, -1])})", a=a, b=b)

    def product(self) -> None:
        a = self.value(lambda x: x.ndim > 1)
        if a:
            depth, width = self.values[a].shape[-1], self.draw(st.integers(1, 3))
            transposed = self.draw(st.booleans())
            b = f"{self.weight(width, depth)}.T" if transposed else self.weight(depth, width)
            self.write("a @ b", a=a, b=b)

    def product_from_the_left(self) -> None:
        a = self.value(lambda x: x.ndim == 3)
        if a:
            self.write("b @ a", a=a, b=self.weight(2, self.values[a].shape[1]))

    def product_of_what_is_joined(self) -> None:
        a, b = self.pair(lambda x: x.ndim == 2, lambda x, y: y.ndim == 2)
        if b:
            depth = self.values[a].shape[1] + self.values[b].shape[1]
            self.write(f"tg.concatenate(a, b, axis=-1) @ {self.weight(depth, 2)}", a=a, b=b)

    def product_of_memories(self) -> None:
        a, b = self.pair(
            lambda x: x.ndim == 3, lambda x, y: y.ndim == 3 and y.shape[1] == x.shape[2]
        )
        if b:
            self.write("a @ b", a=a, b=b)

    def attention(self) -> None:
        """Over a memory among the values, or one that is the same at every step."""
        a, b = self.pair(
            lambda x: x.ndim == 2, lambda x, y: y.ndim == 3 and y.shape[2] == x.shape[1]
        )
        if a and (b is None or self.draw(st.booleans())):
            b = self.weight(self.batch, 2, self.values[a].shape[1])
        if b:
            scores = self.write("tg.softmax((b @ a[:, :, None])[:, :, 0], axis=-1)", a=a, b=b)
            self.write("(a[:, None] @ b)[:, 0]", a=scores, b=b)

    def looking_up(self) -> None:
        a = self.value(kind="i")
        if a:
            self.write("tg.embedding(b, a)", a=a, b=self.weight(CLASSES, self.choice([1, 2, 3])))

    def masking(self) -> None:
        mask = self.value(kind="b")
        a = mask and self.value(lambda x: x.shape == self.values[mask].shape)
        if a:
            self.write(f"tg.where({mask}, a, {self.choice(['a * 2', '0.0', '-a'])})", a=a)

    def fitted(self, features: tuple[int, ...]) -> str:
        """A value of given features, to be the next carry."""
        shape = (self.batch, *features)
        there = self.value(lambda x: x.shape == shape)
        if there and self.draw(st.booleans()):
            return there
        a = self.value(lambda x: x.ndim > 1) or self.write("a[:, None]", a=self.value())
        flat = self.write(f"a.reshape({self.batch}, -1)", a=a)
        b = self.weight(self.values[flat].shape[1], int(np.prod(features)))
        return self.write(f"tg.tanh(a @ b).reshape({shape})", a=flat, b=b)


KINDS = (
    Author.elementwise,
    Author.combining,
    Author.broadcasting,
    Author.combining_with_a_parameter,
    Author.reducing,
    Author.moving,
    Author.joining,
    Author.stacking,
    Author.product,
    Author.product_from_the_left,
    Author.product_of_what_is_joined,
    Author.product_of_memories,
    Author.attention,
    Author.looking_up,
    Author.masking,
)


@st.composite
def cells(draw: Draw, dtype: str = "float64", most_lines: int = 10) -> Cell:
    """Random cells, with a short sequence for each."""
    T, batch = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    author = Author(draw, batch, dtype)
    nest = draw(st.sampled_from(CARRIES))
    features = [
        draw(st.sampled_from(FEATURES)) for _ in range(1 + ("{1}" in nest) + ("{2}" in nest))
    ]
    carries = {f"h{k}": author.numbers(batch, *shape) for k, shape in enumerate(features)}
    xs = sequences(author, T)
    author.values.update(carries, **{name: x[0] for name, x in xs.items()})
    for _ in range(draw(st.integers(1, most_lines))):
        author.choice(KINDS)(author)
    ends = [author.fitted(shape) for shape in features]
    outputs = [author.value() for _ in range(draw(st.integers(1, 2)))]
    lines = [
        f"[{', '.join(carries)}] = leaves(carry)",
        f"[{', '.join(xs)}] = x",
        *author.lines,
        f"return {nest.format(*ends)}, ({', '.join(map(str, outputs))},)",
    ]
    return Cell(
        source="\n    ".join(["def step(carry, x):", *lines]),
        weights={
            name: tg.tensor(w, requires_grad=draw(st.integers(0, 9)) < 9)
            for name, w in author.weights.items()
        },
        init=eval(nest.format(*carries), carries),
        xs=tuple(xs.values()),
        options=drawn_options(draw, T, batch),
    )


def sequences(author: Author, T: int) -> dict[str, np.ndarray]:
    """Inputs by name: floats, and now and then integers or booleans."""
    B = author.batch
    made = {"x0": author.numbers(T, B, *author.choice(FEATURES))}
    if author.draw(st.booleans()):
        made["ids"] = author.rng.integers(0, CLASSES, (T, B))
    if author.draw(st.booleans()):
        made["mask"] = author.rng.random((T, B, 3)) < 0.5
    return made


def drawn_options(draw: Draw, T: int, batch: int) -> dict[str, Any]:
    """A direction, lengths and resets; what the loss is made of; what wants no gradient."""
    options: dict[str, Any] = {"reverse": draw(st.booleans())}
    if draw(st.booleans()):
        options["lengths"] = draw(st.lists(st.integers(0, T), min_size=batch, max_size=batch))
    if draw(st.booleans()):
        marks = st.lists(st.booleans(), min_size=T * batch, max_size=T * batch)
        options["reset"] = np.array(draw(marks)).reshape(T, batch)
    options["only"] = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
    options["constant"] = draw(st.sampled_from([(), (), (), ("init",), ("xs",), ("init", "xs")]))
    return options
