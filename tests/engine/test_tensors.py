"""A tensor as a value: making, showing, converting, writing."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg


def leaf(*values):
    return tg.tensor(list(values), requires_grad=True)


class TestMaking:
    def test_python_floats_become_float32_and_arrays_keep_their_dtype(self):
        assert tg.tensor([1.0]).dtype == np.float32
        assert tg.tensor(np.ones(1)).dtype == np.float64
        assert tg.tensor([1]).dtype == np.int64
        assert tg.tensor([True]).dtype == np.bool_

    def test_python_floats_are_not_rounded_on_the_way_to_float64(self):
        assert tg.tensor(0.1, dtype="float64").item() == 0.1
        assert tg.tensor([0.1], dtype=np.float64).tolist() == [0.1]

    def test_tensor_copies_and_the_class_shares(self):
        array = np.ones(2)
        copied, shared = tg.tensor(array), tg.Tensor(array)
        array[0] = 5.0
        assert copied.tolist() == [1.0, 1.0]
        assert shared.tolist() == [5.0, 1.0]

    def test_ragged_lists_are_refused(self):
        with pytest.raises(tg.ShapeError, match="rows have different lengths"):
            tg.tensor([[1.0], [1.0, 2.0]])

    @pytest.mark.parametrize("data", ["text", 1j, [None], object()])
    def test_what_is_not_real_numbers_is_refused(self, data):
        with pytest.raises(tg.DtypeError, match="expected real numbers"):
            tg.tensor(data)

    def test_integers_have_no_gradient(self):
        with pytest.raises(tg.DtypeError, match="only float32 and float64 have gradients"):
            tg.tensor([1], requires_grad=True)

    def test_a_list_of_tracked_tensors_would_lose_their_graph(self):
        with pytest.raises(tg.GraphError, match="lose the graph"):
            tg.tensor([leaf(1.0), leaf(2.0)])


class TestPythonScalars:
    def test_are_weak(self):
        x = leaf(1.0)
        for y in (x * 2.5, 2.5 * x, x + 1, x**2, 1 / x, x - np.pi):
            assert y.dtype == np.float32

    def test_lists_take_the_default_dtype(self):
        assert tg.add(tg.tensor([1.0]), [2.5]).dtype == np.float32


class TestNumpyInterplay:
    def test_an_array_on_the_left_keeps_the_graph(self):
        x = leaf(1.0, 2.0)
        (np.array([3.0, 4.0], np.float32) * x).sum().backward()
        assert x.grad.tolist() == [3.0, 4.0]

    def test_a_ufunc_that_is_an_op_is_that_op(self):
        assert np.tanh(leaf(1.0)).op is tg.tanh

    def test_a_ufunc_that_is_not_is_named(self):
        with pytest.raises(tg.DtypeError, match=r"np\.arcsinh has no derivative rule"):
            np.arcsinh(leaf(1.0))

    def test_ufunc_methods_and_out_are_refused(self):
        with pytest.raises(tg.DtypeError, match=r"np\.add\.reduce"):
            np.add.reduce(leaf(1.0))
        with pytest.raises(tg.DtypeError, match="with out="):
            np.add(leaf(1.0), 1, out=np.ones(1))

    def test_asarray_would_lose_the_graph(self):
        with pytest.raises(tg.GraphError, match=r"x\.detach\(\)\.numpy\(\)"):
            np.asarray(leaf(1.0))
        assert np.asarray(tg.tensor([1.0])).tolist() == [1.0]

    def test_dlpack_exports_values(self):
        x = tg.tensor([1.0, 2.0])
        np.testing.assert_array_equal(np.from_dlpack(x), x.data)
        with pytest.raises(tg.GraphError, match=r"export x\.detach"):
            np.from_dlpack(leaf(1.0))

    def test_numpy_of_a_graph_value_is_read_only(self):
        with pytest.raises(ValueError, match="read-only"):
            leaf(1.0).numpy()[0] = 2.0
        x = tg.tensor([1.0])
        x.numpy()[0] = 2.0
        assert x.item() == 2.0


class TestWriting:
    def test_a_plain_tensor_may_be_written(self):
        x = tg.tensor([1.0, 2.0])
        x[0] = 5.0
        x[tg.tensor([1])] = tg.tensor([6.0])
        assert x.tolist() == [5.0, 6.0]

    def test_a_leaf_may_be_written_without_grad(self):
        x = leaf(1.0)
        with tg.no_grad():
            x[0] = 5.0
        assert x.tolist() == [5.0]

    def test_a_graph_value_may_not_and_the_error_shows_what_to_write(self):
        x = leaf(1.0)
        with pytest.raises(tg.GraphError, match=r"requires grad.*x\.at\[i\]\.set\(v\)"):
            x[0] = 5.0
        with pytest.raises(tg.GraphError, match=r"made by mul.*x\.at\[i\]\.set\(v\)"):
            (x * 2)[0] = 5.0

    def test_a_tracked_value_may_not_be_written_into_a_plain_tensor(self):
        with pytest.raises(tg.GraphError, match="lose the gradient of v"):
            tg.tensor([1.0])[0] = leaf(1.0)[0]

    def test_augmented_assignment_makes_a_new_tensor(self):
        x = leaf(1.0)
        y = x
        y += 1
        assert (x.item(), y.item()) == (1.0, 2.0)


class TestShowing:
    def test_repr_shows_values_dtype_and_origin(self):
        assert repr(tg.tensor([1.0, 2.0])) == "tensor([1., 2.])"
        assert repr(leaf(1.0)) == "tensor([1.], requires_grad=True)"
        assert repr(leaf(1.0) * 2) == "tensor([2.], op=mul)"
        assert repr(tg.tensor(np.ones(1))) == "tensor([1.], dtype=float64)"

    def test_a_scalar_formats_as_a_number(self):
        assert f"{tg.tensor(1.25):.1f}" == "1.2"

    def test_item_of_many_is_refused(self):
        with pytest.raises(ValueError, match=r"shape \(2,\), which has 2 elements"):
            leaf(1.0, 2.0).item()


class TestLeaves:
    def test_a_leaf_is_what_no_op_made(self):
        assert leaf(1.0).is_leaf
        assert not (leaf(1.0) * 2).is_leaf

    def test_only_a_leaf_can_be_told_to_require_grad(self):
        assert tg.tensor([1.0]).requires_grad_().requires_grad
        with pytest.raises(tg.GraphError, match="made by mul; only a leaf can be told"):
            (leaf(1.0) * 2).requires_grad_(False)


class TestPythonProtocols:
    def test_a_tensor_is_iterated_by_rows(self):
        assert [row.tolist() for row in tg.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]

    def test_a_scalar_has_no_length(self):
        with pytest.raises(TypeError, match="no axis to count"):
            len(tg.tensor(1.0))

    def test_conversions(self):
        assert (int(tg.tensor(3)), float(tg.tensor(2.5)), bool(tg.tensor(True))) == (3, 2.5, True)
        assert list(range(5))[tg.tensor(2)] == 2
        with pytest.raises(TypeError, match="float32 tensor is no index"):
            list(range(5))[tg.tensor(2.0)]

    def test_tensors_are_keys_by_identity(self):
        a, b = tg.tensor([1.0]), tg.tensor([1.0])
        assert {a: 1, b: 2}[a] == 1

    def test_leaves_can_be_copied_and_pickled_and_graph_values_cannot(self):
        x = leaf(1.0)
        for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert y is not x
            assert (y.tolist(), y.requires_grad) == ([1.0], True)
        for attempt in (copy.deepcopy, pickle.dumps):
            with pytest.raises(tg.GraphError, match="made by mul cannot be copied or pickled"):
                attempt(x * 2)


UNIT = st.floats(-2, 2)
SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


@given(shapes=SHAPES, data=st.data())
def test_any_broadcastable_product_has_the_right_gradient(shapes, data):
    a, b = (data.draw(hnp.arrays(np.float64, s, elements=UNIT)) for s in shapes.input_shapes)
    tg.gradcheck(lambda a, b: a * b + a, a, b)


@given(
    array=hnp.arrays(
        np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-2, 2)
    ),
    data=st.data(),
)
def test_any_basic_index_of_any_strides_has_the_right_gradient(array, data):
    index = data.draw(hnp.basic_indices(array.shape, allow_newaxis=True))
    flipped = array[::-1]
    tg.gradcheck(lambda x: x[index] * x[index], flipped)
    tg.gradcheck(lambda x: tg.tanh(x), flipped[index] if np.ndim(flipped[index]) else array)
