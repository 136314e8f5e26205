r"""Products of matrices and of their relatives: `matmul` (`@`), `outer`, `einsum`; and `norm`."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_rnn.engine import Case, Misuse, Reals, ShapeError, composed, op
from tinygrad_rnn.ops.elementwise import sign
from tinygrad_rnn.ops.extremes import shared
from tinygrad_rnn.ops.reduce import greatest, kept, total
from tinygrad_rnn.ops.selection import where
from tinygrad_rnn.ops.shape import squeeze, unsqueeze

__all__ = ["contract", "einsum", "matmul", "norm", "outer"]

Array = Any
Axis = int | tuple[int, ...] | None

TERM = r"[a-zA-Z]*(\.\.\.[a-zA-Z]*)?"
NOTATION = re.compile(rf"{TERM}(,{TERM})*(->{TERM})?")


def unmultipliable(names: Sequence[str], arrays: Sequence[Any]) -> str | None:
    """Why two arrays have no matrix product."""
    (left, right), (a, b) = names, map(np.shape, arrays)
    if not a or not b:
        return (
            f"{left if not a else right} has no axes, and a matrix product needs them: write a * b "
            "to multiply by a number"
        )
    inner, place = (b[-2], "second to last") if len(b) > 1 else (b[0], "only one")
    if a[-1] != inner:
        return (
            f"the last axis of {left} has length {a[-1]}, the {place} of {right} {inner}; they "
            "must be equal"
        )
    return (
        f"the axes before the last two, {a[:-2]} of {left} and {b[:-2]} of {right}, do not "
        "broadcast; make them equal, or 1"
    )


def tall(x: Any) -> Any:
    """A batch of matrices as one, with the rows of all of them."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


@op(
    samples=[
        Case(Reals(2, 3), Reals(3, 4)),
        Case(Reals(3), Reals(3)),
        Case(Reals(3), Reals(3, 4)),
        Case(Reals(2, 3), Reals(3)),
        Case(Reals(5, 2, 3), Reals(3, 4)),
        Case(Reals(2, 3), Reals(5, 3, 4)),
        Case(Reals(3), Reals(5, 3, 4)),
        Case(Reals(5, 2, 3), Reals(3)),
        Case(Reals(5, 1, 2, 3), Reals(4, 3, 2)),
        Case(Reals(2, 0), Reals(0, 3)),
        Case(Reals(0, 2, 3), Reals(3, 4)),
    ],
    misuses=[
        Misuse(
            (np.ones((2, 3)), np.ones((4, 5))),
            ShapeError,
            "matmul: got a float64 (2, 3), b float64 (4, 5); the last axis of a has length 3, "
            "the second to last of b 4; they must be equal",
        ),
        Misuse(
            (np.ones((2, 3)), np.ones(2)), ShapeError, "length 3, the only one of b 2; they must"
        ),
        Misuse((np.ones((2, 3)), np.array(2.0)), ShapeError, "b has no axes"),
        Misuse((np.ones((2, 3, 4)), np.ones((5, 4, 3))), ShapeError, "(2,) of a and (5,) of b"),
    ],
    tex="#a #b",
    binds="product",
    operator="@",
    method="matmul",
    ufunc=np.matmul,
    fresh=True,
    diagnose=unmultipliable,
)
def matmul(a: Array, b: Array, /) -> Array:
    r"""Matrix product, $y_{ij} = \sum_k a_{ik} b_{kj}$; the operator `@`.

    Matrices are the last two axes; those before them are a batch, and broadcast. A vector on the
    left is a row, on the right a column, and its axis of length 1 is dropped from $y$.

    Args:
        a: (…, n, k) or (k,).
        b: (…, k, m) or (k,).

    Returns:
        (…, n, m), without n where `a` is a vector, without m where `b` is.

    Derivation:
        $dy = da\,b + a\,db$. With $\langle \bar y, dy \rangle = \operatorname{tr} \bar y^\top dy$
        and $\operatorname{tr} PQ = \operatorname{tr} QP$, the first term is
        $\operatorname{tr} b\,\bar y^\top da = \langle \bar y\,b^\top, da \rangle$, the second
        $\operatorname{tr} \bar y^\top a\,db = \langle a^\top \bar y, db \rangle$:
        $$\bar a = \bar y b^\top$$
        $$\bar b = a^\top \bar y$$
        Where one `b` serves a batch of `a`, its cotangent is a sum over the batch. That sum is a
        product too, of the batch set on end: one call to BLAS.

    Raises:
        ShapeError: if the inner lengths differ, the batches do not broadcast, or there is no axis.

    Example:
        >>> matmul(np.array([[1, 2], [3, 4]]), np.array([1, 10]))
        array([21, 43])
    """
    a, b = np.asarray(a), np.asarray(b)
    if b.ndim == 2 and a.ndim > 2:
        return np.matmul(tall(a), b).reshape((*a.shape[:-1], b.shape[1]))
    return np.matmul(a, b)


def matmul_left_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return unsqueeze(g, -1) * b
    if a.ndim == 1:
        return squeeze(b @ unsqueeze(g, -1), -1)
    return matmul(g, b.mT)  # not NumPy's `@`, which makes many small products of a batch


def matmul_right_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return tall(a).mT @ g.reshape((g.size,))
    if a.ndim == 1:
        return unsqueeze(a, -1) * unsqueeze(g, -2)
    return tall(a).mT @ tall(g) if b.ndim == 2 else a.mT @ g


matmul.defvjp(matmul_left_vjp, matmul_right_vjp)


@composed(samples=[Case(Reals(2), Reals(3)), Case(Reals(0), Reals(3))], method="outer")
def outer(a: Array, b: Array) -> Array:
    r"""Outer product of two vectors, $y_{ij} = a_i b_j$.

    Raises:
        ShapeError: if one of them is no vector.

    Example:
        >>> outer(np.array([1, 2]), np.array([1, 10]))
        array([[ 1, 10],
               [ 2, 20]])
    """
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"outer: got a {a.dtype} {a.shape}, b {b.dtype} {b.shape}; expected two vectors: "
            "flatten them, or write a[..., :, None] * b[..., None, :] for a batch"
        )
    return unsqueeze(a, -1) * b


@op(
    samples=[
        Case(Reals(2, 3)),
        Case(Reals(2, 3), axis=1),
        Case(Reals(2, 3, 4), axis=(0, -1), keepdims=True),
        Case(Reals(2, 3), ord="fro"),
        Case(Reals(2, 3, avoid=(0.0,)), ord=1, axis=-1),
        Case(Reals(2, 3, low=0.2, distinct=True), ord=math.inf, axis=0),
        Case(Reals(2, 3, high=-0.2, distinct=True), ord=math.inf, keepdims=True),
        Case(Reals(low=0.2)),
        Case(Reals(0, 3), axis=1),
    ],
    misuses=[
        Misuse((np.ones(3),), ShapeError, "expected ord 1, 2, inf or 'fro'", {"ord": 3}),
        Misuse((np.ones(3),), ShapeError, "axis 1 is out of bounds", {"axis": 1}),
    ],
    tex=r"\lVert {#x} \rVert",
    method="norm",
)
def norm(x: Array, /, ord: Any = 2, axis: Axis = None, keepdims: bool = False) -> Array:
    r"""Length of the vector that all elements along `axis` make.

    The order is 2 for $\sqrt{\sum_i x_i^2}$ (the Frobenius norm of a matrix, so `"fro"` is the
    same), 1 for $\sum_i |x_i|$, `inf` for $\max_i |x_i|$. Matrices are taken as vectors: the
    spectral norm, NumPy's meaning of order 2 for them, is not here. On no elements it is 0.

    At 0, where a norm has a kink, the derivative is taken as 0.

    Derivation:
        $y^2 = \sum_i x_i^2$ gives $y\,dy = \sum_i x_i\,dx_i$, so the slope is the unit vector
        $x / y$. Where $y = 0$ so is $x$, and dividing by 1 instead leaves it 0:
        $$\bar x = \frac{\bar y}{1 \text{ where } [y = 0] \text{ else } y} \odot x$$
        For order 1 each slope is $\operatorname{sign} x_i$; for `inf` it is that too, for the
        elements that attain the maximum, which share $\bar y$ as in `max`.

    Raises:
        ShapeError: if the order is another, or there is no such axis.

    Example:
        >>> norm(np.array([[3.0, 4.0], [0.0, 0.0]]), axis=1)
        array([5., 0.])
    """
    if ord in (2, "fro"):
        return np.sqrt(total(np.multiply(x, x), axis=axis, keepdims=keepdims))
    if ord == 1:
        return total(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return greatest(np.abs(x), axis=axis, keepdims=keepdims, initial=0)
    raise ValueError(f"expected ord 1, 2, inf or 'fro', and got {ord!r}")


@norm.defvjp
def norm_vjp(g: Any, y: Any, x: Any, ord: Any, axis: Axis, keepdims: bool) -> Any:
    g, y = kept(g, x, axis, keepdims), kept(y, x, axis, keepdims)
    if ord == 1:
        return g * sign(x)
    if ord == math.inf:
        return shared(g, abs(x) == y, axis) * sign(x)
    return g / where(y == 0, 1.0, y) * x


@op(
    samples=[
        Case(Reals(2, 3), Reals(3, 4), subscripts="ij,jk->ik"),
        Case(Reals(2, 3), subscripts="ij->ji"),
        Case(Reals(2, 3), subscripts="ij->"),
        Case(Reals(3, 3), subscripts="ii->"),
        Case(Reals(3, 3), subscripts="ii->i"),
        Case(Reals(2, 2, 2), subscripts="iii->i"),
        Case(Reals(2, 3), Reals(2, 3), subscripts="ij,ij->i"),
        Case(Reals(2, 3), Reals(4), subscripts="ij,k->jk"),
        Case(Reals(5, 2, 3), Reals(4, 5, 3), subscripts="bik,jbk->bji"),
        Case(Reals(2), Reals(2, 3), Reals(3), subscripts="i,ij,j->"),
        Case(Reals(), Reals(3), subscripts=",i->i"),
        Case(Reals(0, 3), Reals(3, 2), subscripts="ij,jk->ik"),
        Case(Reals(2, 0), Reals(0, 3), subscripts="ij,jk->ik"),
    ],
    misuses=[
        Misuse((np.ones(3),), ShapeError, "fewer", {"subscripts": "i,i->"}),
    ],
    tex=r"\operatorname{einsum}_{\texttt{#subscripts}}(#xs)",
)
def contract(*xs: Array, subscripts: str) -> Array:
    r"""The sum of products that `einsum` means, of subscripts spelled out.

    Works through the operands from left to right. Two that share an index which is summed are a
    batch of matrix products, and go to BLAS.

    Derivation:
        In $y_{ik} = \sum_j a_{ij} b_{jk}$ every index stands for a loop, and the cotangent of an
        operand is the same loop nest with $\bar y$ in its place:
        $\bar a_{ij} = \sum_k \bar y_{ik} b_{jk}$. So it is an einsum again,
        $$\bar x_0 = \operatorname{einsum}_{\texttt{ik,jk->ij}}(\bar y, x_1)$$
        $$\bar x_1 = \operatorname{einsum}_{\texttt{ij,ik->jk}}(x_0, \bar y)$$
        An index that only one operand has, and that is summed, comes back by a vector of ones; an
        index twice in one operand, $a_{ii} = \sum_j a_{ij} I_{ij}$, by the identity matrix $I$.

    Example:
        >>> contract(np.array([[1, 2], [3, 4]]), np.array([1, 10]), subscripts="ij,j->i")
        array([21, 43])
    """
    terms, output = spelled(subscripts)
    if len(terms) != len(xs):
        raise ValueError("there are more subscripts than operands, or fewer")
    y, left = xs[0], terms[0]
    for k in range(1, len(xs)):
        later = output + "".join(terms[k + 1 :])
        remaining = "".join(sorted({*left, *terms[k]} & {*later}))
        y, left = product(y, left, xs[k], terms[k], remaining), remaining
    return y if left == output else np.einsum(f"{left}->{output}", y)


def spelled(subscripts: str) -> tuple[list[str], str]:
    """The index letters of each operand, and those of the output."""
    inputs, _, output = subscripts.partition("->")
    return inputs.split(","), output


def product(a: Array, left: str, b: Array, right: str, out: str) -> Array:
    """Two operands multiplied, and summed over the indices that `out` does not have."""
    batch = "".join(i for i in out if i in left and i in right)
    rows = "".join(i for i in out if i in left and i not in right)
    columns = "".join(i for i in out if i in right and i not in left)
    summed = "".join(i for i in dict.fromkeys(left) if i in right and i not in out)
    if not (rows and columns and summed):
        return np.einsum(f"{left},{right}->{out}", a, b)
    a = np.einsum(f"{left}->{batch}{rows}{summed}", a)
    b = np.einsum(f"{right}->{batch}{summed}{columns}", b)
    n, m = len(batch), len(batch + rows)
    inner = math.prod(a.shape[m:])
    matrices = a.reshape((*a.shape[:n], math.prod(a.shape[n:m]), inner))
    others = b.reshape((*b.shape[:n], inner, math.prod(b.shape[n + len(summed) :])))
    y = (matrices @ others).reshape((*a.shape[:m], *b.shape[n + len(summed) :]))
    return np.einsum(f"{batch}{rows}{columns}->{out}", y)


@contract.defvjp
def contract_vjp(g: Any, y: Any, *xs: Any, i: int, subscripts: str) -> Any:
    terms, output = spelled(subscripts)
    target, terms[i] = terms[i], output
    factors = [*xs[:i], g, *xs[i + 1 :]]
    fresh = unused(subscripts)
    wanted = ""
    for letter, n in zip(target, xs[i].shape, strict=True):
        if letter in wanted:
            wanted += next(fresh)
            terms.append(letter + wanted[-1])
            factors.append(np.eye(n, dtype=g.dtype))
            continue
        if not any(letter in term for term in terms):
            terms.append(letter)
            factors.append(np.ones(n, g.dtype))
        wanted += letter
    return contract(*factors, subscripts=f"{','.join(terms)}->{wanted}")


def unused(subscripts: str) -> Iterator[str]:
    """Letters that do not occur in `subscripts`."""
    from string import ascii_letters  # only here: it compiles a pattern when it is imported

    return (letter for letter in ascii_letters if letter not in subscripts)


@composed(samples=[])
def einsum(subscripts: str, *operands: Array) -> Array:
    r"""Einstein's summation: a product of arrays, summed over the indices that the output lacks.

    `"ij,jk->ik"` names the axes of each operand and of the output, $y_{ik} = \sum_j a_{ij} b_{jk}$.
    Without an arrow the output has the indices that occur once, in alphabetical order. An index
    twice in one operand is its diagonal. `...` stands for further axes, which broadcast. Operands
    are contracted from left to right.

    Args:
        subscripts: letters for axes, commas between operands, `->` before the output.
        *operands: one array for each group of letters.

    Raises:
        ShapeError: if the letters do not fit the operands, or an index has two lengths.

    Example:
        >>> a, b = np.array([[1, 2], [3, 4]]), np.array([1, 10])
        >>> einsum("ij,j->i", a, b)
        array([21, 43])
        >>> einsum("ii", a)
        np.int64(5)
    """
    terms, output, batch = explicit(subscripts, operands)
    lengths = common_lengths(subscripts, terms, operands, batch)
    factors = []
    for k, x in enumerate(operands):
        # An axis of length 1 that broadcasts is one that the operand might as well not have.
        copied = [a for a, i in enumerate(terms[k]) if i in batch and x.shape[a] != lengths[i]]
        terms[k] = "".join(i for a, i in enumerate(terms[k]) if a not in copied)
        factors.append(squeeze(x, tuple(copied)) if copied else x)
    return contract(*factors, subscripts=f"{','.join(terms)}->{output}")


def explicit(subscripts: str, operands: Sequence[Any]) -> tuple[list[str], str, str]:
    """The letters of each operand, of the output, and of what `...` stands for.

    Raises:
        ShapeError: if the letters do not fit the operands or the output.
    """
    if not NOTATION.fullmatch(subscripts.replace(" ", "")):
        raise ShapeError(
            f"einsum: {subscripts!r} does not read like 'ij,jk->ik': letters for axes, a comma "
            "between operands, -> before the output, ... for further axes"
        )
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    extra = further_axes(subscripts, terms, operands)
    batch = "".join(islice(unused(subscripts), max(extra)))
    terms = [t.replace("...", batch[len(batch) - n :]) for t, n in zip(terms, extra, strict=True)]
    letters = "".join(terms)
    if not arrow:
        once = {i for i in letters if letters.count(i) == 1} - {*batch}
        output = "..." + "".join(sorted(once))
    output = output.replace("...", batch)
    if len({*output}) < len(output) or not {*batch} <= {*output} <= {*letters}:
        raise ShapeError(
            f"einsum: the output of {subscripts!r} does not fit: name an index at most once, only "
            "indices that an operand has, and ... where an operand has it"
        )
    return terms, output, batch


def further_axes(subscripts: str, terms: Sequence[str], operands: Sequence[Any]) -> list[int]:
    """How many axes `...` stands for in each operand.

    Raises:
        ShapeError: if the letters do not name the axes of the operands.
    """
    if len(terms) != len(operands):
        raise ShapeError(
            f"einsum: {subscripts!r} names {len(terms)} operands, and got {len(operands)}; give "
            "as many"
        )
    extra = [x.ndim - len(t.replace("...", "")) for t, x in zip(terms, operands, strict=True)]
    for k, (term, x) in enumerate(zip(terms, operands, strict=True)):
        if extra[k] < 0 or (extra[k] and "..." not in term):
            raise ShapeError(
                f"einsum: {term!r} in {subscripts!r} does not name the axes of operand {k}, "
                f"{x.dtype} {x.shape}; expected a letter for each, or ... for the rest"
            )
    return extra


def common_lengths(
    subscripts: str, terms: Sequence[str], operands: Sequence[Any], batch: str
) -> dict[str, int]:
    """The length of each index; one of `...` may be 1 in some operands, and is then copied.

    Raises:
        ShapeError: if an index has two lengths.
    """
    lengths: dict[str, int] = {}
    for k, (term, x) in enumerate(zip(terms, operands, strict=True)):
        for letter, n in zip(term, x.shape, strict=True):
            known = lengths.get(letter, n)
            if letter in batch and 1 in (known, n):
                lengths[letter] = n if known == 1 else known
            elif known == n:
                lengths[letter] = n
            else:
                name = "..." if letter in batch else repr(letter)
                raise ShapeError(
                    f"einsum: index {name} of {subscripts!r} has length {n} in operand {k} and "
                    f"{known} before; make them equal"
                )
    return lengths
