import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

T, B, F = 4, 3, 2
LENGTHS = [4, 0, 2]
X = np.random.default_rng(0).normal(size=(T, B, F))
LAYOUTS = [  # of the same numbers: the axis of time, and how to get there from (T, B, F)
    (0, (0, 1, 2)),
    (1, (1, 0, 2)),
    (2, (1, 2, 0)),
    (-1, (1, 2, 0)),
]


def folded(fold):
    """The fold of each sequence's own steps, (B, F), zeros where there are none."""
    parts = (X[:n, b] for b, n in enumerate(LENGTHS))
    return np.stack([fold(part, axis=0) if len(part) else np.zeros(F) for part in parts])


@pytest.mark.parametrize(("axis", "order"), LAYOUTS)
@pytest.mark.parametrize(
    ("pool", "fold"), [(nn.GlobalMaxPool, np.max), (nn.GlobalAvgPool, np.mean)]
)
def test_a_global_pool_sees_each_sequence_up_to_its_end(pool, fold, axis, order):
    x = X.transpose(order)
    np.testing.assert_allclose(pool(axis)(x, lengths=LENGTHS).data, folded(fold), rtol=1e-14)
    np.testing.assert_allclose(pool(axis)(x).data, fold(X, axis=0), rtol=1e-14)


@pytest.mark.parametrize("pool", [nn.GlobalMaxPool(), nn.GlobalAvgPool()], ids=repr)
def test_what_comes_after_the_end_does_not_matter_and_learns_nothing(pool):
    after = np.arange(T)[:, None] >= np.asarray(LENGTHS)
    x = tg.tensor(np.where(after[..., None], np.nan, X), requires_grad=True)
    y = pool(x, lengths=LENGTHS)
    y.sum().backward()
    assert np.isfinite(y.data).all()
    assert (x.grad.data[after] == 0).all()
    np.testing.assert_allclose(x.grad.data.sum(axis=0), [[1, 1], [0, 0], [1, 1]])


@pytest.mark.parametrize("pool", [nn.GlobalMaxPool, nn.GlobalAvgPool])
def test_a_global_pool_can_be_differentiated_twice(pool):
    tg.gradcheck(lambda x: tg.tanh(pool()(x, lengths=LENGTHS)), X, order=2)
    tg.gradcheck(lambda x: tg.tanh(pool((1, 2))(x)), X, order=2)


def test_a_global_pool_keeps_float32():
    assert nn.GlobalAvgPool()(X.astype("float32"), lengths=LENGTHS).dtype == "float32"
    assert nn.GlobalMaxPool()(X.astype("float32"), lengths=LENGTHS).dtype == "float32"


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(
        tg.ShapeError, match=r"GlobalMaxPool: got lengths of shape \(2,\); expected"
    ):
        nn.GlobalMaxPool()(X, lengths=[1, 2])
    with pytest.raises(
        tg.ShapeError, match=r"of which \[5\] are out of range; expected each in \["
    ):
        nn.GlobalAvgPool()(X, lengths=[1, 5, 0])
    with pytest.raises(tg.ShapeError, match=r"got lengths, axis=\(0, 1\) and an input of shape"):
        nn.GlobalAvgPool((0, 1))(X, lengths=[1, 2, 3])


def test_windows_are_as_far_apart_as_they_are_long_unless_told():
    assert nn.MaxPool1d(3).stride == (3,)
    assert nn.AvgPool2d(3, stride=(2, 1)).stride == (2, 1)


def test_an_input_without_places_is_refused():
    with pytest.raises(
        tg.ShapeError, match=r"MaxPool1d: got input of shape \(3,\); expected \(N, C"
    ):
        nn.MaxPool1d(2)(np.ones(3))
    with pytest.raises(tg.ShapeError, match=r"expected \(N, C, H, W\), or \(C, H, W\) for one sam"):
        nn.AvgPool2d(2)(np.ones((3, 3)))
    with pytest.raises(tg.ShapeError, match=r"MaxPool2d: got kernel_size=0; expected one integer"):
        nn.MaxPool2d(0)


def test_the_repr_names_the_window():
    assert repr(nn.AvgPool1d(2)).startswith(
        "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"
    )
    assert repr(nn.GlobalMaxPool(1)).startswith("GlobalMaxPool(axis=1)")
