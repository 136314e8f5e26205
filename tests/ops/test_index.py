"""Indexing against NumPy, its gradient against repeated addition, and its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tinygrad_rnn.engine import DtypeError, GraphError, ShapeError
from tinygrad_rnn.ops import index as ix

X = np.arange(24.0).reshape(2, 3, 4)
INDICES = {
    "an integer": 1,
    "a negative integer": -1,
    "a NumPy integer": np.int64(1),
    "a slice": slice(0, 1),
    "a backward slice": (..., slice(None, None, -2)),
    "an ellipsis": (..., 2),
    "a new axis": (None, 0, None),
    "nothing": (),
    "a list": [1, 0, 1],
    "an empty list": [],
    "a list of booleans": [True, False],
    "an integer array": np.array([[0, 1], [1, 1]]),
    "two integer arrays": (np.array([[0], [1]]), np.array([0, 2, 2])),
    "an array and slices": (slice(None), np.array([2, 0]), slice(1, 3)),
    "arrays around a slice": (np.array([1, 1, 0]), slice(None), np.array([3, 3, -1])),
    "a mask of everything": X % 2 == 0,
    "a mask of one axis": (0, np.array([True, False, True])),
    "a single boolean": True,
    "32-bit integers": np.array([1, 0], np.int32),
}


def leaf(x, dtype=np.float64):
    return tg.tensor(x, dtype=dtype, requires_grad=True)


def dot(a, b):
    return float((np.asarray(a) * np.asarray(b)).sum())


class TestPicking:
    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_it_gives_what_numpy_gives(self, index):
        np.testing.assert_array_equal(tg.tensor(X)[index].data, X[index])
        np.testing.assert_array_equal(tg.getitem(X, index=index), X[index])

    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_the_gradient_adds_where_the_index_points(self, index):
        x = leaf(X)
        y = x[index]
        g = np.random.default_rng(0).standard_normal(y.shape)
        y.backward(g)
        expected = np.zeros_like(X)
        np.add.at(expected, index, g)
        np.testing.assert_allclose(x.grad.data, expected, atol=1e-15)

    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_it_is_differentiable_to_second_order(self, index):
        tg.gradcheck(lambda x: (x[index] * x[index]) * 3.0, X / 24, order=2)

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_any_basic_index_picks_a_view_and_its_adjoint_is_its_transpose(self, data):
        shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
        index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
        x = np.random.default_rng(0).standard_normal(shape)
        y = tg.tensor(x)[index]
        np.testing.assert_array_equal(y.data, x[index])
        v = np.random.default_rng(1).standard_normal(y.shape)
        back = tg.getitem_adjoint(v, index=index, shape=shape)
        assert dot(back, x) == pytest.approx(dot(v, x[index]))

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_any_integer_index_has_its_transpose_for_adjoint(self, data):
        shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
        index = data.draw(hnp.integer_array_indices(shape))
        x = np.random.default_rng(0).standard_normal(shape)
        v = np.random.default_rng(1).standard_normal(x[index].shape)
        back = tg.getitem_adjoint(v, index=index, shape=shape)
        assert dot(back, x) == pytest.approx(dot(v, x[index]))

    def test_integers_and_slices_give_views(self):
        x = tg.tensor(X)
        for index in (0, slice(0, 1), (..., slice(None, None, -1)), None):
            assert np.shares_memory(x[index].data, x.data)

    def test_a_write_through_a_view_is_seen_by_backward(self):
        x = tg.tensor(X)
        row, w = x[0], leaf(np.ones((2, 3, 4)))
        y = (w * x).sum()
        row[0] = 5.0
        with pytest.raises(GraphError, match="overwritten"):
            y.backward()

    def test_index_arrays_may_be_written_to_afterwards(self):
        x, ids = leaf(np.zeros(3)), np.array([0, 0])
        y = x[ids].sum()
        ids[:] = 2
        y.backward()
        np.testing.assert_array_equal(x.grad.data, [2, 0, 0])

    def test_integer_tensors_index_too(self):
        x = tg.tensor(X)
        i, ids = tg.tensor(1), tg.tensor([1, 0])
        np.testing.assert_array_equal(x[i].data, X[1])
        np.testing.assert_array_equal(x[ids, :, i].data, X[[1, 0], :, 1])
        np.testing.assert_array_equal(x[x > 11.0].data, X[X > 11.0])

    def test_rows_of_a_tensor_are_differentiable_one_by_one(self):
        x = leaf([1.0, 2.0, 3.0])
        first, _, last = x
        (first * last).backward()
        np.testing.assert_array_equal(x.grad.data, [3, 0, 1])

    def test_many_repeats_add_up_the_same_on_both_backends(self):
        rng = np.random.default_rng(0)
        ids, g = rng.integers(0, 5, 3000), rng.standard_normal((3000, 2))
        gradients = []
        for name in ("numpy", "numba"):
            x = leaf(np.zeros((5, 2)))
            with tg.backend(name):
                x[ids].backward(g)
            gradients.append(x.grad.data)
        np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-12)

    @pytest.mark.parametrize(
        ("index", "says"),
        [
            (2, r"x\[index\]: index 2 is out of range for axis 0 of shape \(2, 3, 4\), which has "
                r"length 2; use -2 to 1"),
            ((0, -4), r"index -4 is out of range for axis 1 of shape .*, which has length 3"),
            ((slice(None), [0, 7]), r"index 7 is out of range for axis 1"),
            ((0, 0, 0, 0), "too many indices for array"),
            (([0, 1], [0, 1, 2]), "could not be broadcast"),
            (np.array([True, False, True]), "boolean index did not match"),
        ],
    )  # fmt: skip
    def test_an_index_that_is_not_there_is_named(self, index, says):
        with pytest.raises(ix.IndexingError, match=says) as error:
            tg.tensor(X)[index]
        assert isinstance(error.value, IndexError)
        assert isinstance(error.value, ShapeError)

    def test_an_empty_axis_is_said_to_have_no_index(self):
        with pytest.raises(IndexError, match="an empty axis has no index"):
            tg.tensor(np.zeros((0, 2)))[0]

    @pytest.mark.parametrize("index", [0.5, np.array([1.0]), "a", [0.5]])
    def test_an_index_of_another_kind_is_refused(self, index):
        with pytest.raises(DtypeError, match="expected integers, slices, None"):
            tg.tensor(X)[index]

    def test_an_index_prints_as_it_was_written(self):
        shown = str(ix.fixed((..., slice(1, None, 2), None, np.array([0, 1]), -1)))
        assert shown == "..., 1::2, None, [0, 1], -1"


class TestWritingToACopy:
    def test_set_changes_a_copy_only(self):
        x = tg.tensor([1.0, 2.0, 3.0])
        y = x.at[1].set(9.0)
        assert (x.tolist(), y.tolist()) == ([1, 2, 3], [1, 9, 3])

    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_set_and_add_are_what_numpy_does(self, index):
        v = np.random.default_rng(0).standard_normal(X[index].shape)
        written, added = X.copy(), X.copy()
        written[index] = v
        np.add.at(added, index, v)
        np.testing.assert_array_equal(tg.tensor(X).at[index].set(v).data, written)
        np.testing.assert_allclose(tg.tensor(X).at[index].add(v).data, added)

    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_both_are_differentiable_in_tensor_and_value(self, index):
        v = np.random.default_rng(0).standard_normal(X[index].shape)
        for change in ("set", "add"):
            tg.gradcheck(lambda x, v: getattr(x.at[index], change)(v) ** 2, X / 24, v, order=2)  # noqa: B023

    def test_of_values_written_to_one_place_only_the_last_has_a_gradient(self):
        x, v = leaf(np.zeros(2)), leaf([1.0, 2.0, 3.0])
        y = x.at[[0, 0, 1]].set(v)
        assert y.tolist() == [2, 3]
        y.backward(np.array([10.0, 20.0]))
        assert v.grad.tolist() == [0, 10, 20]
        assert x.grad.tolist() == [0, 0]

    def test_what_was_overwritten_cannot_spoil_the_gradient(self):
        x = leaf([np.nan, 1.0])
        (x.at[0].set(2.0) * 3.0).sum().backward()
        assert x.grad.tolist() == [0, 3]

    def test_a_value_broadcasts_and_collects_the_cotangents_of_its_copies(self):
        v = leaf(1.0)
        tg.tensor(np.zeros((2, 3))).at[:, 1:].set(v).sum().backward()
        assert v.grad.item() == 4

    @pytest.mark.parametrize("change", ["set", "add"])
    def test_a_number_keeps_float32(self, change):
        assert getattr(tg.tensor([1.0, 2.0]).at[0], change)(2.5).dtype == np.float32

    @pytest.mark.parametrize("change", ["set", "add"])
    def test_an_index_that_is_not_there_is_named(self, change):
        with pytest.raises(IndexError, match=rf"x\.at\[index\]\.{change}: index 3 is out of range"):
            getattr(tg.tensor(np.zeros(3)).at[3], change)(1.0)

    def test_many_wrong_rows_are_named_though_a_compiled_loop_met_them(self):
        ids = np.full(3000, 9)
        with pytest.raises(IndexError, match="index 9 is out of range for axis 0"):
            tg.getitem_adjoint(np.ones(3000), index=ids, shape=(5,))


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


@pytest.mark.parametrize("k", [-2, 0, 1])
def test_triangles_are_numpys(k):
    np.testing.assert_array_equal(tg.tensor(X).tril(k).data, np.tril(X, k))
    np.testing.assert_array_equal(tg.tensor(X).triu(k).data, np.triu(X, k))


def test_a_nan_outside_a_triangle_does_not_spoil_it():
    x = leaf([[1.0, np.nan], [2.0, 3.0]])
    y = x.tril()
    y.sum().backward()
    assert y.tolist() == [[1, 0], [2, 3]]
    assert x.grad.tolist() == [[1, 0], [1, 1]]
