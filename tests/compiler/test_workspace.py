"""What is lent from run to run: nothing of one run may show in another."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.compiler import slicing, workspace
from tinygrad_rnn.kernels.memory import shelf

T, B, D, H = 6, 16, 4, 5


@pytest.fixture(params=["numpy", "numba"], autouse=True)
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    gc.collect()  # graphs of other tests give back what they have borrowed
    shelf.cache_clear()
    with tg.backend(request.param), tg.compiled():
        yield request.param


def inputs(seed=0, steps=T):
    x = np.random.default_rng(seed).normal(size=(steps, B, D)).astype("float32")
    return tg.tensor(x, requires_grad=True)


def everything(y, h, c):
    return (y * y).sum() + (h * c).sum()


def found_by(layer, x, loss=everything):
    """Outputs and gradients, copied."""
    y, (h, c) = layer(x)
    loss(y, h, c).backward()
    given = [*layer.parameters(), x]
    arrays = [y.data, h.data, c.data, *(p.grad.data for p in given)]
    for p in given:
        p.grad = None
    return [a.copy() for a in arrays]


def agree(layer, x, loss=everything):
    """See that the layer gives what its definition gives."""
    found = found_by(layer, x, loss)
    with tg.eager():
        expected = found_by(layer, x, loss)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_weights_are_read_anew_wherever_they_are():
    layer, x = nn.LSTM(D, H, seed=0), inputs()
    agree(layer, x)
    for p in layer.parameters():
        p.data *= 2
    agree(layer, x)
    for p in layer.parameters():
        p.data = p.data * 0.5
    agree(layer, x)
    apart = np.zeros((2 * 4 * H, 3 * H), "float32")[::2, ::3]
    apart[:] = layer.weight_hh_l0.data
    layer.weight_hh_l0.data = apart
    agree(layer, x)
    apart[:] = 0.3
    agree(layer, x)


def test_layers_that_are_alike_keep_their_own_weights():
    x = inputs()
    one, other = nn.LSTM(D, H, seed=0), nn.LSTM(D, H, seed=1)
    for layer in (one, other, one):
        agree(layer, x)


def test_any_number_of_threads_finds_the_weights(monkeypatch):
    monkeypatch.setattr(slicing, "WORTH", 0)
    try:
        for seed, count in enumerate((1, 2, 1, 2)):
            tg.set_num_threads(count)
            agree(nn.LSTM(D, H, seed=seed), inputs(seed))
    finally:
        tg.set_num_threads(None)


def test_what_came_out_stays_as_it_was():
    layer = nn.LSTM(D, H, seed=0)

    def run(seed):
        x = inputs(seed)
        gradient = tg.grad(lambda x: everything(*flat(layer(x))))(x)
        return [*flat(layer(x)), gradient]

    kept = run(0)
    copies = [x.data.copy() for x in kept]
    for seed in (1, 2):
        run(seed)
    for x, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(x.data, copy)


def test_gradients_of_weights_that_somebody_keeps_stay_as_they_were():
    step = nn.LSTMCell(D, H, seed=0)
    layer = nn.Recurrent(step)
    kept = []
    for seed in (0, 1, 0):
        y, _ = layer(inputs(seed))
        (y * y).sum().backward()
        kept.append([p.grad for p in step.parameters()])
        for p in step.parameters():
            p.grad = None
    for first, again, other in zip(kept[0], kept[2], kept[1], strict=True):
        np.testing.assert_array_equal(first.data, again.data)
        assert (first.data != other.data).any()


def flat(results):
    y, (h, c) = results
    return y, h, c


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, h, c: (y * y).sum(),
        lambda y, h, c: (h * h).sum(),
        lambda y, h, c: (c * c).sum(),
        lambda y, h, c: y[2].sum() + c.sum(),
    ],
    ids=["outputs", "last state", "last memory", "both"],
)
def test_a_loss_may_depend_on_some_of_the_results(loss):
    layer, x = nn.LSTM(D, H, seed=0), inputs()
    found_by(layer, x)  # leaves its cotangents behind
    agree(layer, x, loss)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_a_first_carry_may_lie_in_memory_in_any_way(dtype):
    whole = np.arange(2 * B * 2 * H).reshape(2 * B, 2 * H).astype(dtype)
    x = np.arange(T * B * H).reshape(T, B, H).astype(dtype)

    def step(total, x):
        return total + x, total

    for start in (
        whole[::2, ::2],
        whole[:B, 3 : 3 + H],
        whole[:B, ::-2],
        np.asfortranarray(whole[:B, :H]),
    ):
        last, before = tg.scan(step, tg.tensor(start), tg.tensor(x))
        np.testing.assert_array_equal(last.data, start + x.sum(axis=0))
        given = tg.scan(step, tg.Tensor(start), tg.Tensor(x))
        np.testing.assert_array_equal(given[0].data, last.data)
        np.testing.assert_array_equal(given[1].data, before.data)


def test_runs_may_overlap():
    layer = nn.LSTM(D, H, seed=0)
    xs = [inputs(seed) for seed in range(3)]
    expected = [found_by(layer, x)[-1] for x in xs]
    losses = [everything(*flat(layer(x))) for x in xs]
    for k in (1, 0, 2):
        losses[k].backward(retain_graph=True)
        np.testing.assert_array_equal(xs[k].grad.data, expected[k])
    xs[1].grad = None
    losses[1].backward()
    np.testing.assert_array_equal(xs[1].grad.data, expected[1])


def test_the_backward_loop_may_run_on_another_backend(backend):
    layer, x = nn.LSTM(D, H, seed=0), inputs()
    expected = found_by(layer, x)[-1]
    loss = everything(*flat(layer(x)))
    with tg.backend("numpy"):
        loss.backward()
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-4, atol=1e-5)


def test_lengths_that_come_and_go_share_memory():
    layer, room = nn.LSTM(D, H, seed=0), 3 * workspace.SPARE
    lengths = (6, 3, 9, 4, 9, 5, room, 3, 2, room)
    for steps in lengths:
        agree(layer, inputs(steps, steps))
    spaces = [x for x in lent(workspace.Workspace) if x.parts[0].width == B]
    assert sum(space.room == room for space in spaces) == 1
    assert not any(space.room in (4, 5, 9) for space in spaces)


def lent(kind):
    """What is on the shelf."""
    return [x for things in shelf().free.values() for x in things if isinstance(x, kind)]


def test_nothing_that_was_given_is_kept_alive():
    layer, x = nn.LSTM(D, H, seed=0), inputs()
    found_by(layer, x)
    given = [weakref.ref(a.data) for a in (x, *layer.parameters())]
    del layer, x
    gc.collect()
    assert [a() is None for a in given] == [True] * len(given)
