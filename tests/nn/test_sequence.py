import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

X = np.random.default_rng(0).normal(size=(4, 2, 3))


def test_a_vector_is_repeated_as_every_step():
    x = X[0]
    y = nn.RepeatVector(5)(x)
    assert y.shape == (2, 5, 3)
    assert all(np.array_equal(y[:, t].data, x) for t in range(5))
    y = nn.RepeatVector(5, batch_first=False)(x)
    assert y.shape == (5, 2, 3)
    assert all(np.array_equal(y[t].data, x) for t in range(5))


def test_a_repeated_vector_collects_all_gradients():
    x = tg.tensor(X[0], requires_grad=True)
    nn.RepeatVector(5)(x).sum().backward()
    assert (x.grad.data == 5).all()


def test_every_step_goes_through_the_same_layer():
    layer = nn.Linear(3, 2, seed=0, dtype="float64")
    y = nn.TimeDistributed(lambda x: tg.tanh(layer(x)))(X)
    for t in range(4):
        np.testing.assert_allclose(y[t].data, tg.tanh(layer(X[t])).data, rtol=1e-13)


def test_frames_of_a_video_go_through_a_network_of_images():
    frames = nn.Sequential(nn.Conv2d(1, 2, 3, seed=0), tg.relu, nn.GlobalMaxPool((2, 3)))
    video = np.random.default_rng(1).normal(size=(2, 4, 1, 5, 5)).astype("float32")
    y = nn.TimeDistributed(frames)(video)
    assert y.shape == (2, 4, 2)
    np.testing.assert_allclose(y[1].data, frames(video[1]).data, rtol=1e-6)


def test_a_layer_over_time_can_be_differentiated_twice():
    layer = nn.TimeDistributed(nn.Linear(3, 2, seed=0, dtype="float64"))
    tg.gradcheck(lambda x: tg.tanh(layer(x)), X, order=2)


def test_the_layer_is_found_and_saved():
    assert list(nn.TimeDistributed(nn.Linear(3, 2)).state_dict()) == ["layer.weight", "layer.bias"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(tg.ShapeError, match=r"RepeatVector: got input of shape \(4, 2, 3\); expec"):
        nn.RepeatVector(2)(X)
    with pytest.raises(ValueError, match="RepeatVector: got n=0; expected an integer of 1"):
        nn.RepeatVector(0)
    with pytest.raises(
        tg.ShapeError, match=r"TimeDistributed: got input of shape \(3,\); expected"
    ):
        nn.TimeDistributed(tg.tanh)(np.ones(3))
    with pytest.raises(tg.ShapeError, match=r"the layer gave shape \(3,\) for a batch of 8"):
        nn.TimeDistributed(lambda x: x.sum(axis=0))(X)


def test_the_repr_names_what_is_not_as_usual():
    assert repr(nn.RepeatVector(3)).startswith("RepeatVector(3) ")
    assert repr(nn.RepeatVector(3, False)).startswith("RepeatVector(3, batch_first=False) ")
