import numpy as np
import pytest

from tinygrad_rnn.decode import Sampler, categorical, greedy, probabilities


class Constant(np.random.Generator):
    """A generator whose uniform numbers are all `value`."""

    def __init__(self, value):
        super().__init__(np.random.PCG64(0))
        self.value = value

    def random(self, size=None):
        return np.full(size, self.value)


def test_greedy_takes_the_largest_along_the_last_axis():
    logits = np.random.default_rng(0).normal(size=(4, 5, 6))
    np.testing.assert_array_equal(greedy(logits), logits.argmax(axis=-1))


def test_draws_have_the_frequencies_of_the_softmax():
    logits = np.log([0.5, 0.3, 0.2])
    drawn = categorical(np.tile(logits, (50_000, 1)), np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn) / 50_000, [0.5, 0.3, 0.2], atol=0.01)


@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-53])
def test_a_token_ruled_out_is_never_drawn(u):
    logits = np.array([-np.inf, 0.1, -np.inf, 0.2, 0.3, -np.inf])
    assert categorical(logits, Constant(u)) in (1, 3, 4)


def test_the_same_seed_draws_the_same_tokens():
    logits = np.random.default_rng(0).normal(size=(20, 30))
    first, second = (Sampler()(logits, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-9}])
def test_every_narrowest_setting_is_greedy(settings):
    logits = np.random.default_rng(0).normal(size=(50, 9))
    drawn = Sampler(**settings)(logits, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, greedy(logits))


def test_the_nucleus_is_taken_after_temperature():
    logits = np.log([0.5, 0.3, 0.2])
    cold = Sampler(temperature=0.1, top_p=0.9).filtered(logits)
    warm = Sampler(temperature=10, top_p=0.9).filtered(logits)
    assert np.isfinite(cold).sum() == 1
    assert np.isfinite(warm).sum() == 3


def test_top_k_and_nucleus_narrow_together():
    z = Sampler(top_k=2, top_p=0.6).filtered(np.log([0.4, 0.4, 0.2]))
    np.testing.assert_allclose(probabilities(z), [0.5, 0.5, 0])


@pytest.mark.parametrize("settings", [{"temperature": -1}, {"top_k": 0}, {"top_p": 2.0}])
def test_a_bad_setting_is_reported_when_the_sampler_is_made(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} is"):
        Sampler(**settings)


def test_chance_needs_a_generator():
    with pytest.raises(TypeError, match=r"rng is a int; .* numpy\.random\.default_rng\(seed\)"):
        categorical([0.0, 1.0], 0)
