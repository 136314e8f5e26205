"""Picking along an axis by integers against NumPy, its adjoints, and its errors."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.ops.leaves import leaf
from tinygrad_rnn.engine import DtypeError

X = np.arange(24.0).reshape(2, 3, 4)


class TestTake:
    @pytest.mark.parametrize("axis", [None, 0, 1, -1])
    @pytest.mark.parametrize("ids", [np.array([0, 1, 1]), np.array([[1, -1]]), np.array(1), 1])
    def test_it_gives_what_numpy_gives(self, ids, axis):
        expected = X.take(ids, axis=axis)
        np.testing.assert_array_equal(tg.tensor(X).take(ids, axis=axis).data, expected)
        np.testing.assert_array_equal(tg.take(X, ids, axis=axis), expected)

    def test_an_index_that_is_not_there_is_named(self):
        with pytest.raises(IndexError, match=r"take: index -5 .* axis 2 .* length 4; use -4 to 3"):
            tg.take(X, [0, -5], axis=-1)

    def test_a_mask_is_not_taken_for_integers(self):
        with pytest.raises(DtypeError, match=r"to pick by a mask write x\[mask\]"):
            tg.take(np.ones(2), np.array([True, False]))

    def test_unsigned_indices_are_fine(self):
        x = leaf(np.arange(3.0))
        y = tg.take(x, np.array([2, 2], np.uint64), axis=0)
        y.sum().backward()
        assert x.grad.tolist() == [0, 0, 2]


class TestAlongAnAxis:
    def test_taking_undoes_sorting(self):
        x = np.random.default_rng(0).standard_normal((3, 4))
        order = x.argsort(axis=0)
        np.testing.assert_array_equal(tg.take_along_axis(x, order, axis=0), np.sort(x, axis=0))

    def test_indices_broadcast_off_the_axis(self):
        x, ids = leaf(np.arange(6.0).reshape(2, 3)), np.array([[2, 2]])
        y = tg.take_along_axis(x, ids)
        assert y.tolist() == [[2, 2], [5, 5]]
        y.sum().backward()
        assert x.grad.tolist() == [[0, 0, 2], [0, 0, 2]]

    def test_scatter_add_accumulates(self):
        x, ids = leaf(np.ones((2, 3))), np.array([[0, 0], [2, 1]])
        u = leaf([[1.0, 2.0], [3.0, 4.0]])
        y = x.scatter_add(ids, u, axis=1)
        assert y.tolist() == [[4, 1, 1], [1, 5, 4]]
        y.backward(np.arange(6.0).reshape(2, 3))
        assert u.grad.tolist() == [[0, 0], [5, 4]]

    def test_scatter_add_along_the_first_axis_is_add_at(self):
        ids = np.array([[1, 0], [1, 1], [1, 0]])
        u, expected = np.arange(6.0).reshape(3, 2), np.zeros((2, 2))
        np.add.at(expected, (ids, np.arange(2)), u)
        np.testing.assert_array_equal(tg.scatter_add(np.zeros((2, 2)), ids, u, axis=0), expected)

    def test_an_index_that_is_not_there_is_named(self):
        x, ids = np.zeros((2, 3)), np.array([[0], [3]])
        with pytest.raises(IndexError, match=r"take_along_axis: index 3 .* axis 1 .* length 3"):
            tg.take_along_axis(x, ids)
        with pytest.raises(IndexError, match=r"scatter_add: index 3 .* axis 1 .* length 3"):
            tg.scatter_add(x, ids, 1.0)


class TestEmbedding:
    W = np.random.default_rng(0).standard_normal((5, 3))
    IDS = np.array([[0, 4], [4, 2]])

    def test_it_is_a_product_with_one_hot_vectors(self):
        expected = tg.one_hot(self.IDS, classes=5, dtype=np.float64) @ self.W
        np.testing.assert_array_equal(tg.embedding(self.W, self.IDS), expected)

    def test_each_row_collects_the_cotangents_of_its_places(self):
        w, g = leaf(self.W), np.random.default_rng(1).standard_normal((2, 2, 3))
        tg.embedding(w, self.IDS).backward(g)
        expected = tg.one_hot(self.IDS.ravel(), classes=5, dtype=np.float64).T @ g.reshape(4, 3)
        np.testing.assert_allclose(w.grad.data, expected, atol=1e-15)

    @pytest.mark.parametrize("padding", [4, -1])
    def test_the_padding_row_is_read_but_learns_nothing(self, padding):
        w = leaf(self.W)
        y = tg.embedding(w, self.IDS, padding_idx=padding)
        np.testing.assert_array_equal(y.data, self.W[self.IDS])
        y.sum().backward()
        assert w.grad.data[:, 0].tolist() == [1, 0, 1, 0, 0]

    def test_the_padding_row_learns_nothing_at_second_order_either(self):
        def squares(w):
            y = tg.embedding(w, self.IDS, padding_idx=4)
            return (y * y).sum()

        product = tg.hessian_vector_product(squares, tg.tensor(self.W), tg.tensor(np.ones((5, 3))))
        assert product.data[:, 0].tolist() == [2, 0, 2, 0, 0]

    def test_a_tensor_of_ids_is_fine(self):
        w = leaf(self.W)
        tg.embedding(w, tg.tensor(self.IDS), padding_idx=0).sum().backward(create_graph=True)
        assert w.grad.data[:, 0].tolist() == [0, 0, 1, 0, 2]

    @pytest.mark.parametrize("wrong", [5, -1])
    def test_an_id_that_is_not_a_row_is_named(self, wrong):
        with pytest.raises(
            IndexError, match=f"embedding: id {wrong} is not a row .* has 5; ids run from 0 to 4"
        ):
            tg.embedding(self.W, np.array([0, wrong]))

    def test_a_large_lookup_is_the_same_on_both_backends(self):
        rng = np.random.default_rng(0)
        ids, g = rng.integers(0, 5, (40, 25)), rng.standard_normal((40, 25, 3))
        gradients = []
        for name in ("numpy", "numba"):
            w = leaf(self.W)
            with tg.backend(name):
                tg.embedding(w, ids).backward(g)
            gradients.append(w.grad.data)
        np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-12)


class TestOneHot:
    def test_its_dtype_is_the_default_unless_told(self):
        assert tg.one_hot(np.array([1]), classes=2).dtype == np.float32
        assert tg.one_hot(np.array([1]), classes=2, dtype=bool).tolist() == [[False, True]]
        with tg.default_dtype("float64"):
            assert tg.one_hot(np.array([1]), classes=2).dtype == np.float64

    def test_a_tensor_has_it_as_a_method_without_gradient(self):
        y = tg.tensor([2, 0]).one_hot(3)
        assert y.tolist() == [[0, 0, 1], [1, 0, 0]]
        assert not y.requires_grad

    def test_an_id_that_is_not_a_class_is_named(self):
        with pytest.raises(IndexError, match="id -1 is not one of 3 classes; ids run from 0 to 2"):
            tg.one_hot(np.array([-1]), classes=3)
