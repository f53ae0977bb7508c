import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mooring.networks.actors import CategoricalActor, DeterministicActor, GaussianActor, SquashedGaussianActor
from reference import doubles, mlp

KEY = jax.random.key(0)
OBS = jnp.asarray(np.random.default_rng(0).normal(size=3), jnp.float32)


def output(actor):
    """f(s) in float64."""
    return mlp(doubles(actor).net, np.asarray(OBS, np.float64)[None])[0]


def normal_density(x, mean, std):
    return np.exp(-((x - mean) ** 2) / (2 * std**2)) / np.sqrt(2 * np.pi * std**2)


def many(actor, count=20_000):
    return jax.vmap(lambda key: actor.sample(OBS, key))(jax.random.split(KEY, count))


def test_the_deterministic_actor_squashes():
    actor = DeterministicActor.of(KEY, 3, 2, (8,))
    np.testing.assert_allclose(actor(OBS), np.tanh(output(actor)), rtol=1e-5)
    assert jnp.array_equal(actor.sample(OBS, KEY), actor.mode(OBS))


def gaussian(log_std):
    return GaussianActor(GaussianActor.of(KEY, 3, 2, (8,)).net, jnp.asarray(log_std))


def test_the_gaussian_density_is_about_the_squashed_mean():
    actor = gaussian([-1.0, 0.5])
    action = np.asarray([0.3, -0.9])
    expected = np.log(normal_density(action, np.tanh(output(actor)), np.exp([-1.0, 0.5])).prod())
    assert actor.log_prob(OBS, jnp.asarray(action, jnp.float32)) == pytest.approx(expected, rel=1e-5)


def test_gaussian_samples_spread_as_they_should():
    actor = gaussian([-3.0, -2.5])
    samples = np.asarray(many(actor))
    np.testing.assert_allclose(samples.mean(axis=0), np.tanh(output(actor)), atol=0.005)
    np.testing.assert_allclose(samples.std(axis=0), np.exp([-3.0, -2.5]), rtol=0.03)


def test_gaussian_samples_stay_within_bounds_and_its_spread_within_its_range():
    actor = gaussian([9.0, -9.0])
    np.testing.assert_allclose(actor.std(), np.exp([2.0, -5.0]), rtol=1e-6)
    assert jnp.abs(many(actor)).max() == 1


def squashed(scale=1.0):
    actor = SquashedGaussianActor.of(KEY, 3, 2, (8,))
    return jax.tree.map(lambda leaf: scale * leaf, actor)


def squashed_density(actor, action, width=1e-6):
    """P(a < A <= a + width) / width, by the normal distribution of the numbers before the tanh."""
    mean, log_std = np.split(output(actor), 2)
    low, high = np.arctanh(action - width / 2), np.arctanh(action + width / 2)
    middle = (low + high) / 2
    return (normal_density(middle, mean, np.exp(log_std)) * (high - low) / width).prod()


@pytest.mark.parametrize("action", [(0.0, 0.0), (0.5, -0.7), (0.99, -0.999)])
def test_the_squashed_density_changes_variables(action):
    actor = squashed()
    expected = np.log(squashed_density(actor, np.asarray(action)))
    assert actor.log_prob(OBS, jnp.asarray(action)) == pytest.approx(expected, rel=1e-3)


def test_the_squashed_density_sums_to_one():
    actor = SquashedGaussianActor.of(KEY, 3, 1, (8,))
    grid = jnp.linspace(-1, 1, 20_001)[1:-1, None]
    density = jnp.exp(jax.vmap(lambda action: actor.log_prob(OBS, action))(grid))
    assert jnp.sum(density) * 1e-4 == pytest.approx(1, abs=1e-3)


def test_a_squashed_sample_comes_with_its_own_density():
    actor = squashed()
    action, log_prob = actor.sample_with_log_prob(OBS, KEY)
    assert jnp.array_equal(action, actor.sample(OBS, KEY))
    assert log_prob == pytest.approx(float(actor.log_prob(OBS, action)), abs=1e-4)


def test_the_squashed_density_is_finite_at_the_edges():
    actor = squashed(scale=30.0)
    samples, log_probs = jax.vmap(lambda key: actor.sample_with_log_prob(OBS, key))(jax.random.split(KEY, 100))
    assert jnp.isfinite(log_probs).all()
    assert jnp.abs(samples).max() == 1
    assert jnp.isfinite(actor.log_prob(OBS, jnp.asarray([1.0, -1.0])))
    slope = jax.grad(lambda a: squashed().log_prob(OBS, a))(jnp.asarray([0.9, -0.9]))
    assert jnp.isfinite(slope).all()


def test_the_squashed_gradient_passes_through_samples():
    actor = squashed()
    slope = jax.grad(lambda actor: jnp.sum(actor.sample(OBS, KEY)))(actor)
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(slope))


def test_the_squashed_spread_stays_within_its_range():
    actor = SquashedGaussianActor.of(KEY, 3, 2, (8,), log_std_range=(-0.01, 0.01))
    np.testing.assert_allclose(actor.moments(OBS)[1], 1, atol=0.011)


def test_the_categorical_actor_is_a_softmax():
    actor = CategoricalActor.of(KEY, 3, 4, (8,))
    p = np.exp(output(actor)) / np.exp(output(actor)).sum()
    for action in range(4):
        assert actor.log_prob(OBS, jnp.asarray(action)) == pytest.approx(np.log(p[action]), rel=1e-5)
    assert actor.mode(OBS) == p.argmax()
    np.testing.assert_allclose(np.bincount(many(actor), minlength=4) / 20_000, p, atol=0.015)
