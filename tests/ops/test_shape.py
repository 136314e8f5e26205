"""Moves: values as NumPy's, cotangents back to where each element came from, for any layout."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tests.ops.moves import assert_moves, axis_of, numbered, quick, shapes


class TestReshape:
    @given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3), st.randoms())
    @quick
    def test_any_shape_of_the_same_size(self, shape, random):
        new = list(shape)
        random.shuffle(new)
        unknown = random.randrange(len(new))
        asked = tuple(-1 if k == unknown else n for k, n in enumerate(new))
        assert_moves(lambda x: tg.reshape(x, asked), lambda x: x.reshape(new), numbered(shape))

    def test_the_method_takes_lengths_one_by_one_or_as_a_tuple(self):
        x = tg.tensor(np.arange(6.0))
        assert x.reshape(2, 3).shape == x.reshape((2, -1)).shape == (2, 3)
        assert x.reshape(-1).shape == (6,)
        assert x[:1].reshape(()).shape == ()

    def test_a_view_knows_that_its_base_was_written(self):
        x = tg.tensor(np.ones((2, 3)), requires_grad=True)
        y = x.reshape(6)
        z = (y * y).sum()
        with tg.no_grad():
            x[0, 0] = 7.0
        with pytest.raises(tg.GraphError, match="overwritten"):
            z.backward()

    @given(shapes, st.data())
    @quick
    def test_flatten_merges_a_range_of_axes(self, shape, data):
        axes = st.integers(0, max(len(shape) - 1, 0))
        first, last = sorted(data.draw(st.tuples(axes, axes)))
        end = data.draw(st.sampled_from([last, last - len(shape)])) if shape else -1
        merged = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
        assert_moves(
            lambda x: tg.flatten(x, first, end), lambda x: x.reshape(merged), numbered(shape)
        )

    def test_flatten_refuses_a_range_that_runs_backwards(self):
        with pytest.raises(tg.ShapeError, match="got start 2 and end 0 among 3 axes; swap them"):
            tg.tensor(np.ones((2, 3, 4))).flatten(2, 0)

    @given(shapes, st.data())
    @quick
    def test_squeeze_undoes_unsqueeze(self, shape, data):
        x, ndim = numbered(shape), len(shape) + 2
        axes = tuple(data.draw(st.sets(st.integers(0, ndim - 1), min_size=2, max_size=2)))
        axes = data.draw(st.sampled_from([axes, tuple(a - ndim for a in axes)]))
        assert_moves(lambda x: tg.unsqueeze(x, axes), lambda x: np.expand_dims(x, axes), x)
        assert_moves(lambda y: tg.squeeze(y, axes), lambda _: x, np.expand_dims(x, axes))

    @given(shapes, st.data())
    @quick
    def test_unsqueeze_takes_one_axis_too(self, shape, data):
        axis = data.draw(axis_of(len(shape) + 1))
        assert_moves(
            lambda x: tg.unsqueeze(x, axis), lambda x: np.expand_dims(x, axis), numbered(shape)
        )

    def test_unsqueeze_names_an_axis_that_is_not_there(self):
        with pytest.raises(tg.ShapeError, match="unsqueeze: got axis 2 among 2 axes"):
            tg.unsqueeze(np.ones(3), 2)

    def test_squeeze_takes_every_axis_of_length_one_unless_told(self):
        assert_moves(tg.squeeze, np.squeeze, numbered((1, 3, 1, 0)))
        assert tg.tensor(np.ones((1, 3))).squeeze(0).shape == (3,)

    def test_squeeze_refuses_to_drop_more_than_one_element(self):
        expected = "axis 1 of x float32 (1, 3) has length 3; only an axis of length 1 can go"
        with pytest.raises(tg.ShapeError, match=re.escape(expected)):
            tg.tensor(np.ones((1, 3), np.float32)).squeeze(1)


class TestOrderOfAxes:
    @given(shapes, st.data())
    @quick
    def test_permute_and_moveaxis_follow_numpy(self, shape, data):
        x = numbered(shape)
        order = tuple(data.draw(st.permutations(range(x.ndim))))
        signed = tuple(a - x.ndim * data.draw(st.integers(0, 1)) for a in order)
        assert_moves(lambda x: tg.permute(x, signed), lambda x: np.transpose(x, order), x)
        count = data.draw(st.integers(0, x.ndim))
        source, destination = order[:count], signed[::-1][:count]
        assert_moves(
            lambda x: tg.moveaxis(x, source, destination),
            lambda x: np.moveaxis(x, source, destination),
            x,
        )

    @given(shapes)
    @quick
    def test_transpose_without_axes_reverses_them_as_the_property_does(self, shape):
        assert_moves(tg.transpose, np.transpose, numbered(shape))
        assert_moves(lambda x: x.T, lambda x: x.T, numbered(shape))

    @pytest.mark.parametrize(
        ("axes", "shape"),
        [
            ((0, 1), (3, 2, 4)),
            ((-1, 0), (4, 3, 2)),
            ((1, 2, 0), (3, 4, 2)),
            (((2, 0, 1),), (4, 2, 3)),
        ],
    )
    def test_transpose_exchanges_two_axes_or_takes_an_order(self, axes, shape):
        assert tg.tensor(np.zeros((2, 3, 4))).transpose(*axes).shape == shape

    def test_two_axes_are_exchanged_even_in_their_own_order(self):
        assert tg.tensor(np.zeros((2, 3))).transpose(0, 1).shape == (3, 2)

    def test_the_matrix_transpose_leaves_the_batch_alone(self):
        assert_moves(lambda x: x.mT, lambda x: x.mT, numbered((2, 3, 4)))
        with pytest.raises(tg.ShapeError, match=r"mT: got shape \(3,\); a matrix needs two axes"):
            _ = tg.tensor(np.zeros(3)).mT

    def test_the_permute_method_takes_axes_one_by_one_or_as_a_tuple(self):
        x = tg.tensor(np.zeros((2, 3, 4)))
        assert x.permute(2, 0, 1).shape == x.permute((2, 0, 1)).shape == (4, 2, 3)

    def test_a_wrong_order_is_refused(self):
        with pytest.raises(
            tg.ShapeError, match=re.escape("(0, 0) is no order of 2 axes; name eac")
        ):
            tg.tensor(np.zeros((2, 3))).permute(0, 0)
        with pytest.raises(tg.ShapeError, match="transpose: got axis 5 among 2 axes; expected -2"):
            tg.tensor(np.zeros((2, 3))).transpose(0, 5)
        with pytest.raises(tg.ShapeError, match="name each of them once"):
            tg.moveaxis(np.zeros((2, 3)), (0, -2), (0, 1))
        with pytest.raises(tg.ShapeError, match="as many of one as of the other"):
            tg.moveaxis(np.zeros((2, 3)), 0, (0, 1))

    @given(shapes, st.data())
    @quick
    def test_flip_reverses_any_axes(self, shape, data):
        axes = (
            st.none() | st.sets(st.integers(0, len(shape) - 1)).map(tuple) if shape else st.none()
        )
        axis = data.draw(axes)
        assert_moves(lambda x: tg.flip(x, axis), lambda x: np.flip(x, axis), numbered(shape))


class TestCopies:
    @given(hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 4)))
    @quick
    def test_broadcasting_copies_and_adds_up_the_copies_cotangents(self, broadcastable):
        (shape,), result = broadcastable.input_shapes, broadcastable.result_shape
        assert_moves(
            lambda x: tg.broadcast_to(x, result),
            lambda x: np.broadcast_to(x, result),
            numbered(shape),
        )

    def test_copies_cannot_be_written_to(self):
        with pytest.raises(ValueError, match="read-only"):
            tg.broadcast_to(np.ones(3), (2, 3))[0, 0] = 2

    def test_a_copy_knows_that_its_original_was_written(self):
        x = tg.tensor(np.ones((4, 3)), requires_grad=True)
        y = x[1:, 0].broadcast_to((2, 3))
        z = (y * y).sum()
        with tg.no_grad():
            x[:] = 7.0
        with pytest.raises(tg.GraphError, match="overwritten"):
            z.backward()
