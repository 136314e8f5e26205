"""Moves: values as NumPy's, cotangents back to where each element came from, for any layout."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg

quick = settings(max_examples=40, deadline=None)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def numbered(shape, seed=0):
    """Distinct numbers, laid out with negative strides in a random order of axes."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(shape))
    x = np.arange(math.prod(shape), dtype=np.float64).reshape([shape[k] for k in order])
    return x.transpose(np.argsort(order))[(slice(None, None, -1),) * len(shape)]


def assert_moves(f, numpy_f, *arrays):
    """`f` gives what NumPy gives, on arrays and tensors, and its vjp is its adjoint.

    A move is linear, so ⟨u, f(v)⟩ = ⟨vjp(u), v⟩ says that its cotangents are right.
    """
    expected = numpy_f(*arrays)
    np.testing.assert_array_equal(f(*arrays), expected, strict=True)
    y, pullback = tg.vjp(f, *arrays)
    np.testing.assert_array_equal(y.data, expected, strict=True)
    u = np.random.default_rng(1).integers(-5, 5, y.shape).astype(np.float64)
    cotangents = pullback(u)
    assert all(g.shape == x.shape for g, x in zip(cotangents, arrays, strict=True))
    sent = np.sum(u * expected)
    assert sent == sum(np.sum(g.data * x) for g, x in zip(cotangents, arrays, strict=True))


def axis_of(ndim):
    return st.integers(-ndim, ndim - 1)


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

    @given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3), st.data())
    @quick
    def test_repeat_follows_numpy_for_one_count_or_many(self, shape, data):
        axis = data.draw(st.none() | axis_of(len(shape)))
        n = math.prod(shape) if axis is None else shape[axis]
        counts = st.integers(0, 3)
        repeats = data.draw(counts | st.lists(counts, min_size=n, max_size=n))
        whole = np.array(repeats, int)  # which NumPy would take for floats if it were empty
        assert_moves(
            lambda x: tg.repeat(x, repeats, axis),
            lambda x: np.repeat(x, whole, axis),
            numbered(shape),
        )

    def test_repeat_needs_a_count_for_each_element(self):
        expected = "got 2 repeats for axis 0 of x float64 (3,), which has length 3"
        with pytest.raises(tg.ShapeError, match=re.escape(expected)):
            tg.repeat(np.ones(3), (1, 2))

    @given(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
           st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=4))  # fmt: skip
    @quick
    def test_tile_follows_numpy(self, shape, reps):
        assert_moves(lambda x: tg.tile(x, reps), lambda x: np.tile(x, reps), numbered(shape))


class TestPad:
    @given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3), st.data())
    @quick
    def test_a_frame_of_zeros_follows_numpy(self, shape, data):
        pair = st.tuples(*[st.integers(0, 2)] * 2)
        width = data.draw(st.integers(0, 2) | pair | st.tuples(*[pair] * len(shape)))
        assert_moves(lambda x: tg.pad(x, width), lambda x: np.pad(x, width), numbered(shape))

    def test_the_frame_may_have_another_value_and_keeps_the_dtype(self):
        y = tg.pad(np.ones(1, np.float32), (1, 2), value=-0.5)
        np.testing.assert_array_equal(y, np.array([-0.5, 1, -0.5, -0.5], np.float32), strict=True)

    def test_cutting_off_is_refused(self):
        with pytest.raises(tg.ShapeError, match=re.escape("x float64 (3,); width (0, -1) is neg")):
            tg.pad(np.ones(3), (0, -1))


class TestJoin:
    @given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3),
           st.lists(st.integers(0, 3), min_size=1, max_size=4), st.data())  # fmt: skip
    @quick
    def test_split_undoes_concatenate(self, shape, lengths, data):
        axis = data.draw(axis_of(len(shape)))
        k = axis % len(shape)
        xs = [numbered((*shape[:k], n, *shape[k + 1 :]), seed=n) for n in lengths]
        assert_moves(
            lambda *xs: tg.concatenate(xs, axis=axis), lambda *xs: np.concatenate(xs, axis), *xs
        )
        joined = np.concatenate(xs, axis)
        for i, x in enumerate(xs):
            assert_moves(lambda y, i=i: tg.split(y, lengths, axis)[i], lambda _, x=x: x, joined)

    @given(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
           st.integers(1, 3), st.data())  # fmt: skip
    @quick
    def test_unbind_undoes_stack(self, shape, count, data):
        axis = data.draw(axis_of(len(shape) + 1))
        xs = [numbered(shape, seed) + seed for seed in range(count)]
        assert_moves(lambda *xs: tg.stack(xs, axis=axis), lambda *xs: np.stack(xs, axis), *xs)
        stacked = np.stack(xs, axis)
        for i, x in enumerate(xs):
            assert_moves(lambda y, i=i: tg.unbind(y, axis)[i], lambda _, x=x: x, stacked)

    def test_the_same_tensor_joined_twice_collects_both_cotangents(self):
        x = tg.tensor([1.0, 2.0], requires_grad=True)
        tg.concatenate([x, x]).backward(np.array([1.0, 2.0, 10.0, 20.0], np.float32))
        assert x.grad.tolist() == [11.0, 22.0]

    def test_arrays_among_tensors_are_constants(self):
        x = tg.tensor([1.0, 2.0], requires_grad=True)
        tg.stack([np.zeros(2, np.float32), x]).sum().backward()
        assert x.grad.tolist() == [1.0, 1.0]

    def test_each_input_gets_a_cotangent_of_its_own_dtype(self):
        x = tg.tensor([1.0], dtype="float32", requires_grad=True)
        z = tg.tensor([1.0], dtype="float64", requires_grad=True)
        tg.concatenate([x, z]).sum().backward()
        assert (x.grad.dtype, z.grad.dtype) == (np.float32, np.float64)

    def test_a_whole_number_of_sections_is_how_many_and_a_list_their_lengths(self):
        x = tg.tensor(np.arange(6.0))
        assert [p.tolist() for p in x.split(2)] == [[0, 1, 2], [3, 4, 5]]
        assert [p.tolist() for p in x.split([2, 4])] == [[0, 1], [2, 3, 4, 5]]

    def test_parts_that_nothing_depends_on_get_zeros(self):
        x = tg.tensor(np.ones((3, 2)), requires_grad=True)
        _, middle, _ = x.unbind()
        (middle * middle).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [[0, 0], [2, 2], [0, 0]])

    def test_parts_may_be_differentiated_twice(self):
        def f(x):
            a, b = x.split(2)
            return (a * a * b).sum()

        hv = tg.hessian_vector_product(f, [2.0, 3.0], [1.0, 0.0])
        assert hv.tolist() == [6.0, 4.0]

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (lambda: tg.concatenate([]), "give a list of at least one array"),
            (lambda: tg.stack([np.ones(2), np.ones(3)]), "xs[0] has shape (2,) and xs[1] (3,)"),
            (lambda: tg.concatenate([np.ones(2), np.ones(())]), "xs[0] has 1 axes and xs[1] has 0"),
            (lambda: tg.split(np.ones(5), 2), "5 elements do not split into 2 equal sections"),
            (lambda: tg.split(np.ones(5), (2, 2)), "add up to 4; expected 5"),
            (lambda: tg.split(np.ones(5), (6, -1)), "without negative ones"),
            (lambda: tg.unbind(np.ones(3), 1), "unbind: got axis 1 among 1 axes; expected -1 to 0"),
            (lambda: tg.unsqueeze(np.ones(3), 2), "unsqueeze: got axis 2 among 2 axes"),
        ],
    )
    def test_what_does_not_fit_is_named(self, call, says):
        with pytest.raises(tg.ShapeError, match=re.escape(says)):
            call()
