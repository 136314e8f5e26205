"""Joining, splitting, padding and repeating: values as NumPy's, cotangents back in place."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tests.ops.moves import assert_moves, axis_of, numbered, quick


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
        ],
    )
    def test_what_does_not_fit_is_named(self, call, says):
        with pytest.raises(tg.ShapeError, match=re.escape(says)):
            call()


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


class TestRepeat:
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
