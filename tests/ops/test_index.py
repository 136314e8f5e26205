"""Indexing against NumPy, its gradient against repeated addition, and its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tests.ops.leaves import leaf
from tinygrad_rnn.engine import DtypeError, GraphError, ShapeError
from tinygrad_rnn.ops.index import fixed

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
        with pytest.raises(tg.IndexingError, match=says) as error:
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
        shown = str(fixed((..., slice(1, None, 2), None, np.array([0, 1]), -1)))
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
