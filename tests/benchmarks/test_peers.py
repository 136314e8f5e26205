"""Both sides of every comparison do the same work: they get the same numbers."""

import numpy as np
import pytest

from tests.benchmarks import cells, generation, layers, training
from tests.benchmarks.own_cells import CELLS, made
from tests.benchmarks.sequences import ours
from tinygrad_rnn import nn
from tinygrad_rnn.train import LanguageModel

SIZES = (5, 3, 4, 6)


def arrays(numbers):
    return [np.asarray(x.detach() if hasattr(x, "detach") else x) for x in numbers]


def assert_same(mine, theirs, **tolerances):
    for a, b in zip(arrays(mine), arrays(theirs), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, **{"rtol": 1e-4, "atol": 1e-5, **tolerances})


def custom(name):
    """A small cell whose parameters are all different, gains of one and biases of zero too."""
    cell, work = made(name, SIZES)
    rng = np.random.default_rng(1)
    for p in cell.parameters():
        p.data[...] += rng.normal(0, 0.1, p.shape)
    return cell, work


@pytest.mark.parametrize("kind", layers.STATES)
def test_a_layer_and_pytorchs_agree_on_output_and_all_gradients(kind):
    pytest.importorskip("torch")
    mine, theirs = layers.sides(kind, SIZES)
    assert_same(mine(), theirs())


@pytest.mark.parametrize("name", CELLS)
def test_a_custom_cell_and_its_copy_in_pytorch_agree(name):
    pytest.importorskip("torch")
    cell, work = custom(name)
    assert_same(ours(nn.Recurrent(cell), work)(), cells.torch_side(name, cell, work)())


@pytest.mark.parametrize("name", CELLS)
def test_a_custom_cell_and_its_copy_in_jax_agree(name):
    pytest.importorskip("jax")
    cell, work = custom(name)
    assert_same(ours(nn.Recurrent(cell), work)(), cells.jax_side(name, cell, work)())


def test_a_side_gives_the_same_when_it_runs_again():
    run = ours(nn.LSTM(4, 6, seed=0), layers.work(SIZES, 2, 1))
    assert_same(run(), run(), rtol=0, atol=0)


@pytest.mark.parametrize("adam", ["fused", "foreach"])
def test_training_takes_the_same_steps_as_pytorch(adam):
    pytest.importorskip("torch")
    model = LanguageModel(7, cell="lstm", hidden=6, embedding=4, seed=0)
    twin, batch = training.torch_model(model), training.batch(7, 5, 3)
    mine = training.our_step(model, *batch)
    theirs = training.torch_step(twin, *batch, adam)
    assert_same([mine() for _ in range(5)], [theirs() for _ in range(5)])
    # Adam divides by the gradient's size, so rounding shows as a part of the step length.
    tolerance = 0.02 * training.RATE
    assert_same(model.parameters(), twin.parameters(), rtol=0, atol=tolerance)


def test_generation_sees_the_same_logits_as_pytorch():
    pytest.importorskip("torch")
    import torch

    model = LanguageModel(7, cell="lstm", hidden=6, embedding=4, seed=0)
    step, theirs = generation.torch_step(training.torch_model(model))
    mine = None
    for token in (3, 1, 4, 1, 5):
        mine, logits = model.step(mine, token)
        theirs, peers = step(theirs, torch.tensor([token]))
        assert_same([logits], [peers[0]])


def test_generation_draws_as_many_characters_on_both_sides():
    pytest.importorskip("torch")
    model = LanguageModel(7, cell="lstm", hidden=6, embedding=4, seed=0)
    mine = generation.our_text(model, 200)
    theirs = generation.torch_text(training.torch_model(model), 200)
    assert len(mine) == len(theirs) == 200
    assert set(mine) == set(theirs) == set(range(7))
