"""Products of matrices against NumPy, over ranks, batches and layouts; norms at their kinks."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg

quick = settings(max_examples=40, deadline=None)


def drawn(shape, seed=0):
    """Small whole numbers, so that sums are exact in any order, with negative strides."""
    x = np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float64)
    return x[(slice(None, None, -1),) * len(shape)]


def assert_multilinear(f, expected, *arrays):
    """`f` gives `expected`, and its vjp is the adjoint of its derivative in each operand.

    `f` is linear in each operand, so ⟨u, f(…, v, …)⟩ = ⟨vjp(u), v⟩ for each of them.
    """
    np.testing.assert_array_equal(f(*arrays), expected)
    y, pullback = tg.vjp(f, *arrays)
    assert y.shape == np.shape(expected)
    np.testing.assert_array_equal(y.data, expected)
    u = drawn(y.shape, seed=9)
    for x, g in zip(arrays, pullback(u), strict=True):
        assert g.shape == x.shape
        assert np.sum(g.data * x) == np.sum(u * expected)


class TestMatmul:
    @given(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0,
                                             max_side=4))  # fmt: skip
    @quick
    def test_every_rank_and_batch_follows_numpy(self, shapes):
        a, b = (drawn(s, i) for i, s in enumerate(shapes.input_shapes))
        assert_multilinear(tg.matmul, a @ b, a, b)

    @given(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3))
    @settings(max_examples=20, deadline=None)
    def test_every_rank_and_batch_is_differentiable_twice(self, shapes):
        tg.gradcheck(tg.matmul, *(drawn(s, i) for i, s in enumerate(shapes.input_shapes)), order=2)

    def test_one_matrix_for_a_batch_collects_the_cotangents_of_all(self):
        a, w = drawn((5, 2, 3)), drawn((3, 4), 1)
        y, pullback = tg.vjp(tg.matmul, a, w)
        u = drawn(y.shape, 2)
        expected = sum(a[i].T @ u[i] for i in range(5))
        np.testing.assert_array_equal(pullback(u)[1].data, expected)

    def test_the_operator_works_between_arrays_and_tensors(self):
        a, b = drawn((2, 3)), drawn((3, 4), 1)
        for y in (tg.Tensor(a) @ b, a @ tg.Tensor(b), tg.Tensor(a).matmul(tg.Tensor(b))):
            assert isinstance(y, tg.Tensor)
            np.testing.assert_array_equal(y.data, a @ b)

    def test_float32_stays_float32(self):
        a = tg.tensor(np.ones((2, 3), np.float32), requires_grad=True)
        y = a @ np.ones((3, 2), np.float32)
        y.sum().backward()
        assert (y.dtype, a.grad.dtype) == (np.float32, np.float32)

    def test_a_transposed_operand_needs_no_copy_to_be_right(self):
        a, b = drawn((3, 2)), drawn((4, 3), 1)
        y = tg.Tensor(a).T @ tg.Tensor(b).mT
        np.testing.assert_array_equal(y.data, a.T @ b.T)

    @pytest.mark.parametrize(
        ("a", "b", "says"),
        [
            ((2, 3), (4, 5), "matmul: got a float32 (2, 3), b float32 (4, 5); the last axis of a "
             "has length 3, the second to last of b 4; they must be equal"),
            ((3,), (4,), "the last axis of a has length 3, the only one of b 4; they must be eq"),
            ((7, 2, 3), (4, 5), "the last axis of a has length 3, the second to last of b 4"),
            ((2, 3, 4), (5, 4, 3), "(2,) of a and (5,) of b, do not broadcast"),
            ((), (3,), "a has no axes, and a matrix product needs them: write a * b"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_named(self, a, b, says):
        with pytest.raises(tg.ShapeError, match=re.escape(says)):
            tg.tensor(np.ones(a, np.float32)) @ tg.tensor(np.ones(b, np.float32))


class TestOuter:
    def test_it_is_every_product_of_two_elements(self):
        a, b = drawn((3,)), drawn((4,), 1)
        assert_multilinear(tg.outer, np.outer(a, b), a, b)

    def test_it_takes_vectors_only(self):
        with pytest.raises(tg.ShapeError, match=r"outer: got a float64 \(2, 3\), b float64 \(3,\)"):
            tg.tensor(np.ones((2, 3))).outer(np.ones(3))


LENGTHS = {"i": 2, "j": 3, "k": 4, "l": 1, "m": 0}


@st.composite
def contractions(draw):
    """A random einsum of up to three operands, with indices repeated, summed and missing."""
    terms = draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        terms[0] += "m"
    present = sorted({*"".join(terms)})
    output = draw(st.permutations(present)) if present else []
    return terms, "".join(output[: draw(st.integers(0, len(output)))])


def operands(terms, lengths=LENGTHS):
    return [drawn(tuple(lengths[i] for i in term), seed) for seed, term in enumerate(terms)]


class TestEinsum:
    @given(contractions())
    @settings(max_examples=80, deadline=None)
    def test_any_contraction_follows_numpy(self, contraction):
        terms, output = contraction
        xs = operands(terms)
        subscripts = f"{','.join(terms)}->{output}"
        expected = np.einsum(subscripts, *xs)
        assert_multilinear(lambda *xs: tg.einsum(subscripts, *xs), expected, *xs)

    @given(contractions())
    @settings(max_examples=20, deadline=None)
    def test_any_contraction_is_differentiable_twice(self, contraction):
        terms, output = contraction
        subscripts = f"{','.join(terms)}->{output}"
        tg.gradcheck(lambda *xs: tg.einsum(subscripts, *xs), *operands(terms), order=2)

    @pytest.mark.parametrize("subscripts", ["ij,jk", "ji", "ii", "ij,ij", "ba,b", "i,j"])
    def test_without_an_arrow_the_output_has_what_occurs_once_in_order(self, subscripts):
        lengths = dict.fromkeys("ijkab", 3)
        xs = operands(subscripts.split(","), lengths)
        expected = np.einsum(subscripts, *xs)
        assert_multilinear(lambda *xs: tg.einsum(subscripts, *xs), expected, *xs)

    @pytest.mark.parametrize(
        ("subscripts", "shapes"),
        [
            ("...ij,...jk->...ik", [(5, 2, 3), (5, 3, 4)]),
            ("...ij,...jk", [(5, 1, 2, 3), (6, 3, 4)]),
            ("i...,i...->...", [(2, 3), (2, 1)]),
            ("...,...", [(2, 3), (3,)]),
            ("b...i,ij->b...j", [(2, 4, 3), (3, 5)]),
            (" i j , j -> i ", [(2, 3), (3,)]),
            ("...", [()]),
        ],
    )
    def test_dots_stand_for_axes_that_broadcast(self, subscripts, shapes):
        xs = [drawn(s, i) for i, s in enumerate(shapes)]
        expected = np.einsum(subscripts, *xs)
        assert_multilinear(lambda *xs: tg.einsum(subscripts, *xs), expected, *xs)

    def test_a_product_of_matrices_goes_the_way_of_matmul_in_any_order_of_axes(self):
        for left, right, out in itertools.product(
            map("".join, itertools.permutations("bij")),
            map("".join, itertools.permutations("bjk")),
            map("".join, itertools.permutations("bik")),
        ):
            subscripts = f"{left},{right}->{out}"
            xs = operands([left, right], {"b": 2, "i": 3, "j": 4, "k": 5})
            np.testing.assert_array_equal(tg.einsum(subscripts, *xs), np.einsum(subscripts, *xs))

    def test_a_diagonal_may_be_one_side_of_a_product_of_matrices(self):
        xs = operands(["ijj", "jk"])
        expected = np.einsum("ijj,jk->ik", *xs)
        assert_multilinear(lambda *xs: tg.einsum("ijj,jk->ik", *xs), expected, *xs)

    def test_the_gradient_of_a_trace_is_the_identity(self):
        x = tg.tensor(drawn((3, 3)), requires_grad=True)
        tg.einsum("ii", x).backward()
        np.testing.assert_array_equal(x.grad.data, np.eye(3))

    @pytest.mark.parametrize(
        ("subscripts", "shapes", "says"),
        [
            ("ij,jk", [(2, 3), (4, 5)], "index 'j' of 'ij,jk' has length 4 in operand 1 and 3 be"),
            ("...i,...i", [(2, 3), (4, 3)], "index ... of '...i,...i' has length 4 in operand 1"),
            (
                "ij",
                [(2, 3, 4)],
                "'ij' in 'ij' does not name the axes of operand 0, float64 (2, 3, 4)",
            ),
            ("i...j", [(2,)], "does not name the axes of operand 0, float64 (2,)"),
            ("ij,jk", [(2, 3)], "'ij,jk' names 2 operands, and got 1"),
            ("ij->ii", [(2, 3)], "name an index at most once"),
            ("ij->k", [(2, 3)], "only indices that an operand has"),
            ("...i->i", [(2, 3)], "and ... where an operand has it"),
            ("i-j", [(2, 3)], "does not read like 'ij,jk->ik'"),
        ],
    )
    def test_what_does_not_fit_is_named(self, subscripts, shapes, says):
        with pytest.raises(tg.ShapeError, match=re.escape(says)):
            tg.einsum(subscripts, *map(drawn, shapes))


class TestNorm:
    @pytest.mark.parametrize("ord", [1, 2, np.inf])
    @pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), ()])
    @pytest.mark.parametrize("keepdims", [False, True])
    def test_it_is_the_length_of_the_elements_taken_as_a_vector(self, ord, axis, keepdims):
        x = drawn((3, 4, 2))
        folded = range(3) if axis is None else np.atleast_1d(np.array(axis, int)) % 3
        rest = [k for k in range(3) if k not in folded]
        vectors = x.transpose(*rest, *folded).reshape([x.shape[k] for k in rest] + [-1])
        expected = np.linalg.norm(vectors, ord, axis=-1)
        y = tg.Tensor(x).norm(ord, axis, keepdims)
        np.testing.assert_allclose(y.data.reshape(expected.shape), expected, rtol=1e-14)
        assert y.ndim == (3 if keepdims else len(rest))

    def test_the_frobenius_norm_is_order_two(self):
        assert tg.norm(np.array([[3.0, 0.0], [0.0, 4.0]]), "fro") == 5

    @pytest.mark.parametrize("ord", [1, 2, np.inf])
    def test_the_gradient_at_zero_is_zero(self, ord):
        x = tg.tensor(np.zeros((2, 3)), requires_grad=True)
        x.norm(ord, axis=1).sum().backward()
        np.testing.assert_array_equal(x.grad.data, np.zeros((2, 3)))

    def test_the_gradient_elsewhere_is_the_unit_vector(self):
        x = tg.tensor([3.0, 0.0, 4.0], requires_grad=True)
        x.norm().backward()
        np.testing.assert_allclose(x.grad.data, [0.6, 0, 0.8], rtol=1e-6)

    def test_the_hessian_is_right_where_an_element_is_zero(self):
        hv = tg.hessian_vector_product(lambda x: x.norm(), [3.0, 0.0, 4.0], [0.0, 1.0, 0.0])
        np.testing.assert_allclose(hv.data, [0, 0.2, 0], rtol=1e-6)

    def test_of_nothing_it_is_zero(self):
        for ord in (1, 2, np.inf):
            np.testing.assert_array_equal(tg.norm(np.ones((2, 0)), ord, axis=1), [0, 0])

    def test_another_order_is_refused(self):
        with pytest.raises(tg.ShapeError, match="expected ord 1, 2, inf or 'fro', and got 'nuc'"):
            tg.norm(np.ones((2, 2)), "nuc")
