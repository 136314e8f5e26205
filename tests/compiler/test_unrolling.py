"""`scan`: the loop over time that everything recurrent goes through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg

rng = np.random.default_rng(0)
T, B, H = 4, 3, 2
XS, H0 = rng.standard_normal((T, B, H)), rng.standard_normal((B, H))
W = rng.standard_normal((H, H))


def cell(h, x):
    h = (h @ tg.Tensor(W) + x).tanh()
    return h, h * 2


def by_hand(xs, h0):
    ys, h = [], h0
    for x in xs:
        h = np.tanh(h @ W + x)
        ys.append(2 * h)
    return h, np.array(ys).reshape(len(xs), *h0.shape)


def test_is_the_loop_that_one_would_write():
    h, ys = tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS))
    expected_h, expected_ys = by_hand(XS, H0)
    np.testing.assert_allclose(h.data, expected_h)
    np.testing.assert_allclose(ys.data, expected_ys)


def test_gradients_reach_the_carry_and_the_inputs_twice():
    def total(h0, xs):
        h, ys = tg.scan(cell, h0, xs)
        return (ys * ys).sum() + h.sum()

    tg.gradcheck(total, H0, XS, order=2)


def test_in_reverse_it_runs_from_the_end_and_keeps_the_order_of_outputs():
    h, ys = tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS), reverse=True)
    expected_h, expected_ys = by_hand(XS[::-1], H0)
    np.testing.assert_allclose(h.data, expected_h)
    np.testing.assert_allclose(ys.data, expected_ys[::-1])


@given(lengths=st.lists(st.integers(0, T), min_size=B, max_size=B), reverse=st.booleans())
def test_a_sequence_with_a_length_is_as_if_it_were_alone_and_shorter(lengths, reverse):
    h, ys = tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS), lengths=lengths, reverse=reverse)
    for b, n in enumerate(lengths):
        order = slice(None, None, -1) if reverse else slice(None)
        alone_h, alone_ys = by_hand(XS[:n, b : b + 1][order], H0[b : b + 1])
        np.testing.assert_allclose(h.data[b], alone_h[0])
        np.testing.assert_allclose(ys.data[:n, b], alone_ys[order][:, 0])
        assert not ys.data[n:, b].any()


def test_gradients_are_exact_under_lengths():
    def total(h0, xs):
        h, ys = tg.scan(cell, h0, xs, lengths=[0, 2, 4])
        return (ys * ys).sum() + (h * h).sum()

    tg.gradcheck(total, H0, XS, order=2)
    (g,) = tg.vjp(lambda xs: total(tg.Tensor(H0), xs), XS)[1](None)
    assert not g.data[:, 0].any()
    assert not g.data[2:, 1].any()


def test_a_reset_starts_the_carry_again():
    reset = np.zeros((T, B), bool)
    reset[2, 1] = True
    h, ys = tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS), reset=reset)
    alone_h, alone_ys = by_hand(XS[2:, 1:2], H0[1:2])
    np.testing.assert_allclose(h.data[1], alone_h[0])
    np.testing.assert_allclose(ys.data[2:, 1], alone_ys[:, 0])
    np.testing.assert_allclose(ys.data[:, 0], by_hand(XS, H0)[1][:, 0])


def test_a_reset_beyond_the_end_of_a_sequence_changes_nothing():
    reset = np.zeros((T, B), bool)
    reset[3] = True
    h, _ = tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS), reset=reset, lengths=[2, 2, 2])
    np.testing.assert_allclose(h.data, by_hand(XS[:2], H0)[0])


def test_carries_inputs_and_outputs_may_be_nested():
    def step(carry, x):
        total, (count,) = carry["total"] + x["a"] * x["b"], carry["count"]
        return {"total": total, "count": (count + 1,)}, (total, None)

    carry, (totals, nothing) = tg.scan(
        step,
        {"total": tg.tensor(0.0), "count": (tg.tensor(0.0),)},
        {"a": tg.tensor([1.0, 2.0]), "b": tg.tensor([3.0, 4.0])},
    )
    assert carry["count"][0].item() == 2.0
    assert totals.tolist() == [3.0, 11.0]
    assert nothing is None


def test_no_steps_give_the_initial_carry_and_empty_outputs():
    h, ys = tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS[:0]))
    np.testing.assert_array_equal(h.data, H0)
    assert ys.shape == (0, B, H)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"lengths": [1.0, 2.0, 3.0]}, tg.DtypeError, "expected integers"),
        ({"lengths": [1, 2, 5]}, tg.ShapeError, r"each in \[0, 4\]"),
        ({"lengths": [1, 2]}, tg.ShapeError, "batch of 2"),
        ({"reset": np.zeros((T, B))}, tg.DtypeError, "expected booleans"),
        ({"reset": np.zeros((2, B), bool)}, tg.ShapeError, r"expected \(4, batch\)"),
    ],
)
def test_bad_masks_are_refused(options, error, says):
    with pytest.raises(error, match=says):
        tg.scan(cell, tg.Tensor(H0), tg.Tensor(XS), **options)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda h, x: h, r"expected a pair \(carry, y\)"),
        (lambda h, x: ((h, h), x), r"got a carry \* and returned \('\*', '\*'\)"),
        (lambda h, x: (h[:1], x), r"shape \(3, 2\) and returned \(1, 2\)"),
    ],
)
def test_a_step_that_is_no_step_is_refused(step, says):
    with pytest.raises(tg.ShapeError, match=says):
        tg.scan(step, tg.Tensor(H0), tg.Tensor(XS))


def test_inputs_of_different_lengths_are_refused():
    with pytest.raises(tg.ShapeError, match="same number of time steps"):
        tg.scan(cell, tg.Tensor(H0), (tg.Tensor(XS), tg.Tensor(XS[:2])))
